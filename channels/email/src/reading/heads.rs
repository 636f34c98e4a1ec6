//! Header blocks: the mail's own, and those of its parts.

use super::charset;
use super::mail::{Fault, Limits, Mail};
use super::words;
use crate::address::{EmailAddress, Mailbox, MessageId};
use mail_parser::{Header, HeaderName, HeaderValue, Message, MessageParser};
use ringdown_routing::time::Timestamp;
use std::borrow::Cow;

/// What a part's header says about it (RFC 2045, RFC 2183), in small letters where letters do not matter.
#[derive(Debug, Default, Clone)]
pub(super) struct PartHead {
    pub(super) kind: String,
    pub(super) subkind: String,
    pub(super) boundary: Option<String>,
    pub(super) charset: Option<String>,
    pub(super) encoding: TransferEncoding,
    pub(super) disposition: Disposition,
    pub(super) file_name: Option<String>,
    pub(super) content_id: Option<String>,
    /// Other parameters of Content-Type that matter: `format`, `delsp`, `method`, `protocol`, `smime-type`,
    /// `report-type`, `start`.
    pub(super) parameters: Vec<(String, String)>,
}

/// How a body is wrapped for the wire (RFC 2045 §6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TransferEncoding {
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
}

/// Whether a part is to be shown or kept (RFC 2183).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Disposition {
    #[default]
    Unsaid,
    Inline,
    Attachment,
}

impl PartHead {
    /// Reads a part's header; what has no type is of `default`, the kind and subkind that its parent says.
    pub(super) fn read(block: &[u8], default: (&str, &str)) -> Self {
        let block = readable(block, &mut Vec::new());
        let parser = MessageParser::new()
            .with_mime_headers()
            .header_raw(HeaderName::ContentTransferEncoding)
            .header_raw(HeaderName::ContentId)
            .default_header_ignore();
        let message = parser.parse_headers(block.as_ref()).unwrap_or_default();
        let mut head = Self::default();
        for header in headers_of(&message) {
            head.take(header);
        }
        if head.kind.is_empty() {
            head.be(default.0, default.1);
        }
        head
    }

    /// Takes a type for what the part does not say.
    pub(super) fn be(&mut self, kind: &str, subkind: &str) {
        kind.clone_into(&mut self.kind);
        subkind.clone_into(&mut self.subkind);
    }

    /// Content type as one word.
    pub(super) fn content_type(&self) -> String {
        format!("{}/{}", self.kind, self.subkind)
    }

