//! Which ticket a mail belongs to, and the guards against getting into a stranger's.
//!
//! In two steps, so that no store is needed here: [`clues`] says what to look up, the desk looks it up, and
//! [`place_in_thread`] decides. The clues in their order, each with its guard:
//!
//! | clue | what it proves | guard |
//! |---|---|---|
//! | In-Reply-To, References, the mail a report is about | the sender has seen a mail of the thread | sender on the ticket or of its organisation |
//! | sub-address with a signature | the sender has had a mail from us | the same |
//! | number in the subject | nothing: numbers are guessed | the same, and the sender not known to be forged |
//! | marker in the text | the sender has had a mail from us | the same |
//!
//! Who fails the guard gets a new ticket that is linked to the other: the agent sees the claim, the stranger
//! sees nothing. Reports and absences of machines have no sender worth the name: they are let in by a mail
//! that we sent, or by a signature.

pub(crate) mod token;

pub use token::{ReplyToken, ThreadingKey};

use crate::address::{EmailAddress, MessageId};
use crate::automatic::{Origin, OwnAddresses};
use crate::reading::mail::Mail;
use ringdown_routing::ids::{OrganisationId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// How tickets are named in subjects, as `[RD#12345]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketHook {
    /// What stands before the number.
    pub before: String,
    /// What stands behind it.
    pub after: String,
}

impl Default for TicketHook {
    fn default() -> Self {
        Self {
            before: "[RD#".to_owned(),
            after: "]".to_owned(),
        }
    }
}

impl TicketHook {
    /// A number as subjects carry it.
    pub fn mark(&self, number: &str) -> String {
        format!("{}{number}{}", self.before, self.after)
    }

    /// The numbers that a subject names, in any letters, at most [`CLUES_MAX`].
    pub fn numbers_in(&self, subject: &str) -> Vec<String> {
        let (small, before) = (
            subject.to_ascii_lowercase(),
            self.before.to_ascii_lowercase(),
        );
        let mut numbers = Vec::new();
        let mut from = 0;
        while let Some(at) = small.get(from..).and_then(|rest| rest.find(&before)) {
            from += at + before.len().max(1);
            let rest = subject[from..].trim_start();
            let is_part =
                |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
            let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            let is_closed = rest[end..].trim_start().starts_with(&self.after);
            if end > 0 && end <= NUMBER_CHARS_MAX && is_closed {
                numbers.push(rest[..end].to_owned());
            }
            if numbers.len() >= CLUES_MAX {
                break;
            }
        }
        numbers
    }
}

/// Letters that a ticket number has at most.
const NUMBER_CHARS_MAX: usize = 40;
/// Clues of one kind that are followed.
pub const CLUES_MAX: usize = 20;

/// What a mail says of where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clue {
    /// It answers, continues or reports on this mail.
    Answers(MessageId),
    /// It went to an address that we signed for this ticket.
    SignedAddress(TicketId),
    /// Its subject names this number.
    SubjectNumber(String),
    /// Its text holds the marker that we signed for this ticket.
    SignedMarker(TicketId),
}

/// What to look up to place a mail, in the order in which it counts.
pub fn clues(
    mail: &Mail,
    envelope_to: &[EmailAddress],
    own: &OwnAddresses,
    hook: &TicketHook,
    key: &ThreadingKey,
) -> Vec<Clue> {
    let reported = mail.report.as_ref().and_then(|report| report.original());
    let answered = reported.into_iter().chain(mail.answered_ids());
    let mut found: Vec<Clue> = Vec::new();
    for id in answered.take(CLUES_MAX) {
        let clue = Clue::Answers(id.clone());
        if !found.contains(&clue) {
            found.push(clue);
        }
    }
    let to = mail.to.iter().chain(&mail.cc).map(|mailbox| &mailbox.email);
    for address in envelope_to.iter().chain(to).take(ADDRESSES_MAX) {
        let clue = signed_ticket(address, own, key).map(Clue::SignedAddress);
        found.extend(clue.filter(|clue| !found.contains(clue)));
    }
    found.extend(
        hook.numbers_in(&mail.subject)
            .into_iter()
            .map(Clue::SubjectNumber),
    );
    found.extend(ReplyToken::find_in(&mail.text, key).map(Clue::SignedMarker));
    found
}

/// Addresses of one mail that are looked at for a signature.
const ADDRESSES_MAX: usize = 100;

fn signed_ticket(
    address: &EmailAddress,
    own: &OwnAddresses,
    key: &ThreadingKey,
) -> Option<TicketId> {
    own.mailbox_of(address)?;
    let (_, detail) = address.split_sub_address(own.separator?);
    ReplyToken::verify(detail?, key)
}

