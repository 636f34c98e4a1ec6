//! What a node does while the shared store is away, and what it tells the store afterwards.
//!
//! Calls go on: answers, ends and statuses are taken by a desk of the node's own, which starts from what
//! the node last saw. Its own contacts keep waiting and new ones join them; nothing is offered, because
//! who is free is not this node's to say. Of the call-backs it has those that it carries out; the others
//! are in the database. No I/O here: the worker asks, this decides.

use super::redis_store::Found;
use super::store::Request;
use ringdown_routing::agent::Agent;
use ringdown_routing::contact::{Keeper, Place, PlacedContact, QueuedContact};
use ringdown_routing::desk::Desk;
use ringdown_routing::event::{Event, EventDraft, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, NodeId, OfferToken, QueueId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{
    Answer, Change, End, Outcome, Refusal, RequeueReason, RestoredPlace, Verb,
};
use ringdown_routing::view::{Snapshot, View};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A node on its own.
#[derive(Debug)]
pub(super) struct Alone {
    node: NodeId,
    /// Call-backs that this node carried out when the store was lost.
    carried: BTreeSet<ContactId>,
    desk: Desk,
    /// The newest offers of these contacts that stood or were accepted when the store was lost.
    held_at_loss: BTreeMap<ContactId, OfferToken>,
    ended: BTreeMap<ContactId, RestoredPlace>,
    agents_changed: BTreeSet<AgentId>,
    queues_changed: BTreeSet<QueueId>,
}

/// What to do when the store is back.
pub(super) struct Return {
    /// Facts that come of it here, in order.
    pub(super) told: Vec<Event>,
    /// What to ask of the store.
    pub(super) requests: Vec<Request>,
}

impl Alone {
    /// Goes on from what the node last saw. Contacts of other nodes, and call-backs that another node carries
    /// out, are theirs to keep.
    pub(super) fn begin(
        mut seen: Snapshot,
        node: NodeId,
        carried: BTreeSet<ContactId>,
        at: Timestamp,
    ) -> Self {
        seen.contacts
            .retain(|contact| is_in_hand(&contact.record, &node, &carried));
        seen.entered = u64::try_from(seen.contacts.len()).unwrap_or(0);
        seen.ended = 0;
        seen.last_event = 0;
        let held = |contact: &PlacedContact| {
            let newest = contact.place.holders().map(|(_, token)| token).max()?;
            Some((contact.record.id, newest))
        };
        let held_at_loss = seen.contacts.iter().filter_map(held).collect();
        let origin = NodeId::new(format!("{node}/alone/{}", at.as_millis()).as_str());
        Self {
            node,
            carried,
            desk: Desk::from_snapshot(origin, 0, seen),
            held_at_loss,
            ended: BTreeMap::new(),
            agents_changed: BTreeSet::new(),
            queues_changed: BTreeSet::new(),
        }
    }

    pub(super) fn view(&self) -> &View {
        self.desk.view()
    }

    /// Does what is asked, as far as it is this node's to do.
    pub(super) fn ask(&mut self, request: Request) -> Outcome {
        // A ring that ended while this node slept or was cut off is no agent's fault, nor is their phone out
        // of reach because this node did not hear it ring: the others may have given them something to do
        // long ago.
        let blames = matches!(
            &request,
            Request::Change(Change {
                verb: Verb::RingTimeout { .. } | Verb::Decline { .. },
                ..
            })
        );
        let outcome = match request {
            Request::Publish(draft) => Outcome {
                answer: Answer::Done,
                events: vec![self.desk.publish(draft)],
            },
            Request::Change(Change {
                verb: Verb::Offer { .. },
                ..
            }) => Outcome {
                answer: Answer::Refused {
                    reason: Refusal::AgentNotFree,
                },
                events: Vec::new(),
            },
            Request::Change(change) => self.desk.apply(change),
        };
        for event in &outcome.events {
            let is_blame = blames
                && matches!(
                    event.kind,
                    EventKind::AgentStatus { .. } | EventKind::AgentReachable { .. }
                );
            if !is_blame {
                self.note(event);
            }
        }
        outcome
    }

    fn note(&mut self, event: &Event) {
        let end = match &event.kind {
            EventKind::Abandoned { .. } => Some((End::Abandoned, None)),
            EventKind::Overflowed { .. } => Some((End::FlowedOut, None)),
            EventKind::Ended { wrap_up_until, .. } => Some((End::Completed, *wrap_up_until)),
            EventKind::AgentStatus { .. }
            | EventKind::NextStatus { .. }
            | EventKind::AgentReachable { .. }
            | EventKind::AgentChanged { .. }
            | EventKind::AgentRemoved => {
                self.agents_changed.extend(event.agent.clone());
                None
            }
            EventKind::QueueChanged { .. } => {
                self.queues_changed.extend(event.queue.clone());
                None
            }
            EventKind::Arrived { .. }
            | EventKind::Identified { .. }
            | EventKind::TicketLinked { .. }
            | EventKind::Enqueued { .. }
            | EventKind::Blocked { .. }
            | EventKind::Failed { .. }
            | EventKind::Offered { .. }
            | EventKind::Rang { .. }
            | EventKind::Declined { .. }
            | EventKind::RingTimeout { .. }
            | EventKind::OfferExpired { .. }
            | EventKind::LeftOffer { .. }
            | EventKind::Requeued { .. }
            | EventKind::Answered { .. }
            | EventKind::Held
            | EventKind::Resumed
            | EventKind::OverflowRefused { .. }
            | EventKind::Reprioritised { .. }
            | EventKind::WrapUpExtended { .. }
            | EventKind::Ready { .. }
            | EventKind::KeyedIn { .. }
            | EventKind::IncidentTold { .. }
            | EventKind::MessageLeft { .. }
            | EventKind::Informed { .. }
            | EventKind::MediaReport { .. }
            | EventKind::Closed { .. }
            | EventKind::Restored { .. }
            | EventKind::NodeLost { .. }
            | EventKind::StoreLost { .. }
            | EventKind::Escalated { .. }
            | EventKind::TicketChanged { .. }
            | EventKind::SymptomRecorded { .. }
            | EventKind::Rated { .. }
            | EventKind::AnswerAwaited { .. }
            | EventKind::AnswerWaitEnded { .. }
            | EventKind::Intervened { .. }
            | EventKind::StoreReturned => None,
        };
        if let (Some((end, wrap_up_until)), Some(contact)) = (end, event.contact) {
            let place = RestoredPlace::Ended { end, wrap_up_until };
            self.ended.insert(contact, place);
        }
    }

    /// Works out what the store must be told, given what is in it now.
    pub(super) fn prepare_return(
        &mut self,
        remote: &Snapshot,
        found: Found,
        node_lease: Duration,
        at: Timestamp,
    ) -> Return {
        let told = self.drop_lapsed_offers(remote, at);
        let mut verbs = self.nodes_alive(remote, node_lease);
        verbs.extend(self.furnish(remote, found));
        verbs.extend(self.claim_contacts(remote));
        let requests = verbs.into_iter();
        let requests = requests.map(|verb| Request::Change(Change { at, verb }));
        Return {
            told,
            requests: requests.collect(),
        }
    }

    /// An offer that the store no longer holds is over: the ring must stop before the contact waits
    /// again.
    fn drop_lapsed_offers(&mut self, remote: &Snapshot, at: Timestamp) -> Vec<Event> {
        let stands = |contact: &PlacedContact| {
            remote
                .contacts
                .iter()
                .any(|known| known.record.id == contact.record.id && known.place == contact.place)
        };
        let lapsed: Vec<PlacedContact> = self
            .view()
            .contacts()
            .filter(|contact| matches!(contact.place, Place::Offered { .. }) && !stands(contact))
            .cloned()
            .collect();
        let mut told = Vec::new();
        for contact in lapsed {
            for (agent, token) in contact.place.holders() {
                let kind = EventKind::OfferExpired { token };
                let draft = EventDraft::of_contact(at, contact.record.id, kind)
                    .in_queue(contact.record.queue.clone())
                    .with_agent(agent.clone());
                told.push(self.desk.publish(draft));
            }
            let verb = Verb::Requeue {
                contact: contact.record.id,
                reason: RequeueReason::LeaseExpired,
                token: None,
            };
            told.extend(self.desk.apply(Change { at, verb }).events);
        }
        told
    }

    /// Every node that has contacts in the store was cut off like this one, and gets a whole lease to
    /// come back in.
    fn nodes_alive(&self, remote: &Snapshot, lease: Duration) -> Vec<Verb> {
        let nodes: BTreeSet<NodeId> = remote
            .contacts
            .iter()
            .filter_map(|contact| contact.record.keeper().gateway().cloned())
            .chain([self.node.clone()])
            .collect();
        let alive = |node| Verb::NodeAlive { node, lease };
        nodes.into_iter().map(alive).collect()
    }

    /// Queues and agents: all of them into an empty store, else those that changed meanwhile.
    fn furnish(&self, remote: &Snapshot, found: Found) -> Vec<Verb> {
        let mut verbs = Vec::new();
        let is_new = found == Found::Nothing;
        for rules in self.view().queues() {
            let is_there = remote.queues.iter().any(|known| known.id == rules.id);
            if is_new || !is_there || self.queues_changed.contains(&rules.id) {
                verbs.push(Verb::SetQueue {
                    rules: rules.clone(),
                });
            }
        }
        for agent in self.view().agents() {
            let id = &agent.profile.id;
            if is_new || self.agents_changed.contains(id) {
                verbs.extend(assert_agent(agent));
            }
        }
        for id in &self.agents_changed {
            if self.view().agent(id).is_none() {
                verbs.push(Verb::RemoveAgent { agent: id.clone() });
            }
        }
        verbs
    }

    fn claim_contacts(&self, remote: &Snapshot) -> Vec<Verb> {
        let mut verbs = Vec::new();
        let taken_over = self.taken_over(remote);
        let ours = self.view().contacts();
        for contact in ours.filter(|contact| !taken_over.contains(&contact.record.id)) {
            let id = contact.record.id;
            let place = match &contact.place {
                Place::Waiting => RestoredPlace::Waiting {
                    offer_over: self.held_at_loss.get(&id).copied(),
                },
                // It stands in the store as it does here, or it would have been dropped.
                Place::Offered { .. } => continue,
                Place::Active {
                    agent,
                    token,
                    answered_at,
                } => RestoredPlace::Active {
                    agent: agent.clone(),
                    token: *token,
                    answered_at: *answered_at,
                },
            };
            verbs.push(Verb::Restore {
                contact: contact.record.clone(),
                place,
            });
        }
        for contact in &remote.contacts {
            let id = contact.record.id;
            let is_ours = is_in_hand(&contact.record, &self.node, &self.carried);
            if is_ours && !taken_over.contains(&id) && self.view().contact(id).is_none() {
                let place = self.ended.get(&id).cloned();
                verbs.push(Verb::Restore {
                    contact: contact.record.clone(),
                    place: place.unwrap_or(RestoredPlace::Ended {
                        end: End::Abandoned,
                        wrap_up_until: None,
                    }),
                });
            }
        }
        verbs
    }

    /// Call-backs that another node was given an agent for since, because this one seemed dead.
    fn taken_over(&self, remote: &Snapshot) -> BTreeSet<ContactId> {
        let is_taken_over = |contact: &&PlacedContact| {
            let newest = contact.place.holders().map(|(_, token)| token).max();
            let held = self.held_at_loss.get(&contact.record.id).copied();
            self.carried.contains(&contact.record.id) && newest > held
        };
        let taken_over = remote.contacts.iter().filter(is_taken_over);
        taken_over.map(|contact| contact.record.id).collect()
    }
}

/// Whether the node has a contact's legs, so that its word about it counts.
fn is_in_hand(record: &QueuedContact, node: &NodeId, carried: &BTreeSet<ContactId>) -> bool {
    match record.keeper() {
        Keeper::Node(keeper) => keeper == node,
        Keeper::Database => carried.contains(&record.id),
    }
}

fn assert_agent(agent: &Agent) -> [Verb; 3] {
    let id = agent.profile.id.clone();
    let chosen = agent.next_status.as_ref().unwrap_or(&agent.status);
    [
        Verb::SetAgent {
            profile: agent.profile.clone(),
        },
        Verb::AgentReachable {
            agent: id.clone(),
            is_reachable: agent.is_reachable,
        },
        Verb::AgentStatus {
            agent: id,
            status: chosen.clone(),
        },
    ]
}
