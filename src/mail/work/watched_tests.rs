//! Who reads along on a ticket gets copies, and nobody else does; and what a machine leaves unsaid is counted.

use super::tests::{sent, taken_with, wish, work};
use super::{Added, AnswerWish, Ending, WorkFault};
use crate::config::Config;
use crate::database::tests::on_both_engines;
use crate::database::{Database, Statement};
use crate::mail::tests::{ANNA, CONFIG, Desk, HELP, mail};
use crate::metrics::Metrics;
use ringdown_email::{EmailAddress, Mailbox};
use ringdown_routing::ids::TicketId;
use std::path::Path;
use std::sync::Arc;

const COPIES: &str =
    "Cc: Bob <bob@example.org>, noreply@example.org, help+x@desk.example, bad@example.org\n";

async fn watched(database: &Database, change: impl Fn(String) -> String) -> Desk {
    let rule = "[[email.rule]]\nname = \"copies\"\n\
        then = { watch_cc = true, watchers = [\"lead@partner.example\"] }\n";
    let closing = "id = \"desk\"\nmail = { closing = true }\n";
    let config = CONFIG.replacen("id = \"desk\"\n", closing, 1) + rule;
    let config = Config::parse(Path::new("x.toml"), &change(config), &[]).unwrap();
    let bad = "INSERT INTO bad_addresses (address, why, at) VALUES ('bad@example.org', '5.1.1', 0) \
        ON CONFLICT (address) DO NOTHING";
    database
        .write(vec![Statement::new(bad, vec![])])
        .await
        .unwrap();
    Desk::start(database, Arc::new(config), "node-a").await
}

fn to(kind: &str, people: &[&str]) -> Vec<(String, String)> {
    let people = people.iter();
    people
        .map(|it| (kind.to_owned(), (*it).to_owned()))
        .collect()
}

#[test]
fn watchers_get_a_copy_of_the_answer_and_of_the_closing_note() {
    on_both_engines(async |database| {
        let desk = watched(&database, |config| config).await;
        let contact = taken_with(&desk, "1@a", COPIES).await;
        assert_eq!(sent(&desk).await, []);
        let work = work(&desk);
        let held = work.held(contact).await.unwrap();
        let kept_open = |cc| AnswerWish {
            ending: None,
            cc,
            ..wish(7)
        };
        let answered = work.answer(&held, kept_open(None)).await.unwrap();
        assert_eq!(
            answered.cc,
            ["Bob <bob@example.org>", "lead@partner.example"]
        );
        let all = [
            "anna@example.org",
            "bob@example.org",
            "lead@partner.example",
        ];
        let mut wanted = to("answer", &all);
        assert_eq!(sent(&desk).await, wanted);
        // Whoever the agent names takes their place.
        let nobody = AnswerWish {
            key: 8,
            ..kept_open(Some(Vec::new()))
        };
        work.answer(&held, nobody).await.unwrap();
        wanted.extend(to("answer", &all[..1]));
        work.close(&held, Ending::Solved, "done", "It prints again.")
            .await
            .unwrap();
        wanted.extend(to("closing", &all));
        assert_eq!(sent(&desk).await, wanted);
        let ticket = desk.tickets.ticket(held.ticket).await.unwrap().unwrap();
        let note = ticket.articles.last().unwrap();
        assert!(
            note.facts.as_ref().unwrap()["cc"]
                .to_string()
                .contains("lead@partner"),
            "{note:?}"
        );
    });
}

async fn watchers(desk: &Desk, ticket: u64) -> Vec<String> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT address FROM ticket_watchers WHERE ticket = $1 ORDER BY address")
            .bind(i64::try_from(ticket).unwrap())
            .fetch_all(desk.database.reads())
            .await
            .unwrap();
    rows.into_iter().map(|(address,)| address).collect()
}

#[test]
fn a_machine_or_a_forged_sender_makes_nobody_a_watcher_but_whom_the_rule_names() {
    on_both_engines(async |database| {
        let desk = watched(&database, |config| config).await;
        let machine = "Auto-Submitted: auto-generated\nCc: bob@example.org\n";
        let forged = "Authentication-Results: mx.desk.example; dmarc=fail header.from=example.org\n\
            Cc: bob@example.org\n";
        for (id, fields) in [("1@a", machine), ("2@a", forged)] {
            let filed = desk.take(0, HELP, &mail(id, ANNA, fields)).await;
            let found = watchers(&desk, filed.ticket.as_u64()).await;
            assert_eq!(found, ["lead@partner.example"], "{fields}");
        }
        let person = mail(
            "3@a",
            ANNA,
            "Cc: bob@example.org, Anna <anna@example.org>\n",
        );
        let filed = desk.take(0, HELP, &person).await;
        let found = watchers(&desk, filed.ticket.as_u64()).await;
        assert_eq!(found, ["bob@example.org", "lead@partner.example"]);
    });
}

