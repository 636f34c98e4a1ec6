//! What comes with a mail, kept wrapped as it came until somebody asks for its bytes.

use super::charset;
use super::file_name;
use super::heads::{Disposition, PartHead, TransferEncoding, one_line};
use super::mail::Fault;
use super::transfer::{self, Pieces};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One attachment. It holds a reference into the mail's bytes, so that a mail of 50 MB stays one of 50 MB.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// A name that is safe to show and to store: no path, no control or turning characters, never empty.
    pub file_name: String,
    /// The type its sender says it has, in small letters; a claim.
    pub content_type: String,
    /// What it is to a desk.
    pub kind: AttachmentKind,
    /// The name by which the HTML refers to it (RFC 2392), without brackets.
    pub content_id: Option<String>,
    /// Whether it is shown within the text.
    pub is_inline: bool,
    body: Bytes,
    encoding: TransferEncoding,
}

/// What an attachment is to a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// Any file.
    File,
    /// A whole mail (RFC 2046 §5.2.1); [`super::read`] reads its bytes.
    Message,
    /// An invitation, answer or cancellation (RFC 6047).
    Calendar(Invitation),
    /// Encrypted or signed as a whole by S/MIME (RFC 8551): only its owner can open it.
    SmimeSealed,
    /// The S/MIME signature of the text.
    SmimeSignature,
    /// Encrypted by PGP (RFC 3156).
    PgpSealed,
    /// The PGP signature of the text.
    PgpSignature,
    /// A public key of the sender.
    PgpKey,
    /// An opaque container of Outlook that could not be opened.
    Tnef,
    /// What a machine reports, for the record.
    Report,
}

impl Attachment {
    pub(super) fn of_part(
        head: &PartHead,
        body: Bytes,
        number: usize,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let content_type = head.content_type();
        let fallback = file_name::for_type(&content_type, number);
        let (name, fault) = file_name::safe(head.file_name.as_deref().unwrap_or(""), &fallback);
        faults.extend(fault);
        let is_shown = head.content_id.is_some() && head.kind == "image";
        let mut attachment = Self {
            file_name: name,
            kind: AttachmentKind::of(head),
            content_id: head.content_id.clone(),
            is_inline: head.disposition == Disposition::Inline
                || head.disposition == Disposition::Unsaid && is_shown,
            content_type,
            body,
            encoding: head.encoding,
        };
        if attachment.kind == AttachmentKind::File
            && attachment.body.starts_with(b"-----BEGIN PGP MESSAGE")
        {
            attachment.kind = AttachmentKind::PgpSealed;
        }
        if let AttachmentKind::Calendar(_) = attachment.kind {
            attachment.kind = AttachmentKind::Calendar(Invitation::read(head, &attachment.bytes()));
        }
        attachment
    }

    /// An attachment that lay within another one.
    pub(super) fn opened(
        name: &str,
        content_type: &str,
        body: Bytes,
        number: usize,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let fallback = file_name::for_type(content_type, number);
        let (file_name, fault) = file_name::safe(name, &fallback);
        faults.extend(fault);
        Self {
            file_name,
            content_type: content_type.to_owned(),
            kind: AttachmentKind::File,
            content_id: None,
            is_inline: false,
            body,
            encoding: TransferEncoding::Identity,
        }
    }

    /// Its bytes, unwrapped now; whatever was wrong with the wrapping, this is as far as it goes.
    pub fn bytes(&self) -> Bytes {
        match self.encoding {
            TransferEncoding::Identity => self.body.clone(),
            TransferEncoding::Base64 | TransferEncoding::QuotedPrintable => {
                let mut bytes = Vec::with_capacity(self.bytes_max());
                self.pieces()
                    .for_each(|piece| bytes.extend_from_slice(&piece));
                Bytes::from(bytes)
            }
        }
    }

    /// The same bytes, one piece after the other, so that never more than one is held beside the mail.
    pub fn pieces(&self) -> Pieces {
        Pieces::wrapped(self.body.clone(), self.encoding)
    }

