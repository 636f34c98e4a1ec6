use super::*;
use crate::config::Config;
use crate::database::Engine;
use crate::database::tests::{arrived, at, event, on_both_engines, run, sqlite};
use crate::event_log::EventsQuery;
use crate::report::{Subject, from_log};
use crate::rollups::Rollups;
use crate::rollups::tests::{HOURS, period, plain, printed, random_log};
use ringdown_routing::contact::{CallBackTo, Channel, Needs, Priority, QueuedContact};
use ringdown_routing::event::{ContactResult, Event, EventDraft, EventKind, IdentifiedAs};
use ringdown_routing::ids::{ContactId, EventId, NodeId, TicketId};
use ringdown_routing::statistics::{CallerKey, Ledger, Statistics};
use ringdown_routing::verb::RestoredPlace;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

const PHONE: &str = "+886227208817";
const MAIL: &str = "ann@example.org";
const KEY: &str = "p-ann";

/// What may not be found anywhere afterwards, in lower case.
const TRACES: [&str; 9] = [
    PHONE,
    "886227208817",
    "0227208817",
    "2720-8817",
    "2720 8817",
    MAIL,
    KEY,
    "secret",
    "4711",
];

/// After every event, and after the longest talk.
fn now() -> Timestamp {
    at((HOURS + 100) * 3_600)
}

fn wish() -> Wish {
    Wish {
        phones: vec!["02-2720-8817".to_owned()],
        callers: vec![KEY.into()],
        forget_in_cms: true,
        ..Wish::default()
    }
}

fn erasures(log: &EventLog) -> Erasures {
    Erasures::new(log, Normaliser::new(Config::demo().site.region))
}

/// Three days of a desk, whose caller with that number the CMS knows, and has no contact that goes on.
async fn desk(database: &Database) -> EventLog {
    let log = EventLog::new(database.clone());
    let mut last: BTreeMap<ContactId, Event> = BTreeMap::new();
    let mut theirs: BTreeSet<ContactId> = BTreeSet::new();
    let mut over: BTreeSet<ContactId> = BTreeSet::new();
    for event in random_log(11) {
        if let Some(contact) = event.contact {
            last.insert(contact, event.clone());
            if let EventKind::Arrived { from, .. } = &event.kind
                && from == PHONE
            {
                theirs.insert(contact);
            }
            if let EventKind::Closed { .. } = event.kind {
                over.insert(contact);
            }
        }
        assert!(log.append(event));
    }
    assert!(theirs.len() > 2, "{theirs:?}");
    let mut number = 0;
    let mut tell = |instant, contact, kind| {
        number += 1;
        let id = EventId {
            origin: NodeId::new("c"),
            number,
        };
        assert!(log.append(EventDraft::of_contact(instant, contact, kind).numbered(id)));
    };
    for contact in &theirs {
        let instant = last[contact].at;
        let known = EventKind::Identified {
            outcome: IdentifiedAs::Known,
            caller: Some(KEY.into()),
            class: Some(2),
        };
        tell(instant, *contact, known);
        let digits = "4711".to_owned();
        tell(instant, *contact, EventKind::KeyedIn { digits });
        let result = ContactResult::Abandoned;
        if !over.contains(contact) {
            tell(instant, *contact, EventKind::Closed { result });
        }
    }
    // Somebody else's event that names them.
    let other = *last
        .keys()
        .find(|contact| !theirs.contains(contact))
        .unwrap();
    let why = format!("asked for by <sip:{PHONE}@example.net>, at 02 2720 8817");
    let dropped = EventKind::Intervened {
        by: "tests".to_owned(),
        act: "contact_dropped".to_owned(),
        details: BTreeMap::from([("reason".to_owned(), why)]),
    };
    tell(last[&other].at, other, dropped);
    // They hide their number, and key it in to be called back.
    let hidden = hidden();
    let instant = last[theirs.first().unwrap()].at;
    tell(instant, hidden, arrived(""));
    let digits = "0227208817".to_owned();
    tell(instant, hidden, EventKind::KeyedIn { digits });
    let result = ContactResult::CallBack;
    tell(instant, hidden, EventKind::Closed { result });
    log.flush().await.unwrap();
    database.write(rows(theirs.first().unwrap())).await.unwrap();
    let rollups = Rollups::new(&log);
    rollups.catch_up(now(), || ()).await.unwrap().unwrap();
    rollups.let_go(now()).await.unwrap();
    log
}

