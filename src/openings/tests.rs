//! Orders, hours and groups against each other, on a clock that is set.

use super::*;
use crate::acd::{AtStart, Clock, EventSink, RedisPlace, Surroundings};
use crate::database::tests::{run, sqlite};
use ringdown_harness::place::Folder;
use ringdown_harness::redis::Redis;
use ringdown_routing::event::Event;
use ringdown_routing::ids::NodeId;
use ringdown_routing::view::View;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const DESK: &str = r#"
[site]
region = "TW"
time_zone = "Asia/Taipei"

[hours.day]
mon = ["09:00-17:00"]

[[queue]]
id = "taipei"
hours = "day"

[[queue]]
id = "berlin"
hours = "day"
time_zone = "Europe/Berlin"

[[queue]]
id = "world"
hours = [
    { hours = "day", queue = "taipei" },
    { hours = "day", time_zone = "Europe/Berlin", queue = "berlin" },
]
"#;

/// A desk whose clock is set by the test.
struct Desk {
    openings: Openings,
    now: Arc<AtomicI64>,
    database: Database,
    _folder: Folder,
}

impl Desk {
    async fn open(at: &str) -> Self {
        let (folder, database) = sqlite().await;
        let now = Arc::new(AtomicI64::new(instant(at).as_millis()));
        let openings = Self::start(&database, &now).await;
        Self {
            openings,
            now,
            database,
            _folder: folder,
        }
    }

    async fn start(database: &Database, now: &Arc<AtomicI64>) -> Openings {
        let acd = Acd::in_memory(surroundings(now, |_| {}));
        Self::start_at(acd, database).await
    }

    async fn start_at(acd: Acd, database: &Database) -> Openings {
        let config = Config::parse(Path::new("r.toml"), DESK, &[]).unwrap();
        Openings::start(Arc::new(config), acd, database.clone())
            .await
            .unwrap()
    }

    async fn at(&self, at: &str) {
        self.now.store(instant(at).as_millis(), Ordering::Relaxed);
        self.openings.keep_up().await;
    }

    fn check(&self, wanted: [(&str, Opening); 3]) {
        for (queue, opening) in wanted {
            let queue = QueueId::from(queue);
            assert_eq!(self.openings.opening(&queue), opening, "{queue}");
            let is_open = |view: &View| view.queue(&queue).unwrap().is_open;
            assert_eq!(
                self.openings.acd.read(is_open),
                opening.is_open(),
                "{queue}"
            );
        }
    }

    fn order(&self, queue: Option<&str>, kind: Kind, is_open: bool) -> Order {
        Order {
            queue: queue.map(QueueId::from),
            kind,
            is_open,
            say: None,
            reason: String::new(),
            by: "tests".to_owned(),
            at: self.openings.acd.now(),
            until: None,
        }
    }
}

fn surroundings(
    now: &Arc<AtomicI64>,
    sink: impl Fn(&Event) + Send + Sync + 'static,
) -> Surroundings {
    let now = Arc::clone(now);
    Surroundings {
        node: NodeId::from("node"),
        clock: Clock::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed))),
        sink: EventSink::at_once(move |event| sink(event)),
    }
}

fn instant(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(instant.as_millisecond())
}

fn open(line: &str) -> Opening {
    Opening::Open {
        line: QueueId::from(line),
    }
}

const SHUT: Opening = Opening::Closed(ClosedBy::Hours);
const BY_HAND: Opening = Opening::Closed(ClosedBy::Hand);
const EMERGENCY: Opening = Opening::Closed(ClosedBy::Emergency { say: None });

#[test]
fn groups_follow_the_sun_each_in_its_own_time_zone() {
    run(async {
        let desk = Desk::open("2026-11-23T00:59:59Z").await;
        desk.check([("taipei", SHUT), ("berlin", SHUT), ("world", SHUT)]);
        desk.at("2026-11-23T01:00:00Z").await;
        desk.check([
            ("taipei", open("taipei")),
            ("berlin", SHUT),
            ("world", open("taipei")),
        ]);
        desk.at("2026-11-23T09:00:00Z").await;
        desk.check([
            ("taipei", SHUT),
            ("berlin", open("berlin")),
            ("world", open("berlin")),
        ]);
        desk.at("2026-11-23T16:00:00Z").await;
        desk.check([("taipei", SHUT), ("berlin", SHUT), ("world", SHUT)]);
        // Summer time in Berlin alone: both are open for an hour, and the first group has it.
        desk.at("2026-07-06T07:30:00Z").await;
        desk.check([
            ("taipei", open("taipei")),
            ("berlin", open("berlin")),
            ("world", open("taipei")),
        ]);
    });
}

