//! Whom to ring and how: the INVITE's target, addresses and headers.

use super::call::Call;
use super::door::Location;
use super::phones::Search;
use ringdown_routing::ids::{AgentId, ContactId};
use ringdown_voice::call::{Dial, LegId};
use ringdown_voice::sip::digest::Account;
use ringdown_voice::sip::flow::{Flow, Transport};
use ringdown_voice::sip::registrar::NextHop;
use ringdown_voice::sip::uri::{Scheme, Uri};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What it takes to ring somebody.
#[derive(Debug)]
pub(super) enum Dialling {
    /// Ring now.
    Now(Box<Dial>),
    /// The host has to be looked up first.
    LookUp(Box<Dial>, HostName),
    /// It is to be asked at which gateway the phone is registered.
    Search(Box<Dial>, Search),
    /// There is no way there.
    Nowhere,
}

impl Dialling {
    /// The leg that the new one is to be joined with.
    pub(super) fn join(&mut self, partner: LegId) {
        match self {
            Self::Now(dial) | Self::LookUp(dial, _) | Self::Search(dial, _) => {
                dial.partner = Some(partner);
            }
            Self::Nowhere => {}
        }
    }
}

/// A host by its name.
#[derive(Debug)]
pub(super) struct HostName {
    transport: Transport,
    host: String,
    port: u16,
}

impl HostName {
    /// Looks the host up; `None` when it has no address within the deadline.
    pub(super) async fn look_up(&self) -> Option<Flow> {
        let lookup = tokio::net::lookup_host((self.host.as_str(), self.port));
        let mut found = tokio::time::timeout(LOOK_UP_DEADLINE, lookup)
            .await
            .ok()?
            .ok()?;
        Some(Flow::new(self.transport, found.next()?))
    }
}

/// A trunk that takes calls out.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    /// `sip:host:port`, with `;transport=tcp` when wanted.
    pub(super) uri: String,
    /// Who we are there.
    pub(super) account: Option<Account>,
}

/// How we name ourselves and others.
#[derive(Debug)]
pub(super) struct Parties {
    /// The host in our own addresses.
    pub(super) domain: String,
    /// The first trunk that takes calls out.
    pub(super) outbound: Option<Outbound>,
}

impl Parties {
    /// The ring of an agent's phone, which shows the caller's name and number, wherever that is.
    pub(super) fn agent(
        &self,
        contact: ContactId,
        call: &Call,
        agent: &AgentId,
        deadline: Instant,
    ) -> Box<Dial> {
        let to = format!("<sip:{agent}@{}>", self.domain);
        let mut dial = self.dial(call, to, None, deadline);
        dial.headers = call_headers(contact, call);
        // The ring ends with its offer, also when we are not there any more to cancel it (RFC 3261 §13.3.1).
        let left = deadline.saturating_duration_since(Instant::now());
        let seconds = left.as_millis().div_ceil(1_000);
        dial.headers.push((EXPIRES.to_owned(), seconds.to_string()));
        dial
    }

    /// Leads it to a place.
    pub(super) fn lead(mut dial: Box<Dial>, location: Location) -> Dialling {
        let routes = location.path.into_iter();
        dial.headers
            .extend(routes.map(|route| ("Route".to_owned(), route)));
        lead(dial, location.uri, location.next_hop)
    }

    /// Rings another number by the trunk that takes calls out, or a SIP URI. What the desk knows of the call
    /// is not told there.
    pub(super) fn number(&self, call: &Call, to: &str, deadline: Instant) -> Dialling {
        if to.starts_with("sip:") {
            let next_hop = NextHop::Uri(to.as_bytes().into());
            let dial = self.dial(call, format!("<{to}>"), None, deadline);
            return lead(dial, to.to_owned(), next_hop);
        }
        let Some(outbound) = &self.outbound else {
            return Dialling::Nowhere;
        };
        let trunk = outbound.uri.strip_prefix("sip:").unwrap_or(&outbound.uri);
        let uri = format!("sip:{to}@{trunk}");
        let next_hop = NextHop::Uri(outbound.uri.as_bytes().into());
        let address = format!(
            "<sip:{to}@{}>",
            trunk.split([';', ':']).next().unwrap_or(trunk)
        );
        let account = outbound.account.clone();
        let dial = self.dial(call, address, account, deadline);
        lead(dial, uri, next_hop)
    }

    /// Rings who is called back; their phone shows the number that they know the desk by.
    pub(super) fn caller(
        &self,
        call: &Call,
        to: &str,
        own_number: &str,
        deadline: Instant,
    ) -> Dialling {
        let mut dialling = self.number(call, to, deadline);
        if let Dialling::Now(dial) | Dialling::LookUp(dial, _) | Dialling::Search(dial, _) =
            &mut dialling
        {
            dial.from = format!(
                "<sip:{}@{}>",
                escape_user(&shown_user(own_number)),
                self.domain
            );
        }
        dialling
    }

    /// An INVITE that is not addressed yet.
    fn dial(
        &self,
        call: &Call,
        to: String,
        account: Option<Account>,
        deadline: Instant,
    ) -> Box<Dial> {
        Box::new(Dial {
            flow: Flow::new(Transport::Udp, NOWHERE),
            request_uri: String::new(),
            from: self.from(call),
            to,
            headers: Vec::new(),
            max_forwards: call.arrival.max_forwards.saturating_sub(1),
            account,
            deadline,
            partner: Some(call.caller_leg),
        })
    }

