use super::*;
use crate::database::Statement;
use crate::database::tests::{at, on_both_engines};
use crate::report::{Subject, from_log};
use crate::rollups::tests::{HOURS, period, printed, random_log};
use crate::rollups::{Extent, Rollups};

/// A month after every event.
fn now() -> Timestamp {
    at((HOURS + 720) * 3_600)
}

async fn count(database: &Database, what: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {what}");
    let (count,): (i64,) = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .fetch_one(database.reads())
        .await
        .unwrap();
    count
}

async fn report(log: &EventLog) -> String {
    let asked = period("1h", 0, HOURS * 3_600);
    let report = from_log::report(log, asked, &Subject::default(), now(), || ()).await;
    printed(&report.unwrap())
}

async fn look_until_nothing(keeper: &Keeper, rollups: &Rollups, now: Timestamp) {
    while keeper.look(rollups, now).await.unwrap() == Look::Went {}
}

#[test]
fn counted_events_go_and_reports_stay_as_they_were() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        let events = random_log(5);
        for event in &events {
            assert!(log.append(event.clone()));
        }
        log.flush().await.unwrap();
        let rollups = Rollups::new(&log);
        let rules = Retention {
            events_days: Some(7),
            ..Retention::default()
        };
        let keeper = Keeper::new(rules, &log);
        let all = count(&database, "events").await;
        look_until_nothing(&keeper, &rollups, now()).await;
        assert_eq!(
            count(&database, "events").await,
            all,
            "what is not counted stays"
        );

        rollups.catch_up(now(), || ()).await.unwrap().unwrap();
        let before = report(&log).await;
        // Two days after the last midnight that is kept of the log.
        let early = at(HOURS * 3_600 + 6 * 86_400);
        look_until_nothing(&keeper, &rollups, early).await;
        let some = count(&database, "events").await;
        assert!(some < all && some > 20, "{some} of {all}");
        assert_eq!(report(&log).await, before);
        look_until_nothing(&keeper, &rollups, now()).await;
        let settings = count(&database, "events").await;
        let agents = 3;
        assert_eq!(settings, agents, "the last word on each agent stays");
        assert_eq!(
            keeper.counts().events,
            u64::try_from(all - settings).unwrap()
        );
        assert_eq!(report(&log).await, before);
        assert!(rollups.lag().await.unwrap().log_from.is_some());
        // What is narrower than the roll-ups cannot be told any more, and is not told to be nothing.
        let narrow = period("5m", 0, 3_600);
        let asked = from_log::report(&log, narrow, &Subject::default(), now(), || ()).await;
        assert!(matches!(asked, Err(DatabaseFault::LetGo(_))));

        // Counted again from where the log begins, and with a word that comes far too late.
        let mut late = events[40].clone();
        late.id.number = 100_000;
        assert!(log.append(late));
        log.flush().await.unwrap();
        rollups.forget(now()).await.unwrap();
        rollups.catch_up(now(), || ()).await.unwrap();
        assert_eq!(report(&log).await, before);
        assert!(!rollups.lag().await.unwrap().late);
    });
}

#[test]
fn metrics_tell_what_went_and_how_far_the_roll_ups_are() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        for event in random_log(8) {
            assert!(log.append(event));
        }
        log.flush().await.unwrap();
        let rules = Retention {
            events_days: Some(7),
            ..Retention::default()
        };
        let (keeper, metrics) = (Keeper::new(rules, &log), Metrics::default());
        keeper.show_in(&metrics, now);
        let before = metrics.render();
        assert!(before.contains("ringdown_retention_gone_total{kind=\"events\"} 0\n"));
        assert!(
            !before.contains("ringdown_rollup"),
            "not before it has looked"
        );
        let rollups = Rollups::new(&log);
        rollups.catch_up(now(), || ()).await.unwrap().unwrap();
        look_until_nothing(&keeper, &rollups, now()).await;
        keeper.note_rollups(&rollups, now()).await.unwrap();
        let Extent { rows, steps } = rollups.extent().await.unwrap();
        let until = rollups.lag().await.unwrap().until.unwrap();
        let second = |at: Timestamp| at.as_millis() / 1_000;
        let text = metrics.render();
        for line in [
            format!(
                "ringdown_retention_gone_total{{kind=\"events\"}} {}",
                keeper.counts().events
            ),
            format!("ringdown_rollup_last_run_seconds {}", second(now())),
            format!(
                "ringdown_rollup_lag_seconds {}",
                second(now()) - second(until)
            ),
            format!("ringdown_rollup_rows {rows}"),
            format!("ringdown_rollup_steps {steps}"),
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(keeper.counts().events > 0 && rows > 0 && steps > 0);
    });
}

