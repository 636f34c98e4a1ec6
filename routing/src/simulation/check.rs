//! What is wrong with a scenario, each fault with its place; and the cast of one that is sound.

use super::cast::{AgentPlayer, Caller, Cast, Shift};
use super::scenario::{
    AnswerAfter, Scenario, ScenarioAgent, ScenarioContact, ScenarioOverflow, ScenarioQueue,
    ScenarioSkillStep,
};
use crate::agent::{AgentProfile, Skills};
use crate::contact::{Needs, Priority, Reserved, SkillStep};
use crate::ids::{AgentId, ContactId, QueueId, SkillId};
use crate::queue::{Aging, OverflowStep, QueueRules, RING_ALL_MAX_MOST};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Longest time a scenario may name, in seconds: about 31 years.
pub const SECONDS_MAX: i64 = 1_000_000_000;

/// Most agents.
const AGENTS_MAX: u64 = 100_000;

/// Most names a fault lists of what there is.
const NAMES_TOLD_MAX: usize = 5;

/// One thing that is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioFault {
    /// Where, as a path: `contacts[3].queue`.
    pub place: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
}

impl fmt::Display for ScenarioFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.sentence)
    }
}

impl std::error::Error for ScenarioFault {}

/// A scenario that makes sense, ready to be played.
#[derive(Debug)]
pub(super) struct Plan<'s> {
    pub(super) cast: Cast,
    /// The contacts' names in order; the place is the id, so that ties go by name.
    pub(super) names: Vec<&'s str>,
    /// In the order of their arrival, ties by id.
    pub(super) callers: Vec<Caller>,
}

/// Makes the cast of a scenario, or tells all that is wrong with it.
pub(super) fn plan(scenario: &Scenario) -> Result<Plan<'_>, Vec<ScenarioFault>> {
    let mut check = Check::new(&scenario.queues, &scenario.agents);
    let queues = check.queues(&scenario.queues);
    let agents = check.agents(&scenario.agents);
    let (names, callers) = check.contacts(&scenario.contacts);
    let cast = Cast { queues, agents };
    check.done(Plan {
        cast,
        names,
        callers,
    })
}

/// Collects what is wrong while the parts are made.
pub(super) struct Check<'s> {
    queue_names: BTreeSet<&'s str>,
    agent_names: BTreeSet<String>,
    faults: Vec<ScenarioFault>,
}

impl<'s> Check<'s> {
    pub(super) fn new(queues: &'s [ScenarioQueue], agents: &[ScenarioAgent]) -> Self {
        let mut check = Self {
            queue_names: queues.iter().map(|queue| queue.id.as_str()).collect(),
            agent_names: BTreeSet::new(),
            faults: Vec::new(),
        };
        let count: u64 = agents.iter().map(|agent| u64::from(agent.count)).sum();
        if count > AGENTS_MAX {
            check.fault("agents", format!("{count} are more than {AGENTS_MAX}"));
            return check;
        }
        for (place, agent) in agents.iter().enumerate() {
            if agent.count == 0 {
                check.fault(format!("agents[{place}].count"), "must be at least 1");
            }
            for name in names_of(agent) {
                if name.is_empty() {
                    check.fault(format!("agents[{place}].id"), "is empty");
                } else if !check.agent_names.insert(name.clone()) {
                    let sentence = format!("`{name}` is the id of another agent already");
                    check.fault(format!("agents[{place}].id"), sentence);
                }
            }
        }
        check
    }

    /// What was made, or all that is wrong.
    pub(super) fn done<T>(self, made: T) -> Result<T, Vec<ScenarioFault>> {
        if self.faults.is_empty() {
            Ok(made)
        } else {
            Err(self.faults)
        }
    }

    pub(super) fn fault(&mut self, place: impl Into<String>, sentence: impl Into<String>) {
        self.faults.push(ScenarioFault {
            place: place.into(),
            sentence: sentence.into(),
        });
    }

