//! Mails into the store: a whole batch within the writer's transaction, so that article, attachments,
//! ticket and contact of a mail are there together or not at all.
//!
//! A mail that was filed before (same mailbox, Message-ID and body) is answered with what it became then.

use super::due::{self, DuePlan};
use super::letters::{Acknowledgement, Letters};
use super::lookup::{find_known, find_open_contacts, find_tickets};
use super::outbox;
use super::placing::Place;
use super::rows;
use super::tally::Silence;
use super::watchers::{self, Watcher};
use crate::database::{DatabaseFault, Engine};
use crate::tickets::{self, OpenTicket, Rule};
use bytes::Bytes;
use ringdown_email::automatic::Origin;
use ringdown_email::reading::Pieces;
use ringdown_email::threading::{Clue, ReopenRule, Sender};
use ringdown_routing::event::IdentifiedAs;
use ringdown_routing::ids::{CallerId, ContactId, IncidentId, NodeId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// A mail with everything decided that needs no look into the store.
#[derive(Clone, Debug)]
pub(crate) struct MailToFile {
    /// What makes it the same mail when it comes again.
    pub(super) identity: MailIdentity,
    pub(super) raw: Blob,
    pub(super) envelope_from: String,
    pub(super) envelope_to: String,
    pub(super) peer: String,
    pub(super) arrival: Arrival,
    pub(super) article: ArticleDraft,
    pub(super) attachments: Vec<AttachmentDraft>,
    /// What may name a ticket, the strongest first.
    pub(super) clues: Vec<Clue>,
    /// What stands before the number that a subject names.
    pub(super) number_prefix: String,
    /// What is known of the sender.
    pub(super) sender: Sender,
    /// The person, when there is no doubt but that of any mail's From.
    pub(super) caller: Option<CallerId>,
    /// Whose mails are taken onto the ticket from now on, in their plain form.
    pub(super) participants: BTreeSet<String>,
    /// Who reads along on the ticket from now on.
    pub(super) watchers: Vec<Watcher>,
    /// The ticket, if it needs one of its own.
    pub(super) wish: OpenTicket,
    /// What the sender is told, if the mail opens a ticket; else why nothing.
    pub(super) acknowledgement: Result<Acknowledgement, Silence>,
    /// Who writes that.
    pub(super) letters: Arc<Letters>,
    /// The major incident, and its ticket, that its own is attached to, if it needs one.
    pub(super) incident: Option<(IncidentId, TicketId)>,
    /// When it is to be answered.
    pub(super) due: DuePlan,
    /// Addresses that it reports to be no good, with why.
    pub(super) bad_addresses: Vec<(String, String)>,
    /// What becomes of answers to tickets that are over.
    pub(super) reopen: ReopenRule,
    /// The node that brings the contact to the desk; `None` leaves it to any that runs.
    pub(super) node: Option<NodeId>,
}

/// What makes two deliveries the same mail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct MailIdentity {
    pub(super) mailbox: String,
    /// With angle brackets; empty when it has none.
    pub(super) message_id: String,
    pub(super) body_sha256: String,
}

/// Octets by their SHA-256. They are unwrapped as they are stored, and never held twice.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) sha256: String,
    /// How many there are.
    pub(super) bytes: usize,
    pieces: Pieces,
}

impl MailToFile {
    /// Octets that storing it writes: the mail, and what came with it unwrapped.
    pub(crate) fn bytes(&self) -> usize {
        let attached = self.attachments.iter().map(|it| it.blob.bytes);
        self.raw.bytes + attached.sum::<usize>()
    }
}

impl Blob {
    pub(super) fn of(bytes: Bytes) -> Self {
        Self::of_pieces(Pieces::plain(bytes))
    }

    /// Reads the pieces through once, for their length and hash.
    pub(super) fn of_pieces(pieces: Pieces) -> Self {
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        for piece in pieces.clone() {
            bytes += piece.len();
            hash.update(&piece);
        }
        Self {
            sha256: hexadecimal(&hash.finalize()),
            bytes,
            pieces,
        }
    }

