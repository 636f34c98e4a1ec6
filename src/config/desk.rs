//! `[[queue]]`, `[[agent]]` and `[[skill]]`: who waits where, and who helps.

use super::hours::QueueHours;
use super::queue_mail::{QueueMail, take_timeouts, usual_take_timeouts};
use super::value::{HourlyRate, Language, Secret, Zone, aging, seconds, seconds_if_any};
use ringdown_routing::agent::{AgentProfile, Served, Skills, one_call, served};
use ringdown_routing::contact::{self, Channel, Needs, Priority};
use ringdown_routing::ids::{AgentId, QueueId, SkillId};
use ringdown_routing::queue::{Aging, OverflowStep, QueueRules, RING_ALL_MAX_USUAL, Strategy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

/// `[[queue]]`: one line of waiting contacts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Which queue.
    pub id: QueueId,
    /// Its name by language, for people; the id where a language is missing.
    #[serde(default)]
    pub name: BTreeMap<Language, String>,
    /// Which line of support it is: 1 the first, who answers; a ticket brought to a higher one is escalated.
    #[serde(default = "first_line")]
    pub line: u8,
    /// How agents are chosen.
    #[serde(default)]
    pub strategy: Strategy,
    /// With `strategy = "ring_all"`, most phones that ring at once for one contact; 16 when not given.
    pub ring_all_max: Option<u16>,
    /// How fast waiting makes a contact more urgent, in priority points per second; not at all when not
    /// given.
    #[serde(rename = "aging_per_s", default, deserialize_with = "aging")]
    pub aging: Aging,
    /// How long an agent's phone rings.
    #[serde(
        rename = "ring_timeout_s",
        default = "fifteen_seconds",
        deserialize_with = "seconds"
    )]
    pub ring_timeout: Duration,
    /// How long a mail, fax or chat is offered to one agent, by channel; ten minutes for a mail, and
    /// `ring_timeout_s` for the others when not given.
    #[serde(
        rename = "take_timeout_s",
        default = "usual_take_timeouts",
        deserialize_with = "take_timeouts"
    )]
    pub take_timeout: BTreeMap<Channel, Duration>,
    /// Work after the contact.
    #[serde(rename = "wrap_up_s", default, deserialize_with = "seconds")]
    pub wrap_up: Duration,
    /// To how much an agent may extend it; not at all when it is no more than `wrap_up_s`.
    #[serde(rename = "wrap_up_max_s", default, deserialize_with = "seconds")]
    pub wrap_up_max: Duration,
    /// How long an agent who declined a contact is not asked for it again.
    #[serde(
        rename = "decline_back_off_s",
        default = "half_a_minute",
        deserialize_with = "seconds"
    )]
    pub decline_back_off: Duration,
    /// Service-level threshold T.
    #[serde(
        rename = "service_level_s",
        default = "twenty_seconds",
        deserialize_with = "seconds"
    )]
    pub service_level: Duration,
    /// Abandons shorter than this are "short".
    #[serde(
        rename = "short_abandon_s",
        default = "five_seconds",
        deserialize_with = "seconds"
    )]
    pub short_abandon: Duration,
    /// Most contacts that may wait.
    #[serde(default = "hundred")]
    pub waiting_max: u32,
    /// Most contacts that may be with agents at once, those whose phone rings included; no limit when
    /// not given.
    pub active_max: Option<u32>,
    /// Longest wait; then `when_waited` holds.
    #[serde(
        rename = "wait_max_s",
        default = "one_hour",
        deserialize_with = "seconds"
    )]
    pub wait_max: Duration,
    /// Where callers go that wait here for long, in order of time; a queue that is closed or full is passed
    /// over.
    #[serde(default)]
    pub overflow: Vec<Overflow>,
    /// How often position and wait are announced; never when not given.
    #[serde(
        rename = "announce_every_s",
        default,
        deserialize_with = "seconds_if_any"
    )]
    pub announce_every: Option<Duration>,
    /// Prompt played first: a file of `media.prompts`, or `none`; the built-in greeting when not given.
    pub greeting: Option<String>,
    /// What is played while waiting: a file of `media.music`, or `none` for silence; all of the music
    /// when not given.
    pub music: Option<String>,
    /// Opening hours by their name under `[hours]`, or groups that follow the sun, each
    /// `{ hours = "office", time_zone = "Europe/Berlin", queue = "desk_eu" }`; always open when not given.
    pub hours: Option<QueueHours>,
    /// The zone in which its hours are meant when they have none of their own, and that cuts the days of a
    /// report on it alone; the site's when not given.
    pub time_zone: Option<Zone>,
    /// What an hour of an agent who serves it costs; of several queues the highest counts.
    pub cost_per_hour: Option<HourlyRate>,
    /// What becomes of those who wait when the line closes by its hours or by hand.
    #[serde(default)]
    pub at_closing: AtClosing,
    /// What happens while closed.
    #[serde(default)]
    pub when_closed: WayOut,
    /// Where callers go who have heard that an emergency has closed the line; what they hear is the
    /// emergency's affair.
    #[serde(default)]
    pub when_emergency: WayOut,
    /// What happens while full.
    #[serde(default)]
    pub when_full: WayOut,
    /// What happens while no agent is logged in.
    #[serde(default)]
    pub when_no_agents: NoAgents,
    /// What happens after `wait_max_s`.
    #[serde(default)]
    pub when_waited: WayOut,
    /// Skills that agents must have, by steps over the wait: `[{ need = { net = 4 }, until_s = 30 }]`;
    /// after the last step nothing is needed, and a step without `until_s` holds for ever.
    #[serde(default)]
    pub skills: Vec<SkillStep>,
    /// Whether callers are kept for the agent who helped them last.
    pub affinity: Option<Affinity>,
    /// When waiting callers are offered to hang up, keep their place and be called back; never when not
    /// given. Only where the number is answered `at_once`.
    pub callback_offer: Option<CallBackOffer>,
    /// How callers are called back.
    #[serde(default)]
    pub callback: CallBackRules,
    /// Whether callers are asked how it went.
    #[serde(default)]
    pub survey: Survey,
    /// Priority by the caller's class.
    #[serde(default)]
    pub priority: PriorityByClass,
    /// How its mails are worked on.
    #[serde(default)]
    pub mail: QueueMail,
}

