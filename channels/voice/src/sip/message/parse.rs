//! Reads the frame of a message: start line, header lines, body (RFC 3261 section 7).

use super::{Builder, HEADERS_MAX, MESSAGE_BYTES_MAX, Message, Method, StartLine};
use crate::sip::header::scan::{is_token, is_token_byte, number, trim, trim_start};
use crate::sip::header::{CSeq, Header, NameAddr, Via};
use crate::sip::uri::Uri;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where one header field stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) known: Option<Header>,
    pub(super) name_bytes: u8,
    pub(super) name: u16,
    pub(super) value: (u16, u16),
}

/// What is wrong with a message; each names the section that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing but CR and LF: a keep-alive (RFC 5626 §3.5.1), never answered.
    KeepAlive,
    /// The first line is neither a request nor a status line (RFC 3261 §7.1, §7.2).
    StartLine,
    /// The Request-URI cannot be a URI (RFC 3261 §19.1).
    RequestUri,
    /// A version other than SIP/2.0 (RFC 3261 §21.5.6).
    Version,
    /// A line that is no header field (RFC 3261 §7.3.1).
    HeaderLine,
    /// More than [`HEADERS_MAX`] header fields.
    TooManyHeaders,
    /// Longer than [`MESSAGE_BYTES_MAX`] (RFC 3261 §21.5.14).
    TooLong,
    /// No empty line after the header fields (RFC 3261 §7).
    Unfinished,
    /// A Content-Length that is no number or longer than the datagram (RFC 3261 §18.3).
    ContentLength,
    /// A header field that every message needs is missing (RFC 3261 §8.1.1).
    Missing(Header),
    /// A header field that may stand once stands again (RFC 3261 §7.3.1).
    Repeated(Header),
    /// A header field whose value cannot be read.
    Value(Header),
    /// The method of CSeq is not that of the request (RFC 3261 §8.1.1.5).
    MethodMismatch,
}

impl Fault {
    /// The status that answers it; `None` where no answer is due.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::KeepAlive => None,
            Self::Version => Some(505),
            Self::TooLong => Some(513),
            Self::StartLine
            | Self::RequestUri
            | Self::HeaderLine
            | Self::TooManyHeaders
            | Self::Unfinished
            | Self::ContentLength
            | Self::Missing(_)
            | Self::Repeated(_)
            | Self::Value(_)
            | Self::MethodMismatch => Some(400),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepAlive => f.write_str("Keep-Alive"),
            Self::StartLine => f.write_str("Bad Start Line"),
            Self::RequestUri => f.write_str("Bad Request-URI"),
            Self::Version => f.write_str("Version Not Supported"),
            Self::HeaderLine => f.write_str("Bad Header Line"),
            Self::TooManyHeaders => f.write_str("Too Many Headers"),
            Self::TooLong => f.write_str("Message Too Large"),
            Self::Unfinished => f.write_str("Headers Do Not End"),
            Self::ContentLength => f.write_str("Bad Content-Length"),
            Self::Missing(header) => write!(f, "Missing {}", header.as_str()),
            Self::Repeated(header) => write!(f, "Repeated {}", header.as_str()),
            Self::Value(header) => write!(f, "Bad {}", header.as_str()),
            Self::MethodMismatch => f.write_str("CSeq Method Differs"),
        }
    }
}

impl std::error::Error for Fault {}

/// A message that is not one, with whatever could be read of it.
#[derive(Clone, Debug)]
pub struct Malformed {
    fault: Fault,
    salvaged: Option<Message>,
}

impl Malformed {
    /// The first thing that is wrong.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The status to answer with; `None` when it was no request, or an ACK, which is never answered.
    pub fn status(&self) -> Option<u16> {
        match &self.salvaged {
            Some(message) if message.is_request() && message.method() != Method::Ack => {
                self.fault.status()
            }
            Some(_) | None => None,
        }
    }

    /// What could be read; its header look-ups work as far as the message was sound.
    pub const fn salvaged(&self) -> Option<&Message> {
        self.salvaged.as_ref()
    }

    /// The stateless answer to what came from `remote`, when there is a Via to send back.
    pub fn answer(&self, remote: SocketAddr, tag: &str) -> Option<Bytes> {
        let status = self.status()?;
        let message = self.salvaged.as_ref()?;
        // One that cannot be read (badinv01, badvers of RFC 4475) is sent back as it came.
        message.header(Header::Via)?;
        Some(
            Builder::response_to(message, remote, status, &self.fault.to_string(), Some(tag))
                .finish(),
        )
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fault, f)
    }
}

impl std::error::Error for Malformed {}

