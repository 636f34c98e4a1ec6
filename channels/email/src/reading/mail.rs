//! One mail as a value.

use super::attachment::Attachment;
use super::language::Language;
use super::report::Report;
use crate::address::{Mailbox, MessageId};
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What one mail says. Whatever could not be read is in [`Mail::faults`]; the caller keeps the raw bytes.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// Who wrote it: the first author (RFC 5322 §3.6.2), with groups opened.
    pub from: Option<Mailbox>,
    /// Who handed it in, where that is somebody else.
    pub sender: Option<Mailbox>,
    /// Where answers are wanted; empty means [`Mail::from`].
    pub reply_to: Vec<Mailbox>,
    /// Whom it is addressed to.
    pub to: Vec<Mailbox>,
    /// Who gets a copy.
    pub cc: Vec<Mailbox>,
    /// The subject on one line, decoded; empty when there is none.
    pub subject: String,
    /// When it says it was written; never trusted for an order.
    pub written_at: Option<Timestamp>,
    /// Its own Message-ID.
    pub message_id: Option<MessageId>,
    /// What it answers.
    pub in_reply_to: Vec<MessageId>,
    /// Its thread, oldest first.
    pub references: Vec<MessageId>,
    /// All header fields in their order, decoded, without the parts' own.
    pub headers: Headers,
    /// The whole text: the plain one, or that of the HTML.
    pub text: String,
    /// How the text divides; together the passages are the whole text.
    pub passages: Vec<Passage>,
    /// The HTML made safe: no script, nothing loaded from elsewhere; `None` for plain mail.
    pub html_safe: Option<String>,
    /// Pictures, styles and the like on other hosts that the HTML wanted and did not get.
    pub remote_loads: usize,
    /// What came with it.
    pub attachments: Vec<Attachment>,
    /// What a machine reports in it: a delivery status or a receipt.
    pub report: Option<Report>,
    /// The language of what is new in it, if it can be told.
    pub language: Option<Language>,
    /// Everything strange about it.
    pub faults: Vec<Fault>,
}

impl Mail {
    /// What the sender wrote now: the text without quotes and signature.
    pub fn text_new(&self) -> String {
        let new = self
            .passages
            .iter()
            .filter(|passage| passage.kind == PassageKind::New);
        let text: String = new
            .map(|passage| &self.text[passage.range.clone()])
            .collect();
        text.trim().to_owned()
    }

    /// Whom an answer goes to: Reply-To before From (RFC 5322 §3.6.2).
    pub fn answer_to(&self) -> Option<&Mailbox> {
        self.reply_to.first().or(self.from.as_ref())
    }

    /// The fields that a mail answers or continues, nearest first.
    pub fn answered_ids(&self) -> impl Iterator<Item = &MessageId> {
        let oldest_last = self.references.iter().rev();
        self.in_reply_to.iter().chain(oldest_last)
    }

    /// Whether the mail broke a bound of the reader, so that parts of it are only in its raw bytes.
    pub fn is_hostile(&self) -> bool {
        self.faults.iter().any(Fault::is_hostile)
    }
}

/// The header fields of a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub(super) Vec<(String, String)>);

impl Headers {
    /// Takes fields as they stand, for tests and for mail that comes from elsewhere.
    pub fn new(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(fields.into_iter().collect())
    }