    pub(super) fn queues(&mut self, queues: &[ScenarioQueue]) -> Vec<QueueRules> {
        self.are_distinct("queues", queues.iter().map(|queue| queue.id.as_str()));
        let mut all: Vec<QueueRules> = queues
            .iter()
            .enumerate()
            .map(|(place, queue)| self.queue(&format!("queues[{place}]"), queue))
            .collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    fn queue(&mut self, at: &str, queue: &ScenarioQueue) -> QueueRules {
        QueueRules {
            strategy: queue.strategy,
            ring_all_max: self.ring_all_max(at, queue.ring_all_max),
            aging: self.aging(at, queue.aging_per_s),
            ring_timeout: self.duration(at, "ring_timeout_s", queue.ring_timeout_s),
            decline_back_off: self.duration(at, "decline_back_off_s", queue.decline_back_off_s),
            waiting_max: queue.waiting_max,
            active_max: queue.active_max,
            overflow: self.overflow(at, &queue.overflow.0),
            is_open: queue.is_open,
            service_level: self.duration(at, "service_level_s", queue.service_level_s),
            short_abandon: self.duration(at, "short_abandon_s", queue.short_abandon_s),
            ..QueueRules::with_defaults(QueueId::from(queue.id.as_str()))
        }
    }

    fn overflow(&mut self, at: &str, steps: &[ScenarioOverflow]) -> Vec<OverflowStep> {
        let mut reached = Duration::ZERO;
        let mut made = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            let at = format!("{at}.overflow[{place}]");
            self.is_queue(format!("{at}.to"), &step.to);
            let after = self.duration(&at, "after_s", step.after_s);
            if after <= reached {
                let sentence = "must be more than 0, and than that of the step before";
                self.fault(format!("{at}.after_s"), sentence);
            }
            reached = after;
            made.push(OverflowStep {
                after,
                to: QueueId::from(step.to.as_str()),
            });
        }
        made
    }

    fn ring_all_max(&mut self, at: &str, most: u16) -> u16 {
        if !(1..=RING_ALL_MAX_MOST).contains(&most) {
            let sentence = format!("{most} is not within 1 and {RING_ALL_MAX_MOST}");
            self.fault(format!("{at}.ring_all_max"), sentence);
        }
        most
    }

    fn aging(&mut self, at: &str, per_s: f64) -> Aging {
        let most = Aging::MAX.thousandths();
        let thousandths = (per_s * 1_000.0).round();
        let is_in_steps = (per_s * 1_000.0 - thousandths).abs() < 1e-6;
        if !(is_in_steps && (0.0..=f64::from(most)).contains(&thousandths)) {
            let sentence = format!(
                "{per_s} is not within 0 and {} in steps of 0.001",
                most / 1_000
            );
            self.fault(format!("{at}.aging_per_s"), sentence);
            return Aging::NONE;
        }
        // Exact: a whole number that fits, as was just seen.
        Aging::from_thousandths(thousandths as u32)
    }

    /// The agents, by name; none when there are too many.
    pub(super) fn agents(&mut self, agents: &[ScenarioAgent]) -> Vec<AgentPlayer> {
        let mut all = Vec::new();
        if self.agent_names.is_empty() {
            return all;
        }
        for (place, agent) in agents.iter().enumerate() {
            let player = self.agent(&format!("agents[{place}]"), agent);
            all.extend(names_of(agent).map(|name| {
                let mut player = player.clone();
                player.profile.id = AgentId::from(name.as_str());
                player
            }));
        }
        all.sort_by(|a, b| a.profile.id.cmp(&b.profile.id));
        all
    }

