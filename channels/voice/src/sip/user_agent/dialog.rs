//! A dialog as a value (RFC 3261 section 12): who talks to whom, and what is under way.

use super::event::Cause;
use super::session::Session;
use crate::sip::alarm::{Alarm, earlier};
use crate::sip::digest;
use crate::sip::flow::{Flow, Transport};
use crate::sip::header::{Header, NameAddr, scan};
use crate::sip::message::{Message, Method};
use crate::sip::transaction::{ClientId, Resend, ServerId};
use crate::sip::uri::{Uri, ip_of};
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

/// One dialog, from its INVITE to its end.
#[derive(Debug)]
pub(super) struct Dialog {
    /// The number in our tag.
    pub(super) nonce: u64,
    pub(super) side: Side,
    pub(super) phase: Phase,
    pub(super) modification: Modification,
    /// The 2xx that waits for its ACK; it is repeated whatever else goes on.
    pub(super) unacknowledged: Option<Box<Unacknowledged>>,
    pub(super) flow: Flow,
    /// Hops that its requests may go.
    pub(super) max_forwards: u8,
    pub(super) names: Names,
    pub(super) local_sequence: u32,
    pub(super) remote_sequence: Option<u32>,
    pub(super) peer: Peer,
    pub(super) session: Session,
    pub(super) digest: Option<Box<digest::Client>>,
    /// Our last session description, for refreshing a peer that knows no UPDATE.
    pub(super) sdp: Bytes,
    pub(super) alarm: Alarm,
}

/// Who sent the INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// We did.
    Caller,
    /// The other side did.
    Callee,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Their INVITE waits for our final response.
    Incoming(Box<Incoming>),
    /// Our INVITE waits for its final response.
    Outgoing(Box<Outgoing>),
    /// Our INVITE got an offer in its 2xx; the ACK waits for our answer.
    OwingAck(Box<OwingAck>),
    /// Both sides agree.
    Confirmed,
    /// Our user hung up before the ACK to our 2xx came; BYE follows it (RFC 3261 §15).
    ClosingAfterAck(Box<[(String, String)]>),
    /// Our BYE waits for its response.
    Closing(Cause),
}

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) server: ServerId,
    /// When it is refused because nobody answered.
    pub(super) end: Instant,
    /// RFC 3261 §13.3.1.1: the last provisional response is repeated every minute.
    pub(super) repeat: Option<(Instant, Bytes)>,
    pub(super) reliable: Reliable,
}

/// Reliable provisional responses (RFC 3262 §3).
#[derive(Debug)]
pub(super) struct Reliable {
    /// The last RSeq used; 0 before the first.
    pub(super) number: u32,
    pub(super) under_way: Option<ReliableResponse>,
    pub(super) queue: VecDeque<(u16, Option<Bytes>)>,
    /// The answer that waits for PRACK.
    pub(super) held_answer: Option<Bytes>,
    pub(super) negotiation: Negotiation,
}

/// Whether offer and answer are exchanged before the call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Negotiation {
    /// Not yet.
    Open,
    /// A reliable response brought ours.
    Done,
}

#[derive(Debug)]
pub(super) struct ReliableResponse {
    pub(super) bytes: Bytes,
    pub(super) resend: Resend,
    pub(super) end: Instant,
    pub(super) has_sdp: HasSdp,
}

/// Whether a response carried a session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HasSdp {
    /// It did.
    Yes,
    /// It did not.
    No,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) client: ClientId,
    pub(super) cancel: Cancel,
    /// When it is cancelled because nobody answered.
    pub(super) end: Instant,
    pub(super) has_offer: HasSdp,
    pub(super) negotiation: Negotiation,
    /// How often the INVITE was sent anew after 401, 407 or 422.
    pub(super) attempts: u8,
    /// The last RSeq heard of each early dialog (RFC 3262 §4).
    pub(super) heard: Vec<(Box<[u8]>, u32)>,
}

/// Where the cancelling of our INVITE stands (RFC 3261 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    /// Not wanted; nothing was heard yet.
    NoSilent,
    /// Not wanted; a provisional response came.
    NoHeard,
    /// Wanted, with what stands in the Reason; CANCEL waits for a provisional response.
    Wanted(Option<String>),
    /// CANCEL is sent, with that Reason.
    Sent(Option<String>),
}

#[derive(Debug)]
pub(super) struct OwingAck {
    pub(super) client: ClientId,
    pub(super) response: Message,
    pub(super) request: Bytes,
    pub(super) end: Instant,
}

