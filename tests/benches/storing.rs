//! What it costs to keep a call: a ticket, twelve events and the contact's record, in SQLite.
//!
//! `cargo bench --bench storing` prints processor time per call of the whole process (the writer task and
//! SQLite's thread included), as calls come at a steady pace and as a backlog is written.

use ringdown::config::Config;
use ringdown::database::Database;
use ringdown::event_log::EventLog;
use ringdown::tickets::{Kind, TicketWish, Tickets};
use ringdown_routing::contact::{Channel, Needs, Priority};
use ringdown_routing::event::{ContactResult, EndedBy, Event, EventDraft, EventKind, IdentifiedAs};
use ringdown_routing::ids::{
    AgentId, CallerId, ContactId, EventId, NodeId, OfferToken, OrganisationId, QueueId,
};
use ringdown_routing::time::Timestamp;
use std::io::Write;
use std::time::Duration;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let folder = std::env::temp_dir().join(format!("ringdown-storing-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let measured = runtime.block_on(async {
        let url = format!("sqlite:{}/desk.sqlite", folder.display());
        let database = Database::connect(&url, 2, 200_000).await?;
        measure(&database, Pace::Steady { per_second: 100 }, 1_000).await?;
        measure(&database, Pace::Steady { per_second: 300 }, 3_000).await?;
        measure(&database, Pace::AtOnce, 10_000).await?;
        database.close().await;
        Ok(())
    });
    std::fs::remove_dir_all(&folder)?;
    measured
}

#[derive(Clone, Copy, Debug)]
enum Pace {
    Steady { per_second: u32 },
    AtOnce,
}

async fn measure(database: &Database, pace: Pace, calls: u32) -> Outcome {
    let tickets = Tickets::new(database.clone(), &Config::demo());
    let log = EventLog::new(database.clone());
    let (commits, before) = (database.health().commits, cpu()?);
    let base = i64::from(std::process::id()) * 1_000 + before.as_millis() as i64;
    // A call's steps come apart in time: in each round every call of the window takes its next one.
    let steps = 6;
    let window = match pace {
        Pace::Steady { per_second } => (per_second / ROUNDS_PER_SECOND).max(1),
        Pace::AtOnce => calls,
    };
    let mut clock = tokio::time::interval(Duration::from_secs(1) / ROUNDS_PER_SECOND);
    let rounds = calls / window + steps;
    for round in 0..rounds {
        match pace {
            Pace::Steady { .. } => {
                clock.tick().await;
            }
            Pace::AtOnce => {}
        }
        for step in 0..steps {
            let Some(group) = round.checked_sub(step).filter(|it| it * window < calls) else {
                continue;
            };
            for call in group * window..((group + 1) * window).min(calls) {
                take_step(&log, &tickets, base, call, step);
            }
        }
    }
    database.flush().await?;
    let spent = cpu()? - before;
    let commits = database.health().commits - commits;
    let lost = database.health().lost;
    writeln!(
        std::io::stdout(),
        "{pace:?}: {calls} calls, {:.0} us of processor per call, {commits} transactions, {lost} lost",
        spent.as_secs_f64() * 1e6 / f64::from(calls)
    )?;
    Ok(())
}

fn take_step(log: &EventLog, tickets: &Tickets, base: i64, call: u32, step: u32) {
    let now = Timestamp::from_millis(1_795_000_000_000 + base + i64::from(call));
    let contact = ContactId::new(now, u128::from(call));
    let caller = CallerId::new(format!("p{}", call % 500));
    let token = OfferToken::new(u64::from(call));
    let node = NodeId::new("node-a");
    let from = format!("+8869{:08}", call % 500);
    let kinds: Vec<EventKind> = match step {
        0 => {
            // The answer is not waited for here; the call flow has better things to do as well.
            drop(tickets.open(TicketWish {
                contact,
                at: now,
                channel: Channel::Voice,
                from: from.clone(),
                queue: Some(QueueId::new("helpdesk")),
                caller: Some(caller.clone()),
                organisation: Some(OrganisationId::new("o1")),
                class: Some(2),
                cis: Vec::new(),
                keyed_in: None,
                kind: Kind::Incident,
                subject: "Call".to_owned(),
            }));
            vec![
                EventKind::Arrived {
                    channel: Channel::Voice,
                    from,
                    to: "100".to_owned(),
                    via: "loopback".to_owned(),
                },
                EventKind::Identified {
                    outcome: IdentifiedAs::Known,
                    caller: Some(caller),
                    class: Some(2),
                },
                EventKind::Enqueued {
                    priority: Priority(10),
                    channel: Channel::Voice,
                    skills: Needs::default(),
                    reserved: None,
                    enqueued_at: now,
                    rings_one: false,
                    calls_back: None,
                    node: node.clone(),
                },
            ]
        }
        1 => vec![EventKind::Offered {
            token,
            deadline: now,
            node: node.clone(),
        }],
        2 => vec![EventKind::Rang { token }],
        3 => vec![EventKind::Answered {
            token,
            wait_ms: 5_000,
        }],
        4 => vec![
            media_report("caller"),
            media_report("agent"),
            EventKind::Ended {
                by: EndedBy::Caller,
                talk_ms: 60_000,
                hold_ms: 0,
                wrap_up_until: None,
                wrap_up_latest: None,
            },
            EventKind::Closed {
                result: ContactResult::Answered,
            },
        ],
        _ => vec![
            EventKind::KeyedIn {
                digits: "1".to_owned(),
            },
            EventKind::Ready {
                after_wrap_up: true,
                idle_since: now,
                rest_until: None,
            },
        ],
    };
    for (place, kind) in (0..).zip(kinds) {
        let number = (u64::try_from(base).unwrap_or(0) + u64::from(call)) * 100
            + u64::from(step) * 10
            + place;
        let draft = EventDraft::of_contact(now, contact, kind)
            .in_queue(QueueId::new("helpdesk"))
            .with_agent(AgentId::new("meiling"));
        let event: Event = draft.numbered(EventId {
            origin: node.clone(),
            number,
        });
        log.append(event);
    }
}

fn media_report(leg: &str) -> EventKind {
    EventKind::MediaReport {
        leg: leg.to_owned(),
        packets_received: 3_000,
        packets_sent: 3_000,
        packets_lost: 1,
        jitter_ms: 0.4,
        one_way: false,
    }
}

/// Processor time of this process so far (proc(5), fields 14 and 15 of `stat`, in hundredths of a second).
fn cpu() -> Result<Duration, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or("");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// How often a steady pace hands something over in a second.
const ROUNDS_PER_SECOND: u32 = 100;
