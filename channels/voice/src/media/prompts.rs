//! What the gateway says and plays to callers, per language, and how phrases are put together.

use super::clip::{Clip, Clips};
use super::prompt_files::{EMBEDDED, EMBEDDED_LANGUAGES, EMBEDDED_MUSIC};
use super::wav::{self, WavFault};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One thing that can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// Welcome.
    Greeting,
    /// "You are number"; a number follows.
    YouAreNumber,
    /// A place in the line, 1 to 20; any other is said as [`Prompt::MoreThan20`].
    Number(u8),
    /// A place behind the twentieth.
    MoreThan20,
    /// "The estimated wait is"; a time follows.
    EstimatedWait,
    /// Less than a minute.
    LessThanAMinute,
    /// Minutes, 1 to 10; any other is said as [`Prompt::MoreThan10Minutes`].
    Minutes(u8),
    /// More than ten minutes.
    MoreThan10Minutes,
    /// Every agent is busy.
    AllAgentsBusy,
    /// Please hold.
    PleaseHold,
    /// The queue is outside its hours.
    QueueClosed,
    /// The queue takes no more.
    QueueFull,
    /// Nobody is there to take the call.
    NoAgents,
    /// Something on our side is broken.
    TechnicalProblem,
    /// Asks for a ticket number by keys.
    EnterTicketNumber,
    /// The ticket was found.
    TicketNoted,
    /// Thanks, and good-bye.
    ThankYouGoodbye,
    /// The agent is being connected.
    Connecting,
    /// The agent was lost; the caller keeps the place.
    AgentLostPleaseWait,
    /// The desk is closed because of an emergency.
    EmergencyClosed,
    /// Offers a call-back by a key.
    CallbackOffer,
    /// Asks for the number to call back.
    CallbackNumber,
    /// The call-back was noted.
    CallbackNoted,
    /// A major incident is known and worked on.
    IncidentMessage,
    /// Offers by a key to be noted for the incident and leave.
    IncidentJoin,
    /// Offers by a key to leave a message.
    IncidentLeave,
    /// Says how to stay in the line.
    IncidentStay,
    /// Asks to speak after the tone.
    LeaveMessage,
    /// The caller is noted for the incident.
    IncidentNoted,
    /// Asks for a key from 1 to 5: how well it went.
    HowItWent,
}

