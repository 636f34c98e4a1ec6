//! Who must never get an automatic answer (RFC 3834, RFC 5230), and the bounds on answering everybody else.
//!
//! A loop needs two machines that answer each other. This one answers no machine it can recognise, answers a
//! person once in a while, and stops where mails come faster than people write: any one of the three ends it.

mod bounds;

pub use bounds::{Breaker, BreakerBounds, LoopBounds, LoopGuard};

use crate::address::EmailAddress;
use crate::reading::mail::Mail;
use crate::reading::report::Report;
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What the envelope of a mail says of its sender (RFC 5321 §4.1.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnPath {
    /// `<>`: a report, never to be answered.
    Null,
    /// Where reports about the mail go.
    Address(EmailAddress),
    /// There was no envelope, as from IMAP; the mail's own Return-Path counts.
    Unknown,
}

/// The desk's own addresses.
#[derive(Debug, Clone, Default)]
pub struct OwnAddresses {
    /// The mailboxes of the desk.
    pub mailboxes: Vec<EmailAddress>,
    /// What separates a sub-address, `+` with most.
    pub separator: Option<char>,
}

impl OwnAddresses {
    /// Whether an address, with or without a sub-address, is one of the desk's.
    pub fn has(&self, address: &EmailAddress) -> bool {
        self.mailbox_of(address).is_some()
    }

    /// The mailbox that an address belongs to.
    pub fn mailbox_of(&self, address: &EmailAddress) -> Option<&EmailAddress> {
        let plain = self
            .separator
            .map(|separator| address.without_sub_address(separator));
        let mut mailboxes = self.mailboxes.iter();
        mailboxes.find(|own| *own == address || plain.as_ref() == Some(*own))
    }
}

/// What kind of sender wrote a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person, as far as can be told.
    Person,
    /// From one of the desk's own addresses.
    Own,
    /// A report on delivery (RFC 3464), or a mailer's bounce in its own words.
    Bounce,
    /// A receipt (RFC 8098).
    Receipt,
    /// A complaint about a mail of ours (RFC 5965).
    Complaint,
    /// A person's absence, told by a machine.
    OutOfOffice,
    /// Another automatic answer (RFC 3834 `auto-replied`).
    AutoReply,
    /// Made by a program: monitoring, notices (RFC 3834 `auto-generated`).
    Generated,
    /// Through a mailing list (RFC 2919, RFC 2369).
    List,
    /// To many: newsletters and the like.
    Bulk,
    /// From an address that reads nothing.
    NoReply,
    /// With an empty return path and no other mark.
    NullSender,
    /// Its sender asks for no automatic answer (MS-OXCMAIL `X-Auto-Response-Suppress`).
    Suppressed,
}

impl Origin {
    /// Whether such a mail is what a machine says about a mail of ours or answers to one: it is shown on
    /// the ticket, asks nobody for anything, and opens no ticket again.
    pub fn is_report(self) -> bool {
        match self {
            Self::Bounce
            | Self::Receipt
            | Self::Complaint
            | Self::OutOfOffice
            | Self::AutoReply
            | Self::NullSender => true,
            Self::Person
            | Self::Own
            | Self::Generated
            | Self::List
            | Self::Bulk
            | Self::NoReply
            | Self::Suppressed => false,
        }
    }
}

/// Tells what kind of sender wrote a mail. Of several marks the one that says most counts.
pub fn classify(mail: &Mail, return_path: &ReturnPath, own: &OwnAddresses) -> Origin {
    if mail.from.as_ref().is_some_and(|from| own.has(&from.email)) {
        return Origin::Own;
    }
    match &mail.report {
        Some(Report::Delivery(_)) => return Origin::Bounce,
        Some(Report::Disposition(_)) => return Origin::Receipt,
        Some(Report::Complaint(_)) => return Origin::Complaint,
        None => {}
    }
    let is_null = is_null_sender(mail, return_path);
    let from = mail
        .from
        .as_ref()
        .map(|from| from.email.local().to_ascii_lowercase());
    let local = from.unwrap_or_default();
    if is_null && MAILERS.contains(&local.as_str()) {
        return Origin::Bounce;
    }
    let marks = Marks::of(mail);
    if marks.is_auto_reply
        || is_null && is_absence(&mail.subject)
        || marks.suppresses && is_absence(&mail.subject)
    {
        return if marks.is_vacation || is_absence(&mail.subject) {
            Origin::OutOfOffice
        } else {
            Origin::AutoReply
        };
    }
    let by_mark = [
        (marks.is_generated, Origin::Generated),
        (marks.is_list, Origin::List),
        (marks.is_bulk, Origin::Bulk),
        (is_no_reply(&local), Origin::NoReply),
        (is_null, Origin::NullSender),
        (marks.suppresses, Origin::Suppressed),
    ];
    let found = by_mark.into_iter().find(|(is_so, _)| *is_so);
    found.map_or(Origin::Person, |(_, origin)| origin)
}

/// Why a mail gets no automatic answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// It is not from a person.
    #[error("it is not from a person but {0:?}")]
    Origin(Origin),
    /// It has no address to answer to.
    #[error("it has no sender to answer to")]
    NoSender,
    /// It broke the reader's bounds.
    #[error("it is malformed beyond what honest mail is")]
    Hostile,
    /// Answers are wanted in another domain than the author's: an answer would hit a third party.
    #[error("its answers are wanted in a domain that is not its author's")]
    AnswersElsewhere,
    /// The sender had an acknowledgement within the window.
    #[error("its sender had an acknowledgement at {0:?}")]
    AlreadyAcknowledged(Timestamp),
    /// Mails of this sender come faster than a person writes.
    #[error("too many mails of its sender")]
    TooManyOfSender,
    /// Mails of this ticket come faster than people write.
    #[error("too many mails on its ticket")]
    TooManyOnTicket,
    /// More senders at once than the guard remembers.
    #[error("too many senders at once")]
    TooManySenders,
}