    pub(super) fn is(&self, kind: &str, subkind: &str) -> bool {
        self.kind == kind && self.subkind == subkind
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    fn take(&mut self, header: &Header<'_>) {
        match (&header.name, &header.value) {
            (HeaderName::ContentType, HeaderValue::ContentType(content)) => {
                self.kind = content.ctype().trim().to_ascii_lowercase();
                self.subkind = content.subtype().unwrap_or("").trim().to_ascii_lowercase();
                self.boundary = content.attribute("boundary").map(str::to_owned);
                self.charset = content.attribute("charset").map(str::to_owned);
                let name = content.attribute("name").map(words::decode);
                self.file_name = self.file_name.take().or(name);
                for attribute in content.attributes().unwrap_or_default() {
                    let name = attribute.name.to_ascii_lowercase();
                    if KEPT_PARAMETERS.contains(&name.as_str()) {
                        self.parameters
                            .push((name, attribute.value.to_ascii_lowercase()));
                    }
                }
            }
            (HeaderName::ContentDisposition, HeaderValue::ContentType(disposition)) => {
                self.disposition = if disposition.is_attachment() {
                    Disposition::Attachment
                } else if disposition.is_inline() {
                    Disposition::Inline
                } else {
                    Disposition::Unsaid
                };
                let name = disposition.attribute("filename").map(words::decode);
                self.file_name = name.or(self.file_name.take());
            }
            (HeaderName::ContentTransferEncoding, HeaderValue::Text(encoding)) => {
                self.encoding = match encoding.trim().to_ascii_lowercase().as_str() {
                    "base64" => TransferEncoding::Base64,
                    "quoted-printable" => TransferEncoding::QuotedPrintable,
                    _ => TransferEncoding::Identity,
                };
            }
            (HeaderName::ContentId, HeaderValue::Text(id)) => {
                let id = id.trim().trim_start_matches('<').trim_end_matches('>');
                self.content_id = (!id.is_empty()).then(|| id.to_owned());
            }
            _ => {}
        }
    }
}

/// The parameters of Content-Type that the reader asks for.
const KEPT_PARAMETERS: [&str; 7] = [
    "format",
    "delsp",
    "method",
    "protocol",
    "smime-type",
    "report-type",
    "start",
];

/// Reads the mail's own header.
pub(super) fn read_mail_head(block: &[u8], limits: &Limits, mail: &mut Mail) {
    let block = if block.len() > limits.header_bytes_max {
        mail.faults.push(Fault::HeaderTooLong);
        &block[..limits.header_bytes_max]
    } else {
        block
    };
    let mut block = readable(block, &mut mail.faults);
    let mut message = parse(&block);
    if has_broken_words(&message) {
        mail.faults.push(Fault::HeaderCharsetGuessed);
        let mended = words::mend(&block);
        drop(message);
        block = Cow::Owned(mended);
        message = parse(&block);
    }
    for header in headers_of(&message) {
        if mail.headers.0.len() >= limits.header_fields_max {
            mail.faults.push(Fault::HeaderTooLong);
            break;
        }
        let raw = block.get(header.offset_start as usize..header.offset_end as usize);
        let raw = String::from_utf8_lossy(raw.unwrap_or_default());
        mail.headers
            .0
            .push((header.name.as_str().to_owned(), words::decode(&raw)));
        take(header, &raw, mail);
    }
    check(limits, mail);
}

fn parse(block: &[u8]) -> Message<'_> {
    let parser = MessageParser::new()
        .with_address_headers()
        .header_date(HeaderName::Date)
        .header_id(HeaderName::MessageId)
        .header_id(HeaderName::InReplyTo)
        .header_id(HeaderName::References)
        .header_text(HeaderName::Subject)
        .default_header_raw();
    parser.parse_headers(block).unwrap_or_default()
}

fn headers_of<'a, 'x>(message: &'a Message<'x>) -> &'a [Header<'x>] {
    message
        .parts
        .first()
        .map_or(&[], |part| part.headers.as_slice())
}

fn has_broken_words(message: &Message<'_>) -> bool {
    let is_broken = |text: &str| text.contains('\u{fffd}');
    headers_of(message)
        .iter()
        .any(|header| match &header.value {
            HeaderValue::Text(text) => is_broken(text),
            HeaderValue::Address(addresses) => {
                let mut names = addresses.iter().filter_map(|one| one.name.as_deref());
                names.any(is_broken)
            }
            HeaderValue::TextList(_)
            | HeaderValue::DateTime(_)
            | HeaderValue::ContentType(_)
            | HeaderValue::Received(_)
            | HeaderValue::Empty => false,
        })
}