    /// The first field of that name, in any letters.
    pub fn get(&self, name: &str) -> Option<&str> {
        let named = self
            .0
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Every field of that name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self
            .0
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Name and value of each field, in the mail's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A stretch of [`Mail::text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// What it is.
    pub kind: PassageKind,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// What a stretch of text is; all but the first are folded on the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassageKind {
    /// Written by the sender, now.
    New,
    /// What was said before, with the line that introduces it.
    Quote,
    /// Name, firm, disclaimer, "sent from my telephone".
    Signature,
}

/// Something strange about a mail. None is an error: the mail is read as far as it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// More bytes than [`Limits::raw_bytes_max`]; only the header is read.
    TooLarge,
    /// There is no header: the bytes are all taken for text.
    NoHeader,
    /// A header is longer or has more fields than allowed; the rest of it is left out.
    HeaderTooLong,
    /// Fewer than one author, or an address that is none.
    SenderUnreadable,
    /// Several authors; the first is taken.
    SeveralSenders,
    /// More recipients than allowed; the rest is left out.
    RecipientsTooMany,
    /// No Message-ID, or one that is none.
    NoMessageId,
    /// No Date, or one that cannot be.
    DateUnreadable,
    /// Header bytes in no declared charset, or words in a wrong one; read by a guess.
    HeaderCharsetGuessed,
    /// The text is not in the charset its label says; read as the second.
    CharsetWrong(String, String),
    /// A label that names no charset; read by a guess.
    CharsetUnknown(String),
    /// Base64 or quoted-printable that is neither; read as far as possible.
    EncodingBroken,
    /// A multipart whose boundary is missing or never comes; taken for text.
    BoundaryMissing,
    /// More parts than [`Limits::parts_max`]; the rest is only in the raw bytes.
    PartsTooMany,
    /// Parts deeper in parts than [`Limits::depth_max`]; kept as an attachment.
    NestingTooDeep,
    /// More text than [`Limits::text_bytes_max`]; cut.
    TextTooLong,
    /// HTML too long or too deep to be made safe; its text stands for it.
    HtmlUnfit,
    /// An attachment whose name hides what it is: paths, turned-round letters, two endings.
    NameUnsafe,
    /// A `winmail.dat` that cannot be opened or has more than [`Limits::tnef_bytes_max`]; kept as it is.
    TnefBroken,
    /// A delivery report without what a report must have (RFC 3464).
    ReportBroken,
}

impl Fault {
    /// Whether a bound was broken that no honest mail breaks.
    pub fn is_hostile(&self) -> bool {
        match self {
            Self::TooLarge
            | Self::NoHeader
            | Self::HeaderTooLong
            | Self::PartsTooMany
            | Self::NestingTooDeep => true,
            Self::SenderUnreadable
            | Self::SeveralSenders
            | Self::RecipientsTooMany
            | Self::NoMessageId
            | Self::DateUnreadable
            | Self::HeaderCharsetGuessed
            | Self::CharsetWrong(..)
            | Self::CharsetUnknown(_)
            | Self::EncodingBroken
            | Self::BoundaryMissing
            | Self::TextTooLong
            | Self::HtmlUnfit
            | Self::NameUnsafe
            | Self::TnefBroken
            | Self::ReportBroken => false,
        }
    }
}

/// What the reader bears; each bound has its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole mail.
    pub raw_bytes_max: usize,
    /// Bytes of one header, and of the headers of all parts together.
    pub header_bytes_max: usize,
    /// Fields of the mail's header.
    pub header_fields_max: usize,
    /// Addresses in To and Cc each.
    pub recipients_max: usize,
    /// Message-IDs of a thread that are looked at, the newest.
    pub references_max: usize,
    /// Parts of a mail.
    pub parts_max: usize,
    /// Parts within parts.
    pub depth_max: usize,
    /// Bytes of text.
    pub text_bytes_max: usize,
    /// Bytes of HTML that is made safe.
    pub html_bytes_max: usize,
    /// Elements within elements of such HTML.
    pub html_depth_max: usize,
    /// Bytes of a `winmail.dat` that is opened: what lies within is held beside the mail.
    pub tnef_bytes_max: usize,
    /// Bytes of a picture that is put into the HTML itself; larger ones stay references.
    pub inline_image_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            raw_bytes_max: 50 * 1024 * 1024,
            header_bytes_max: 256 * 1024,
            header_fields_max: 1_000,
            recipients_max: 500,
            references_max: 100,
            parts_max: 500,
            depth_max: 20,
            text_bytes_max: 1024 * 1024,
            html_bytes_max: 2 * 1024 * 1024,
            html_depth_max: 250,
            tnef_bytes_max: 16 * 1024 * 1024,
            inline_image_bytes_max: 16 * 1024,
        }
    }
}