/// A call of the person that shows no number.
fn hidden() -> ContactId {
    ContactId::new(at(0), 7)
}

/// What other rooms keep of the person, and of somebody else whose octets are partly the same.
fn rows(contact: &ContactId) -> Vec<Statement> {
    let none = |sql: &str| Statement::new(sql.to_owned(), Vec::new());
    let mut statements = vec![
        none(
            "INSERT INTO people (id, name, class) VALUES ('p-ann', 'Ann Secret', 2), ('p-bob', 'Bob', 1)",
        ),
        none(
            "INSERT INTO phones (person, number, extension, label, given) VALUES \
             ('p-ann', '+886227208817', '', '', '02-2720-8817'), ('p-ann', '+886227208800', '', '', 'shared'), \
             ('p-bob', '+886227208800', '', '', 'shared')",
        ),
        none("INSERT INTO mail_addresses (person, address) VALUES ('p-ann', 'ann@example.org')"),
        none(
            "INSERT INTO tickets (id, number, digits, kind, impact, urgency, priority, status, subject, caller, \
             sender, created_at, changed_at, told_at) VALUES \
             (901, 'RD-901', '901', 'incident', 2, 2, 2, 'open', 'a secret', 'p-ann', '+886227208817', 1, 1, 1), \
             (902, 'RD-902', '902', 'incident', 2, 2, 2, 'open', 'kept 02-2720-8817', 'p-bob', 'bob@example.org', 1, 1, 1)",
        ),
        none(
            "INSERT INTO articles (id, ticket, channel, direction, sender, recipient, subject, body, html, message_id, at) \
             VALUES (801, 901, 'email', 'in', 'Ann@Example.org', 'help@desk', 'secret', 'a secret', 'secret', '<1@ann>', 1), \
             (802, 901, 'email', 'out', 'help@desk', 'ann@example.org', 'Re: secret', 'a secret', NULL, '<2@desk>', 2), \
             (803, 902, 'email', 'in', 'bob@example.org', 'help@desk', 'kept', 'kept, and ask Ann@Example.org, (02) 2720-8817 or +886 2 2720 8817, not 02-2720-8818', NULL, '<3@bob>', 3), \
             (804, 902, 'email', 'in', 'ann@example.org', 'help@desk', 'me too', 'a secret', NULL, '<4@ann>', 4)",
        ),
        none(
            "INSERT INTO attachments (article, place, filename, content_type, inline, bytes, sha256) VALUES \
             (801, 0, 'secret.pdf', 'application/pdf', 0, 1, 'alone'), (801, 1, 'logo.png', 'image/png', 0, 1, 'shared'), \
             (803, 0, 'of 0227208817.png', 'image/png', 0, 1, 'shared')",
        ),
        none(
            "INSERT INTO uploads (attempt, id, contact, filename, content_type, at) \
             VALUES ('1', '1', 'BOB', 'Ann 02-2720-8817.txt', 'text/plain', 1)",
        ),
        none(
            "INSERT INTO incidents (id, service, service_name, ticket, ticket_number, queues, numbers, audience, reason, \
             declared_by, declared_at, from_at) VALUES ('I', 's', 'S', 902, 'RD-902', '[]', '[]', 'everybody', \
             'told by 02/2720.8817', 'bob', 1, 1)",
        ),
        none(
            "INSERT INTO openings (queue, kind, is_open, reason, given_by, given_at) \
             VALUES ('queue-0', 'by_hand', 1, 'as 00886227208817 wished', 'bob', 1)",
        ),
        none(
            "INSERT INTO bad_addresses (address, why, at) VALUES ('x@example.org', 'no ann@example.org', 1)",
        ),
        none(
            "INSERT INTO sip_traces (contact, at, body) VALUES ('BOB', 1, 'REFER to +886227208817')",
        ),
        none(
            "INSERT INTO satisfaction (contact, score, comment, at, told) VALUES ('BOB', 5, 'ask Ann: 0227208817', 1, 1)",
        ),
        none(
            "INSERT INTO kept_answers (key, fingerprint, status, body, at) VALUES \
             ('a', '', 201, '{\"number\":\"+886227208817\"}', 1), ('b', '', 201, '{\"number\":\"+886227208818\"}', 1)",
        ),
        none(
            "INSERT INTO mails (mailbox, message_id, body_sha256, raw_sha256, bytes, envelope_from, envelope_to, sender, \
             peer, ticket, article, at) VALUES \
             ('help', '<1@ann>', 'b1', 'raw-ann', 1, 'ann@example.org', 'help@desk', 'ann@example.org', '192.0.2.1', 901, 801, 1), \
             ('help', '<3@bob>', 'b3', 'raw-bob', 1, 'bob@example.org', 'help@desk', 'bob@example.org', '192.0.2.2', 902, 803, 3)",
        ),
        none(
            "INSERT INTO outbox (message_id, kind, ticket, mailbox, return_path, recipient, recipient_key, sha256, state, \
             attempts, next_at, at) VALUES ('<2@desk>', 'answer', 901, 'help', 'help@desk', 'ann@example.org', \
             'ann@example.org', 'letter', 'sent', 1, 2, 2)",
        ),
        none(
            "INSERT INTO ticket_addresses (ticket, address) VALUES (901, 'ann@example.org'), (902, 'bob@example.org')",
        ),
        none(
            "INSERT INTO ticket_watchers (ticket, address, email, name, at) \
             VALUES (902, 'ann@example.org', 'Ann@example.org', 'Ann', 1)",
        ),
        none("INSERT INTO bad_addresses (address, why, at) VALUES ('ann@example.org', '550', 1)"),
        none(
            "INSERT INTO call_backs (contact, origin, number, dialled, queue, priority, language, ticket, enqueued_at, due_at, \
             tries_left, state, asked_by, asked_at, claimed_token, claimed_by) VALUES \
             ('CC', 'CC', '+886227208818', '100', 'queue-0', 0, 'en', '', 1, 1, 0, 'done', 'caller', 1, 0, ''), \
             ('CB', 'CB', '+886227208817', '100', 'queue-0', 0, 'en', '', 1, 1, 0, 'done', 'caller', 1, 0, '')",
        ),
    ];
    for octets in ["alone", "shared", "raw-ann", "raw-bob", "letter"] {
        let kept = if octets.ends_with("bob") || octets == "shared" {
            "kept"
        } else {
            "secret"
        };
        let sql = "INSERT INTO blobs (sha256, place, body) VALUES ($1, 0, $2)";
        let body = crate::database::Value::Bytes(kept.as_bytes().to_vec());
        statements.push(Statement::new(sql, vec![octets.into(), body]));
    }
    let of_hidden = "UPDATE call_backs SET origin = $1 WHERE contact = 'CB'";
    statements.push(Statement::new(of_hidden, vec![hidden().to_string().into()]));
    let contact = || contact.to_string().into();
    let trace =
        "INSERT INTO sip_traces (contact, at, body) VALUES ($1, 1, 'INVITE from +886227208817')";
    statements.push(Statement::new(trace, vec![contact()]));
    let mark = "INSERT INTO satisfaction (contact, score, comment, at, told) VALUES ($1, 5, 'a secret', 1, 1)";
    statements.push(Statement::new(mark, vec![contact()]));
    statements
}

