//! Agents answer mails over HTTP: offered, taken, answered, and the reply comes back to the same ticket.

mod again;
#[path = "../shared/at_database.rs"]
mod at_database;
mod files;
mod nodes;
mod survey;
mod watchers;

use at_database::wait_in_database;
use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::gateway::{self, Gateway};
use ringdown_harness::http::{Client, HttpAnswer};
use ringdown_harness::mail::{MailClient, MailSink, SunkMail, swaks};
use ringdown_harness::place::free_address;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk with a mailbox, a smarthost, and agents who take mails and no calls.
struct MailDesk {
    desk: Desk,
    smtp: SocketAddr,
    lmtp: SocketAddr,
    sink: MailSink,
}

impl MailDesk {
    fn open(email_keys: &str, queue_keys: &str, agents: &[&str]) -> Self {
        let sink = MailSink::start(|_| {});
        let smarthost = format!("port = {}\ntls = \"none\"\n", sink.address().port());
        Self::open_behind(&smarthost, sink, email_keys, queue_keys, agents)
    }

    /// The same with another server between it and the sink.
    fn open_behind(
        smarthost: &str,
        sink: MailSink,
        email_keys: &str,
        queue_keys: &str,
        agents: &[&str],
    ) -> Self {
        let (smtp, lmtp) = (free_address(), free_address());
        let mut text = format!(
            "[email]\nlisten = \"{smtp}\"\nlmtp_listen = \"{lmtp}\"\n{email_keys}\n\
             [email.smarthost]\nhost = \"127.0.0.1\"\n{smarthost}\
             [[mailbox]]\naddress = \"help@desk.example\"\nname = \"Help\"\nqueue = \"desk\"\nacknowledge = false\n\
             [[queue]]\nid = \"second\"\n"
        );
        for agent in agents {
            text.push_str(&format!(
                "[[agent]]\nid = \"{agent}\"\nname = \"{agent} of the desk\"\nqueues = [\"desk\"]\n\
                 capacity = {{ email = 2 }}\nlog_in = \"by_hand\"\n"
            ));
        }
        let plan = DeskPlan::new().queue_keys(queue_keys).section(&text);
        Self {
            desk: plan.open(program()),
            smtp,
            lmtp,
            sink,
        }
    }

    fn log_in(&self, agent: &str) {
        self.status(agent, "available");
    }

    fn status(&self, agent: &str, status: &str) {
        let path = format!("/api/v1/agents/{agent}/status");
        is(
            &self.desk.api.post(&path, &json!({ "status": status })),
            200,
        );
    }

    /// Delivers a mail of Anna's by SMTP and gives its ticket's number.
    fn deliver(&self, to: &str, id: &str, fields: &str) -> String {
        let mut client = MailClient::connect(self.smtp);
        client.say("EHLO client.example", "250");
        let mail = mail(id, fields);
        let answer = client
            .try_deliver("anna@example.org", to, &mail)
            .unwrap_or_else(|fault| panic!("{fault}"));
        assert!(answer.starts_with("250"), "{answer}");
        let number = answer.trim_end().rsplit(' ').next();
        number.unwrap_or_default().to_owned()
    }

