//! What the operations pages ask of the gateway's parts at the moment of the answer.

use super::house::House;
use crate::acd::Health;
use crate::api::Observers;
use crate::api::operations::Readiness;
use crate::database::Database;
use ringdown_voice::sip::shell::ShellHandle;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Adds to `/metrics` what its owners count themselves.
pub(super) fn add_gauges(
    observers: &Observers,
    house: &Arc<House>,
    database: &Database,
    shell: ShellHandle,
) {
    let (house, database) = (Arc::clone(house), database.clone());
    observers.metrics.add(move |out| {
        let calls = u32::try_from(house.calls.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        out.gauge(
            "ringdown_calls",
            "Calls that are not over.",
            &[],
            f64::from(calls),
        );
        out.counter(
            "ringdown_calls_turned_away_untold_total",
            "Calls not let in that came too fast to be written down.",
            &[],
            house.turned_away.untold(),
        );
        out.counter(
            "ringdown_desk_not_asked_total",
            "Times that the desk could not take what a call asked of it; the call asks again.",
            &[],
            house.not_asked.times(),
        );
        out.counter(
            "ringdown_desk_not_told_total",
            "Times that the desk could not be told of an agent or a lost gateway's contact; it is told again.",
            &[],
            house.teller.times_not_told(),
        );
        let written = database.health();
        let waiting = u32::try_from(written.waiting).unwrap_or(u32::MAX);
        out.gauge(
            "ringdown_database_writes_waiting",
            "Writes that wait in memory.",
            &[],
            f64::from(waiting),
        );
        out.counter(
            "ringdown_database_commits_total",
            "Transactions committed.",
            &[],
            written.commits,
        );
        out.counter(
            "ringdown_database_writes_lost_total",
            "Writes that were let go.",
            &[],
            written.lost,
        );
        let (used, all) = house.media.ports_used();
        for (state, ports) in [("used", used), ("free", all - used)] {
            let ports = u32::try_from(ports).unwrap_or(u32::MAX);
            out.gauge(
                "ringdown_media_ports",
                "Pairs of RTP and RTCP ports.",
                &[("state", state)],
                f64::from(ports),
            );
        }
        let sip = shell.counts();
        for (direction, messages) in [("in", sip.received), ("out", sip.sent)] {
            out.counter(
                "ringdown_sip_messages_total",
                "SIP messages.",
                &[("direction", direction)],
                messages,
            );
        }
        out.counter(
            "ringdown_sip_dropped_total",
            "SIP datagrams dropped because their shard did not keep up.",
            &[],
            sip.dropped,
        );
        out.counter(
            "ringdown_traces_lost_total",
            "SIP ladders that were let go.",
            &[],
            house.traces.lost(),
        );
    });
}

/// Whether calls can be taken, for `/readyz`.
pub(super) fn readiness(house: &Arc<House>, database: &Database) -> Readiness {
    let readiness = Readiness::default();
    let health = house.acd.health();
    readiness.add("queue", move || match &*health.borrow() {
        Health::Good => Ok(()),
        Health::Alone { cause, .. } => Err(format!("Redis is away: {cause}")),
    });
    let drain = house.drain.clone();
    readiness.add("drain", move || {
        if drain.takes_calls() {
            Ok(())
        } else {
            Err("draining: no new calls are taken".to_owned())
        }
    });
    let database = database.clone();
    readiness.add("database", move || match database.health().trouble {
        None => Ok(()),
        Some(fault) => Err(fault),
    });
    readiness
}