/// The first field of each name counts: a second From or Subject is what somebody slipped in.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a list of a library's fields that may grow"
)]
fn take(header: &Header<'_>, raw: &str, mail: &mut Mail) {
    match &header.name {
        HeaderName::From if mail.from.is_none() => {
            let mut authors = mailboxes(&header.value).into_iter();
            mail.from = authors.next().or_else(|| lone_address(raw));
            if authors.next().is_some() {
                mail.faults.push(Fault::SeveralSenders);
            }
        }
        HeaderName::From => mail.faults.push(Fault::SeveralSenders),
        HeaderName::Sender if mail.sender.is_none() => {
            mail.sender = mailboxes(&header.value).into_iter().next();
        }
        HeaderName::ReplyTo if mail.reply_to.is_empty() => mail.reply_to = mailboxes(&header.value),
        HeaderName::To => mail.to.extend(mailboxes(&header.value)),
        HeaderName::Cc => mail.cc.extend(mailboxes(&header.value)),
        HeaderName::Subject if mail.subject.is_empty() => {
            mail.subject = one_line(header.value.as_text().unwrap_or_default());
        }
        HeaderName::Date if mail.written_at.is_none() => {
            let date = header.value.as_datetime().filter(|date| date.is_valid());
            mail.written_at = date.map(|date| Timestamp::from_seconds(date.to_timestamp()));
        }
        HeaderName::MessageId if mail.message_id.is_none() => {
            mail.message_id = message_ids(&header.value).into_iter().next();
        }
        HeaderName::InReplyTo => mail.in_reply_to.extend(message_ids(&header.value)),
        HeaderName::References => mail.references.extend(message_ids(&header.value)),
        _ => {}
    }
}

fn check(limits: &Limits, mail: &mut Mail) {
    if mail.from.is_none() {
        mail.faults.push(Fault::SenderUnreadable);
    }
    if mail.message_id.is_none() {
        mail.faults.push(Fault::NoMessageId);
    }
    if mail.written_at.is_none() {
        mail.faults.push(Fault::DateUnreadable);
    }
    if mail.to.len() > limits.recipients_max || mail.cc.len() > limits.recipients_max {
        mail.faults.push(Fault::RecipientsTooMany);
        mail.to.truncate(limits.recipients_max);
        mail.cc.truncate(limits.recipients_max);
    }
    let old = mail.references.len().saturating_sub(limits.references_max);
    mail.references.drain(..old);
    mail.in_reply_to.truncate(limits.references_max);
}

fn mailboxes(value: &HeaderValue<'_>) -> Vec<Mailbox> {
    let Some(addresses) = value.as_address() else {
        return Vec::new();
    };
    let read = |one: &mail_parser::Addr<'_>| {
        let email = EmailAddress::parse(one.address.as_deref()?)?;
        let name = one
            .name
            .as_deref()
            .map(one_line)
            .filter(|name| !name.is_empty());
        Some(Mailbox { name, email })
    };
    addresses.iter().filter_map(read).collect()
}

/// An address somewhere in a From that follows no grammar.
fn lone_address(raw: &str) -> Option<Mailbox> {
    let mut words =
        raw.split(|letter: char| letter.is_whitespace() || "<>()[],;\"'".contains(letter));
    let email = words.find_map(EmailAddress::parse)?;
    Some(Mailbox { name: None, email })
}

fn message_ids(value: &HeaderValue<'_>) -> Vec<MessageId> {
    match value {
        HeaderValue::Text(id) => MessageId::parse(id).into_iter().collect(),
        HeaderValue::TextList(ids) => ids.iter().filter_map(|id| MessageId::parse(id)).collect(),
        HeaderValue::Address(_)
        | HeaderValue::DateTime(_)
        | HeaderValue::ContentType(_)
        | HeaderValue::Received(_)
        | HeaderValue::Empty => Vec::new(),
    }
}

/// Text on one line, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A block in UTF-8 (RFC 6532), whatever raw bytes a client put into it.
fn readable<'a>(block: &'a [u8], faults: &mut Vec<Fault>) -> Cow<'a, [u8]> {
    let mut bytes = if std::str::from_utf8(block).is_ok() {
        Cow::Borrowed(block)
    } else {
        faults.push(Fault::HeaderCharsetGuessed);
        Cow::Owned(charset::decode(block, None).0.into_bytes())
    };
    // The parser wants each block to end in a blank line.
    if !bytes.ends_with(b"\n\n") && !bytes.ends_with(b"\r\n\r\n") {
        bytes.to_mut().extend_from_slice(b"\r\n\r\n");
    }
    bytes
}