/// Reports by quarters of an hour from the roll-ups, and by five minutes from the log; without how many events were
/// read, of which the one that tells of the erasure is one.
async fn reports(log: &EventLog) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    for interval in ["15m", "5m"] {
        let asked = period(interval, 0, 20 * 3_600);
        let report = from_log::report(log, asked, &Subject::default(), now(), || ()).await;
        let mut report: serde_json::Value =
            serde_json::from_str(&printed(&report.unwrap())).unwrap();
        report.as_object_mut().unwrap().remove("log");
        all.push(report);
    }
    all
}

/// All that every table holds, as text in lower case, each row of each table.
async fn everything(database: &Database) -> Vec<(String, String)> {
    let engine = database.engine();
    let reads = database.reads();
    let (tables, columns) = match engine {
        Engine::Sqlite => (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' ORDER BY name",
            "SELECT name FROM pragma_table_info($1)",
        ),
        Engine::Postgres => (
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = 'public' \
             AND table_name NOT LIKE '\\_sqlx%' ORDER BY table_name",
            "SELECT CAST(column_name AS TEXT) FROM information_schema.columns \
             WHERE table_schema = 'public' AND CAST(table_name AS TEXT) = $1",
        ),
    };
    let tables: Vec<(String,)> = sqlx::query_as(tables).fetch_all(reads).await.unwrap();
    let mut all = Vec::new();
    for (table,) in tables {
        let columns: Vec<(String,)> = sqlx::query_as(columns)
            .bind(table.clone())
            .fetch_all(reads)
            .await
            .unwrap();
        for (column,) in columns {
            let text = match (engine, table.as_str(), column.as_str()) {
                (Engine::Postgres, "blobs", "body") => "encode(body, 'escape')".to_owned(),
                (_, "rollups", "body") | (_, "rollup_steps", "fold") => continue,
                _ => format!("CAST(\"{column}\" AS TEXT)"),
            };
            let sql = format!("SELECT lower(COALESCE({text}, '')) FROM {table}");
            let rows: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .fetch_all(reads)
                .await
                .unwrap();
            let place = format!("{table}.{column}");
            all.extend(rows.into_iter().map(|(text,)| (place.clone(), text)));
        }
    }
    all
}

