//! A SIP message as received: its bytes kept whole, with a small index of where things stand.
//!
//! Nothing is copied out of the message: unknown methods and headers, odd bytes, order and spelling stay
//! as they came. What cannot be framed becomes a [`Malformed`] that holds what could be read, so that a
//! request still gets its 400.

mod build;
mod frame;
mod method;
mod parse;
mod shard;
#[cfg(test)]
mod tests;

pub use build::{Builder, reason_phrase};
pub use frame::{Frame, frame_stream};
pub use method::Method;
pub use parse::{Fault, Malformed};
pub use shard::{call_id_of, shard_of, shard_of_call_id};

use super::header::scan::List;
use super::header::{CSeq, Header, HeaderName, NameAddr, Via, scan};
use bytes::Bytes;
use parse::Entry;
use std::borrow::Cow;
use std::sync::Arc;

/// Longest message taken, start line and body included; RFC 3261 §18.1.1 needs 65,535.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// Most header fields (lines) one message may have.
pub const HEADERS_MAX: usize = 160;

/// A message: received bytes, start line, header index. Cloning copies no text.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    headers: Arc<[Entry]>,
    start: StartLine,
    sequence: u32,
    method: Method,
    body: (u16, u16),
}

/// Where the parts of the start line are.
#[derive(Clone, Copy, Debug)]
enum StartLine {
    Request { method: (u16, u16), uri: (u16, u16) },
    Response { status: u16, reason: (u16, u16) },
}

impl Message {
    /// Reads a datagram (or a WebSocket frame): one message, which ends with it when it has no Content-Length.
    ///
    /// # Errors
    /// What cannot be framed or lacks what every message needs; see [`Malformed::status`].
    pub fn parse_datagram(bytes: Bytes) -> Result<Self, Box<Malformed>> {
        parse::parse(bytes)
    }

    /// The received bytes, without what followed the body.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Says whether it is a request.
    pub const fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The request's method, or the one a response's CSeq names.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The method as text, for those this stack does not know.
    pub fn method_text(&self) -> &[u8] {
        match self.start {
            StartLine::Request { method, .. } => self.range(method),
            StartLine::Response { .. } => self.cseq().map_or(b"", |cseq| cseq.method),
        }
    }

    /// The Request-URI; `None` for a response.
    pub fn request_uri(&self) -> Option<&[u8]> {
        match self.start {
            StartLine::Request { uri, .. } => Some(self.range(uri)),
            StartLine::Response { .. } => None,
        }
    }

    /// The status code; `None` for a request.
    pub const fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Response { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// The reason phrase, odd bytes replaced; empty for a request.
    pub fn reason(&self) -> Cow<'_, str> {
        match self.start {
            StartLine::Response { reason, .. } => String::from_utf8_lossy(self.range(reason)),
            StartLine::Request { .. } => Cow::Borrowed(""),
        }
    }

    /// The value of the first header field of that name, white space cut off; it may be folded and hold
    /// several comma-separated values.
    pub fn header<'n>(&self, name: impl Into<HeaderName<'n>>) -> Option<&[u8]> {
        let name = name.into();
        let entry = self
            .headers
            .iter()
            .find(|entry| self.is_named(entry, name))?;
        Some(self.range(entry.value))
    }

    /// The first value as text, folding joined, odd bytes replaced.
    pub fn header_text<'n>(&self, name: impl Into<HeaderName<'n>>) -> Option<Cow<'_, str>> {
        self.header(name).map(|value| match scan::unfold(value) {
            Cow::Borrowed(value) => String::from_utf8_lossy(value),
            Cow::Owned(value) => Cow::Owned(String::from_utf8_lossy(&value).into_owned()),
        })
    }

    /// The values of all header fields of that name, one item per line.
    pub fn lines<'m, 'n>(
        &'m self,
        name: impl Into<HeaderName<'n>>,
    ) -> impl Iterator<Item = &'m [u8]> {
        let name = name.into();
        self.headers
            .iter()
            .filter(move |entry| self.is_named(entry, name))
            .map(|entry| self.range(entry.value))
    }

    /// The values of a header whose values may share a line (Via, Route, Contact, Require): one item per value.
    pub fn headers<'m, 'n>(
        &'m self,
        name: impl Into<HeaderName<'n>>,
    ) -> impl Iterator<Item = &'m [u8]> {
        self.lines(name).flat_map(List::new)
    }

    /// Every header field in the order received.
    pub fn all_headers(&self) -> impl Iterator<Item = (HeaderName<'_>, &[u8])> {
        self.headers.iter().map(|entry| {
            let name = entry
                .known
                .map_or_else(|| HeaderName::Other(self.name_of(entry)), HeaderName::Known);
            (name, self.range(entry.value))
        })
    }

    /// The body, as long as Content-Length said.
    pub fn body(&self) -> Bytes {
        self.bytes
            .slice(usize::from(self.body.0)..usize::from(self.body.1))
    }

    /// Says whether there is a body.
    pub const fn has_body(&self) -> bool {
        self.body.0 < self.body.1
    }

    /// The number of CSeq.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The CSeq value.
    pub fn cseq(&self) -> Option<CSeq<'_>> {
        CSeq::parse(self.header(Header::CSeq)?)
    }

    /// The Call-ID; empty only in what [`Malformed`] salvages.
    pub fn call_id(&self) -> &[u8] {
        self.header(Header::CallId).unwrap_or(b"")
    }

    /// The topmost Via value.
    pub fn top_via(&self) -> Option<Via<'_>> {
        Via::parse(self.headers(Header::Via).next()?)
    }

    /// The From address.
    pub fn from(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(Header::From)?)
    }

    /// The To address.
    pub fn to(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(Header::To)?)
    }

    /// The first Contact address.
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.headers(Header::Contact).next()?)
    }

    fn range(&self, (start, end): (u16, u16)) -> &[u8] {
        self.bytes
            .get(usize::from(start)..usize::from(end))
            .unwrap_or(b"")
    }

    fn name_of(&self, entry: &Entry) -> &[u8] {
        let start = usize::from(entry.name);
        self.bytes
            .get(start..start + usize::from(entry.name_bytes))
            .unwrap_or(b"")
    }

    fn is_named(&self, entry: &Entry, name: HeaderName<'_>) -> bool {
        match (name, entry.known) {
            (HeaderName::Known(wanted), Some(known)) => wanted == known,
            (HeaderName::Other(wanted), None) => self.name_of(entry).eq_ignore_ascii_case(wanted),
            (HeaderName::Known(_), None) | (HeaderName::Other(_), Some(_)) => false,
        }
    }
}
