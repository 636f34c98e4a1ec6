//! Writes messages.

use super::{Message, Method};
use crate::sip::header::scan::List;
use crate::sip::header::{Header, HeaderName, Via};
use crate::sip::uri::ip_of;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Room taken at first: most messages without a body fit.
const ROOM_BYTES: usize = 768;

/// Writes one message front to back; Content-Length is added at the end.
#[derive(Debug)]
pub struct Builder {
    text: BytesMut,
}

impl Builder {
    /// Begins a request.
    pub fn request(method: Method, uri: &[u8]) -> Self {
        Self::request_of(method.as_str().as_bytes(), uri)
    }

    /// Begins a request of any method.
    pub fn request_of(method: &[u8], uri: &[u8]) -> Self {
        let mut text = BytesMut::with_capacity(ROOM_BYTES);
        text.put_slice(method);
        text.put_u8(b' ');
        put_clean(&mut text, uri);
        text.put_slice(b" SIP/2.0\r\n");
        Self { text }
    }

    /// Begins a response that is handed on.
    pub(crate) fn response_of(status: u16, reason: &[u8]) -> Self {
        let mut text = BytesMut::with_capacity(ROOM_BYTES);
        text.put_slice(b"SIP/2.0 ");
        put_number(&mut text, status.into());
        text.put_u8(b' ');
        put_clean(&mut text, reason);
        text.put_slice(b"\r\n");
        Self { text }
    }

    /// Begins a response to `request` with Via, From, To, Call-ID and CSeq as RFC 3261 §8.2.6.2 wants them;
    /// `tag` is put on To when that has none. Record-Route is added by [`Self::copy`] where a dialog begins.
    pub fn response(request: &Message, status: u16, reason: &str, tag: Option<&str>) -> Self {
        Self::response_with(request, None, status, reason, tag)
    }