impl Prompt {
    /// Every prompt that has a clip of its own, in the order of the embedded files.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Greeting, Self::YouAreNumber]
            .into_iter()
            .chain((1..=NUMBER_MAX).map(Self::Number))
            .chain([Self::MoreThan20, Self::EstimatedWait, Self::LessThanAMinute])
            .chain((1..=MINUTES_MAX).map(Self::Minutes))
            .chain([
                Self::MoreThan10Minutes,
                Self::AllAgentsBusy,
                Self::PleaseHold,
                Self::QueueClosed,
                Self::QueueFull,
                Self::NoAgents,
                Self::TechnicalProblem,
                Self::EnterTicketNumber,
                Self::TicketNoted,
                Self::ThankYouGoodbye,
                Self::Connecting,
                Self::AgentLostPleaseWait,
                Self::EmergencyClosed,
                Self::CallbackOffer,
                Self::CallbackNumber,
                Self::CallbackNoted,
                Self::IncidentMessage,
                Self::IncidentJoin,
                Self::IncidentLeave,
                Self::IncidentStay,
                Self::LeaveMessage,
                Self::IncidentNoted,
                Self::HowItWent,
            ])
    }

    /// Its file's name, without `.wav`.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self.in_range() {
            Self::Greeting => "greeting",
            Self::YouAreNumber => "you_are_number",
            Self::Number(number) => return Cow::Owned(format!("number_{number}")),
            Self::MoreThan20 => "more_than_20",
            Self::EstimatedWait => "estimated_wait",
            Self::LessThanAMinute => "less_than_a_minute",
            Self::Minutes(minutes) => return Cow::Owned(format!("minutes_{minutes}")),
            Self::MoreThan10Minutes => "more_than_10_minutes",
            Self::AllAgentsBusy => "all_agents_busy",
            Self::PleaseHold => "please_hold",
            Self::QueueClosed => "queue_closed",
            Self::QueueFull => "queue_full",
            Self::NoAgents => "no_agents",
            Self::TechnicalProblem => "technical_problem",
            Self::EnterTicketNumber => "enter_ticket_number",
            Self::TicketNoted => "ticket_noted",
            Self::ThankYouGoodbye => "thank_you_goodbye",
            Self::Connecting => "connecting",
            Self::AgentLostPleaseWait => "agent_lost_please_wait",
            Self::EmergencyClosed => "emergency_closed",
            Self::CallbackOffer => "callback_offer",
            Self::CallbackNumber => "callback_number",
            Self::CallbackNoted => "callback_noted",
            Self::IncidentMessage => "incident_message",
            Self::IncidentJoin => "incident_join",
            Self::IncidentLeave => "incident_leave",
            Self::IncidentStay => "incident_stay",
            Self::LeaveMessage => "leave_message",
            Self::IncidentNoted => "incident_noted",
            Self::HowItWent => "how_it_went",
        })
    }

    /// How a place in the line is said, from 1.
    pub fn position(place: usize) -> Self {
        u8::try_from(place)
            .map_or(Self::MoreThan20, Self::Number)
            .in_range()
    }

    /// How a time of waiting is said, rounded up to minutes.
    pub fn wait(wait: Duration) -> Self {
        if wait < Duration::from_secs(60) {
            return Self::LessThanAMinute;
        }
        let minutes = wait.as_secs().div_ceil(60);
        u8::try_from(minutes)
            .map_or(Self::MoreThan10Minutes, Self::Minutes)
            .in_range()
    }

    fn in_range(self) -> Self {
        match self {
            Self::Number(number) if !(1..=NUMBER_MAX).contains(&number) => Self::MoreThan20,
            Self::Minutes(minutes) if !(1..=MINUTES_MAX).contains(&minutes) => {
                Self::MoreThan10Minutes
            }
            Self::Greeting
            | Self::YouAreNumber
            | Self::Number(_)
            | Self::MoreThan20
            | Self::EstimatedWait
            | Self::LessThanAMinute
            | Self::Minutes(_)
            | Self::MoreThan10Minutes
            | Self::AllAgentsBusy
            | Self::PleaseHold
            | Self::QueueClosed
            | Self::QueueFull
            | Self::NoAgents
            | Self::TechnicalProblem
            | Self::EnterTicketNumber
            | Self::TicketNoted
            | Self::ThankYouGoodbye
            | Self::Connecting
            | Self::AgentLostPleaseWait
            | Self::EmergencyClosed
            | Self::CallbackOffer
            | Self::CallbackNumber
            | Self::CallbackNoted
            | Self::IncidentMessage
            | Self::IncidentJoin
            | Self::IncidentLeave
            | Self::IncidentStay
            | Self::LeaveMessage
            | Self::IncidentNoted
            | Self::HowItWent => self,
        }
    }
}

/// A language of a [`PromptLibrary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(u16);

/// Where a site keeps its own audio.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    /// Holds a folder per language (`en`, `zh-TW`, any other tag) with the prompts' files.
    pub prompts: Option<PathBuf>,
    /// Holds the music, played in the order of the files' names.
    pub music: Option<PathBuf>,
}

/// What is not as it should be in a site's folders; the embedded audio stands in.
#[derive(Debug, thiserror::Error)]
pub enum PromptWarning {
    /// A folder cannot be listed.
    #[error("{path}: cannot be read ({source}); the built-in audio is used")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A language lacks prompts.
    #[error("{path}: missing {names}; the built-in prompts are used")]
    Missing {
        /// The language's folder.
        path: PathBuf,
        /// The prompts' names.
        names: String,
    },
    /// A file is no usable WAV file.
    #[error("{path}: {source}; the built-in audio is used")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WavFault,
    },
    /// A file has a name that is never asked for.
    #[error("{path}: neither a prompt nor a language's folder with prompts")]
    Unknown {
        /// The file.
        path: PathBuf,
    },
}

