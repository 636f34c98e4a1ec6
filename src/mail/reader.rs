//! A mail's octets taken apart once: what it says, what came with it, and what makes it the same mail.

use super::filing::{AttachmentDraft, Blob, sha256_of};
use bytes::Bytes;
use ringdown_email::reading::mail::{Limits, Mail};
use ringdown_email::reading::{self};

/// A mail, read whole.
#[derive(Debug)]
pub(super) struct ReadMail {
    pub(super) mail: Mail,
    pub(super) raw: Blob,
    /// The mail as it came; [`ReadMail::raw`] and the attachments refer to it.
    pub(super) octets: Bytes,
    pub(super) attachments: Vec<AttachmentDraft>,
    /// SHA-256 of its body, or of all of it when it has no Message-ID to go with that.
    pub(super) body_sha256: String,
    /// Whether parts of it are only in its raw octets, because it broke a bound or the reader.
    pub(super) is_hostile: bool,
}

/// Reads a mail. Attachments stay wrapped in its octets until they are stored, so that a mail of 50 MB is held
/// as one of 50 MB. One that breaks the reader is a fault of ours, and is kept as one that cannot be read.
pub(super) fn read(raw: Bytes, limits: &Limits) -> ReadMail {
    let blob = Blob::of(raw.clone());
    let sha256 = &blob.sha256;
    let read = std::panic::catch_unwind(|| {
        let mail = reading::read(&raw, limits);
        let attachments = unwrap_attachments(&mail);
        (mail, attachments)
    });
    let is_broken = read.is_err();
    let (mail, mut attachments) = read.unwrap_or_else(|_| {
        tracing::error!(sha256, "a mail broke the reader; it is kept as it came");
        (Mail::default(), Vec::new())
    });
    let is_hostile = is_broken || mail.is_hostile();
    let body_sha256 = match mail.message_id {
        Some(_) => sha256_of(body_of(&raw)),
        None => sha256.clone(),
    };
    if is_hostile {
        attachments.push(AttachmentDraft {
            filename: "message.eml".to_owned(),
            content_type: "message/rfc822".to_owned(),
            content_id: None,
            is_inline: false,
            blob: blob.clone(),
        });
    }
    ReadMail {
        mail,
        raw: blob,
        octets: raw,
        attachments,
        body_sha256,
        is_hostile,
    }
}

fn unwrap_attachments(mail: &Mail) -> Vec<AttachmentDraft> {
    let attachments = mail.attachments.iter();
    attachments
        .map(|attachment| AttachmentDraft {
            filename: attachment.file_name.clone(),
            content_type: attachment.content_type.clone(),
            content_id: attachment.content_id.clone(),
            is_inline: attachment.is_inline,
            blob: Blob::of_pieces(attachment.pieces()),
        })
        .collect()
}

/// What stands behind the header, which every server on the way may add to.
fn body_of(raw: &[u8]) -> &[u8] {
    let mut lines = raw.split_inclusive(|octet| *octet == b'\n');
    let mut at = 0;
    for line in &mut lines {
        at += line.len();
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
    }
    &raw[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_the_same_whatever_was_added_on_its_way() {
        let read = |text: &str| read(Bytes::copy_from_slice(text.as_bytes()), &Limits::default());
        let mail = "Message-ID: <1@a>\r\nFrom: a@b.example\r\n\r\nHello\r\n";
        let again = read(&format!("Received: from x by y\r\n{mail}"));
        assert_eq!(again.body_sha256, read(mail).body_sha256);
        assert_ne!(again.raw.sha256, read(mail).raw.sha256);
        let other = "Message-ID: <1@a>\r\nFrom: a@b.example\r\n\r\nOther\r\n";
        assert_ne!(read(other).body_sha256, read(mail).body_sha256);
        let nameless = "From: a@b.example\r\nSubject: 1\r\n\r\nHello\r\n";
        let other = "From: a@b.example\r\nSubject: 2\r\n\r\nHello\r\n";
        assert_ne!(read(other).body_sha256, read(nameless).body_sha256);
    }

    #[test]
    fn octets_that_are_no_mail_are_kept() {
        let read = read(Bytes::from_static(b"\xff\x00 no mail"), &Limits::default());
        assert!(read.is_hostile);
        let raw = read.attachments.last().unwrap();
        assert_eq!(
            (raw.filename.as_str(), &raw.blob.sha256),
            ("message.eml", &read.raw.sha256)
        );
    }
}
