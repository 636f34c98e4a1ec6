//! The folder of letter templates, `[email] templates`: read whole when the configuration is, so that a fault
//! is told with its file, line and column before anything is sent.
//!
//! | file | what it is |
//! |---|---|
//! | `closing.zh-TW.txt` | the letter for all lines: `Subject: ...`, an empty line, the text |
//! | `closing.zh-TW.html` | its HTML, if that is not to be made of the text |
//! | `billing/closing.zh-TW.txt` | the same for the queue `billing` alone |
//!
//! The words before the language are those of [`Occasion`], the language is a tag such as `en` or `zh-TW`. What
//! is not there is as built in. Files whose names begin with `.` or end with `~` are passed over.

use super::fault::Place;
use super::source::{Source, Step, nearest};
use super::value::Language;
use ringdown_email::composing::{Mistake, Occasion, Template, TemplateFault, Templates};
use ringdown_routing::ids::QueueId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Octets of one template file; a letter is no book.
const FILE_BYTES_MAX: u64 = 256 * 1_024;

/// Most entries of one folder that are looked at.
const ENTRIES_MAX: usize = 1_000;

/// The site's own templates, found whole.
#[derive(Clone, Debug, Default)]
pub struct LetterTemplates(Vec<OwnTemplate>);

#[derive(Clone, Debug)]
struct OwnTemplate {
    queue: Option<QueueId>,
    language: Language,
    occasion: Occasion,
    template: Template,
}

impl LetterTemplates {
    /// Puts them in the places of those built in.
    pub fn put_into(&self, templates: &mut Templates) {
        for own in &self.0 {
            templates.set(
                own.queue.clone(),
                own.language.as_str(),
                own.occasion,
                own.template.clone(),
            );
        }
    }
}

/// Reads the folder; every fault is noted at its place.
pub(super) fn read(
    folder: &Path,
    queues: &BTreeSet<String>,
    source: &mut Source<'_>,
) -> LetterTemplates {
    let mut reader = Reader {
        source,
        found: Vec::new(),
    };
    let entries = reader.entries(folder);
    for entry in entries.iter().filter(|entry| entry.is_dir()) {
        match name_of(entry) {
            Some(name) if queues.contains(name) => {
                let queue = QueueId::new(name.to_owned());
                let letters = reader.entries(entry);
                reader.read_letters(letters, Some(&queue));
            }
            name => {
                let hint = nearest(name.unwrap_or(""), queues.iter().map(String::as_str));
                let hint = hint.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                let sentence = format!("is the folder of no queue{hint}");
                reader.note(entry, sentence);
            }
        }
    }
    reader.read_letters(entries, None);
    LetterTemplates(reader.found)
}

struct Reader<'s, 't> {
    source: &'s mut Source<'t>,
    found: Vec<OwnTemplate>,
}

