//! The connection through its door: what the client says, what it is told, and what is handed on.

use super::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client and the server it talks to.
struct Talk {
    connection: Connection,
    sources: Sources,
    now: Instant,
}

impl Talk {
    fn with(change: impl FnOnce(&mut Rules)) -> Self {
        let mut recipients = Recipients::default();
        for address in [
            "help@desk.example",
            "hilfe@desk.example",
            "安娜@desk.example",
        ] {
            recipients.add(
                &parse_address(address).unwrap(),
                &"help@desk.example".into(),
            );
        }
        recipients.add(&parse_address("net@desk.example").unwrap(), &"net".into());
        let mut rules = Rules {
            protocol: Protocol::Smtp,
            host: "desk.example".to_owned(),
            tls: Tls::No,
            recipients,
            mail_bytes_max: 1_000,
            recipients_max: 3,
            idle_max: Duration::from_secs(300),
            mail_time_max: Duration::from_secs(1_800),
        };
        change(&mut rules);
        let limits = SourceLimits {
            connections_max: 1,
            connections_per_source_max: 1,
            mails_per_minute_max: 2,
        };
        let (now, peer) = (Instant::now(), "192.0.2.1".parse().unwrap());
        let mut sources = Sources::new(limits);
        sources.admit(now, peer).unwrap();
        let mut talk = Self {
            connection: Connection::new(Arc::new(rules), peer, Trust::Nobody, now),
            sources,
            now,
        };
        assert!(talk.told().starts_with("220 desk.example "));
        talk
    }

    fn new() -> Self {
        Self::with(|_| {})
    }

    /// What was said since the last look.
    fn told(&mut self) -> String {
        let bytes = self.connection.poll_transmit().unwrap_or_default();
        String::from_utf8(bytes).unwrap()
    }

    fn say(&mut self, text: &str) -> String {
        self.say_bytes(text.as_bytes())
    }

    fn say_bytes(&mut self, bytes: &[u8]) -> String {
        self.connection
            .handle_bytes(self.now, bytes, &mut self.sources);
        self.told()
    }

    /// Says something and wants these codes, one for each last line of a reply.
    fn check(&mut self, text: &str, codes: &[&str]) {
        let told = self.say(text);
        let last = |line: &&str| line.as_bytes().get(3) == Some(&b' ');
        let told: Vec<&str> = told.lines().filter(last).map(|line| &line[..3]).collect();
        assert_eq!(told, codes, "{text:?}");
    }

    fn events(&mut self) -> Vec<ConnectionEvent> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// The mail that was handed on, and its envelope.
    fn whole(&mut self) -> Option<(String, Envelope)> {
        let mut content = Vec::new();
        for event in self.events() {
            match event {
                ConnectionEvent::Content(bytes) => content.extend_from_slice(&bytes),
                ConnectionEvent::Forget => content.clear(),
                ConnectionEvent::Whole(envelope) => {
                    return Some((String::from_utf8(content).unwrap(), *envelope));
                }
                ConnectionEvent::BeginTls | ConnectionEvent::Close => return None,
            }
        }
        None
    }

    fn settle(&mut self, verdicts: &[Verdict]) -> String {
        self.connection
            .handle_verdicts(self.now, verdicts, &mut self.sources);
        self.told()
    }
}

fn stored() -> Verdict {
    Verdict::Stored("RD-20261123-0007".to_owned())
}

#[test]
fn a_mail_is_answered_only_when_it_is_stored() {
    let mut talk = Talk::new();
    talk.check("EHLO client.example\r\n", &["250"]);
    talk.check("MAIL FROM:<anna@example.org> SIZE=20\r\n", &["250"]);
    talk.check("RCPT TO:<Help+T7@Desk.example>\r\n", &["250"]);
    talk.check("DATA\r\n", &["354"]);
    talk.check("Subject: x\r\n\r\n..y\r\n.\r\n", &[]);
    assert!(!talk.connection.wants_bytes(), "it waits for the store");
    let (content, envelope) = talk.whole().unwrap();
    assert_eq!(content, "Subject: x\r\n\r\n.y\r\n");
    assert_eq!(envelope.from.unwrap().to_string(), "anna@example.org");
    let (recipient, mailbox) = &envelope.recipients[0];
    assert_eq!(recipient.to_string(), "Help+T7@desk.example");
    assert_eq!(&**mailbox, "help@desk.example");
    assert_eq!(
        talk.settle(&[stored()]),
        "250 2.0.0 Stored: RD-20261123-0007\r\n"
    );
    talk.check("QUIT\r\n", &["221"]);
    assert_eq!(talk.events(), [ConnectionEvent::Close]);
}

