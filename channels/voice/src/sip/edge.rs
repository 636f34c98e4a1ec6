//! The edge: hands messages on between another gateway and a phone that only a flow of ours leads to (a
//! connection of the phone's, or the hole it made in a NAT).
//!
//! A stateless proxy (RFC 3261 §16.11): all it needs to know stands in the messages, in tokens that it
//! wrote itself (RFC 5626 §5.2) and that nobody else can make. A Route with the token of a phone's flow
//! leads to that phone; what the phone says within the dialog comes back by the Record-Route; responses
//! find their way by the token in our Via. What bears none of these is not the edge's.
//!
//! It is no open relay: it sends to flows that it heard from, and nowhere else.

use super::flow::{ConnectionId, Flow, SocketId, Transmit, Transport};
use super::header::{Header, HeaderName, NameAddr, Via};
use super::message::{Builder, Message, Method};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The edge of one gateway.
#[derive(Clone, Debug)]
pub struct Edge {
    key: [u8; 32],
    place: String,
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// The way to a phone.
    Phone(Flow),
    /// A dialog between a phone and a gateway.
    Dialog { phone: Flow, gateway: Flow },
    /// Where the request came from whose response bears this.
    From(Flow),
}

impl Edge {
    /// An edge that others reach at `place` (host and port) by UDP; `key` is random and nobody else's.
    pub fn new(key: [u8; 32], place: impl Into<String>) -> Self {
        Self {
            key,
            place: place.into(),
        }
    }

    /// The Route that leads another gateway to the phone at the end of a flow.
    pub fn route_to(&self, phone: Flow) -> String {
        self.uri(Token::Phone(phone))
    }

    /// What is sent on for a message that came by a flow; `None` when it is no message for the edge.
    pub fn pass(&self, from: Flow, message: &Message) -> Option<Transmit> {
        match message.status() {
            Some(status) => self.pass_response(status, message),
            None => self.pass_request(from, message),
        }
    }

    /// RFC 3261 §16.4 and §16.6: our Route goes, our Via comes, and for a new dialog our Record-Route.
    fn pass_request(&self, from: Flow, request: &Message) -> Option<Transmit> {
        let route = NameAddr::parse(request.headers(Header::Route).next()?)?;
        let token = self.read(route.uri()?.user()?)?;
        let (to, dialog) = match token {
            Token::Phone(phone) => (
                phone,
                Some(Token::Dialog {
                    phone,
                    gateway: from,
                }),
            ),
            Token::Dialog { phone, gateway } if is_same_end(from, phone) => (gateway, None),
            Token::Dialog { phone, .. } => (phone, None),
            Token::From(_) => return None,
        };
        let hops = hops_left(request);
        if hops == 0 {
            let (status, reason) = (483, "Too Many Hops");
            let refusal = Builder::response_to(request, from.remote, status, reason, Some("edge"));
            // An ACK has no response.
            return (request.method() != Method::Ack).then(|| Transmit {
                flow: from,
                bytes: refusal.finish(),
            });
        }
        let uri = request.request_uri().unwrap_or_default();
        let mut builder = Builder::request_of(request.method_text(), uri);
        builder.header(Header::Via, self.via(from, to.transport, request));
        builder.put_vias(request, Some(from.remote));
        builder.header_number(Header::MaxForwards, hops - 1, "");
        if let Some(dialog) = dialog.filter(|_| request.method() == Method::Invite) {
            builder.header(Header::RecordRoute, self.uri(dialog));
        }
        for route in request.headers(Header::Route).skip(1) {
            builder.header(Header::Route, route);
        }
        copy_rest(&mut builder, request);
        Some(Transmit {
            flow: to,
            bytes: builder.finish_body(&request.body()),
        })
    }

    /// RFC 3261 §16.7 step 3: our Via goes, and its token says where to.
    fn pass_response(&self, status: u16, response: &Message) -> Option<Transmit> {
        let branch = response.top_via()?.branch()?;
        let token = branch.strip_prefix(BRANCH.as_bytes())?;
        let Token::From(to) = self.read(token)? else {
            return None;
        };
        let mut builder = Builder::response_of(status, response.reason().as_bytes());
        for via in response.headers(Header::Via).skip(1) {
            builder.header(Header::Via, via);
        }
        for route in response.headers(Header::Route) {
            builder.header(Header::Route, route);
        }
        if let Some(hops) = response.header(Header::MaxForwards) {
            builder.header(Header::MaxForwards, hops);
        }
        copy_rest(&mut builder, response);
        Some(Transmit {
            flow: to,
            bytes: builder.finish_body(&response.body()),
        })
    }

