use super::*;
use crate::config::Language;
use jiff::tz::TimeZone;
use ringdown_routing::event::Event;
use ringdown_routing::ids::QueueId;
use ringdown_routing::statistics::Counts;
use ringdown_routing::statistics::Rules;
use std::time::Duration;

/// Half an hour of a desk in Taipei: one answer, one early abandon, one caller who waits.
const LOG: &str = include_str!("../../fixtures/events/half_hour.jsonl");

fn report() -> Report {
    let mut fold = Statistics::new(Rules {
        settle_after: Duration::MAX,
        ..Rules::default()
    });
    for line in LOG.lines() {
        let event: Event = serde_json::from_str(line).unwrap();
        fold.record(&event);
    }
    let zone = TimeZone::get("Asia/Taipei").unwrap();
    let last = fold.newest().unwrap();
    let from = period::instant("2026-11-23T09:00", last, &zone).unwrap();
    let to = period::instant("2026-11-23T10:00", last, &zone).unwrap();
    let period = Period::new(from, to, Interval::HALF_HOUR, zone).unwrap();
    Report::of(&fold, period, Scope::default(), last)
}

fn printed(format: Format, language: &str) -> String {
    let language: Language = language.parse().unwrap();
    let mut out = Vec::new();
    report()
        .print(format, Words::of(&language), &mut out)
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_table_says_what_happened_and_how_it_is_defined() {
    let text = printed(Format::Table, "en");
    let row = text
        .lines()
        .find(|line| line.starts_with("2026-11-23 09:00"))
        .unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        cells,
        [
            "2026-11-23",
            "09:00",
            "helpdesk",
            "3",
            "1",
            "1",
            "1",
            "0",
            "0",
            "1",
            "0",
            "0",
            "0",
            "12.0",
            "12.0",
            "100.0",
            "33.3",
            "%",
            "580.0",
            "8.4",
            "%"
        ]
    );
    assert!(text.contains("Everybody is accounted for"));
    let defined = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let defined: Vec<String> = defined.collect();
    assert!(
        defined.contains(&"service_level.ignored A_T / (O - B_T)".to_owned()),
        "{text}"
    );
    assert!(
        !text.contains("2026-11-23 09:30"),
        "an empty row hides the others"
    );
}

#[test]
fn wide_headings_keep_the_columns_straight() {
    use unicode_width::UnicodeWidthStr;
    let text = printed(Format::Table, "zh-TW");
    let place = |needle: &str, line: &str| {
        line.find(needle)
            .map(|at| line[..at + needle.len()].width())
    };
    let head = text.lines().find(|line| line.starts_with("時段")).unwrap();
    let row = text
        .lines()
        .find(|line| line.starts_with("2026-11-23 09:00"))
        .unwrap();
    assert_eq!(place("佔用率", head), place("8.4 %", row));
}

#[test]
fn csv_has_every_field_of_every_interval() {
    let text = printed(Format::Csv, "en");
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 4, "{text}");
    let head: Vec<&str> = lines[0].split(',').collect();
    let row: Vec<&str> = lines[1].split(',').collect();
    let field = |name: &str| row[head.iter().position(|field| *field == name).unwrap()];
    assert_eq!(field("start"), "2026-11-23T09:00:00+08:00");
    assert_eq!(field("asa_s"), "12.0");
    assert_eq!(field("service_level.ignored"), "0.5");
    assert_eq!(
        lines[2]
            .split(',')
            .nth(head.iter().position(|field| *field == "asa_s").unwrap()),
        Some("")
    );
}

#[test]
fn json_carries_figures_and_definitions() {
    let json: serde_json::Value = serde_json::from_str(&printed(Format::Json, "en")).unwrap();
    assert_eq!(json["statistics"]["helpdesk"]["offered"], 3);
    assert_eq!(json["intervals"][0]["start"], "2026-11-23T09:00:00+08:00");
    assert_eq!(json["intervals"][1]["asa_s"], serde_json::Value::Null);
    assert_eq!(json["numbers"]["100"]["offered"], 3);
    assert_eq!(json["numbers"]["100"]["occupancy"], serde_json::Value::Null);
    assert!(json["skills"].as_object().unwrap().is_empty());
    let wait = &json["total"]["percentiles"]["answer_wait_s"]["p90"];
    assert!(
        (wait.as_f64().unwrap() / 12.0 - 1.0).abs() < 1.0 / 128.0,
        "{wait}"
    );
    assert_eq!(json["definitions"]["abandon_rate"], "B / O");
    assert_eq!(json["time_zone"], "Asia/Taipei");
    assert_eq!(json["is_conserved"], true);
}

