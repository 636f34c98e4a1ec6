//! The verbs of queues and agents.

use super::{Decided, Desk};
use crate::agent::{Agent, AgentProfile, Doing, Status};
use crate::event::{EventDraft, EventKind};
use crate::ids::{AgentId, ContactId};
use crate::queue::QueueRules;
use crate::time::Timestamp;
use crate::verb::{Answer, Refusal};
use std::time::Duration;

impl Desk {
    pub(super) fn set_queue(&mut self, at: Timestamp, rules: QueueRules) -> Decided {
        if self.view.queue(&rules.id) != Some(&rules) {
            let queue = rules.id.clone();
            let kind = EventKind::QueueChanged {
                rules: Box::new(rules),
            };
            self.emit(EventDraft::of_desk(at, kind).in_queue(queue));
        }
        Ok(Answer::Done)
    }

    pub(super) fn set_agent(&mut self, at: Timestamp, profile: AgentProfile) -> Decided {
        let is_same = self
            .view
            .agent(&profile.id)
            .is_some_and(|agent| agent.profile == profile);
        if !is_same {
            let agent = profile.id.clone();
            let kind = EventKind::AgentChanged {
                profile: Box::new(profile),
            };
            self.emit(EventDraft::of_agent(at, agent, kind));
        }
        Ok(Answer::Done)
    }

    pub(super) fn remove_agent(&mut self, at: Timestamp, agent: AgentId) -> Decided {
        let Some(known) = self.view.agent(&agent) else {
            return Ok(Answer::Done);
        };
        let is_at_rest = known.holds.values().all(|hold| match hold.doing {
            Doing::Ringing { .. } | Doing::Talking { .. } => false,
            Doing::WrapUp { .. } => true,
        });
        if !is_at_rest {
            return Err(Refusal::AgentNotFree);
        }
        self.emit(EventDraft::of_agent(at, agent, EventKind::AgentRemoved));
        Ok(Answer::Done)
    }

    pub(super) fn agent_status(
        &mut self,
        at: Timestamp,
        agent: AgentId,
        status: Status,
    ) -> Decided {
        let known = self.view.agent(&agent).ok_or(Refusal::UnknownAgent)?;
        let chosen = known.next_status.as_ref().unwrap_or(&known.status);
        if *chosen == status {
            return Ok(Answer::Done);
        }
        // Who was logged off with contacts in hand has come back to them.
        let kind = if known.holds.is_empty() || known.status == Status::LoggedOff {
            EventKind::AgentStatus { status }
        } else {
            EventKind::NextStatus { status }
        };
        self.emit(EventDraft::of_agent(at, agent, kind));
        Ok(Answer::Done)
    }

    pub(super) fn agent_reachable(
        &mut self,
        at: Timestamp,
        agent: AgentId,
        is_reachable: bool,
    ) -> Decided {
        let known = self.view.agent(&agent).ok_or(Refusal::UnknownAgent)?;
        if known.is_reachable != is_reachable {
            let kind = EventKind::AgentReachable { is_reachable };
            self.emit(EventDraft::of_agent(at, agent, kind));
        }
        Ok(Answer::Done)
    }

    pub(super) fn end_wrap_up(
        &mut self,
        at: Timestamp,
        agent: AgentId,
        contact: Option<ContactId>,
    ) -> Decided {
        let known = self.view.agent(&agent).ok_or(Refusal::UnknownAgent)?;
        let is_meant = |id: &ContactId| contact.is_none_or(|meant| meant == *id);
        let over: Vec<ContactId> = wrap_ups(known)
            .map(|(id, ..)| id)
            .filter(is_meant)
            .collect();
        for contact in over {
            self.free_from_wrap_up(at, &agent, contact, at);
        }
        Ok(Answer::Done)
    }

    pub(super) fn extend_wrap_up(
        &mut self,
        at: Timestamp,
        agent: AgentId,
        contact: ContactId,
        by: Duration,
    ) -> Decided {
        let known = self.view.agent(&agent).ok_or(Refusal::UnknownAgent)?;
        let (_, until, latest) = wrap_ups(known)
            .find(|(id, ..)| *id == contact)
            .ok_or(Refusal::NoWrapUp)?;
        let later = (until + by).min(latest);
        if later <= until {
            return Err(Refusal::NoTimeLeft);
        }
        let kind = EventKind::WrapUpExtended { until: later };
        self.emit(EventDraft::of_contact(at, contact, kind).with_agent(agent));
        Ok(Answer::Done)
    }

    pub(super) fn free_from_wrap_up(
        &mut self,
        at: Timestamp,
        agent: &AgentId,
        contact: ContactId,
        idle_since: Timestamp,
    ) {
        self.settle_status(at, agent, None);
        let kind = EventKind::Ready {
            after_wrap_up: true,
            idle_since,
            rest_until: None,
        };
        self.emit(EventDraft::of_contact(at, contact, kind).with_agent(agent.clone()));
    }
}

fn wrap_ups(agent: &Agent) -> impl Iterator<Item = (ContactId, Timestamp, Timestamp)> {
    agent
        .holds
        .iter()
        .filter_map(|(contact, hold)| match hold.doing {
            Doing::WrapUp { until, latest } => Some((*contact, until, latest)),
            Doing::Ringing { .. } | Doing::Talking { .. } => None,
        })
}