    /// The same for a retransmission, for CANCEL, and for the ACK of a refusal, so that the phone knows
    /// them for those of its transaction (RFC 3261 §16.11).
    fn via(&self, from: Flow, transport: Transport, request: &Message) -> String {
        let id = request
            .top_via()
            .map_or([0; 32], |via| self.id_of(&via, request));
        let mut branch = self.write(Token::From(from));
        branch.push('.');
        push_hex(&mut branch, &id[..MAC_BYTES]);
        format!(
            "SIP/2.0/{transport} {};branch={BRANCH}{branch};rport",
            self.place
        )
    }

    /// What tells one transaction of the sender from another.
    fn id_of(&self, via: &Via<'_>, request: &Message) -> [u8; 32] {
        let port = via.port.unwrap_or(0).to_be_bytes();
        let sequence = request.sequence().to_be_bytes();
        let branch = via.branch().unwrap_or_default();
        self.mac(&[via.host, &port, branch, request.call_id(), &sequence])
    }

    fn uri(&self, token: Token) -> String {
        format!("<sip:{}@{};lr>", self.write(token), self.place)
    }

    fn write(&self, token: Token) -> String {
        let text = match token {
            Token::Phone(phone) => format!("p {}", flow_text(phone)),
            Token::Dialog { phone, gateway } => {
                format!("d {} {}", flow_text(phone), flow_text(gateway))
            }
            Token::From(from) => format!("f {}", flow_text(from)),
        };
        let mut written = String::new();
        push_hex(&mut written, text.as_bytes());
        written.push('.');
        push_hex(&mut written, &self.mac(&[text.as_bytes()])[..MAC_BYTES]);
        written
    }

    /// Reads a token that this edge wrote; what follows a second point is not its own.
    fn read(&self, token: &[u8]) -> Option<Token> {
        let mut parts = token.split(|byte| *byte == b'.');
        let (text, mac) = (read_hex(parts.next()?)?, read_hex(parts.next()?)?);
        let expected = self.mac(&[&text]);
        // All bytes are looked at, so that the time tells nothing of the first that is wrong.
        let pairs = mac.iter().zip(&expected[..MAC_BYTES]);
        let difference = pairs.fold(0, |sum, (a, b)| sum | (a ^ b));
        if mac.len() != MAC_BYTES || difference != 0 {
            return None;
        }
        let mut words = std::str::from_utf8(&text).ok()?.split(' ');
        let kind = words.next()?;
        let mut flow = || read_flow(&mut words);
        match kind {
            "p" => Some(Token::Phone(flow()?)),
            "d" => Some(Token::Dialog {
                phone: flow()?,
                gateway: flow()?,
            }),
            "f" => Some(Token::From(flow()?)),
            _ => None,
        }
    }

    /// HMAC (RFC 2104) with SHA-256 over parts, each with its length.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let padded = |pad: u8| {
            let mut block = [pad; HMAC_BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(self.key) {
                *byte ^= key;
            }
            Sha256::new_with_prefix(block)
        };
        let mut inner = padded(0x36);
        for part in parts {
            inner.update((part.len() as u64).to_be_bytes());
            inner.update(part);
        }
        padded(0x5c)
            .chain_update(inner.finalize())
            .finalize()
            .into()
    }
}

/// Everything that is not set anew on the way.
fn copy_rest(builder: &mut Builder, message: &Message) {
    for (name, value) in message.all_headers() {
        let is_set = [
            Header::Via,
            Header::Route,
            Header::MaxForwards,
            Header::ContentLength,
        ];
        if !is_set.into_iter().any(|set| name == HeaderName::Known(set)) {
            builder.header(name, value);
        }
    }
}

/// RFC 3261 §16.6 step 3: 70 where the sender said nothing.
fn hops_left(request: &Message) -> u32 {
    let told = request.header_text(Header::MaxForwards);
    told.and_then(|hops| hops.trim().parse().ok()).unwrap_or(70)
}

