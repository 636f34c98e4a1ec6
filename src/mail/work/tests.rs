//! Commands of agents on a real store, and what becomes of them when a gateway dies in between.

use super::attend::{self, Absences};
use super::*;
use crate::database::tests::{at, on_both_engines};
use crate::mail::tests::{ANNA, Desk, HELP, mail};
use ringdown_routing::agent::Status;
use ringdown_routing::event::{ContactResult, EventKind};
use ringdown_routing::verb::{Answer, Verb};

pub(super) fn work(desk: &Desk) -> MailWork {
    MailWork::new(
        desk.intake.clone(),
        desk.acd.clone(),
        &desk.database,
        Arc::clone(&desk.config),
        desk.tickets.clone(),
    )
}

fn ming() -> AgentId {
    AgentId::from("ming")
}

async fn change(desk: &Desk, verb: Verb) {
    assert_eq!(desk.acd.change(verb).await.unwrap(), Answer::Done);
}

/// A mail that Ming has taken.
async fn taken(desk: &Desk, id: &str) -> ContactId {
    taken_with(desk, id, "").await
}

/// The same with further fields.
pub(super) async fn taken_with(desk: &Desk, id: &str, fields: &str) -> ContactId {
    let filed = desk.take(0, HELP, &mail(id, ANNA, fields)).await;
    let contact = filed.contact.unwrap();
    let status = Status::Available;
    let agent = ming();
    change(desk, Verb::AgentStatus { agent, status }).await;
    let place = desk
        .acd
        .read(|view| view.contact(contact).map(|placed| placed.place.clone()));
    let Some(Place::Offered { token, .. }) = place else {
        panic!("{place:?}");
    };
    change(desk, Verb::Accept { token }).await;
    desk.database.flush().await.unwrap();
    contact
}

pub(super) fn wish(key: u128) -> AnswerWish {
    AnswerWish {
        text: "Switch it on.".to_owned(),
        html: None,
        to: None,
        cc: None,
        files: Vec::new(),
        ending: Some(Ending::Solved),
        key,
    }
}

pub(super) async fn sent(desk: &Desk) -> Vec<(String, String)> {
    sqlx::query_as("SELECT kind, recipient FROM outbox ORDER BY id")
        .fetch_all(desk.database.reads())
        .await
        .unwrap()
}

#[test]
fn what_was_committed_is_carried_out_after_the_gateway_died() {
    on_both_engines(async |database| {
        let first = Desk::new(&database).await;
        let contact = taken(&first, "1@a").await;
        let held = work(&first).held(contact).await.unwrap();
        assert_eq!(held.agent, ming());
        // It dies before it can tell the line.
        let order = Order {
            contact,
            act: Act::Complete(held.token),
        };
        let command = Command {
            status: Some(TicketStatus::Solved),
            order: Some(order),
            ..Command::on(held.ticket, at(600))
        };
        database.do_deed(command.into()).await.unwrap();

        let second = Desk::start(&database, Arc::clone(&first.config), "node-b").await;
        let again = work(&second);
        let restored = again.held(contact).await.unwrap();
        assert_eq!(
            (restored.agent.clone(), restored.token),
            (ming(), held.token)
        );
        attend::look(&again, &mut Absences::default()).await;
        database.flush().await.unwrap();
        let record = again.shared.log.contact(contact).await.unwrap().unwrap();
        assert_eq!(record.result, Some(ContactResult::Answered));
        assert!(matches!(
            again.held(contact).await,
            Err(WorkFault::NotNow(_))
        ));
        assert_eq!(orders::left(&again).await.unwrap(), []);
    });
}