/// Whether a mail may be answered automatically at all, whatever was sent before; [`LoopGuard`] knows that.
pub fn may_answer(mail: &Mail, return_path: &ReturnPath, own: &OwnAddresses) -> Result<(), WhyNot> {
    let Some(from) = &mail.from else {
        return Err(WhyNot::NoSender);
    };
    if mail.is_hostile() {
        return Err(WhyNot::Hostile);
    }
    match classify(mail, return_path, own) {
        Origin::Person => {}
        origin @ (Origin::Own
        | Origin::Bounce
        | Origin::Receipt
        | Origin::Complaint
        | Origin::OutOfOffice
        | Origin::AutoReply
        | Origin::Generated
        | Origin::List
        | Origin::Bulk
        | Origin::NoReply
        | Origin::NullSender
        | Origin::Suppressed) => return Err(WhyNot::Origin(origin)),
    }
    let mut answers = mail.reply_to.iter();
    if answers
        .any(|to| own.has(&to.email) || !is_same_domain(to.email.domain(), from.email.domain()))
    {
        return Err(WhyNot::AnswersElsewhere);
    }
    Ok(())
}

/// The same domain or one below the other.
fn is_same_domain(one: &str, other: &str) -> bool {
    let is_below = |below: &str, above: &str| {
        below
            .strip_suffix(above)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    is_below(one, other) || is_below(other, one)
}

fn is_null_sender(mail: &Mail, return_path: &ReturnPath) -> bool {
    match return_path {
        ReturnPath::Null => true,
        ReturnPath::Address(_) => false,
        ReturnPath::Unknown => mail
            .headers
            .get("Return-Path")
            .is_some_and(|path| path.trim() == "<>"),
    }
}

/// What the header fields say.
struct Marks {
    is_auto_reply: bool,
    /// RFC 5230 §4.6: a Sieve script says `auto-replied (vacation)`.
    is_vacation: bool,
    is_generated: bool,
    is_list: bool,
    is_bulk: bool,
    suppresses: bool,
}

impl Marks {
    fn of(mail: &Mail) -> Self {
        let value = |name| {
            mail.headers
                .get(name)
                .unwrap_or("")
                .trim()
                .to_ascii_lowercase()
        };
        // RFC 3834 §5: a keyword, and parameters behind it.
        let told = value("Auto-Submitted");
        let submitted = told.split([';', '(', ' ']).next().unwrap_or("");
        let precedence = value("Precedence");
        let suppress = value("X-Auto-Response-Suppress");
        let has_any = |names: &[&str]| names.iter().any(|name| mail.headers.has(name));
        Self {
            is_auto_reply: submitted == "auto-replied"
                || matches!(precedence.as_str(), "auto_reply" | "auto-reply")
                || has_any(&AUTO_REPLY_FIELDS),
            is_vacation: submitted == "auto-replied" && told.contains("(vacation)"),
            is_generated: !matches!(submitted, "" | "no" | "auto-replied")
                || has_any(&GENERATED_FIELDS),
            is_list: has_any(&LIST_FIELDS) || precedence == "list",
            is_bulk: matches!(precedence.as_str(), "bulk" | "junk") || has_any(&BULK_FIELDS),
            suppresses: suppress
                .split(',')
                .any(|wish| matches!(wish.trim(), "all" | "oof" | "autoreply")),
        }
    }
}

fn is_no_reply(local: &str) -> bool {
    let plain: String = local.chars().filter(char::is_ascii_alphanumeric).collect();
    MAILERS.contains(&local)
        || NO_REPLY
            .iter()
            .any(|name| plain.starts_with(name) || plain.ends_with(name))
        || local.starts_with("bounce")
}

/// Whether an address by its name reads nothing, or belongs to a mail system.
pub fn is_unattended(address: &EmailAddress) -> bool {
    is_no_reply(&address.local().to_ascii_lowercase())
}

/// Whether a subject tells of an absence, in the words of the mail systems people have.
fn is_absence(subject: &str) -> bool {
    let subject = subject.to_lowercase();
    ABSENCES.iter().any(|words| subject.contains(words))
}

const MAILERS: [&str; 5] = [
    "mailer-daemon",
    "postmaster",
    "mailerdaemon",
    "mail-daemon",
    "nobody",
];

const NO_REPLY: [&str; 6] = [
    "noreply",
    "donotreply",
    "dontreply",
    "noresponse",
    "neantworten",
    "nichtantworten",
];

const AUTO_REPLY_FIELDS: [&str; 5] = [
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Mail-Autoreply",
    "X-AutoReply-From",
];

const GENERATED_FIELDS: [&str; 3] = ["X-Auto-Generated", "X-Cron-Env", "X-Nagios-Notification"];

const LIST_FIELDS: [&str; 5] = [
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "List-Help",
    "Mailing-List",
];

const BULK_FIELDS: [&str; 3] = ["Feedback-ID", "X-Campaign-Id", "X-Mailgun-Batch-Id"];

const ABSENCES: [&str; 24] = [
    "out of office",
    "out of the office",
    "automatic reply",
    "auto reply",
    "autoreply",
    "auto-reply",
    "on vacation",
    "away from my mail",
    "abwesenheit",
    "automatische antwort",
    "nicht im büro",
    "absence du bureau",
    "réponse automatique",
    "respuesta automática",
    "fuera de la oficina",
    "自動回覆",
    "自动回复",
    "自動回信",
    "休假",
    "不在辦公室",
    "不在办公室",
    "自動応答",
    "不在通知",
    "부재 중",
];

#[cfg(test)]
mod tests;
