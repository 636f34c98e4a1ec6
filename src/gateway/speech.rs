//! What callers hear, in their language: from phrases to clips.

use super::house::Outlook;
use super::rules::NOTHING;
use crate::call_flow::{Phrase, Refusing};
use crate::config::{Config, Language, NoAgents};
use crate::site_prompts::SitePrompts;
use ringdown_routing::estimate::Pace;
use ringdown_routing::event::Event;
use ringdown_routing::ids::QueueId;
use ringdown_voice::media::prompts::{Folders, Prompt, PromptLibrary};
use ringdown_voice::media::tone::{self, Region, Tone};
use ringdown_voice::media::{Clip, Clips, Repeat};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The prompts, the music, and how long callers wait lately.
#[derive(Debug)]
pub(super) struct Speech {
    library: PromptLibrary,
    site: Arc<SitePrompts>,
    /// After it callers speak their message.
    tone: Arc<Clip>,
    pace: Mutex<Pace>,
}

impl Speech {
    /// Reads the prompts and music that the configuration names; what is missing is told and left out.
    pub(super) fn load(config: &Config, site: Arc<SitePrompts>) -> Self {
        let folders = Folders {
            prompts: config.media.prompts.clone(),
            music: config.media.music.clone(),
        };
        let (library, warnings) = PromptLibrary::load(&folders, config.site.language.as_str());
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        for name in named(config) {
            if site.clip(name, &config.site.language).is_none() {
                tracing::warn!(
                    name,
                    "no usable {name}.wav is in the folders of [media]: nothing is played in its place"
                );
            }
        }
        Self {
            library,
            site,
            tone: Arc::new(tone::make(Tone::Speak, Region::default())),
            pace: Mutex::default(),
        }
    }

    /// The clips of a phrase, and whether they go on for ever.
    pub(super) fn phrase(&self, language: &Language, phrase: &Phrase) -> (Clips, Repeat) {
        match phrase {
            Phrase::Music => (self.library.music(), Repeat::Forever),
            Phrase::Named(name) => (self.named(language, name), Repeat::Once),
            Phrase::Piece(name) => (self.named(language, name), Repeat::Forever),
            Phrase::Greeting => self.say(language, &[Prompt::Greeting]),
            Phrase::Position => self.say(language, &[Prompt::AllAgentsBusy, Prompt::PleaseHold]),
            Phrase::AskTicket => self.say(language, &[Prompt::Greeting, Prompt::EnterTicketNumber]),
            Phrase::TicketNoted => self.say(language, &[Prompt::TicketNoted, Prompt::PleaseHold]),
            Phrase::AgentLost => self.say(language, &[Prompt::AgentLostPleaseWait]),
            Phrase::CallBackOffer => self.say(language, &[Prompt::CallbackOffer]),
            Phrase::CallBackNumber => self.say(language, &[Prompt::CallbackNumber]),
            Phrase::Incident(None) => {
                let message = [&[Prompt::IncidentMessage], INCIDENT_CHOICE].concat();
                self.say(language, &message)
            }
            Phrase::Incident(Some(name)) => {
                let (choice, once) = self.say(language, INCIDENT_CHOICE);
                let message = self.named(language, name);
                (message.iter().chain(&*choice).cloned().collect(), once)
            }
            Phrase::LeaveMessage => {
                let (asks, once) = self.say(language, &[Prompt::LeaveMessage]);
                let tone = std::iter::once(&self.tone);
                (asks.iter().chain(tone).cloned().collect(), once)
            }
            Phrase::IncidentNoted => {
                self.say(language, &[Prompt::IncidentNoted, Prompt::ThankYouGoodbye])
            }
            Phrase::HowItWent => self.say(language, &[Prompt::HowItWent]),
            Phrase::ThankYou => self.say(language, &[Prompt::ThankYouGoodbye]),
            Phrase::Reason(reason) => self.say(language, reason_prompts(*reason)),
        }
    }