#[test]
fn a_pipelining_client_is_answered_in_order() {
    let mut talk = Talk::new();
    talk.check(
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<help@desk.example>\r\nRCPT TO:<no@desk.example>\r\nDATA\r\nx\r\n.\r\nNOOP\r\nQUIT\r\n",
        &["250", "250", "250", "550", "354"],
    );
    assert_eq!(talk.whole().unwrap().0, "x\r\n");
    let told = talk.settle(&[Verdict::TryLater]);
    let codes: Vec<&str> = told.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["451", "250", "221"]);
}

#[test]
fn nothing_is_relayed() {
    let mut talk = Talk::new();
    talk.check("EHLO c\r\nMAIL FROM:<a@b.example>\r\n", &["250", "250"]);
    for stranger in [
        "nobody@desk.example",
        "help@elsewhere.example",
        "help%elsewhere.example@desk.example",
        "help@desk.example@elsewhere.example",
        "@desk.example:help@elsewhere.example",
        "help",
        "",
    ] {
        let told = talk.say(&format!("RCPT TO:<{stranger}>\r\n"));
        assert!(told.starts_with("55"), "{stranger}: {told}");
    }
    talk.check("DATA\r\n", &["503"]);
    talk.check("RCPT TO:<postmaster>\r\n", &["250"]);
}

#[test]
fn commands_out_of_order_are_refused() {
    let mut talk = Talk::new();
    talk.check("MAIL FROM:<>\r\n", &["503"]);
    talk.check("LHLO c\r\n", &["500"]);
    talk.check("HELO c\r\n", &["250"]);
    talk.check("RCPT TO:<help@desk.example>\r\n", &["503"]);
    talk.check("DATA\r\n", &["503"]);
    talk.check("STARTTLS\r\n", &["502"]);
    talk.check("MAIL FROM:<>\r\nMAIL FROM:<>\r\n", &["250", "503"]);
    talk.check("RSET\r\nRCPT TO:<help@desk.example>\r\n", &["250", "503"]);
    talk.check(
        "VRFY help\r\nEXPN help\r\nAUTH PLAIN x\r\nHELP\r\n",
        &["252", "502", "502", "214"],
    );
}

#[test]
fn a_smuggled_mail_is_refused_whole() {
    for false_end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n"] {
        let mut talk = Talk::new();
        talk.check("EHLO c\r\nMAIL FROM:<a@b.example>\r\n", &["250", "250"]);
        talk.check("RCPT TO:<help@desk.example>\r\nDATA\r\n", &["250", "354"]);
        let hidden = "MAIL FROM:<boss@desk.example>\r\nRCPT TO:<help@desk.example>\r\nDATA\r\nx";
        talk.check(&format!("x{false_end}{hidden}\r\n.\r\n"), &["554"]);
        assert_eq!(talk.whole(), None, "{false_end:?}");
        talk.check("NOOP\r\n", &["250"]);
    }
}

#[test]
fn a_line_that_ends_in_lf_alone_ends_the_connection() {
    let mut talk = Talk::new();
    talk.check("EHLO c\nMAIL FROM:<>\r\n", &["500"]);
    assert_eq!(talk.events(), [ConnectionEvent::Close]);
    assert!(!talk.connection.wants_bytes());
}

#[test]
fn chunks_make_a_mail_dots_and_all() {
    let mut talk = Talk::new();
    talk.check(
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<net@desk.example>\r\n",
        &["250"; 3],
    );
    talk.check("BDAT 5\r\na\n.\n", &[]);
    talk.check("bBDAT 3\r\n\r\n.BDAT 0 LAST\r\n", &["250", "250"]);
    assert_eq!(talk.whole().unwrap().0, "a\n.\nb\r\n.");
    assert!(talk.settle(&[stored()]).starts_with("250"));
    talk.check("BDAT 4 LAST\r\nQUIT", &["503"]);
    talk.check("NOOP\r\n", &["250"]);
}

