//! The waits that a log tells of, and the fold that counts them without keeping every contact.

use proptest::prelude::*;
use proptest::sample::Index;
use ringdown_routing::contact::{
    CallBackTo, Channel, Keeper, Needs, Priority, QueuedContact, VIA_CALL_BACK,
};
use ringdown_routing::event::{ContactResult, Event, EventKind};
use ringdown_routing::ids::{AgentId, ContactId, EventId, NodeId, OfferToken, QueueId};
use ringdown_routing::staffing::{
    DISORDER_MAX, INSTANTS_MAX, Patience, Wait, WaitCounts, Waits, WaitsFold,
};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{GATEWAY_LOST, RequeueReason, RestoredPlace};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

/// What one contact does; times in milliseconds.
#[derive(Clone, Debug)]
enum Story {
    Answered {
        wait: i64,
        talk: i64,
    },
    Abandons {
        wait: i64,
    },
    /// Taken for one who left, until it was known better.
    Fails {
        wait: i64,
    },
    /// To another line, where they leave or are answered.
    Overflows {
        first: i64,
        second: i64,
        is_answered: bool,
    },
    /// An answer that came to nothing; then they leave.
    AnsweredInVain {
        wait: i64,
        more: i64,
    },
    /// Handed over after a conversation, and impatient then.
    HandedOver {
        wait: i64,
        talk: i64,
        more: i64,
    },
    /// Its gateway was taken for dead, and claims it back.
    Claimed {
        wait: i64,
        slept: i64,
        more: i64,
    },
    LeavesWord {
        wait: i64,
    },
    /// The desk calls: nobody holds the line.
    CallsBack {
        wait: i64,
    },
    /// The same, in another line after some time.
    CallsBackFromElsewhere {
        wait: i64,
        more: i64,
    },
    Mail {
        wait: i64,
    },
    /// It was in the line before the log began.
    CameBefore {
        waited: i64,
        more: i64,
    },
    /// Its end is not told.
    NeverCloses {
        wait: i64,
    },
    /// By another clock it entered a line after it had closed.
    ClosesTooEarly {
        wait: i64,
    },
    Waits,
}

fn stories() -> impl Strategy<Value = Vec<(i64, Story)>> {
    // Few different waits, so that some are equal, and all of them by the millisecond.
    let wait = || {
        prop_oneof![
            (0_i64..20).prop_map(|s| s * SECOND),
            0_i64..20 * 60 * SECOND
        ]
    };
    let talk = || 0_i64..3 * HOUR;
    let story = prop_oneof![
        6 => (wait(), talk()).prop_map(|(wait, talk)| Story::Answered { wait, talk }),
        4 => wait().prop_map(|wait| Story::Abandons { wait }),
        1 => wait().prop_map(|wait| Story::Fails { wait }),
        3 => (wait(), wait(), any::<bool>()).prop_map(|(first, second, is_answered)| Story::Overflows {
            first,
            second,
            is_answered
        }),
        1 => (wait(), wait()).prop_map(|(wait, more)| Story::AnsweredInVain { wait, more }),
        1 => (wait(), talk(), wait()).prop_map(|(wait, talk, more)| Story::HandedOver { wait, talk, more }),
        1 => (wait(), 0..12 * HOUR, wait()).prop_map(|(wait, slept, more)| Story::Claimed { wait, slept, more }),
        1 => wait().prop_map(|wait| Story::LeavesWord { wait }),
        1 => (0..30 * HOUR).prop_map(|wait| Story::CallsBack { wait }),
        1 => (0..30 * HOUR, wait()).prop_map(|(wait, more)| Story::CallsBackFromElsewhere { wait, more }),
        1 => (0..30 * HOUR).prop_map(|wait| Story::Mail { wait }),
        1 => (wait(), wait()).prop_map(|(waited, more)| Story::CameBefore { waited, more }),
        1 => wait().prop_map(|wait| Story::NeverCloses { wait }),
        1 => wait().prop_map(|wait| Story::ClosesTooEarly { wait }),
        1 => Just(Story::Waits),
    ];
    prop::collection::vec((0..72 * HOUR, story), 1..60)
}

