//! Finds message borders in a byte stream (RFC 3261 §18.3, RFC 5626 §3.5.1).

use super::{Fault, MESSAGE_BYTES_MAX};
use crate::sip::header::Header;
use crate::sip::header::scan::{number, trim};

/// What the bytes received so far begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Not yet a whole message, and not longer than one may be.
    NeedMore,
    /// A keep-alive ping of so many bytes; it is answered with one CR LF.
    Ping(usize),
    /// A keep-alive pong, or an empty line before a message; to be skipped.
    Pong(usize),
    /// One whole message of so many bytes.
    Message(usize),
    /// The stream cannot be followed any more: answer what the bytes allow, then close.
    Broken(Fault),
}

/// Says what `bytes`, the unread part of a stream, begins with.
///
/// A lone CR LF waits for what follows, because it may be the first half of a ping.
pub fn frame_stream(bytes: &[u8]) -> Frame {
    match bytes {
        [b'\r', b'\n', b'\r', b'\n', ..] => return Frame::Ping(4),
        b"" | b"\r" | b"\r\n" | b"\r\n\r" => return Frame::NeedMore,
        [b'\r', b'\n', ..] => return Frame::Pong(2),
        [b'\n', ..] => return Frame::Pong(1),
        _ => {}
    }
    let mut at = 0;
    let mut length = None;
    while let Some(line_bytes) = memchr::memchr(b'\n', &bytes[at..]) {
        let line = &bytes[at..at + line_bytes];
        at += line_bytes + 1;
        if matches!(line, b"" | b"\r") {
            return match length {
                // RFC 3261 §18.3: on a stream Content-Length must be used.
                None => Frame::Broken(Fault::Missing(Header::ContentLength)),
                Some(length) if at + length > MESSAGE_BYTES_MAX => Frame::Broken(Fault::TooLong),
                Some(length) if at + length <= bytes.len() => Frame::Message(at + length),
                Some(_) => Frame::NeedMore,
            };
        }
        match content_length(line) {
            None => {}
            Some(found) if found.is_some() && (length.is_none() || length == found) => {
                length = found
            }
            Some(_) => return Frame::Broken(Fault::ContentLength),
        }
    }
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Frame::Broken(Fault::TooLong);
    }
    Frame::NeedMore
}

/// `None` when the line is another header; `Some(None)` when its number cannot be read.
fn content_length(line: &[u8]) -> Option<Option<usize>> {
    if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
        return None;
    }
    let colon = memchr::memchr(b':', line)?;
    if Header::from_name(trim(&line[..colon])) != Some(Header::ContentLength) {
        return None;
    }
    Some(
        number(trim(&line[colon + 1..]))
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= MESSAGE_BYTES_MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_follow_content_length() {
        let one = b"OPTIONS sip:a SIP/2.0\r\nContent-Length : 3\r\n\r\nabc";
        for cut in 0..one.len() {
            assert_eq!(frame_stream(&one[..cut]), Frame::NeedMore, "{cut}");
        }
        let mut two = one.to_vec();
        two.extend_from_slice(b"\r\n\r\nOPT");
        assert_eq!(frame_stream(&two), Frame::Message(one.len()));
        assert_eq!(frame_stream(&two[one.len()..]), Frame::Ping(4));
        assert_eq!(frame_stream(b"\r\nOPT"), Frame::Pong(2));
    }

    #[test]
    fn a_stream_that_cannot_be_followed_is_broken() {
        for (text, fault) in [
            ("A a SIP/2.0\r\n\r\n", Fault::Missing(Header::ContentLength)),
            ("A a SIP/2.0\r\nl: -1\r\n\r\n", Fault::ContentLength),
            (
                "A a SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n",
                Fault::ContentLength,
            ),
            ("A a SIP/2.0\r\nl: 65530\r\n\r\n", Fault::TooLong),
        ] {
            assert_eq!(
                frame_stream(text.as_bytes()),
                Frame::Broken(fault),
                "{text}"
            );
        }
        assert_eq!(
            frame_stream(&vec![b'a'; MESSAGE_BYTES_MAX + 1]),
            Frame::Broken(Fault::TooLong)
        );
    }
}