#[test]
fn an_order_comes_before_the_hours_and_an_emergency_before_both() {
    run(async {
        let desk = Desk::open("2026-11-23T02:00:00Z").await;
        let closed = desk.order(Some("taipei"), Kind::ByHand, false);
        desk.openings.give(closed).await.unwrap();
        // A group whose line was closed by hand is passed over.
        desk.check([("taipei", BY_HAND), ("berlin", SHUT), ("world", SHUT)]);
        let opened = desk.order(Some("berlin"), Kind::ByHand, true);
        desk.openings.give(opened).await.unwrap();
        desk.check([
            ("taipei", BY_HAND),
            ("berlin", open("berlin")),
            ("world", SHUT),
        ]);
        let fire = desk.order(None, Kind::Emergency, false);
        desk.openings.give(fire).await.unwrap();
        desk.check([
            ("taipei", EMERGENCY),
            ("berlin", EMERGENCY),
            ("world", EMERGENCY),
        ]);
        desk.openings
            .take_back(None, Kind::Emergency, "tests")
            .await
            .unwrap();
        let taipei = QueueId::from("taipei");
        desk.openings
            .take_back(Some(&taipei), Kind::ByHand, "tests")
            .await
            .unwrap();
        desk.check([
            ("taipei", open("taipei")),
            ("berlin", open("berlin")),
            ("world", open("taipei")),
        ]);
    });
}

#[test]
fn an_emergency_brings_nobody_to_an_agent_until_it_is_over() {
    run(async {
        let desk = Desk::open("2026-11-23T02:00:00Z").await;
        let taipei = QueueId::from("taipei");
        let active_max = || {
            let rules = |view: &View| view.queue(&taipei).unwrap().active_max;
            desk.openings.acd.read(rules)
        };
        let closed = desk.order(Some("taipei"), Kind::ByHand, false);
        desk.openings.give(closed).await.unwrap();
        assert_eq!(active_max(), None, "who waits in a closed line is served");
        let fire = desk.order(None, Kind::Emergency, false);
        desk.openings.give(fire).await.unwrap();
        assert_eq!(active_max(), Some(0));
        let over = desk.openings.take_back(None, Kind::Emergency, "tests");
        over.await.unwrap();
        assert_eq!(active_max(), None);
    });
}

#[test]
fn an_order_survives_a_restart_and_ends_when_its_time_is_over() {
    run(async {
        let desk = Desk::open("2026-11-23T02:00:00Z").await;
        let closed = Order {
            until: Some(instant("2026-11-23T03:00:00Z")),
            ..desk.order(Some("taipei"), Kind::ByHand, false)
        };
        desk.openings.give(closed).await.unwrap();
        let again = Desk::start(&desk.database, &desk.now).await;
        assert_eq!(again.opening(&QueueId::from("taipei")), BY_HAND);
        desk.at("2026-11-23T03:00:00Z").await;
        assert_eq!(
            desk.openings.opening(&QueueId::from("taipei")),
            open("taipei")
        );
        assert_eq!(desk.openings.ordered().await, Orders::default());
    });
}

#[test]
fn an_order_given_elsewhere_is_obeyed_at_the_next_look() {
    run(async {
        let desk = Desk::open("2026-11-23T02:00:00Z").await;
        let mut changes = desk.openings.changes();
        changes.mark_unchanged();
        let fire = Order {
            say: Some("fire".to_owned()),
            ..desk.order(Some("taipei"), Kind::Emergency, false)
        };
        put(&desk.database, &fire).await.unwrap();
        desk.openings.keep_up().await;
        assert!(changes.has_changed().unwrap());
        let say = Some("fire".into());
        desk.check([
            ("taipei", Opening::Closed(ClosedBy::Emergency { say })),
            ("berlin", SHUT),
            ("world", SHUT),
        ]);
    });
}

/// Where the shared desk keeps the rules of its lines.
const RULES: &str = "{ringdown:0}:queues";

#[test]
fn an_order_that_the_desk_takes_only_in_part_is_set_right_at_the_next_look() {
    run(async {
        let (folder, database) = sqlite().await;
        let redis = Arc::new(Redis::start());
        let now = Arc::new(AtomicI64::new(instant("2026-11-23T02:00:00Z").as_millis()));
        // From the next line on that it is told of, the desk fails.
        let breaks = Arc::new(AtomicBool::new(false));
        let surroundings = {
            let (redis, breaks) = (Arc::clone(&redis), Arc::clone(&breaks));
            surroundings(&now, move |event| {
                if matches!(event.kind, EventKind::QueueChanged { .. })
                    && breaks.swap(false, Ordering::Relaxed)
                {
                    redis.ask(&format!("rename {RULES} parked"));
                    redis.ask(&format!("set {RULES} broken"));
                }
            })
        };
        let place = RedisPlace::at(redis.url());
        let acd = Acd::in_redis(place, AtStart::RequireRedis, surroundings);
        let desk = Desk {
            openings: Desk::start_at(acd.await.unwrap(), &database).await,
            now,
            database,
            _folder: folder,
        };
        let hours = [
            ("taipei", open("taipei")),
            ("berlin", SHUT),
            ("world", open("taipei")),
        ];
        desk.check(hours.clone());
        let fire = desk.order(None, Kind::Emergency, false);
        breaks.store(true, Ordering::Relaxed);
        let refused = desk.openings.give(fire).await;
        assert!(matches!(refused, Err(OrderFault::Store(_))), "{refused:?}");
        assert_eq!(read(&desk.database).await.unwrap(), Orders::default());
        // The desk was told of one line, and it is shown as it is.
        desk.check([
            ("taipei", EMERGENCY),
            ("berlin", SHUT),
            ("world", open("taipei")),
        ]);
        redis.ask(&format!("del {RULES}"));
        redis.ask(&format!("rename parked {RULES}"));
        desk.openings.keep_up().await;
        desk.check(hours);
    });
}