/// A log in the making.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
}

impl Log {
    fn tell(&mut self, at: i64, contact: ContactId, queue: &str, kind: EventKind) {
        self.events.push(Event {
            id: EventId {
                origin: NodeId::from("store"),
                number: self.events.len() as u64 + 1,
            },
            at: Timestamp::from_millis(at),
            contact: Some(contact),
            queue: Some(QueueId::from(queue)),
            agent: Some(AgentId::from("ming")),
            kind,
        });
    }

    fn comes(&mut self, at: i64, contact: ContactId, channel: Channel, via: &str) {
        let arrived = EventKind::Arrived {
            channel,
            from: "+886".to_owned(),
            to: "100".to_owned(),
            via: via.to_owned(),
        };
        self.tell(at, contact, "q", arrived);
        self.enters(at, contact, "q", channel, at);
    }

    /// Who was in another line before has the time of their first entry.
    fn enters(&mut self, at: i64, contact: ContactId, queue: &str, channel: Channel, since: i64) {
        let node = NodeId::from("gateway");
        self.is_enqueued(at, contact, queue, (channel, since, node));
    }

    /// Who leaves one line for another, whatever happened in the first.
    fn moves(&mut self, at: i64, contact: ContactId, to: &str, since: i64, node: NodeId) {
        let overflowed = EventKind::Overflowed {
            to: to.to_owned(),
            wait_ms: (at - since).unsigned_abs(),
        };
        self.tell(at, contact, "q", overflowed);
        self.is_enqueued(at, contact, to, (Channel::Voice, since, node));
    }

    fn is_enqueued(
        &mut self,
        at: i64,
        contact: ContactId,
        queue: &str,
        (channel, since, node): (Channel, i64, NodeId),
    ) {
        let enqueued = EventKind::Enqueued {
            priority: Priority::default(),
            channel,
            skills: Needs::default(),
            reserved: None,
            enqueued_at: Timestamp::from_millis(since),
            rings_one: false,
            calls_back: None,
            node,
        };
        self.tell(at, contact, queue, enqueued);
    }

    fn is_answered(&mut self, at: i64, contact: ContactId, queue: &str, wait: i64) {
        let answered = EventKind::Answered {
            token: OfferToken::new(1),
            wait_ms: wait.unsigned_abs(),
        };
        self.tell(at, contact, queue, answered);
    }

    fn leaves(&mut self, at: i64, contact: ContactId, queue: &str, wait: i64) {
        let wait_ms = wait.unsigned_abs();
        self.tell(at, contact, queue, EventKind::Abandoned { wait_ms });
    }

    fn goes_back(&mut self, at: i64, contact: ContactId, reason: RequeueReason) {
        let requeued = EventKind::Requeued {
            reason,
            retry_at: None,
        };
        self.tell(at, contact, "q", requeued);
    }

    fn closes(&mut self, at: i64, contact: ContactId, result: ContactResult) {
        self.tell(at, contact, "q", EventKind::Closed { result });
    }