#[test]
fn the_same_answer_again_is_written_and_sent_once() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let contact = taken(&desk, "1@a").await;
        let work = work(&desk);
        let held = work.held(contact).await.unwrap();
        assert!(work.answered_before(contact, 7).await.unwrap().is_none());
        let answered = work.answer(&held, wish(7)).await.unwrap();
        assert_eq!(answered.state, Afterwards::Ended);
        let again = work.answer(&held, wish(7)).await.unwrap();
        assert_eq!(again.message_id, answered.message_id);
        let (agent, before) = work.answered_before(contact, 7).await.unwrap().unwrap();
        assert_eq!(
            (agent, before.message_id),
            (Some(ming()), answered.message_id)
        );
        let ticket = desk.tickets.ticket(held.ticket).await.unwrap().unwrap();
        assert_eq!(ticket.articles.len(), 2);
        assert_eq!(ticket.status, TicketStatus::Solved);
        assert_eq!(
            sent(&desk).await,
            [("answer".to_owned(), "anna@example.org".to_owned())]
        );
    });
}

#[test]
fn an_order_holds_only_for_the_offer_it_was_given_for() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let contact = taken(&desk, "1@a").await;
        let work = work(&desk);
        let stale = Order {
            contact,
            act: Act::Complete(OfferToken::new(1)),
        };
        assert_eq!(
            orders::carry_out(&work, &stale).await.unwrap(),
            Carried::Out
        );
        assert_eq!(work.held(contact).await.unwrap().agent, ming());
    });
}

#[test]
fn an_address_that_refused_our_mail_is_not_answered() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let contact = taken(&desk, "1@a").await;
        let bad = crate::database::Statement::new(
            "INSERT INTO bad_addresses (address, why, at) VALUES ('anna@example.org', '5.1.1', 0)",
            vec![],
        );
        database.write(vec![bad]).await.unwrap();
        let work = work(&desk);
        let held = work.held(contact).await.unwrap();
        let refused = work.answer(&held, wish(7)).await;
        assert!(matches!(refused, Err(WorkFault::Unfit(_))), "{refused:?}");
        let ticket = desk.tickets.ticket(held.ticket).await.unwrap().unwrap();
        assert!(
            ticket
                .articles
                .iter()
                .all(|it| it.message_id.as_deref() != Some("<answer.7@x>"))
        );
        assert_eq!(ticket.status, TicketStatus::Open);
        let other = AnswerWish {
            to: Some(vec![
                ringdown_email::EmailAddress::parse("anna@other.example").unwrap(),
            ]),
            ..wish(8)
        };
        assert_eq!(
            work.answer(&held, other).await.unwrap().to,
            ["anna@other.example"]
        );
    });
}

#[test]
fn a_line_that_refuses_leaves_nothing_of_the_hand_over() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let contact = taken(&desk, "1@a").await;
        let mut rules = desk
            .config
            .queue(&QueueId::from("net"))
            .unwrap()
            .rules(true);
        rules.waiting_max = Some(0);
        change(&desk, Verb::SetQueue { rules }).await;
        let work = work(&desk);
        let held = work.held(contact).await.unwrap();
        let goal = HandOver {
            to: QueueId::from("net"),
            keep_for: None,
            note: "for you".to_owned(),
        };
        let refused = work.hand_over(&held, goal, "ming").await;
        assert!(matches!(refused, Err(WorkFault::NotNow(_))), "{refused:?}");
        assert_eq!(work.held(contact).await.unwrap().agent, ming());
        let ticket = desk.tickets.ticket(held.ticket).await.unwrap().unwrap();
        assert_eq!(
            ticket
                .articles
                .iter()
                .filter(|it| it.text == "for you")
                .count(),
            0
        );
        assert_eq!(orders::left(&work).await.unwrap(), []);
    });
}

#[test]
fn who_is_away_too_long_loses_their_mails_to_the_line() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let contact = taken(&desk, "1@a").await;
        let (agent, status) = (ming(), Status::LoggedOff);
        change(&desk, Verb::AgentStatus { agent, status }).await;
        let mut absences = Absences::default();
        let view = |absences: &mut Absences, second, keep| {
            let keep = std::time::Duration::from_secs(keep);
            desk.acd
                .read(|view| absences.mails_to_take_back(view, at(second), keep))
        };
        assert_eq!(view(&mut absences, 0, 60), []);
        assert_eq!(view(&mut absences, 59, 60), []);
        let verbs = view(&mut absences, 60, 60);
        assert_eq!(verbs.len(), 1);
        for verb in verbs {
            change(&desk, verb).await;
        }
        assert_eq!(desk.acd.position(contact), Some(1));
        assert_eq!(view(&mut absences, 61, 60), []);
    });
}

