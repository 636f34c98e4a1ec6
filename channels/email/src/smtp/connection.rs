//! One connection of a client: the order of things.

use super::command::{Command, Mail, needs_utf8, parse};
use super::content::{Content, Read};
use super::path::Address;
use super::reply::{Reply, Verdict};
use super::sources::Sources;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which protocol a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    Smtp,
    /// LMTP (RFC 2033): one answer for each recipient.
    Lmtp,
}

/// Whether STARTTLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// There is no certificate.
    No,
    /// Who wants may.
    Offered,
    /// No mail without it.
    Required,
}

/// Who may be written to: keys of addresses, each with the mailbox it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    by_key: BTreeMap<String, Arc<str>>,
    postmaster: Option<Arc<str>>,
}

impl Recipients {
    /// Adds an address that leads to a mailbox; the first mailbox takes the postmaster's mail, which
    /// every server must take (RFC 5321 §4.5.1).
    pub fn add(&mut self, address: &Address, mailbox: &Arc<str>) {
        self.by_key.insert(address.key(), Arc::clone(mailbox));
        self.postmaster.get_or_insert_with(|| Arc::clone(mailbox));
    }

    /// The mailbox an address leads to.
    pub fn find(&self, address: &Address) -> Option<&Arc<str>> {
        if address.domain().is_empty() {
            return self.postmaster.as_ref();
        }
        self.by_key.get(&address.key())
    }
}

/// What holds for all connections of a listener.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What is spoken.
    pub protocol: Protocol,
    /// The name we give ourselves.
    pub host: String,
    /// Whether STARTTLS is spoken.
    pub tls: Tls,
    /// Who may be written to.
    pub recipients: Recipients,
    /// Most octets of one mail.
    pub mail_bytes_max: u64,
    /// Most recipients of one mail; RFC 5321 §4.5.3.1.8 wants at least 100.
    pub recipients_max: usize,
    /// Longest silence; RFC 5321 §4.5.3.2.7 wants at least 5 minutes.
    pub idle_max: Duration,
    /// Longest time from MAIL to the end of the mail.
    pub mail_time_max: Duration,
}

/// A mail's envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who sent it; `None` is the null path of a bounce.
    pub from: Option<Address>,
    /// Who it is for, with the mailbox each leads to; as they were told, one at least.
    pub recipients: Vec<(Address, Arc<str>)>,
    /// The name the client gave itself.
    pub client: String,
    /// Where the client is.
    pub peer: IpAddr,
    /// Whether it came through TLS.
    pub is_encrypted: bool,
    /// How it came.
    pub protocol: Protocol,
}

/// What the core wants of its shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// Send what is to be sent, then begin TLS and say [`Connection::handle_encrypted`].
    BeginTls,
    /// The next octets of a mail.
    Content(Bytes),
    /// The mail is whole: store it and say [`Connection::handle_verdicts`], one for each recipient.
    Whole(Box<Envelope>),
    /// The octets given so far are of no mail any more.
    Forget,
    /// Send what is to be sent, then close.
    Close,
}

/// The server's side of one connection.
#[derive(Debug)]
pub struct Connection {
    rules: Arc<Rules>,
    peer: IpAddr,
    /// Addresses that send for others, and as much as they like.
    is_relay: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    /// What was refused and not told yet.
    refusals: VecDeque<&'static str>,
    events: VecDeque<ConnectionEvent>,
    phase: Phase,
    client: Option<String>,
    is_encrypted: bool,
    mail: Option<Transaction>,
    /// Wrong commands.
    faults: u32,
    /// Commands since the last mail.
    idle_commands: u32,
    idle_until: Instant,
    mail_until: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    /// A command is next.
    Command,
    /// The content after DATA.
    Content(Content),
    /// Octets of a chunk.
    Chunk {
        left: u64,
        is_last: bool,
        fate: ChunkFate,
    },
    /// The mail is being stored; recipients are told when it is.
    Storing { recipients: usize },
    /// TLS is being begun.
    Encrypting,
    /// Over.
    Closed,
}

/// What becomes of a chunk.
#[derive(Debug)]
enum ChunkFate {
    Kept,
    /// It is read and let go, and this is said.
    Dropped(Reply),
}

#[derive(Debug)]
struct Transaction {
    from: Option<Address>,
    recipients: Vec<(Address, Arc<str>)>,
    is_utf8: bool,
    bytes: u64,
    has_chunks: bool,
}

