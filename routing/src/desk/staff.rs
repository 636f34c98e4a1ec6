//! The verbs of queues and agents.

use super::{Decided, Desk};
use crate::agent::{AgentProfile, State, Status};
use crate::event::{EventDraft, EventKind};
use crate::ids::AgentId;
use crate::queue::QueueRules;
use crate::time::Timestamp;
use crate::verb::{Answer, Refusal};

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
        match known.state {
            State::Ringing { .. } | State::Talking { .. } => Err(Refusal::AgentNotFree),
            State::Idle | State::WrapUp { .. } => {
                self.emit(EventDraft::of_agent(at, agent, EventKind::AgentRemoved));
                Ok(Answer::Done)
            }
        }
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
        let kind = match known.state {
            State::Idle => EventKind::AgentStatus { status },
            State::Ringing { .. } | State::Talking { .. } | State::WrapUp { .. } => {
                EventKind::NextStatus { status }
            }
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

    pub(super) fn end_wrap_up(&mut self, at: Timestamp, agent: AgentId) -> Decided {
        let known = self.view.agent(&agent).ok_or(Refusal::UnknownAgent)?;
        if let State::WrapUp { .. } = known.state {
            self.free_from_wrap_up(at, &agent, at);
        }
        Ok(Answer::Done)
    }

    pub(super) fn free_from_wrap_up(
        &mut self,
        at: Timestamp,
        agent: &AgentId,
        idle_since: Timestamp,
    ) {
        let Some(known) = self.view.agent(agent) else {
            return;
        };
        let contact = known.state.contact();
        if let Some(status) = known.next_status.clone() {
            let kind = EventKind::AgentStatus { status };
            self.emit(EventDraft::of_agent(at, agent.clone(), kind));
        }
        let kind = EventKind::Ready {
            after_wrap_up: true,
            idle_since,
            rest_until: None,
        };
        let mut draft = EventDraft::of_agent(at, agent.clone(), kind);
        draft.contact = contact;
        self.emit(draft);
    }
}