async fn places_of_traces(database: &Database) -> BTreeSet<String> {
    let all = everything(database).await.into_iter();
    let is_trace = |text: &str| TRACES.iter().any(|trace| text.contains(trace));
    all.filter(|(_, text)| is_trace(text))
        .map(|(place, _)| place)
        .collect()
}

/// The octets of roll-ups, as a query finds them.
async fn bodies(database: &Database, sql: &'static str) -> Vec<(Vec<u8>,)> {
    let rows = sqlx::query_as(sql).fetch_all(database.reads()).await;
    rows.unwrap()
}

/// In how many rows of the roll-ups a text stands: names in them are never packed.
async fn rows_with_text(database: &Database, text: &str) -> usize {
    let mut count = 0;
    for sql in ["SELECT body FROM rollups", "SELECT fold FROM rollup_steps"] {
        for (body,) in bodies(database, sql).await {
            let mut parts = body.windows(text.len());
            count += usize::from(parts.any(|part| part == text.as_bytes()));
        }
    }
    count
}

/// In how many rows of the roll-ups somebody's key stands, once all that is packed is written as plain values.
async fn rows_with(database: &Database, key: CallerKey) -> usize {
    let sums = bodies(database, "SELECT body FROM rollups").await;
    let sums = sums.iter().map(|(body,)| {
        let ledger: Ledger = rmp_serde::from_slice(body).unwrap();
        plain(&ledger)
    });
    let steps = bodies(database, "SELECT fold FROM rollup_steps").await;
    let steps = steps.iter().map(|(fold,)| {
        let fold: Statistics = rmp_serde::from_slice(fold).unwrap();
        plain(&fold)
    });
    let octets = key.as_u64().to_be_bytes();
    let has_it = |body: &Vec<u8>| body.windows(8).any(|part| part == octets);
    sums.chain(steps).filter(has_it).count()
}