impl Connection {
    /// A client has connected; the first thing to send is the banner.
    pub fn new(rules: Arc<Rules>, peer: IpAddr, trust: Trust, now: Instant) -> Self {
        let idle_until = now + rules.idle_max;
        let protocol = match rules.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        let banner = Reply::new(220, "", format!("{} {protocol}", rules.host));
        let mut connection = Self {
            rules,
            peer,
            is_relay: trust == Trust::Relay,
            input: Vec::new(),
            output: Vec::new(),
            refusals: VecDeque::new(),
            events: VecDeque::new(),
            phase: Phase::Command,
            client: None,
            is_encrypted: false,
            mail: None,
            faults: 0,
            idle_commands: 0,
            idle_until,
            mail_until: None,
        };
        connection.say(&banner);
        connection
    }

    /// Takes what the client sent; at most one read, and only while [`Self::wants_bytes`].
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8], sources: &mut Sources) {
        self.idle_until = now + self.rules.idle_max;
        self.input.extend_from_slice(bytes);
        self.advance(now, sources);
    }

    /// TLS has begun: what was said before does not count (RFC 3207 §4.2).
    pub fn handle_encrypted(&mut self, now: Instant) {
        let Phase::Encrypting = self.phase else {
            return;
        };
        self.idle_until = now + self.rules.idle_max;
        self.is_encrypted = true;
        self.client = None;
        self.mail = None;
        self.phase = Phase::Command;
    }

    /// The mail was stored, or not: one verdict for each recipient, in their order.
    pub fn handle_verdicts(&mut self, now: Instant, verdicts: &[Verdict], sources: &mut Sources) {
        let Phase::Storing { recipients } = self.phase else {
            return;
        };
        match self.rules.protocol {
            Protocol::Smtp => self.say(&Verdict::of_all(verdicts).reply()),
            Protocol::Lmtp => {
                for place in 0..recipients {
                    let verdict = verdicts.get(place).unwrap_or(&Verdict::TryLater);
                    self.say(&verdict.reply());
                }
            }
        }
        self.idle_until = now + self.rules.idle_max;
        self.idle_commands = 0;
        self.phase = Phase::Command;
        self.advance(now, sources);
    }

    /// Ends the connection when its time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_timeout().is_some_and(|at| at <= now) {
            self.say(&Reply::new(421, "4.4.2", "You take too long"));
            self.close();
        }
    }

    /// The gateway stops: the client comes again later.
    pub fn handle_shutdown(&mut self) {
        match self.phase {
            // The answer to the mail is still to be given.
            Phase::Storing { .. } | Phase::Closed => {}
            Phase::Command | Phase::Content(_) | Phase::Chunk { .. } | Phase::Encrypting => {
                self.say(&Reply::new(
                    421,
                    "4.3.2",
                    "The service stops, come again later",
                ));
                self.close();
            }
        }
    }

    /// Whether more is to be read; not while a mail is stored or TLS is begun.
    pub fn wants_bytes(&self) -> bool {
        match self.phase {
            Phase::Command | Phase::Content(_) | Phase::Chunk { .. } => true,
            Phase::Storing { .. } | Phase::Encrypting | Phase::Closed => false,
        }
    }

    /// What is to be sent.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }

    /// What was refused, in a word ([`Reply::refusal`]); for counters.
    pub fn poll_refusal(&mut self) -> Option<&'static str> {
        self.refusals.pop_front()
    }

    /// What the shell is to do next.
    pub fn poll_event(&mut self) -> Option<ConnectionEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Command | Phase::Content(_) | Phase::Chunk { .. } | Phase::Encrypting => Some(
                self.mail_until
                    .map_or(self.idle_until, |at| at.min(self.idle_until)),
            ),
            Phase::Storing { .. } | Phase::Closed => None,
        }
    }

    fn advance(&mut self, now: Instant, sources: &mut Sources) {
        let input = std::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        loop {
            let taken = match &mut self.phase {
                Phase::Command => self.take_line(now, rest, sources),
                Phase::Content(_) => self.take_content(rest),
                Phase::Chunk { .. } => self.take_chunk(rest),
                Phase::Encrypting if !rest.is_empty() => {
                    // Commands sent before the handshake would be taken as if they came through it.
                    self.say(&Reply::new(554, "5.7.0", "Nothing may follow STARTTLS"));
                    self.events.retain(|it| *it != ConnectionEvent::BeginTls);
                    self.close();
                    0
                }
                Phase::Storing { .. } | Phase::Encrypting | Phase::Closed => 0,
            };
            if taken == 0 {
                break;
            }
            rest = &rest[taken..];
        }
        self.input = rest.to_vec();
    }

    /// Takes one command line; gives how many octets it had, 0 when it is not whole.
    fn take_line(&mut self, now: Instant, input: &[u8], sources: &mut Sources) -> usize {
        let Some(end) = input.iter().position(|octet| *octet == b'\n') else {
            if input.len() > LINE_BYTES_MAX {
                self.say(&Reply::new(500, "5.5.6", "The line is too long"));
                self.close();
            }
            return 0;
        };
        let line = input[..end].strip_suffix(b"\r");
        match line {
            // RFC 5321 §2.3.8: a line ends in CR LF. Who ends it otherwise may hide commands in it.
            None => {
                self.say(&Reply::new(500, "5.5.2", "A line ends in CR LF"));
                self.close();
            }
            Some(line) if line.len() > LINE_BYTES_MAX => {
                self.fault(&Reply::new(500, "5.5.6", "The line is too long"));
            }
            Some(line) => match parse(line) {
                Ok(command) => self.handle_command(now, command, sources),
                Err(reply) => self.fault(&reply),
            },
        }
        end + 1
    }

    fn handle_command(&mut self, now: Instant, command: Command, sources: &mut Sources) {
        self.idle_commands += 1;
        if self.idle_commands > IDLE_COMMANDS_MAX {
            self.say(&Reply::new(
                421,
                "4.7.0",
                "Too many commands without a mail",
            ));
            self.close();
            return;
        }
        match command {
            Command::Ehlo(name) => self.greet(Protocol::Smtp, name, true),
            Command::Helo(name) => self.greet(Protocol::Smtp, name, false),
            Command::Lhlo(name) => self.greet(Protocol::Lmtp, name, true),
            Command::StartTls => self.begin_tls(),
            Command::Mail(mail) => self.begin_mail(now, mail, sources),
            Command::Rcpt(recipient) => self.add_recipient(recipient),
            Command::Data => self.begin_content(),
            Command::Bdat { bytes, is_last } => self.begin_chunk(now, bytes, is_last),
            Command::Rset => {
                self.forget_mail();
                self.say(&ok("Forgotten"));
            }
            Command::Noop => self.say(&ok("Nothing done")),
            Command::Quit => {
                self.say(&Reply::new(221, "2.0.0", "Good bye"));
                self.close();
            }
            // RFC 5321 §7.3: whoever does not verify says 252, which is neither yes nor no.
            Command::Verify => {
                self.say(&Reply::new(
                    252,
                    "2.1.5",
                    "Addresses are not told; send the mail",
                ));
            }
            Command::Help => self.say(&Reply::new(214, "2.0.0", "See RFC 5321")),
            Command::NotOurs => self.fault(&Reply::new(502, "5.5.1", "This is not done here")),
        }
    }

    fn greet(&mut self, protocol: Protocol, name: String, is_extended: bool) {
        if protocol != self.rules.protocol {
            self.fault(&Reply::new(
                500,
                "5.5.1",
                match self.rules.protocol {
                    Protocol::Smtp => "This is SMTP: say EHLO",
                    Protocol::Lmtp => "This is LMTP: say LHLO",
                },
            ));
            return;
        }
        self.forget_mail();
        self.client = Some(name);
        let mut lines: Vec<Cow<'static, str>> = vec![self.rules.host.clone().into()];
        if is_extended {
            lines.push("PIPELINING".into());
            lines.push(format!("SIZE {}", self.rules.mail_bytes_max).into());
            if self.rules.tls != Tls::No && !self.is_encrypted {
                lines.push("STARTTLS".into());
            }
            let rest = ["8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES"];
            lines.extend(rest.map(Cow::Borrowed));
        }
        self.say(&Reply::greeting(lines));
    }

    fn begin_tls(&mut self) {
        if self.rules.tls == Tls::No || self.is_encrypted {
            self.fault(&Reply::new(502, "5.5.1", "TLS is not to be had now"));
            return;
        }
        self.forget_mail();
        self.say(&Reply::new(220, "2.0.0", "Begin TLS"));
        self.phase = Phase::Encrypting;
        self.events.push_back(ConnectionEvent::BeginTls);
    }

    fn begin_mail(&mut self, now: Instant, mail: Mail, sources: &mut Sources) {
        let refusal = if self.client.is_none() {
            Some(Reply::new(503, "5.5.1", "Greet first"))
        } else if self.rules.tls == Tls::Required && !self.is_encrypted {
            Some(Reply::new(530, "5.7.0", "Say STARTTLS first"))
        } else if self.mail.is_some() {
            Some(Reply::new(503, "5.5.1", "A mail is begun already"))
        } else if mail
            .bytes
            .is_some_and(|bytes| bytes > self.rules.mail_bytes_max)
        {
            Some(too_large())
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.fault(&refusal);
            return;
        }
        if !self.is_relay && !sources.takes_mail(now, self.peer) {
            self.say(&Reply::new(
                450,
                "4.7.1",
                "Too many mails, come again in a minute",
            ));
            return;
        }
        self.mail_until = Some(now + self.rules.mail_time_max);
        self.mail = Some(Transaction {
            from: mail.from,
            recipients: Vec::new(),
            is_utf8: mail.is_utf8,
            bytes: 0,
            has_chunks: false,
        });
        self.say(&Reply::new(250, "2.1.0", "Sender taken"));
    }

    fn add_recipient(&mut self, recipient: Option<Address>) {
        let rules = Arc::clone(&self.rules);
        let Some(mail) = &mut self.mail else {
            self.fault(&Reply::new(503, "5.5.1", "Say MAIL first"));
            return;
        };
        let Some(recipient) = recipient else {
            self.fault(&Reply::new(553, "5.1.3", "Nobody is no recipient"));
            return;
        };
        let reply = if mail.has_chunks {
            Reply::new(503, "5.5.1", "Recipients come before the content")
        } else if !mail.is_utf8 && !recipient.is_ascii() {
            needs_utf8()
        } else if mail.recipients.len() >= rules.recipients_max {
            // Not a fault: RFC 5321 §4.5.3.1.10 lets the client send the rest with another mail.
            let reply = Reply::new(452, "4.5.3", "Too many recipients of one mail");
            self.say(&reply);
            return;
        } else if let Some(mailbox) = rules.recipients.find(&recipient) {
            mail.recipients.push((recipient, Arc::clone(mailbox)));
            self.say(&Reply::new(250, "2.1.5", "Recipient taken"));
            return;
        } else {
            Reply::new(550, "5.1.1", "There is no such mailbox here")
        };
        self.fault(&reply);
    }

    fn begin_content(&mut self) {
        match &self.mail {
            None => self.fault(&Reply::new(503, "5.5.1", "Say MAIL first")),
            Some(mail) if mail.has_chunks => {
                self.fault(&Reply::new(503, "5.5.1", "The mail comes by BDAT"));
            }
            Some(mail) if mail.recipients.is_empty() => {
                self.fault(&Reply::new(503, "5.5.1", "There is no recipient"));
            }
            Some(_) => {
                self.phase = Phase::Content(Content::new());
                self.say(&Reply::new(354, "", "End with a dot on a line of its own"));
            }
        }
    }

    /// RFC 3030 §2: the octets follow at once, so they are read even when they are of no use.
    fn begin_chunk(&mut self, now: Instant, bytes: u64, is_last: bool) {
        self.mail_until
            .get_or_insert(now + self.rules.mail_time_max);
        let refusal = match &mut self.mail {
            None => Some(Reply::new(503, "5.5.1", "Say MAIL first")),
            Some(mail) if mail.recipients.is_empty() => {
                Some(Reply::new(503, "5.5.1", "There is no recipient"))
            }
            Some(mail) if mail.bytes.saturating_add(bytes) > self.rules.mail_bytes_max => {
                Some(too_large())
            }
            Some(mail) => {
                mail.has_chunks = true;
                None
            }
        };
        let fate = refusal.map_or(ChunkFate::Kept, ChunkFate::Dropped);
        self.phase = Phase::Chunk {
            left: bytes,
            is_last,
            fate,
        };
        if bytes == 0 {
            self.end_chunk();
        }
    }

    fn take_content(&mut self, input: &[u8]) -> usize {
        let Phase::Content(content) = &mut self.phase else {
            return 0;
        };
        let mut out = Vec::with_capacity(input.len());
        let read = content.read(input, &mut out);
        let is_smuggling = content.is_smuggling();
        self.keep_content(out);
        match read {
            Read::AllOf => input.len(),
            Read::Ended(taken) => {
                if is_smuggling {
                    let why = "A dot stands between line ends that are not CR LF";
                    self.end_refused(&Reply::new(554, "5.7.0", why));
                } else {
                    self.end_mail();
                }
                taken
            }
        }
    }

    fn take_chunk(&mut self, input: &[u8]) -> usize {
        let Phase::Chunk { left, fate, .. } = &mut self.phase else {
            return 0;
        };
        let taken = usize::try_from(*left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        *left -= u64::try_from(taken).unwrap_or(0);
        let (is_whole, is_kept) = (*left == 0, matches!(fate, ChunkFate::Kept));
        if is_kept {
            self.keep_content(input[..taken].to_vec());
        }
        if is_whole {
            self.end_chunk();
        }
        taken
    }

    fn end_chunk(&mut self) {
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        let Phase::Chunk { is_last, fate, .. } = phase else {
            return;
        };
        match fate {
            ChunkFate::Dropped(reply) => {
                self.forget_mail();
                self.fault(&reply);
            }
            ChunkFate::Kept if is_last => self.end_mail(),
            ChunkFate::Kept => self.say(&ok("Chunk taken")),
        }
    }

    /// Hands content on, until the mail is larger than it may be.
    fn keep_content(&mut self, content: Vec<u8>) {
        let Some(mail) = &mut self.mail else { return };
        let was_too_large = mail.bytes > self.rules.mail_bytes_max;
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        mail.bytes = mail.bytes.saturating_add(bytes);
        if mail.bytes <= self.rules.mail_bytes_max {
            if !content.is_empty() {
                let content = ConnectionEvent::Content(content.into());
                self.events.push_back(content);
            }
        } else if !was_too_large {
            self.events.push_back(ConnectionEvent::Forget);
        }
    }

    fn end_mail(&mut self) {
        self.mail_until = None;
        let Some(mail) = self.mail.take() else { return };
        if mail.bytes > self.rules.mail_bytes_max {
            self.phase = Phase::Command;
            self.answer_all(mail.recipients.len(), &too_large());
            return;
        }
        self.phase = Phase::Storing {
            recipients: mail.recipients.len(),
        };
        let envelope = Envelope {
            from: mail.from,
            recipients: mail.recipients,
            client: self.client.clone().unwrap_or_default(),
            peer: self.peer,
            is_encrypted: self.is_encrypted,
            protocol: self.rules.protocol,
        };
        self.events
            .push_back(ConnectionEvent::Whole(Box::new(envelope)));
    }

    fn end_refused(&mut self, reply: &Reply) {
        let recipients = self.mail.as_ref().map_or(1, |mail| mail.recipients.len());
        self.forget_mail();
        self.phase = Phase::Command;
        self.answer_all(recipients, reply);
    }

    /// RFC 2033 §4.2: one answer for each recipient that was taken.
    fn answer_all(&mut self, recipients: usize, reply: &Reply) {
        let count = match self.rules.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        for _ in 0..count {
            self.say(reply);
        }
    }

    fn forget_mail(&mut self) {
        self.mail_until = None;
        if self.mail.take().is_some_and(|mail| mail.bytes > 0) {
            self.events.push_back(ConnectionEvent::Forget);
        }
    }

    fn say(&mut self, reply: &Reply) {
        self.refusals.extend(reply.refusal());
        reply.write(&mut self.output);
    }

    /// Answers a wrong command; who makes too many of them is let go.
    fn fault(&mut self, reply: &Reply) {
        self.say(reply);
        self.faults += 1;
        if self.faults >= FAULTS_MAX {
            self.say(&Reply::new(421, "4.7.0", "Too many wrong commands"));
            self.close();
        }
    }

    fn close(&mut self) {
        self.forget_mail();
        self.phase = Phase::Closed;
        self.events.push_back(ConnectionEvent::Close);
    }
}

/// How far a client is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A mail server of ours, which sends for the whole world.
    Relay,
    /// Anybody.
    Nobody,
}

fn ok(text: &'static str) -> Reply {
    Reply::new(250, "2.0.0", text)
}

/// RFC 1870 §6.1.
fn too_large() -> Reply {
    Reply::new(552, "5.3.4", "The mail is larger than we take")
}

/// Most octets of a command line. RFC 5321 §4.5.3.1.4 has 512, to which extensions add theirs.
const LINE_BYTES_MAX: usize = 2_048;

/// Most wrong commands of a connection; RCPT of unknown mailboxes counts, so that guessing is slow.
const FAULTS_MAX: u32 = 20;

/// Most commands without a mail.
const IDLE_COMMANDS_MAX: u32 = 1_000;