    /// Tells a story of one contact more.
    fn play(&mut self, start: i64, story: &Story) {
        use ContactResult::{Abandoned, Answered, CallBack, Failed};
        let contact = ContactId::from_u128(self.events.len() as u128 + 1);
        let (channel, via) = if matches!(story, Story::Mail { .. }) {
            (Channel::Email, "inbox")
        } else if let Story::CallsBack { .. } | Story::CallsBackFromElsewhere { .. } = story {
            (Channel::Voice, VIA_CALL_BACK)
        } else {
            (Channel::Voice, "trunk")
        };
        if !matches!(story, Story::CameBefore { .. }) {
            self.comes(start, contact, channel, via);
        }
        match *story {
            Story::Answered { wait, talk } => {
                self.is_answered(start + wait, contact, "q", wait);
                self.closes(start + wait + talk, contact, Answered);
            }
            Story::Abandons { wait } => {
                self.leaves(start + wait, contact, "q", wait);
                self.closes(start + wait, contact, Abandoned);
            }
            Story::Fails { wait } => {
                self.leaves(start + wait, contact, "q", wait);
                self.closes(start + wait, contact, Failed);
            }
            Story::Overflows {
                first,
                second,
                is_answered,
            } => {
                let overflowed = EventKind::Overflowed {
                    to: "r".to_owned(),
                    wait_ms: first.unsigned_abs(),
                };
                self.tell(start + first, contact, "q", overflowed);
                self.enters(start + first, contact, "r", Channel::Voice, start);
                let wait = first + second;
                match is_answered {
                    true => self.is_answered(start + wait, contact, "r", wait),
                    false => self.leaves(start + wait, contact, "r", wait),
                }
                self.closes(start + wait, contact, Abandoned);
            }
            Story::AnsweredInVain { wait, more } => {
                self.is_answered(start + wait, contact, "q", wait);
                self.goes_back(start + wait, contact, RequeueReason::BridgeFailed);
                let wait = wait + more;
                self.leaves(start + wait, contact, "q", wait);
                self.closes(start + wait, contact, Abandoned);
            }
            Story::HandedOver { wait, talk, more } => {
                self.is_answered(start + wait, contact, "q", wait);
                let handed_over = start + wait + talk;
                self.goes_back(handed_over, contact, RequeueReason::HandedOver);
                self.moves(handed_over, contact, "r", start, NodeId::from("gateway"));
                let left = handed_over + more;
                self.leaves(left, contact, "r", left - start);
                self.closes(left, contact, Abandoned);
            }
            Story::Claimed { wait, slept, more } => {
                let lost = start + wait;
                self.leaves(lost, contact, "q", wait);
                let cause = GATEWAY_LOST.to_owned();
                self.tell(lost, contact, "q", EventKind::Failed { cause });
                self.closes(lost, contact, Failed);
                self.tell(lost + slept, contact, "q", restored(contact, start));
                let wait = wait + slept + more;
                self.is_answered(start + wait, contact, "q", wait);
                self.closes(start + wait, contact, Answered);
            }
            Story::LeavesWord { wait } => self.closes(start + wait, contact, CallBack),
            Story::CallsBack { wait } | Story::Mail { wait } => {
                self.is_answered(start + wait, contact, "q", wait);
                self.closes(start + wait, contact, Answered);
            }
            Story::CallsBackFromElsewhere { wait, more } => {
                let moved = start + wait;
                self.moves(moved, contact, "r", start, Keeper::Database.node());
                self.is_answered(moved + more, contact, "r", wait + more);
                self.closes(moved + more, contact, Answered);
            }
            Story::CameBefore { waited, more } => {
                self.enters(0, contact, "r", Channel::Voice, -1 - waited);
                self.is_answered(more, contact, "r", more + 1 + waited);
                self.closes(more, contact, Answered);
            }
            Story::NeverCloses { wait } => self.is_answered(start + wait, contact, "q", wait),
            Story::ClosesTooEarly { wait } => {
                self.closes(start + wait, contact, Answered);
                self.enters(start + wait + 10, contact, "r", Channel::Voice, start);
            }
            Story::Waits => {}
        }
    }
}

fn restored(contact: ContactId, enqueued_at: i64) -> EventKind {
    let record = QueuedContact::new(
        contact,
        QueueId::from("q"),
        Channel::Voice,
        Timestamp::from_millis(enqueued_at),
        NodeId::from("gateway"),
    );
    EventKind::Restored {
        record: Box::new(record),
        place: RestoredPlace::Waiting { offer_over: None },
    }
}

/// The log as it comes: each event up to the allowed time late, and some of them several times.
fn delivered(stories: &[(i64, Story)], delays: &[Vec<i64>]) -> Vec<Event> {
    let mut log = Log::default();
    for (start, story) in stories {
        log.play(*start, story);
    }
    let mut copies = Vec::new();
    for (event, late) in log.events.iter().zip(delays.iter().cycle()) {
        copies.extend(late.iter().map(|late| (event.at.as_millis() + late, event)));
    }
    copies.sort_by_key(|(at, _)| *at);
    copies.into_iter().map(|(_, event)| event.clone()).collect()
}

