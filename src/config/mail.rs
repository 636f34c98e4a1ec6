//! `[email]` and `[[mailbox]]`: the doors of mail, and what each address leads to.

use super::authentication::{DkimKey, DmarcReject, DomainName, name_servers, one_or_more};
use super::imap::ImapFolder;
use super::letters::LetterTemplates;
use super::value::{AddressRange, Language, Secret, millis, seconds};
use crate::tickets::Kind;
use ringdown_email::rules::Rule;
use ringdown_email::smtp::{Address, parse_address};
use ringdown_routing::ids::QueueId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[email]`: the doors mail comes in by, and their bounds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Email {
    /// Address of the SMTP door; closed when not given.
    pub listen: Option<SocketAddr>,
    /// Address of the LMTP door, for a mail server of the site; closed when not given.
    pub lmtp_listen: Option<SocketAddr>,
    /// The name we give ourselves in greetings and Message-IDs; the first mailbox's domain when empty.
    pub host: String,
    /// File of the certificate with its chain (PEM), which STARTTLS shows; no TLS without it.
    pub certificate: Option<PathBuf>,
    /// File of its key (PEM).
    pub key: Option<PathBuf>,
    /// Whether the SMTP door takes mail without TLS.
    pub tls_required: bool,
    /// Mail servers of the site: they send for the whole world, so that no rate holds for them, and their
    /// word about the sender (`authserv_id`) is believed.
    pub relays: Vec<AddressRange>,
    /// The name under which those servers write `Authentication-Results` (RFC 8601); without it nobody's
    /// word is believed but what we look up ourselves.
    pub authserv_id: Option<String>,
    /// Whether SPF, DKIM, DMARC and ARC of mails are looked up in the DNS.
    pub authenticate: bool,
    /// Longest time for that; what is not found by then is `temperror`, and the sender only claimed.
    #[serde(rename = "authenticate_max_ms", deserialize_with = "millis")]
    pub authenticate_max: Duration,
    /// Name servers to ask, `192.0.2.53` or `192.0.2.53:5353`; those of this machine when empty.
    #[serde(deserialize_with = "name_servers")]
    pub resolver: Vec<SocketAddr>,
    /// Domains whose seals (ARC) are trusted: servers of the site's partners that change mails on their way,
    /// such as those of mailing lists.
    pub arc_sealers: Vec<DomainName>,
    /// What becomes of a mail whose author's domain wants such mail rejected (DMARC `p=reject`).
    pub dmarc_reject: DmarcReject,
    /// The keys that sign what we send (DKIM); one table, or several for several domains or kinds of key.
    #[serde(deserialize_with = "one_or_more")]
    pub dkim: Vec<DkimKey>,
    /// Most octets of one mail.
    pub mail_bytes_max: u64,
    /// Most recipients of one mail.
    pub recipients_max: u32,
    /// Most connections at one time.
    pub connections_max: u32,
    /// Most connections at one time from one source.
    pub connections_per_source_max: u32,
    /// Most mails in one minute from one source that is no relay.
    pub mails_per_minute_max: u32,
    /// What becomes of mails, the first rule that matches; what none says is as the mailbox has it.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
    /// Folders of other mail servers, from which mail is fetched.
    #[serde(rename = "imap")]
    pub folders: Vec<ImapFolder>,
    /// Octets of a mail kept in memory while it comes in; above, it goes to a file of `data_dir`.
    pub memory_bytes_max: u32,
    /// Octets of all mails that are being read at one time; a mail waits until there is room.
    pub reading_bytes_max: u32,
    /// How long after its last change a ticket that is over is opened again by a reply; an older one is
    /// followed by a new ticket.
    #[serde(rename = "reopen_max_s", deserialize_with = "seconds")]
    pub reopen_max: Duration,
    /// How what we send goes out; nothing is sent without it.
    pub smarthost: Option<Smarthost>,
    /// Folder of the site's own letters, by occasion, language and queue; those built in where it has none.
    pub templates: Option<PathBuf>,
    /// What was read there.
    #[serde(skip)]
    pub letters: LetterTemplates,
    /// Most octets of the files of one answer together; on the wire they are a third larger.
    pub answer_bytes_max: u64,
    /// A sender gets one acknowledgement in this time.
    #[serde(rename = "acknowledgement_window_s", deserialize_with = "seconds")]
    pub acknowledgement_window: Duration,
    /// Whether those whom a rule makes watchers of a ticket get its acknowledgement too; answers of agents and
    /// the note that it is done they always get.
    pub acknowledge_watchers: bool,
    /// Where people reach this gateway's pages, `https://desk.example`; the question how it went leads there.
    pub survey_url: Option<String>,
    /// How long that question may be answered.
    #[serde(rename = "survey_valid_s", deserialize_with = "seconds")]
    pub survey_valid: Duration,
    /// How long mails stay in the hands of an agent who is not at work any more, or was not back yet after the
    /// gateway started; then they wait in their old places again.
    #[serde(rename = "keep_when_away_s", deserialize_with = "seconds")]
    pub keep_when_away: Duration,
    /// Whether mails of senders whom an agent marked as spam are put aside, unless the CMS knows them.
    pub spam_senders_aside: bool,
    /// How long a mail is tried that the smarthost does not take.
    #[serde(rename = "outbox_age_max_s", deserialize_with = "seconds")]
    pub outbox_age_max: Duration,
    /// Longest silence of a client.
    #[serde(rename = "idle_max_s", deserialize_with = "seconds")]
    pub idle_max: Duration,
    /// Longest time a client waits for its mail to be stored; then it is told to come again.
    #[serde(rename = "storing_max_s", deserialize_with = "seconds")]
    pub storing_max: Duration,
}

