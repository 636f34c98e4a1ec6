//! Reads one mail into a [`Mail`]: never fails, never panics, and holds no more than the mail and one unwrapped
//! text at a time.
//!
//! | module | what lives here |
//! |---|---|
//! | [`mail`] | the value, its faults and its limits |
//! | `skeleton` | the parts, cut by their boundaries |
//! | `heads`, `words` | header fields, encoded words |
//! | `charset`, `transfer`, `flowed` | bytes to text |
//! | `body` | which part is text, which attached |
//! | `html_text`, `html_safe` | HTML as text, and as HTML that may be shown |
//! | `folding`, `phrases` | quotes and signatures |
//! | [`attachment`], `file_name`, `tnef` | what came with it |
//! | [`report`] | delivery reports and receipts |
//! | [`language`] | the language of what is new |

pub mod attachment;
mod body;
mod charset;
mod file_name;
mod flowed;
mod folding;
pub(crate) mod heads;
pub(crate) mod html_safe;
mod html_text;
pub mod language;
pub mod mail;
mod phrases;
pub mod report;
mod skeleton;
mod tnef;
mod transfer;
mod words;

pub use transfer::Pieces;

use bytes::Bytes;
use mail::{Fault, Limits, Mail};

/// A name that is safe to show, to store and to hand to a browser, made of what somebody calls a file; and
/// whether it meant to deceive.
pub fn safe_file_name(name: &str, fallback: &str) -> (String, bool) {
    let (name, fault) = file_name::safe(name, fallback);
    (name, fault.is_some())
}

/// Makes HTML that somebody wrote at the desk safe to send and to show.
pub fn safe_html(html: &str) -> String {
    html_safe::make_safe(html, &[], 0).html
}

/// Reads a mail. Attachments refer to `raw`, which stays alive as long as they do.
pub fn read(raw: &Bytes, limits: &Limits) -> Mail {
    let mut mail = Mail::default();
    let start = skeleton::start_of_mail(raw);
    let (block, _) = skeleton::header_block(raw, start);
    if !begins_with_field(&raw[block.clone()]) {
        return read_headless(raw, limits);
    }
    heads::read_mail_head(&raw[block], limits, &mut mail);
    if raw.len() > limits.raw_bytes_max {
        mail.faults.push(Fault::TooLarge);
        return mail;
    }
    let parts = skeleton::cut(raw, limits, &mut mail.faults);
    let body = body::gather(raw, &parts, limits, &mut mail.faults);
    let (rendered, attachments, report) = body.render(limits, &mut mail.faults);
    mail.text = rendered.text;
    mail.html_safe = rendered.html_safe;
    mail.remote_loads = rendered.remote_loads;
    mail.attachments = attachments;
    mail.report = report.or_else(|| report_in_prose(&mail));
    let author = mail.from.as_ref().and_then(|from| from.name.as_deref());
    mail.passages = folding::fold(&mail.text, author);
    mail.language =
        language::language_of(&mail.text_new()).or_else(|| language::language_of(&mail.subject));
    let mut seen = Vec::new();
    mail.faults.retain(|fault| {
        !seen.contains(fault) && {
            seen.push(fault.clone());
            true
        }
    });
    mail
}

/// Bytes without a header are all text.
fn read_headless(raw: &Bytes, limits: &Limits) -> Mail {
    let mut mail = Mail::default();
    mail.faults.push(Fault::NoHeader);
    let bytes = &raw[..raw.len().min(limits.text_bytes_max)];
    let (text, fault) = charset::decode(bytes, None);
    mail.faults.extend(fault);
    mail.text = without_controls(&text);
    mail.text
        .truncate(beginning_of(&mail.text, limits.text_bytes_max).len());
    mail.passages = folding::fold(&mail.text, None);
    mail
}

/// Text with line ends of one kind and without what only terminals obey.
fn without_controls(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let is_kept = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\t');
    text.chars().filter(is_kept).collect()
}

/// The first `bytes_max` bytes of a text, or one letter less.
fn beginning_of(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether the first line is a field: a name without spaces, and a colon.
fn begins_with_field(block: &[u8]) -> bool {
    let name = block.split(|byte| *byte == b':').next().unwrap_or_default();
    let name = name.trim_ascii_end();
    name.len() < block.len() && !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

/// Bounces of mailers that know no RFC 3464.
fn report_in_prose(mail: &Mail) -> Option<report::Report> {
    let from = mail
        .from
        .as_ref()
        .map(|from| from.email.local().to_ascii_lowercase());
    let is_mailer =
        from.is_some_and(|local| matches!(local.as_str(), "mailer-daemon" | "postmaster"));
    let failed = mail.headers.get_all("X-Failed-Recipients");
    let failed: Vec<_> = failed
        .flat_map(|list| list.split(','))
        .filter_map(crate::EmailAddress::parse)
        .collect();
    if !is_mailer || failed.is_empty() && !says_undelivered(&mail.subject) {
        return None;
    }
    Some(report::Report::Delivery(report::read_prose(
        &mail.text,
        failed.into_iter(),
    )))
}

fn says_undelivered(subject: &str) -> bool {
    let subject = subject.to_lowercase();
    let words = [
        "undeliver",
        "delivery",
        "failure notice",
        "returned mail",
        "returning message",
        "unzustellbar",
        "non remis",
        "無法傳遞",
        "退信",
        "no se puede entregar",
        "配信",
    ];
    words.iter().any(|word| subject.contains(word))
}
