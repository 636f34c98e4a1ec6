//! An agent's answer as a letter: to whom, in which thread, what it quotes.

use super::copies::GoesTo;
use super::deed::{Command, Done, LetterKind, LetterToSend, Recipient, find_bad};
use super::notes::Told;
use super::orders::{Act, Order};
use super::{Afterwards, Ending, Held, MailWork, WorkFault};
use crate::config::Language;
use crate::cti::mail_key;
use crate::database::DatabaseFault;
use crate::mail::due::WaitingEnd;
use crate::mail::letters::{LetterPlan, Words};
use crate::tickets::{Ticket, TicketStatus};
use bytes::Bytes;
use ringdown_email::automatic::ReturnPath;
use ringdown_email::composing::{LetterFile, Occasion, Speaker, Thread, quote};
use ringdown_email::reading::language::Language as Spoken;
use ringdown_email::{EmailAddress, Mail, Mailbox};
use ringdown_routing::ids::{AgentId, ContactId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

/// What an agent answers.
#[derive(Clone, Debug)]
pub(crate) struct AnswerWish {
    /// What they write.
    pub(crate) text: String,
    /// The same as HTML; made of the text when not given.
    pub(crate) html: Option<String>,
    /// To whom; the sender of the mail that is answered when not given.
    pub(crate) to: Option<Vec<EmailAddress>>,
    /// Who gets a copy; those in copy of that mail who take part in the ticket, and its watchers, when not given.
    pub(crate) cc: Option<Vec<EmailAddress>>,
    /// Files that go with it, by the ids of their uploads.
    pub(crate) files: Vec<String>,
    /// Whether the ticket ends with it, and how.
    pub(crate) ending: Option<Ending>,
    /// Makes the Message-ID, so that the same request has the same.
    pub(crate) key: u128,
}

/// An answer that is on its ticket and in the outbox.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answered {
    /// Which contact.
    pub(crate) contact: ContactId,
    /// Its ticket.
    pub(crate) ticket: TicketId,
    /// The answer's own, in angle brackets.
    pub(crate) message_id: String,
    /// Who gets it.
    pub(crate) to: Vec<String>,
    /// Who gets a copy.
    pub(crate) cc: Vec<String>,
    /// What the contact is now.
    pub(crate) state: Afterwards,
}

/// The mail that is answered.
pub(super) struct Asked {
    pub(super) mail: Mail,
    pub(super) mailbox: String,
    at: Timestamp,
    envelope_from: String,
    /// Whether a machine wrote it, and no person wrote to the ticket.
    is_automatic: bool,
}

impl Asked {
    /// What the envelope said of its sender; of a machine's mail that nothing may answer it by itself.
    pub(super) fn return_path(&self) -> ReturnPath {
        if self.is_automatic {
            return ReturnPath::Null;
        }
        EmailAddress::parse(&self.envelope_from).map_or(ReturnPath::Unknown, ReturnPath::Address)
    }
}

impl MailWork {
    /// Answers the mail; when this returns well, the answer is on the ticket and in the outbox.
    pub(crate) async fn answer(
        &self,
        held: &Held,
        wish: AnswerWish,
    ) -> Result<Answered, WorkFault> {
        let shared = &self.shared;
        if shared.config.email.smarthost.is_none() {
            let sentence = "nothing can be sent: `[email.smarthost]` is missing";
            return Err(WorkFault::NotNow(sentence.to_owned()));
        }
        let ticket = shared.tickets.ticket(held.ticket).await?;
        let ticket =
            ticket.ok_or_else(|| WorkFault::Unknown(format!("no ticket {}", held.ticket)))?;
        let asked = self.asked(held, &ticket).await?;
        let (to, cc) = self.receivers(held, &wish, asked.as_ref()).await?;
        let asks = match wish.ending {
            // The answer itself says that it is done.
            Some(_) => self.told_by_rule(held, &[Told::Asks]).await?,
            None => Vec::new(),
        };
        let named = self.named_files(held.contact, &wish.files).await?;
        let letter = self
            .letter(
                held,
                &wish,
                &ticket,
                asked.as_ref(),
                (&to, &cc),
                named.files,
            )
            .await?;
        let message_id = letter.written.message_id.to_string();
        let order = wish.ending.map(|_| Order {
            contact: held.contact,
            act: Act::Complete(held.token),
        });
        let letters = [letter].into_iter().chain(asks).collect();
        let in_progress = (ticket.status == TicketStatus::Open).then_some(TicketStatus::InProgress);
        let command = Command {
            status: wish.ending.map(Ending::status).or(in_progress),
            letters,
            order: order.clone(),
            uploads: named.uploads,
            waiting: Some(self.answered_now(held).await?),
            ..Command::on(held.ticket, self.now())
        };
        let done = shared.database.do_deed(command.into()).await?;
        drop(named.room);
        if let Done::Refused(refused) = done {
            return Err(refused.into());
        }
        let state = match &order {
            Some(order) => self.carry_out(order).await,
            None => Afterwards::Active,
        };
        let told = |people: &[Mailbox]| people.iter().map(ToString::to_string).collect();
        Ok(Answered {
            contact: held.contact,
            ticket: held.ticket,
            message_id,
            to: told(&to),
            cc: told(&cc),
            state,
        })
    }