impl Queue {
    /// The name in this language, else in its primary language, else the id.
    pub fn name_in(&self, language: &Language) -> &str {
        self.name
            .get(language)
            .or_else(|| {
                self.name
                    .iter()
                    .find(|(tag, _)| tag.primary() == language.primary())
                    .map(|(_, name)| name)
            })
            .map_or(self.id.as_str(), String::as_str)
    }

    /// The rules as the stores and the policy need them.
    pub fn rules(&self, is_open: bool) -> QueueRules {
        QueueRules {
            strategy: self.strategy,
            ring_all_max: self.ring_all_max.unwrap_or(RING_ALL_MAX_USUAL),
            aging: self.aging,
            ring_timeout: self.ring_timeout,
            take_timeout: self.take_timeout.clone(),
            wrap_up: self.wrap_up,
            wrap_up_max: self.wrap_up_max,
            decline_back_off: self.decline_back_off,
            waiting_max: Some(self.waiting_max),
            active_max: self.active_max,
            overflow: self.overflow.iter().map(Overflow::step).collect(),
            is_open,
            service_level: self.service_level,
            short_abandon: self.short_abandon,
            ..QueueRules::with_defaults(self.id.clone())
        }
    }
}

/// One element of `overflow`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overflow {
    /// The wait in this queue.
    #[serde(rename = "after_s", deserialize_with = "seconds")]
    pub after: Duration,
    /// The other queue.
    pub to: QueueId,
}

impl Overflow {
    fn step(&self) -> OverflowStep {
        OverflowStep {
            after: self.after,
            to: self.to.clone(),
        }
    }
}

/// What a caller who cannot be served hears, and where they go then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WayOutKeys")]
pub struct WayOut {
    /// Prompt played first; the built-in reason when not given.
    pub say: Option<String>,
    /// What follows.
    pub then: Then,
}

/// Where a caller goes who cannot be served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// The call ends.
    #[default]
    HangUp,
    /// The call goes to another number, by the first trunk with `outbound`, or to a SIP URI.
    Transfer(String),
    /// The caller stands in another line.
    Queue(QueueId),
}

/// What becomes of those who wait when their line closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtClosing {
    /// They wait until they are served.
    #[default]
    Stay,
    /// They go the way out of `when_closed` at once.
    Leave,
}

