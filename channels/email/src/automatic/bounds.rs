//! Bounds on what is sent automatically: state machines with time as argument, small and fit to be stored.

use super::WhyNot;
use crate::address::EmailAddress;
use ringdown_routing::ids::TicketId;
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How much is sent automatically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopBounds {
    /// A sender gets one acknowledgement in this time.
    pub acknowledgement_window: Duration,
    /// How many mails of one sender are still a person's.
    pub sender: BreakerBounds,
    /// How many mails on one ticket are still a conversation.
    pub ticket: BreakerBounds,
    /// Senders and tickets that are remembered, each.
    pub remembered_max: usize,
}

impl Default for LoopBounds {
    fn default() -> Self {
        let hour = Duration::from_secs(3_600);
        Self {
            acknowledgement_window: hour,
            sender: BreakerBounds {
                mails_max: 20,
                window: hour,
                rest: hour,
            },
            ticket: BreakerBounds {
                mails_max: 20,
                window: hour,
                rest: hour,
            },
            remembered_max: 20_000,
        }
    }
}

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerBounds {
    /// Mails within the window that it bears.
    pub mails_max: u32,
    /// The window.
    pub window: Duration,
    /// How long it stays open after the last mail that was too much.
    pub rest: Duration,
}

/// What is remembered of senders and tickets so that no loop goes round; store it, and it goes on after a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoopGuard {
    bounds: LoopBounds,
    /// When each sender had the last acknowledgement.
    #[serde(with = "as_pairs")]
    acknowledged: BTreeMap<EmailAddress, Timestamp>,
    #[serde(bound = "")]
    senders: Breaker<EmailAddress>,
    #[serde(bound = "")]
    tickets: Breaker<TicketId>,
}

impl LoopGuard {
    /// A guard that remembers nothing yet.
    pub fn new(bounds: LoopBounds) -> Self {
        Self {
            bounds,
            acknowledged: BTreeMap::new(),
            senders: Breaker::new(bounds.sender, bounds.remembered_max),
            tickets: Breaker::new(bounds.ticket, bounds.remembered_max),
        }
    }

    /// Takes note of a mail that arrived or left by itself, whatever becomes of it.
    pub fn count(&mut self, now: Timestamp, correspondent: &EmailAddress, ticket: TicketId) {
        self.senders.count(now, correspondent);
        self.tickets.count(now, &ticket);
    }

    /// Asks to send anything by itself (a progress note, a closing note) to somebody about a ticket.
    pub fn may_send(
        &self,
        now: Timestamp,
        to: &EmailAddress,
        ticket: TicketId,
    ) -> Result<(), WhyNot> {
        if self.senders.is_open(now, to) {
            return Err(WhyNot::TooManyOfSender);
        }
        if self.tickets.is_open(now, &ticket) {
            return Err(WhyNot::TooManyOnTicket);
        }
        Ok(())
    }

    /// Asks for the one acknowledgement that a sender gets per window, and takes it.
    pub fn take_acknowledgement(
        &mut self,
        now: Timestamp,
        to: &EmailAddress,
        ticket: TicketId,
    ) -> Result<(), WhyNot> {
        self.may_send(now, to, ticket)?;
        let window = self.bounds.acknowledgement_window;
        if let Some(last) = self.acknowledged.get(to)
            && now.since(*last) < window
        {
            return Err(WhyNot::AlreadyAcknowledged(*last));
        }
        if self.acknowledged.len() >= self.bounds.remembered_max {
            self.acknowledged
                .retain(|_, last| now.since(*last) < window);
        }
        if self.acknowledged.len() >= self.bounds.remembered_max
            && !self.acknowledged.contains_key(to)
        {
            // To forget somebody would let his machine go round; a newcomer without acknowledgement loses little.
            return Err(WhyNot::TooManySenders);
        }
        self.acknowledged.insert(to.clone(), now);
        Ok(())
    }
}

/// Opens for a key when more of it comes than its bounds bear, and closes when there was rest.
///
/// Per key it holds two instants: when a steady flow at the bound would have brought what came so far (a
/// leaky bucket), and until when it is open.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "K: Ord + Clone + Serialize + serde::de::DeserializeOwned")]
pub struct Breaker<K: Ord> {
    bounds: BreakerBounds,
    remembered_max: usize,
    #[serde(with = "as_pairs")]
    keys: BTreeMap<K, Flow>,
    /// Until when it stays full: a flood of keys must not have all of them looked through for each.
    #[serde(skip)]
    full_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Flow {
    filled_until: Timestamp,
    open_until: Timestamp,
}

impl Flow {
    /// Until when it must be remembered.
    fn counts_until(&self) -> Timestamp {
        self.filled_until.max(self.open_until)
    }
}

impl<K: Ord + Clone> Breaker<K> {
    /// A breaker that is closed for all.
    pub fn new(bounds: BreakerBounds, remembered_max: usize) -> Self {
        Self {
            bounds,
            remembered_max,
            keys: BTreeMap::new(),
            full_until: None,
        }
    }

    /// Whether one more key can be remembered, which it can again when the first that rests is forgotten.
    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.keys.len() < self.remembered_max {
            return true;
        }
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        self.keys.retain(|_, flow| flow.counts_until() > now);
        self.full_until = self.keys.values().map(|flow| flow.counts_until()).min();
        self.keys.len() < self.remembered_max
    }

    /// Counts one more of `key`.
    pub fn count(&mut self, now: Timestamp, key: &K) {
        if !self.keys.contains_key(key) && !self.has_room(now) {
            return;
        }
        let bounds = self.bounds;
        let flow = self.keys.entry(key.clone()).or_insert(Flow {
            filled_until: now,
            open_until: now,
        });
        flow.filled_until = flow.filled_until.max(now) + bounds.window / bounds.mails_max.max(1);
        if flow.filled_until.since(now) > bounds.window {
            flow.filled_until = now + bounds.window;
            flow.open_until = now + bounds.rest;
        }
    }

    /// Whether nothing may be sent for `key` now. When too many keys are remembered it is open for the others.
    pub fn is_open(&self, now: Timestamp, key: &K) -> bool {
        match self.keys.get(key) {
            Some(flow) => flow.open_until > now,
            None => self.keys.len() >= self.remembered_max,
        }
    }
}

/// Maps as lists of pairs: JSON keys are texts only.
mod as_pairs {
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<
        'de,
        K: DeserializeOwned + Ord,
        V: DeserializeOwned,
        D: Deserializer<'de>,
    >(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}
