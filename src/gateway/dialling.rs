//! Whom to ring and how: the INVITE's target, addresses and headers.

use super::call::Call;
use super::door::Location;
use ringdown_routing::ids::{AgentId, ContactId};
use ringdown_voice::call::{Dial, LegId};
use ringdown_voice::sip::digest::Account;
use ringdown_voice::sip::flow::{Flow, Transport};
use ringdown_voice::sip::registrar::NextHop;
use ringdown_voice::sip::uri::{Scheme, Uri};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What it takes to ring somebody.
#[derive(Debug)]
pub(super) enum Dialling {
    /// Ring now.
    Now(Box<Dial>),
    /// The host has to be looked up first.
    LookUp(Box<Dial>, HostName),
    /// There is no way there.
    Nowhere,
}

impl Dialling {
    /// The leg that the new one is to be joined with.
    pub(super) fn join(&mut self, partner: LegId) {
        match self {
            Self::Now(dial) | Self::LookUp(dial, _) => dial.partner = Some(partner),
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
    /// Rings an agent's phone, which shows the caller's name and number.
    pub(super) fn agent(
        &self,
        contact: ContactId,
        call: &Call,
        agent: &AgentId,
        location: Location,
        deadline: Instant,
    ) -> Dialling {
        let mut headers = call_headers(contact, call);
        headers.extend(
            location
                .path
                .into_iter()
                .map(|route| ("Route".to_owned(), route)),
        );
        let to = format!("<sip:{agent}@{}>", self.domain);
        let next_hop = location.next_hop;
        self.dial(call, location.uri, to, headers, None, deadline, next_hop)
    }

    /// Rings another number by the trunk that takes calls out, or a SIP URI.
    pub(super) fn number(
        &self,
        contact: ContactId,
        call: &Call,
        to: &str,
        deadline: Instant,
    ) -> Dialling {
        let headers = call_headers(contact, call);
        if to.starts_with("sip:") {
            let next_hop = NextHop::Uri(to.as_bytes().into());
            let (uri, address) = (to.to_owned(), format!("<{to}>"));
            return self.dial(call, uri, address, headers, None, deadline, next_hop);
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
        self.dial(call, uri, address, headers, account, deadline, next_hop)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one INVITE")]
    fn dial(
        &self,
        call: &Call,
        request_uri: String,
        to: String,
        headers: Vec<(String, String)>,
        account: Option<Account>,
        deadline: Instant,
        next_hop: NextHop,
    ) -> Dialling {
        let dial = |flow| {
            Box::new(Dial {
                flow,
                request_uri,
                from: self.from(call),
                to,
                headers,
                account,
                deadline,
                partner: Some(call.caller_leg),
            })
        };
        match next_hop {
            NextHop::Flow(flow) => Dialling::Now(dial(flow)),
            NextHop::Uri(uri) => match place_of(&uri) {
                Some(Place::Address(flow)) => Dialling::Now(dial(flow)),
                Some(Place::Name(name)) => {
                    let unknown = SocketAddr::from(([0, 0, 0, 0], name.port));
                    Dialling::LookUp(dial(Flow::new(name.transport, unknown)), name)
                }
                None => Dialling::Nowhere,
            },
        }
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
