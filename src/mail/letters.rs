//! What the desk writes: acknowledgements by itself, answers for its agents, and notes by rule.
//!
//! Everything that an acknowledgement says is known when the mail is filed, but its ticket's number, so it is
//! composed within the transaction, and the same mail always gives the same letter with the same Message-ID.

use super::door::host;
use super::signing::{SignFault, Signers};
use super::watchers::Watcher;
use crate::config::{Config, Language};
use ringdown_email::composing::{
    ComposeFault, Composed, Fill, Letter, LetterFile, LetterText, Occasion, Speaker, Templates,
    Thread,
};
use ringdown_email::threading::{ReplyToken, ThreadingKey};
use ringdown_email::{EmailAddress, Mailbox, MessageId};
use ringdown_routing::ids::{ContactId, QueueId, TicketId};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Writes letters by the configuration.
#[derive(Debug)]
pub(super) struct Letters {
    templates: Templates,
    key: ThreadingKey,
    host: String,
    site: String,
    language: Language,
    senders: BTreeMap<String, Mailbox>,
    signers: Signers,
    queues: BTreeMap<QueueId, BTreeMap<Language, String>>,
    /// A sender gets one acknowledgement in this time.
    pub(super) window: Duration,
}

/// An acknowledgement that is due, but for the ticket's number.
#[derive(Clone, Debug)]
pub(super) struct Acknowledgement {
    /// To whom.
    pub(super) to: Mailbox,
    /// The plain form of the address.
    pub(super) to_key: String,
    /// The mailbox that speaks, by its key.
    pub(super) mailbox: String,
    /// The line the mail waits in.
    pub(super) queue: QueueId,
    /// What the receiver speaks, when that is known.
    pub(super) language: Option<String>,
    /// What the mail was about.
    pub(super) subject: String,
    /// Where the mail stands in its thread.
    pub(super) thread: Thread,
    /// The mail's contact, which makes the letter's id.
    pub(super) contact: ContactId,
    /// When.
    pub(super) at: Timestamp,
    /// Who gets it, too.
    pub(super) cc: Vec<Watcher>,
    /// The service of the major incident that the mail may be about, and the incident's number.
    pub(super) incident: Option<(String, String)>,
}

/// A letter before it is written.
#[derive(Clone, Debug)]
pub(super) struct LetterPlan {
    pub(super) occasion: Occasion,
    pub(super) speaker: Speaker,
    pub(super) ticket: TicketId,
    pub(super) number: String,
    /// What the ticket is about.
    pub(super) subject: String,
    /// The mailbox that speaks, by its key.
    pub(super) mailbox: String,
    pub(super) queue: QueueId,
    /// What the receiver speaks, when that is known.
    pub(super) language: Option<String>,
    pub(super) to: Vec<Mailbox>,
    pub(super) cc: Vec<Mailbox>,
    pub(super) thread: Thread,
    /// What stands before the `@` of its Message-ID; the same for the same letter.
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) words: Words,
    pub(super) files: Vec<LetterFile>,
}

/// What a letter says beyond its template.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    pub(super) body: String,
    /// The body as HTML, safe already; made of the text when not given.
    pub(super) html: Option<String>,
    pub(super) signature: String,
    /// Who writes, when that is a person.
    pub(super) agent: String,
    pub(super) quote: String,
    pub(super) link: String,
    /// What is said before all else, whatever the template is; nothing when empty.
    pub(super) notice: String,
}

/// A letter as it is stored and sent.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) from: Mailbox,
    pub(super) message_id: MessageId,
    pub(super) in_reply_to: Option<MessageId>,
    pub(super) text: LetterText,
    pub(super) composed: Composed,
}