    /// The octets, one piece after the other.
    pub(super) fn pieces(&self) -> Pieces {
        self.pieces.clone()
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256_of(octets: &[u8]) -> String {
    hexadecimal(&Sha256::digest(octets))
}

fn hexadecimal(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing to a text cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// What the contact's record says of the arrival.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) contact: ContactId,
    pub(super) at: Timestamp,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) mailbox: String,
    pub(super) queue: QueueId,
    pub(super) outcome: IdentifiedAs,
    pub(super) caller: Option<CallerId>,
    pub(super) class: Option<u8>,
    /// Whether a rule puts it aside as unwanted: kept, but in nobody's line.
    pub(super) is_spam: bool,
}

/// The mail as the ticket shows it.
#[derive(Clone, Debug)]
pub(super) struct ArticleDraft {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) text_new: String,
    pub(super) html: Option<String>,
    pub(super) in_reply_to: Option<String>,
    /// What kind of sender wrote it.
    pub(super) origin: Origin,
    pub(super) facts: Value,
}

/// A file that came with a mail.
#[derive(Clone, Debug)]
pub(super) struct AttachmentDraft {
    pub(super) filename: String,
    pub(super) content_type: String,
    pub(super) content_id: Option<String>,
    pub(super) is_inline: bool,
    pub(super) blob: Blob,
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filed {
    /// Its ticket.
    pub ticket: TicketId,
    /// The ticket's number as people say it.
    pub number: String,
    /// Its article.
    pub article: i64,
    /// Its contact; `None` when it joined one that waits already, or needs none.
    pub contact: Option<ContactId>,
    /// The rule that found the ticket, in a word.
    pub rule: &'static str,
    /// Whether the ticket was opened for it.
    pub is_new_ticket: bool,
    /// Whether it had been filed before.
    pub is_repeat: bool,
    /// Whether its sender gets an acknowledgement, and why not; `None` where none is due.
    #[serde(skip)]
    pub(super) acknowledged: Option<Result<(), Silence>>,
}

/// Files mails; the answers are in their order.
pub(crate) async fn file(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
) -> Result<Vec<Filed>, DatabaseFault> {
    let mut known = find_known(engine, connection, mails).await?;
    let mut left: Vec<&MailToFile> = Vec::new();
    let mut queued = BTreeSet::new();
    for mail in mails {
        if !known.contains_key(&mail.identity) && queued.insert(&mail.identity) {
            left.push(mail);
        }
    }
    // A mail that answers another of the batch finds it in the next round.
    while !left.is_empty() {
        let (round, later) = next_round(left);
        let filed = file_round(engine, connection, &round).await?;
        known.extend(round.iter().map(|mail| mail.identity.clone()).zip(filed));
        left = later;
    }
    let mut told = BTreeSet::new();
    mails
        .iter()
        .map(|mail| {
            let mut filed = known.get(&mail.identity).cloned().ok_or_else(|| {
                DatabaseFault::Unreadable(format!("mail of {} is lost", mail.arrival.contact))
            })?;
            filed.is_repeat |= !told.insert(&mail.identity);
            Ok(filed)
        })
        .collect()
}

/// Parts those that answer none of the others before them.
fn next_round(mails: Vec<&MailToFile>) -> (Vec<&MailToFile>, Vec<&MailToFile>) {
    let mut ids: BTreeSet<String> = BTreeSet::new();
    let (mut round, mut later) = (Vec::new(), Vec::new());
    for mail in mails {
        let answers_one = mail
            .clues
            .iter()
            .any(|clue| matches!(clue, Clue::Answers(id) if ids.contains(&id.to_string())));
        ids.insert(mail.identity.message_id.clone());
        if answers_one {
            later.push(mail);
        } else {
            round.push(mail);
        }
    }
    (round, later)
}

/// What is decided for one mail of a round.
pub(super) struct Decided {
    pub(super) place: Place,
    pub(super) attendance: Attendance,
}

/// How a mail gets a person's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attendance {
    /// By a contact of its own.
    Own(ContactId),
    /// By one that waits or is worked on already.
    Joins(ContactId),
    /// It needs none.
    Nobody,
}

impl Decided {
    pub(super) fn own_contact(&self) -> Option<ContactId> {
        match self.attendance {
            Attendance::Own(contact) => Some(contact),
            Attendance::Joins(_) | Attendance::Nobody => None,
        }
    }
}