async fn uploaded(work: &MailWork, held: &Held, key: u128, octets: &[u8]) -> String {
    let begun = work.begin_upload(held, key, ("a.bin", "application/x-test"));
    let mut incoming = begun.await.unwrap();
    for piece in octets.chunks(700_001) {
        incoming
            .take(bytes::Bytes::copy_from_slice(piece))
            .await
            .unwrap();
    }
    incoming.finish().await.unwrap().id
}

async fn blobs(desk: &Desk) -> Vec<(i64, i64)> {
    sqlx::query_as(
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN sha256 LIKE 'upload:%' THEN 1 ELSE 0 END), 0) AS BIGINT) FROM blobs",
    )
    .fetch_all(desk.database.reads())
    .await
    .unwrap()
}

#[test]
fn a_file_goes_with_one_answer_is_stored_once_and_goes_when_nobody_sends_it() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let contact = taken(&desk, "1@a").await;
        let work = work(&desk);
        let held = work.held(contact).await.unwrap();
        let octets = vec![7_u8; 2_500_000];
        let before = blobs(&desk).await[0].0;
        let first = uploaded(&work, &held, 1, &octets).await;
        assert_eq!(uploaded(&work, &held, 1, &octets).await, first);
        let second = uploaded(&work, &held, 2, &octets).await;
        assert_eq!(blobs(&desk).await, [(before + 6, 6)]);
        let with = |key, files: &[&String]| AnswerWish {
            files: files.iter().map(|id| (*id).clone()).collect(),
            ending: None,
            ..wish(key)
        };
        work.answer(&held, with(7, &[&first, &second]))
            .await
            .unwrap();
        let ticket = desk.tickets.ticket(held.ticket).await.unwrap().unwrap();
        let [one, other] = ticket.articles[1].attachments.as_slice() else {
            panic!("{:?}", ticket.articles[1]);
        };
        assert_eq!((one.bytes, &one.sha256), (2_500_000, &other.sha256));
        let mut stored = Vec::new();
        for place in 0.. {
            let Some(piece) = desk.tickets.piece(&one.sha256, place).await.unwrap() else {
                break;
            };
            stored.extend(piece);
        }
        assert!(stored == octets);
        assert_eq!(blobs(&desk).await[0].1, 0, "nothing is stored twice");
        let again = work.answer(&held, with(8, &[&first])).await;
        assert!(matches!(again, Err(WorkFault::Unfit(_))), "{again:?}");

        // One that is not sent, and one that a crash cut off.
        uploaded(&work, &held, 3, b"x").await;
        let mut cut = work.begin_upload(&held, 4, ("b", "a/b")).await.unwrap();
        let half = bytes::Bytes::from(octets);
        cut.take(half).await.unwrap();
        drop(cut);
        work.forget_uploads().await.unwrap();
        assert_eq!(blobs(&desk).await[0].1, 3, "they may still be sent");
        sqlx::query("UPDATE uploads SET at = at - 100000000")
            .execute(desk.database.reads())
            .await
            .unwrap();
        work.forget_uploads().await.unwrap();
        assert_eq!(blobs(&desk).await[0].1, 0);
        let left: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM uploads")
            .fetch_one(desk.database.reads())
            .await
            .unwrap();
        assert_eq!(left.0, 0);
    });
}

fn mark(key: &str) -> RequestMark {
    RequestMark {
        key: key.to_owned(),
        fingerprint: "f".to_owned(),
    }
}

