//! What reaches a shard from the other parts of the gateway.

use crate::acd::StoreLost;
use crate::call_backs::CallBack;
use crate::call_flow::{LinkedTicket, MessageKept};
use crate::cti::Identification;
use ringdown_routing::event::Event;
use ringdown_routing::ids::{AgentId, ContactId};
use ringdown_routing::verb::Answer;
use ringdown_voice::call::{Dial, LegId};
use ringdown_voice::media::MediaEvent;
use std::sync::Arc;
use tokio::sync::mpsc;

/// One thing told to a shard.
#[derive(Debug)]
pub(super) enum ShardInput {
    /// The media engine noticed something.
    Media(MediaEvent),
    /// The desk changed.
    Desk(Arc<Event>),
    /// The phone of the agent who is rung for a call is out of reach.
    AgentGone {
        /// The call.
        contact: ContactId,
        /// The agent.
        agent: AgentId,
    },
    /// The desk answered a verb of a call.
    Verb {
        /// The call.
        contact: ContactId,
        /// The answer.
        outcome: Result<Answer, StoreLost>,
    },
    /// The CMS said who it is.
    Identified {
        /// The call.
        contact: ContactId,
        /// What it said.
        identification: Box<Identification>,
    },
    /// The ticket is linked, or could not be in time.
    Ticket {
        /// The call.
        contact: ContactId,
        /// The ticket.
        ticket: Option<LinkedTicket>,
    },
    /// It was looked who helped the caller last.
    LastAgent {
        /// The call.
        contact: ContactId,
        /// The agent, if there is one.
        agent: Option<AgentId>,
    },
    /// The host of a phone or trunk was looked up; `None` when it cannot be reached.
    Resolved {
        /// The leg that is to be dialled.
        leg: LegId,
        /// Whom and how.
        dial: Option<Box<Dial>>,
    },
    /// A line was opened or closed.
    OpeningsChanged,
    /// A major incident came into force.
    IncidentsChanged,
    /// Events of the desk were missed.
    EventsMissed,
    /// A call-back that a caller asked for was noted in the database, or was not.
    CallBackTaken {
        /// The call.
        contact: ContactId,
        /// Whether it was.
        is_noted: bool,
    },
    /// The message that a caller left is recorded, or is not.
    MessageKept {
        /// The call.
        contact: ContactId,
        /// What became of it.
        kept: MessageKept,
    },
    /// An agent is reserved for a call-back, and this gateway rings.
    CallBack {
        /// Whom to call.
        call_back: Box<CallBack>,
        /// The offer.
        event: Arc<Event>,
    },
    /// The gateway stops: calls are ended in good order.
    Shutdown,
}

/// Most inputs that wait for one shard.
///
/// A full shard is one that does not keep up at all; whoever tells it then waits, but for the media
/// threads, which must not: they let the event go and count it.
pub(super) const INPUTS_MAX: usize = 65_536;

/// Tells one shard.
#[derive(Clone, Debug)]
pub(super) struct ShardSender {
    index: u8,
    inputs: mpsc::Sender<ShardInput>,
}

impl ShardSender {
    pub(super) fn new(index: u8) -> (Self, mpsc::Receiver<ShardInput>) {
        let (inputs, receiver) = mpsc::channel(INPUTS_MAX);
        (Self { index, inputs }, receiver)
    }

    /// The shard's number, from 0.
    pub(super) fn index(&self) -> u8 {
        self.index
    }

    /// Tells the shard, waiting while it is full; false when it has stopped.
    pub(super) async fn tell(&self, input: ShardInput) -> bool {
        self.inputs.send(input).await.is_ok()
    }

    /// Tells the shard unless it is full or has stopped.
    pub(super) fn tell_now(&self, input: ShardInput) -> bool {
        self.offer(input).is_ok()
    }

    /// Tells the shard, or gives the input back while it is full or when it has stopped.
    pub(super) fn offer(&self, input: ShardInput) -> Result<(), ShardInput> {
        let sent = self.inputs.try_send(input);
        sent.map_err(mpsc::error::TrySendError::into_inner)
    }
}

/// Tells the shard that has the contact's call; the lowest bits of its id name it, see
/// [`House::mint_contact`](super::house::House::mint_contact).
pub(super) async fn tell_shard_of(shards: &[ShardSender], contact: ContactId, input: ShardInput) {
    // A call-back may have been noted by a gateway with more shards.
    let index = usize::try_from(contact.as_u128() & 0xff).unwrap_or(0) % shards.len().max(1);
    if let Some(shard) = shards.get(index) {
        shard.tell(input).await;
    }
}
