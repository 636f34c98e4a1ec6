//! What mail did and what stands, counted for the operations pages.
//!
//! What is done is counted where it is done; what stands (the outbox, answers that are due) is looked at every
//! [`LOOK_EVERY`], because an answer to `/metrics` must not wait for the database.

use super::filing::Filed;
use crate::acd::Acd;
use crate::database::{Database, DatabaseFault};
use crate::metrics::{Exposition, Metrics};
use ringdown_email::automatic::{Origin, WhyNot};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The counters of mail; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct MailTally {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    taken: BTreeMap<&'static str, u64>,
    sendings: BTreeMap<&'static str, u64>,
    acknowledged: u64,
    /// What was not said, by which letter, why, and the mark that told it.
    silences: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    bounces: BTreeMap<&'static str, u64>,
    /// What the doors refused, by door and reason.
    refusals: BTreeMap<(&'static str, &'static str), u64>,
    /// Access tokens that were asked for, by what came of it.
    renewals: BTreeMap<&'static str, u64>,
    /// Folders of other servers, and whether they can be looked at.
    folders: BTreeMap<String, bool>,
    standing: Standing,
}

/// What stands, and at which instant.
#[derive(Debug, Default)]
struct Standing {
    at: Option<Timestamp>,
    /// Letters by their state, each with the oldest one's instant.
    outbox: Vec<(String, i64, i64)>,
    /// Lines with the answers that are due there, and how many of them are late.
    due: Vec<(String, i64, i64)>,
}

/// What became of a mail that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It opened a ticket.
    Opened,
    /// It went to a ticket that was there.
    Joined,
    /// It had been filed before.
    Repeated,
    /// There is no such mailbox.
    Unknown,
    /// Its author's domain refuses it.
    Refused,
    /// It could not be stored.
    Unstored,
}

/// What became of a letter that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// The smarthost has it.
    Sent,
    /// It is tried again later.
    Delayed,
    /// It is of no use to try again.
    Failed,
}

/// What came of asking for an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// There is one.
    Renewed,
    /// The server gives none.
    Refused,
    /// It could not be asked.
    Failed,
}

/// Why a machine says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nobody wants it to: the mailbox, a rule, or that nothing can be sent at all.
    Unwanted,
    /// What it would answer may be a machine, by this mark.
    LoopGuard(&'static str),
    /// The sender had an acknowledgement within the window.
    Window,
    /// More mails come than people write, of this.
    CircuitBreaker(&'static str),
    /// The address has refused our mail for good.
    BadAddress,
}

impl Silence {
    /// The reason, and the mark that told it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unwanted => ("not_wanted", ""),
            Self::LoopGuard(mark) => ("loop_guard", mark),
            Self::Window => ("window", ""),
            Self::CircuitBreaker(of) => ("circuit_breaker", of),
            Self::BadAddress => ("bad_address", ""),
        }
    }
}

impl From<WhyNot> for Silence {
    fn from(why: WhyNot) -> Self {
        match why {
            WhyNot::Origin(origin) => Self::LoopGuard(mark(origin)),
            WhyNot::NoSender => Self::LoopGuard("no_sender"),
            WhyNot::Hostile => Self::LoopGuard("hostile"),
            WhyNot::AnswersElsewhere => Self::LoopGuard("answers_elsewhere"),
            WhyNot::AlreadyAcknowledged(_) => Self::Window,
            WhyNot::TooManyOfSender => Self::CircuitBreaker("sender"),
            WhyNot::TooManyOnTicket => Self::CircuitBreaker("ticket"),
            WhyNot::TooManySenders => Self::CircuitBreaker("all"),
        }
    }
}

/// The origin as JSON has it.
pub(super) fn mark(origin: Origin) -> &'static str {
    match origin {
        Origin::Person => "person",
        Origin::Own => "own",
        Origin::Bounce => "bounce",
        Origin::Receipt => "receipt",
        Origin::Complaint => "complaint",
        Origin::OutOfOffice => "out_of_office",
        Origin::AutoReply => "auto_reply",
        Origin::Generated => "generated",
        Origin::List => "list",
        Origin::Bulk => "bulk",
        Origin::NoReply => "no_reply",
        Origin::NullSender => "null_sender",
        Origin::Suppressed => "suppressed",
    }
}

impl MailTally {
    pub(super) fn count_taken(&self, taken: Taken) {
        let word = match taken {
            Taken::Opened => "opened",
            Taken::Joined => "joined",
            Taken::Repeated => "duplicate",
            Taken::Unknown => "no_mailbox",
            Taken::Refused => "unauthenticated",
            Taken::Unstored => "not_stored",
        };
        *self.lock().taken.entry(word).or_default() += 1;
    }

    pub(super) fn count_sending(&self, sending: Sending) {
        let word = match sending {
            Sending::Sent => "sent",
            Sending::Delayed => "delayed",
            Sending::Failed => "failed",
        };
        *self.lock().sendings.entry(word).or_default() += 1;
    }