impl Reader<'_, '_> {
    /// What lies in a folder, by name.
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| Ok(entry?.path()));
            paths
                .take(ENTRIES_MAX + 1)
                .collect::<std::io::Result<Vec<_>>>()
        });
        let mut paths = match listed {
            Ok(paths) => paths,
            Err(error) => {
                let sentence = format!("the folder {} cannot be read: {error}", folder.display());
                let path = [Step::Key("email"), Step::Key("templates")];
                self.source.note_at(&path, sentence);
                return Vec::new();
            }
        };
        if paths.len() > ENTRIES_MAX {
            self.note(folder, format!("holds more than {ENTRIES_MAX} files"));
            return Vec::new();
        }
        paths.retain(|path| !name_of(path).is_some_and(is_passed_over));
        paths.sort();
        paths
    }

    fn read_letters(&mut self, files: Vec<PathBuf>, queue: Option<&QueueId>) {
        let mut texts: BTreeMap<(Occasion, Language), (PathBuf, Template)> = BTreeMap::new();
        let mut htmls: Vec<((Occasion, Language), PathBuf)> = Vec::new();
        for path in files {
            if path.is_dir() {
                if queue.is_some() {
                    self.note(&path, "a queue's folder holds no folders");
                }
                continue;
            }
            match subject_of(&path) {
                Ok((place, Form::Text)) => {
                    let template = self.parse(&path, Template::parse);
                    texts.extend(template.map(|template| (place, (path, template))));
                }
                Ok((place, Form::Html)) => htmls.push((place, path)),
                Err(sentence) => self.note(&path, sentence),
            }
        }
        for (place, path) in htmls {
            let text = path.with_extension("txt");
            match texts.remove(&place) {
                Some((text, template)) => {
                    let whole = self.parse(&path, |html| template.clone().with_html(html));
                    // What the text lacks is told of the text, below.
                    let is_text_fit = template.check(place.0).is_ok();
                    let whole = whole.filter(|it| !is_text_fit || self.check(&path, it, place.0));
                    texts.extend(whole.map(|whole| (place, (text, whole))));
                }
                // A text with a fault of its own is told of already.
                None if text.exists() => {}
                None => self.note(&path, format!("there is no {} beside it", text.display())),
            }
        }
        for ((occasion, language), (path, template)) in texts {
            if self.check(&path, &template, occasion) {
                self.found.push(OwnTemplate {
                    queue: queue.cloned(),
                    language,
                    occasion,
                    template,
                });
            }
        }
    }

    fn parse(
        &mut self,
        path: &Path,
        parse: impl Fn(&str) -> Result<Template, TemplateFault>,
    ) -> Option<Template> {
        let size = std::fs::metadata(path).map(|metadata| metadata.len());
        if size.is_ok_and(|size| size > FILE_BYTES_MAX) {
            self.note(path, format!("is larger than {FILE_BYTES_MAX} octets"));
            return None;
        }
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.note(path, format!("cannot be read: {error}"));
                return None;
            }
        };
        match parse(&text) {
            Ok(template) => Some(template),
            Err(fault) => {
                let place = Place::At {
                    file: path.to_owned(),
                    line: fault.line,
                    column: fault.column,
                };
                self.source.note_place(place, fault.mistake.to_string());
                None
            }
        }
    }

    fn check(&mut self, path: &Path, template: &Template, occasion: Occasion) -> bool {
        let checked: Result<(), Mistake> = template.check(occasion);
        if let Err(mistake) = &checked {
            self.note(path, mistake);
        }
        checked.is_ok()
    }

    fn note(&mut self, path: &Path, sentence: impl Display) {
        self.source
            .note_place(Place::File(path.to_owned()), sentence.to_string());
    }
}

enum Form {
    Text,
    Html,
}

