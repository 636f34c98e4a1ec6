//! Call-backs in the database: kept, claimed once, tried again, ended.

use super::*;
use crate::database::tests::{arrived, at, contact, event, on_both_engines, run, sqlite};
use crate::event_log::EventLog;
use ringdown_harness::postgres::Postgres;
use ringdown_routing::contact::{Channel, Needs};
use ringdown_routing::event::{ContactResult, EventKind};
use ringdown_routing::verb::{GATEWAY_LOST, RestoredPlace};

fn asked() -> CallBack {
    CallBack {
        contact: contact(2),
        origin: contact(1),
        number: "+886912345678".to_owned(),
        dialled: "100".to_owned(),
        queue: QueueId::from("helpdesk"),
        priority: Priority(10),
        language: "zh-TW".to_owned(),
        ticket: "202611180001".to_owned(),
        enqueued_at: at(10),
        due_at: at(20),
        tries_left: 2,
        refusals: 0,
        state: State::Pending,
        asked_by: "caller".to_owned(),
        asked_at: at(20),
    }
}

#[test]
fn a_call_back_counts_once_the_caller_has_left_or_its_gateway_has_died() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        assert_eq!(call_backs.due(at(70)).await.unwrap(), []);
        assert_eq!(call_backs.due(at(80)).await.unwrap(), [asked()]);
        call_backs.keep(contact(1)).await.unwrap();
        let kept = CallBack {
            state: State::Waiting,
            ..asked()
        };
        assert_eq!(call_backs.due(at(20)).await.unwrap(), [kept]);
        assert_eq!(call_backs.due(at(19)).await.unwrap(), []);
        // Too late to take it back.
        call_backs.drop_pending(contact(1)).await.unwrap();
        assert_eq!(call_backs.open(10).await.unwrap().len(), 1);
    });
}

#[test]
fn an_offer_is_claimed_by_one_gateway() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        // Its caller's gateway may have died before it could say that the caller has left.
        call_backs.add(&asked()).await.unwrap();
        let (a, b) = (NodeId::from("a"), NodeId::from("b"));
        let claim = async |token, node: &NodeId| {
            let claimed = call_backs.claim(contact(2), OfferToken::new(token), node);
            claimed.await.unwrap().is_some()
        };
        assert!(claim(7, &a).await);
        assert!(!claim(7, &b).await);
        assert!(!claim(6, &b).await, "an older offer is over");
        assert!(claim(8, &b).await);
        call_backs.end(contact(2), State::Done).await.unwrap();
        assert!(!claim(9, &a).await);
    });
}

#[test]
fn a_call_back_that_talks_waits_again_when_it_is_offered_again() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        let state = async || call_backs.one(contact(2)).await.unwrap().unwrap().state;
        call_backs.talk(contact(2)).await.unwrap();
        assert_eq!(state().await, State::Pending, "nobody has it yet");
        let node = NodeId::from("a");
        let claimed = call_backs.claim(contact(2), OfferToken::new(7), &node);
        assert!(claimed.await.unwrap().is_some());
        call_backs.talk(contact(2)).await.unwrap();
        assert_eq!(state().await, State::Talking);
        assert_eq!(call_backs.open(10).await.unwrap().len(), 1);
        let claimed = call_backs.claim(contact(2), OfferToken::new(8), &node);
        assert_eq!(claimed.await.unwrap().unwrap().state, State::Waiting);
    });
}

#[test]
fn the_first_word_on_how_a_call_back_ended_stands() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        call_backs.end(contact(2), State::Done).await.unwrap();
        call_backs.end(contact(2), State::Cancelled).await.unwrap();
        let again = call_backs.try_again(contact(2), contact(3), at(300));
        again.await.unwrap();
        call_backs.stand_anew(contact(2), contact(4)).await.unwrap();
        let known = call_backs.one(contact(2)).await.unwrap().unwrap();
        assert_eq!((known.state, known.tries_left), (State::Done, 2));
    });
}

#[test]
fn a_call_back_that_its_line_does_not_take_is_left_alone_for_a_while() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        call_backs.keep(contact(1)).await.unwrap();
        call_backs.put_off(contact(2), at(40)).await.unwrap();
        assert_eq!(call_backs.due(at(39)).await.unwrap(), []);
        let due = call_backs.due(at(40)).await.unwrap();
        assert_eq!((due.len(), due[0].refusals), (1, 1));
    });
}

