//! One leg: a dialog, what was negotiated, and a media port.

use super::words::LegId;
use crate::media::PortHandle;
use crate::sdp::Negotiation;
use crate::sip::user_agent::DialogId;
use bytes::Bytes;
use std::time::Instant;

/// One leg of a call.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) state: LegState,
    pub(super) media: Option<LegMedia>,
    /// The leg whose media is joined with this one's.
    pub(super) bridged_to: Option<LegId>,
}

/// A leg's port and what was settled for it.
#[derive(Debug)]
pub(super) struct LegMedia {
    pub(super) port: PortHandle,
    pub(super) negotiation: Negotiation,
    /// Whether the far side holds us.
    pub(super) hold: Hold,
    /// What a dialled phone described before its answer.
    pub(super) early: Option<Bytes>,
}

/// Whether the far side wants to hear us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It listens.
    Off,
    /// It put us on hold.
    ByFarSide,
}

/// Where a leg is in its life.
#[derive(Debug)]
pub(super) enum LegState {
    /// Came in; the INVITE's offer, if it has one, waits for a port.
    Incoming {
        dialog: DialogId,
        offer: Option<Bytes>,
    },
    /// Came in and 183 was sent; the description that was answered goes into the 200 as well.
    Early { dialog: DialogId, described: Bytes },
    /// Dialled; dies by itself at the deadline.
    Dialling {
        dialog: DialogId,
        deadline: Instant,
        rings: Rings,
    },
    /// Answered, by us or by them.
    Up { dialog: DialogId },
}

/// Whether a dialled phone was heard to ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rings {
    /// Nothing but 100 was heard.
    NotYet,
    /// 180 or 183 was heard.
    Yes,
}

impl LegState {
    /// The dialog.
    pub(super) fn dialog(&self) -> DialogId {
        match self {
            Self::Incoming { dialog, .. }
            | Self::Early { dialog, .. }
            | Self::Dialling { dialog, .. }
            | Self::Up { dialog } => *dialog,
        }
    }
}