/// What changes the session now.
#[derive(Debug)]
pub(super) enum Modification {
    Idle,
    /// Our re-INVITE or UPDATE waits for its response.
    Sent(Box<Offer>),
    /// RFC 3261 §14.1: ours collided with theirs; it is sent again later.
    Colliding(Box<Offer>, Instant),
    /// Theirs waits for our answer.
    Received(ServerId),
}

#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) method: Method,
    pub(super) purpose: OfferPurpose,
    pub(super) sdp: Bytes,
    pub(super) attempts: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfferPurpose {
    /// The user wants it.
    Change,
    /// RFC 4028 wants it.
    Refresh,
}

/// A 2xx of ours to INVITE, repeated until its ACK (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacknowledged {
    pub(super) bytes: Bytes,
    /// Where the response went, which by its Via may be another port than requests come from.
    pub(super) flow: Flow,
    pub(super) sequence: u32,
    pub(super) resend: Resend,
    pub(super) end: Instant,
    pub(super) answers: Answers,
}

/// Which INVITE a 2xx answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// The one that began the dialog.
    First,
    /// A later one with an offer.
    Offer,
    /// A later one that asked for our offer: the ACK brings the answer.
    Question,
}

/// What the other side can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) has_update: bool,
    pub(super) has_timer: bool,
    pub(super) has_reliable: bool,
    /// What it sent came through an address translator: its Contact cannot be reached.
    pub(super) is_natted: bool,
}

impl Peer {
    /// Reads Allow, Supported and Require.
    pub(super) fn learn(&mut self, message: &Message) {
        if message.header(Header::Allow).is_some() {
            self.has_update = message
                .headers(Header::Allow)
                .any(|method| method == b"UPDATE");
        }
        let knows = |option: &str| {
            [Header::Supported, Header::Require]
                .into_iter()
                .any(|header| {
                    message
                        .headers(header)
                        .any(|token| token.eq_ignore_ascii_case(option.as_bytes()))
                })
        };
        self.has_timer |= knows("timer");
        self.has_reliable |= knows("100rel");
    }
}

/// The texts every request of a dialog repeats; they are own copies, so that no received message is kept.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) call_id: Box<[u8]>,
    /// Our From value with its tag.
    pub(super) local: Box<[u8]>,
    /// Their To value with its tag.
    pub(super) remote: Box<[u8]>,
    /// The URI of their Contact.
    pub(super) target: Box<[u8]>,
    /// The route set, one Route value; empty without.
    pub(super) routes: Box<[u8]>,
}

impl Names {
    pub(super) fn remote_tag(&self) -> &[u8] {
        tag_of(&self.remote)
    }

    /// Takes the remote target of a target refresh (RFC 3261 §12.2.1.2).
    pub(super) fn refresh_target(&mut self, message: &Message) {
        if let Some(target) = target_of(message) {
            self.target = target;
        }
    }

    /// The Request-URI and the Route value (RFC 3261 §12.2.1.1): a first route without `lr` is a strict
    /// router, which takes the Request-URI and gives the remote target the last place.
    pub(super) fn way(&self) -> (&[u8], Option<Box<[u8]>>) {
        let mut routes = scan::List::new(&self.routes);
        let first = routes.next().and_then(NameAddr::parse);
        let Some(first) = first else {
            return (&self.target, None);
        };
        if first
            .uri()
            .is_none_or(|uri| uri.params().get("lr").is_some())
        {
            return (&self.target, Some(self.routes.clone()));
        }
        let mut rest: Vec<u8> = Vec::with_capacity(self.routes.len() + self.target.len());
        for route in routes {
            rest.extend_from_slice(route);
            rest.extend_from_slice(b", ");
        }
        rest.push(b'<');
        rest.extend_from_slice(&self.target);
        rest.push(b'>');
        (first.uri_bytes(), Some(rest.into()))
    }

    /// Where the next request goes. A stream is used as long as it stands; a datagram goes to the first route or
    /// the remote target when that is an address and no translator stands between, otherwise back to where the
    /// other side's messages come from.
    pub(super) fn next_hop(&self, flow: Flow, peer: Peer) -> Flow {
        if flow.transport.is_reliable() || peer.is_natted {
            return flow;
        }
        let first = scan::List::new(&self.routes)
            .next()
            .and_then(NameAddr::parse);
        let uri = first.map_or(self.target.as_ref(), |route| route.uri_bytes());
        let Some(uri) = Uri::parse(uri) else {
            return flow;
        };
        let is_datagram = uri
            .params()
            .value("transport")
            .is_none_or(|name| Transport::from_wire(name) == Some(Transport::Udp));
        match uri.ip() {
            Some(ip) if is_datagram => {
                let mut hop = flow;
                hop.remote = (ip, uri.port().unwrap_or(Transport::Udp.default_port())).into();
                hop
            }
            Some(_) | None => flow,
        }
    }
}

