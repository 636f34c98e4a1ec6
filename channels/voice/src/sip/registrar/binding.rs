//! One contact of a user, and the way there.

use super::request::{Asked, ContactAsked, Sender};
use crate::sip::flow::{ConnectionId, Flow};
use crate::sip::header::NameAddr;
use crate::sip::uri::{Uri, unescape};
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much a phone prefers a contact (`q`), in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quality(u16);

impl Quality {
    /// What a contact without `q` has.
    pub const DEFAULT: Self = Self(1_000);

    /// Reads `0`, `0.5`, `1.000` (RFC 3261 §25.1 `qvalue`).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (whole, fraction) = match text {
            [whole] => (whole, &b""[..]),
            [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
            _ => return None,
        };
        let mut thousandths = match whole {
            b'0' => 0,
            b'1' => 1_000,
            _ => return None,
        };
        for (digit, weight) in fraction.iter().zip([100, 10, 1]) {
            let digit = char::from(*digit).to_digit(10)?;
            thousandths += digit * weight;
        }
        u16::try_from(thousandths)
            .ok()
            .filter(|q| *q <= 1_000)
            .map(Self)
    }
}

/// Where a request to a contact is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// Over the flow the registration came by.
    Flow(Flow),
    /// To this URI, which may have to be resolved.
    Uri(Arc<[u8]>),
}

/// One contact of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The contact URI: the Request-URI of a request to it.
    pub uri: Arc<str>,
    /// The Path, to be sent as Route, topmost first.
    pub path: Arc<[Box<str>]>,
    /// How much it is preferred among the user's contacts.
    pub quality: Quality,
    /// What the registration came by.
    pub flow: Flow,
    next_hop: Hop,
    lifetime: Lifetime,
    order: Option<Order>,
    outbound: Option<(Box<[u8]>, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hop {
    Flow,
    Contact,
    Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    Static,
    Granted { since: Instant, until: Instant },
}

impl Lifetime {
    pub(super) fn granted(since: Instant, granted: Duration) -> Self {
        Self::Granted {
            since,
            until: since + granted,
        }
    }
}

/// Which request made a binding (RFC 3261 §10.3 step 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) call_id: Box<[u8]>,
    pub(super) sequence: u32,
}

impl Binding {
    pub(super) fn new(
        asked: &Asked<'_>,
        contact: &ContactAsked<'_>,
        flow: Flow,
        order: Order,
        lifetime: Lifetime,
    ) -> Self {
        Self {
            uri: contact.text.into(),
            path: asked.path.iter().map(|value| Box::from(*value)).collect(),
            quality: contact.quality,
            flow,
            next_hop: choose_hop(asked, contact, flow),
            lifetime,
            order: Some(order),
            outbound: contact
                .outbound
                .map(|outbound| (outbound.instance.into(), outbound.reg_id)),
        }
    }

    pub(super) fn new_static(uri: &str, flow: Flow) -> Self {
        Self {
            uri: uri.into(),
            path: Arc::new([]),
            quality: Quality::DEFAULT,
            flow,
            next_hop: Hop::Flow,
            lifetime: Lifetime::Static,
            order: None,
            outbound: None,
        }
    }

    /// Where a request to this contact is sent first.
    pub fn next_hop(&self) -> NextHop {
        let top_of_path = || {
            let address = NameAddr::parse(self.path.first()?.as_bytes())?;
            Some(NextHop::Uri(address.uri_bytes().into()))
        };
        match self.next_hop {
            Hop::Flow => NextHop::Flow(self.flow),
            Hop::Contact => NextHop::Uri(self.uri.as_bytes().into()),
            Hop::Path => top_of_path().unwrap_or(NextHop::Flow(self.flow)),
        }
    }