fn order(id: u128, origin: u128) -> CallBack {
    CallBack {
        contact: contact(id),
        origin: contact(origin),
        state: State::Waiting,
        ..asked()
    }
}

#[test]
fn who_orders_one_for_the_same_number_and_line_hears_of_the_one_that_is_open() {
    on_both_engines(async |database| {
        let call_backs = CallBacks::new(database);
        let first = order(2, 2);
        let ordered = call_backs.order(&first, None).await.unwrap();
        assert_eq!(ordered, Ordered::New(first));
        let again = call_backs.order(&order(3, 3), None).await.unwrap();
        assert_eq!(again, Ordered::HasOne(contact(2)));
        let keyed = call_backs.order(&order(3, 3), Some("key")).await.unwrap();
        assert_eq!(keyed, Ordered::HasOne(contact(2)));
        // Another number, another line, or a call of its own behind the same number.
        let elsewhere = QueueId::from("networks");
        let number = "+886223456789".to_owned();
        for other in [
            CallBack {
                number,
                ..order(4, 4)
            },
            CallBack {
                queue: elsewhere.clone(),
                ..order(5, 5)
            },
            order(6, 16),
        ] {
            let ordered = call_backs.order(&other, None).await.unwrap();
            assert_eq!(ordered, Ordered::New(other));
        }
        // It was ordered for this line, and is still open in another one.
        call_backs.end(contact(5), State::Done).await.unwrap();
        call_backs.end(contact(6), State::Done).await.unwrap();
        call_backs.move_to(contact(2), &elsewhere).await.unwrap();
        for queue in [&QueueId::from("helpdesk"), &elsewhere] {
            let wish = CallBack {
                queue: queue.clone(),
                ..order(7, 7)
            };
            let again = call_backs.order(&wish, None).await.unwrap();
            assert_eq!(again, Ordered::HasOne(contact(2)), "{queue}");
        }
        call_backs.end(contact(2), State::Done).await.unwrap();
        let later = order(8, 8);
        let ordered = call_backs.order(&later, None).await.unwrap();
        assert_eq!(ordered, Ordered::New(later));
    });
}

#[test]
fn of_callers_who_show_one_number_each_keeps_their_own_call_back() {
    on_both_engines(async |database| {
        let call_backs = CallBacks::new(database);
        for (id, origin) in [(2, 12), (3, 13)] {
            call_backs.add(&order(id, origin)).await.unwrap();
        }
        assert_eq!(call_backs.open(9).await.unwrap().len(), 2);
        // A caller who is noted already, by whoever comes second.
        call_backs.add(&order(4, 13)).await.unwrap();
        let cut_off = CallBack {
            asked_by: GATEWAY_LOST.to_owned(),
            ..order(5, 13)
        };
        call_backs.add_for_cut_off(&cut_off).await.unwrap();
        assert_eq!(call_backs.open(9).await.unwrap().len(), 2);
    });
}