fn delays() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let most = i64::try_from(DISORDER_MAX.as_millis()).expect("an hour");
    let late = prop_oneof![Just(0), Just(most), 0..=most, 0_i64..100];
    prop::collection::vec(prop::collection::vec(late, 1..4), 1..40)
}

fn all(queue: Option<&QueueId>, events: &[Event]) -> WaitCounts {
    let mut waits = Waits::default();
    for event in events {
        waits.record(event);
    }
    let waits = match queue {
        Some(queue) => waits.in_queue(queue),
        None => waits.of_all(),
    };
    waits.into_iter().collect()
}

fn fold(queue: Option<&QueueId>, events: &[Event]) -> WaitsFold {
    let mut fold = WaitsFold::new(queue.cloned());
    for event in events {
        fold.record(event);
    }
    fold
}

proptest! {
    #[test]
    fn the_fold_counts_what_is_told_by_a_log_that_is_kept(
        stories in stories(),
        delays in delays(),
        known in any::<Index>(),
    ) {
        let events = delivered(&stories, &delays);
        let part = known.index(events.len() + 1);
        for events in [&events[..], &events[..part]] {
            for queue in [None, Some(QueueId::from("q")), Some(QueueId::from("r"))] {
                let wanted = all(queue.as_ref(), events);
                let fold = fold(queue.as_ref(), events);
                prop_assert_eq!(fold.health().late, 0);
                let counts = fold.counts();
                prop_assert_eq!(Patience::of_counts(&counts), Patience::of_counts(&wanted));
                prop_assert_eq!(counts, wanted);
            }
        }
    }

    #[test]
    fn a_whole_log_twice_is_that_log(stories in stories()) {
        let mut events = delivered(&stories, &[vec![0]]);
        let once = fold(None, &events).counts();
        events.extend(events.clone());
        prop_assert_eq!(fold(None, &events).counts(), once);
    }
}

/// A call every ten seconds, one of four of which leaves, for `hours`.
fn calls(hours: i64) -> Vec<(i64, Story)> {
    let calls = 0..hours * 360;
    let story = |call: i64| {
        let wait = call % 60 * SECOND;
        let talk = 240 * SECOND;
        match call % 4 {
            0 => Story::Abandons { wait },
            _ => Story::Answered { wait, talk },
        }
    };
    calls
        .map(|call| (call * 10 * SECOND, story(call)))
        .collect()
}

/// The events of a story that begins at 0, and those of so many hours of calls.
fn told_before(story: Story, hours: i64) -> (Vec<Event>, Vec<Event>) {
    let mut stories = vec![(0, story)];
    stories.extend(calls(hours));
    let events = delivered(&stories, &[vec![0]]);
    let contact = events[0].contact;
    let its_own = |event: &Event| event.contact == contact;
    events.into_iter().partition(its_own)
}

#[test]
fn a_long_log_keeps_the_contacts_of_little_more_than_an_hour() {
    let most_kept = |hours| {
        let mut fold = WaitsFold::new(None);
        let mut most = 0;
        for event in delivered(&calls(hours), &[vec![0]]) {
            fold.record(&event);
            most = most.max(fold.kept());
        }
        let patience = Patience::of_counts(&fold.counts());
        assert_eq!(patience.abandoned, 90 * hours.unsigned_abs());
        most
    };
    // 360 came in the hour, and some twenty are under way.
    let of_a_shift = most_kept(8);
    assert!((360..400).contains(&of_a_shift), "{of_a_shift}");
    assert_eq!(most_kept(80), of_a_shift);
}

#[test]
fn who_waits_is_kept_however_long() {
    let (waits, later) = told_before(Story::Waits, 80);
    let events = [waits, later].concat();
    assert_eq!(fold(None, &events).counts(), all(None, &events));
}

