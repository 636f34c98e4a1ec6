//! From the octets of a mail to an article on its ticket.

mod permission;

use super::authentication::Authenticator;
use super::due::DuePlan;
use super::filing::{Arrival, ArticleDraft, Filed, MailIdentity, MailToFile};
use super::letters::Letters;
use super::outbox::bad_addresses;
use super::reader::{self, ReadMail};
use super::tally::{MailTally, Taken};
use super::usher::{MailContact, Usher};
use super::watchers::{participants, watchers_of};
use crate::cms::Caller;
use crate::config::{self, Config, DmarcReject};
use crate::cti::{Claim, Identification, Identifier, mail_key};
use crate::database::{Database, DatabaseFault, Statement};
use crate::incidents::{Incident, Incidents};
use crate::tickets::{Grade, Kind, OpenTicket, TicketWish, Tickets};
use bytes::Bytes;
use permission::remember;
use rand::Rng as _;
use ringdown_email::EmailAddress;
use ringdown_email::authentication::{Policy, Verdict};
use ringdown_email::automatic::{
    LoopBounds, LoopGuard, Origin, OwnAddresses, ReturnPath, classify,
};
use ringdown_email::reading::mail::{Limits, Mail};
use ringdown_email::rules::{self, Explanation, Facts, Rule, Standing, Treatment};
use ringdown_email::threading::{self, Clue, ReopenRule, ThreadingKey, TicketHook};
use ringdown_routing::contact::Channel;
use ringdown_routing::event::IdentifiedAs;
use ringdown_routing::ids::{CiId, ContactId, QueueId};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// Takes mails in; clones share it.
#[derive(Clone, Debug)]
pub struct Intake {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: Database,
    config: Config,
    tickets: Tickets,
    identifier: Identifier,
    mailboxes: BTreeMap<String, config::Mailbox>,
    own: OwnAddresses,
    rules: Vec<Rule>,
    limits: Limits,
    hook: TicketHook,
    key: ThreadingKey,
    survey_key: OnceCell<ThreadingKey>,
    reopen: ReopenRule,
    authenticator: Authenticator,
    dmarc_reject: DmarcReject,
    letters: Arc<Letters>,
    tally: MailTally,
    /// Whether there is a smarthost to send by.
    sends: bool,
    puts_spam_aside: bool,
    /// What came lately, so that nothing is answered that comes faster than people write.
    guard: Mutex<LoopGuard>,
    /// Octets of mails that may be held at one time.
    room: Semaphore,
    room_bytes: u32,
    /// `None` where no desk runs, as in `ringdown mail`.
    usher: Option<Usher>,
    /// The major incidents that senders are told of.
    incidents: OnceLock<Arc<Incidents>>,
}

/// One delivery to one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailArrival {
    /// The mailbox, by its key.
    pub mailbox: String,
    /// The envelope's sender.
    pub return_path: ReturnPath,
    /// The recipient as the envelope has it.
    pub to: String,
    /// Where it came from: an address, or a word.
    pub peer: String,
    /// Whether that is a mail server of the site, whose word is believed.
    pub is_relay: bool,
    /// The client, where the mail came straight from it by SMTP: only then SPF can be told.
    pub client: Option<SmtpClient>,
    /// When.
    pub at: Timestamp,
}

/// Who handed a mail in at the SMTP door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpClient {
    /// Its address.
    pub address: IpAddr,
    /// The name it gave itself (HELO, EHLO).
    pub helo: String,
}

impl MailArrival {
    /// The envelope's sender as text; empty for a bounce, and when nobody said.
    pub(super) fn envelope_from(&self) -> &str {
        match &self.return_path {
            ReturnPath::Address(address) => address.as_str(),
            ReturnPath::Null | ReturnPath::Unknown => "",
        }
    }
}

/// Why a mail was not taken in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IntakeFault {
    /// No mailbox has that key.
    #[error("there is no mailbox `{0}`")]
    UnknownMailbox(String),
    /// It could not be stored. Even what the store refuses is worth keeping at the sender: the mail is good,
    /// the fault is ours.
    #[error(transparent)]
    Unstored(#[from] DatabaseFault),
    /// Its author's domain wants such mail rejected, and the configuration follows it.
    #[error("{0}")]
    Unauthenticated(String),
}

/// Who a mail is from, as far as the desk knows.
struct Sender {
    identification: Identification,
    outcome: IdentifiedAs,
    verdict: Verdict,
    origin: Origin,
    /// Whether an agent said that mails of this address are spam, and the CMS knows nobody who has it.
    is_listed: bool,
}