impl Dialog {
    /// The next instant at which something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Incoming(incoming) => {
                let reliable = incoming
                    .reliable
                    .under_way
                    .as_ref()
                    .map(|response| response.resend.at.min(response.end));
                let repeat = incoming.repeat.as_ref().map(|(at, _)| *at);
                earlier(Some(incoming.end), earlier(reliable, repeat))
            }
            Phase::Outgoing(outgoing) => match outgoing.cancel {
                Cancel::NoSilent | Cancel::NoHeard => Some(outgoing.end),
                Cancel::Wanted(_) | Cancel::Sent(_) => None,
            },
            Phase::OwingAck(owing) => Some(owing.end),
            Phase::Confirmed => self.session.due(),
            Phase::ClosingAfterAck(_) | Phase::Closing(_) => None,
        };
        let unacknowledged = self
            .unacknowledged
            .as_ref()
            .map(|response| response.resend.at.min(response.end));
        let colliding = match &self.modification {
            Modification::Colliding(_, at) => Some(*at),
            Modification::Idle | Modification::Sent(_) | Modification::Received(_) => None,
        };
        earlier(phase, earlier(unacknowledged, colliding))
    }
}

/// The remote target that an INVITE names in its Contact. One of RFC 2543, told by its branch, may have
/// none and is called back where it is from (RFC 4475 §3.4.1).
pub(super) fn target_of_invite(invite: &Message) -> Option<Box<[u8]>> {
    if invite.header(Header::Contact).is_some() {
        return target_of(invite);
    }
    let via = invite.top_via();
    let branch = via.and_then(|via| via.branch()).unwrap_or(b"");
    let from = invite.from().filter(|_| !branch.starts_with(b"z9hG4bK"))?;
    from.uri().map(|uri| without_headers(&uri))
}

/// The URI of a Contact, as a Request-URI may spell it. A Contact that cannot be read is passed over.
pub(super) fn target_of(message: &Message) -> Option<Box<[u8]>> {
    message.contact()?.uri().map(|uri| without_headers(&uri))
}

/// RFC 3261 §19.1.5: a Request-URI holds no headers.
fn without_headers(uri: &Uri<'_>) -> Box<[u8]> {
    let length = uri.as_bytes().len() - uri.headers().len();
    uri.as_bytes()[..length].into()
}

/// The tag of a From or To value; empty without one.
pub(super) fn tag_of(value: &[u8]) -> &[u8] {
    NameAddr::parse(value)
        .as_ref()
        .and_then(NameAddr::tag)
        .unwrap_or(b"")
}

/// The route set of a dialog (RFC 3261 §12.1): Record-Route as it stands for the callee, reversed for the caller.
pub(super) fn route_set(message: &Message, side: Side) -> Box<[u8]> {
    let mut routes: Vec<&[u8]> = message.headers(Header::RecordRoute).collect();
    match side {
        Side::Callee => {}
        Side::Caller => routes.reverse(),
    }
    routes.join(b", ".as_slice()).into()
}

/// Says whether what a request came from cannot be reached by its Contact: its sent-by is another address than its
/// source, or the Contact is private and the source is not.
pub(super) fn is_request_natted(message: &Message, flow: Flow) -> bool {
    let sent_by = message.top_via().and_then(|via| ip_of(via.host));
    sent_by.is_some_and(|ip| ip != flow.remote.ip()) || is_contact_natted(message, flow)
}

/// Says whether a Contact is a private address behind a source that is not, with no proxy that would know the way.
pub(super) fn is_contact_natted(message: &Message, flow: Flow) -> bool {
    let contact = message
        .contact()
        .and_then(|contact| contact.uri())
        .and_then(|uri| uri.ip());
    message.header(Header::RecordRoute).is_none()
        && contact.is_some_and(is_private)
        && !is_private(flow.remote.ip())
}

/// RFC 1918, RFC 6598, RFC 4193 and addresses of one link or host.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_private() || ip.is_link_local() || ip.is_loopback() || is_shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

/// The body when it is a session description and not empty.
pub(super) fn sdp_of(message: &Message) -> Option<Bytes> {
    let is_sdp = message.header(Header::ContentType).is_none_or(|value| {
        let end = value
            .iter()
            .position(|byte| *byte == b';')
            .unwrap_or(value.len());
        scan::trim(&value[..end]).eq_ignore_ascii_case(b"application/sdp")
    });
    (is_sdp && message.has_body()).then(|| message.body())
}