#[test]
fn acknowledgements_go_to_watchers_only_where_that_is_wanted() {
    on_both_engines(async |database| {
        let acknowledges = |config: String| config.replace("acknowledge = false\n", "");
        let desk = watched(&database, acknowledges).await;
        desk.take(0, HELP, &mail("1@a", ANNA, COPIES)).await;
        let mut wanted = to("acknowledgement", &["anna@example.org"]);
        assert_eq!(sent(&desk).await, wanted);

        let desk = watched(&database, |config| {
            let both = "[email]\nacknowledge_watchers = true\n";
            acknowledges(config).replacen("[email]\n", both, 1)
        })
        .await;
        let carl = "Carl <carl@example.org>";
        desk.take(10, HELP, &mail("2@a", carl, COPIES)).await;
        let copied = [
            "carl@example.org",
            "lead@partner.example",
            "bob@example.org",
        ];
        wanted.extend(to("acknowledgement", &copied));
        assert_eq!(sent(&desk).await, wanted);
        // They had one within the hour.
        let dora = "Dora <dora@example.org>";
        desk.take(20, HELP, &mail("3@a", dora, COPIES)).await;
        wanted.extend(to("acknowledgement", &["dora@example.org"]));
        assert_eq!(sent(&desk).await, wanted);
    });
}

#[test]
fn who_asked_first_reads_what_is_answered_to_a_watcher_and_that_it_is_done() {
    on_both_engines(async |database| {
        let desk = watched(&database, |config| config).await;
        let asked = "Reply-To: Anna at home <anna@home.example>\nCc: Bob <bob@example.org>\n";
        let contact = taken_with(&desk, "1@a", asked).await;
        let work = work(&desk);
        let kept_open = |key| AnswerWish {
            ending: None,
            ..wish(key)
        };
        let held = work.held(contact).await.unwrap();
        work.answer(&held, kept_open(7)).await.unwrap();
        let before = sent(&desk).await.len();
        // Bob writes to the ticket, and not to Anna.
        let bob = mail("2@b", "Bob <bob@example.org>", "In-Reply-To: <1@a>\n");
        let filed = desk.take(30, HELP, &bob).await;
        assert_eq!(filed.ticket, held.ticket);
        assert_eq!(sent(&desk).await.len(), before, "no machine tells anybody");
        let answered = work.answer(&held, kept_open(8)).await.unwrap();
        assert_eq!(answered.to, ["Bob <bob@example.org>"]);
        let copied = ["Anna at home <anna@home.example>", "lead@partner.example"];
        assert_eq!(answered.cc, copied);
        let ticket = desk.tickets.ticket(held.ticket).await.unwrap().unwrap();
        let letter = ticket.articles.last().unwrap();
        assert!(letter.text.contains("> It does not print."), "{letter:?}");
        // The agent's word on whom it goes to is the last.
        let named = AnswerWish {
            to: Some(vec![EmailAddress::parse("bob@example.org").unwrap()]),
            ..kept_open(9)
        };
        assert_eq!(work.answer(&held, named).await.unwrap().cc, copied[1..]);
        let before = sent(&desk).await.len();
        work.close(&held, Ending::Solved, "done", "It prints again.")
            .await
            .unwrap();
        let wanted = [
            "bob@example.org",
            "anna@home.example",
            "lead@partner.example",
        ];
        assert_eq!(sent(&desk).await[before..], to("closing", &wanted));
    });
}

#[test]
fn who_asked_gets_no_copy_of_what_is_said_to_others_whom_an_agent_wrote_to() {
    on_both_engines(async |database| {
        let desk = watched(&database, |config| config).await;
        let contact = taken_with(&desk, "1@a", "").await;
        let work = work(&desk);
        let held = work.held(contact).await.unwrap();
        let vendor = || EmailAddress::parse("support@vendor.example");
        let question = AnswerWish {
            to: Some(vendor().into_iter().collect()),
            cc: Some(Vec::new()),
            ending: None,
            ..wish(7)
        };
        let asked = work.answer(&held, question).await.unwrap();
        let reply = format!("In-Reply-To: {}\n", asked.message_id);
        let reply = mail("2@v", "Vendor <support@vendor.example>", &reply);
        let filed = desk.take(30, HELP, &reply).await;
        assert_eq!(filed.ticket, held.ticket);
        let answered = work
            .answer(
                &held,
                AnswerWish {
                    ending: None,
                    ..wish(8)
                },
            )
            .await
            .unwrap();
        assert_eq!(answered.to, ["Vendor <support@vendor.example>"]);
        assert_eq!(answered.cc, ["lead@partner.example"]);
    });
}

