//! What the configuration means for calls: from `[[number]]` and `[[queue]]` to a flow's rules, from
//! `[sip]` and `[[trunk]]` to the door and the way out.

use super::dialling::Outbound;
use super::door::{Door, DoorSettings};
use crate::call_flow::{
    Affinity, AnswerMode, AtClosing, LineRules, Lines, NumberRules, Phrase, Then, WayOut, WaysOut,
};
use crate::config::{self, Config, NoAgents};
use rand::Rng;
use ringdown_routing::ids::QueueId;
use ringdown_voice::sip::digest::{self, ServerSettings};
use ringdown_voice::sip::registrar::RegistrarSettings;
use ringdown_voice::sip::source_filter::{Proof, SourceFilterSettings, TrunkSource};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// The word in `greeting` and `music` that stands for silence.
pub(super) const NOTHING: &str = "none";

/// What a dialled number leads to.
#[derive(Clone, Debug)]
pub(super) struct DialledNumber {
    /// The rules of its calls.
    pub(super) rules: Arc<NumberRules>,
    /// Language of callers whose own is not known.
    pub(super) language: config::Language,
}

/// Every line's rules.
pub(super) fn lines(config: &Config) -> Arc<Lines> {
    let lines = config.queues.iter();
    let lines: Lines = lines
        .map(|queue| (queue.id.clone(), Arc::new(line_rules(queue))))
        .collect();
    Arc::new(lines)
}

/// Every dialled number's rules.
pub(super) fn numbers(config: &Config, lines: &Arc<Lines>) -> BTreeMap<String, Arc<DialledNumber>> {
    config
        .numbers
        .iter()
        .filter_map(|number| {
            let queue = config.queue(&number.queue)?;
            let dialled = DialledNumber {
                rules: Arc::new(number_rules(number, queue, lines)),
                language: number
                    .language
                    .clone()
                    .unwrap_or_else(|| config.site.language.clone()),
            };
            Some((number.number.clone(), Arc::new(dialled)))
        })
        .collect()
}

fn number_rules(number: &config::Number, queue: &config::Queue, lines: &Arc<Lines>) -> NumberRules {
    NumberRules {
        queue: queue.id.clone(),
        answer: match number.answer {
            config::AnswerMode::AtOnce => AnswerMode::AtOnce,
            config::AnswerMode::AtAgent => AnswerMode::AtAgent,
        },
        greeting: match queue.greeting.as_deref() {
            None => Some(Phrase::Greeting),
            Some(NOTHING) => None,
            Some(name) => Some(Phrase::Named(name.into())),
        },
        ask_ticket: number.ask_ticket,
        needs: config::needs(&number.skills),
        agent: number.agent.clone(),
        lines: Arc::clone(lines),
    }
}

fn line_rules(queue: &config::Queue) -> LineRules {
    LineRules {
        announce_every: queue.announce_every,
        music: match queue.music.as_deref() {
            None => Some(Phrase::Music),
            Some(NOTHING) => None,
            Some(name) => Some(Phrase::Piece(name.into())),
        },
        wait_max: queue.wait_max,
        priority_by_class: [Some(1), Some(2), Some(3), None].map(|class| queue.priority.of(class)),
        needs: config::needs(&queue.skills),
        affinity: queue.affinity.map(|affinity| Affinity {
            within: affinity.within,
            kept_for: affinity.kept_for,
        }),
        needs_agents: matches!(queue.when_no_agents, NoAgents::Leave(_)),
        at_closing: match queue.at_closing {
            config::AtClosing::Stay => AtClosing::Stay,
            config::AtClosing::Leave => AtClosing::Leave,
        },
        offers_call_back: queue.callback_offer.is_some(),
        asks_how_it_went: queue.survey == config::Survey::AfterCall,
        ways_out: WaysOut {
            closed: way_out(&queue.when_closed),
            emergency: way_out(&queue.when_emergency),
            full: way_out(&queue.when_full),
            no_agents: match &queue.when_no_agents {
                NoAgents::Wait => WayOut::default(),
                NoAgents::Leave(way) => way_out(way),
            },
            waited: way_out(&queue.when_waited),
        },
    }
}

fn way_out(configured: &config::WayOut) -> WayOut {
    WayOut {
        say: configured
            .say
            .as_deref()
            .map(|name| Phrase::Named(name.into())),
        then: match &configured.then {
            config::Then::HangUp => Then::HangUp,
            config::Then::Queue(queue) => Then::Queue(QueueId::clone(queue)),
            config::Then::Transfer(to) => Then::Transfer(to.as_str().into()),
        },
    }
}

/// Who may come in, and how they prove it.
pub(super) fn door(config: &Config) -> Door {
    let sip = &config.sip;
    let settings = DoorSettings {
        filter: SourceFilterSettings {
            trunks: config.trunks.iter().map(trunk_source).collect(),
            phones: sip.phones.iter().map(|range| range.0).collect(),
            ..SourceFilterSettings::default()
        },
        digest: ServerSettings {
            nonce_lifetime: sip.nonce_lifetime,
            ..ServerSettings::new(sip.realm())
        },
        registrar: RegistrarSettings {
            expires_min: sip.registration_min,
            expires_max: sip.registration_max,
            users_max: usize::try_from(config.limits.registrations_max).unwrap_or(usize::MAX),
            ..RegistrarSettings::default()
        },
    };
    Door::new(settings, rand::rng().random(), Instant::now())
}

fn trunk_source(trunk: &config::Trunk) -> TrunkSource {
    TrunkSource {
        name: trunk.name.as_str().into(),
        networks: trunk.addresses.iter().map(|range| range.0).collect(),
        // Who has an account at us from no fixed address proves it; a listed address is enough alone.
        proof: if trunk.addresses.is_empty() {
            Proof::Digest
        } else {
            Proof::Address
        },
    }
}

/// Trunks whose word about the caller is believed.
pub(super) fn trusted_trunks(config: &Config) -> BTreeSet<Arc<str>> {
    let trusted = config.trunks.iter().filter(|trunk| trunk.trusted_identity);
    trusted.map(|trunk| trunk.name.as_str().into()).collect()
}

/// The first trunk that takes calls out.
pub(super) fn outbound(config: &Config) -> Option<Outbound> {
    config.trunks.iter().find_map(|trunk| {
        let account = match (&trunk.user, &trunk.password) {
            (Some(user), Some(password)) => Some(digest::Account::new(user, password.expose())),
            (Some(_) | None, _) => None,
        };
        Some(Outbound {
            uri: trunk.outbound.clone()?,
            account,
        })
    })
}