async fn file_round(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
) -> Result<Vec<Filed>, DatabaseFault> {
    let found = find_tickets(engine, connection, mails).await?;
    let places = mails.iter().zip(&found);
    let places = places.map(|(mail, found)| Place::of(mail, found)).collect();
    let decided = decide_contacts(engine, connection, mails, places).await?;
    rows::touch_tickets(engine, connection, mails, &decided).await?;
    rows::note_contacts(engine, connection, mails, &decided).await?;
    let tickets = link_tickets(engine, connection, mails, &decided).await?;
    let articles = rows::insert_articles(engine, connection, mails, &decided, &tickets).await?;
    rows::insert_files(engine, connection, mails, &articles).await?;
    let mut filed: Vec<Filed> = decided
        .iter()
        .zip(tickets.iter().zip(&articles))
        .map(|(decided, ((ticket, number), article))| Filed {
            ticket: *ticket,
            number: number.clone(),
            article: *article,
            contact: decided.own_contact(),
            rule: decided.place.word(),
            is_new_ticket: decided.place.ticket().is_none(),
            is_repeat: false,
            acknowledged: None,
        })
        .collect();
    rows::note_mails(engine, connection, mails, &filed).await?;
    due::note_waiting(engine, connection, mails, &decided, &tickets).await?;
    outbox::note_bad_addresses(engine, connection, mails, &filed).await?;
    outbox::acknowledge(engine, connection, mails, &mut filed).await?;
    Ok(filed)
}

/// Gives each mail that needs a person a contact of its own, unless one by mail waits or is worked on for
/// its ticket already: then that one shows the new article.
async fn decide_contacts(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    places: Vec<Place>,
) -> Result<Vec<Decided>, DatabaseFault> {
    let attached: BTreeSet<TicketId> = places.iter().filter_map(Place::ticket).collect();
    let mut open = find_open_contacts(engine, connection, &attached).await?;
    let mut attend = |mail: &MailToFile, place: &Place| {
        let own = mail.arrival.contact;
        match place.ticket() {
            None => Attendance::Own(own),
            Some(_) if mail.article.origin.is_report() => Attendance::Nobody,
            Some(ticket) => match open.get(&ticket) {
                Some(other) => Attendance::Joins(*other),
                None => {
                    open.insert(ticket, own);
                    Attendance::Own(own)
                }
            },
        }
    };
    let decide = |(mail, place): (&&MailToFile, Place)| Decided {
        attendance: attend(mail, &place),
        place,
    };
    Ok(mails.iter().zip(places).map(decide).collect())
}

/// Key and number of each mail's ticket, opened where it is new.
async fn link_tickets(
    engine: Engine,
    connection: &mut AnyConnection,
    mails: &[&MailToFile],
    decided: &[Decided],
) -> Result<Vec<(TicketId, String)>, DatabaseFault> {
    let wishes: Vec<OpenTicket> = mails
        .iter()
        .zip(decided)
        .filter(|(_, decided)| decided.own_contact().is_some())
        .map(|(mail, decided)| {
            let mut wish = mail.wish.clone();
            if let Some((ticket, rule)) = decided.place.attached() {
                wish.attach_to(ticket, rule);
            }
            wish
        })
        .collect();
    let wishes: BTreeMap<ContactId, &OpenTicket> =
        wishes.iter().map(|wish| (wish.contact, wish)).collect();
    let linked = if wishes.is_empty() {
        BTreeMap::new()
    } else {
        tickets::link(engine, connection, &wishes).await?
    };
    let (mut links, mut told) = (Vec::new(), Vec::with_capacity(mails.len()));
    for (mail, decided) in mails.iter().zip(decided) {
        let of_contact = decided
            .own_contact()
            .and_then(|contact| linked.get(&contact))
            .map(|linked| (linked.ticket, linked.number.clone()));
        let ticket = of_contact
            .or_else(|| decided.place.numbered())
            .ok_or_else(|| {
                DatabaseFault::Unreadable(format!("no ticket for mail {}", mail.arrival.contact))
            })?;
        if let Some((origin, why)) = decided.place.origin() {
            links.push(json!({ "ticket": ticket.0, "origin": origin, "why": why }));
        } else if let (Some((incident, origin)), None) = (&mail.incident, decided.place.ticket()) {
            links.push(json!({
                "ticket": ticket.0,
                "origin": origin,
                "why": Rule::Incident,
                "incident": incident,
                "contact": mail.arrival.contact,
                "at": mail.arrival.at,
            }));
        }
        told.push(ticket);
    }
    rows::note_tickets(engine, connection, links, mails, &told).await?;
    watchers::note(engine, connection, mails, &told).await?;
    Ok(told)
}