impl Sender {
    fn standing(&self) -> Standing {
        match self.outcome {
            IdentifiedAs::Known => Standing::Known,
            IdentifiedAs::Claimed => Standing::Claimed,
            IdentifiedAs::Ambiguous | IdentifiedAs::Unknown | IdentifiedAs::Unavailable => {
                Standing::Unknown
            }
        }
    }
}

/// What would become of a mail, and why.
#[derive(Clone, Debug, Serialize)]
pub struct MailExplanation {
    /// Who it says it is from.
    pub from: String,
    /// What kind of sender that is.
    pub origin: Origin,
    /// What the desk knows of the sender.
    pub standing: Standing,
    /// Whether the sender is who the mail says, and the evidence.
    pub authentication: Verdict,
    /// What in it may name a ticket, the strongest first.
    pub clues: Vec<Clue>,
    /// What each rule does about it.
    pub rules: Vec<Explanation>,
    /// The line it would stand in.
    pub queue: QueueId,
    /// What was strange about it.
    pub faults: Vec<ringdown_email::Fault>,
}

impl Intake {
    /// An intake for the configured mailboxes; with an usher their contacts are brought in at once, else by the
    /// next gateway that looks.
    pub(crate) async fn open(
        database: &Database,
        tickets: Tickets,
        identifier: Identifier,
        config: &Config,
        usher: Option<Usher>,
        now: Timestamp,
    ) -> Result<Self, DatabaseFault> {
        let email = &config.email;
        let room_bytes = email.reading_bytes_max.max(1);
        let key = ThreadingKey::new(shared_secret(database, "threading").await?);
        let bounds = LoopBounds {
            acknowledgement_window: email.acknowledgement_window,
            ..LoopBounds::default()
        };
        let mailboxes = config.mailboxes.iter();
        let addresses = config.mailboxes.iter().flat_map(config::Mailbox::addresses);
        let addresses = addresses.filter_map(|address| EmailAddress::parse(&address.to_string()));
        Ok(Self {
            shared: Arc::new(Shared {
                database: database.clone(),
                config: config.clone(),
                tickets,
                identifier,
                mailboxes: mailboxes.map(|it| (it.key(), it.clone())).collect(),
                own: OwnAddresses {
                    mailboxes: addresses.collect(),
                    separator: Some('+'),
                },
                rules: email.rules.clone(),
                limits: Limits {
                    raw_bytes_max: usize::try_from(email.mail_bytes_max).unwrap_or(usize::MAX),
                    ..Limits::default()
                },
                hook: TicketHook {
                    before: format!("{}-", config.tickets.prefix),
                    after: String::new(),
                },
                letters: Arc::new(Letters::new(config, key.clone())),
                tally: MailTally::default(),
                sends: email.smarthost.is_some(),
                puts_spam_aside: email.spam_senders_aside,
                guard: Mutex::new(remember(database, bounds, now).await?),
                key,
                survey_key: OnceCell::new(),
                reopen: ReopenRule {
                    reopen_within: email.reopen_max,
                },
                authenticator: Authenticator::new(email, &super::door::host(config)),
                dmarc_reject: email.dmarc_reject,
                room: Semaphore::new(usize::try_from(room_bytes).unwrap_or(usize::MAX)),
                room_bytes,
                usher,
                incidents: OnceLock::new(),
            }),
        })
    }

    /// From now on mails that open a ticket are attached to the major incident that concerns them.
    pub(crate) fn watch(&self, incidents: Arc<Incidents>) {
        if self.shared.incidents.set(incidents).is_err() {
            tracing::debug!("the mail intake knows the major incidents already");
        }
    }

    /// The incident that a person's mail into a line may be about, as it is for callers; whether the sender has
    /// a service counts only where nobody else can have written it.
    fn incident_of(
        &self,
        arrived: &Arrival,
        mailbox: &config::Mailbox,
        origin: Origin,
        known: Option<&Caller>,
    ) -> Option<Arc<Incident>> {
        if origin != Origin::Person || arrived.is_spam {
            return None;
        }
        let known = known.filter(|_| arrived.outcome == IdentifiedAs::Known);
        let cis = known.map_or(&[][..], |caller| &caller.cis);
        let has = |service: &CiId| cis.iter().any(|ci| ci.id == *service);
        let address = mailbox.address.to_string();
        let incidents = self.shared.incidents.get()?;
        incidents.concerning(&arrived.queue, &address, has, arrived.at)
    }

