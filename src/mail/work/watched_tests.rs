//! Who reads along on a ticket gets copies, and nobody else does; and what a machine leaves unsaid is counted.

use super::tests::{sent, taken_with, wish, work};
use super::{AnswerWish, Ending};
use crate::config::Config;
use crate::database::tests::on_both_engines;
use crate::database::{Database, Statement};
use crate::mail::tests::{ANNA, CONFIG, Desk, HELP, mail};
use crate::metrics::Metrics;
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