/// Whether both lead to the same other end; a datagram socket of ours more or less does not matter.
fn is_same_end(a: Flow, b: Flow) -> bool {
    a.transport == b.transport && a.remote == b.remote
}

fn flow_text(flow: Flow) -> String {
    let connection = flow
        .connection
        .map_or_else(|| "-".to_owned(), |connection| connection.to_string());
    format!(
        "{} {} {} {connection}",
        flow.transport, flow.remote, flow.socket.0
    )
}

fn read_flow<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Flow> {
    Some(Flow {
        transport: Transport::from_wire(words.next()?.as_bytes())?,
        remote: words.next()?.parse().ok()?,
        socket: SocketId(words.next()?.parse().ok()?),
        connection: match words.next()? {
            "-" => None,
            number => Some(ConnectionId::new(number.parse().ok()?)),
        },
    })
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
}

fn read_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16)?).ok();
    if text.len() > TOKEN_DIGITS_MAX || !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| Some(digit(&pair[0])? << 4 | digit(&pair[1])?))
        .collect()
}

/// RFC 3261 §8.1.1.7, and a word by which we know our own.
const BRANCH: &str = "z9hG4bKedge";

/// Bytes of a MAC that are kept: 128 bits cannot be guessed.
const MAC_BYTES: usize = 16;

/// The block of SHA-256 (RFC 2104 §2: B).
const HMAC_BLOCK_BYTES: usize = 64;