/// Why a letter was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LetterFault {
    /// There is no such mailbox.
    #[error("no mailbox `{0}` speaks")]
    NoSender(String),
    /// Its id or address cannot be made.
    #[error("`{0}` makes no address or Message-ID")]
    Unfit(String),
    /// It cannot be put together.
    #[error(transparent)]
    Compose(#[from] ComposeFault),
    /// It cannot be signed.
    #[error(transparent)]
    Unsigned(#[from] SignFault),
}

impl Letters {
    pub(super) fn new(config: &Config, key: ThreadingKey) -> Self {
        let mailboxes = config.mailboxes.iter();
        let senders = mailboxes.filter_map(|mailbox| {
            let name = [&mailbox.name, &config.site.name]
                .into_iter()
                .find(|name| !name.is_empty());
            let sender = Mailbox {
                name: name.cloned(),
                email: EmailAddress::parse(&mailbox.address.to_string())?,
            };
            Some((mailbox.key(), sender))
        });
        let queues = config.queues.iter();
        let mut templates = Templates::new(config.site.language.as_str());
        config.email.letters.put_into(&mut templates);
        Self {
            templates,
            key,
            host: host(config),
            site: config.site.name.clone(),
            language: config.site.language.clone(),
            senders: senders.collect(),
            signers: Signers::load(&config.email.dkim),
            queues: queues
                .map(|queue| (queue.id.clone(), queue.name.clone()))
                .collect(),
            window: config.email.acknowledgement_window,
        }
    }

    /// Writes an acknowledgement for a ticket, with a copy for those of its watchers who may have one.
    pub(super) fn acknowledge(
        &self,
        due: &Acknowledgement,
        cc: &[&Watcher],
        ticket: TicketId,
        number: &str,
    ) -> Result<Written, LetterFault> {
        let language = self.language_of(due.language.as_deref());
        let notice = due.incident.as_ref();
        let notice = notice.map(|(service, number)| incident_notice(language, service, number));
        self.write(LetterPlan {
            occasion: Occasion::Acknowledgement,
            speaker: Speaker::AutoReplied,
            ticket,
            number: number.to_owned(),
            subject: due.subject.clone(),
            mailbox: due.mailbox.clone(),
            queue: due.queue.clone(),
            language: due.language.clone(),
            to: vec![due.to.clone()],
            cc: cc.iter().map(|watcher| watcher.mailbox.clone()).collect(),
            thread: due.thread.clone(),
            id: format!("ack.{}", due.contact),
            at: due.at,
            words: Words {
                notice: notice.unwrap_or_default(),
                ..Words::default()
            },
            files: Vec::new(),
        })
    }

    /// Writes a letter.
    pub(super) fn write(&self, plan: LetterPlan) -> Result<Written, LetterFault> {
        let sender = self.senders.get(&plan.mailbox);
        let from = sender.ok_or_else(|| LetterFault::NoSender(plan.mailbox.clone()))?;
        let token = ReplyToken::sign(plan.ticket, &self.key);
        let language = self.language_of(plan.language.as_deref());
        let template = self
            .templates
            .get(Some(&plan.queue), language, plan.occasion);
        let fill = self.fill(&plan, from, language, &token);
        let text = match &plan.words.html {
            Some(html) => template.fill_with_html(&fill, html),
            None => template.fill(&fill),
        };
        let text = text.after_notice(&plan.words.notice);
        let id = format!("{}@{}", plan.id, self.host);
        let message_id = MessageId::parse(&id).ok_or(LetterFault::Unfit(id))?;
        let letter = Letter {
            from: from.clone(),
            to: plan.to,
            cc: plan.cc,
            reply_to: Some(self.reply_to(from, &token)?),
            text: text.clone(),
            message_id: message_id.clone(),
            date: plan.at,
            thread: plan.thread.clone(),
            speaker: plan.speaker,
            files: plan.files,
        };
        let mut composed = letter.compose()?;
        composed.bytes = self.signers.sign(&from.email, composed.bytes)?;
        Ok(Written {
            from: from.clone(),
            message_id,
            in_reply_to: plan.thread.in_reply_to,
            text,
            composed,
        })
    }

    /// What stands behind the `@` of Message-IDs.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// What a letter is written in: what its receiver speaks, else what the site does.
    pub(super) fn language_of<'l>(&'l self, spoken: Option<&'l str>) -> &'l str {
        spoken.unwrap_or(self.language.as_str())
    }

    fn fill(&self, plan: &LetterPlan, from: &Mailbox, language: &str, token: &ReplyToken) -> Fill {
        let queue_name = self.queues.get(&plan.queue).and_then(|names| {
            let named = |tag: &&Language| tag.as_str().eq_ignore_ascii_case(language);
            names.keys().find(named).and_then(|tag| names.get(tag))
        });
        let receiver = plan.to.first();
        Fill {
            number: plan.number.clone(),
            mark: format!("[{}]", plan.number),
            subject: plan.subject.clone(),
            name: receiver.and_then(|to| to.name.clone()).unwrap_or_default(),
            agent: plan.words.agent.clone(),
            site: self.site.clone(),
            mailbox: from.email.to_string(),
            queue: queue_name
                .map_or(plan.queue.as_str(), String::as_str)
                .to_owned(),
            marker: token.marker(),
            body: plan.words.body.clone(),
            signature: plan.words.signature.clone(),
            quote: plan.words.quote.clone(),
            link: plan.words.link.clone(),
        }
    }

    /// The mailbox with the ticket's signature in its sub-address.
    fn reply_to(&self, from: &Mailbox, token: &ReplyToken) -> Result<Mailbox, LetterFault> {
        let (local, domain) = (from.email.local(), from.email.domain());
        let address = format!("{local}+{}@{domain}", token.as_str());
        let email = EmailAddress::parse(&address).ok_or(LetterFault::Unfit(address))?;
        Ok(Mailbox {
            name: from.name.clone(),
            email,
        })
    }
}

/// What senders read whose mail came while a service is down.
fn incident_notice(language: &str, service: &str, number: &str) -> String {
    if language.to_ascii_lowercase().starts_with("zh") {
        format!(
            "我們已知「{service}」目前發生問題，正在處理中（{number}）。若您的來信與此有關，您不需再做任何事；若無關，我們會照常回覆您。"
        )
    } else {
        format!(
            "We know of a problem with {service} and are working on it ({number}). If your mail is about it, you need do nothing more; if not, we will answer you as usual."
        )
    }
}