impl Default for Email {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the ranges are constants of this file")]
        let loopback = |range: &str| range.parse().expect("a loopback range is a range");
        Self {
            listen: None,
            lmtp_listen: None,
            host: String::new(),
            certificate: None,
            key: None,
            tls_required: false,
            relays: vec![loopback("127.0.0.0/8"), loopback("::1")],
            authserv_id: None,
            authenticate: true,
            authenticate_max: Duration::from_secs(3),
            resolver: Vec::new(),
            arc_sealers: Vec::new(),
            dmarc_reject: DmarcReject::default(),
            dkim: Vec::new(),
            mail_bytes_max: 50 * 1_024 * 1_024,
            recipients_max: 100,
            connections_max: 500,
            connections_per_source_max: 50,
            mails_per_minute_max: 300,
            rules: Vec::new(),
            folders: Vec::new(),
            memory_bytes_max: 256 * 1_024,
            reading_bytes_max: 128 * 1_024 * 1_024,
            reopen_max: Duration::from_secs(14 * 86_400),
            smarthost: None,
            answer_bytes_max: 20 * 1_024 * 1_024,
            templates: None,
            letters: LetterTemplates::default(),
            acknowledgement_window: Duration::from_secs(3_600),
            acknowledge_watchers: false,
            survey_url: None,
            survey_valid: Duration::from_secs(14 * 86_400),
            keep_when_away: Duration::from_secs(900),
            spam_senders_aside: true,
            outbox_age_max: Duration::from_secs(2 * 86_400),
            idle_max: Duration::from_secs(300),
            storing_max: Duration::from_secs(30),
        }
    }
}

/// `[email.smarthost]`: the mail server that takes what we send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smarthost {
    /// Its name or address; with TLS its certificate must be of this name.
    pub host: String,
    /// Its port.
    #[serde(default = "submission")]
    pub port: u16,
    /// How the way there is kept secret.
    #[serde(default)]
    pub tls: SmarthostTls,
    /// The account at it, if it wants one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// File of the certificate (PEM) that vouches for it, besides those this machine trusts.
    pub authority: Option<PathBuf>,
}

/// How the way to the smarthost is kept secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmarthostTls {
    /// By STARTTLS; nothing is sent when that is not to be had.
    #[default]
    Starttls,
    /// By TLS from the first octet.
    Tls,
    /// Not at all: for a server on this machine.
    None,
}

/// `[[mailbox]]`: an address people write to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// The address; a sub-address (`help+anything@...`) leads to it as well.
    pub address: MailAddress,
    /// Further addresses that lead to it.
    #[serde(default)]
    pub aliases: Vec<MailAddress>,
    /// The line its mails stand in.
    pub queue: QueueId,
    /// The name in From of what we send; the site's name when empty.
    #[serde(default)]
    pub name: String,
    /// Kind of tickets opened by its mails.
    #[serde(default)]
    pub kind: Kind,
    /// Whether senders are told that their mail opened a ticket, where that may be told.
    #[serde(default = "yes")]
    pub acknowledge: bool,
    /// Language of what we send to people whose own is not known; the site's when not given.
    pub language: Option<Language>,
}

impl Mailbox {
    /// Every address that leads to it, its own first.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        let all = std::iter::once(&self.address).chain(&self.aliases);
        all.map(|address| &address.0)
    }

    /// The word by which it is known in the database and in events: its address's plain form.
    pub fn key(&self) -> String {
        self.address.0.key()
    }
}

/// A mail address, checked when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAddress(pub Address);

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for MailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_address(&text).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is not a mail address such as `help@desk.example`"
            ))
        })
    }
}

fn yes() -> bool {
    true
}

/// RFC 6409 §3.1.
fn submission() -> u16 {
    587
}