    fn agent(&mut self, at: &str, agent: &ScenarioAgent) -> AgentPlayer {
        for queue in agent.queues.keys() {
            self.is_queue(format!("{at}.queues"), queue.as_str());
        }
        if agent.weight == 0 {
            self.fault(format!("{at}.weight"), "must be at least 1");
        }
        let shifts = self.shifts(at, agent);
        if agent
            .idle_since_s
            .is_some_and(|since| since.abs() > SECONDS_MAX)
        {
            let sentence = format!("is not within {SECONDS_MAX} s of the beginning");
            self.fault(format!("{at}.idle_since_s"), sentence);
        }
        AgentPlayer {
            profile: AgentProfile {
                queues: agent.queues.clone(),
                skills: skills(&agent.skills),
                capacity: agent.capacity.clone(),
                capacity_total: agent.capacity_total,
                while_holding: agent.while_holding.clone(),
                interrupted_by: agent.interrupted_by.clone(),
                weight: agent.weight,
                ..AgentProfile::new(AgentId::from(agent.id.as_str()), agent.id.as_str())
            },
            shifts,
            idle_since: agent.idle_since_s.map(Timestamp::from_seconds),
            answer_after: match agent.answer_after_s {
                AnswerAfter::Seconds(after) => Some(self.duration(at, "answer_after_s", after)),
                AnswerAfter::Never => None,
            },
            ready_after_rona: agent
                .ready_after_rona_s
                .map(|after| self.duration(at, "ready_after_rona_s", after)),
        }
    }

    /// When they work: by the table of shifts, or from their login on.
    fn shifts(&mut self, at: &str, agent: &ScenarioAgent) -> Vec<Shift> {
        if agent.shifts.is_empty() {
            let from = self.instant(at, "login_s", agent.login_s);
            let to = agent.logout_s.map(|to| self.instant(at, "logout_s", to));
            if to.is_some_and(|to| to <= from) {
                self.fault(format!("{at}.logout_s"), "must come after login_s");
            }
            return vec![Shift { from, to }];
        }
        if agent.login_s != 0 || agent.logout_s.is_some() {
            let sentence = "tells the same as login_s and logout_s; leave those out";
            self.fault(format!("{at}.shifts"), sentence);
        }
        let mut shifts = Vec::new();
        let mut free_from = Timestamp::default();
        for (place, shift) in agent.shifts.iter().enumerate() {
            let at = format!("{at}.shifts[{place}]");
            let from = self.instant(&at, "from_s", shift.from_s);
            let to = self.instant(&at, "to_s", shift.to_s);
            if to <= from || from < free_from {
                self.fault(
                    at,
                    "must end after it begins, and begin after the one before",
                );
            }
            free_from = to;
            shifts.push(Shift { from, to: Some(to) });
        }
        shifts
    }

    fn contacts(&mut self, contacts: &'s [ScenarioContact]) -> (Vec<&'s str>, Vec<Caller>) {
        self.are_distinct(
            "contacts",
            contacts.iter().map(|contact| contact.id.as_str()),
        );
        let mut names: Vec<&str> = contacts.iter().map(|contact| contact.id.as_str()).collect();
        names.sort_unstable();
        let mut callers: Vec<Caller> = contacts
            .iter()
            .enumerate()
            .map(|(place, contact)| {
                let rank = names.partition_point(|name| *name < contact.id.as_str());
                let id = ContactId::from_u128(rank as u128);
                self.contact(&format!("contacts[{place}]"), contact, id)
            })
            .collect();
        callers.sort_by_key(|caller| (caller.at, caller.id));
        (names, callers)
    }