#[test]
fn a_mail_that_is_too_large_is_read_and_let_go() {
    let mut talk = Talk::new();
    talk.check("EHLO c\r\nMAIL FROM:<> SIZE=1001\r\n", &["250", "552"]);
    talk.check(
        "MAIL FROM:<> SIZE=2\r\nRCPT TO:<net@desk.example>\r\nDATA\r\n",
        &["250", "250", "354"],
    );
    talk.check(&"x".repeat(900), &[]);
    talk.check(&"x".repeat(900), &[]);
    talk.check("\r\n.\r\n", &["552"]);
    assert_eq!(talk.whole(), None);
    talk.check(
        "MAIL FROM:<>\r\nRCPT TO:<net@desk.example>\r\nBDAT 1001 LAST\r\n",
        &["250", "250"],
    );
    talk.check(&"x".repeat(1_001), &["552"]);
    assert_eq!(talk.whole(), None);
    talk.check("NOOP\r\n", &["250"]);
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let mut talk = Talk::with(|rules| rules.protocol = Protocol::Lmtp);
    talk.check("EHLO c\r\n", &["500"]);
    talk.check("LHLO c\r\nMAIL FROM:<>\r\n", &["250", "250"]);
    talk.check(
        "RCPT TO:<help@desk.example>\r\nRCPT TO:<x@y.example>\r\nRCPT TO:<net@desk.example>\r\n",
        &["250", "550", "250"],
    );
    talk.check("DATA\r\nx\r\n.\r\n", &["354"]);
    assert_eq!(talk.whole().unwrap().1.recipients.len(), 2);
    let told = talk.settle(&[Verdict::TryLater, stored()]);
    let codes: Vec<&str> = told.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["451", "250"]);
}

#[test]
fn tls_begins_with_a_clean_slate() {
    let mut talk = Talk::with(|rules| rules.tls = Tls::Required);
    let told = talk.say("EHLO c\r\n");
    assert!(told.contains("250-STARTTLS\r\n"), "{told}");
    talk.check("MAIL FROM:<>\r\n", &["530"]);
    talk.check("STARTTLS\r\n", &["220"]);
    assert_eq!(talk.events(), [ConnectionEvent::BeginTls]);
    talk.connection.handle_encrypted(talk.now);
    talk.check("MAIL FROM:<>\r\n", &["503"]);
    let told = talk.say("EHLO c\r\n");
    assert!(!told.contains("STARTTLS"), "{told}");
    talk.check("MAIL FROM:<>\r\n", &["250"]);
}

#[test]
fn commands_injected_before_tls_are_not_taken() {
    let mut talk = Talk::with(|rules| rules.tls = Tls::Offered);
    talk.check(
        "EHLO c\r\nSTARTTLS\r\nMAIL FROM:<evil@b.example>\r\n",
        &["250", "220", "554"],
    );
    assert_eq!(talk.events(), [ConnectionEvent::Close]);
    // Even a handshake that was under way opens nothing again.
    talk.connection.handle_encrypted(talk.now);
    assert!(!talk.connection.wants_bytes());
}

#[test]
fn bounds_are_told() {
    let mut talk = Talk::new();
    talk.check("EHLO c\r\nMAIL FROM:<>\r\n", &["250", "250"]);
    for _ in 0..3 {
        talk.check("RCPT TO:<help@desk.example>\r\n", &["250"]);
    }
    talk.check("RCPT TO:<help@desk.example>\r\n", &["452"]);
    talk.check(
        "RSET\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n",
        &["250", "250", "250", "450"],
    );
    talk.check(&format!("NOOP {}\r\n", "x".repeat(3_000)), &["500"]);
    let mut talk = Talk::new();
    talk.check(&"x".repeat(3_000), &["500"]);
    assert_eq!(talk.events(), [ConnectionEvent::Close]);
    let mut talk = Talk::new();
    let told = talk.say(&"WHAT\r\n".repeat(30));
    assert_eq!(told.matches("500 ").count(), 20);
    assert!(
        told.ends_with("421 4.7.0 Too many wrong commands\r\n"),
        "{told}"
    );
    let mut talk = Talk::new();
    let told = talk.say(&"NOOP\r\n".repeat(1_100));
    assert!(told.ends_with("421 4.7.0 Too many commands without a mail\r\n"));
}

#[test]
fn who_is_silent_or_slow_is_let_go() {
    let mut talk = Talk::new();
    let at = talk.connection.next_timeout().unwrap();
    assert_eq!(at, talk.now + Duration::from_secs(300));
    talk.connection
        .handle_timeout(at - Duration::from_millis(1));
    assert_eq!(talk.told(), "");
    talk.connection.handle_timeout(at);
    assert!(talk.told().starts_with("421 4.4.2"));

    let mut talk = Talk::new();
    let began = talk.now;
    talk.check(
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<net@desk.example>\r\nDATA\r\n",
        &["250", "250", "250", "354"],
    );
    // An octet now and then keeps no connection for ever.
    for minute in 1..30 {
        talk.now = began + Duration::from_secs(60 * minute);
        talk.check("x", &[]);
    }
    let at = talk.connection.next_timeout().unwrap();
    assert_eq!(at, began + Duration::from_secs(1_800));
    talk.connection.handle_timeout(at);
    assert!(talk.told().starts_with("421"));
    assert_eq!(talk.events().last(), Some(&ConnectionEvent::Close));
}