#[test]
fn the_page_needs_nothing_else_and_says_what_the_table_says() {
    let page = printed(Format::Html, "zh-TW");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("lang=\"zh-TW\""));
    for outside in ["http:", "https:", "src=", "@import", "url(", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("<td>33.3 %</td>") && page.contains("人數相符"));
    assert!(page.contains("<dt>service_level.ignored</dt><dd>A_T / (O - B_T)</dd>"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(page.matches("<svg").count(), 1, "one queue, one plot");
    // The caller who waits is drawn as one who waits, and not as one who went to another line.
    let told = "進線 3, 接聽 1, 放棄 1, 溢出 0, 回撥 0, 等候中 1</title>";
    assert!(page.contains(told), "{page}");
    let heights = page
        .split(told)
        .nth(1)
        .unwrap()
        .split("</g>")
        .next()
        .unwrap();
    let is_drawn = |place: usize| {
        let bar = heights.split("<rect").nth(place + 1).unwrap();
        !bar.contains("height=\"0.0\"")
    };
    assert_eq!(
        [0, 1, 2, 3, 4].map(is_drawn),
        [true, true, false, false, true]
    );
}

#[test]
fn a_compared_period_stands_beside_the_totals() {
    let language: Language = "en".parse().unwrap();
    let compared = report().compared_with(report());
    let mut out = Vec::new();
    compared
        .print(Format::Table, Words::of(&language), &mut out)
        .unwrap();
    let text = String::from_utf8(out).unwrap();
    let cells = |label: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(label)).unwrap();
        let figures = line.split_once("helpdesk").unwrap().1;
        figures.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(cells("total"), cells("compared"));
    let json = serde_json::to_value(JsonReport::of(&compared)).unwrap();
    assert_eq!(json["compared"]["total"], json["total"]);
}

/// Thirty days of a desk beside the 31 before them, on another queue too.
fn two_months() -> Report {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let (fold, begin, end) = weeks_of(&zone, "2026-10-01", 11);
    let month = |from: &str, to: &str| {
        let instant = |text| period::instant(text, end, &zone).unwrap();
        let day = "1d".parse().unwrap();
        let period = Period::new(instant(from), instant(to), day, zone.clone()).unwrap();
        Report::of(&fold, period, Scope::default(), end)
    };
    let november = month("2026-11-01", "2026-12-01");
    november
        .compared_with(month("2026-10-01", "2026-11-01"))
        .since(Some(begin + Duration::from_secs(3_600)))
}

