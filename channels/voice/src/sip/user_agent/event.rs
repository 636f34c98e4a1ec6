//! What a user agent tells its user.

use super::{DialogId, OutsideId, RequestId};
use crate::sip::flow::Flow;
use crate::sip::message::Message;
use bytes::Bytes;

/// What happened. `Refused`, `Cancelled` and `Ended` are the last word on a dialog, and each dialog that its
/// user did not reject gets exactly one of them.
#[derive(Clone, Debug)]
pub enum Event {
    /// A call came in; answer it with `ring`, `answer` or `reject`.
    Incoming {
        /// The new dialog.
        id: DialogId,
        /// The INVITE; an empty body asks for our offer.
        invite: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A request the user answers with `respond`, outside of a dialog or inside one.
    Request {
        /// To answer it by.
        request: RequestId,
        /// The dialog it came in, if any.
        dialog: Option<DialogId>,
        /// The request.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// Our call makes progress (101 to 199).
    Progress {
        /// The dialog.
        id: DialogId,
        /// The status.
        status: u16,
        /// Early media, or the answer itself when the response was reliable.
        sdp: Option<Bytes>,
    },
    /// Our call was answered. `sdp` is the answer, or the offer when the INVITE had none: then the call waits for
    /// `answer_offer`.
    Answered {
        /// The dialog.
        id: DialogId,
        /// The body of the 2xx; `None` when the answer came with a reliable provisional response.
        sdp: Option<Bytes>,
    },
    /// The caller acknowledged our answer; `sdp` is its answer when our 2xx made the offer.
    Confirmed {
        /// The dialog.
        id: DialogId,
        /// The body of the ACK.
        sdp: Option<Bytes>,
    },
    /// Our call was refused, cancelled or got no answer. The last word.
    Refused {
        /// The dialog.
        id: DialogId,
        /// The status; 408 when nothing came, 503 when it could not be sent.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// Seconds of Retry-After.
        retry_after: Option<u32>,
        /// The whole response, for redirection and warnings.
        response: Option<Message>,
    },
    /// The other side changes the session, or asks us to with `None`: `answer_offer` or `refuse_offer`.
    OfferReceived {
        /// The dialog.
        id: DialogId,
        /// Its offer.
        sdp: Option<Bytes>,
    },
    /// The other side took back an offer that was not answered yet (CANCEL of a re-INVITE), or it waited too long and
    /// was refused.
    OfferWithdrawn {
        /// The dialog.
        id: DialogId,
    },
    /// Our offer was answered, or the offer we made when asked for one.
    OfferAnswered {
        /// The dialog.
        id: DialogId,
        /// The answer; `None` when none came with the ACK.
        sdp: Option<Bytes>,
    },
    /// Our offer was refused; the session stays as it was.
    OfferRefused {
        /// The dialog.
        id: DialogId,
        /// The status.
        status: u16,
    },
    /// The caller gave up before our answer. The last word.
    Cancelled {
        /// The dialog.
        id: DialogId,
        /// The Reason header field (RFC 3326).
        reason: Option<String>,
    },
    /// The call is over. The last word.
    Ended {
        /// The dialog.
        id: DialogId,
        /// Why.
        cause: Cause,
        /// The status behind it, or the cause the Reason header field names; 0 without either.
        status: u16,
    },
    /// Digits or other application data (RFC 6086 and its forerunner), answered 200 already.
    InfoReceived {
        /// The dialog.
        id: DialogId,
        /// `application/dtmf-relay` or `application/dtmf`.
        content_type: String,
        /// The body.
        body: Bytes,
    },
    /// The answer to a request of ours outside of a dialog. The last word on it.
    Response {
        /// The request.
        id: OutsideId,
        /// The status; 408 when nothing came, 503 when it could not be sent.
        status: u16,
        /// The response.
        response: Option<Message>,
    },
    /// The connection of a dialog is gone; requests in it will try to open a new one.
    ConnectionLost {
        /// The dialog.
        id: DialogId,
    },
}

/// Why a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// We hung up, and the other side knows or cannot be told.
    HungUp,
    /// The other side hung up.
    ByeReceived,
    /// We cancelled, the answer came first, and we hung up.
    Cancelled,
    /// Our answer was never acknowledged (RFC 3261 §13.3.1.4).
    AckMissing,
    /// The other side lost the call or answers no more (RFC 3261 §12.2.1.2).
    PeerLost,
    /// Nobody refreshed the session (RFC 4028 §10).
    SessionExpired,
    /// Our reliable ringing was never acknowledged (RFC 3262 §3).
    PrackMissing,
    /// The call was never answered by its user, or an offer was left open.
    Unattended,
    /// The other side broke the protocol: an answer without the offer we asked for.
    Protocol,
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where it goes.
    pub flow: Flow,
    /// Its bytes.
    pub bytes: Bytes,
    /// The dialog it belongs to, for the call's ladder.
    pub dialog: Option<DialogId>,
}