#[test]
fn addresses_beyond_ascii_need_smtputf8() {
    let mut talk = Talk::new();
    talk.check(
        "EHLO c\r\nMAIL FROM:<安娜@desk.example>\r\n",
        &["250", "553"],
    );
    talk.check(
        "MAIL FROM:<a@b.example>\r\nRCPT TO:<安娜@desk.example>\r\nRSET\r\n",
        &["250", "553", "250"],
    );
    talk.check(
        "MAIL FROM:<安娜@desk.example> SMTPUTF8\r\nRCPT TO:<安娜@desk.example>\r\n",
        &["250", "250"],
    );
}

#[test]
fn a_gateway_that_stops_still_answers_for_a_mail_it_stores() {
    let mut talk = Talk::new();
    talk.check(
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<net@desk.example>\r\nDATA\r\nx\r\n.\r\n",
        &["250", "250", "250", "354"],
    );
    talk.connection.handle_shutdown();
    assert_eq!(talk.told(), "");
    assert!(talk.settle(&[stored()]).starts_with("250"));
    talk.connection.handle_shutdown();
    assert!(talk.told().starts_with("421 4.3.2"));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn words() -> impl Strategy<Value = Vec<u8>> {
        let words = [
            "EHLO c\r\n",
            "LHLO c\r\n",
            "MAIL FROM:<>\r\n",
            "RCPT TO:<net@desk.example>\r\n",
            "DATA\r\n",
            "BDAT 3\r\n",
            "BDAT 0 LAST\r\n",
            "BDAT 99999999999999999999\r\n",
            "RSET\r\n",
            "STARTTLS\r\n",
            "x",
            "\r\n.\r\n",
            "\n",
            "\r",
            ".",
            "\u{0}",
            "é",
            "\r\n",
            "NOOP\r\n",
        ];
        prop::collection::vec(prop::sample::select(words.to_vec()), 0..40)
            .prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        /// Whatever comes in whatever pieces: no panic, the same answers, and bounded memory.
        #[test]
        fn pieces_do_not_matter(wire in words(), piece in 1_usize..20) {
            let run = |piece: usize| {
                let mut talk = Talk::with(|rules| rules.protocol = Protocol::Lmtp);
                let (mut said, mut handed_on) = (String::new(), Vec::new());
                for piece in wire.chunks(piece) {
                    if !talk.connection.wants_bytes() {
                        break;
                    }
                    said.push_str(&talk.say_bytes(piece));
                    for event in talk.events() {
                        match event {
                            ConnectionEvent::Content(bytes) => handed_on.extend_from_slice(&bytes),
                            ConnectionEvent::Whole(envelope) => {
                                prop_assert!(!envelope.recipients.is_empty());
                                said.push_str(&talk.settle(&[stored()]));
                            }
                            ConnectionEvent::BeginTls | ConnectionEvent::Forget | ConnectionEvent::Close => {}
                        }
                    }
                }
                Ok((said, handed_on))
            };
            prop_assert_eq!(run(piece)?, run(1)?);
        }
    }
}

#[test]
fn what_is_refused_is_told_by_its_reason() {
    let check = |talk: &mut Talk, text: &str, reasons: &[&str]| {
        talk.say(text);
        let told: Vec<_> = std::iter::from_fn(|| talk.connection.poll_refusal()).collect();
        assert_eq!(told, reasons, "{text:?}");
    };
    let mut talk = Talk::with(|rules| rules.recipients_max = 1);
    check(&mut talk, "MAIL FROM:<a@b.example>\r\n", &["wrong_command"]);
    check(&mut talk, "EHLO c\r\n", &[]);
    check(
        &mut talk,
        "MAIL FROM:<a@b.example> SIZE=9999\r\n",
        &["too_large"],
    );
    check(&mut talk, "MAIL FROM:<a@b.example>\r\n", &[]);
    check(
        &mut talk,
        "RCPT TO:<nobody@desk.example>\r\n",
        &["no_mailbox"],
    );
    let two = "RCPT TO:<help@desk.example>\r\nRCPT TO:<net@desk.example>\r\n";
    check(&mut talk, two, &["too_many_recipients"]);
    check(&mut talk, "DATA\r\nHello\r\n.\r\n", &[]);
    assert!(talk.whole().is_some());
    talk.settle(&[Verdict::TryLater]);
    check(&mut talk, "", &["not_stored"]);
    let again = "MAIL FROM:<a@b.example>\r\nRSET\r\nMAIL FROM:<a@b.example>\r\n";
    check(&mut talk, again, &["rate"]);
    let mut talk = Talk::with(|rules| rules.tls = Tls::Required);
    check(
        &mut talk,
        "EHLO c\r\nMAIL FROM:<a@b.example>\r\n",
        &["no_tls"],
    );
}