    /// At most how many bytes it has, without unwrapping it.
    pub fn bytes_max(&self) -> usize {
        transfer::bytes_max(self.body.len(), self.encoding)
    }
}

impl AttachmentKind {
    fn of(head: &PartHead) -> Self {
        let smime_type = head.parameter("smime-type").unwrap_or("");
        match (head.kind.as_str(), head.subkind.as_str()) {
            ("message", "rfc822" | "global") => Self::Message,
            (
                "message",
                "delivery-status"
                | "global-delivery-status"
                | "disposition-notification"
                | "feedback-report",
            ) => Self::Report,
            ("text", "rfc822-headers") => Self::Report,
            ("text", "calendar") | ("application", "ics") => Self::Calendar(Invitation::default()),
            ("application", "pkcs7-signature" | "x-pkcs7-signature") => Self::SmimeSignature,
            ("application", "pkcs7-mime" | "x-pkcs7-mime") if smime_type == "certs-only" => {
                Self::SmimeSignature
            }
            ("application", "pkcs7-mime" | "x-pkcs7-mime") => Self::SmimeSealed,
            // RFC 8551 §3.2.1: gateways that do not know the type leave its name, whose ending tells it.
            ("application", "octet-stream") if has_ending(head, ".p7m") => Self::SmimeSealed,
            ("application", "octet-stream") if has_ending(head, ".p7s") => Self::SmimeSignature,
            ("application", "pgp-signature") => Self::PgpSignature,
            ("application", "pgp-keys") => Self::PgpKey,
            ("application", "pgp-encrypted") => Self::PgpSealed,
            _ => Self::File,
        }
    }
}

fn has_ending(head: &PartHead, ending: &str) -> bool {
    let name = head.file_name.as_deref().unwrap_or("");
    name.to_ascii_lowercase().ends_with(ending)
}

/// What an invitation says, as far as a desk shows it (RFC 5545).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// REQUEST, REPLY, CANCEL and so on.
    pub method: String,
    /// What it is about.
    pub summary: String,
    /// When it begins, as written: `20250106T090000Z`.
    pub starts: String,
}

impl Invitation {
    fn read(head: &PartHead, bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(CALENDAR_BYTES_MAX)];
        let text = charset::decode(bytes, head.charset.as_deref().or(Some("utf-8"))).0;
        let text = text
            .replace("\r\n", "\n")
            .replace("\n ", "")
            .replace("\n\t", "");
        let event = text.find("BEGIN:VEVENT").unwrap_or(0);
        let value = |text: &str, name: &str| {
            let mut lines = text.lines().filter_map(|line| {
                let (field, value) = line.split_once(':')?;
                let field = field.split(';').next().unwrap_or(field);
                field.eq_ignore_ascii_case(name).then(|| one_line(value))
            });
            lines.next()
        };
        let method = head.parameter("method").map(str::to_uppercase);
        Self {
            method: method
                .or_else(|| value(&text, "METHOD"))
                .unwrap_or_default(),
            summary: value(&text[event..], "SUMMARY")
                .unwrap_or_default()
                .replace("\\,", ","),
            starts: value(&text[event..], "DTSTART").unwrap_or_default(),
        }
    }
}

/// Bytes of a calendar that are looked at.
const CALENDAR_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_attachment_is_larger_than_said() {
        for (encoding, body) in [
            (TransferEncoding::QuotedPrintable, &b"\r\n\n\n\n\n"[..]),
            (TransferEncoding::Base64, b"A=A=A="),
            (TransferEncoding::Identity, b"abc"),
        ] {
            let mut attachment = Attachment::opened(
                "x",
                "text/plain",
                Bytes::from_static(body),
                1,
                &mut Vec::new(),
            );
            attachment.encoding = encoding;
            assert!(
                attachment.bytes().len() <= attachment.bytes_max(),
                "{encoding:?}"
            );
        }
    }
}
