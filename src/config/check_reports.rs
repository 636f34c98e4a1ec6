//! What a mailed report must be.

use super::Config;
use super::check::check_known;
use super::source::Source;
use super::source::Step::{Index, Key};
use crate::report::Interval;
use std::collections::BTreeSet;

/// Notes every fault of what an hour costs.
pub(super) fn check_costs(config: &Config, source: &mut Source<'_>) {
    let currency = config.site.currency.as_deref();
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|it| it.is_ascii_uppercase());
    if currency.is_some_and(|code| !is_code(code)) {
        let sentence = "must be the three letters of ISO 4217, such as `TWD`";
        source.note_at(&[Key("site"), Key("currency")], sentence);
    }
    let sentence = "needs `currency` in `[site]`";
    if currency.is_none() && config.site.cost_per_hour.is_some() {
        source.note_at(&[Key("site"), Key("cost_per_hour")], sentence);
    }
    let queues = config.queues.iter().map(|it| it.cost_per_hour).enumerate();
    let agents = config.agents.iter().map(|it| it.cost_per_hour).enumerate();
    let queues = queues.map(|(place, cost)| ("queue", place, cost));
    let agents = agents.map(|(place, cost)| ("agent", place, cost));
    for (table, place, cost) in queues.chain(agents) {
        if currency.is_none() && cost.is_some() {
            source.note_at(&[Key(table), Index(place), Key("cost_per_hour")], sentence);
        }
    }
}

/// Most recipients of one report.
const RECIPIENTS_MAX: usize = 50;

/// Notes every fault of the mailed reports.
pub(super) fn check_reports(config: &Config, source: &mut Source<'_>, queues: &BTreeSet<String>) {
    let mut ids = BTreeSet::new();
    for (place, report) in config.reports.iter().enumerate() {
        let path = |key| [Key("report"), Index(place), Key(key)];
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if report.id.is_empty() || report.id.len() > 64 || !report.id.chars().all(is_word) {
            let sentence = "must be 1 to 64 letters, digits, `-` or `_`";
            source.note_at(&path("id"), sentence);
        }
        if !ids.insert(&report.id) {
            let sentence = format!("there is a report `{}` already", report.id);
            source.note_at(&path("id"), sentence);
        }
        if report.to.is_empty() || report.to.len() > RECIPIENTS_MAX {
            let sentence = format!("must have 1 to {RECIPIENTS_MAX} addresses");
            source.note_at(&path("to"), sentence);
        }
        if !(1..=28).contains(&report.day) {
            source.note_at(&path("day"), "must be from 1 to 28, which every month has");
        }
        if let Err(fault) = report.interval().parse::<Interval>() {
            source.note_at(&path("interval"), fault.to_string());
        }
        if let Some(queue) = &report.queue {
            check_known(source, &path("queue"), "queue", queue.as_str(), queues);
        }
        if config.email.smarthost.is_none() {
            let sentence = "there is no `[email.smarthost]`, so no report would be sent";
            source.note_at(&[Key("report"), Index(place)], sentence);
        }
        if report.from.is_none() && config.mailboxes.is_empty() {
            let sentence = "there is no [[mailbox]] to speak: give `from`";
            source.note_at(&[Key("report"), Index(place)], sentence);
        }
    }
}