pub(super) fn parse(bytes: Bytes) -> Result<Message, Box<Malformed>> {
    // RFC 3261 §7.5: empty lines before the start line are skipped.
    let skipped = bytes
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    let mut bytes = bytes.slice(skipped..);
    if bytes.is_empty() {
        return Err(Box::new(Malformed {
            fault: Fault::KeepAlive,
            salvaged: None,
        }));
    }
    let mut fault = None;
    if bytes.len() > MESSAGE_BYTES_MAX {
        fault = Some(Fault::TooLong);
        bytes.truncate(MESSAGE_BYTES_MAX);
    }
    let mut reader = Reader {
        text: &bytes,
        at: 0,
        fault,
    };
    let Some(start) = reader.start_line() else {
        return Err(Box::new(Malformed {
            fault: Fault::StartLine,
            salvaged: None,
        }));
    };
    let mut entries = [Entry {
        known: None,
        name_bytes: 0,
        name: 0,
        value: (0, 0),
    }; HEADERS_MAX];
    let count = reader.header_lines(&mut entries);
    let entries = &entries[..count];
    let body = reader.body(entries);
    let (sequence, method) = reader.check(&start, entries);
    let fault = reader.fault;
    bytes.truncate(usize::from(body.1));
    let message = Message {
        bytes,
        headers: Arc::from(entries),
        start,
        sequence,
        method,
        body,
    };
    match fault {
        None => Ok(message),
        Some(fault) => Err(Box::new(Malformed {
            fault,
            salvaged: Some(message),
        })),
    }
}

/// Reads on after a fault, so that as much as possible can be salvaged; the first fault is kept.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    fault: Option<Fault>,
}