/// Drives work until it is done or has been woken so often; then it is dropped where it stands, as by a crash.
async fn cut_off<T>(work: impl Future<Output = T>, wakes_max: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut wakes = 0;
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if wakes >= wakes_max => Poll::Ready(None),
        Poll::Pending => {
            wakes += 1;
            Poll::Pending
        }
    })
    .await
}

async fn nothing_is_left(database: &Database, log: &EventLog, before: &[serde_json::Value]) {
    assert_eq!(places_of_traces(database).await, BTreeSet::new());
    for key in [
        CallerKey::of_caller(KEY),
        CallerKey::of_address(PHONE).unwrap(),
    ] {
        assert_eq!(rows_with(database, key).await, 0);
    }
    for trace in [PHONE, "0227208817", MAIL, KEY] {
        assert_eq!(rows_with_text(database, trace).await, 0, "{trace}");
    }
    assert_eq!(reports(log).await, before);
    let octets: Vec<(String,)> = sqlx::query_as("SELECT sha256 FROM blobs ORDER BY sha256")
        .fetch_all(database.reads())
        .await
        .unwrap();
    let octets: Vec<&str> = octets.iter().map(|(sha256,)| sha256.as_str()).collect();
    assert_eq!(
        octets,
        ["raw-bob", "shared"],
        "what others carry as well stays"
    );
}

#[test]
fn nothing_tells_who_it_was_and_every_report_is_as_it_was() {
    on_both_engines(|database| async move {
        let log = desk(&database).await;
        let erasures = erasures(&log);
        let before = reports(&log).await;
        let places = places_of_traces(&database).await;
        for place in [
            "events.body",
            "contacts.sender",
            "contacts.caller",
            "people.name",
            "blobs.body",
            "articles.body",
        ] {
            assert!(places.contains(place), "{place} in {places:?}");
        }
        let who = CallerKey::of_caller(KEY);
        assert!(rows_with(&database, who).await > 0);

        let erasure = erasures
            .order(&wish(), "ann's request", now())
            .await
            .unwrap();
        assert!(erasure.extent.contacts > 2 && erasure.extent.tickets == 1);
        let again = erasures.order(&wish(), "again", now()).await.unwrap();
        assert_eq!(again, erasure, "the same while it is under way");
        let other = Wish {
            phones: vec!["+886227208803".to_owned()],
            ..Wish::default()
        };
        let refused = erasures.order(&other, "x", now()).await;
        assert!(
            matches!(refused, Err(ErasureFault::UnderWay(_))),
            "{refused:?}"
        );

        let done = erasures.carry_out(now()).await.unwrap().unwrap();
        assert_eq!(done.state, ErasureState::Done);
        nothing_is_left(&database, &log, &before).await;
        assert_eq!(erasures.carry_out(now()).await.unwrap(), None);

        let mut told = Vec::new();
        let all = EventsQuery::Between {
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(i64::MAX),
        };
        log.for_each(all, |event| {
            if let EventKind::Intervened { by, act, .. } = event.kind
                && event.contact.is_none()
            {
                told.push((by, act));
            }
        })
        .await
        .unwrap();
        assert_eq!(
            told,
            [("ann's request".to_owned(), "person_erased".to_owned())]
        );

        // Whoever is not there any more is erased once more without harm.
        let nobody = erasures.order(&wish(), "once more", now()).await.unwrap();
        assert_eq!(nobody.extent, Extent::default());
        erasures.carry_out(now()).await.unwrap();
        nothing_is_left(&database, &log, &before).await;
        let one = async |sql: &'static str| -> String {
            let row: (String,) = sqlx::query_as(sql)
                .fetch_one(database.reads())
                .await
                .unwrap();
            row.0
        };
        assert_eq!(
            one("SELECT sender FROM tickets WHERE id = 902").await,
            "bob@example.org"
        );
        let subject = one("SELECT subject FROM tickets WHERE id = 902").await;
        assert!(subject.starts_with("kept erased-"), "{subject}");
        let body = one("SELECT body FROM articles WHERE id = 803").await;
        assert!(body.starts_with("kept, and ask erased-"), "{body}");
        assert!(body.ends_with(", not 02-2720-8818"), "{body}");
        assert_eq!(
            one("SELECT number FROM call_backs WHERE contact = 'CC'").await,
            "+886227208818"
        );
        assert_eq!(one("SELECT key FROM kept_answers").await, "b");
        let trace = one("SELECT body FROM sip_traces WHERE contact = 'BOB'").await;
        assert!(trace.starts_with("REFER to erased-"), "{trace}");
    });
}