/// Two flows of IPv6 have less.
const TOKEN_DIGITS_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const EDGE: &str = "192.0.2.1:5060";
    const GATEWAY: &str = "192.0.2.2:5060";

    fn edge() -> Edge {
        Edge::new([7; 32], EDGE)
    }

    fn phone() -> Flow {
        let remote = "198.51.100.9:40001".parse().unwrap();
        Flow::new(Transport::Tcp, remote).over(ConnectionId::new(3))
    }

    fn gateway() -> Flow {
        Flow::new(Transport::Udp, GATEWAY.parse().unwrap())
    }

    fn message(text: &str) -> Message {
        let text = text.replace("\n", "\r\n");
        Message::parse_datagram(Bytes::from(text)).unwrap()
    }

    fn request(method: &str, uri: &str, via: &str, route: &str, more: &str) -> Message {
        message(&format!(
            "{method} {uri} SIP/2.0\nVia: {via}\nRoute: {route}\nMax-Forwards: 70\n\
             From: <sip:a@desk>;tag=1\nTo: <sip:anna@desk>{more}\nCall-ID: c1\nCSeq: 7 {method}\n\
             X-Ringdown-Contact: 42\nContent-Length: 0\n\n"
        ))
    }

    fn invite(route: &str) -> Message {
        let via = format!("SIP/2.0/UDP {GATEWAY};branch=z9hG4bKx");
        request("INVITE", "sip:anna@10.0.0.5;transport=tcp", &via, route, "")
    }

    fn passed(sent: &Transmit) -> Message {
        Message::parse_datagram(sent.bytes.clone()).unwrap()
    }

    fn text(message: &Message, header: Header) -> Vec<String> {
        let values = message.headers(header);
        values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// The response of the phone to what was passed to it.
    fn answered(request: &Message, status: u16) -> Message {
        let mut builder = Builder::response(request, status, "OK", Some("p"));
        builder.copy(request, Header::RecordRoute);
        Message::parse_datagram(builder.finish()).unwrap()
    }

    #[test]
    fn a_call_goes_to_the_phone_by_its_flow_and_the_answer_comes_back() {
        let edge = edge();
        let sent = edge
            .pass(gateway(), &invite(&edge.route_to(phone())))
            .unwrap();
        assert_eq!(sent.flow, phone());
        let received = passed(&sent);
        assert_eq!(
            received.request_uri(),
            Some(&b"sip:anna@10.0.0.5;transport=tcp"[..])
        );
        assert!(text(&received, Header::Route).is_empty());
        assert_eq!(text(&received, Header::MaxForwards), ["69"]);
        assert_eq!(received.header("X-Ringdown-Contact"), Some(&b"42"[..]));
        let vias = text(&received, Header::Via);
        assert!(vias[0].starts_with(&format!("SIP/2.0/TCP {EDGE};branch=z9hG4bKedge")));
        assert_eq!(vias[1], format!("SIP/2.0/UDP {GATEWAY};branch=z9hG4bKx"));
        let back = edge.pass(phone(), &answered(&received, 200)).unwrap();
        assert_eq!(back.flow, gateway());
        assert_eq!(text(&passed(&back), Header::Via), vias[1..]);
        assert_eq!(text(&passed(&back), Header::RecordRoute).len(), 1);
    }

    #[test]
    fn the_dialog_stays_on_the_same_way_in_both_directions() {
        let edge = edge();
        let sent = edge
            .pass(gateway(), &invite(&edge.route_to(phone())))
            .unwrap();
        let route = text(&passed(&sent), Header::RecordRoute).remove(0);
        let via = format!("SIP/2.0/UDP {GATEWAY};branch=z9hG4bKy");
        let uri = "sip:anna@10.0.0.5;transport=tcp";
        let ack = request("ACK", uri, &via, &route, ";tag=p");
        assert_eq!(edge.pass(gateway(), &ack).unwrap().flow, phone());
        let via = "SIP/2.0/TCP 10.0.0.5:5060;branch=z9hG4bKz;rport";
        let bye = request(
            "BYE",
            &format!("sip:ringdown@{GATEWAY}"),
            via,
            &route,
            ";tag=p",
        );
        let to_gateway = edge.pass(phone(), &bye).unwrap();
        assert_eq!(to_gateway.flow, gateway());
        assert!(text(&passed(&to_gateway), Header::RecordRoute).is_empty());
        let agreed = edge
            .pass(gateway(), &answered(&passed(&to_gateway), 200))
            .unwrap();
        assert_eq!(agreed.flow, phone());
    }

    #[test]
    fn a_retransmission_and_a_cancel_are_known_for_the_same_transaction() {
        let edge = edge();
        let route = edge.route_to(phone());
        let branch = |request: &Message| {
            let sent = edge.pass(gateway(), request).unwrap();
            let received = passed(&sent);
            received.top_via().unwrap().branch().unwrap().to_vec()
        };
        let first = branch(&invite(&route));
        assert_eq!(first, branch(&invite(&route)));
        let via = format!("SIP/2.0/UDP {GATEWAY};branch=z9hG4bKx");
        let uri = "sip:anna@10.0.0.5;transport=tcp";
        assert_eq!(first, branch(&request("CANCEL", uri, &via, &route, "")));
        let other = format!("SIP/2.0/UDP {GATEWAY};branch=z9hG4bKother");
        assert_ne!(first, branch(&request("INVITE", uri, &other, &route, "")));
    }

    #[test]
    fn tokens_of_others_lead_nowhere() {
        let (edge, stranger) = (edge(), Edge::new([8; 32], EDGE));
        assert_eq!(
            edge.pass(gateway(), &invite(&stranger.route_to(phone()))),
            None
        );
        let bent = edge.route_to(phone()).replace("<sip:7", "<sip:6");
        assert_eq!(edge.pass(gateway(), &invite(&bent)), None);
        for route in [
            "<sip:desk@192.0.2.1;lr>",
            "<sip:192.0.2.1;lr>",
            "<sip:..@x;lr>",
            "<sip:zz.zz@x>",
        ] {
            assert_eq!(edge.pass(gateway(), &invite(route)), None, "{route}");
        }
        let sent = stranger
            .pass(gateway(), &invite(&stranger.route_to(phone())))
            .unwrap();
        assert_eq!(edge.pass(phone(), &answered(&passed(&sent), 200)), None);
        // A way to a phone is no way for responses, nor the other way round.
        let from = edge.write(Token::From(gateway()));
        assert_eq!(
            edge.pass(gateway(), &invite(&format!("<sip:{from}@x;lr>"))),
            None
        );
    }

    #[test]
    fn who_goes_in_circles_is_told() {
        let edge = edge();
        let text = String::from_utf8(invite(&edge.route_to(phone())).bytes().to_vec()).unwrap();
        let tired = text.replace("Max-Forwards: 70", "Max-Forwards: 0");
        let tired = Message::parse_datagram(Bytes::from(tired)).unwrap();
        let told = edge.pass(gateway(), &tired).unwrap();
        assert_eq!((told.flow, passed(&told).status()), (gateway(), Some(483)));
    }
}