    /// Counts whether a mail that opened a ticket was acknowledged.
    pub(super) fn count_acknowledgement(&self, filed: &Filed) {
        match filed.acknowledged {
            Some(Ok(())) if !filed.is_repeat => self.lock().acknowledged += 1,
            Some(Err(silence)) if !filed.is_repeat => {
                self.count_silence("acknowledgement", silence);
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn count_silence(&self, letter: &'static str, silence: Silence) {
        let (reason, mark) = silence.words();
        let mut shared = self.lock();
        *shared.silences.entry((letter, reason, mark)).or_default() += 1;
    }

    /// Counts a report on the delivery of a mail.
    pub(super) fn count_bounce(&self, filed: &Filed, is_permanent: bool) {
        let word = match (filed.is_repeat, filed.is_new_ticket, is_permanent) {
            (true, _, _) => return,
            (false, true, _) => "not_ours",
            (false, false, true) => "permanent",
            (false, false, false) => "other",
        };
        *self.lock().bounces.entry(word).or_default() += 1;
    }

    pub(super) fn count_refusal(&self, door: &'static str, reason: &'static str) {
        *self.lock().refusals.entry((door, reason)).or_default() += 1;
    }

    pub(super) fn count_renewal(&self, renewal: Renewal) {
        let word = match renewal {
            Renewal::Renewed => "renewed",
            Renewal::Refused => "refused",
            Renewal::Failed => "failed",
        };
        *self.lock().renewals.entry(word).or_default() += 1;
    }

    pub(super) fn note_folder(&self, name: &str, is_well: bool) {
        self.lock().folders.insert(name.to_owned(), is_well);
    }

    /// Has `/metrics` tell it.
    pub(crate) fn show_in(&self, metrics: &Metrics) {
        let tally = self.clone();
        metrics.add(move |out| tally.lock().tell(out));
    }

    /// Looks at what stands until the gateway stops.
    pub(crate) async fn keep(self, database: Database, acd: Acd) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match look(&database, acd.now()).await {
                Ok(standing) => self.lock().standing = standing,
                Err(fault) => tracing::debug!(%fault, "mail: what stands cannot be counted now"),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn tell(&self, out: &mut Exposition) {
        for (word, count) in &self.taken {
            out.counter(
                "ringdown_mails_taken_total",
                "Mails that came in, by what became of them.",
                &[("outcome", word)],
                *count,
            );
        }
        for (word, count) in &self.sendings {
            out.counter(
                "ringdown_letters_sendings_total",
                "Tries to hand a letter to the smarthost, by their outcome.",
                &[("outcome", word)],
                *count,
            );
        }
        out.counter(
            "ringdown_acknowledgements_total",
            "Mails that opened a ticket and whose sender gets an acknowledgement.",
            &[],
            self.acknowledged,
        );
        for ((letter, reason, mark), count) in &self.silences {
            out.counter(
                "ringdown_automatic_letters_suppressed_total",
                "Letters of a machine that were not written, by why; the mark is what told it.",
                &[("letter", letter), ("reason", reason), ("mark", mark)],
                *count,
            );
        }
        for (word, count) in &self.bounces {
            out.counter(
                "ringdown_mail_bounces_total",
                "Reports on the delivery of mails: permanent failures of ours, others of ours, and of mails that are not.",
                &[("kind", word)],
                *count,
            );
        }
        for ((door, reason), count) in &self.refusals {
            out.counter(
                "ringdown_smtp_refusals_total",
                "Replies of the mail doors that refuse something, by why.",
                &[("door", door), ("reason", reason)],
                *count,
            );
        }
        for (word, count) in &self.renewals {
            out.counter(
                "ringdown_mail_token_renewals_total",
                "Access tokens for folders of mail that were asked for, by the outcome.",
                &[("outcome", word)],
                *count,
            );
        }
        for (name, is_well) in &self.folders {
            out.gauge(
                "ringdown_mail_folder_up",
                "Whether a folder that mail is fetched from can be looked at.",
                &[("folder", name.as_str())],
                f64::from(u8::from(*is_well)),
            );
        }
        let Some(at) = self.standing.at else {
            return;
        };
        for (state, count, oldest) in &self.standing.outbox {
            let labels = [("state", state.as_str())];
            out.gauge(
                "ringdown_outbox_letters",
                "Letters in the outbox that are not settled, by recipient.",
                &labels,
                whole(*count),
            );
            let age = at.since(Timestamp::from_millis(*oldest));
            let age = if *count > 0 { age } else { Duration::ZERO };
            out.gauge(
                "ringdown_outbox_oldest_age_seconds",
                "Age of the oldest of them; 0 when there is none.",
                &labels,
                age.as_secs_f64(),
            );
        }
        for (queue, due, late) in &self.standing.due {
            let labels = [("queue", queue.as_str())];
            out.gauge(
                "ringdown_answers_due",
                "Tickets that wait for an answer by mail.",
                &labels,
                whole(*due),
            );
            out.gauge(
                "ringdown_answers_late",
                "Those of them whose due time has passed.",
                &labels,
                whole(*late),
            );
        }
    }
}

async fn look(database: &Database, now: Timestamp) -> Result<Standing, DatabaseFault> {
    let outbox = sqlx::query_as(OUTBOX).fetch_all(database.reads()).await?;
    let due = sqlx::query_as(DUE)
        .bind(now.as_millis())
        .fetch_all(database.reads())
        .await?;
    Ok(Standing {
        at: Some(now),
        outbox,
        due,
    })
}

fn whole(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX))
}

/// How often what stands is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Each state is told also when nothing is in it, so that an alarm sees it go back to 0.
const OUTBOX: &str = "\
SELECT 'waiting', COUNT(*), COALESCE(MIN(at), 0) FROM outbox WHERE state = 'waiting'
UNION ALL SELECT 'sending', COUNT(*), COALESCE(MIN(at), 0) FROM outbox WHERE state = 'sending'";

const DUE: &str = "\
SELECT c.queue, COUNT(*), CAST(SUM(CASE WHEN d.due_at < $1 THEN 1 ELSE 0 END) AS BIGINT)
FROM answers_due d JOIN contacts c ON c.id = d.contact
WHERE d.state = 'due' AND c.queue IS NOT NULL GROUP BY c.queue ORDER BY c.queue";