#[test]
fn a_number_that_somebody_dialled_goes_from_the_sums_as_well() {
    on_both_engines(|database| async move {
        let log = desk(&database).await;
        // Somebody else wanted to reach them, and came here.
        let stray = ContactId::new(at(0), 8);
        let mut kind = arrived("+886227208803");
        if let EventKind::Arrived { to, .. } = &mut kind {
            PHONE.clone_into(to);
        }
        let cause = "404".to_owned();
        let result = ContactResult::Failed;
        let acts = [
            kind,
            EventKind::Failed { cause },
            EventKind::Closed { result },
        ];
        for (number, kind) in (1..).zip(acts) {
            let id = EventId {
                origin: NodeId::new("d"),
                number,
            };
            assert!(log.append(EventDraft::of_contact(at(60), stray, kind).numbered(id)));
        }
        log.flush().await.unwrap();
        let rollups = Rollups::new(&log);
        rollups.catch_up(now(), || ()).await.unwrap().unwrap();
        let numbers = async || {
            reports(&log).await[0]["numbers"]
                .as_object()
                .unwrap()
                .clone()
        };
        let before = numbers().await;
        assert!(before.contains_key(PHONE), "{before:?}");
        assert!(rows_with_text(&database, PHONE).await > 0);
        let erasures = erasures(&log);
        erasures.order(&wish(), "x", now()).await.unwrap();
        erasures.carry_out(now()).await.unwrap();
        assert_eq!(rows_with_text(&database, PHONE).await, 0);
        let mut after = numbers().await;
        let erased = after
            .keys()
            .find(|name| name.starts_with("erased-"))
            .cloned();
        let figures = after.remove(&erased.unwrap()).unwrap();
        after.insert(PHONE.to_owned(), figures);
        assert_eq!(after, before, "and is counted as it was");
    });
}

#[test]
fn an_erasure_cut_off_anywhere_is_gone_on_with() {
    on_both_engines(|database| async move {
        let log = desk(&database).await;
        let before = reports(&log).await;
        let ordered = erasures(&log).order(&wish(), "x", now()).await.unwrap();
        let mut cuts = 0;
        // Another process each time, which gets a little farther than the one before.
        for wakes in (1..).step_by(5) {
            match cut_off(erasures(&log).carry_out(now()), wakes).await {
                Some(done) => {
                    // Nothing is under way when the one before was cut off after its end.
                    done.unwrap();
                    let stands = erasures(&log).one(&ordered.id).await.unwrap();
                    assert_eq!(stands.map(|it| it.state), Some(ErasureState::Done));
                    break;
                }
                None => cuts += 1,
            }
        }
        assert!(cuts > 3, "{cuts}");
        nothing_is_left(&database, &log, &before).await;
    });
}