/// One step of `skills`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkillStep {
    /// The skills, each with the least level that will do.
    pub need: Skills,
    /// Up to which wait; for ever when not given.
    #[serde(rename = "until_s", default, deserialize_with = "seconds_if_any")]
    pub until: Option<Duration>,
}

/// Steps as the policy needs them.
pub fn needs(steps: &[SkillStep]) -> Needs {
    let step = |step: &SkillStep| contact::SkillStep {
        need: step.need.clone(),
        until: step.until,
    };
    Needs::in_steps(steps.iter().map(step).collect())
}

/// Last-agent affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affinity {
    /// How long ago that agent may have helped the caller.
    #[serde(rename = "within_s", deserialize_with = "seconds")]
    pub within: Duration,
    /// How long the caller is kept for that agent; then anybody may take them.
    #[serde(rename = "for_s", deserialize_with = "seconds")]
    pub kept_for: Duration,
}

/// When a call-back is offered: as soon as one of these holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallBackOffer {
    /// After so long a wait.
    #[serde(rename = "after_s", default, deserialize_with = "seconds_if_any")]
    pub after: Option<Duration>,
    /// At a place in the line beyond this.
    pub position_over: Option<usize>,
    /// When the estimated wait is so long.
    #[serde(rename = "wait_over_s", default, deserialize_with = "seconds_if_any")]
    pub wait_over: Option<Duration>,
}

/// How callers are called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallBackRules {
    /// How often a caller is tried at most.
    pub tries: u32,
    /// Time between two tries.
    #[serde(rename = "retry_after_s", deserialize_with = "seconds")]
    pub retry_after: Duration,
    /// How long the caller's phone rings.
    #[serde(rename = "ring_s", deserialize_with = "seconds")]
    pub ring: Duration,
}

impl Default for CallBackRules {
    fn default() -> Self {
        Self {
            tries: 3,
            retry_after: Duration::from_secs(600),
            ring: Duration::from_secs(30),
        }
    }
}

/// What a queue does with a caller while no agent is logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NoAgentsKeys")]
pub enum NoAgents {
    /// The caller waits until somebody comes, at most `wait_max_s`.
    #[default]
    Wait,
    /// The caller is shown the way out.
    Leave(WayOut),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WayOutKeys {
    say: Option<String>,
    transfer: Option<String>,
    queue: Option<QueueId>,
}

impl TryFrom<WayOutKeys> for WayOut {
    type Error = &'static str;

