use super::*;
use crate::config::Language;
use jiff::tz::TimeZone;
use ringdown_routing::event::Event;
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
    assert_eq!(cells("total"), cells("compared: 2026-11-23 09:00"));
    let json = serde_json::to_value(JsonReport::of(&compared)).unwrap();
    assert_eq!(json["compared"]["total"], json["total"]);
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
