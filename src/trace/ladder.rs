//! The bounded recorder a call carries with it.

use super::SipTrace;
use ringdown_routing::ids::ContactId;
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;

/// Most messages of the beginning that are kept: they tell what was asked for.
const HEAD_MAX: usize = 24;

/// Most legs whose Call-ID is kept.
const CALL_IDS_MAX: usize = 8;

/// Most bytes of a note, a Call-ID or a method nobody knows.
const TEXT_BYTES_MAX: usize = 96;

/// The messages of one call: the first ones and the last ones, with a bound on both.
#[derive(Clone, Debug)]
pub struct Ladder {
    begun: Timestamp,
    entries_max: usize,
    head: Vec<Entry>,
    tail: VecDeque<Entry>,
    left_out: u32,
    call_ids: Vec<(Leg, Box<str>)>,
}

/// Whose leg of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// The caller's.
    Caller,
    /// The agent's who was rung as the n-th, from 1.
    Agent(u16),
}

/// Which way a message went, as the gateway sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the leg to the gateway.
    In,
    /// From the gateway to the leg.
    Out,
}

/// One message, or one remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the first one.
    pub after_ms: u32,
    /// Whose leg.
    pub leg: Leg,
    /// What it was.
    #[serde(flatten)]
    pub message: Message,
}

/// What stands in the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// A request.
    Request {
        /// Which way.
        direction: Direction,
        /// Its method.
        method: Cow<'static, str>,
        /// Its CSeq number; the same one again is a retransmission.
        cseq: u32,
        /// Whether it carried SDP.
        #[serde(default, skip_serializing_if = "is_without")]
        body: Body,
    },
    /// A response.
    Response {
        /// Which way.
        direction: Direction,
        /// Its status code.
        status: u16,
        /// The method it answers.
        method: Cow<'static, str>,
        /// The CSeq number it answers.
        cseq: u32,
        /// Whether it carried SDP.
        #[serde(default, skip_serializing_if = "is_without")]
        body: Body,
    },
    /// Something that is not a message: a timer that fired, audio that stopped.
    Note {
        /// What, for the operator.
        text: Box<str>,
    },
}

/// What a message carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Nothing, or nothing that matters here.
    #[default]
    Without,
    /// A session description.
    Sdp,
}

fn is_without(body: &Body) -> bool {
    *body == Body::Without
}

impl Ladder {
    /// Begins an empty ladder that holds at most `entries_max` messages (`limits.trace_messages_max`).
    pub fn new(begun: Timestamp, entries_max: u32) -> Self {
        Self {
            begun,
            entries_max: usize::try_from(entries_max).unwrap_or(usize::MAX),
            head: Vec::new(),
            tail: VecDeque::new(),
            left_out: 0,
            call_ids: Vec::new(),
        }
    }

    /// Notes the Call-ID of a leg.
    pub fn call_id(&mut self, leg: Leg, call_id: &str) {
        if self.call_ids.len() < CALL_IDS_MAX {
            self.call_ids.push((leg, shortened(call_id).into()));
        }
    }

    /// Notes a request.
    pub fn request(
        &mut self,
        at: Timestamp,
        leg: Leg,
        direction: Direction,
        method: &str,
        cseq: u32,
        body: Body,
    ) {
        let method = known(method);
        self.push(
            at,
            leg,
            Message::Request {
                direction,
                method,
                cseq,
                body,
            },
        );
    }

    /// Notes a response to a request of that method and CSeq number.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the message, and nothing is left to be grouped"
    )]
    pub fn response(
        &mut self,
        at: Timestamp,
        leg: Leg,
        direction: Direction,
        status: u16,
        method: &str,
        cseq: u32,
        body: Body,
    ) {
        let method = known(method);
        self.push(
            at,
            leg,
            Message::Response {
                direction,
                status,
                method,
                cseq,
                body,
            },
        );
    }

    /// Notes something that is not a message.
    pub fn note(&mut self, at: Timestamp, leg: Leg, text: &str) {
        self.push(
            at,
            leg,
            Message::Note {
                text: shortened(text).into(),
            },
        );
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Gives the record that is stored when the call is over.
    pub fn into_trace(self, contact: ContactId) -> SipTrace {
        SipTrace {
            contact,
            at: self.begun,
            call_ids: self
                .call_ids
                .into_iter()
                .map(|(leg, id)| (leg, id.into()))
                .collect(),
            entries: self.head.into_iter().chain(self.tail).collect(),
            left_out: self.left_out,
        }
    }

    fn push(&mut self, at: Timestamp, leg: Leg, message: Message) {
        let after_ms = u32::try_from(at.since(self.begun).as_millis()).unwrap_or(u32::MAX);
        let entry = Entry {
            after_ms,
            leg,
            message,
        };
        let head_max = HEAD_MAX.min(self.entries_max);
        if self.head.len() < head_max {
            self.head.push(entry);
            return;
        }
        let tail_max = self.entries_max - head_max;
        if self.tail.len() >= tail_max {
            self.left_out = self.left_out.saturating_add(1);
            if self.tail.pop_front().is_none() {
                return;
            }
        }
        self.tail.push_back(entry);
    }
}

/// The methods of SIP cost no memory of their own (RFC 3261, 3262, 3265, 3311, 3428, 3515, 3903, 6086).
const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
];

fn known(method: &str) -> Cow<'static, str> {
    match METHODS.iter().find(|known| **known == method) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(shortened(method).to_owned()),
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}