    /// Where another gateway sends a request to this contact first; `None` when only our flow leads there:
    /// a connection of the phone's, a NAT that it is behind, a flow of RFC 5626.
    pub fn open_way(&self) -> Option<Arc<[u8]>> {
        match self.next_hop() {
            NextHop::Uri(uri) => Some(uri),
            NextHop::Flow(flow) => {
                if let Some(top) = self.path.first() {
                    // A proxy takes requests from everybody whom its site trusts.
                    return Some(NameAddr::parse(top.as_bytes())?.uri_bytes().into());
                }
                let uri = Uri::parse(self.uri.as_bytes())?;
                let port = uri.port().unwrap_or(flow.transport.default_port());
                let is_there = uri.ip() == Some(flow.remote.ip()) && port == flow.remote.port();
                let is_open = is_there && !flow.transport.is_reliable() && self.outbound.is_none();
                is_open.then(|| self.uri.as_bytes().into())
            }
        }
    }

    /// Whether it was entered by configuration.
    pub fn is_static(&self) -> bool {
        self.lifetime == Lifetime::Static
    }

    /// When it runs out; `None` for a static one.
    pub const fn expires_at(&self) -> Option<Instant> {
        match self.lifetime {
            Lifetime::Static => None,
            Lifetime::Granted { until, .. } => Some(until),
        }
    }

    /// When it was made or refreshed last; `None` for a static one.
    pub const fn registered_at(&self) -> Option<Instant> {
        match self.lifetime {
            Lifetime::Static => None,
            Lifetime::Granted { since, .. } => Some(since),
        }
    }

    pub(super) fn has_expired(&self, now: Instant) -> bool {
        self.expires_at().is_some_and(|at| at <= now)
    }

    /// Whether a request may change this binding: it is another registration's, or a newer one.
    pub(super) fn yields_to(&self, order: &Order) -> bool {
        self.order
            .as_ref()
            .is_none_or(|own| own.call_id != order.call_id || own.sequence < order.sequence)
    }