/// Two gateways take an order at the same instant: the second asks while the first has not committed.
async fn second_of_two_at_once(server: &Postgres, first: CallBack, second: CallBack) -> Ordered {
    let database = Database::connect(&server.url(), 2, 1_000).await.unwrap();
    let mut other = database.reads().begin().await.unwrap();
    let ordered_in = ordered_in(&first);
    sqlx::query(
        "INSERT INTO call_backs (contact, origin, number, dialled, queue, priority, language, ticket, enqueued_at, \
         due_at, tries_left, state, asked_by, asked_at, claimed_token, claimed_by, ordered_in) \
         VALUES ($1, $2, $3, '', $4, 0, '', '', 0, 0, 1, 'waiting', '', 0, 0, '', $5)",
    )
    .bind(first.contact.to_string())
    .bind(first.origin.to_string())
    .bind(first.number.clone())
    .bind(first.queue.as_str().to_owned())
    .bind(ordered_in)
    .execute(&mut *other)
    .await
    .unwrap();
    let call_backs = CallBacks::new(database.clone());
    let order = tokio::spawn(async move { call_backs.order(&second, None).await });
    // Either it is held up by the first, or nothing holds it up.
    loop {
        let (held_up,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                .fetch_one(database.reads())
                .await
                .unwrap();
        if held_up > 0 || order.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    other.commit().await.unwrap();
    let ordered = order.await.unwrap().unwrap();
    database.close().await;
    ordered
}

#[test]
fn of_two_gateways_that_take_an_order_at_the_same_instant_one_has_it() {
    let server = Postgres::start();
    run(async {
        let ordered = second_of_two_at_once(&server, order(2, 1), order(3, 1)).await;
        assert_eq!(ordered, Ordered::HasOne(contact(2)), "for one call");
        let number = "+886223456789".to_owned();
        let by_number = |id| CallBack {
            number: number.clone(),
            ..order(id, id)
        };
        let ordered = second_of_two_at_once(&server, by_number(4), by_number(5)).await;
        assert_eq!(ordered, Ordered::HasOne(contact(4)), "for one number");
    });
}

#[test]
fn an_order_is_stored_once_however_often_and_wherever_it_is_sent() {
    on_both_engines(async |database| {
        let call_backs = CallBacks::new(database);
        let first = order(2, 2);
        let stored = call_backs.order(&first, Some("key")).await.unwrap();
        assert_eq!(stored, Ordered::New(first.clone()));
        // To another gateway, which mints another contact for it.
        let again = call_backs.order(&order(3, 3), Some("key")).await.unwrap();
        assert_eq!(again, Ordered::Before(first.clone()));
        // By people who do not know of each other, for one call that was missed.
        let missed = order(5, 4);
        let stored = call_backs.order(&missed, None).await.unwrap();
        assert_eq!(stored, Ordered::New(missed));
        let other = call_backs.order(&order(6, 4), Some("other")).await.unwrap();
        assert_eq!(other, Ordered::HasOne(contact(5)));
        call_backs.end(contact(5), State::Failed).await.unwrap();
        let later = call_backs.order(&order(6, 4), Some("other")).await.unwrap();
        assert!(matches!(later, Ordered::New(_)), "{later:?}");
        assert_eq!(call_backs.open(10).await.unwrap().len(), 2);
    });
}

#[test]
fn a_caller_who_is_not_reached_is_tried_again_until_the_tries_are_used_up() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        call_backs.keep(contact(1)).await.unwrap();
        call_backs
            .try_again(contact(2), contact(3), at(300))
            .await
            .unwrap();
        assert_eq!(call_backs.due(at(299)).await.unwrap(), []);
        let again = call_backs.due(at(300)).await.unwrap();
        assert_eq!((again[0].contact, again[0].tries_left), (contact(3), 1));
        assert_eq!(again[0].enqueued_at, at(10), "the place is kept");
        call_backs
            .try_again(contact(3), contact(4), at(600))
            .await
            .unwrap();
        assert_eq!(call_backs.due(at(600)).await.unwrap(), []);
        let failed = call_backs.one(contact(3)).await.unwrap().unwrap();
        assert_eq!(failed.state, State::Failed);
    });
}

/// Two callers whose gateway died, in the order in which they had come: one waited, one's number is
/// withheld. And one whose gateway only slept.
async fn log_of_a_dead_gateway(database: &Database) {
    let log = EventLog::new(database.clone());
    let mut number = 0;
    let mut tell = |second, id, kind| {
        number += 1;
        let mut event = event(number, second, id, kind);
        event.queue = Some(QueueId::from("helpdesk"));
        assert!(log.append(event));
    };
    for (id, from) in [(1, "+886912345678"), (2, ""), (3, "+886912345670")] {
        let id = contact(id);
        tell(10, id, arrived(from));
        let enqueued = EventKind::Enqueued {
            priority: Priority(7),
            channel: Channel::Voice,
            skills: Needs::default(),
            reserved: None,
            enqueued_at: at(10),
            rings_one: false,
            calls_back: None,
            node: NodeId::from("dead"),
        };
        tell(11, id, enqueued);
        let cause = GATEWAY_LOST.to_owned();
        tell(40, id, EventKind::Failed { cause });
        let result = ContactResult::Failed;
        tell(40, id, EventKind::Closed { result });
    }
    let restored = EventKind::Restored {
        record: Box::new(ringdown_routing::contact::QueuedContact::new(
            contact(3),
            QueueId::from("helpdesk"),
            Channel::Voice,
            at(10),
            NodeId::from("dead"),
        )),
        place: RestoredPlace::Waiting { offer_over: None },
    };
    tell(50, contact(3), restored);
    log.flush().await.unwrap();
}