    /// An intake beside no desk, as in `ringdown mail`: a gateway that runs brings the contacts into their lines.
    pub async fn without_desk(
        database: &Database,
        tickets: Tickets,
        identifier: Identifier,
        config: &Config,
        now: Timestamp,
    ) -> Result<Self, DatabaseFault> {
        Self::open(database, tickets, identifier, config, None, now).await
    }

    /// Tells what would become of a mail, and changes nothing.
    pub async fn explain(
        &self,
        arrival: &MailArrival,
        raw: Bytes,
    ) -> Result<MailExplanation, IntakeFault> {
        let mailbox = self.mailbox(arrival)?;
        let read = self.read(raw).await;
        let sender = self.identify(arrival, &read).await;
        let treatment = self.treatment(mailbox, &read.mail, &sender);
        let address = mailbox_address(mailbox);
        let facts = facts_of(&read.mail, &address, &sender);
        Ok(MailExplanation {
            from: told_from(arrival, &read.mail),
            origin: sender.origin,
            standing: sender.standing(),
            authentication: sender.verdict.clone(),
            clues: self.clues(arrival, &read.mail),
            rules: rules::explain(&self.shared.rules, &facts),
            queue: treatment.queue.unwrap_or_else(|| mailbox.queue.clone()),
            faults: read.mail.faults.clone(),
        })
    }

    /// Waits until there is room to hold a mail of so many octets; whoever loads one does this first.
    pub async fn room_for(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        // The mail itself, and what is unwrapped from it at one time: texts, and a piece of an attachment.
        let beside = bytes.min(READ_BESIDE_BYTES_MAX);
        let wanted = bytes.saturating_add(beside).min(self.shared.room_bytes);
        self.shared.room.acquire_many(wanted).await.ok()
    }

    /// Reads a mail again that was taken in before.
    pub(super) async fn reread(&self, raw: Bytes) -> Mail {
        self.read(raw).await.mail
    }

    /// Whether an address is one of the desk's.
    pub(super) fn is_own(&self, address: &EmailAddress) -> bool {
        self.shared.own.has(address)
    }

    /// The desk's own addresses.
    pub(super) fn own(&self) -> &OwnAddresses {
        &self.shared.own
    }

    /// What signs the links to the question how it went.
    pub(super) async fn survey_key(&self) -> Result<ThreadingKey, DatabaseFault> {
        let known = self.shared.survey_key.get_or_try_init(|| async {
            let secret = shared_secret(&self.shared.database, "survey").await?;
            Ok::<_, DatabaseFault>(ThreadingKey::new(secret))
        });
        known.await.cloned()
    }

    /// Who writes what the desk sends.
    pub(super) fn letters(&self) -> &Letters {
        &self.shared.letters
    }

    /// Takes a mail in; when this returns well, it is committed.
    pub async fn take(&self, arrival: MailArrival, raw: Bytes) -> Result<Filed, IntakeFault> {
        let filed = self.file(arrival, raw).await;
        self.shared.tally.count_taken(match &filed {
            Ok(filed) if filed.is_repeat => Taken::Repeated,
            Ok(filed) if filed.is_new_ticket => Taken::Opened,
            Ok(_) => Taken::Joined,
            Err(IntakeFault::UnknownMailbox(_)) => Taken::Unknown,
            Err(IntakeFault::Unauthenticated(_)) => Taken::Refused,
            Err(IntakeFault::Unstored(_)) => Taken::Unstored,
        });
        filed
    }

    /// What this and the other parts of mail have done.
    pub(crate) fn tally(&self) -> &MailTally {
        &self.shared.tally
    }

    async fn file(&self, arrival: MailArrival, raw: Bytes) -> Result<Filed, IntakeFault> {
        let shared = &self.shared;
        let mailbox = self.mailbox(&arrival)?;
        let read = self.read(raw).await;
        let sender = self.identify(&arrival, &read).await;
        if shared.dmarc_reject == DmarcReject::Refuse
            && arrival.client.is_some()
            && sender.verdict.policy == Some(Policy::Reject)
        {
            return Err(IntakeFault::Unauthenticated(sender.verdict.reason));
        }
        let to_file = self.prepare(&arrival, mailbox, read, sender);
        let (contact, from) = (to_file.arrival.clone(), to_file.sender.address.clone());
        let is_bounce = to_file.article.origin == Origin::Bounce;
        let is_permanent = !to_file.bad_addresses.is_empty();
        let filed = shared.database.file_mail(to_file).await?;
        shared.tally.count_acknowledgement(&filed);
        if is_bounce {
            shared.tally.count_bounce(&filed, is_permanent);
        }
        if let Some(from) = from.filter(|_| !filed.is_repeat) {
            self.guard().count(contact.at, &from, filed.ticket);
        }
        if let Some(usher) = &shared.usher
            && filed.contact.is_some()
            && !filed.is_repeat
        {
            usher.bring_in(&MailContact::new(contact, &filed)).await;
        }
        Ok(filed)
    }

