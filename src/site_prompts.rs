//! The prompts and pieces of the site's own, by name and language, read when they are first asked for.

use crate::config::{Config, Language};
use ringdown_voice::media::{Clip, wav};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// Most letters of a name.
const NAME_LETTERS_MAX: usize = 64;

/// Most names and languages remembered; beyond that a file is read each time.
const KNOWN_MAX: usize = 1_000;

/// The site's own prompts and pieces.
#[derive(Debug)]
pub struct SitePrompts {
    prompts: Option<PathBuf>,
    music: Option<PathBuf>,
    language: Language,
    known: RwLock<Known>,
}

/// What was looked for, and what was found.
type Known = BTreeMap<(String, Language), Option<Arc<Clip>>>;

impl SitePrompts {
    /// Those in the folders of `[media]`.
    pub fn new(config: &Config) -> Self {
        Self {
            prompts: config.media.prompts.clone(),
            music: config.media.music.clone(),
            language: config.site.language.clone(),
            known: RwLock::default(),
        }
    }

    /// The clip of a name: in the language, else in the site's own, else in none; a piece of music last.
    /// `None` when there is no such file, or none that can be played.
    pub fn clip(&self, name: &str, language: &Language) -> Option<Arc<Clip>> {
        let key = (name.to_owned(), language.clone());
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(clip) = known.get(&key) {
            return clip.clone();
        }
        drop(known);
        let clip = self.read(name, language);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KNOWN_MAX {
            known.insert(key, clip.clone());
        }
        clip
    }

    /// Looks at the files of a name anew, and says whether one is there to be played.
    pub fn look_again(&self, name: &str) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(other, _), _| other != name);
        drop(known);
        self.clip(name, &self.language).is_some()
    }

    fn read(&self, name: &str, language: &Language) -> Option<Arc<Clip>> {
        if !is_name(name) {
            return None;
        }
        let file = format!("{name}.wav");
        let prompts = self.prompts.as_ref();
        let folders = [
            prompts.map(|folder| folder.join(language.as_str())),
            prompts.map(|folder| folder.join(self.language.as_str())),
            prompts.cloned(),
            self.music.clone(),
        ];
        folders.into_iter().flatten().find_map(|folder| {
            let bytes = std::fs::read(folder.join(&file)).ok()?;
            wav::read(bytes.as_slice()).ok().map(Arc::new)
        })
    }
}

/// A name stays within its folder, whoever gives it.
fn is_name(name: &str) -> bool {
    let is_letter = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_' | ' ');
    !name.is_empty() && name.chars().count() <= NAME_LETTERS_MAX && name.chars().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringdown_harness::place::Folder;

    const CLIP: &[u8] = include_bytes!("../fixtures/prompts/en/please_hold.wav");

    #[test]
    fn a_prompt_is_found_in_its_language_and_never_outside_of_its_folder() {
        let folder = Folder::new();
        for (file, bytes) in [
            ("prompts/en/fire.wav", CLIP),
            ("prompts/zh-TW/fire.wav", CLIP),
            ("prompts/zh-TW/flood.wav", CLIP),
            ("secret.wav", CLIP),
        ] {
            folder.write(file, bytes);
        }
        let text =
            "[site]\nregion = \"TW\"\nlanguage = \"zh-TW\"\n[media]\nprompts = \"prompts\"\n";
        let file = folder.path().join("r.toml");
        let prompts = SitePrompts::new(&Config::parse(&file, text, &[]).unwrap());
        let language = |tag: &str| tag.parse::<Language>().unwrap();
        for (name, tag, wanted) in [
            ("fire", "en", true),
            ("flood", "en", true),
            ("../secret", "en", false),
            ("nothing", "zh-TW", false),
        ] {
            assert_eq!(
                prompts.clip(name, &language(tag)).is_some(),
                wanted,
                "{name}"
            );
        }
        folder.write("prompts/nothing.wav", CLIP);
        assert!(prompts.clip("nothing", &language("zh-TW")).is_none());
        assert!(prompts.look_again("nothing"));
    }
}