    /// A clip of the site's own; what is missing was told at start, and is silence.
    pub(super) fn named(&self, language: &Language, name: &str) -> Clips {
        self.site.clip(name, language).into_iter().collect()
    }

    /// "You are number three. The estimated wait is two minutes."; without the wait when it is unknown.
    pub(super) fn position(&self, language: &Language, outlook: &Outlook) -> Clips {
        let voice = self.library.language(language.as_str());
        let Some(position) = outlook.position else {
            return self.phrase(language, &Phrase::Position).0;
        };
        let mut prompts = vec![Prompt::YouAreNumber, Prompt::position(position)];
        if let Some(wait) = self.estimated_wait(&outlook.line, position, outlook.agents) {
            prompts.extend([Prompt::EstimatedWait, Prompt::wait(wait)]);
        }
        self.library.phrase(voice, &prompts)
    }

    /// The wait at a position with that many agents; `None` without agents or experience.
    pub(super) fn estimated_wait(
        &self,
        queue: &QueueId,
        position: usize,
        agents: usize,
    ) -> Option<Duration> {
        self.pace().estimated_wait(queue, position, agents)
    }

    /// Learns from an event how long contacts take and how long callers wait.
    pub(super) fn learn(&self, event: &Event) {
        self.pace().observe(event);
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subject of a ticket that a call opens.
    pub(super) fn ticket_subject(&self, language: &Language, name: &str) -> String {
        match (language.primary(), name) {
            ("zh", "") => "來電（號碼未顯示）".to_owned(),
            ("zh", name) => format!("{name} 來電"),
            (_, "") => "Call from a withheld number".to_owned(),
            (_, name) => format!("Call from {name}"),
        }
    }

    /// What an article says that is a caller's message.
    pub(super) fn message_title(&self, language: &Language) -> &'static str {
        match language.primary() {
            "zh" => "來電者的留言",
            _ => "Message left by the caller",
        }
    }

    fn say(&self, language: &Language, prompts: &[Prompt]) -> (Clips, Repeat) {
        let voice = self.library.language(language.as_str());
        (self.library.phrase(voice, prompts), Repeat::Once)
    }
}

/// What a caller may do who has heard of an incident.
const INCIDENT_CHOICE: &[Prompt] = &[
    Prompt::IncidentJoin,
    Prompt::IncidentLeave,
    Prompt::IncidentStay,
];

/// The names of the site's own prompts and pieces in the configuration.
fn named(config: &Config) -> impl Iterator<Item = &str> {
    let names = config.queues.iter().flat_map(|queue| {
        let ways = [&queue.when_closed, &queue.when_full, &queue.when_waited];
        let leave = match &queue.when_no_agents {
            NoAgents::Leave(way) => Some(way),
            NoAgents::Wait => None,
        };
        let said = ways
            .into_iter()
            .chain(leave)
            .filter_map(|way| way.say.as_deref());
        [queue.greeting.as_deref(), queue.music.as_deref()]
            .into_iter()
            .flatten()
            .chain(said)
    });
    names.filter(|name| *name != NOTHING)
}

fn reason_prompts(reason: Refusing) -> &'static [Prompt] {
    match reason {
        Refusing::Closed => &[Prompt::QueueClosed, Prompt::ThankYouGoodbye],
        Refusing::Emergency => &[Prompt::EmergencyClosed, Prompt::ThankYouGoodbye],
        Refusing::Full => &[Prompt::QueueFull, Prompt::ThankYouGoodbye],
        Refusing::NoAgents => &[Prompt::NoAgents, Prompt::ThankYouGoodbye],
        Refusing::Waited => &[Prompt::AllAgentsBusy, Prompt::ThankYouGoodbye],
        Refusing::Dropped | Refusing::Incident => &[Prompt::ThankYouGoodbye],
        Refusing::CallBack => &[Prompt::CallbackNoted, Prompt::ThankYouGoodbye],
        Refusing::Fault => &[Prompt::TechnicalProblem, Prompt::ThankYouGoodbye],
    }
}