    /// The caller as the called phone shows them: the CMS's name, then the network's, and the number.
    fn from(&self, call: &Call) -> String {
        let claim = &call.arrival.claim;
        let name = call
            .known()
            .map_or(claim.name.as_str(), |caller| caller.name.as_str());
        let user = escape_user(&shown_user(&claim.shown));
        if name.is_empty() {
            format!("<sip:{user}@{}>", self.domain)
        } else {
            format!("\"{}\" <sip:{user}@{}>", quote(name), self.domain)
        }
    }
}

/// Addresses an INVITE.
fn lead(mut dial: Box<Dial>, request_uri: String, next_hop: NextHop) -> Dialling {
    dial.request_uri = request_uri;
    match next_hop {
        NextHop::Flow(flow) => {
            dial.flow = flow;
            Dialling::Now(dial)
        }
        NextHop::Uri(uri) => match place_of(&uri) {
            Some(Place::Address(flow)) => {
                dial.flow = flow;
                Dialling::Now(dial)
            }
            Some(Place::Name(name)) => Dialling::LookUp(dial, name),
            None => Dialling::Nowhere,
        },
    }
}

/// What a called phone shows of a caller: the number; of an address that is none, its user.
fn shown_user(shown: &str) -> Cow<'_, str> {
    if shown.is_empty() {
        return "anonymous".into();
    }
    Uri::parse(shown.as_bytes())
        .and_then(|uri| uri.user_text())
        .map_or(shown.into(), Cow::Owned)
}

/// `X-Ringdown-Contact` and `X-Ringdown-Ticket`, by which a phone or desktop finds the record.
fn call_headers(contact: ContactId, call: &Call) -> Vec<(String, String)> {
    let mut headers = vec![("X-Ringdown-Contact".to_owned(), contact.to_string())];
    if let Some(ticket) = &call.ticket {
        headers.push(("X-Ringdown-Ticket".to_owned(), ticket.number.to_string()));
    }
    headers
}

/// Where a URI leads, its host looked up if need be.
pub(super) async fn resolve(uri: &str) -> Option<Flow> {
    match place_of(uri.as_bytes())? {
        Place::Address(flow) => Some(flow),
        Place::Name(name) => name.look_up().await,
    }
}

enum Place {
    Address(Flow),
    Name(HostName),
}

/// Where a URI leads, as far as it can be told without asking anybody (RFC 3263 §4.2).
fn place_of(uri: &[u8]) -> Option<Place> {
    let uri = Uri::parse(uri)?;
    // What is not secured yet cannot keep the promise of `sips` (RFC 3261 §26.2.2).
    match uri.scheme() {
        Scheme::Sip => {}
        Scheme::Sips | Scheme::Tel | Scheme::Other => return None,
    }
    let transport = match uri.params().value("transport") {
        Some(name) => Transport::from_wire(name)?,
        None => Transport::Udp,
    };
    let port = uri.port().unwrap_or(transport.default_port());
    if let Some(ip) = uri.ip() {
        return Some(Place::Address(Flow::new(
            transport,
            SocketAddr::new(ip, port),
        )));
    }
    let host = std::str::from_utf8(uri.host()).ok()?.to_owned();
    Some(Place::Name(HostName {
        transport,
        host,
        port,
    }))
}

/// Within quotes only these two need a backslash (RFC 3261 §25.1 `quoted-pair`); line ends cannot be
/// quoted at all.
fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len());
    for char in name.chars().filter(|char| !char.is_control()) {
        if matches!(char, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted
}

/// The user part of a URI, with what must not stand there escaped (RFC 3261 §25.1 `user`).
fn escape_user(user: &str) -> String {
    let mut escaped = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Where nothing is sent: the flow of what is not addressed yet.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// RFC 3261 §20.19: how long an invitation is good, in seconds.
const EXPIRES: &str = "Expires";

/// Longest look-up of a host.
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_users_escaped() {
        assert_eq!(quote("A \"B\" \\ 王\r\nX: y"), "A \\\"B\\\" \\\\ 王X: y");
        assert_eq!(escape_user("+886 2;x@y"), "+886%202;x%40y");
    }

    #[test]
    fn a_phone_shows_the_number_or_the_user_of_who_calls() {
        assert_eq!(shown_user("+886223456789"), "+886223456789");
        assert_eq!(shown_user("sip:anna.lee@pbx.example:5070"), "anna.lee");
        assert_eq!(shown_user("sip:pbx.example"), "sip:pbx.example");
        assert_eq!(shown_user(""), "anonymous");
    }

    #[test]
    fn a_uri_leads_to_an_address_or_a_name() {
        let Some(Place::Address(flow)) = place_of(b"sip:a1@127.0.0.1:15080;transport=tcp") else {
            panic!("an address");
        };
        assert_eq!(
            flow,
            Flow::new(Transport::Tcp, "127.0.0.1:15080".parse().unwrap())
        );
        let Some(Place::Name(name)) = place_of(b"sip:pbx.example") else {
            panic!("a name")
        };
        assert_eq!((name.host.as_str(), name.port), ("pbx.example", 5060));
        assert!(place_of(b"tel:+886").is_none());
    }
}