/// All prompts of all languages, and the music; made once, shared by all calls.
#[derive(Debug)]
pub struct PromptLibrary {
    voices: Vec<Voice>,
    default: Language,
    music: Clips,
}

#[derive(Debug)]
struct Voice {
    tag: String,
    /// In the order of [`Prompt::all`].
    clips: Vec<Arc<Clip>>,
}

impl PromptLibrary {
    /// Loads what the site has over what is embedded (`fixtures/prompts`, `fixtures/music`).
    ///
    /// `language` is the site's own: it stands in for languages that are not there.
    pub fn load(folders: &Folders, language: &str) -> (Self, Vec<PromptWarning>) {
        let mut warnings = Vec::new();
        let mut library = Self::embedded();
        if let Some(folder) = &folders.prompts {
            library.read_prompts(folder, &mut warnings);
        }
        if let Some(folder) = &folders.music {
            let clips = read_music(folder, &mut warnings);
            if !clips.is_empty() {
                library.music = clips.into();
            }
        }
        library.default = library.language(language);
        (library, warnings)
    }

    /// What is built in.
    pub fn embedded() -> Self {
        let read = |bytes: &[u8]| {
            Arc::new(wav::read(bytes).expect("embedded files are WAV files; a test reads them all"))
        };
        let voices = EMBEDDED_LANGUAGES
            .iter()
            .enumerate()
            .map(|(place, tag)| Voice {
                tag: (*tag).to_owned(),
                clips: EMBEDDED
                    .iter()
                    .map(|(_, files)| read(files[place]))
                    .collect(),
            })
            .collect();
        Self {
            voices,
            default: Language(0),
            music: [read(EMBEDDED_MUSIC)].into(),
        }
    }

    /// The language for a tag (RFC 5646): the same, else one of the same primary language, else
    /// the site's own.
    pub fn language(&self, tag: &str) -> Language {
        let primary = |tag: &str| -> String {
            let end = tag.find(['-', '_']).unwrap_or(tag.len());
            tag[..end].to_ascii_lowercase()
        };
        let place = self
            .voices
            .iter()
            .position(|voice| voice.tag.eq_ignore_ascii_case(tag))
            .or_else(|| {
                let wanted = primary(tag);
                self.voices
                    .iter()
                    .position(|voice| primary(&voice.tag) == wanted)
            });
        place
            .and_then(|place| u16::try_from(place).ok())
            .map_or(self.default, Language)
    }

    /// The tags of all languages.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.voices.iter().map(|voice| voice.tag.as_str())
    }

    /// One prompt in one language.
    pub fn clip(&self, language: Language, prompt: Prompt) -> Arc<Clip> {
        let place = place_of(prompt);
        let voice = self.voices.get(usize::from(language.0));
        let clip = voice.and_then(|voice| voice.clips.get(place));
        Arc::clone(clip.expect("a language is of its own library, and has every prompt"))
    }

    /// Several prompts, one after the other.
    pub fn phrase(&self, language: Language, prompts: &[Prompt]) -> Clips {
        prompts
            .iter()
            .map(|prompt| self.clip(language, *prompt))
            .collect()
    }

    /// "You are number three."
    pub fn phrase_position(&self, language: Language, place: usize) -> Clips {
        self.phrase(language, &[Prompt::YouAreNumber, Prompt::position(place)])
    }

    /// "The estimated wait is about two minutes."
    pub fn phrase_wait(&self, language: Language, wait: Duration) -> Clips {
        self.phrase(language, &[Prompt::EstimatedWait, Prompt::wait(wait)])
    }

    /// The music on hold; meant to be played for ever, from the shared place.
    pub fn music(&self) -> Clips {
        Arc::clone(&self.music)
    }

    fn read_prompts(&mut self, folder: &Path, warnings: &mut Vec<PromptWarning>) {
        for path in list(folder, warnings) {
            let tag = path.file_name().and_then(|name| name.to_str());
            if let Some(tag) = tag.filter(|_| path.is_dir()) {
                let tag = tag.to_owned();
                self.read_voice(&path, tag, warnings);
            }
        }
    }

    fn read_voice(&mut self, folder: &Path, tag: String, warnings: &mut Vec<PromptWarning>) {
        let place = self
            .voices
            .iter()
            .position(|voice| voice.tag.eq_ignore_ascii_case(&tag));
        let base = usize::from(self.language(&tag).0);
        let mut clips = self.voices[base].clips.clone();
        let mut others: BTreeSet<PathBuf> = list(folder, warnings).into_iter().collect();
        let mut missing = Vec::new();
        for (clip, prompt) in clips.iter_mut().zip(Prompt::all()) {
            let path = folder.join(format!("{}.wav", prompt.name()));
            if !others.remove(&path) {
                missing.push(prompt.name());
                continue;
            }
            match read_file(&path) {
                Ok(read) => *clip = Arc::new(read),
                Err(source) => warnings.push(PromptWarning::Unusable { path, source }),
            }
        }
        if missing.len() == clips.len() || (place.is_none() && self.voices.len() >= LANGUAGES_MAX) {
            let path = folder.to_owned();
            warnings.push(PromptWarning::Unknown { path });
            return;
        }
        warnings.extend(
            others
                .into_iter()
                .map(|path| PromptWarning::Unknown { path }),
        );
        if !missing.is_empty() {
            let (path, names) = (folder.to_owned(), missing.join(", "));
            warnings.push(PromptWarning::Missing { path, names });
        }
        match place {
            Some(place) => self.voices[place].clips = clips,
            None => self.voices.push(Voice { tag, clips }),
        }
    }
}