    fn try_from(keys: WayOutKeys) -> Result<Self, Self::Error> {
        let then = match (keys.transfer, keys.queue) {
            (None, None) => Then::HangUp,
            (Some(to), None) => Then::Transfer(to),
            (None, Some(queue)) => Then::Queue(queue),
            (Some(_), Some(_)) => {
                return Err("a way out is either `transfer` or `queue`, not both");
            }
        };
        Ok(Self {
            say: keys.say,
            then,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoAgentsKeys {
    #[serde(default)]
    wait: bool,
    say: Option<String>,
    transfer: Option<String>,
    queue: Option<QueueId>,
}

impl TryFrom<NoAgentsKeys> for NoAgents {
    type Error = &'static str;

    fn try_from(keys: NoAgentsKeys) -> Result<Self, Self::Error> {
        let has_way_out = keys.say.is_some() || keys.transfer.is_some() || keys.queue.is_some();
        match (keys.wait, has_way_out) {
            (true, false) => Ok(Self::Wait),
            (true, true) => Err("`wait = true` leaves no room for a way out"),
            (false, _) => WayOut::try_from(WayOutKeys {
                say: keys.say,
                transfer: keys.transfer,
                queue: keys.queue,
            })
            .map(Self::Leave),
        }
    }
}

/// Priority at entry, by the caller's class; a higher number goes first.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriorityByClass {
    class_1: i32,
    class_2: i32,
    class_3: i32,
    unknown: i32,
}

impl PriorityByClass {
    /// The priority of a caller of this class; `None` when nobody knows it.
    pub fn of(&self, class: Option<u8>) -> Priority {
        Priority(match class {
            Some(1) => self.class_1,
            Some(2) => self.class_2,
            Some(3) => self.class_3,
            Some(_) | None => self.unknown,
        })
    }
}

impl Default for PriorityByClass {
    fn default() -> Self {
        Self {
            class_1: 20,
            class_2: 10,
            class_3: 0,
            unknown: 0,
        }
    }
}

/// `[[agent]]`: a person who takes contacts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The name used to register and to log in.
    pub id: AgentId,
    /// Name shown to people; the id when empty.
    #[serde(default)]
    pub name: String,
    /// Queues served: names, or tables with `id` and `precedence` for those that do not come first.
    #[serde(default, with = "served")]
    pub queues: Served,
    /// Skills held, with levels from 1.
    #[serde(default)]
    pub skills: Skills,
    /// Contacts held at once, per channel.
    #[serde(default = "one_call")]
    pub capacity: BTreeMap<Channel, u16>,
    /// Contacts held at once over all channels; no limit of its own when not given.
    pub capacity_total: Option<u16>,
    /// What holding a contact of one channel leaves of the capacity of another.
    #[serde(default)]
    pub while_holding: BTreeMap<Channel, BTreeMap<Channel, u16>>,
    /// By which channels a contact of a channel may be interrupted.
    #[serde(default)]
    pub interrupted_by: BTreeMap<Channel, BTreeSet<Channel>>,
    /// Share of the contacts in queues with `strategy = "weighted"`, relative to the others'.
    #[serde(default = "one")]
    pub weight: NonZeroU16,
    /// A phone behind another exchange, `sip:...`; agents without one register.
    pub contact: Option<String>,
    /// Password of the phone's registration; `ringdown agent passwd` sets one as well.
    pub sip_password: Option<Secret>,
    /// What makes the agent available at first.
    #[serde(default)]
    pub log_in: LogIn,
    /// What an hour of theirs costs; as the queues and the site say when not given.
    pub cost_per_hour: Option<HourlyRate>,
}

impl Agent {
    /// Who the agent is, as the stores and the policy need it.
    pub fn profile(&self) -> AgentProfile {
        let name = if self.name.is_empty() {
            self.id.as_str().to_owned()
        } else {
            self.name.clone()
        };
        AgentProfile {
            id: self.id.clone(),
            name,
            queues: self.queues.clone(),
            skills: self.skills.clone(),
            capacity: self.capacity.clone(),
            capacity_total: self.capacity_total,
            while_holding: self.while_holding.clone(),
            interrupted_by: self.interrupted_by.clone(),
            weight: self.weight.get(),
        }
    }
}

/// What makes an agent available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogIn {
    /// The phone: within reach is available, out of reach is logged off.
    #[default]
    WithPhone,
    /// The agent, who says so.
    ByHand,
}

/// `[[skill]]`: something an agent can do and a contact can need.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skill {
    /// Which skill.
    pub id: SkillId,
    /// Its name by language, for people.
    #[serde(default)]
    pub name: BTreeMap<Language, String>,
}

/// `[[not_ready_reason]]`: why an agent takes no contacts. Without any, agents write what they like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotReadyReason {
    /// The word that agents choose, and that events and reports have.
    pub id: String,
    /// Its name by language, for people; the id where a language is missing.
    #[serde(default)]
    pub name: BTreeMap<Language, String>,
    /// Whether it is work (a meeting, mail, training) and not a break.
    #[serde(default, rename = "productive")]
    pub is_productive: bool,
    /// After so long an agent is shown with a warning; never when not given.
    #[serde(default, rename = "max_s")]
    pub max_s: Option<u32>,
}

impl NotReadyReason {
    /// The name in this language, else in its primary language, else the id.
    pub fn name_in(&self, language: &Language) -> &str {
        self.name
            .get(language)
            .or_else(|| {
                let same = |(tag, _): &(&Language, _)| tag.primary() == language.primary();
                self.name.iter().find(same).map(|(_, name)| name)
            })
            .map_or(self.id.as_str(), String::as_str)
    }
}

fn one() -> NonZeroU16 {
    NonZeroU16::MIN
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn first_line() -> u8 {
    1
}

fn fifteen_seconds() -> Duration {
    Duration::from_secs(15)
}

fn twenty_seconds() -> Duration {
    Duration::from_secs(20)
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn one_hour() -> Duration {
    Duration::from_secs(3_600)
}

fn hundred() -> u32 {
    100
}

/// Whether callers of a line are asked how it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Survey {
    /// Never.
    #[default]
    Never,
    /// Who stays on the line when the agent has hung up keys in a number from 1 to 5.
    AfterCall,
}
