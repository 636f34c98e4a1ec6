//! A scenario as people write it: who calls, who answers, by which rules; times in whole seconds.
//!
//! These are the words of the file and no more; [`super::check`] says whether they make sense.

use crate::agent::{Served, served};
use crate::contact::Channel;
use crate::queue::{RING_ALL_MAX_USUAL, Strategy};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A whole scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The lines, in any order.
    pub queues: Vec<ScenarioQueue>,
    /// Who answers, in any order.
    #[serde(default)]
    pub agents: Vec<ScenarioAgent>,
    /// Who calls, in any order.
    #[serde(default)]
    pub contacts: Vec<ScenarioContact>,
}

/// One line and its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioQueue {
    /// Its name.
    pub id: String,
    /// T of the service level.
    #[serde(default = "twenty")]
    pub service_level_s: i64,
    /// Abandons with a wait strictly below are short.
    #[serde(default = "five")]
    pub short_abandon_s: i64,
    /// How long a phone rings before it counts as not answered.
    #[serde(default = "fifteen")]
    pub ring_timeout_s: i64,
    /// How agents are chosen.
    #[serde(default)]
    pub strategy: Strategy,
    /// With `ring_all`, most phones that ring at once for one contact.
    #[serde(default = "ring_all_max_usual")]
    pub ring_all_max: u16,
    /// What a second of waiting is worth in priority, in steps of 0.001.
    #[serde(default)]
    pub aging_per_s: f64,
    /// Where callers go who waited too long: one step, or several in order of time; null is nowhere.
    #[serde(default)]
    pub overflow: ScenarioOverflows,
    /// How long an agent who let a contact ring is not asked for it again.
    #[serde(default = "thirty")]
    pub decline_back_off_s: i64,
    /// Most contacts that may wait; null has no limit.
    #[serde(default)]
    pub waiting_max: Option<u32>,
    /// Most contacts that may be offered or with an agent at once; null has no limit.
    #[serde(default)]
    pub active_max: Option<u32>,
    /// Whether it takes contacts at all.
    #[serde(default = "yes")]
    pub is_open: bool,
}

/// The steps of a queue's overflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ScenarioOverflows(pub Vec<ScenarioOverflow>);

impl<'de> Deserialize<'de> for ScenarioOverflows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Steps;
        impl<'de> Visitor<'de> for Steps {
            type Value = ScenarioOverflows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step `{\"after_s\": 60, \"to\": \"R\"}`, a list of steps, or null")
            }

            fn visit_unit<E>(self) -> Result<ScenarioOverflows, E> {
                Ok(ScenarioOverflows::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ScenarioOverflows, A::Error> {
                let step = ScenarioOverflow::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ScenarioOverflows(vec![step]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ScenarioOverflows, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(ScenarioOverflows)
            }
        }
        deserializer.deserialize_any(Steps)
    }
}

/// Where callers go who waited too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioOverflow {
    /// After this wait in the queue, at least a second.
    pub after_s: i64,
    /// To this queue.
    pub to: String,
}

/// Somebody who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioAgent {
    /// Their name.
    pub id: String,
    /// How many there are of this kind; more than one are called `ID-1`, `ID-2` and so on.
    #[serde(default = "one_agent")]
    pub count: u32,
    /// The queues they serve, by name, or with the precedence that each has with them.
    #[serde(default, with = "served")]
    pub queues: Served,
    /// What they know, and how well.
    #[serde(default)]
    pub skills: BTreeMap<String, u8>,
    /// When they log in, and are available.
    #[serde(default)]
    pub login_s: i64,
    /// When they log out; a contact they have is brought to its end first. Null stays to the end.
    #[serde(default)]
    pub logout_s: Option<i64>,
    /// When they work, instead of `login_s` and `logout_s`.
    #[serde(default)]
    pub shifts: Vec<ScenarioShift>,
    /// Since when they count as idle at their login; may be negative. Null: since the login.
    #[serde(default)]
    pub idle_since_s: Option<i64>,
    /// How long their phone rings before they answer; null never answers.
    #[serde(default)]
    pub answer_after_s: AnswerAfter,
    /// How long after a ring that nobody answered they are available again; null never.
    #[serde(default)]
    pub ready_after_rona_s: Option<i64>,
    /// Their share where a queue's strategy goes by weight.
    #[serde(default = "one")]
    pub weight: u16,
    /// Contacts held at once, per channel; one call when not given.
    #[serde(default = "crate::agent::one_call")]
    pub capacity: BTreeMap<Channel, u16>,
    /// Contacts held at once over all channels; null has no limit of its own.
    #[serde(default)]
    pub capacity_total: Option<u16>,
    /// What holding a contact of one channel leaves of the capacity of another.
    #[serde(default)]
    pub while_holding: BTreeMap<Channel, BTreeMap<Channel, u16>>,
    /// By which channels a contact of a channel may be interrupted.
    #[serde(default)]
    pub interrupted_by: BTreeMap<Channel, BTreeSet<Channel>>,
}

/// One stretch of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioShift {
    /// When the agent logs in.
    pub from_s: i64,
    /// When they log out; a contact they have is brought to its end first.
    pub to_s: i64,
}

/// How long a phone rings before its agent answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum AnswerAfter {
    /// So many seconds.
    Seconds(i64),
    /// Never; null in the file.
    Never,
}

impl Default for AnswerAfter {
    fn default() -> Self {
        Self::Seconds(0)
    }
}

impl<'de> Deserialize<'de> for AnswerAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = Option::<i64>::deserialize(deserializer)?;
        Ok(seconds.map_or(Self::Never, Self::Seconds))
    }
}

/// Somebody who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioContact {
    /// Its name.
    pub id: String,
    /// When it arrives.
    pub at_s: i64,
    /// The queue it enters.
    pub queue: String,
    /// How it comes.
    #[serde(default = "voice")]
    pub channel: Channel,
    /// How long the conversation takes.
    #[serde(default)]
    pub talk_s: i64,
    /// How long its agent works on it afterwards.
    #[serde(default)]
    pub wrap_up_s: i64,
    /// How long the caller waits for an answer; null for ever.
    #[serde(default)]
    pub patience_s: Option<i64>,
    /// A higher number goes first.
    #[serde(default)]
    pub priority: i32,
    /// What the agent must know, step by step.
    #[serde(default)]
    pub skills: Vec<ScenarioSkillStep>,
    /// The agent it is kept for at first.
    #[serde(default)]
    pub sticky: Option<ScenarioSticky>,
}

/// What is needed until a wait is reached; then what the next step asks for will do as well, and after the
/// last one anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioSkillStep {
    /// Skills, each with its least level.
    pub need: BTreeMap<String, u8>,
    /// The wait at which the step ends; null never.
    #[serde(default)]
    pub until_s: Option<i64>,
}

/// The agent a contact is kept for at first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioSticky {
    /// Who.
    pub agent: String,
    /// For how much of its wait.
    pub for_s: i64,
}

const fn one_agent() -> u32 {
    1
}

const fn one() -> u16 {
    1
}

const fn five() -> i64 {
    5
}

const fn fifteen() -> i64 {
    15
}

const fn ring_all_max_usual() -> u16 {
    RING_ALL_MAX_USUAL
}

fn twenty() -> i64 {
    20
}

const fn thirty() -> i64 {
    30
}

const fn yes() -> bool {
    true
}

const fn voice() -> Channel {
    Channel::Voice
}