    /// RFC 5626 §6: with outbound the instance and reg-id tell flows apart, otherwise the URI does.
    pub(super) fn is_same_as(&self, contact: &ContactAsked<'_>) -> bool {
        match (&self.outbound, &contact.outbound) {
            (Some((instance, reg_id)), Some(asked)) => {
                instance.as_ref() == asked.instance && *reg_id == asked.reg_id
            }
            (None, None) => self.is_at_uri(&contact.uri),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    pub(super) fn is_at(&self, uri: &[u8]) -> bool {
        Uri::parse(uri).is_some_and(|uri| self.is_at_uri(&uri))
    }

    fn is_at_uri(&self, uri: &Uri<'_>) -> bool {
        Uri::parse(self.uri.as_bytes()).is_some_and(|own| is_equivalent(&own, uri))
    }

    /// Static contacts after registered ones of the same preference; then by URI, so that the order
    /// never depends on chance.
    pub(super) fn compare_preference(&self, other: &Self) -> Ordering {
        other
            .quality
            .cmp(&self.quality)
            .then(self.is_static().cmp(&other.is_static()))
            .then(self.uri.cmp(&other.uri))
            .then(self.outbound.cmp(&other.outbound))
    }

    /// Whether both lead to the same place by the same way.
    pub(super) fn leads_where(&self, other: &Self) -> bool {
        self.uri == other.uri
            && self.path == other.path
            && self.quality == other.quality
            && self.flow == other.flow
            && self.next_hop == other.next_hop
    }

    /// What is left when a connection has ended; `None` when nothing leads to the phone any more.
    pub(super) fn without_connection(mut self, connection: ConnectionId) -> Option<Self> {
        if self.flow.connection != Some(connection) {
            return Some(self);
        }
        self.flow.connection = None;
        match self.next_hop {
            Hop::Contact | Hop::Path => Some(self),
            Hop::Flow => {
                // A phone that named the address it came from can be connected to at the port it
                // names; behind a NAT, or with flows of RFC 5626, only the phone can connect.
                let is_direct = Uri::parse(self.uri.as_bytes())
                    .is_some_and(|uri| uri.ip() == Some(self.flow.remote.ip()));
                self.next_hop = Hop::Contact;
                (is_direct && self.outbound.is_none()).then_some(self)
            }
        }
    }

    /// A Contact value for a response, with the seconds left.
    pub(super) fn to_contact(&self, now: Instant) -> String {
        let mut value = format!("<{}>", self.uri);
        if self.quality != Quality::DEFAULT {
            value += &format!(";q=0.{:03}", self.quality.0);
        }
        if let Some((instance, reg_id)) = &self.outbound {
            let instance = String::from_utf8_lossy(instance);
            value += &format!(";+sip.instance=\"{instance}\";reg-id={reg_id}");
        }
        let seconds = match self.expires_at() {
            // A client must be told some interval; it cannot refresh this contact anyhow.
            None => STATIC_EXPIRES_S,
            // Rounded up, so that one that was granted 60 s reads 60.
            Some(at) => at
                .saturating_duration_since(now)
                .as_millis()
                .div_ceil(1_000),
        };
        value += &format!(";expires={seconds}");
        value
    }
}

/// Over a connection, from behind a NAT, or to a phone that says it is symmetric, the flow is the
/// way; otherwise what the phone wrote is.
fn choose_hop(asked: &Asked<'_>, contact: &ContactAsked<'_>, flow: Flow) -> Hop {
    if let Some(top) = asked.path.first() {
        // The edge proxy that we have just heard from is reached by the same flow.
        let top_ip = NameAddr::parse(top.as_bytes()).and_then(|address| address.uri()?.ip());
        return if top_ip == Some(flow.remote.ip()) {
            Hop::Flow
        } else {
            Hop::Path
        };
    }
    let is_there = contact.uri.ip() == Some(flow.remote.ip());
    match asked.sender {
        Sender::Proxy => Hop::Contact,
        Sender::Symmetric => Hop::Flow,
        Sender::Plain if flow.transport.is_reliable() || !is_there => Hop::Flow,
        Sender::Plain => Hop::Contact,
    }
}

/// RFC 3261 §19.1.4, over what distinguishes contacts.
fn is_equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let same_param = |name| match (a.params().get(name), b.params().get(name)) {
        (Some(Some(a)), Some(Some(b))) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    };
    // Other parameters count only where both have them.
    let others_agree = a.params().all(|(name, value)| {
        let other = std::str::from_utf8(name)
            .ok()
            .and_then(|name| b.params().get(name));
        match (value, other) {
            (_, None) | (None, Some(None)) => true,
            (Some(a), Some(Some(b))) => a.eq_ignore_ascii_case(b),
            (None, Some(Some(_))) | (Some(_), Some(None)) => false,
        }
    });
    a.scheme() == b.scheme()
        && a.user().map(unescape) == b.user().map(unescape)
        && a.host().eq_ignore_ascii_case(b.host())
        && a.port() == b.port()
        && ["transport", "user", "ttl", "method", "maddr"]
            .into_iter()
            .all(same_param)
        && others_agree
        && a.headers() == b.headers()
}

const STATIC_EXPIRES_S: u128 = 3_600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_equivalent_as_rfc_3261_section_19_1_4_lists() {
        let check = |a: &str, b: &str, same: bool| {
            let (a, b) = (
                Uri::parse(a.as_bytes()).unwrap(),
                Uri::parse(b.as_bytes()).unwrap(),
            );
            assert_eq!(is_equivalent(&a, &b), same, "{a:?} {b:?}");
        };
        check(
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
            true,
        );
        check(
            "sip:carol@chicago.com",
            "sip:carol@chicago.com;newparam=5",
            true,
        );
        check(
            "sip:carol@chicago.com;newparam=5",
            "sip:carol@chicago.com;security=on",
            true,
        );
        check(
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
            false,
        );
        check("SIP:ALICE@AtLanTa.CoM", "sip:alice@AtLanTa.CoM", false);
        check("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false);
        check(
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com;transport=udp",
            false,
        );
        check(
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
            false,
        );
        check("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false);
    }

    #[test]
    fn qualities_are_thousandths() {
        for (text, thousandths) in [
            ("0", 0),
            ("1", 1_000),
            ("0.5", 500),
            ("0.05", 50),
            ("1.000", 1_000),
        ] {
            assert_eq!(Quality::parse(text.as_bytes()), Some(Quality(thousandths)));
        }
        for text in ["", "2", "1.001", "0.1234", "0,5", "-1", "0.x"] {
            assert_eq!(Quality::parse(text.as_bytes()), None, "{text}");
        }
    }
}