    /// What a request with this key has become already, when its gateway ended before it could say so.
    pub(crate) async fn answered_before(
        &self,
        contact: ContactId,
        key: u128,
    ) -> Result<Option<(Option<AgentId>, Answered)>, WorkFault> {
        let message_id = format!(
            "<{}@{}>",
            local_part(key),
            self.shared.intake.letters().host()
        );
        let found: Option<(i64, String, Option<String>)> = sqlx::query_as(
            "SELECT ticket, recipient, contact FROM articles WHERE message_id = $1 AND direction = 'out'",
        )
        .bind(message_id.clone())
        .fetch_optional(self.shared.database.reads())
        .await
        .map_err(DatabaseFault::from)?;
        let Some((ticket, recipient, of)) = found else {
            return Ok(None);
        };
        if of.as_deref() != Some(contact.to_string().as_str()) {
            return Ok(None);
        }
        let record = self.record(contact).await?;
        let answered = Answered {
            contact,
            ticket: TicketId::new(u64::try_from(ticket).unwrap_or(0)),
            message_id,
            to: recipient.split(", ").map(str::to_owned).collect(),
            cc: Vec::new(),
            state: match record.ended_at {
                Some(_) => Afterwards::Ended,
                None => Afterwards::Active,
            },
        };
        Ok(Some((record.agent, answered)))
    }

    /// How long the ticket waited for the answer that is given now.
    async fn answered_now(&self, held: &Held) -> Result<WaitingEnd, WorkFault> {
        let since: Option<(i64,)> =
            sqlx::query_as("SELECT since FROM answers_due WHERE ticket = $1 AND state = 'due'")
                .bind(i64::try_from(held.ticket.as_u64()).unwrap_or(i64::MAX))
                .fetch_optional(self.shared.database.reads())
                .await
                .map_err(DatabaseFault::from)?;
        let now = self.now();
        let since = since.map_or(now, |(since,)| Timestamp::from_millis(since));
        let queue = held
            .queue()
            .and_then(|queue| self.shared.config.queue(queue));
        Ok(WaitingEnd::Answered {
            working: queue.map_or(now.since(since), |queue| {
                self.shared.config.open_time(queue, since, now)
            }),
            queue: held.queue().cloned().unwrap_or_else(|| QueueId::from("")),
            agent: held.agent.clone(),
        })
    }

    /// The last mail of a person on the ticket, the contact's own before others; a machine's where no person
    /// wrote. `None` when nobody wrote by mail.
    pub(super) async fn asked(
        &self,
        held: &Held,
        ticket: &Ticket,
    ) -> Result<Option<Asked>, WorkFault> {
        let found: Option<LastMail> = sqlx::query_as(LAST_MAIL)
            .bind(i64::try_from(ticket.id.as_u64()).unwrap_or(i64::MAX))
            .bind(held.contact.to_string())
            .fetch_optional(self.shared.database.reads())
            .await
            .map_err(DatabaseFault::from)?;
        let Some((sha256, mailbox, bytes, at, envelope_from, automatic)) = found else {
            return Ok(None);
        };
        let intake = &self.shared.intake;
        let room = intake.room_for(u64::try_from(bytes).unwrap_or(0)).await;
        let octets = self.octets(&sha256).await?;
        let mail = intake.reread(octets).await;
        drop(room);
        Ok(Some(Asked {
            mail,
            mailbox,
            at: Timestamp::from_millis(at),
            envelope_from,
            is_automatic: automatic.is_some(),
        }))
    }

