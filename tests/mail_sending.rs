//! Mail that the desk sends by itself: once, to people, and never round and round.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::mail::{MailClient, MailSink, Smarthost, SunkMail, TlsStart};
use ringdown_harness::place::free_address;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// Opens a desk with one mailbox that sends through a smarthost.
fn open(smtp: SocketAddr, address: &str, smarthost: SocketAddr) -> Desk {
    let text = format!(
        "[email]\nlisten = \"{smtp}\"\n[email.smarthost]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         [[mailbox]]\naddress = \"{address}\"\nqueue = \"desk\"\n",
        smarthost.port()
    );
    DeskPlan::new().section(&text).open(program())
}

fn deliver(smtp: SocketAddr, envelope_from: &str, to: &str, mail: &str) -> String {
    let mut client = MailClient::connect(smtp);
    client.say("EHLO client.example", "250");
    let answer = client.try_deliver(envelope_from, to, mail);
    let answer = answer.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(answer.starts_with("250"), "{answer}");
    answer
        .trim_end()
        .rsplit(' ')
        .next()
        .unwrap_or("")
        .to_owned()
}

fn mail(id: &str, from: &str, fields: &str) -> String {
    format!(
        "Message-ID: <{id}>\nFrom: {from}\nTo: help@desk.example\nSubject: Printer\n{fields}\nIt does not print.\n"
    )
}

fn ticket(desk: &Desk, number: &str, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/v1/tickets?number={number}");
    let list = desk
        .api
        .wait_until(&path, what, PATIENCE, |list| is_wanted(&list["items"][0]));
    list["items"][0].clone()
}

fn articles(ticket: &Value) -> usize {
    ticket["articles"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_person_gets_one_acknowledgement_whose_answers_land_on_the_ticket() {
    let (sink, smtp) = (MailSink::start(|_| {}), free_address());
    let desk = open(smtp, "help@desk.example", sink.address());
    let number = deliver(
        smtp,
        "anna@example.org",
        "help@desk.example",
        &mail("1@a", "Anna <anna@example.org>", ""),
    );
    let sent = sink.wait_for(1).remove(0);
    assert_eq!(
        (sent.from.as_str(), sent.to.as_str()),
        ("", "anna@example.org")
    );
    let field = |name: &str| {
        sent.field(name)
            .unwrap_or_else(|| panic!("no {name}: {sent:?}"))
            .to_owned()
    };
    assert_eq!(
        (
            field("Auto-Submitted").as_str(),
            field("In-Reply-To").as_str()
        ),
        ("auto-replied", "<1@a>")
    );
    assert!(field("Subject").contains(&number), "{sent:?}");
    let second = deliver(
        smtp,
        "anna@example.org",
        "help@desk.example",
        &mail("2@a", "anna@example.org", ""),
    );
    assert_ne!(second, number);
    let by_id = mail(
        "3@a",
        "anna@example.org",
        &format!("In-Reply-To: {}\n", field("Message-ID")),
    );
    assert_eq!(
        deliver(smtp, "anna@example.org", "help@desk.example", &by_id),
        number
    );
    let reply_to = field("Reply-To");
    let address = reply_to.split(['<', '>']).nth(1).unwrap_or(&reply_to);
    let by_address = mail("4@a", "anna@example.org", "");
    assert_eq!(
        deliver(smtp, "anna@example.org", address, &by_address),
        number
    );
    deliver(
        smtp,
        "bert@example.org",
        "help@desk.example",
        &mail("5@a", "bert@example.org", ""),
    );
    let all = sink.wait_for(2);
    let to: Vec<&str> = all.iter().map(|sent| sent.to.as_str()).collect();
    assert_eq!(
        to,
        ["anna@example.org", "bert@example.org"],
        "one for each sender"
    );
    let shown = ticket(&desk, &number, "all of it", |it| articles(it) == 4);
    let out = shown["articles"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["direction"] == "out"));
    assert_eq!(
        out.map(|it| it["message_id"].clone()),
        Some(field("Message-ID").into())
    );
}

#[test]
fn a_refused_address_and_a_bounce_are_told_on_their_tickets() {
    let (sink, smtp) = (MailSink::start(|_| {}), free_address());
    let desk = open(smtp, "help@desk.example", sink.address());
    let number = deliver(
        smtp,
        "bad@example.org",
        "help@desk.example",
        &mail("1@a", "bad@example.org", ""),
    );
    let shown = ticket(&desk, &number, "that it failed", |it| articles(it) == 3);
    let note = shown["articles"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["direction"] == "internal"));
    assert!(
        note.is_some_and(|it| it["text"].as_str().unwrap_or("").contains("5.1.1 nobody")),
        "{shown:#}"
    );
    let number = deliver(
        smtp,
        "anna@example.org",
        "help@desk.example",
        &mail("2@a", "anna@example.org", ""),
    );
    let sent = sink.wait_for(1).remove(0);
    let id = sent.field("Message-ID").expect("it has one").to_owned();
    let bounce = format!(
        "Message-ID: <3@mx>\nFrom: MAILER-DAEMON@mx.example\nTo: help@desk.example\nSubject: Undelivered\n\
         MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nNo such user.\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n\
         Final-Recipient: rfc822; anna@example.org\nAction: failed\nStatus: 5.1.1\n\n\
         --b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {id}\n\n--b--\n"
    );
    assert_eq!(deliver(smtp, "", "help@desk.example", &bounce), number);
    let shown = ticket(&desk, &number, "the bounce", |it| articles(it) == 3);
    let bounced = shown["articles"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["automatic"] == "bounce"));
    assert!(
        bounced.is_some_and(|it| it["auto_reply"] == true),
        "{shown:#}"
    );
    assert_eq!(
        shown["contacts"].as_array().map(Vec::len),
        Some(1),
        "it asks nobody for anything"
    );
    let alien = bounce
        .replace("<3@mx>", "<4@mx>")
        .replace(&id, "<x@elsewhere>");
    assert_ne!(deliver(smtp, "", "help@desk.example", &alien), number);
    let metrics = desk.operations.get("/metrics").body;
    for told in [
        "ringdown_mail_bounces_total{kind=\"permanent\"} 1",
        "ringdown_mail_bounces_total{kind=\"not_ours\"} 1",
    ] {
        assert!(
            metrics.lines().any(|line| line == told),
            "{told}: {metrics}"
        );
    }
}

