//! To which queues agents' time counts: those that they served while it passed.

use crate::log::{Log, at, fold, in_queue, whole_log};
use ringdown_routing::agent::Status;
use ringdown_routing::event::Event;
use ringdown_routing::ids::{AgentId, QueueId};
use ringdown_routing::statistics::{AgentTime, Ledger, Rules, Scope};
use std::time::Duration;

/// Settled for good at once, and all of it still open: the same must come out.
fn ledgers(events: &[Event], as_of_s: i64) -> [Ledger; 2] {
    [Duration::ZERO, Duration::MAX].map(|settle_after| {
        let rules = Rules {
            settle_after,
            ..Rules::default()
        };
        fold(events, rules).ledger(at(0), at(as_of_s), at(as_of_s))
    })
}

fn time(ledger: &Ledger, from_s: i64, to_s: i64, queue: &str) -> AgentTime {
    let scope = in_queue(queue);
    ledger.tally(at(from_s), at(to_s), &scope).agent_time
}

/// From Q to R in the middle of a quarter hour, to both in that of the next, and then to none.
fn moving() -> Log {
    Log::default()
        .serves(0, "ann", "Q")
        .status(0, "ann", Status::Available)
        .serves(400, "ann", "R")
        .serves_all(1_000, "ann", &["Q", "R"])
        .serves_all(1_300, "ann", &[])
        .status(1_500, "ann", Status::LoggedOff)
}

#[test]
fn time_counts_to_the_queues_that_were_served_while_it_passed() {
    for ledger in ledgers(&moving().events, 1_800) {
        for (from, to, in_q, in_r, all) in [
            (0, 900, 400, 500, 900),
            (900, 1_800, 300, 400, 600),
            (0, 1_800, 700, 900, 1_500),
        ] {
            assert_eq!(time(&ledger, from, to, "Q").idle_ms, in_q * 1_000);
            assert_eq!(time(&ledger, from, to, "R").idle_ms, in_r * 1_000);
            let whole = ledger.tally(at(from), at(to), &Scope::default());
            assert_eq!(whole.agent_time.idle_ms, all * 1_000);
        }
        let both = ["Q", "R"].map(QueueId::from);
        assert_eq!(
            ledger.queues(),
            both.into(),
            "though nobody serves them now"
        );
    }
}

#[test]
fn a_talk_that_goes_on_counts_to_the_queues_of_each_instant_and_an_answer_to_those_of_its_own() {
    let log = Log::default()
        .serves(0, "ann", "Q")
        .status(0, "ann", Status::Available)
        .arrive(100, 1)
        .offer(100, 1, "ann", 1)
        .answer(110, 1, "ann", 1, 10)
        .serves(150, "ann", "R")
        .end(250, 1, "ann", 140, 0);
    for ledger in ledgers(&log.events, 300) {
        let (q, r) = (time(&ledger, 0, 300, "Q"), time(&ledger, 0, 300, "R"));
        let times = |time: AgentTime| [time.idle_ms, time.ringing_ms, time.talk_ms];
        assert_eq!(times(q), [100_000, 10_000, 40_000]);
        assert_eq!(times(r), [50_000, 0, 100_000]);
        assert_eq!([q.offers, q.answers, r.offers, r.answers], [1, 1, 0, 0]);
        // The contact itself is its line's, whoever serves that later.
        let counts = ledger.counts(at(0), at(300), &in_queue("Q"));
        assert_eq!(counts.talk_ms, 140_000);
    }
}

#[test]
fn a_word_on_queues_that_comes_late_or_twice_counts_as_if_it_had_come_in_time() {
    let mut events = moving().events;
    let in_order = fold(&events, whole_log()).ledger(at(0), at(1_800), at(1_800));
    let again = events.clone();
    events.reverse();
    events.extend(again);
    let reversed = fold(&events, whole_log()).ledger(at(0), at(1_800), at(1_800));
    assert_eq!(reversed, in_order);
}

#[test]
fn where_nobody_said_which_queues_time_counts_from_the_first_offer_on() {
    let log = Log::default()
        .status(0, "ann", Status::Available)
        .arrive(100, 1)
        .offer(100, 1, "ann", 1)
        .answer(110, 1, "ann", 1, 10)
        .end(250, 1, "ann", 140, 0)
        .serves(280, "ann", "R");
    for ledger in ledgers(&log.events, 300) {
        let (q, r) = (time(&ledger, 0, 300, "Q"), time(&ledger, 0, 300, "R"));
        assert_eq!(q.logged_in_ms(), 180_000);
        assert_eq!(q.offers, 1);
        assert_eq!(r.logged_in_ms(), 20_000);
        let ann = AgentId::from("ann");
        let whole = ledger.agent_time(at(0), at(300), &ann).logged_in_ms();
        assert_eq!(whole, 300_000, "what came before is nobody's but hers");
    }
}