impl<'a> Reader<'a> {
    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Takes the next line without its end; CR LF ends a line, a bare LF is taken for it.
    fn line(&mut self) -> Option<(usize, &'a [u8])> {
        let start = self.at;
        let length = memchr::memchr(b'\n', &self.text[start..])?;
        self.at = start + length + 1;
        let line = &self.text[start..start + length];
        Some((start, line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// RFC 3261 §7.1, §7.2. `None` when not even the kind of message can be told.
    fn start_line(&mut self) -> Option<StartLine> {
        let (_, line) = self.line()?;
        if let Some(rest) = line.strip_prefix(b"SIP/") {
            return self.status_line(line, rest);
        }
        let first = line.iter().position(|byte| *byte == b' ')?;
        let last = line.iter().rposition(|byte| *byte == b' ')?;
        let (method, version) = (&line[..first], &line[last + 1..]);
        let uri = line.get(first + 1..last).unwrap_or(b"");
        if !is_token(method) {
            return None;
        }
        if version != b"SIP/2.0" {
            let is_sip = version.len() > 4 && version[..4].eq_ignore_ascii_case(b"SIP/");
            let is_other = is_sip && !version[4..].eq_ignore_ascii_case(b"2.0");
            self.note(if is_other {
                Fault::Version
            } else {
                Fault::StartLine
            });
        }
        // RFC 4475 §3.1.2.11 (escruri): headers in a Request-URI are not for requests.
        let is_sound = Uri::parse(uri).is_some_and(|uri| uri.headers().is_empty());
        if !is_sound {
            self.note(Fault::RequestUri);
        }
        Some(StartLine::Request {
            method: (0, narrow(first)),
            uri: (narrow(first + 1), narrow(last.max(first + 1))),
        })
    }

    fn status_line(&mut self, line: &[u8], rest: &[u8]) -> Option<StartLine> {
        let rest = rest.strip_prefix(b"2.0 ")?;
        let status = rest
            .get(..3)
            .and_then(number)
            .and_then(|status| u16::try_from(status).ok())?;
        let is_sound = (100..700).contains(&status) && matches!(rest.get(3), None | Some(b' '));
        if !is_sound {
            self.note(Fault::StartLine);
        }
        let reason = (line.len() - rest.len() + 4).min(line.len());
        Some(StartLine::Response {
            status,
            reason: (narrow(reason), narrow(line.len())),
        })
    }

    fn header_lines(&mut self, entries: &mut [Entry; HEADERS_MAX]) -> usize {
        let mut count = 0;
        let mut may_fold = false;
        loop {
            let Some((start, line)) = self.line() else {
                self.note(Fault::Unfinished);
                self.at = self.text.len();
                return count;
            };
            if line.is_empty() {
                return count;
            }
            // A bare CR would be a line end to others: it could smuggle a header field through us.
            if memchr::memchr(b'\r', line).is_some() {
                self.note(Fault::HeaderLine);
                may_fold = false;
                continue;
            }
            if matches!(line[0], b' ' | b'\t') {
                match entries[..count].last_mut() {
                    Some(entry) if may_fold => entry.fold(self.text, start + line.len()),
                    Some(_) | None => self.note(Fault::HeaderLine),
                }
                continue;
            }
            let entry = read_entry(start, line);
            may_fold = entry.is_some();
            match entry {
                None => self.note(Fault::HeaderLine),
                Some(_) if count == HEADERS_MAX => self.note(Fault::TooManyHeaders),
                Some(entry) => {
                    entries[count] = entry;
                    count += 1;
                }
            }
        }
    }

    /// RFC 3261 §18.3: the body is as long as Content-Length says, or the rest of the datagram.
    fn body(&mut self, entries: &[Entry]) -> (u16, u16) {
        let (start, rest) = (self.at, self.text.len() - self.at);
        let length = match self.only(entries, Header::ContentLength) {
            None => rest,
            Some(value) => match number(value).and_then(|length| usize::try_from(length).ok()) {
                Some(length) if length <= rest => length,
                Some(_) | None => {
                    self.note(Fault::ContentLength);
                    rest
                }
            },
        };
        (narrow(start), narrow(start + length))
    }

    /// RFC 3261 §8.1.1: what every message has, once and readable.
    fn check(&mut self, start: &StartLine, entries: &[Entry]) -> (u32, Method) {
        match entries
            .iter()
            .find(|entry| entry.known == Some(Header::Via))
            .map(|entry| self.value(entry))
        {
            None => self.note(Fault::Missing(Header::Via)),
            Some(value) => {
                let top = crate::sip::header::scan::List::new(value).next();
                if top.and_then(Via::parse).is_none() {
                    self.note(Fault::Value(Header::Via));
                }
            }
        }
        for header in [Header::From, Header::To] {
            match self.only(entries, header) {
                None => self.note(Fault::Missing(header)),
                Some(value) if NameAddr::parse(value).is_none() => self.note(Fault::Value(header)),
                Some(_) => {}
            }
        }
        match self.only(entries, Header::CallId) {
            None => self.note(Fault::Missing(Header::CallId)),
            Some(b"") => self.note(Fault::Value(Header::CallId)),
            Some(_) => {}
        }
        if let Some(value) = self.only(entries, Header::MaxForwards)
            && number(value).is_none()
        {
            self.note(Fault::Value(Header::MaxForwards));
        }
        self.check_sequence(start, entries)
    }

    fn check_sequence(&mut self, start: &StartLine, entries: &[Entry]) -> (u32, Method) {
        let request_method = match start {
            StartLine::Request { method, .. } => self.text.get(..usize::from(method.1)),
            StartLine::Response { .. } => None,
        };
        let known = request_method.map_or(Method::Other, Method::new);
        let Some(value) = self.only(entries, Header::CSeq) else {
            self.note(Fault::Missing(Header::CSeq));
            return (0, known);
        };
        let Some(cseq) = CSeq::parse(value) else {
            self.note(Fault::Value(Header::CSeq));
            return (0, known);
        };
        match request_method {
            None => (cseq.number, Method::new(cseq.method)),
            Some(method) => {
                if method != cseq.method {
                    self.note(Fault::MethodMismatch);
                }
                (cseq.number, known)
            }
        }
    }

    /// The value of a header that may stand once.
    fn only(&mut self, entries: &[Entry], header: Header) -> Option<&'a [u8]> {
        let mut found = entries.iter().filter(|entry| entry.known == Some(header));
        let first = found.next().map(|entry| self.value(entry));
        if found.next().is_some() {
            self.note(Fault::Repeated(header));
        }
        first
    }

    fn value(&self, entry: &Entry) -> &'a [u8] {
        self.text
            .get(usize::from(entry.value.0)..usize::from(entry.value.1))
            .unwrap_or(b"")
    }
}

impl Entry {
    /// RFC 3261 §7.3.1: a line that begins with white space continues the one before.
    fn fold(&mut self, text: &[u8], line_end: usize) {
        let value = text.get(usize::from(self.value.0)..line_end).unwrap_or(b"");
        let lead = value.len() - trim_start(value).len();
        let start = usize::from(self.value.0) + lead;
        self.value = (narrow(start), narrow(start + trim(value).len()));
    }
}

/// Splits `name: value`; white space may stand before the colon.
fn read_entry(start: usize, line: &[u8]) -> Option<Entry> {
    let name_bytes = line.iter().position(|byte| !is_token_byte(*byte))?;
    let after = trim_start(&line[name_bytes..]);
    let value = after.strip_prefix(b":")?;
    let name = &line[..name_bytes];
    let name_length = u8::try_from(name_bytes).ok().filter(|length| *length > 0)?;
    let lead = line.len() - trim_start(value).len();
    let value_start = start + lead;
    Some(Entry {
        known: Header::from_name(name),
        name_bytes: name_length,
        name: narrow(start),
        value: (narrow(value_start), narrow(value_start + trim(value).len())),
    })
}

/// Offsets fit: a message is cut at [`MESSAGE_BYTES_MAX`] before it is read.
fn narrow(offset: usize) -> u16 {
    u16::try_from(offset).unwrap_or(u16::MAX)
}
