//! The answer to a request that no shard has room for.

use crate::sip::flow::{Flow, Transmit};
use crate::sip::header::Header;
use crate::sip::message::{Builder, Message, Method, reason_phrase};
use bytes::Bytes;
use std::net::SocketAddr;

/// The 503 to an INVITE; `None` for everything else, which its sender repeats by itself.
///
/// Stateless: the INVITE's repetitions that find room are new to the shard and are served.
pub(super) fn refuse(flow: Flow, bytes: &[u8]) -> Option<Transmit> {
    if !bytes.starts_with(b"INVITE ") {
        return None;
    }
    let request = Message::parse_datagram(Bytes::copy_from_slice(bytes)).ok()?;
    // Within a dialog a 503 would end the call (RFC 5057 §5.2).
    if request.method() != Method::Invite || request.to()?.tag().is_some() {
        return None;
    }
    let via = request.top_via()?;
    // RFC 3581 §4 and RFC 3261 §18.2.2.
    let port = match via.params.get("rport") {
        Some(_) => flow.remote.port(),
        None => via.port.unwrap_or(flow.transport.default_port()),
    };
    let mut response = Builder::response(&request, 503, reason_phrase(503), Some("overload"));
    response.header(Header::RetryAfter, RETRY_AFTER_S);
    Some(Transmit {
        flow: Flow {
            remote: SocketAddr::new(flow.remote.ip(), port),
            ..flow
        },
        bytes: response.finish(),
    })
}

/// Short, because a full inbox is the matter of a moment.
const RETRY_AFTER_S: &str = "5";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::flow::Transport;

    fn refusal(method: &str, to_tag: &str, via: &str) -> Option<Transmit> {
        let text = format!(
            "{method} sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:1@h>{to_tag}\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n\r\n"
        );
        let flow = Flow::new(Transport::Udp, "192.0.2.1:4000".parse().unwrap());
        refuse(flow, text.as_bytes())
    }

    #[test]
    fn only_the_invite_of_a_new_call_is_refused() {
        let answer = refusal("INVITE", "", "h:5070;branch=z9hG4bK1;rport").unwrap();
        assert_eq!(answer.flow.remote.port(), 4_000);
        let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
        assert!(text.starts_with("SIP/2.0 503 Service Unavailable\r\n"));
        assert!(text.contains("\r\nRetry-After: 5\r\n"));
        let answer = refusal("INVITE", "", "h:5070;branch=z9hG4bK1").unwrap();
        assert_eq!(answer.flow.remote.port(), 5_070);
        assert_eq!(refusal("INVITE", ";tag=2", "h;branch=z9hG4bK1"), None);
        assert_eq!(refusal("BYE", "", "h;branch=z9hG4bK1"), None);
        assert_eq!(refusal("ACK", "", "h;branch=z9hG4bK1"), None);
    }
}