    fn mailbox(&self, arrival: &MailArrival) -> Result<&config::Mailbox, IntakeFault> {
        let found = self.shared.mailboxes.get(&arrival.mailbox);
        found.ok_or_else(|| IntakeFault::UnknownMailbox(arrival.mailbox.clone()))
    }

    fn clues(&self, arrival: &MailArrival, mail: &Mail) -> Vec<Clue> {
        let shared = &self.shared;
        let to: Vec<EmailAddress> = EmailAddress::parse(&arrival.to).into_iter().collect();
        threading::clues(mail, &to, &shared.own, &shared.hook, &shared.key)
    }

    fn guard(&self) -> MutexGuard<'_, LoopGuard> {
        let guard = self.shared.guard.lock();
        guard.unwrap_or_else(PoisonError::into_inner)
    }

    /// What the first rule that matches says.
    fn treatment(&self, mailbox: &config::Mailbox, mail: &Mail, sender: &Sender) -> Treatment {
        let address = mailbox_address(mailbox);
        let facts = facts_of(mail, &address, sender);
        let rule = rules::first_match(&self.shared.rules, &facts);
        rule.map_or_else(Treatment::default, |rule| rule.then.clone())
    }

    /// Reads a mail, beside the other tasks when that takes long.
    async fn read(&self, raw: Bytes) -> ReadMail {
        let limits = self.shared.limits;
        if raw.len() <= READ_AT_ONCE_BYTES_MAX {
            return reader::read(raw, &limits);
        }
        match tokio::task::spawn_blocking(move || reader::read(raw, &limits)).await {
            Ok(read) => read,
            // The reader catches its own panics, and nobody cancels it.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Finds out who wrote it, while the DNS is asked whether that is so.
    async fn identify(&self, arrival: &MailArrival, read: &ReadMail) -> Sender {
        let (mail, authenticator) = (&read.mail, &self.shared.authenticator);
        let (verdict, identification) = tokio::join!(
            authenticator.verify(&read.octets, mail, arrival),
            self.look_up(mail)
        );
        let outcome = match identification.outcome() {
            IdentifiedAs::Known if !verdict.is_confirmed() => IdentifiedAs::Claimed,
            outcome @ (IdentifiedAs::Known
            | IdentifiedAs::Claimed
            | IdentifiedAs::Ambiguous
            | IdentifiedAs::Unknown
            | IdentifiedAs::Unavailable) => outcome,
        };
        let is_listed = match outcome {
            IdentifiedAs::Unknown => self.is_listed(mail).await,
            // Fail toward the customer: what the CMS knows or could not tell is not put aside.
            IdentifiedAs::Known
            | IdentifiedAs::Claimed
            | IdentifiedAs::Ambiguous
            | IdentifiedAs::Unavailable => false,
        };
        Sender {
            identification,
            outcome,
            verdict,
            origin: classify(mail, &arrival.return_path, &self.shared.own),
            is_listed,
        }
    }

    async fn look_up(&self, mail: &Mail) -> Identification {
        let Some(from) = &mail.from else {
            return Identification::Unknown;
        };
        let claim = Claim::of_mail(from.email.as_str());
        self.shared.identifier.identify(&claim).await
    }

    /// Whether the sender's mails are put aside; a database that cannot be read puts nothing aside.
    async fn is_listed(&self, mail: &Mail) -> bool {
        let from = mail.from.as_ref();
        let Some(address) = from.and_then(|from| mail_key(from.email.as_str())) else {
            return false;
        };
        if !self.shared.puts_spam_aside {
            return false;
        }
        let found: Result<Option<(String,)>, sqlx::Error> =
            sqlx::query_as("SELECT address FROM spam_senders WHERE address = $1")
                .bind(address)
                .fetch_optional(self.shared.database.reads())
                .await;
        found.is_ok_and(|found| found.is_some())
    }

    fn prepare(
        &self,
        arrival: &MailArrival,
        mailbox: &config::Mailbox,
        read: ReadMail,
        sender: Sender,
    ) -> MailToFile {
        let shared = &self.shared;
        let mail = &read.mail;
        let treatment = self.treatment(mailbox, mail, &sender);
        let queue = treatment
            .queue
            .clone()
            .unwrap_or_else(|| mailbox.queue.clone());
        let address = mail
            .from
            .as_ref()
            .map_or(arrival.envelope_from(), |from| from.email.as_str());
        let known = sender.identification.known();
        let organisation = known.and_then(|caller| caller.organisation.as_ref());
        let organisation = organisation.map(|organisation| organisation.id.clone());
        let class = known
            .filter(|_| sender.outcome == IdentifiedAs::Known)
            .and_then(|caller| caller.class);
        let arrived = Arrival {
            contact: mint_contact(arrival.at),
            at: arrival.at,
            from: address.to_owned(),
            to: arrival.to.clone(),
            mailbox: arrival.mailbox.clone(),
            queue,
            outcome: sender.outcome,
            caller: sender.identification.caller_id(),
            class,
            is_spam: treatment.spam.unwrap_or(sender.is_listed),
        };
        let incident = self.incident_of(&arrived, mailbox, sender.origin, known.map(|it| &**it));
        let mut acknowledgement = self.acknowledgement(
            &arrived,
            mailbox,
            mail,
            &treatment,
            &arrival.return_path,
            known.map(|it| &**it),
        );
        if let (Ok(due), Some(incident)) = (&mut acknowledgement, &incident) {
            due.incident = Some((
                incident.service_name.clone(),
                incident.ticket_number.clone(),
            ));
        }
        let trust = (sender.origin, sender.verdict.judgement);
        let watchers = match arrived.is_spam {
            true => Vec::new(),
            false => watchers_of(mail, &treatment, trust, &shared.own),
        };
        if let Ok(due) = &mut acknowledgement
            && shared.config.email.acknowledge_watchers
        {
            due.cc.clone_from(&watchers);
        }
        MailToFile {
            watchers,
            identity: MailIdentity {
                mailbox: arrival.mailbox.clone(),
                message_id: mail
                    .message_id
                    .as_ref()
                    .map_or(String::new(), ToString::to_string),
                body_sha256: read.body_sha256.clone(),
            },
            envelope_from: arrival.envelope_from().to_owned(),
            envelope_to: arrival.to.clone(),
            peer: arrival.peer.clone(),
            article: article_of(arrival, &read, &sender),
            clues: self.clues(arrival, mail),
            number_prefix: shared.hook.before.clone(),
            sender: threading::Sender {
                address: mail.from.as_ref().map(|from| from.email.clone()),
                organisation: organisation.clone(),
                authentication: sender.verdict.judgement,
                origin: sender.origin,
            },
            caller: known.map(|caller| caller.id.clone()),
            participants: participants(mail, &treatment),
            wish: self.wish(&arrived, mailbox, &read, &treatment, known.map(|it| &**it)),
            acknowledgement,
            incident: incident.map(|incident| (incident.id.clone(), incident.ticket)),
            letters: Arc::clone(&shared.letters),
            due: DuePlan::of(&shared.config, &arrived.queue, arrived.at),
            bad_addresses: bad_addresses(mail.report.as_ref()),
            reopen: shared.reopen,
            node: shared.usher.as_ref().map(|usher| usher.node().clone()),
            arrival: arrived,
            raw: read.raw,
            attachments: read.attachments,
        }
    }

    /// The ticket, if the mail needs one of its own.
    fn wish(
        &self,
        arrived: &Arrival,
        mailbox: &config::Mailbox,
        read: &ReadMail,
        treatment: &Treatment,
        known: Option<&Caller>,
    ) -> OpenTicket {
        let organisation = known.and_then(|caller| caller.organisation.as_ref());
        let wish = TicketWish {
            contact: arrived.contact,
            at: arrived.at,
            channel: Channel::Email,
            from: arrived.from.clone(),
            queue: Some(arrived.queue.clone()),
            caller: known.map(|caller| caller.id.clone()),
            organisation: organisation.map(|organisation| organisation.id.clone()),
            class: arrived.class,
            cis: known
                .filter(|caller| caller.cis.len() == 1)
                .map(|caller| caller.cis.iter().map(|ci| ci.id.clone()).collect())
                .unwrap_or_default(),
            keyed_in: None,
            kind: match treatment.kind {
                Some(rules::Kind::Incident) => Kind::Incident,
                Some(rules::Kind::ServiceRequest) => Kind::ServiceRequest,
                None => mailbox.kind,
            },
            subject: ticket_subject(read),
        };
        let tickets = &self.shared.tickets;
        let mut wish = tickets.wish_for(wish);
        let grade = |grade: Option<rules::Grade>| Grade::try_from(u8::from(grade?)).ok();
        tickets.grade(&mut wish, grade(treatment.impact), grade(treatment.urgency));
        wish
    }
}

fn facts_of<'a>(mail: &'a Mail, mailbox: &'a EmailAddress, sender: &'a Sender) -> Facts<'a> {
    Facts {
        mail,
        mailbox,
        origin: sender.origin,
        standing: sender.standing(),
        verdict: &sender.verdict,
    }
}