#[test]
fn what_comes_too_late_for_a_contact_is_left_out_and_told() {
    let (first, later) = told_before(Story::Abandons { wait: SECOND }, 4);
    let wanted = fold(None, &[&first[..], &later[..]].concat());
    assert_eq!(wanted.health().late, 0);
    let again = fold(None, &[&first[..], &later[..], &first[..]].concat());
    assert_eq!(again.health().late, first.len() as u64);
    assert_eq!(again.counts(), wanted.counts());
    // Nor does the half of a contact whose other half was missed wait to this day.
    let half = fold(None, &[&later[..], &first[..2]].concat());
    assert_eq!(half.counts(), fold(None, &later).counts());
}

#[test]
fn who_is_handed_over_after_a_day_is_no_new_caller() {
    let talk = 30 * HOUR;
    let story = Story::HandedOver {
        wait: SECOND,
        talk,
        more: 20 * SECOND,
    };
    let events = delivered(&[(0, Story::Waits), (SECOND, story)], &[vec![0]]);
    let fold = fold(None, &events);
    assert_eq!(fold.health().late, 0);
    assert_eq!(fold.counts(), all(None, &events));
}

#[test]
fn a_call_back_that_is_moved_the_next_day_is_no_caller() {
    let story = Story::CallsBackFromElsewhere {
        wait: 16 * HOUR,
        more: 300 * SECOND,
    };
    let events = delivered(&[(0, Story::Waits), (SECOND, story)], &[vec![0]]);
    assert_eq!(fold(None, &events).counts(), all(None, &events));
    // Nor is it one to a log that begins after it was ordered.
    let from_the_move = events.iter().skip(4).cloned().collect::<Vec<_>>();
    let none = WaitCounts::default();
    assert_eq!(fold(None, &from_the_move).counts(), none);
    assert_eq!(all(None, &from_the_move), none);
}

#[test]
fn more_different_waits_than_are_kept_apart_are_told_less_exactly() {
    let calls = INSTANTS_MAX as u64 * 3 / 2;
    let waits = (1..=calls).map(Wait::abandoned);
    let counts: WaitCounts = waits.clone().collect();
    assert_eq!(counts.resolution_ms(), 2);
    let reversed: WaitCounts = waits.rev().collect();
    assert_eq!(counts, reversed);
    let patience = Patience::of_counts(&counts);
    assert_eq!((patience.resolution_ms, patience.abandoned), (2, calls));
    let mean_ms = patience.mean_s.unwrap() * 1_000.0;
    let exact_ms = (calls + 1) as f64 / 2.0;
    assert!(
        (exact_ms..exact_ms + 2.0).contains(&mean_ms),
        "{mean_ms} for {exact_ms}"
    );
}

#[test]
fn less_exactly_told_waits_are_still_seen_before_they_end() {
    let calls = INSTANTS_MAX as u64 * 5 / 2;
    // Each is seen for the last millisecond only.
    let late = (1..=calls).map(|ms| Wait::answered(ms + 1).seen_from(ms));
    let counts: WaitCounts = late
        .chain([Wait::abandoned(0), Wait::abandoned(u64::MAX)])
        .collect();
    assert_eq!(counts.resolution_ms(), 4);
    let patience = Patience::of_counts(&counts);
    assert_eq!((patience.abandoned, patience.answered), (2, calls));
    assert_eq!(patience.curve.len(), 2);
    assert_eq!(patience.curve[1].still_patient, 0.0);
}

#[test]
fn a_caller_who_could_be_called_back_holds_the_line() {
    let mut log = Log::default();
    log.play(0, &Story::Abandons { wait: SECOND });
    for event in &mut log.events {
        if let EventKind::Enqueued { calls_back, .. } = &mut event.kind {
            *calls_back = Some(Box::new(CallBackTo {
                number: "+886".to_owned(),
                dialled: "100".to_owned(),
            }));
        }
    }
    let mut waits = Waits::default();
    for event in &log.events {
        waits.record(event);
    }
    assert_eq!(waits.of_all(), [Wait::abandoned(1_000)]);
}