#[test]
fn two_desks_that_write_to_each_other_settle_after_one_acknowledgement() {
    let (one, two) = (free_address(), free_address());
    let first = open(one, "help@one.example", two);
    let second = open(two, "help@two.example", one);
    // As if the second desk had written to the first.
    let number = deliver(
        one,
        "help@two.example",
        "help@one.example",
        &mail("1@two", "help@two.example", ""),
    );
    let there = second
        .api
        .wait_until("/api/v1/tickets", "the acknowledgement", PATIENCE, |list| {
            list["items"]
                .as_array()
                .is_some_and(|items| items.len() == 1)
        });
    let id = there["items"][0]["id"].as_u64().expect("it has a key");
    let there = second.api.get_json(&format!("/api/v1/tickets/{id}"));
    assert_eq!(
        (articles(&there), &there["articles"][0]["auto_reply"]),
        (1, &true.into())
    );
    // A person's mail after it goes the same way, so nothing of the first is still under way.
    deliver(
        two,
        "carl@one.example",
        "help@two.example",
        &mail("2@carl", "help@one.example", ""),
    );
    first.api.wait_until(
        "/api/v1/tickets",
        "the second acknowledgement",
        PATIENCE,
        |list| {
            list["items"]
                .as_array()
                .is_some_and(|items| items.len() == 2)
        },
    );
    assert_eq!(
        articles(&ticket(&first, &number, "it as it is", |_| true)),
        2
    );
}