#[test]
fn an_internal_number_goes_wherever_its_owner_stands_and_its_digits_stay_elsewhere() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        let (theirs, other) = (ContactId::new(at(0), 1), ContactId::new(at(0), 2));
        let caller = |number: &str| {
            Some(Box::new(CallBackTo {
                number: number.to_owned(),
                dialled: "204".to_owned(),
            }))
        };
        let enqueued = |number| EventKind::Enqueued {
            priority: Priority(0),
            channel: Channel::Voice,
            skills: Needs::default(),
            reserved: None,
            enqueued_at: at(0),
            rings_one: false,
            calls_back: caller(number),
            node: NodeId::from("204"),
        };
        let restored = EventKind::Restored {
            record: Box::new(QueuedContact {
                calls_back: caller("204"),
                ..QueuedContact::new(
                    theirs,
                    "desk".into(),
                    Channel::Voice,
                    at(0),
                    NodeId::from("204"),
                )
            }),
            place: RestoredPlace::Waiting { offer_over: None },
        };
        let digits = "204".to_owned();
        let linked = EventKind::TicketLinked {
            ticket: TicketId::new(204),
            number: digits.clone(),
            is_new: true,
            rule: "new".to_owned(),
        };
        let result = ContactResult::CallBack;
        let told = [
            (theirs, arrived("204")),
            (theirs, enqueued("204")),
            (theirs, restored),
            (theirs, EventKind::Closed { result }),
            (other, arrived("+4930204204")),
            (other, enqueued("+4930204204")),
            (other, EventKind::KeyedIn { digits }),
            (other, linked),
            (other, EventKind::Closed { result }),
        ];
        for (number, (contact, kind)) in (1..).zip(told) {
            assert!(log.append(event(number, 0, contact, kind)));
        }
        log.flush().await.unwrap();
        let call_back = |id: &str, number: &str| {
            let sql = "INSERT INTO call_backs (contact, origin, number, dialled, queue, priority, language, ticket, \
                 enqueued_at, due_at, tries_left, state, asked_by, asked_at, claimed_token, claimed_by) VALUES \
                 ($1, $1, $2, '204', 'desk', 0, 'en', '204', 1, 1, 0, 'done', 'caller', 1, 0, '')";
            Statement::new(sql, vec![id.into(), number.into()])
        };
        let answer = |key: &str, body: &str| {
            let sql = "INSERT INTO kept_answers (key, fingerprint, status, body, at) VALUES ($1, '', 201, $2, 1)";
            Statement::new(sql, vec![key.into(), body.into()])
        };
        let rows = vec![
            call_back("CB", "204"),
            call_back("CC", "1204"),
            answer("theirs", r#"{"number":"204","dialled":"100"}"#),
            answer("other", r#"{"ticket":204,"number":"1204"}"#),
        ];
        database.write(rows).await.unwrap();
        let rollups = Rollups::new(&log);
        rollups.catch_up(now(), || ()).await.unwrap().unwrap();
        let of_other = async || -> Vec<(String,)> {
            let sql = "SELECT body FROM events WHERE contact = $1 ORDER BY seq";
            let bodies = sqlx::query_as(sql).bind(other.to_string());
            bodies.fetch_all(database.reads()).await.unwrap()
        };
        let before = of_other().await;
        let key = CallerKey::of_address("204").unwrap();
        assert!(rows_with(&database, key).await > 0);

        let wish = Wish {
            phones: vec!["204".to_owned()],
            ..Wish::default()
        };
        let erasure = erasures(&log).order(&wish, "x", now()).await.unwrap();
        // The call-back, whose contact is of no log here, is one.
        assert_eq!(erasure.extent.contacts, 2);
        erasures(&log).carry_out(now()).await.unwrap();
        assert_eq!(of_other().await, before);
        assert_eq!(rows_with(&database, key).await, 0);
        // Where their number may stand: what is left is what was dialled, a node's name, a ticket.
        let mut left = BTreeSet::new();
        for (place, text) in everything(&database).await {
            for around in [r#""from":"204""#, r#"{"number":"204""#, r#"number":"204"}"#] {
                if text == "204" || text.contains(around) {
                    left.insert(place.clone());
                }
            }
        }
        let wanted = ["call_backs.dialled", "call_backs.ticket", "contacts.ticket"];
        assert_eq!(left, wanted.map(str::to_owned).into());
        let kept: Vec<(String,)> = sqlx::query_as("SELECT key FROM kept_answers")
            .fetch_all(database.reads())
            .await
            .unwrap();
        assert_eq!(kept, [("other".to_owned(),)]);
    });
}