    pub(super) async fn octets(&self, sha256: &str) -> Result<Bytes, WorkFault> {
        let mut octets = Vec::new();
        for place in 0.. {
            let Some(piece) = self.shared.tickets.piece(sha256, place).await? else {
                break;
            };
            octets.extend(piece);
        }
        Ok(octets.into())
    }

    /// Who gets the answer: nobody twice, never the desk itself, and no address that refused a mail for good.
    async fn receivers(
        &self,
        held: &Held,
        wish: &AnswerWish,
        asked: Option<&Asked>,
    ) -> Result<(Vec<Mailbox>, Vec<Mailbox>), WorkFault> {
        let named = |addresses: &Vec<EmailAddress>| {
            let mailbox = |email: &EmailAddress| Mailbox {
                name: None,
                email: email.clone(),
            };
            addresses.iter().map(mailbox).collect::<Vec<_>>()
        };
        let mail = asked.map(|asked| &asked.mail);
        let to = match &wish.to {
            Some(to) => named(to),
            None => mail
                .and_then(Mail::answer_to)
                .cloned()
                .into_iter()
                .collect(),
        };
        let cc = match &wish.cc {
            Some(cc) => named(cc),
            None => {
                let goes_to = match wish.to {
                    Some(_) => GoesTo::Others,
                    None => GoesTo::Writer,
                };
                self.who_reads_along(held, asked, goes_to).await?
            }
        };
        let mut seen = BTreeSet::new();
        let mut once = |people: Vec<Mailbox>| -> Vec<Mailbox> {
            let is_new = |it: &Mailbox| seen.insert(mail_key(it.email.as_str()));
            people.into_iter().filter(is_new).collect()
        };
        let (to, cc) = (once(to), once(cc));
        if to.is_empty() {
            let sentence = "there is nobody to answer to: give `to`";
            return Err(WorkFault::Unfit(sentence.to_owned()));
        }
        let own = to.iter().chain(&cc);
        if let Some(own) = own
            .into_iter()
            .find(|it| self.shared.intake.is_own(&it.email))
        {
            return Err(WorkFault::Unfit(format!("{} is the desk's own", own.email)));
        }
        self.must_not_bounce(to.iter().chain(&cc)).await?;
        Ok((to, cc))
    }

    async fn must_not_bounce(
        &self,
        people: impl Iterator<Item = &Mailbox>,
    ) -> Result<(), WorkFault> {
        let recipients: Vec<Recipient> = people.filter_map(recipient).collect();
        let database = &self.shared.database;
        let mut connection = database
            .reads()
            .acquire()
            .await
            .map_err(DatabaseFault::from)?;
        let bad = find_bad(database.engine(), &mut connection, &recipients).await?;
        match bad.first() {
            Some(address) => Err(WorkFault::Unfit(format!(
                "{address} has refused our mail for good: give another `to`"
            ))),
            None => Ok(()),
        }
    }

    async fn letter(
        &self,
        held: &Held,
        wish: &AnswerWish,
        ticket: &Ticket,
        asked: Option<&Asked>,
        (to, cc): (&[Mailbox], &[Mailbox]),
        files: Vec<LetterFile>,
    ) -> Result<LetterToSend, WorkFault> {
        let shared = &self.shared;
        let via = held.record.via.clone().unwrap_or_default();
        let mailbox = asked.map_or(via, |asked| asked.mailbox.clone());
        let queue = held.record.queue.clone();
        let queue =
            queue.ok_or_else(|| WorkFault::NotNow("the contact has no queue".to_owned()))?;
        let language = self.language(held, &mailbox).await?;
        let letters = shared.intake.letters();
        let spoken = letters.language_of(language.as_deref()).to_owned();
        let words = Words {
            body: wish.text.clone(),
            html: wish.html.as_deref().map(ringdown_email::reading::safe_html),
            signature: self.signature(held),
            agent: self.agent_name(held),
            quote: asked.map_or(String::new(), |asked| self.quote(asked, &spoken)),
            link: String::new(),
            notice: String::new(),
        };
        let written = letters.write(LetterPlan {
            occasion: Occasion::Answer,
            speaker: Speaker::Person,
            ticket: ticket.id,
            number: ticket.number.clone(),
            subject: plain_subject(&ticket.subject, &ticket.number),
            mailbox: mailbox.clone(),
            queue,
            language,
            to: to.to_vec(),
            cc: cc.to_vec(),
            thread: asked.map_or_else(Thread::default, |asked| Thread::answering(&asked.mail)),
            id: local_part(wish.key),
            at: self.now(),
            words,
            files,
        });
        let written = written.map_err(|fault| WorkFault::Unfit(fault.to_string()))?;
        let told = |people: &[Mailbox]| -> Vec<String> {
            people.iter().map(ToString::to_string).collect()
        };
        Ok(LetterToSend {
            kind: LetterKind::Answer,
            written,
            mailbox,
            contact: held.contact,
            recipients: to.iter().chain(cc).filter_map(recipient).collect(),
            to: told(to).join(", "),
            text_new: wish.text.clone(),
            facts: json!({ "letter": "answer", "agent": held.agent, "cc": told(cc) }),
        })
    }