/// Reads a folder of music, in the order of the names.
pub fn read_music(folder: &Path, warnings: &mut Vec<PromptWarning>) -> Vec<Arc<Clip>> {
    let mut clips = Vec::new();
    for path in list(folder, warnings) {
        let is_wav = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wav"));
        if !is_wav {
            continue;
        }
        match read_file(&path) {
            Ok(clip) => clips.push(Arc::new(clip)),
            Err(source) => warnings.push(PromptWarning::Unusable { path, source }),
        }
    }
    clips
}

fn read_file(path: &Path) -> Result<Clip, WavFault> {
    let file = File::open(path).map_err(hound::Error::IoError)?;
    wav::read(BufReader::new(file))
}

fn list(folder: &Path, warnings: &mut Vec<PromptWarning>) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).and_then(|entries| {
        entries
            .take(FILES_MAX)
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<PathBuf>>>()
    });
    match entries {
        Ok(mut paths) => {
            paths.sort();
            paths
        }
        Err(source) => {
            warnings.push(PromptWarning::Folder {
                path: folder.to_owned(),
                source,
            });
            Vec::new()
        }
    }
}

fn place_of(prompt: Prompt) -> usize {
    let prompt = prompt.in_range();
    Prompt::all().position(|other| other == prompt).unwrap_or(0)
}