#[test]
fn the_desk_adds_and_takes_off_who_reads_along_and_no_rule_brings_them_back() {
    on_both_engines(async |database| {
        let desk = watched(&database, |config| config).await;
        let contact = taken_with(&desk, "1@a", "Cc: bob@example.org\n").await;
        let work = work(&desk);
        let held = work.held(contact).await.unwrap();
        let mailbox = |address: &str| Mailbox {
            name: None,
            email: EmailAddress::parse(address).unwrap(),
        };
        let add = async |address: &str| {
            work.add_watcher(held.ticket, mailbox(address), ("ming", None))
                .await
        };
        assert!(matches!(add("cleo@example.org").await, Ok(Added::Now(_))));
        assert!(matches!(
            add("Cleo+x@Example.org").await,
            Ok(Added::Before(_))
        ));
        for nobody in ["help@desk.example", "noreply@example.org"] {
            assert!(
                matches!(add(nobody).await, Err(WorkFault::Unfit(_))),
                "{nobody}"
            );
        }
        assert!(matches!(
            add("bad@example.org").await,
            Err(WorkFault::NotNow(_))
        ));
        let nowhere = work
            .add_watcher(
                TicketId::new(999),
                mailbox("cleo@example.org"),
                ("ming", None),
            )
            .await;
        assert!(matches!(nowhere, Err(WorkFault::Unknown(_))), "{nowhere:?}");
        let shown = async || {
            let ticket = desk.tickets.ticket(held.ticket).await.unwrap().unwrap();
            let all = ticket.watchers.iter();
            let all = all.map(|it| format!("{} {} {:?}", it.address, it.why.as_str(), it.by));
            all.collect::<Vec<_>>()
        };
        let lead = "lead@partner.example rule None".to_owned();
        let cleo = "cleo@example.org by_hand Some(\"ming\")".to_owned();
        let bob = "bob@example.org copy None".to_owned();
        assert_eq!(shown().await, [bob, lead.clone(), cleo.clone()]);

        work.remove_watcher(held.ticket, mailbox("bob@example.org"), None)
            .await
            .unwrap();
        let again = work
            .remove_watcher(held.ticket, mailbox("bob@example.org"), None)
            .await;
        assert!(matches!(again, Err(WorkFault::Unknown(_))), "{again:?}");
        // Anna puts him in copy again: the rule does not bring him back, nor does the answer go to him.
        let more = mail("2@a", ANNA, "In-Reply-To: <1@a>\nCc: bob@example.org\n");
        assert_eq!(desk.take(30, HELP, &more).await.ticket, held.ticket);
        assert_eq!(shown().await, [lead, cleo]);
        let answered = work
            .answer(
                &held,
                AnswerWish {
                    ending: None,
                    ..wish(7)
                },
            )
            .await
            .unwrap();
        assert_eq!(answered.cc, ["lead@partner.example", "cleo@example.org"]);
        // Whoever was added may answer to the ticket.
        let reply = mail(
            "3@c",
            "cleo@example.org",
            &format!("In-Reply-To: {}\n", answered.message_id),
        );
        assert_eq!(desk.take(40, HELP, &reply).await.ticket, held.ticket);
        assert!(matches!(add("bob@example.org").await, Ok(Added::Now(_))));
        assert_eq!(shown().await.len(), 3);
    });
}

#[test]
fn what_is_acknowledged_and_what_is_not_is_counted_by_why() {
    on_both_engines(async |database| {
        let desk = watched(&database, |config| {
            config.replace("acknowledge = false\n", "")
        })
        .await;
        let machine = "Auto-Submitted: auto-generated\n";
        let mails = [
            mail("1@a", ANNA, ""),
            mail("1@a", ANNA, ""),
            mail("2@a", ANNA, ""),
            mail("3@a", "Watch <watch@example.org>", machine),
            mail("4@a", "bad@example.org", ""),
            mail(
                "5@a",
                "MAILER-DAEMON@mx.example.net",
                "Return-Path: <>\nAuto-Submitted: auto-replied\n",
            ),
        ];
        for mail in &mails {
            desk.take(0, HELP, mail).await;
        }
        for number in 0..30 {
            let busy = "Busy <busy@example.org>";
            desk.take(1, HELP, &mail(&format!("b{number}@a"), busy, ""))
                .await;
        }
        let metrics = Metrics::default();
        desk.intake.tally().show_in(&metrics);
        let told = metrics.render();
        let silence = |reason: &str, mark: &str, count: u32| {
            format!(
                "ringdown_automatic_letters_suppressed_total{{letter=\"acknowledgement\",reason=\"{reason}\",mark=\"{mark}\"}} {count}\n"
            )
        };
        for line in [
            "ringdown_acknowledgements_total 2\n".to_owned(),
            // Anna's second, and of the thirty in one second those that a person might have written.
            silence("window", "", 21),
            silence("loop_guard", "generated", 1),
            silence("bad_address", "", 1),
            silence("circuit_breaker", "sender", 9),
        ] {
            assert!(told.contains(&line), "{line}\n{told}");
        }
    });
}
