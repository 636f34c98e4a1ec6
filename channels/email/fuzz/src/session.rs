//! A stranger's octets to the SMTP and LMTP server, and what must hold of what it says and hands on.

use ringdown_email::smtp::{
    Connection, ConnectionEvent, Protocol, Recipients, Rules, SourceLimits, Sources, Tls, Trust,
    Verdict, parse_address,
};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Feeds octets to a server, in pieces as its second octet says and one by one: both must go the same way.
/// The first octet says what kind of server it is.
pub fn feed(input: &[u8]) {
    let [kind, piece, octets @ ..] = input else {
        return;
    };
    let whole = Talk::run(*kind, octets, usize::from(*piece) + 1);
    let single = Talk::run(*kind, octets, 1);
    if whole.has_tls || single.has_tls {
        // Who waits for the handshake may go on, who does not is thrown out.
        return;
    }
    assert_eq!(whole.said, single.said, "pieces change the answers");
    assert_eq!(whole.mails, single.mails, "pieces change the mails");
}

/// One connection, and what came of it.
struct Talk {
    connection: Connection,
    sources: Sources,
    now: Instant,
    said: Vec<u8>,
    /// Octets of the mail that is coming.
    content: Vec<u8>,
    mails: Vec<Vec<u8>>,
    is_over: bool,
    has_tls: bool,
}