#[expect(
    clippy::expect_used,
    reason = "two readers of the same standard agree on it"
)]
fn mailbox_address(mailbox: &config::Mailbox) -> EmailAddress {
    EmailAddress::parse(&mailbox.address.to_string()).expect("a configured address is an address")
}

/// A secret of the desk, made when it is first wanted; the same on every node.
async fn shared_secret(database: &Database, name: &'static str) -> Result<String, DatabaseFault> {
    let new = format!(
        "{:032x}{:032x}",
        rand::rng().random::<u128>(),
        rand::rng().random::<u128>()
    );
    let make = Statement::new(
        "INSERT INTO secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        vec![name.into(), new.into()],
    );
    database.write(vec![make]).await?;
    let (secret,): (String,) = sqlx::query_as("SELECT secret FROM secrets WHERE name = $1")
        .bind(name)
        .fetch_one(database.reads())
        .await?;
    Ok(secret)
}

fn told_from(arrival: &MailArrival, mail: &Mail) -> String {
    mail.from
        .as_ref()
        .map_or(arrival.envelope_from().to_owned(), ToString::to_string)
}

fn article_of(arrival: &MailArrival, read: &ReadMail, sender: &Sender) -> ArticleDraft {
    let mail = &read.mail;
    let told = |people: &[ringdown_email::Mailbox]| -> Vec<String> {
        people.iter().map(ToString::to_string).collect()
    };
    let to = told(&mail.to);
    let mut facts = json!({
        "identified": sender.outcome,
        "authentication": sender.verdict,
        "cc": told(&mail.cc),
    });
    if read.is_hostile {
        facts["hostile"] = true.into();
    }
    if !mail.faults.is_empty() {
        facts["faults"] = json!(mail.faults);
    }
    if let Some(report) = &mail.report {
        facts["report"] = json!(report);
    }
    if mail.remote_loads > 0 {
        facts["remote_loads"] = mail.remote_loads.into();
    }
    ArticleDraft {
        from: told_from(arrival, mail),
        to: if to.is_empty() {
            arrival.to.clone()
        } else {
            to.join(", ")
        },
        subject: mail.subject.clone(),
        text: mail.text.clone(),
        text_new: mail.text_new(),
        html: mail.html_safe.clone(),
        in_reply_to: mail.in_reply_to.first().map(ToString::to_string),
        origin: sender.origin,
        facts,
    }
}