#[test]
fn who_was_cut_off_gets_one_call_back_at_the_old_place_however_many_gateways_see_to_it() {
    on_both_engines(async |database| {
        log_of_a_dead_gateway(&database).await;
        let gateways = [
            CallBacks::new(database.clone()),
            CallBacks::new(database.clone()),
        ];
        let mut found = Vec::new();
        for gateway in &gateways {
            found.push(gateway.cut_off(at(0)).await.unwrap());
        }
        assert_eq!(found[0], found[1]);
        let [cut] = &found[0][..] else {
            panic!("{found:?}");
        };
        let known = (cut.contact, cut.from.as_str(), cut.enqueued_at);
        assert_eq!(known, (contact(1), "+886912345678", at(10)));
        assert_ne!(cut.contact.successor(), cut.contact);
        let call_back = CallBack {
            contact: cut.contact.successor(),
            origin: cut.contact,
            state: State::Waiting,
            asked_by: GATEWAY_LOST.to_owned(),
            ..asked()
        };
        for gateway in &gateways {
            gateway.add_for_cut_off(&call_back).await.unwrap();
        }
        // The caller was not reached, and a gateway that was slow sees to it only now.
        let again = contact(9);
        let retry = gateways[0].try_again(call_back.contact, again, at(60));
        retry.await.unwrap();
        gateways[1].add_for_cut_off(&call_back).await.unwrap();
        let due = gateways[0].due(at(60)).await.unwrap();
        assert_eq!(due.len(), 1, "{due:?}");
        assert_eq!((due[0].contact, due[0].enqueued_at), (again, at(10)));
        // Taken back, because its gateway had only slept: it does not come again.
        gateways[0].end(again, State::Cancelled).await.unwrap();
        gateways[1].add_for_cut_off(&call_back).await.unwrap();
        assert_eq!(gateways[0].open(9).await.unwrap(), []);
        assert_eq!(gateways[1].cut_off(at(0)).await.unwrap(), []);
    });
}

#[test]
fn who_came_too_long_ago_is_not_called_back() {
    run(async {
        let (_folder, database) = sqlite().await;
        log_of_a_dead_gateway(&database).await;
        let call_backs = CallBacks::new(database);
        assert_eq!(call_backs.cut_off(at(11)).await.unwrap(), []);
    });
}

#[test]
fn what_a_lost_gateway_had_claimed_is_taken_over_by_one() {
    on_both_engines(async |database| {
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        call_backs.keep(contact(1)).await.unwrap();
        let [dead, a, b] = ["dead", "a", "b"].map(NodeId::from);
        let token = OfferToken::new(7);
        let claimed = call_backs.claim(contact(2), token, &dead).await.unwrap();
        assert!(claimed.is_some());
        let taken = call_backs.take_over(&dead, &a).await.unwrap();
        assert_eq!(taken, [(contact(2), token)]);
        assert_eq!(call_backs.take_over(&dead, &b).await.unwrap(), []);
        // It dies as well before it has done anything.
        let taken = call_backs.take_over(&a, &b).await.unwrap();
        assert_eq!(taken, [(contact(2), token)]);
    });
}

#[test]
fn a_call_back_keeps_the_line_and_priority_it_was_given() {
    run(async {
        let (_folder, database) = sqlite().await;
        let call_backs = CallBacks::new(database);
        call_backs.add(&asked()).await.unwrap();
        let to = QueueId::from("networks");
        call_backs.move_to(contact(2), &to).await.unwrap();
        call_backs
            .reprioritise(contact(2), Priority(3))
            .await
            .unwrap();
        let known = call_backs.one(contact(2)).await.unwrap().unwrap();
        assert_eq!((known.queue, known.priority), (to, Priority(3)));
    });
}