impl Talk {
    fn run(kind: u8, octets: &[u8], piece: usize) -> Self {
        let (now, peer) = (Instant::now(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut sources = Sources::new(SourceLimits {
            connections_max: 1,
            connections_per_source_max: 1,
            mails_per_minute_max: 5,
        });
        sources.admit(now, peer).expect("the first is let in");
        let trust = if kind & 8 == 0 {
            Trust::Nobody
        } else {
            Trust::Relay
        };
        let mut talk = Self {
            connection: Connection::new(Arc::new(rules(kind)), peer, trust, now),
            sources,
            now,
            said: Vec::new(),
            content: Vec::new(),
            mails: Vec::new(),
            is_over: false,
            has_tls: false,
        };
        talk.settle();
        for piece in octets.chunks(piece) {
            if !talk.connection.wants_bytes() {
                break;
            }
            talk.connection
                .handle_bytes(talk.now, piece, &mut talk.sources);
            talk.settle();
        }
        talk.connection.handle_shutdown();
        talk.settle();
        every_answer_is_whole(&talk.said);
        talk
    }

    /// Takes what the server says and wants until it is quiet.
    fn settle(&mut self) {
        loop {
            while let Some(said) = self.connection.poll_transmit() {
                self.said.extend_from_slice(&said);
            }
            let Some(event) = self.connection.poll_event() else {
                return;
            };
            assert!(!self.is_over, "{event:?} after the end");
            match event {
                ConnectionEvent::Content(octets) => {
                    self.content.extend_from_slice(&octets);
                    let held = u64::try_from(self.content.len()).unwrap_or(u64::MAX);
                    assert!(held <= MAIL_BYTES_MAX, "{held} octets of one mail");
                }
                ConnectionEvent::Forget => self.content.clear(),
                ConnectionEvent::Whole(envelope) => {
                    let count = envelope.recipients.len();
                    assert!((1..=RECIPIENTS_MAX).contains(&count), "{count} recipients");
                    for (address, mailbox) in &envelope.recipients {
                        assert!(
                            address.domain().is_empty() || address.key() == **mailbox,
                            "{address} was taken for {mailbox}"
                        );
                    }
                    self.mails.push(std::mem::take(&mut self.content));
                    let verdicts: Vec<Verdict> = (0..count).map(verdict).collect();
                    self.connection
                        .handle_verdicts(self.now, &verdicts, &mut self.sources);
                }
                ConnectionEvent::BeginTls => {
                    self.has_tls = true;
                    self.connection.handle_encrypted(self.now);
                }
                ConnectionEvent::Close => self.is_over = true,
            }
        }
    }
}

fn verdict(place: usize) -> Verdict {
    match place % 3 {
        0 => Verdict::Stored("RD-1".to_owned()),
        1 => Verdict::TryLater,
        _ => Verdict::Refused("no"),
    }
}

fn rules(kind: u8) -> Rules {
    let mut recipients = Recipients::default();
    for text in ["help@desk.example", "net@desk.example"] {
        recipients.add(&parse_address(text).expect("an address"), &text.into());
    }
    Rules {
        protocol: if kind & 1 == 0 {
            Protocol::Smtp
        } else {
            Protocol::Lmtp
        },
        host: "desk.example".to_owned(),
        tls: match kind & 6 {
            0 | 6 => Tls::No,
            2 => Tls::Offered,
            _ => Tls::Required,
        },
        recipients,
        mail_bytes_max: MAIL_BYTES_MAX,
        recipients_max: RECIPIENTS_MAX,
        idle_max: Duration::from_secs(300),
        mail_time_max: Duration::from_secs(1_800),
    }
}

/// Lines of three digits, a sign and text, each ended by CR LF; the last of an answer has a space (RFC 5321
/// §4.2.1).
fn every_answer_is_whole(said: &[u8]) {
    let text = std::str::from_utf8(said).expect("answers are UTF-8");
    assert!(
        text.ends_with("\r\n"),
        "an answer without its end: {text:?}"
    );
    let mut is_last = true;
    for line in text.trim_end_matches("\r\n").split("\r\n") {
        let (code, rest) = line.split_at_checked(3).expect("a code");
        assert!(
            code.bytes().all(|octet| octet.is_ascii_digit()) && rest.starts_with([' ', '-']),
            "{line:?}"
        );
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        is_last = rest.starts_with(' ');
    }
    assert!(is_last, "an answer goes on without end");
}

const MAIL_BYTES_MAX: u64 = 2_000;
const RECIPIENTS_MAX: usize = 4;

/// Sound sessions; the first two octets are those of [`feed`].
pub const SESSIONS: [&str; 6] = [
    "\u{0}\u{10}EHLO c.example\r\nMAIL FROM:<a@b.example> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<help@desk.example>\r\nRCPT TO:<net+t1@desk.example>\r\nDATA\r\nSubject: x\r\n\r\n..y\r\n.\r\nQUIT\r\n",
    "\u{1}\u{7f}LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<help@desk.example>\r\nRCPT TO:<no@desk.example>\r\nRCPT TO:<postmaster>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<net@desk.example>\r\nBDAT 3\r\na\r\nBDAT 4 LAST\r\nb\r\n.QUIT\r\n",
    "\u{2}\u{5}EHLO c\r\nSTARTTLS\r\nEHLO c\r\nMAIL FROM:<a@b.example> SMTPUTF8\r\nRCPT TO:<help@desk.example>\r\nBDAT 0 LAST\r\nRSET\r\n",
    "\u{4}\u{1}EHLO c\r\nMAIL FROM:<>\r\nSTARTTLS\r\nMAIL FROM:<evil@b.example>\r\n",
    "\u{8}\u{30}HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<help@desk.example>\r\nDATA\r\nx\n.\nMAIL FROM:<boss@desk.example>\r\nRCPT TO:<help@desk.example>\r\nDATA\r\ny\r\n.\r\n",
    "\u{0}\u{3}NOOP\r\nVRFY help\r\nEXPN x\r\nHELP\r\nAUTH PLAIN x\r\nRCPT TO:<\"a b\"@[192.0.2.1]>\r\nMAIL FROM:<@x,@y:a@b.example>\r\nBDAT 99999999999999999999\r\n",
];

/// What sessions are made of.
pub const SESSION_WORDS: [&str; 24] = [
    "EHLO c\r\n",
    "LHLO c\r\n",
    "HELO ",
    "MAIL FROM:<>\r\n",
    "MAIL FROM:<\u{5b89}@b.example> SMTPUTF8\r\n",
    " SIZE=99999999999",
    "RCPT TO:<net@desk.example>\r\n",
    "RCPT TO:<help@desk.example>\r\n",
    "RCPT TO:<help%x@desk.example>\r\n",
    "DATA\r\n",
    "BDAT 5\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 18446744073709551615 LAST\r\n",
    "RSET\r\n",
    "STARTTLS\r\n",
    "NOOP\r\n",
    "\r\n.\r\n",
    "\n.\r\n",
    "\r.\r\n",
    "\r\n.\n",
    "\r\n..",
    "\0",
    "QUIT\r\n",
    "\r\n",
];