#[test]
fn a_machine_that_answers_everything_gets_one_acknowledgement() {
    let smtp = free_address();
    let answer = move |mail: &SunkMail| {
        if mail.to != "robot@example.org" {
            return;
        }
        let id = mail.field("Message-ID").unwrap_or("");
        let reply = format!(
            "Message-ID: <re.{}\nFrom: robot@example.org\nTo: help@desk.example\nSubject: Re: your mail\nIn-Reply-To: {id}\n\nThank you for your mail.\n",
            id.trim_start_matches('<')
        );
        deliver(smtp, "robot@example.org", "help@desk.example", &reply);
    };
    let sink = MailSink::start(answer);
    let desk = open(smtp, "help@desk.example", sink.address());
    let number = deliver(
        smtp,
        "robot@example.org",
        "help@desk.example",
        &mail("1@r", "robot@example.org", ""),
    );
    ticket(&desk, &number, "its answer", |it| articles(it) == 3);
    deliver(
        smtp,
        "robot@example.org",
        "help@desk.example",
        &mail("2@r", "robot@example.org", ""),
    );
    deliver(
        smtp,
        "bert@example.org",
        "help@desk.example",
        &mail("3@b", "bert@example.org", ""),
    );
    let to: Vec<String> = sink.wait_for(2).into_iter().map(|sent| sent.to).collect();
    assert_eq!(to, ["robot@example.org", "bert@example.org"]);
}

fn open_behind(smarthost: &Smarthost, authority: &Path, word: &str) -> (Desk, SocketAddr) {
    let smtp = free_address();
    let text = format!(
        "[email]\nlisten = \"{smtp}\"\noutbox_age_max_s = 0\n[email.smarthost]\nhost = \"127.0.0.1\"\nport = {}\n\
         tls = \"{word}\"\nauthority = \"{}\"\n[[mailbox]]\naddress = \"help@desk.example\"\nqueue = \"desk\"\n",
        smarthost.address().port(),
        authority.display()
    );
    (DeskPlan::new().section(&text).open(program()), smtp)
}

/// A mail that is acknowledged; gives its ticket's number.
fn deliver_one(smtp: SocketAddr) -> String {
    let mail = "Message-ID: <1@a>\nFrom: anna@example.org\nTo: help@desk.example\nSubject: Printer\n\nIt does not print.\n";
    let mut client = MailClient::connect(smtp);
    client.say("EHLO client.example", "250");
    let answer = client
        .try_deliver("anna@example.org", "help@desk.example", mail)
        .unwrap_or_else(|fault| panic!("{fault}"));
    answer
        .trim_end()
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn arrives(start: TlsStart, word: &str) {
    let sink = MailSink::start(|_| {});
    let smarthost = Smarthost::start(sink.address(), start);
    let (_desk, smtp) = open_behind(&smarthost, smarthost.authority(), word);
    let number = deliver_one(smtp);
    let sent = sink.wait_for(1).remove(0);
    let subject = sent.field("Subject").unwrap_or_default();
    assert!(subject.contains(&number), "{sent:?}");
    let by_tls = |line: &str| line.contains("TLS connection established");
    smarthost.wait_for("that it came by TLS", by_tls);
}

#[test]
fn an_acknowledgement_reaches_a_real_smarthost_by_starttls() {
    arrives(TlsStart::ByCommand, "starttls");
}

#[test]
fn an_acknowledgement_reaches_a_real_smarthost_by_tls_from_the_first_octet() {
    arrives(TlsStart::AtOnce, "tls");
}

#[test]
fn a_smarthost_that_another_authority_vouches_for_gets_nothing() {
    let sink = MailSink::start(|_| {});
    let smarthost = Smarthost::start(sink.address(), TlsStart::ByCommand);
    let other = Smarthost::start(sink.address(), TlsStart::ByCommand);
    let (desk, smtp) = open_behind(&smarthost, other.authority(), "starttls");
    let number = deliver_one(smtp);
    let path = format!("/api/v1/tickets?number={number}");
    let told = desk
        .api
        .wait_until(&path, "that it was not sent", PATIENCE, |list| {
            let articles = list["items"][0]["articles"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let mut texts = articles.iter().map(|article| article["text"].to_string());
            texts.any(|text| text.contains("could not be delivered"))
        });
    assert!(told.to_string().contains("certificate"), "{told:#}");
    assert!(sink.taken().is_empty());
}