    /// What the caller speaks, else what the mailbox does.
    pub(super) async fn language(
        &self,
        held: &Held,
        mailbox: &str,
    ) -> Result<Option<String>, WorkFault> {
        let caller = match &held.record.caller {
            Some(caller) => self.shared.cms.caller(caller).await?,
            None => None,
        };
        let spoken = caller.and_then(|caller| caller.language);
        let mailboxes = self.shared.config.mailboxes.iter();
        let of_mailbox = || {
            let mut mailboxes = mailboxes;
            let found = mailboxes.find(|it| it.key() == mailbox)?;
            found.language.clone()
        };
        let spoken = spoken.or_else(of_mailbox);
        Ok(spoken.map(|language: Language| language.as_str().to_owned()))
    }

    fn agent_name(&self, held: &Held) -> String {
        let name = self.shared.acd.read(|view| {
            view.agent(&held.agent)
                .map(|agent| agent.profile.name.clone())
        });
        name.unwrap_or_else(|| held.agent.to_string())
    }

    fn signature(&self, held: &Held) -> String {
        let name = self.agent_name(held);
        let queue = held.record.queue.as_ref();
        let rules = queue.and_then(|queue| self.shared.config.queue(queue));
        let below = rules.map_or("", |queue| queue.mail.signature.as_str());
        [name.as_str(), below].join("\n").trim().to_owned()
    }

    fn quote(&self, asked: &Asked, language: &str) -> String {
        let zone = self.shared.config.site.time_zone.time_zone().clone();
        let at = jiff::Timestamp::from_millisecond(asked.at.as_millis()).unwrap_or_default();
        let date = at.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string();
        quote(&asked.mail, spoken(language), &date)
    }
}

/// An answer's Message-ID before the `@`.
fn local_part(key: u128) -> String {
    format!("answer.{key:032x}")
}

fn recipient(person: &Mailbox) -> Option<Recipient> {
    Some(Recipient {
        address: person.email.as_str().to_owned(),
        key: mail_key(person.email.as_str())?,
    })
}

/// The subject without the marks and "Re:" that the template puts before it.
pub(super) fn plain_subject(subject: &str, number: &str) -> String {
    let mark = format!("[{number}]");
    let mut rest = subject.trim();
    loop {
        let before = rest;
        for start in ["re:", "aw:", "回覆:", "回覆：", mark.as_str()] {
            let head = rest.get(..start.len());
            if head.is_some_and(|head| head.eq_ignore_ascii_case(start)) {
                rest = rest[start.len()..].trim_start();
            }
        }
        if rest == before {
            return rest.to_owned();
        }
    }
}

/// The language a quote is introduced in.
fn spoken(language: &str) -> Spoken {
    let small = language.to_ascii_lowercase();
    match small.split('-').next().unwrap_or("") {
        "zh" if ["zh-cn", "zh-sg", "zh-hans"].contains(&small.as_str()) => {
            Spoken::ChineseSimplified
        }
        "zh" => Spoken::ChineseTraditional,
        "de" => Spoken::German,
        "fr" => Spoken::French,
        "es" => Spoken::Spanish,
        "ja" => Spoken::Japanese,
        "ko" => Spoken::Korean,
        _ => Spoken::English,
    }
}

type LastMail = (String, String, i64, i64, String, Option<String>);

const LAST_MAIL: &str = "\
SELECT m.raw_sha256, m.mailbox, m.bytes, a.at, m.envelope_from, a.automatic FROM articles a JOIN mails m ON m.article = a.id
WHERE a.ticket = $1 AND a.direction = 'in'
ORDER BY CASE WHEN a.automatic IS NULL THEN 0 ELSE 1 END, CASE WHEN a.contact = $2 THEN 0 ELSE 1 END,
    a.at DESC, a.id DESC LIMIT 1";