    /// Delivers a mail whose fields take the place of the usual ones of the same name.
    fn deliver_as(&self, to: &str, id: &str, fields: &str) -> String {
        let text = mail(id, fields).replacen("Subject: Printer\n", "", 1);
        let mut client = MailClient::connect(self.smtp);
        client.say("EHLO client.example", "250");
        let answer = client.try_deliver("anna@example.org", to, &text);
        let answer = answer.unwrap_or_else(|fault| panic!("{fault}"));
        answer
            .trim_end()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until a contact is in this state with the agent.
    fn in_hand(&self, agent: &str, state: &str) -> Value {
        let path = format!("/api/v1/agents/{agent}/offers");
        let find = |list: &Value| {
            let items = list["items"].as_array()?;
            items.iter().find(|item| item["state"] == state).cloned()
        };
        let what = format!("something {state}");
        let list = self
            .desk
            .api
            .wait_until(&path, &what, PATIENCE, |list| find(list).is_some());
        find(&list).expect("it was just there")
    }

    /// Waits for an offer to this agent and takes it; gives the contact.
    fn take(&self, agent: &str) -> String {
        let offer = self.in_hand(agent, "offered");
        let path = format!("/api/v1/offers/{}/accept", offer["token"]);
        is(&self.desk.api.post(&path, &json!({})), 200);
        contact_of(&offer)
    }

    fn act(&self, contact: &str, act: &str, body: &Value) -> HttpAnswer {
        let path = format!("/api/v1/contacts/{contact}/{act}");
        self.desk.api.post(&path, body)
    }

    fn ticket(&self, number: &str, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/tickets?number={number}");
        let list = self
            .desk
            .api
            .wait_until(&path, what, PATIENCE, |list| is_wanted(&list["items"][0]));
        list["items"][0].clone()
    }

    fn contact(&self, contact: &str, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/contacts/{contact}");
        self.desk.api.wait_until(&path, what, PATIENCE, is_wanted)
    }

    fn restart(&mut self) {
        self.desk.gateway.process.kill();
        self.desk.gateway = Gateway::start(program(), &self.desk.configuration);
        self.desk.gateway.must_be_ready(&self.desk.operations);
    }
}

fn mail(id: &str, fields: &str) -> String {
    format!(
        "Message-ID: <{id}>\nFrom: Anna <anna@example.org>\nTo: help@desk.example\nSubject: Printer\n{fields}\nIt does not print.\n"
    )
}

fn contact_of(item: &Value) -> String {
    item["contact"].as_str().unwrap_or_default().to_owned()
}

fn is(answer: &HttpAnswer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
}

fn field(sent: &SunkMail, name: &str) -> String {
    let found = sent.field(name);
    found
        .unwrap_or_else(|| panic!("no {name}: {sent:?}"))
        .to_owned()
}

fn articles(ticket: &Value) -> usize {
    ticket["articles"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_mail_is_offered_taken_and_answered_and_the_reply_lands_on_its_ticket() {
    let desk = MailDesk::open("", "[queue.mail]\nsignature = \"Example Ltd\"\n", &["ming"]);
    let data = mail("1@a", "References: <0@a>\n");
    let (status, said) = swaks(&[
        "--server",
        &desk.lmtp.to_string(),
        "--protocol",
        "LMTP",
        "--from",
        "anna@example.org",
        "--to",
        "help@desk.example",
        "--data",
        &data,
    ]);
    assert_eq!(status, 0, "{said}");
    desk.log_in("ming");
    let offer = desk.in_hand("ming", "offered");
    assert_eq!(
        (&offer["channel"], &offer["from"]),
        (&"email".into(), &"anna@example.org".into())
    );
    let number = offer["ticket"]["number"]
        .as_str()
        .expect("it has a ticket")
        .to_owned();
    let contact = desk.take("ming");
    let answer = json!({ "text": "Switch it on.\n\nKind regards", "close": true });
    let answered = desk.act(&contact, "answer", &answer);
    is(&answered, 200);
    assert_eq!(answered.json()["state"], "ended");

    let sent = desk.sink.wait_for(1).remove(0);
    assert_eq!(sent.to, "anna@example.org");
    assert_eq!(field(&sent, "From"), "Help <help@desk.example>");
    assert_eq!(field(&sent, "In-Reply-To"), "<1@a>");
    assert_eq!(field(&sent, "References"), "<0@a> <1@a>");
    assert_eq!(field(&sent, "Subject"), format!("Re: [{number}] Printer"));
    assert_eq!(sent.field("Auto-Submitted"), None, "a person wrote it");
    assert!(
        sent.from.starts_with("help+rd-"),
        "bounces come to the ticket: {}",
        sent.from
    );
    for words in [
        "Switch it on.",
        "ming of the desk",
        "Example Ltd",
        "> It does not print.",
    ] {
        assert!(sent.text.contains(words), "{words}: {}", sent.text);
    }
    let over = desk.contact(&contact, "its end", |it| it["result"] == "answered");
    assert_eq!(
        (&over["agent"], &over["state"]),
        (&"ming".into(), &"ended".into())
    );
    let shown = desk.ticket(&number, "the answer", |it| it["status"] == "solved");
    let out = &shown["articles"][1];
    assert_eq!(
        (&out["direction"], &out["text_new"], &out["message_id"]),
        (
            &"out".into(),
            &"Switch it on.\n\nKind regards".into(),
            &field(&sent, "Message-ID").into()
        )
    );

    let reply_to = field(&sent, "Reply-To");
    let address = reply_to
        .split(['<', '>'])
        .nth(1)
        .unwrap_or(&reply_to)
        .to_owned();
    assert_eq!(
        desk.deliver(&address, "2@a", ""),
        number,
        "by the signed address"
    );
    let by_id = format!("In-Reply-To: {}\n", field(&sent, "Message-ID"));
    assert_eq!(
        desk.deliver("help@desk.example", "3@a", &by_id),
        number,
        "by the thread"
    );
    let shown = desk.ticket(&number, "the replies", |it| articles(it) == 4);
    assert_eq!(shown["status"], "open", "a reply opens it again");
    assert_eq!(
        desk.take("ming"),
        shown["contacts"][1].as_str().unwrap_or_default()
    );
}

#[test]
fn a_command_that_cannot_be_is_refused_and_changes_nothing() {
    let desk = MailDesk::open("", "", &["ming", "lena"]);
    desk.log_in("ming");
    let number = desk.deliver("help@desk.example", "1@a", "");
    let offer = desk.in_hand("ming", "offered");
    let contact = contact_of(&offer);
    let api = &desk.desk.api;
    is(&desk.act(&contact, "answer", &json!({ "text": "x" })), 409);
    is(&api.post("/api/v1/offers/1/accept", &json!({})), 409);
    is(&api.post("/api/v1/offers/x/accept", &json!({})), 404);

    let token = |agent: &str| {
        let arguments = ["token", "add", agent, "--agent", agent];
        let (status, token, said) = gateway::run(program(), &desk.desk.folder, &arguments);
        assert_eq!(status, 0, "{said}");
        Client {
            address: api.address,
            token: token.trim().to_owned(),
        }
    };
    let (ming, lena) = (token("ming"), token("lena"));
    let known = |client: &Client| client.get("/api/v1/agents").status == 200;
    while !known(&ming) || !known(&lena) {
        std::thread::yield_now();
    }
    let accept = format!("/api/v1/offers/{}/accept", offer["token"]);
    is(&lena.post(&accept, &json!({})), 403);
    is(&lena.get("/api/v1/agents/ming/offers"), 403);
    is(
        &lena.post(
            "/api/v1/agents/ming/status",
            &json!({ "status": "logged_off" }),
        ),
        403,
    );
    is(
        &lena.post("/api/v1/queues/desk/opening", &json!({ "is_open": false })),
        403,
    );
    is(&ming.post(&accept, &json!({})), 200);
    is(&ming.post(&accept, &json!({})), 200);

    let answer = format!("/api/v1/contacts/{contact}/answer");
    is(&lena.post(&answer, &json!({ "text": "mine" })), 403);
    for wrong in [
        json!({ "text": " " }),
        json!({ "text": "x", "to": ["nobody"] }),
        json!({ "text": "x", "to": ["help+1@desk.example"] }),
        json!({ "text": "x", "to": [] }),
        json!({ "text": "x", "status": "solved" }),
        json!({ "text": "x", "subject": "y" }),
    ] {
        is(&ming.post(&answer, &wrong), 422);
    }
    let hand_over = format!("/api/v1/contacts/{contact}/hand_over");
    is(&ming.post(&hand_over, &json!({})), 422);
    is(&ming.post(&hand_over, &json!({ "queue": "nowhere" })), 422);
    is(&ming.post(&hand_over, &json!({ "agent": "ming" })), 409);
    is(
        &ming.post(&hand_over, &json!({ "queue": "second", "agent": "lena" })),
        422,
    );
    let shown = desk.ticket(&number, "it as it was", |_| true);
    assert_eq!(
        (articles(&shown), &shown["status"]),
        (1, &"in_progress".into())
    );
    let close = format!("/api/v1/contacts/{contact}/close");
    is(
        &ming.post(
            &close,
            &json!({ "status": "closed", "result": "spoke to her" }),
        ),
        200,
    );
    is(&ming.post(&close, &json!({ "result": "again" })), 409);
    is(&ming.post(&answer, &json!({ "text": "x" })), 409);
    let shown = desk.ticket(&number, "its end", |it| it["status"] == "closed");
    assert_eq!(shown["resolution"], "spoke to her");
    assert!(desk.sink.taken().is_empty());
}

#[test]
fn a_mail_is_passed_on_with_its_age_and_a_note() {
    let desk = MailDesk::open("", "", &["ming", "lena"]);
    desk.log_in("ming");
    let number = desk.deliver("help@desk.example", "1@a", "");
    let contact = desk.take("ming");
    let before = desk.in_hand("ming", "active");
    desk.log_in("lena");
    let goal = json!({ "agent": "lena", "note": "she knows printers" });
    is(&desk.act(&contact, "hand_over", &goal), 200);
    let offer = desk.in_hand("lena", "offered");
    assert_eq!(contact_of(&offer), contact);
    assert_eq!(
        offer["enqueued_at"], before["enqueued_at"],
        "it keeps its age"
    );
    let shown = desk.ticket(&number, "the note", |it| articles(it) == 2);
    let note = &shown["articles"][1];
    assert_eq!(
        (&note["direction"], &note["text"]),
        (&"internal".into(), &"she knows printers".into())
    );
    desk.take("lena");
    is(
        &desk.act(&contact, "hand_over", &json!({ "queue": "second" })),
        200,
    );
    let there = desk.contact(&contact, "it there", |it| it["queue"] == "second");
    assert_eq!(there["state"], "waiting");
}

#[test]
fn spam_is_answered_by_nobody_and_its_senders_later_mails_are_put_aside() {
    let desk = MailDesk::open("", "[queue.mail]\n", &["ming"]);
    desk.log_in("ming");
    let number = desk.deliver("help@desk.example", "1@a", "");
    let contact = desk.take("ming");
    is(&desk.act(&contact, "spam", &json!({})), 200);
    let shown = desk.ticket(&number, "its end", |it| it["status"] == "closed");
    assert_eq!(shown["resolution"], "spam");
    let later = desk.deliver("help@desk.example", "2@a", "");
    let shown = desk.ticket(&later, "the later one", |it| {
        it["contacts"]
            .as_array()
            .is_some_and(|contacts| contacts.len() == 1)
    });
    let aside = shown["contacts"][0].as_str().unwrap_or_default().to_owned();
    let aside = desk.contact(&aside, "it aside", |it| it["result"] == "blocked");
    assert_eq!(aside["enqueued_at"], Value::Null, "it stood in no line");
    assert!(desk.sink.taken().is_empty());
}

#[test]
fn mails_in_hand_stay_through_a_restart_and_return_when_their_agent_does_not() {
    let mut desk = MailDesk::open("keep_when_away_s = 5\n", "", &["ming", "lena"]);
    desk.log_in("ming");
    let number = desk.deliver("help@desk.example", "1@a", "");
    let first = desk.take("ming");
    let before = desk.in_hand("ming", "active");
    desk.restart();
    let after = desk.in_hand("ming", "active");
    assert_eq!(
        (&after["contact"], &after["token"], &after["enqueued_at"]),
        (&before["contact"], &before["token"], &before["enqueued_at"])
    );
    desk.log_in("ming");
    let answer = json!({ "text": "Switch it on.", "close": true });
    is(&desk.act(&first, "answer", &answer), 200);
    desk.ticket(&number, "its end", |it| it["status"] == "solved");

    desk.deliver("help@desk.example", "2@a", "");
    let second = desk.take("ming");
    desk.status("ming", "logged_off");
    let waits = desk.contact(&second, "it in the line", |it| it["state"] == "waiting");
    assert_eq!(waits["result"], Value::Null);
    desk.log_in("lena");
    assert_eq!(desk.take("lena"), second);
}

#[test]
fn an_offer_that_nobody_takes_goes_to_somebody_else() {
    let desk = MailDesk::open("", "take_timeout_s = { email = 1 }\n", &["ming", "lena"]);
    desk.log_in("ming");
    desk.deliver("help@desk.example", "1@a", "");
    let offer = desk.in_hand("ming", "offered");
    desk.log_in("lena");
    assert_eq!(desk.take("lena"), contact_of(&offer));
    let agents = desk
        .desk
        .api
        .wait_until("/api/v1/agents", "ming away", PATIENCE, |list| {
            list["items"].as_array().is_some_and(|agents| {
                agents
                    .iter()
                    .any(|agent| agent["id"] == "ming" && agent["status"] == "not_ready")
            })
        });
    assert!(agents.is_object());
    let late = format!("/api/v1/offers/{}/accept", offer["token"]);
    is(&desk.desk.api.post(&late, &json!({})), 409);
}

#[test]
fn an_answer_that_was_confirmed_is_sent_once_whenever_the_gateway_dies() {
    let mut desk = MailDesk::open("", "", &["ming"]);
    desk.log_in("ming");
    for round in 0..ROUNDS {
        desk.deliver("help@desk.example", &format!("{round}@a"), "");
        let contact = desk.take("ming");
        let path = format!("/api/v1/contacts/{contact}/answer");
        let body = json!({ "text": format!("answer {round}"), "close": true }).to_string();
        let header = format!("Idempotency-Key: round-{round}\r\n");
        let api = desk.desk.api.clone();
        let ask = || api.try_send("POST", &path, &header, &body);
        std::thread::scope(|scope| {
            let asking = scope.spawn(ask);
            // Every round dies a little later, the last ones while it is sent.
            std::thread::park_timeout(std::time::Duration::from_millis(150 * round));
            desk.desk.gateway.process.kill();
            drop(asking.join());
        });
        desk.desk.gateway = Gateway::start(program(), &desk.desk.configuration);
        desk.desk.gateway.must_be_ready(&desk.desk.operations);
        desk.log_in("ming");
        // Whoever was not told asks again, and it is done once.
        loop {
            let answer = ask().unwrap_or_else(|fault| panic!("{fault}"));
            if answer.status == 200 {
                break;
            }
            // Until the gateway has the mails of before back.
            assert_eq!(answer.status, 409, "{}", answer.body);
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        desk.contact(&contact, "its end", |it| it["result"] == "answered");
        // So each of them meets one death.
        let unsent = "SELECT COUNT(*) FROM outbox WHERE state <> 'sent'";
        wait_in_database(&desk.desk, unsent, |count| count == 0);
    }
    let list = desk.desk.api.get_json("/api/v1/tickets");
    for item in list["items"].as_array().unwrap_or(&Vec::new()) {
        let ticket = desk
            .desk
            .api
            .get_json(&format!("/api/v1/tickets/{}", item["id"]));
        let all = ticket["articles"].as_array().cloned().unwrap_or_default();
        let out = all.iter().filter(|it| it["direction"] == "out").count();
        assert_eq!(out, 1, "{ticket:#}");
    }
    let wanted = usize::try_from(ROUNDS).unwrap_or(0);
    let mut by_id: BTreeMap<String, Vec<SunkMail>> = BTreeMap::new();
    let mut count = wanted;
    while by_id.len() < wanted {
        by_id.clear();
        for mail in desk.sink.wait_for(count) {
            by_id
                .entry(field(&mail, "Message-ID"))
                .or_default()
                .push(mail);
        }
        count += 1;
    }
    // One that the sink took as the gateway died comes again as it was; SMTP leaves no other choice.
    for same in by_id.values() {
        assert!(same.len() <= 2, "{same:?}");
        assert!(
            same.iter().all(|mail| mail.text == same[0].text),
            "{same:?}"
        );
    }
}

#[test]
fn tickets_are_merged_and_split_and_what_comes_back_follows() {
    let desk = MailDesk::open("", "", &["ming"]);
    let first = desk.deliver("help@desk.example", "1@a", "");
    let second = desk.deliver("help@desk.example", "2@a", "");
    let shown = |number: &str| desk.ticket(number, "it", |it| it["id"].is_u64());
    let (from, into) = (shown(&second), shown(&first));
    let api = &desk.desk.api;
    let path = |ticket: &Value, act: &str| format!("/api/v1/tickets/{}/{act}", ticket["id"]);
    is(
        &api.post(&path(&from, "merge"), &json!({ "into": from["id"] })),
        422,
    );
    is(
        &api.post(&path(&from, "merge"), &json!({ "into": 999 })),
        404,
    );
    let merged = api.post(&path(&from, "merge"), &json!({ "into": into["id"] }));
    is(&merged, 200);
    assert_eq!(merged.json()["contacts"].as_array().map(Vec::len), Some(2));
    is(
        &api.post(&path(&from, "merge"), &json!({ "into": into["id"] })),
        409,
    );
    let gone = desk.ticket(&second, "its end", |it| it["status"] == "closed");
    assert_eq!(
        (&gone["resolution"], &gone["merged_into"]),
        (&"merged".into(), &into["id"])
    );
    let left = from["contacts"][0].as_str().unwrap_or_default();
    desk.contact(left, "that it left", |it| it["result"] == "flowed_out");
    // The thread and the number of the one that is gone lead to the other.
    assert_eq!(
        desk.deliver("help@desk.example", "3@a", "In-Reply-To: <2@a>\n"),
        first
    );
    let by_number = format!("Subject: Re: {second}\n");
    assert_eq!(
        desk.deliver_as("help@desk.example", "4@a", &by_number),
        first
    );

    let whole = desk.ticket(&first, "all of them", |it| articles(it) == 5);
    let all = whole["articles"].as_array().cloned().unwrap_or_default();
    let article = |id: &str| {
        let id = format!("<{id}>");
        let found = all.iter().find(|it| it["message_id"] == id.as_str());
        found.unwrap_or_else(|| panic!("no {id}"))["id"].clone()
    };
    let split = |id: &str| api.post(&path(&into, "split"), &json!({ "article": article(id) }));
    is(&split("1@a"), 409);
    let made = split("3@a");
    is(&made, 201);
    let made = made.json();
    let number = made["number"].as_str().unwrap_or_default();
    let new = desk.ticket(number, "the mail on it", |it| articles(it) == 2);
    assert_eq!(new["subject"], "Printer");
    is(&split("3@a"), 404);
    assert_eq!(
        desk.deliver("help@desk.example", "5@a", "In-Reply-To: <3@a>\n"),
        number
    );
    let contact = made["contact"].as_str().unwrap_or_default().to_owned();
    desk.contact(&contact, "it in the line", |it| it["state"] == "waiting");
    desk.log_in("ming");
    desk.take("ming");
}

#[test]
fn senders_are_told_by_rule_and_say_once_how_it_went() {
    let keys = "[queue.mail]\nprogress = true\nclosing = true\nsatisfaction = true\n";
    let desk = MailDesk::open("survey_url = \"https://desk.example/\"\n", keys, &["ming"]);
    desk.log_in("ming");
    desk.deliver("help@desk.example", "1@a", "");
    let contact = desk.take("ming");
    let closing = json!({ "result": "cable", "text": "We have changed the cable." });
    is(&desk.act(&contact, "close", &closing), 200);
    let sent = desk.sink.wait_for(2);
    let note = sent
        .iter()
        .find(|mail| mail.text.contains("changed the cable"));
    let note = note.unwrap_or_else(|| panic!("{sent:?}"));
    assert_eq!(
        (note.from.as_str(), note.to.as_str()),
        ("", "anna@example.org")
    );
    assert_eq!(field(note, "Auto-Submitted"), "auto-generated");
    assert!(
        !note.text.contains("cable\r\n\r\ncable"),
        "the result is the desk's own"
    );
    let asks = sent.iter().find(|mail| plain(mail).contains("/survey/"));
    let asks = plain(asks.unwrap_or_else(|| panic!("{sent:?}")));
    let link = asks
        .split("https://desk.example")
        .nth(1)
        .unwrap_or_default();
    let link = link
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();

    let web = Client {
        address: desk.desk.api.address,
        token: String::new(),
    };
    let page = web.get(&link);
    assert_eq!(page.status, 200, "{link}: {}", page.body);
    assert!(
        page.body.contains("How well did we help you"),
        "{}",
        page.body
    );
    let chinese = web.get(&link.replace("lang=en", "lang=zh-TW"));
    assert!(chinese.body.contains("滿意"), "{}", chinese.body);
    let answer = |link: &str, body: &str| {
        let head = "Content-Type: application/x-www-form-urlencoded\r\n";
        let length = body.len();
        let raw = format!(
            "POST {link} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        );
        raw_status(web.address, &raw)
    };
    assert_eq!(answer(&link, "score=9"), 422);
    assert_eq!(answer(&link, "score=4&comment=quick+and+%3Cb%3Ekind"), 200);
    assert_eq!(answer(&link, "score=1"), 409);
    assert_eq!(answer("/survey/nothing", "score=1"), 404);
    let broken = link.replacen('-', "-1", 1);
    assert_eq!(web.get(&broken).status, 404);
    let record = desk.contact(&contact, "it", |it| it["ticket"].is_u64());
    let ticket = desk
        .desk
        .api
        .get_json(&format!("/api/v1/tickets/{}", record["ticket"]));
    assert!(
        ticket
            .to_string()
            .contains("How it went: 4 of 5. quick and <b>kind"),
        "{ticket:#}"
    );

    // A machine is told nothing.
    desk.deliver(
        "help@desk.example",
        "2@a",
        "Auto-Submitted: auto-generated\n",
    );
    let contact = desk.take("ming");
    is(&desk.act(&contact, "close", &closing), 200);
    // A person is, that the mail has gone elsewhere.
    desk.deliver("help@desk.example", "3@a", "");
    let contact = desk.take("ming");
    is(
        &desk.act(&contact, "hand_over", &json!({ "queue": "second" })),
        200,
    );
    let sent = desk.sink.wait_for(3);
    assert!(
        sent[2].text.contains("Your request is with second now."),
        "{sent:#?}"
    );
    assert_eq!(desk.sink.taken().len(), 3);
}

/// The text part, with its lines joined again.
fn plain(mail: &SunkMail) -> String {
    mail.text.replace("=\r\n", "").replace("=3D", "=")
}

fn raw_status(address: SocketAddr, request: &str) -> u16 {
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status = answer.split(' ').nth(1);
    status.and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn an_answer_has_a_due_time_and_is_put_forward_once_before_it_lapses() {
    let keys = "[queue.mail]\nfirst_answer_due_s = { 1 = 60, 2 = 3, 3 = 3, 4 = 3, 5 = 3 }\n\
                next_answer_due_s = { 4 = 7200 }\nescalate_before_s = 1\nescalation = { priority = 50 }\n";
    let mut desk = MailDesk::open("", keys, &["ming"]);
    let number = desk.deliver("help@desk.example", "1@a", "");
    let shown = desk.ticket(&number, "its due time", |it| {
        it["answer_due"]["due_at"].is_string()
    });
    assert_eq!(shown["answer_due"]["kind"], "first");
    let contact = shown["contacts"][0].as_str().unwrap_or_default().to_owned();
    let events = format!("/api/v1/contacts/{contact}/events");
    let escalations = |list: &Value| {
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .filter(|event| event["event"] == "escalated")
            .count()
    };
    desk.desk
        .api
        .wait_until(&events, "its escalation", PATIENCE, |list| {
            escalations(list) == 1
        });
    let waiting = desk.desk.api.get_json("/api/v1/queues/desk/waiting");
    assert_eq!(waiting["items"][0]["priority"], 50, "{waiting:#}");
    desk.restart();
    desk.log_in("ming");
    let offer = desk.in_hand("ming", "offered");
    assert_eq!(offer["due_at"], shown["answer_due"]["due_at"]);
    desk.take("ming");
    is(
        &desk.act(&contact, "answer", &json!({ "text": "Switch it on." })),
        200,
    );
    let answered = desk.ticket(&number, "that it waits no more", |it| {
        it["answer_due"].is_null()
    });
    assert_eq!(answered["status"], "in_progress");
    let list = desk.desk.api.get_json(&events);
    assert_eq!(escalations(&list), 1, "{list:#}");
    desk.deliver("help@desk.example", "2@a", "In-Reply-To: <1@a>\n");
    let again = desk.ticket(&number, "that it waits again", |it| {
        it["answer_due"].is_object()
    });
    assert_eq!(again["answer_due"]["kind"], "next");

    let from = "2020-01-01T00:00:00Z";
    let path = format!("/api/v1/statistics/answers?from={from}&to=2100-01-01T00:00:00Z");
    let figures = desk.desk.api.get_json(&path);
    let of = &figures["queues"]["desk"];
    assert_eq!(
        (&of["answered"], &of["backlog"]),
        (&1.into(), &1.into()),
        "{figures:#}"
    );
    assert!(
        of["answer_working_s"]
            .as_f64()
            .is_some_and(|mean| mean > 1.0),
        "{figures:#}"
    );
}

/// How often the gateway dies.
const ROUNDS: u64 = 8;