/// Which traces stand in which files of a SQLite database, in any case of letters.
fn files_with_traces(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let octets = std::fs::read(entry.path()).unwrap().to_ascii_lowercase();
        let has = |trace: &str| octets.windows(trace.len()).any(|it| it == trace.as_bytes());
        // Others may stand in what is packed by chance, or in the schema.
        for trace in ["886227208817", MAIL, "a secret", "ann secret"] {
            if has(trace) {
                found.insert(format!("{trace} in {:?}", entry.file_name()));
            }
        }
    }
    found
}

#[test]
fn an_erasure_is_told_done_only_after_nobody_reads_what_was_before() {
    run(async {
        let (folder, database) = sqlite().await;
        let log = desk(&database).await;
        let before = reports(&log).await;
        let ordered = erasures(&log).order(&wish(), "x", now()).await.unwrap();
        let mut reader = database.reads().begin().await.unwrap();
        let count = "SELECT COUNT(*) FROM events";
        let (_,): (i64,) = sqlx::query_as(count).fetch_one(&mut *reader).await.unwrap();
        // The pool's other connection, so that nobody waits for the reader, who goes when this says so.
        sqlx::raw_sql("PRAGMA busy_timeout = 0")
            .execute(database.reads())
            .await
            .unwrap();
        for _ in 0..2 {
            let waits = erasures(&log).carry_out(now()).await;
            assert!(matches!(waits, Err(ErasureFault::StillRead)), "{waits:?}");
            let stands = erasures(&log).one(&ordered.id).await.unwrap().unwrap();
            assert_eq!(stands.state, ErasureState::UnderWay);
            assert_eq!(stands.done_at, None);
        }
        assert_eq!(places_of_traces(&database).await, BTreeSet::new());
        assert_ne!(files_with_traces(folder.path()), BTreeSet::new());
        reader.rollback().await.unwrap();
        let done = erasures(&log).carry_out(now()).await.unwrap().unwrap();
        assert_eq!((done.id, done.state), (ordered.id, ErasureState::Done));
        assert_eq!(files_with_traces(folder.path()), BTreeSet::new());
        nothing_is_left(&database, &log, &before).await;
    });
}

#[test]
fn who_has_a_contact_that_is_not_over_is_refused_and_nothing_changes() {
    on_both_engines(|database| async move {
        let log = desk(&database).await;
        let contact = ContactId::new(now(), 1);
        let arrived = EventKind::Arrived {
            channel: ringdown_routing::contact::Channel::Voice,
            from: "0227208817".to_owned(),
            to: "100".to_owned(),
            via: "trunk".to_owned(),
        };
        let id = |number| EventId {
            origin: NodeId::new("d"),
            number,
        };
        log.append(EventDraft::of_contact(now(), contact, arrived).numbered(id(1)));
        log.flush().await.unwrap();
        let before = everything(&database).await;
        let refused = erasures(&log).order(&wish(), "x", now()).await;
        assert!(
            matches!(refused, Err(ErasureFault::IsLive(_))),
            "{refused:?}"
        );
        assert_eq!(everything(&database).await, before);
        let result = ContactResult::Abandoned;
        let closed = EventDraft::of_contact(now(), contact, EventKind::Closed { result });
        log.append(closed.numbered(id(2)));
        log.flush().await.unwrap();
        erasures(&log).order(&wish(), "x", now()).await.unwrap();
        erasures(&log).carry_out(now()).await.unwrap();
        assert!(places_of_traces(&database).await.is_empty());
    });
}

#[test]
fn what_is_no_number_or_address_names_nobody() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database);
        let wishes = [
            Wish::default(),
            Wish {
                phones: vec!["anonymous".to_owned()],
                ..Wish::default()
            },
            Wish {
                emails: vec!["not an address".to_owned()],
                ..Wish::default()
            },
        ];
        for wish in wishes {
            let refused = erasures(&log).order(&wish, "x", now()).await;
            let is_refused = matches!(
                refused,
                Err(ErasureFault::Nobody | ErasureFault::NotAnIdentity(_))
            );
            assert!(is_refused, "{refused:?}");
        }
    });
}