    fn contact(&mut self, at: &str, contact: &ScenarioContact, id: ContactId) -> Caller {
        self.is_queue(format!("{at}.queue"), &contact.queue);
        let arrival = self.instant(at, "at_s", contact.at_s);
        let reserved = contact.sticky.as_ref().map(|sticky| {
            self.is_agent(format!("{at}.sticky.agent"), &sticky.agent);
            Reserved {
                agent: AgentId::from(sticky.agent.as_str()),
                until: Some(arrival + self.duration(at, "sticky.for_s", sticky.for_s)),
            }
        });
        Caller {
            id,
            at: arrival,
            queue: QueueId::from(contact.queue.as_str()),
            channel: contact.channel,
            priority: Priority(contact.priority),
            skills: self.needs(at, &contact.skills),
            reserved,
            talk: self.duration(at, "talk_s", contact.talk_s),
            wrap_up: self.duration(at, "wrap_up_s", contact.wrap_up_s),
            patience: contact
                .patience_s
                .map(|patience| self.duration(at, "patience_s", patience)),
        }
    }

    pub(super) fn needs(&mut self, at: &str, steps: &[ScenarioSkillStep]) -> Needs {
        let mut reached = Some(0);
        let mut needs = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            let until = step
                .until_s
                .map(|until| self.duration(at, &format!("skills[{place}].until_s"), until));
            if reached.is_none_or(|reached| step.until_s.is_some_and(|until| until < reached)) {
                let sentence = "the step before holds as long; this one is never reached";
                self.fault(format!("{at}.skills[{place}]"), sentence);
            }
            reached = step.until_s;
            needs.push(SkillStep {
                need: skills(&step.need),
                until,
            });
        }
        Needs::in_steps(needs)
    }

    fn are_distinct<'n>(&mut self, of: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = BTreeMap::new();
        for (place, name) in names.enumerate() {
            if name.is_empty() {
                self.fault(format!("{of}[{place}].id"), "is empty");
            }
            if let Some(first) = seen.insert(name, place) {
                let sentence = format!("`{name}` is the id of {of}[{first}] already");
                self.fault(format!("{of}[{place}].id"), sentence);
            }
        }
    }

    pub(super) fn is_queue(&mut self, at: String, name: &str) {
        if !self.queue_names.contains(name) {
            let known: Vec<&str> = self.queue_names.iter().copied().collect();
            let sentence = format!("there is no queue `{name}`{}", listed(&known));
            self.fault(at, sentence);
        }
    }

    fn is_agent(&mut self, at: String, name: &str) {
        if !self.agent_names.contains(name) {
            let known: Vec<&str> = self.agent_names.iter().map(String::as_str).collect();
            let sentence = format!("there is no agent `{name}`{}", listed(&known));
            self.fault(at, sentence);
        }
    }

    pub(super) fn duration(&mut self, at: &str, field: &str, seconds: i64) -> Duration {
        match u64::try_from(seconds) {
            Ok(whole) if seconds <= SECONDS_MAX => Duration::from_secs(whole),
            Ok(_) => {
                let sentence = format!("{seconds} s is more than {SECONDS_MAX} s");
                self.fault(format!("{at}.{field}"), sentence);
                Duration::ZERO
            }
            Err(_) => {
                self.fault(format!("{at}.{field}"), format!("{seconds} s is negative"));
                Duration::ZERO
            }
        }
    }

    pub(super) fn instant(&mut self, at: &str, field: &str, seconds: i64) -> Timestamp {
        Timestamp::default() + self.duration(at, field, seconds)
    }
}

/// The names of agents who are alike.
fn names_of(agent: &ScenarioAgent) -> impl Iterator<Item = String> {
    let is_one = agent.count == 1;
    (1..=agent.count).map(move |number| {
        if is_one {
            agent.id.clone()
        } else {
            format!("{}-{number}", agent.id)
        }
    })
}

fn skills(levels: &BTreeMap<String, u8>) -> Skills {
    levels
        .iter()
        .map(|(skill, level)| (SkillId::from(skill.as_str()), *level))
        .collect()
}

/// What there is, in brackets, as far as it is short.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        few if few.len() <= NAMES_TOLD_MAX => format!(" (there are: {})", few.join(", ")),
        many => format!(
            " (there are {}: {}, ...)",
            many.len(),
            many[..NAMES_TOLD_MAX].join(", ")
        ),
    }
}