/// What a file is, by its name.
fn subject_of(path: &Path) -> Result<((Occasion, Language), Form), String> {
    let shape =
        || "is no `OCCASION.LANGUAGE.txt` or `.html`, such as `closing.zh-TW.txt`".to_owned();
    let name = name_of(path).ok_or_else(shape)?;
    let (stem, form) = match name.rsplit_once('.') {
        Some((stem, "txt")) => (stem, Form::Text),
        Some((stem, "html")) => (stem, Form::Html),
        Some(_) | None => return Err(shape()),
    };
    let (word, language) = stem.split_once('.').ok_or_else(shape)?;
    let occasion = Occasion::ALL.into_iter().find(|it| it.word() == word);
    let occasion = occasion.ok_or_else(|| {
        let near = nearest(word, Occasion::ALL.map(Occasion::word));
        match near {
            Some(near) => format!("there is no letter `{word}`; did you mean `{near}`?"),
            None => shape(),
        }
    })?;
    let tag: Language = language.parse()?;
    if tag.as_str() != language {
        return Err(format!("write its language as `{tag}`"));
    }
    Ok(((occasion, tag), form))
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~')
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use ringdown_email::composing::{Fill, Occasion, Templates};
    use ringdown_routing::ids::QueueId;
    use std::path::{Path, PathBuf};

    /// A folder of one test, gone with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("ringdown-letters-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn load(folder: &Path) -> Result<Config, Vec<String>> {
        let file = folder.join("ringdown.toml");
        let text =
            "[site]\nregion = \"TW\"\n[[queue]]\nid = \"help\"\n[email]\ntemplates = \"letters\"\n";
        Config::parse(&file, text, &[]).map_err(|faults| {
            let told = faults.0.iter().map(ToString::to_string);
            let here = format!("{}/", folder.display());
            told.map(|line| line.replace(&here, "")).collect()
        })
    }

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join("letters").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn letters_of_a_folder_take_the_place_of_those_built_in() {
        let folder = Scratch::new("own");
        let folder = &folder.0;
        write(folder, "closing.zh-TW.txt", "Subject: 結案\n\n{body} 全部");
        write(folder, "closing.zh-TW.html", "<b>{body}</b>");
        write(
            folder,
            "help/closing.zh-TW.txt",
            "Subject: 結案\n\n{body} 服務台",
        );
        write(folder, ".gitignore", "*");
        write(folder, "closing.zh-TW.txt~", "old");
        let config = load(folder).unwrap();
        let mut templates = Templates::new("en");
        config.email.letters.put_into(&mut templates);
        let fill = Fill {
            body: "a & b".to_owned(),
            ..Fill::default()
        };
        let help = QueueId::from("help");
        let of = |queue: &str, language: &str| {
            let queue = QueueId::from(queue);
            templates
                .get(Some(&queue), language, Occasion::Closing)
                .fill(&fill)
        };
        assert_eq!(of(help.as_str(), "zh-TW").plain, "a & b 服務台\n");
        assert_eq!(of("other", "zh-TW").plain, "a & b 全部\n");
        assert_eq!(of("other", "zh-TW").html, "<b><p>a &amp; b</p>\n</b>");
        assert!(of("other", "en").plain.starts_with("Hello,"), "as built in");
    }

    #[test]
    fn every_fault_of_a_letter_is_told_with_its_place() {
        let folder = Scratch::new("faults");
        let folder = &folder.0;
        write(
            folder,
            "answer.en.txt",
            "Subject: x\n\nHello {nmae}, {body}",
        );
        write(
            folder,
            "answer.zh-TW.txt",
            "Subject: x\n\nno words of the agent",
        );
        write(folder, "closing.en.html", "<p>{body}</p>");
        write(folder, "progress.en.txt", "Subject: x\n\n{body}");
        write(folder, "progress.en.html", "<p>\n<b>{if body}");
        write(folder, "satisfaction.en.txt", "Subject: x\n\n{link}");
        write(folder, "satisfaction.en.html", "<p>how was it?");
        write(folder, "closng.en.txt", "Subject: x\n\n{body}");
        write(folder, "closing.english.txt", "Subject: x\n\n{body}");
        write(folder, "closing.zh_tw.txt", "Subject: x\n\n{body}");
        write(folder, "readme.md", "x");
        write(folder, "hlep/answer.en.txt", "Subject: x\n\n{body}");
        write(folder, "help/deeper/answer.en.txt", "Subject: x\n\n{body}");
        let faults = load(folder).unwrap_err();
        let expected = [
            "letters/answer.en.txt:3:7: there is no placeholder `{nmae}`; there are number, mark, subject, name, \
             body, signature, agent, site, queue, mailbox, link, marker, quote",
            "letters/progress.en.html:2:4: this `{if}` has no `{end}`",
            "letters/answer.zh-TW.txt: this letter says nothing without `{body}`",
            "letters/closing.en.html: there is no letters/closing.en.txt beside it",
            "letters/closing.english.txt: `english` is not a language tag such as `en` or `zh-TW`",
            "letters/closing.zh_tw.txt: write its language as `zh-TW`",
            "letters/closng.en.txt: there is no letter `closng`; did you mean `closing`?",
            "letters/help/deeper: a queue's folder holds no folders",
            "letters/hlep: is the folder of no queue; did you mean `help`?",
            "letters/readme.md: is no `OCCASION.LANGUAGE.txt` or `.html`, such as `closing.zh-TW.txt`",
            "letters/satisfaction.en.html: this letter says nothing without `{link}`",
        ];
        assert_eq!(faults, expected, "{}", faults.join("\n"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_fault_of_the_key() {
        let folder = Scratch::new("missing");
        let faults = load(&folder.0).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].starts_with("ringdown.toml:6:13: the folder letters cannot be read: "),
            "{}",
            faults[0]
        );
    }
}