async fn kept(desk: &Desk, key: &str) -> Option<String> {
    let found = kept_answers::find(&desk.database, &mark(key), at(600)).await;
    found.unwrap().map(|kept| kept.body)
}

#[test]
fn a_command_and_that_its_request_was_done_are_written_together() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let work = work(&desk);
        let contact = taken(&desk, "1@a").await;
        let held = work.held(contact).await.unwrap().marked(Some(mark("k")));
        let rules = ringdown_routing::queue::QueueRules {
            is_open: false,
            ..desk
                .config
                .queue(&QueueId::from("net"))
                .unwrap()
                .rules(true)
        };
        change(&desk, Verb::SetQueue { rules }).await;
        let goal = |queue: &str| HandOver {
            to: QueueId::from(queue),
            keep_for: None,
            note: "for you".to_owned(),
        };
        // Closed after it was looked at: it is refused in the line, and nothing of it stays.
        assert!(work.hand_over(&held, goal("net"), "ming").await.is_err());
        assert_eq!(kept(&desk, "k").await, None);
        let ended = work.close(&held, Ending::Solved, "done", "").await.unwrap();
        assert_eq!(ended, Afterwards::Ended);
        let answer = kept(&desk, "k").await.unwrap();
        assert!(answer.contains("ordered"), "{answer}");
        let late = at(600 + 2 * 86_400);
        let found = kept_answers::find(&database, &mark("k"), late).await;
        assert_eq!(found.unwrap(), None, "for a day");
        let other = (200, "{}".to_owned());
        kept_answers::keep(&database, &mark("l"), other, late)
            .await
            .unwrap();
        assert_eq!(kept(&desk, "k").await, None, "and then it is gone");
    });
}

#[test]
fn a_command_that_a_supervisor_was_faster_than_changes_no_line() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let work = work(&desk);
        let contact = taken(&desk, "1@a").await;
        let held = work.held(contact).await.unwrap();
        let (agent, status) = (ming(), Status::LoggedOff);
        change(&desk, Verb::AgentStatus { agent, status }).await;
        let reason = ringdown_routing::verb::RequeueReason::ByHand;
        change(
            &desk,
            Verb::Requeue {
                contact,
                reason,
                token: None,
            },
        )
        .await;
        let goal = HandOver {
            to: held.queue().cloned().unwrap(),
            keep_for: None,
            note: "for you".to_owned(),
        };
        let refused = work.hand_over(&held, goal, "ming").await;
        assert!(matches!(refused, Err(WorkFault::NotNow(_))), "{refused:?}");
        let ticket = desk.tickets.ticket(held.ticket).await.unwrap().unwrap();
        let notes = ticket.articles.iter().filter(|it| it.text == "for you");
        assert_eq!(notes.count(), 0);
        assert_eq!(orders::left(&work).await.unwrap(), []);
        assert_eq!(desk.acd.position(contact), Some(1));
        // Its ticket is done with: nobody else is to be troubled with it.
        let ended = work.close(&held, Ending::Solved, "done", "").await.unwrap();
        assert_eq!(ended, Afterwards::Ended);
        assert_eq!(desk.acd.position(contact), None);
    });
}

/// Its answer was to be put forward two hundred seconds ago.
async fn make_late(desk: &Desk) {
    sqlx::query("UPDATE answers_due SET due_at = $1, escalate_at = $2 WHERE state = 'due'")
        .bind(at(500).as_millis())
        .bind(at(400).as_millis())
        .execute(desk.database.reads())
        .await
        .unwrap();
}