#[test]
fn one_gateway_at_a_time_lets_events_go() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        for event in random_log(6) {
            assert!(log.append(event));
        }
        log.flush().await.unwrap();
        let (one, other) = (Rollups::new(&log), Rollups::new(&log));
        one.catch_up(now(), || ()).await.unwrap().unwrap();
        let rules = Retention {
            events_days: Some(7),
            ..Retention::default()
        };
        let keeper = Keeper::new(rules, &log);
        assert_eq!(keeper.look(&other, now()).await.unwrap(), Look::Nothing);
        assert_eq!(keeper.look(&one, now()).await.unwrap(), Look::Went);
    });
}

#[test]
fn contacts_mails_and_recordings_go_when_they_are_old_and_what_others_name_stays() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        for event in random_log(7) {
            assert!(log.append(event));
        }
        log.flush().await.unwrap();
        let open = count(&database, "contacts WHERE ended_at IS NULL").await;
        let day = 86_400_000;
        let old = now().as_millis() - 40 * day;
        let young = now().as_millis() - 2 * day;
        let none = |sql: String| Statement::new(sql, Vec::new());
        let ticket = |id: i64, status: &str| {
            none(format!(
                "INSERT INTO tickets (id, number, digits, kind, impact, urgency, priority, status, subject, created_at, \
                 changed_at, told_at) VALUES ({id}, 'RD-{id}', '{id}', 'incident', 2, 2, 2, '{status}', '', 1, 1, 1)"
            ))
        };
        let mail = |id: i64, ticket: i64, at: i64| {
            [
                format!(
                    "INSERT INTO articles (id, ticket, channel, direction, sender, recipient, subject, body, at) \
                     VALUES ({id}, {ticket}, 'email', 'in', 'a@b', 'c@d', '', 'text', {at})"
                ),
                format!(
                    "INSERT INTO mails (mailbox, message_id, body_sha256, raw_sha256, bytes, envelope_from, envelope_to, \
                     sender, peer, ticket, article, at) VALUES ('m', '<{id}>', 'b', 'raw-{id}', 1, '', '', '', '', {ticket}, {id}, {at})"
                ),
                format!(
                    "INSERT INTO attachments (article, place, filename, content_type, inline, bytes, sha256) \
                     VALUES ({id}, 0, 'f', 'image/png', 0, 1, 'logo'), ({id}, 1, 'g', 'text/plain', 0, 1, 'file-{id}')"
                ),
            ]
            .map(none)
        };
        let mut statements = vec![ticket(1, "closed"), ticket(2, "open")];
        statements.extend(mail(11, 1, old));
        statements.extend(mail(12, 1, young));
        statements.extend(mail(13, 2, old));
        for (id, at) in [(21, old), (22, young)] {
            statements.push(none(format!(
                "INSERT INTO articles (id, ticket, channel, direction, sender, recipient, subject, body, at) \
                 VALUES ({id}, 2, 'voice', 'in', '+1', '100', '', 'Message, 3 s', {at})"
            )));
            statements.push(none(format!(
                "INSERT INTO attachments (article, place, filename, content_type, inline, bytes, sha256) \
                 VALUES ({id}, 0, 'message.wav', 'audio/wav', 0, 1, 'wav-{id}')"
            )));
        }
        for octets in [
            "raw-11", "raw-12", "raw-13", "logo", "file-11", "file-12", "file-13", "wav-21",
            "wav-22",
        ] {
            let body = crate::database::Value::Bytes(vec![1]);
            let sql = "INSERT INTO blobs (sha256, place, body) VALUES ($1, 0, $2)";
            statements.push(Statement::new(sql, vec![octets.into(), body]));
        }
        database.write(statements).await.unwrap();
        let rules = Retention {
            events_days: None,
            contacts_days: Some(15),
            mails_days: Some(10),
            recordings_days: Some(10),
        };
        let keeper = Keeper::new(rules, &log);
        look_until_nothing(&keeper, &Rollups::new(&log), now()).await;
        assert_eq!(
            count(&database, "contacts").await,
            open,
            "who is not over stays"
        );
        let octets: Vec<(String,)> = sqlx::query_as("SELECT sha256 FROM blobs ORDER BY sha256")
            .fetch_all(database.reads())
            .await
            .unwrap();
        let octets: Vec<&str> = octets.iter().map(|(sha256,)| sha256.as_str()).collect();
        let kept = ["file-12", "file-13", "logo", "raw-12", "raw-13", "wav-22"];
        assert_eq!(octets, kept);
        assert_eq!(
            count(&database, "articles").await,
            5,
            "what was said stays on the ticket"
        );
        let counts = keeper.counts();
        assert_eq!((counts.mails, counts.recordings), (1, 1));
    });
}