/// What the desk knows of a clue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTicket {
    /// The clue that led to it.
    pub clue: Clue,
    /// The ticket, or the one it was merged into.
    pub ticket: TicketId,
    /// How far it has come.
    pub state: TicketState,
    /// Everybody whom the ticket has written with: requester, watchers, recipients.
    pub people: BTreeSet<EmailAddress>,
    /// The organisation of its requester.
    pub organisation: Option<OrganisationId>,
    /// For [`Clue::Answers`]: who wrote the mail that is answered.
    pub answered: Answered,
}

/// Who wrote the mail that is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// The desk; its Message-IDs cannot be guessed.
    Ours,
    /// Somebody else.
    Theirs,
}

/// How far a ticket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// It is worked on.
    Open,
    /// It is solved; its requester may object.
    Solved,
    /// It was closed then.
    Closed(Timestamp),
}

/// What is known of the sender.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Who he is by the mail; `None` when it has none.
    pub address: Option<EmailAddress>,
    /// His organisation, where the CMS knows him.
    pub organisation: Option<OrganisationId>,
    /// Whether he is who he says.
    pub authentication: Authentication,
    /// What kind of sender he is.
    pub origin: Origin,
}

/// The verdict of SPF, DKIM and DMARC on a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// The author's domain vouches for the mail.
    Passed,
    /// The domain says nothing, or nobody asked.
    Unknown,
    /// The domain says that such mail is forged.
    Failed,
}

/// What becomes of answers to closed tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReopenRule {
    /// Closed no longer than this, a ticket opens again; later a new one follows it up.
    pub reopen_within: Duration,
}

impl Default for ReopenRule {
    fn default() -> Self {
        Self {
            reopen_within: Duration::from_secs(14 * 86_400),
        }
    }
}

/// Where a mail belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// A new ticket: nothing points anywhere.
    New,
    /// An article on a ticket, whose state stays.
    Append(TicketId, Clue),
    /// An article on a ticket that is open again by it.
    Reopen(TicketId, Clue),
    /// A new ticket that follows up a closed one.
    FollowUp(TicketId, Clue),
    /// A new ticket that says it belongs to one that its sender has no part in.
    Linked(TicketId, Clue),
}

/// Decides where a mail belongs, by what the desk knows of its clues. The first clue whose ticket lets the
/// sender in decides; when none does, the first that names a ticket is what the new one is linked to.
pub fn place_in_thread(
    clues: &[Clue],
    known: &[KnownTicket],
    sender: &Sender,
    rule: ReopenRule,
    now: Timestamp,
) -> Placement {
    let mut refused: Option<Placement> = None;
    for clue in clues {
        let Some(found) = known.iter().find(|found| found.clue == *clue) else {
            continue;
        };
        if is_let_in(found, sender) {
            return enter(found, sender, rule, now);
        }
        refused.get_or_insert_with(|| Placement::Linked(found.ticket, clue.clone()));
    }
    refused.unwrap_or(Placement::New)
}

fn is_let_in(found: &KnownTicket, sender: &Sender) -> bool {
    let is_secret = match &found.clue {
        Clue::Answers(_) => found.answered == Answered::Ours,
        Clue::SignedAddress(_) | Clue::SignedMarker(_) => true,
        Clue::SubjectNumber(_) => false,
    };
    if sender.origin.is_report() {
        return is_secret;
    }
    let is_forged = sender.authentication == Authentication::Failed;
    let is_on_ticket = sender
        .address
        .as_ref()
        .is_some_and(|address| found.people.contains(address));
    let is_of_organisation =
        sender.organisation.is_some() && sender.organisation == found.organisation;
    (is_on_ticket || is_of_organisation) && (is_secret || !is_forged)
}

/// No machine opens a ticket again.
fn enter(found: &KnownTicket, sender: &Sender, rule: ReopenRule, now: Timestamp) -> Placement {
    let (ticket, clue) = (found.ticket, found.clue.clone());
    match found.state {
        TicketState::Solved | TicketState::Closed(_) if sender.origin.is_report() => {
            Placement::Append(ticket, clue)
        }
        TicketState::Open => Placement::Append(ticket, clue),
        TicketState::Solved => Placement::Reopen(ticket, clue),
        TicketState::Closed(at) if now.since(at) <= rule.reopen_within => {
            Placement::Reopen(ticket, clue)
        }
        TicketState::Closed(_) => Placement::FollowUp(ticket, clue),
    }
}

#[cfg(test)]
mod tests;
