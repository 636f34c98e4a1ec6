//! From messages to the lines of a call's ladder.

use crate::trace::{Body, Direction, Ladder, Leg};
use ringdown_routing::time::Timestamp;
use ringdown_voice::sip::message::Message;

/// Notes a message that came in.
pub(super) fn note_received(ladder: &mut Ladder, at: Timestamp, leg: Leg, message: &Message) {
    let method = String::from_utf8_lossy(message.method_text());
    let cseq = message.sequence();
    let body = body_of(!message.body().is_empty());
    let direction = Direction::In;
    match message.status() {
        Some(status) => ladder.response(at, leg, direction, status, &method, cseq, body),
        None => ladder.request(at, leg, direction, &method, cseq, body),
    }
}

/// Notes a message of ours, read as lightly as our own writing allows.
pub(super) fn note_sent(ladder: &mut Ladder, at: Timestamp, leg: Leg, bytes: &[u8]) {
    let Some(sent) = Sent::read(bytes) else {
        return;
    };
    let direction = Direction::Out;
    let (method, cseq, body) = (sent.method, sent.cseq, body_of(sent.has_body));
    match sent.status {
        Some(status) => ladder.response(at, leg, direction, status, method, cseq, body),
        None => ladder.request(at, leg, direction, method, cseq, body),
    }
}

fn body_of(has_body: bool) -> Body {
    if has_body { Body::Sdp } else { Body::Without }
}

struct Sent<'b> {
    status: Option<u16>,
    method: &'b str,
    cseq: u32,
    has_body: bool,
}

impl<'b> Sent<'b> {
    fn read(bytes: &'b [u8]) -> Option<Self> {
        let status = match bytes.strip_prefix(b"SIP/2.0 ") {
            Some(rest) => Some(std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?),
            None => None,
        };
        let start = find(bytes, CSEQ)? + CSEQ.len();
        let line = &bytes[start..];
        let line = std::str::from_utf8(&line[..find(line, b"\r\n")?]).ok()?;
        let (cseq, method) = line.split_once(' ')?;
        let has_body = !bytes.ends_with(b"\r\n\r\n");
        Some(Self {
            status,
            method: method.trim(),
            cseq: cseq.parse().ok()?,
            has_body,
        })
    }
}

const CSEQ: &[u8] = b"\r\nCSeq: ";

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_messages_are_read_lightly() {
        let bytes = b"SIP/2.0 200 OK\r\nVia: x\r\nCSeq: 17 INVITE\r\n\r\nv=0";
        let sent = Sent::read(bytes).unwrap();
        assert_eq!(
            (sent.status, sent.cseq, sent.method),
            (Some(200), 17, "INVITE")
        );
        assert!(sent.has_body);
        let bytes = b"BYE sip:a SIP/2.0\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n";
        let sent = Sent::read(bytes).unwrap();
        assert_eq!((sent.status, sent.cseq, sent.method), (None, 2, "BYE"));
        assert!(!sent.has_body);
    }
}