#[test]
fn differences_to_another_period_are_told_in_every_format() {
    let report = two_months();
    let other = report.compared.clone().unwrap();
    let text = |format| {
        let mut out = Vec::new();
        let words = Words::of(&"en".parse().unwrap());
        report.print(format, words, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let (here, there) = (report.total.figures(), other.total.figures());
    let offered = here.counts.offered as i64 - there.counts.offered as i64;
    assert!(offered < -50 && here.counts.offered > 50, "{offered}");
    let asa_s = here.asa_s.unwrap() - there.asa_s.unwrap();
    let level = here.service_level.negative.unwrap() - there.service_level.negative.unwrap();
    let table = text(Format::Table);
    let line = |of: &str| {
        let mut lines = table.lines();
        let line = lines.find(|line| line.starts_with("difference") && line.contains(of));
        line.unwrap_or_else(|| panic!("{table}")).to_owned()
    };
    let all = line("(all)");
    for cell in [
        format!("{offered:+}"),
        format!("{asa_s:+.1}"),
        format!("{:+.1} pp", level * 100.0),
    ] {
        assert!(all.contains(&cell), "{cell}: {all}");
        assert!(text(Format::Html).contains(&format!("<td>{cell}</td>")));
    }
    line("q0");
    line("q1");
    let json: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
    let change = &json["compared"]["change"]["total"];
    assert_eq!(change["offered"], offered);
    assert_eq!(change["asa_s"], asa_s);
    assert_eq!(change["service_level"]["negative"], level);
    assert!(change["percentiles"]["answer_wait_s"]["p90"].is_f64());
    assert_eq!(change["cost"], serde_json::Value::Null);
    // Sixty-one days of two queues.
    let csv = text(Format::Csv);
    assert_eq!(csv.lines().count(), 1 + 2 * 61);
    assert!(csv.contains("\r\n2026-10-01T00:00:00+02:00,"), "{csv}");
}

#[test]
fn intervals_of_the_other_period_stand_beside_those_of_the_same_place() {
    let report = two_months();
    let words = Words::of(&"en".parse().unwrap());
    let volume = report.table(TableName::Volume).unwrap();
    let told = volume.to_json(&report);
    let rows = told["rows"].as_array().unwrap();
    let told_of = |row: &serde_json::Value| {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        (text("interval"), text("period"))
    };
    let row = |interval: &str, period: &str| {
        let wanted = (interval.to_owned(), period.to_owned());
        let place = rows.iter().position(|row| told_of(row) == wanted);
        place.unwrap_or_else(|| panic!("no {wanted:?}: {told:#}"))
    };
    let first = row("2026-11-02", "reported");
    assert_eq!(row("2026-10-02", "compared"), first + 1);
    assert_eq!(row("2026-11-02", "difference"), first + 2);
    let count = |place: usize| rows[place]["offered"].as_i64().unwrap();
    assert_eq!(count(first) - count(first + 1), count(first + 2));
    // October has a day more than November.
    let last = row("2026-10-31", "compared");
    assert_eq!(rows[last + 1]["interval"], "2026-11-01 – 2026-12-01 00:00");
    let [here, there, less] = [last + 1, last + 2, last + 3].map(count);
    assert_eq!(i64::try_from(report.total.counts.offered).unwrap(), here);
    assert_eq!((here - there, rows.len()), (less, last + 4));
    let lines = volume.lines(&report, words);
    assert_eq!(lines[first + 3][..2], ["2026-11-02", "difference"]);
    assert!(lines[last + 4][6].ends_with(" pp"), "{:?}", lines[last + 4]);
    let page = |plots| {
        let mut page = Vec::new();
        html::print(&report, words, plots, &mut page).unwrap();
        String::from_utf8(page).unwrap()
    };
    let name = "offered, 2026-10-01 00:00 – 2026-11-01 00:00";
    assert_eq!(
        page(html::Plots::Svg).matches(name).count(),
        2,
        "a queue each"
    );
    assert_eq!(page(html::Plots::Cells).matches(name).count(), 2);
    let json = serde_json::to_value(JsonReport::of(&report)).unwrap();
    let other = json["compared"]["intervals"].as_array().unwrap();
    assert_eq!(other.len(), 62);
    assert_eq!(other[0]["start"], "2026-10-01T00:00:00+02:00");
}

#[test]
fn the_same_place_is_the_same_clock_on_days_of_changed_clocks_too() {
    for (zone, day, other, alone) in [
        // Two o'clock came twice, and did not come.
        ("Europe/Berlin", "2026-10-25", "2026-10-24", (2, 0)),
        ("Europe/Berlin", "2026-03-29", "2026-03-28", (0, 2)),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04", (1, 0)),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03", (0, 1)),
        // Its midnight did not come.
        ("America/Santiago", "2026-09-06", "2026-09-05", (0, 2)),
        ("Asia/Taipei", "2026-11-23", "2026-11-22", (0, 0)),
    ] {
        let zone = TimeZone::get(zone).unwrap();
        let now = Timestamp::from_millis(0);
        let report = |day: &str| {
            let day: jiff::civil::Date = day.parse().unwrap();
            let instant =
                |date: jiff::civil::Date| period::instant(&date.to_string(), now, &zone).unwrap();
            let (from, to) = (instant(day), instant(day.tomorrow().unwrap()));
            let period = Period::new(from, to, Interval::HALF_HOUR, zone.clone()).unwrap();
            let fold = Statistics::new(Rules::default());
            Report::of(&fold, period, Scope::default(), to)
        };
        let compared = report(day).compared_with(report(other));
        let clock = |span: Span| compared.period.local(span.from)[11..16].to_owned();
        let mut found = (0, 0);
        for pair in compared.pairs() {
            match (pair.here, pair.there) {
                (Some(here), Some(there)) => assert_eq!(clock(here), clock(there), "{day}"),
                (Some(_), None) => found.0 += 1,
                (None, _) => found.1 += 1,
            }
        }
        assert_eq!(found, alone, "{day}");
    }
}

#[test]
fn what_makes_two_periods_unlike_is_told_in_both_languages() {
    let report = two_months();
    let told = |language: &str| report.notes(Words::of(&language.parse().unwrap()));
    let [compared, first_begin, not_over] = &told("en")[..] else {
        panic!("{:?}", told("en"));
    };
    assert!(
        compared.starts_with("Compared with 2026-10-01 00:00 – 2026-11-01 00:00")
            && compared.contains("not equally long: 30 d here, 31 d 1 h there"),
        "{compared}"
    );
    assert!(first_begin.contains("The event log begins at 2026-10-01 01:00"));
    assert!(
        not_over.contains("2026-11-01 00:00 – 2026-12-01 00:00 is not over: it is known up to")
    );
    assert!(told("zh-TW")[0].contains("本期 30 天，比較期 31 天 1 小時"));
    let has_english = |note: &String| note.contains("period") || note.contains("log");
    assert!(!told("zh-TW").iter().any(has_english));
    let overlapping = report.clone().compared_with(report);
    let told = overlapping.notes(Words::of(&"en".parse().unwrap()));
    assert!(
        told[0].contains("as long (30 d)") && told.contains(&"The two periods overlap.".to_owned())
    );
}

#[test]
fn that_a_period_is_not_over_is_told() {
    assert_eq!(
        report().notes(Words::of(&"en".parse().unwrap())).len(),
        1,
        "it ends after the last event"
    );
    let json: serde_json::Value = serde_json::from_str(&printed(Format::Json, "zh-TW")).unwrap();
    let note = json["notes"][0].as_str().unwrap();
    assert!(
        note.ends_with("is not over: it is known up to 2026-11-23 09:20."),
        "{note}"
    );
}

#[test]
fn the_workbook_is_the_same_whenever_it_is_written() {
    let words = Words::of(&"zh-TW".parse().unwrap());
    let compared = report().compared_with(report());
    let written = || {
        let mut out = Vec::new();
        compared.print(Format::Xlsx, words, &mut out).unwrap();
        out
    };
    let first = written();
    assert!(first.starts_with(b"PK"), "a zip, as workbooks are");
    assert_eq!(first, written());
}

/// Contacts, and agents at work, over some weeks around a change of clocks.
fn weeks_of(zone: &TimeZone, first: &str, seed: u64) -> (Statistics, Timestamp, Timestamp) {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use ringdown_routing::agent::Status;
    use ringdown_routing::contact::{Channel, Needs, Priority};
    use ringdown_routing::event::{ContactResult, EndedBy, EventDraft, EventKind};
    use ringdown_routing::ids::{ContactId, EventId, NodeId, OfferToken};

    let mut random = StdRng::seed_from_u64(seed);
    let begin = period::instant(first, Timestamp::from_millis(0), zone).unwrap();
    let span_s = 40 * 86_400;
    let mut fold = Statistics::new(Rules {
        settle_after: Duration::MAX,
        ..Rules::default()
    });
    let mut number = 0;
    let mut tell = |draft: EventDraft| {
        number += 1;
        let origin = NodeId::from("a");
        fold.record(&draft.numbered(EventId { origin, number }));
    };
    let at = |second: u64| begin + Duration::from_secs(second);
    let agent = AgentId::from("ann");
    for half_day in 0..80 {
        let status = match random.random_range(0..3) {
            0 => Status::LoggedOff,
            1 => Status::NotReady("lunch".to_owned()),
            _ => Status::Available,
        };
        let when = at(half_day * 43_200 + random.random_range(0..20_000));
        tell(EventDraft::of_agent(
            when,
            agent.clone(),
            EventKind::AgentStatus { status },
        ));
    }
    for place in 0..400_u64 {
        let arrived = random.random_range(0..span_s - 86_400);
        let contact = ContactId::new(at(arrived), u128::from(place));
        let queue = QueueId::new(format!("q{}", random.random_range(0..2)));
        let wait = random.random_range(0..300);
        let token = OfferToken::new(place);
        let draft = |after: u64, kind| {
            let draft = EventDraft::of_contact(at(arrived + after), contact, kind);
            draft.in_queue(queue.clone()).with_agent(agent.clone())
        };
        tell(draft(
            0,
            EventKind::Arrived {
                channel: Channel::Voice,
                from: format!("+4930{}", random.random_range(0..200)),
                to: format!("{}00", random.random_range(1..4)),
                via: "loopback".to_owned(),
            },
        ));
        tell(draft(
            0,
            EventKind::Enqueued {
                priority: Priority::default(),
                channel: Channel::Voice,
                skills: Needs::default(),
                reserved: None,
                enqueued_at: at(arrived),
                rings_one: false,
                calls_back: None,
                node: NodeId::from("a"),
            },
        ));
        let wait_ms = wait * 1_000;
        if random.random_range(0..4) == 0 {
            tell(draft(wait, EventKind::Abandoned { wait_ms }));
            let result = ContactResult::Abandoned;
            tell(draft(wait, EventKind::Closed { result }));
            continue;
        }
        tell(draft(wait, EventKind::Answered { token, wait_ms }));
        let talk = random.random_range(1..5_000);
        tell(draft(
            wait + talk,
            EventKind::Ended {
                by: EndedBy::Caller,
                talk_ms: talk * 1_000,
                hold_ms: 0,
                wrap_up_until: None,
                wrap_up_latest: None,
            },
        ));
        let result = ContactResult::Answered;
        tell(draft(wait + talk, EventKind::Closed { result }));
    }
    (fold, begin, at(span_s))
}

#[test]
fn intervals_of_any_width_split_and_merge_to_the_same_sums() {
    use ringdown_routing::statistics::Cell;
    for (seed, (zone, first)) in [
        ("Europe/Berlin", "2026-03-02"),
        ("Europe/Berlin", "2026-10-05"),
        ("Australia/Lord_Howe", "2026-03-09"),
        ("Australia/Lord_Howe", "2026-09-14"),
        ("America/Santiago", "2026-03-16"),
        ("America/Santiago", "2026-08-24"),
        ("Asia/Taipei", "1979-06-11"),
        ("Asia/Taipei", "2026-11-02"),
    ]
    .into_iter()
    .enumerate()
    {
        let zone = TimeZone::get(zone).unwrap();
        let (fold, begin, end) = weeks_of(&zone, first, u64::try_from(seed).unwrap());
        let ledger = fold.ledger(
            begin - Duration::from_secs(40 * 86_400),
            end + Duration::from_secs(40 * 86_400),
            end,
        );
        let scope = Scope {
            queue: Some(QueueId::from("q1")),
            channel: None,
        };
        for wide in ["1d", "1w", "1mo"] {
            let wide = Period::new(begin, end, wide.parse().unwrap(), zone.clone()).unwrap();
            let whole = wide.whole();
            for narrow in ["15m", "30m", "1h", "1d"] {
                let narrow = narrow.parse().unwrap();
                let narrow = Period::new(whole.from, whole.to, narrow, zone.clone()).unwrap();
                assert_eq!(narrow.whole(), whole, "days are made of whole parts");
                let mut parts = narrow.spans.iter().peekable();
                for span in &wide.spans {
                    let (mut cells, mut time) = (Cell::default(), AgentTime::default());
                    while let Some(part) = parts.next_if(|part| part.to <= span.to) {
                        assert!(part.from >= span.from, "no part is in two");
                        cells += &ledger.sum(part.from, part.to, &scope);
                        time += ledger.tally(part.from, part.to, &scope).agent_time;
                    }
                    let merged = ledger.sum(span.from, span.to, &scope);
                    assert_eq!(cells, merged, "to the last bit, sketches too");
                    let tally = ledger.tally(span.from, span.to, &scope);
                    assert_eq!(time, tally.agent_time);
                }
                assert!(parts.next().is_none());
            }
            // Ratios are those of the sums.
            let report = Report::of(&fold, wide, Scope::default(), end);
            let mut sum = Counts::default();
            report.rows.iter().for_each(|row| sum += row.tally.counts);
            assert_eq!(sum, report.total.counts);
            assert!(sum.answered > 100 && sum.abandoned > 20 && report.is_conserved());
            let all = report.total.figures().service_level.negative.unwrap();
            let ratio = sum.answered_within as f64 / sum.offered as f64;
            assert!((all - ratio).abs() < f64::EPSILON);
        }
    }
}

/// A report on 40 days of two queues.
fn weeks(settings: &str) -> Report {
    let text = format!(
        "[site]\nregion = \"TW\"\n{settings}\n[sip]\ndomain = \"desk.localhost\"\n\
         [[queue]]\nid = \"q0\"\n[[queue]]\nid = \"q1\"\n[[agent]]\nid = \"ann\"\nqueues = [\"q0\", \"q1\"]\n"
    );
    let config = crate::config::Config::parse(std::path::Path::new("ringdown.toml"), &text, &[]);
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let (fold, begin, end) = weeks_of(&zone, "2026-10-05", 3);
    let period = Period::new(begin, end, "1w".parse().unwrap(), zone).unwrap();
    Report::of(&fold, period, Scope::default(), end).with(&Settings::of(&config))
}

#[test]
fn every_division_has_the_sums_of_the_whole() {
    let report = weeks("");
    for by in By::ALL {
        let report = report.clone().by(by);
        let of_rows = report.rows.iter().map(|row| row.tally.counts.offered);
        let of_groups = report
            .groups
            .values()
            .map(|(tally, _)| tally.counts.offered);
        let (of_rows, of_groups): (u64, u64) = (of_rows.sum(), of_groups.sum());
        assert_eq!(of_rows, of_groups, "{by:?}");
        let wanted = match by {
            By::Queue | By::Channel | By::Number => report.total.counts.offered,
            By::Agent => report.total.counts.answered,
            By::Skill | By::CallerClass => 0,
        };
        assert_eq!(of_rows, wanted, "{by:?}");
        if by == By::Agent {
            let idle = report.rows.iter().map(|row| row.tally.agent_time.idle_ms);
            assert_eq!(idle.sum::<u64>(), report.total.agent_time.idle_ms);
        }
        if by == By::Channel {
            let (tally, _) = report.groups.values().next().unwrap();
            assert_eq!(tally.figures().occupancy, None);
        }
    }
}

#[test]
fn costs_are_hours_at_their_rate_and_shared_by_the_work() {
    let none = weeks("");
    assert_eq!(none.total.figures().cost, None);
    assert_eq!(none.currency, None);
    let report = weeks("currency = \"EUR\"\ncost_per_hour = 36");
    let total = report.total.figures();
    let hours = total.logged_in_ms as f64 / 3_600_000.0;
    assert!((total.cost.unwrap() - hours * 36.0).abs() < 1e-5);
    let each = total.cost.unwrap() / total.counts.answered as f64;
    assert!((total.cost_per_contact.unwrap() - each).abs() < 1e-9);
    let minutes = total.counts.talk_ms as f64 / 60_000.0;
    assert!((total.cost_per_minute.unwrap() - total.cost.unwrap() / minutes).abs() < 1e-9);
    let shares = report.groups.values().map(|(tally, _)| {
        let figures = tally.figures();
        let part = tally.counts.handle_ms() as f64 / total.counts.handle_ms() as f64;
        assert!((figures.cost.unwrap() - total.cost.unwrap() * part).abs() < 1e-5);
        figures.cost.unwrap()
    });
    assert!((shares.sum::<f64>() - total.cost.unwrap()).abs() < 1e-5);
    let by_agent = report.clone().by(By::Agent);
    assert_eq!(by_agent.groups.len(), 1);
    let dear = weeks("currency = \"EUR\"\ncost_per_hour = 72")
        .total
        .figures();
    assert!((dear.cost.unwrap() - 2.0 * total.cost.unwrap()).abs() < 1e-5);
    let text = |format| {
        let mut out = Vec::new();
        let words = Words::of(&"zh-TW".parse().unwrap());
        report.print(format, words, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(
        text(Format::Table).contains("每通成本") && text(Format::Html).contains("成本單位： EUR")
    );
    let json: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
    assert_eq!(json["currency"], "EUR");
}

#[test]
fn tables_are_told_with_their_definitions_in_both_languages() {
    for (language, title, definition) in [
        (
            "en",
            "Volume, and what stands beside it",
            "no cause is told by this table",
        ),
        ("zh-TW", "來話量與同期指標", "本表不指出原因"),
    ] {
        for format in [Format::Table, Format::Html] {
            let text = printed(format, language);
            assert!(text.contains(title) && text.contains(definition), "{text}");
        }
    }
    let report = report();
    let failures = report.table(TableName::Failures).unwrap();
    let words = Words::of(&"en".parse().unwrap());
    let told = failures.lines(&report, words);
    assert_eq!(told[0], ["queue", "result", "cause", "contacts", "share"]);
    let json = failures.to_json(&report);
    assert_eq!(json["rows"].as_array().unwrap().len(), told.len() - 1);
    for name in TableName::ALL {
        for language in ["en", "zh-TW"] {
            let words = Words::of(&language.parse().unwrap());
            assert!(!name.definition(words).is_empty() && !name.title(words).is_empty());
        }
    }
}

#[test]
fn words_of_ours_are_told_in_the_language_of_the_page() {
    use crate::report::tables::Value;
    use ringdown_routing::verb::RING_ON_NO_ANSWER;
    let mut report = report();
    let reasons = BTreeMap::from([(RING_ON_NO_ANSWER.to_owned(), 27_000)]);
    report.not_ready.insert(AgentId::from("ming"), reasons);
    let told = |language: &str| {
        let words = Words::of(&language.parse().unwrap());
        let result = Value::result("blocked").told(&report, words);
        (result, table::reason_lines(&report, words)[1][1].clone())
    };
    assert_eq!(
        told("en"),
        ("blocked".to_owned(), RING_ON_NO_ANSWER.to_owned())
    );
    assert_eq!(
        told("zh-TW"),
        ("阻擋".to_owned(), "未接來電（由系統設定）".to_owned())
    );
    assert_eq!(Value::result("blocked").to_json(&report), "blocked");
}

#[test]
fn a_log_with_a_hole_is_told_in_every_format() {
    let mut fold = Statistics::new(Rules::default());
    // Closed as answered, and no word of who answered.
    let is_answer = |line: &&str| line.contains("\"event\": \"answered\"");
    for line in LOG.lines().filter(|line| !is_answer(line)) {
        let event: Event = serde_json::from_str(line).unwrap();
        fold.record(&event);
    }
    let zone = TimeZone::get("Asia/Taipei").unwrap();
    let last = fold.newest().unwrap();
    let from = period::instant("2026-11-23T09:00", last, &zone).unwrap();
    let to = period::instant("2026-11-23T10:00", last, &zone).unwrap();
    let period = Period::new(from, to, Interval::HALF_HOUR, zone).unwrap();
    let report = Report::of(&fold, period, Scope::default(), last);
    assert!(!report.is_conserved(), "{:?}", report.total.counts);
    let words = Words::of(&"en".parse().unwrap());
    let text = |format| {
        let mut out = Vec::new();
        report.print(format, words, &mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    };
    for format in [Format::Table, Format::Html] {
        assert!(text(format).contains("NOT everybody is accounted for"));
    }
    assert!(text(Format::Json).contains("\"is_conserved\": false"));
    let csv = text(Format::Csv);
    let head: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let place = head
        .iter()
        .position(|field| *field == "is_conserved")
        .unwrap();
    let told = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(place).unwrap());
    assert_eq!(told.collect::<Vec<_>>(), ["false", "true"]);
}
