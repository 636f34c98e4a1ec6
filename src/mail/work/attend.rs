//! Looks after mails that are with agents: offers that nobody takes, agents who left, orders that are left.
//!
//! Every gateway looks every [`TICK`], over all of the desk: what it does is decided by tokens and orders, so
//! that two that look at once do it once.

use super::MailWork;
use super::escalation;
use super::orders;
use crate::acd::StoreLost;
use crate::mail::usher::Usher;
use ringdown_routing::agent::{Agent, Doing, Status};
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::{AgentId, ContactId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{DeclineReason, RequeueReason, Verb};
use ringdown_routing::view::View;
use std::collections::BTreeMap;
use std::time::Duration;

/// Since when agents are seen to be away, while they hold mails.
#[derive(Clone, Debug, Default)]
pub(super) struct Absences {
    since: BTreeMap<AgentId, Timestamp>,
}

/// Looks until the gateway stops.
pub(crate) async fn run(work: MailWork, usher: Usher) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut absences = Absences::default();
    loop {
        tick.tick().await;
        // Until the mails of before are back with their agents, an order would find nothing to do.
        if usher.has_restored() {
            look(&work, &mut absences).await;
        }
    }
}

pub(super) async fn look(work: &MailWork, absences: &mut Absences) {
    let (now, keep) = (work.now(), work.shared.config.email.keep_when_away);
    let mut verbs = work.shared.acd.read(|view| lapsed_offers(view, now));
    verbs.extend(
        work.shared
            .acd
            .read(|view| absences.mails_to_take_back(view, now, keep)),
    );
    for verb in verbs {
        let told = format!("{verb:?}");
        match work.shared.acd.change(verb).await {
            Ok(_) => {}
            Err(StoreLost::Busy) => return,
            Err(fault) => {
                tracing::debug!(verb = %told, %fault, "mail: the line cannot be changed now")
            }
        }
    }
    if let Err(fault) = escalation::look(work).await {
        tracing::debug!(%fault, "mail: what is due soon cannot be seen now");
    }
    if let Err(fault) = work.forget_uploads().await {
        tracing::debug!(%fault, "mail: files without an answer cannot be let go now");
    }
    match orders::left(work).await {
        Ok(left) => {
            for order in left {
                if let Err(fault) = orders::carry_out(work, &order).await {
                    tracing::debug!(contact = %order.contact, %fault, "mail: an order waits");
                }
            }
        }
        Err(fault) => tracing::debug!(%fault, "mail: orders cannot be read now"),
    }
}

/// Offers of mails that were not taken in time. Who works on something else has declined it by that; who does
/// not is not there, as with a phone that rings on.
fn lapsed_offers(view: &View, now: Timestamp) -> Vec<Verb> {
    let mut verbs = Vec::new();
    for agent in view.agents() {
        let is_at_work = agent
            .holds
            .values()
            .any(|hold| matches!(hold.doing, Doing::Talking { .. }));
        for hold in agent.holds.values().filter(|hold| is_written(hold.channel)) {
            let Doing::Ringing { token, deadline } = hold.doing else {
                continue;
            };
            if deadline <= now {
                verbs.push(if is_at_work {
                    let reason = DeclineReason::Declined;
                    Verb::Decline { token, reason }
                } else {
                    Verb::RingTimeout { token }
                });
            }
        }
    }
    verbs
}

impl Absences {
    /// Mails of agents who have been away for long enough.
    pub(super) fn mails_to_take_back(
        &mut self,
        view: &View,
        now: Timestamp,
        keep: Duration,
    ) -> Vec<Verb> {
        let mut away = BTreeMap::new();
        let mut verbs = Vec::new();
        for agent in view.agents().filter(|agent| is_away(agent)) {
            let mails: Vec<ContactId> = mails_of(agent).collect();
            if mails.is_empty() {
                continue;
            }
            let id = &agent.profile.id;
            let since = self.since.get(id).copied().unwrap_or(now);
            if now.since(since) >= keep {
                verbs.extend(mails.into_iter().map(|contact| Verb::Requeue {
                    contact,
                    reason: RequeueReason::LoggedOff,
                    token: None,
                }));
            }
            away.insert(id.clone(), since);
        }
        self.since = away;
        verbs
    }
}

/// Logged off, or about to be when the last contact is over.
fn is_away(agent: &Agent) -> bool {
    *agent.next_status.as_ref().unwrap_or(&agent.status) == Status::LoggedOff
}

fn mails_of(agent: &Agent) -> impl Iterator<Item = ContactId> {
    let held = agent.holds.iter().filter(|(_, hold)| {
        is_written(hold.channel) && matches!(hold.doing, Doing::Talking { .. })
    });
    held.map(|(contact, _)| *contact)
}

/// Whether it is taken at a desktop and outlives its gateway.
fn is_written(channel: Channel) -> bool {
    match channel {
        Channel::Email => true,
        Channel::Voice | Channel::Fax | Channel::Chat => false,
    }
}

/// How often it is looked; less than the grace of an offer's lease, so that an offer is ended in words.
const TICK: Duration = Duration::from_secs(1);