const NUMBER_MAX: u8 = 20;
const MINUTES_MAX: u8 = 10;
/// Most languages of one library.
const LANGUAGES_MAX: usize = 64;
/// Most files of one folder that are looked at.
const FILES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Codec;

    #[test]
    fn every_prompt_is_embedded_in_its_place_and_is_short() {
        let names: Vec<String> = Prompt::all()
            .map(|prompt| prompt.name().into_owned())
            .collect();
        let embedded: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, embedded);
        let library = PromptLibrary::embedded();
        for tag in EMBEDDED_LANGUAGES {
            let language = library.language(tag);
            for prompt in Prompt::all() {
                let duration = library.clip(language, prompt).duration();
                let range = Duration::from_millis(250)..Duration::from_secs(8);
                assert!(range.contains(&duration), "{tag} {prompt:?}: {duration:?}");
            }
        }
        let music: Duration = library.music().iter().map(|clip| clip.duration()).sum();
        assert!(music >= Duration::from_secs(15), "{music:?}");
    }

    #[test]
    fn languages_are_found_by_tag_then_by_kin_then_by_default() {
        let (library, warnings) = PromptLibrary::load(&Folders::default(), "zh-TW");
        assert!(warnings.is_empty());
        let [english, mandarin] = [library.language("en"), library.language("zh-TW")];
        assert_ne!(english, mandarin);
        for (tag, expected) in [
            ("EN", english),
            ("en-GB", english),
            ("zh", mandarin),
            ("zh_CN", mandarin),
            ("fr", mandarin),
            ("", mandarin),
        ] {
            assert_eq!(library.language(tag), expected, "{tag}");
        }
    }

    #[test]
    fn places_and_waits_are_said_within_what_there_is() {
        for (place, expected) in [
            (1, Prompt::Number(1)),
            (20, Prompt::Number(20)),
            (21, Prompt::MoreThan20),
            (100_000, Prompt::MoreThan20),
        ] {
            assert_eq!(Prompt::position(place), expected);
        }
        for (seconds, expected) in [
            (0, Prompt::LessThanAMinute),
            (59, Prompt::LessThanAMinute),
            (60, Prompt::Minutes(1)),
            (61, Prompt::Minutes(2)),
            (600, Prompt::Minutes(10)),
            (601, Prompt::MoreThan10Minutes),
            (1_000_000, Prompt::MoreThan10Minutes),
        ] {
            assert_eq!(
                Prompt::wait(Duration::from_secs(seconds)),
                expected,
                "{seconds}"
            );
        }
        let library = PromptLibrary::embedded();
        let language = library.language("en");
        let phrase = library.phrase_position(language, 3);
        assert_eq!(phrase.len(), 2);
        assert!(Arc::ptr_eq(
            &phrase[1],
            &library.clip(language, Prompt::Number(3))
        ));
        let far = library.phrase_position(language, 99);
        assert!(Arc::ptr_eq(
            &far[1],
            &library.clip(language, Prompt::Number(0))
        ));
    }

    /// A folder that goes when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_site_replaces_what_it_has_and_is_told_what_it_lacks() {
        let folder = Folder::new("ringdown-prompts");
        folder.write("en/greeting.wav", EMBEDDED_MUSIC);
        folder.write("de/please_hold.wav", EMBEDDED_MUSIC);
        folder.write("de/greeting.wav", b"no audio");
        folder.write("de/gretting.wav", EMBEDDED_MUSIC);
        folder.write("music/b.wav", EMBEDDED[0].1[0]);
        folder.write("music/a.wav", EMBEDDED[1].1[0]);
        folder.write("music/readme.txt", b"");
        let folders = Folders {
            prompts: Some(folder.0.clone()),
            music: Some(folder.0.join("music")),
        };
        let (library, warnings) = PromptLibrary::load(&folders, "de");
        let built_in = PromptLibrary::embedded();
        let music = &built_in.music()[0];
        let [german, english] = [library.language("de"), library.language("en")];
        assert_eq!(library.clip(english, Prompt::Greeting), *music);
        assert_eq!(library.clip(german, Prompt::PleaseHold), *music);
        let fallback = built_in.clip(built_in.language("en"), Prompt::QueueFull);
        assert_eq!(library.clip(german, Prompt::QueueFull), fallback);
        let first = built_in.clip(built_in.language("en"), Prompt::YouAreNumber);
        assert_eq!(
            library.music()[0].bytes(Codec::Pcma),
            first.bytes(Codec::Pcma)
        );
        let text: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        for (words, count) in [
            ("de/greeting.wav: not a WAV file", 1),
            ("de/gretting.wav: neither a prompt", 1),
            ("/en: missing you_are_number, number_1,", 1),
            ("/de: missing you_are_number, number_1,", 1),
            ("/music: neither a prompt", 1),
            ("readme.txt", 0),
        ] {
            let found = text.iter().filter(|text| text.contains(words)).count();
            assert_eq!(found, count, "{words} in {text:#?}");
        }
        assert_eq!(warnings.len(), 5);
        let absent = Folders {
            prompts: Some(folder.0.join("nowhere")),
            music: None,
        };
        let (_, warnings) = PromptLibrary::load(&absent, "en");
        assert!(matches!(&warnings[..], [PromptWarning::Folder { .. }]));
    }
}