/// What a ticket is called that a mail opens: its subject, else its first words.
fn ticket_subject(read: &ReadMail) -> String {
    let subject = read.mail.subject.trim();
    let first_line = read
        .mail
        .text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty());
    let words = if subject.is_empty() {
        first_line.unwrap_or("(a mail without words)")
    } else {
        subject
    };
    words.chars().take(SUBJECT_LETTERS_MAX).collect()
}

/// A mail's contact. Its lowest eight bits name no shard of the signalling, of which there are at most 255;
/// see `House::mint_contact`.
pub(super) fn mint_contact(at: Timestamp) -> ContactId {
    ContactId::new(at, rand::rng().random::<u128>() | 0xff)
}

/// Most octets of a mail that is read without leaving the task: some 100 microseconds.
const READ_AT_ONCE_BYTES_MAX: usize = 64 * 1_024;

/// Most octets that reading holds beside the mail: its texts (`Limits::text_bytes_max`, `html_bytes_max`) in their
/// forms, an opened container of Outlook (`Limits::tnef_bytes_max`), one piece of an attachment.
const READ_BESIDE_BYTES_MAX: u32 = 16 * 1_024 * 1_024;

/// Most letters of a ticket's subject.
const SUBJECT_LETTERS_MAX: usize = 500;