async fn escalations(desk: &Desk, contact: ContactId) -> i64 {
    desk.database.flush().await.unwrap();
    let found: (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM events WHERE contact = $1 AND kind = 'escalated'")
            .bind(contact.to_string())
            .fetch_one(desk.database.reads())
            .await
            .unwrap();
    found.0
}

#[test]
fn a_mail_whose_time_passed_while_its_line_was_closed_is_put_forward_once_it_is_in_line() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let rules = |is_open| {
            let queue = desk.config.queue(&QueueId::from("desk")).unwrap();
            queue.rules(is_open)
        };
        let verb = |is_open| Verb::SetQueue {
            rules: rules(is_open),
        };
        change(&desk, verb(false)).await;
        let filed = desk.take(0, HELP, &mail("1@a", ANNA, "")).await;
        let contact = filed.contact.unwrap();
        assert_eq!(desk.acd.position(contact), None);
        make_late(&desk).await;
        let work = work(&desk);
        for _ in 0..2 {
            attend::look(&work, &mut Absences::default()).await;
            assert_eq!(escalations(&desk, contact).await, 0, "it is in no line yet");
            assert_eq!(orders::left(&work).await.unwrap().len(), 1);
        }
        change(&desk, verb(true)).await;
        desk.usher.sweep().await.unwrap();
        assert_eq!(desk.acd.position(contact), Some(1));
        for _ in 0..2 {
            attend::look(&work, &mut Absences::default()).await;
            assert_eq!(escalations(&desk, contact).await, 1);
            assert_eq!(orders::left(&work).await.unwrap(), []);
        }
    });
}

#[test]
fn a_mail_whose_time_passed_while_the_gateway_was_down_is_put_forward_by_the_next() {
    on_both_engines(async |database| {
        let first = Desk::new(&database).await;
        let filed = first.take(0, HELP, &mail("1@a", ANNA, "")).await;
        let contact = filed.contact.unwrap();
        make_late(&first).await;
        let second = Desk::start(&database, Arc::clone(&first.config), "node-b").await;
        assert_eq!(second.acd.position(contact), Some(1));
        let work = work(&second);
        for _ in 0..2 {
            attend::look(&work, &mut Absences::default()).await;
            assert_eq!(escalations(&second, contact).await, 1);
        }
    });
}

/// The figures of a fold over the exported log.
async fn replayed(desk: &Desk) -> ringdown_routing::statistics::Tally {
    replayed_of(desk, None).await
}

/// The same of one line.
async fn replayed_of(desk: &Desk, queue: Option<&str>) -> ringdown_routing::statistics::Tally {
    use ringdown_routing::statistics::{Rules, Scope, Statistics};
    desk.database.flush().await.unwrap();
    let log = EventLog::new(desk.database.clone());
    let query = crate::event_log::EventsQuery::Between {
        from: at(-1_000_000),
        to: at(1_000_000),
    };
    let mut lines = Vec::new();
    log.export(query, &mut lines).await.unwrap();
    let mut fold = Statistics::new(Rules::default());
    for line in std::str::from_utf8(&lines).unwrap().lines() {
        fold.record(&serde_json::from_str(line).unwrap());
    }
    let ledger = fold.ledger(at(-1_000_000), at(1_000_000), desk.acd.now());
    let scope = Scope {
        queue: queue.map(QueueId::from),
        channel: None,
    };
    ledger.tally(at(-1_000_000), at(1_000_000), &scope)
}