    /// The same for a request that came from `remote`: the top Via tells where (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn response_to(
        request: &Message,
        remote: SocketAddr,
        status: u16,
        reason: &str,
        tag: Option<&str>,
    ) -> Self {
        Self::response_with(request, Some(remote), status, reason, tag)
    }

    fn response_with(
        request: &Message,
        remote: Option<SocketAddr>,
        status: u16,
        reason: &str,
        tag: Option<&str>,
    ) -> Self {
        let mut builder = Self::response_of(status, reason.as_bytes());
        builder.put_vias(request, remote);
        builder.copy(request, Header::From);
        if let Some(to) = request.header(Header::To) {
            builder.text.put_slice(b"To: ");
            builder.text.put_slice(to);
            let has_tag = tag.is_none() || request.to().is_none_or(|to| to.tag().is_some());
            if let (Some(tag), false) = (tag, has_tag) {
                builder.text.put_slice(b";tag=");
                builder.text.put_slice(tag.as_bytes());
            }
            builder.text.put_slice(b"\r\n");
        }
        builder.copy(request, Header::CallId);
        builder.copy(request, Header::CSeq);
        builder
    }

    /// Copies the Vias of a request; the top one tells where it came from, if that is said.
    pub(crate) fn put_vias(&mut self, request: &Message, remote: Option<SocketAddr>) {
        let mut remote = remote;
        for line in request.lines(Header::Via) {
            self.text.put_slice(b"Via: ");
            let first = List::new(line).next();
            match (remote.take(), first.and_then(Via::parse).zip(first)) {
                (Some(remote), Some((via, first))) => {
                    self.put_marked_via(&via, first, remote);
                    // What follows the first value on its line, from the comma on.
                    let end = first.as_ptr() as usize - line.as_ptr() as usize + first.len();
                    self.text.put_slice(&line[end..]);
                }
                (Some(_) | None, _) => self.text.put_slice(line),
            }
            self.text.put_slice(b"\r\n");
        }
    }

    /// RFC 3261 §18.2.1: `received` when sent-by is another address; RFC 3581 §4: `rport` gets its value, and then
    /// `received` always stands.
    fn put_marked_via(&mut self, via: &Via<'_>, text: &[u8], remote: SocketAddr) {
        let is_rport_wanted = via.params.get("rport").is_some();
        if !is_rport_wanted && ip_of(via.host) == Some(remote.ip()) {
            self.text.put_slice(text);
            return;
        }
        self.text
            .put_slice(&text[..text.len() - via.params.as_bytes().len()]);
        for (name, value) in via.params {
            if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
                continue;
            }
            self.text.put_u8(b';');
            self.text.put_slice(name);
            if let Some(value) = value {
                self.text.put_u8(b'=');
                self.text.put_slice(value);
            }
        }
        // Writing to memory cannot fail.
        let _ = write!(self.text, ";received={}", remote.ip());
        if is_rport_wanted {
            let _ = write!(self.text, ";rport={}", remote.port());
        }
    }

    /// Adds a header field; control characters in the value become spaces, so that no value ends a line.
    pub fn header<'n>(
        &mut self,
        name: impl Into<HeaderName<'n>>,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.text.put_slice(name.into().as_bytes());
        self.text.put_slice(b": ");
        put_clean(&mut self.text, value.as_ref());
        self.text.put_slice(b"\r\n");
        self
    }

    /// Adds a header field whose value is put together from parts.
    pub fn header_parts<'n>(
        &mut self,
        name: impl Into<HeaderName<'n>>,
        parts: &[&[u8]],
    ) -> &mut Self {
        self.text.put_slice(name.into().as_bytes());
        self.text.put_slice(b": ");
        for part in parts {
            put_clean(&mut self.text, part);
        }
        self.text.put_slice(b"\r\n");
        self
    }

    /// Adds a header field with a number and a text after it (CSeq, Session-Expires).
    pub fn header_number<'n>(
        &mut self,
        name: impl Into<HeaderName<'n>>,
        number: u32,
        rest: &str,
    ) -> &mut Self {
        self.text.put_slice(name.into().as_bytes());
        self.text.put_slice(b": ");
        put_number(&mut self.text, number);
        put_clean(&mut self.text, rest.as_bytes());
        self.text.put_slice(b"\r\n");
        self
    }

    /// Copies every header field of that name from `message`, folding included.
    pub fn copy(&mut self, message: &Message, header: Header) -> &mut Self {
        for value in message.lines(header) {
            self.text.put_slice(header.as_str().as_bytes());
            self.text.put_slice(b": ");
            self.text.put_slice(value);
            self.text.put_slice(b"\r\n");
        }
        self
    }

    /// Ends a message whose Content-Type stands already.
    pub fn finish_body(mut self, body: &[u8]) -> Bytes {
        self.header_number(
            Header::ContentLength,
            u32::try_from(body.len()).unwrap_or(u32::MAX),
            "",
        );
        self.text.put_slice(b"\r\n");
        self.text.put_slice(body);
        self.text.freeze()
    }

    /// Ends a message without a body.
    pub fn finish(mut self) -> Bytes {
        self.text.put_slice(b"Content-Length: 0\r\n\r\n");
        self.text.freeze()
    }

    /// Ends a message with a body of that type.
    pub fn finish_with(mut self, content_type: &str, body: &[u8]) -> Bytes {
        self.header(Header::ContentType, content_type);
        self.header_number(
            Header::ContentLength,
            u32::try_from(body.len()).unwrap_or(u32::MAX),
            "",
        );
        self.text.put_slice(b"\r\n");
        self.text.put_slice(body);
        self.text.freeze()
    }
}

fn put_clean(text: &mut BytesMut, value: &[u8]) {
    let start = text.len();
    text.put_slice(value);
    for byte in &mut text[start..] {
        if *byte < b' ' && *byte != b'\t' || *byte == 0x7f {
            *byte = b' ';
        }
    }
}

fn put_number(text: &mut BytesMut, mut number: u32) {
    let mut digits = [0_u8; 10];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.put_slice(&digits[at..]);
}

/// The default reason phrase of a status (RFC 3261 section 21 and extensions); empty when none is known.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "",
    }
}
