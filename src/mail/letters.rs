//! What the desk writes by itself: the acknowledgement of a mail that opened a ticket.
//!
//! Everything that a letter says is known when the mail is filed, but its ticket's number, so it is composed
//! within the transaction, and the same mail always gives the same letter with the same Message-ID.

use super::door::host;
use crate::config::{Config, Language};
use ringdown_email::composing::{
    ComposeFault, Composed, Fill, Letter, LetterText, Occasion, Speaker, Templates, Thread,
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
}

/// A letter as it is stored and sent.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) from: Mailbox,
    pub(super) message_id: MessageId,
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
        Self {
            templates: Templates::new(config.site.language.as_str()),
            key,
            host: host(config),
            site: config.site.name.clone(),
            language: config.site.language.clone(),
            senders: senders.collect(),
            queues: queues
                .map(|queue| (queue.id.clone(), queue.name.clone()))
                .collect(),
            window: config.email.acknowledgement_window,
        }
    }

    /// Writes an acknowledgement for a ticket.
    pub(super) fn acknowledge(
        &self,
        due: &Acknowledgement,
        ticket: TicketId,
        number: &str,
    ) -> Result<Written, LetterFault> {
        let sender = self.senders.get(&due.mailbox);
        let from = sender.ok_or_else(|| LetterFault::NoSender(due.mailbox.clone()))?;
        let token = ReplyToken::sign(ticket, &self.key);
        let language = due.language.as_deref().unwrap_or(self.language.as_str());
        let queue_name = self.queues.get(&due.queue).and_then(|names| {
            let named = |tag: &&Language| tag.as_str().eq_ignore_ascii_case(language);
            names.keys().find(named).and_then(|tag| names.get(tag))
        });
        let fill = Fill {
            number: number.to_owned(),
            mark: format!("[{number}]"),
            subject: due.subject.clone(),
            name: due.to.name.clone().unwrap_or_default(),
            site: self.site.clone(),
            queue: queue_name
                .map_or(due.queue.as_str(), String::as_str)
                .to_owned(),
            marker: token.marker(),
            ..Fill::default()
        };
        let template = self
            .templates
            .get(Some(&due.queue), language, Occasion::Acknowledgement);
        let text = template.fill(&fill);
        let id = format!("ack.{}@{}", due.contact, self.host);
        let message_id = MessageId::parse(&id).ok_or(LetterFault::Unfit(id))?;
        let letter = Letter {
            from: from.clone(),
            to: vec![due.to.clone()],
            cc: Vec::new(),
            reply_to: Some(self.reply_to(from, &token)?),
            text: text.clone(),
            message_id: message_id.clone(),
            date: due.at,
            thread: due.thread.clone(),
            speaker: Speaker::AutoReplied,
            files: Vec::new(),
        };
        Ok(Written {
            from: from.clone(),
            message_id,
            text,
            composed: letter.compose()?,
        })
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