#[test]
fn the_backlog_follows_a_mail_that_is_handed_over_and_a_replay_tells_what_the_rows_do() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let work = work(&desk);
        let contact = taken(&desk, "1@a").await;
        let held = work.held(contact).await.unwrap();
        let goal = HandOver {
            to: QueueId::from("net"),
            keep_for: None,
            note: String::new(),
        };
        let backlogs = async || {
            let rows = work.figures(at(-1_000_000), at(1_000_000)).await.unwrap();
            let mut all = Vec::new();
            for queue in ["desk", "net"] {
                let told = replayed_of(&desk, Some(queue)).await;
                let of_rows = rows[&QueueId::from(queue)].backlog;
                assert_eq!(
                    i64::try_from(told.answers.backlog()).unwrap(),
                    of_rows,
                    "{queue}"
                );
                assert_eq!(
                    told.figures().answer_backlog_age_s.is_some(),
                    of_rows > 0,
                    "{queue}"
                );
                all.push(of_rows);
            }
            all
        };
        assert_eq!(backlogs().await, [1, 0]);
        work.hand_over(&held, goal, "ming").await.unwrap();
        assert_eq!(backlogs().await, [0, 1]);
        let (left, there) = (
            replayed_of(&desk, Some("desk")).await,
            replayed_of(&desk, Some("net")).await,
        );
        assert_eq!(
            (left.answers.awaited, there.answers.awaited),
            (1, 0),
            "it came by the first"
        );
        // Nobody answers it, and it is over where it is.
        let closed = crate::tickets::TicketChange {
            status: Some(TicketStatus::Closed),
            ..crate::tickets::TicketChange::default()
        };
        desk.tickets
            .change(held.ticket, &closed, desk.acd.now())
            .await
            .unwrap();
        assert_eq!(backlogs().await, [0, 0]);
        let there = replayed_of(&desk, Some("net")).await.answers;
        assert_eq!((there.moved_in, there.ended, there.dropped), (1, 1, 1));
    });
}

#[test]
fn waits_for_an_answer_are_events_and_a_replay_tells_what_the_rows_do() {
    on_both_engines(async |database| {
        let desk = Desk::new(&database).await;
        let work = work(&desk);
        let contact = taken(&desk, "1@a").await;
        let waiting = replayed(&desk).await;
        assert_eq!((waiting.answers.awaited, waiting.answers.backlog()), (1, 1));
        let held = work.held(contact).await.unwrap();
        let kept_open = AnswerWish {
            ending: None,
            ..wish(7)
        };
        work.answer(&held, kept_open).await.unwrap();
        // A second answer to the same wait ends nothing.
        work.answer(&held, wish(8)).await.unwrap();
        let told = replayed(&desk).await;
        let rows = work.figures(at(-1_000_000), at(1_000_000)).await.unwrap();
        let rows = &rows[&QueueId::from("desk")];
        let (figures, answers) = (told.figures(), told.answers);
        assert_eq!((answers.awaited, answers.backlog()), (1, 0));
        assert_eq!((answers.first.given, answers.next.given), (1, 0));
        assert_eq!(i64::try_from(figures.answers_given).unwrap(), rows.answered);
        assert_eq!(figures.answer_time_s, rows.answer_working_s);
        assert_eq!(figures.answers_in_time, rows.in_time_share);
        let events = EventLog::new(database.clone());
        let events = events.events_of(contact).await.unwrap();
        let ended: Vec<_> = events
            .iter()
            .filter(|it| matches!(it.kind, EventKind::AnswerWaitEnded { .. }))
            .collect();
        assert_eq!(ended.len(), 1, "{events:?}");
        // The wait is told with what its mail came to, the same at its end as at its begin.
        let facets = |event: &ringdown_routing::event::Event| {
            if let EventKind::AnswerAwaited { wait, .. } | EventKind::AnswerWaitEnded { wait, .. } =
                &event.kind
            {
                return Some((*wait.facets).clone());
            }
            None
        };
        let told: Vec<_> = events.iter().filter_map(facets).collect();
        let record = EventLog::new(database.clone())
            .contact(contact)
            .await
            .unwrap()
            .unwrap();
        assert!(record.to.is_some());
        for facets in &told {
            assert_eq!(facets.number, record.to);
            assert_eq!((facets.class, &facets.agent), (record.class, &None));
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(ended[0].agent, Some(ming()));

        let other = desk.take(50, HELP, &mail("2@a", ANNA, "")).await;
        let closed = crate::tickets::TicketChange {
            status: Some(TicketStatus::Closed),
            ..crate::tickets::TicketChange::default()
        };
        desk.tickets
            .change(other.ticket, &closed, desk.acd.now())
            .await
            .unwrap();
        let told = replayed(&desk).await.answers;
        assert_eq!((told.awaited, told.dropped, told.backlog()), (2, 1, 0));
    });
}
