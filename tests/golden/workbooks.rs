//! The golden month as workbooks of every division, beside another month: cell by cell what the document of the same
//! report says, read by a reader that is not ours.

use crate::workbook::Workbook;
use crate::{answers, desk, report, stored};
use ringdown::report::{By, Format, JsonReport, Wish, Words};
use ringdown_harness::place::Folder;
use serde_json::Value;

#[test]
fn a_workbook_has_in_every_cell_what_the_document_of_the_same_report_says() {
    let folder = Folder::new();
    let mut events = desk::month();
    events.extend(answers(&events));
    let url = format!("sqlite:{}/desk.sqlite", folder.path().display());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (database, log) = stored(&url, &events).await;
        for by in By::ALL {
            let wish = Wish {
                from: Some("2026-10-19".to_owned()),
                to: Some("2026-10-26".to_owned()),
                interval: Some("1d".to_owned()),
                compare: Some("2026-10-11".to_owned()),
                by,
                ..Wish::default()
            };
            let report = report(&log, wish, "Europe/Berlin").await;
            let document = serde_json::to_value(JsonReport::of(&report)).expect("a document");
            let mut workbook = Vec::new();
            let words = Words::of(&"en".parse().expect("a language"));
            let printed = report.print(Format::Xlsx, words, &mut workbook);
            printed.expect("it is written");
            let book = Workbook::read(&folder.write("report.xlsx", workbook));
            let cells = intervals(&book, &document, by)
                + totals(&book, &document, by)
                + facets(&book, &document)
                + agents(&book, &document)
                + tables(&book, &document);
            assert!(cells > 500, "{by:?}: only {cells} cells");
        }
        database.close().await;
    });
}

/// How many cells behind the first `about` have a figure, and that each is that of the object.
fn must_be_told(
    (heads, row): (&[String], &[Value]),
    about: usize,
    object: &Value,
    place: &str,
) -> usize {
    let mut count = 0;
    for (head, cell) in heads.iter().zip(row).skip(about) {
        let wanted = object.pointer(&format!("/{}", head.replace('.', "/")));
        let wanted = wanted.and_then(Value::as_f64);
        let is_told = match (cell.as_f64(), wanted) {
            (Some(told), Some(wanted)) => is_same(told, wanted),
            (told, wanted) => told == wanted,
        };
        assert!(is_told, "{place}: {head} is {cell}, and {wanted:?}");
        count += usize::from(wanted.is_some());
    }
    count
}

/// The same number, but for the last bit, which reading it from text may cost.
fn is_same(told: f64, wanted: f64) -> bool {
    (told - wanted).abs() <= 2.0 * f64::EPSILON * wanted.abs()
}

fn intervals(book: &Workbook, document: &Value, by: By) -> usize {
    let (heads, rows) = book.sheet("interval");
    let own = document["intervals"].as_array().expect("rows");
    let compared = &document["compared"]["intervals"];
    let compared = compared.as_array().expect("rows");
    // Nobody needs a skill in that month.
    let is_divided = document["statistics"]
        .as_object()
        .is_some_and(|it| !it.is_empty());
    assert!(by == By::Skill || (is_divided && compared.len() >= 7 && own.len() >= 7));
    assert_eq!(rows.len(), own.len() + compared.len());
    let mut cells = 0;
    for (row, wanted) in rows.iter().zip(own.iter().chain(compared)) {
        let start = wanted["start"].as_str().expect("an instant");
        assert_eq!(row[0], start[..19].replace('T', " "));
        let end = wanted["end"].as_str().expect("an instant");
        assert_eq!(row[1], end[..19].replace('T', " "));
        assert_eq!(row[2], start[19..]);
        assert_eq!(row[3], wanted[by.as_str()]);
        cells += must_be_told((&heads, row), 4, wanted, start);
    }
    cells
}

fn totals(book: &Workbook, document: &Value, by: By) -> usize {
    let (heads, rows) = book.sheet("total");
    assert_eq!(heads[..3], ["from", "to", by.as_str()]);
    let compared = &document["compared"];
    let mut cells = 0;
    let mut kinds = [0; 3];
    for row in &rows {
        let (kind, sums) = match row[0].as_str().expect("a text") {
            "difference" => (2, &compared["change"]),
            from if compared["from"] == from => (1, compared),
            from => {
                assert_eq!(document["from"], from);
                (0, document)
            }
        };
        kinds[kind] += 1;
        let name = row[2].as_str().expect("a name");
        let wanted = match name {
            "(all)" => &sums["total"],
            name => &sums["statistics"][name],
        };
        assert!(wanted.is_object(), "{name}: {sums}");
        cells += must_be_told((&heads, row), 3, wanted, name);
    }
    let count = |sums: &Value| sums["statistics"].as_object().expect("groups").len() + 1;
    let wanted = [document, compared, &compared["change"]].map(count);
    assert_eq!(kinds, wanted);
    cells
}

fn facets(book: &Workbook, document: &Value) -> usize {
    let (heads, rows) = book.sheet("counted by");
    let kinds = [
        ("number", "numbers"),
        ("caller class", "caller_classes"),
        ("skill", "skills"),
        ("agent", "contacts_by_agent"),
    ];
    let all = kinds.map(|(_, field)| document[field].as_object().expect("facets").len());
    assert_eq!(rows.len(), all.iter().sum::<usize>());
    let told = rows.iter().map(|row| {
        let kind = row[0].as_str().expect("a kind");
        let field = kinds.iter().find(|(name, _)| *name == kind);
        let (_, field) = field.unwrap_or_else(|| panic!("{kind}"));
        // A name of figures alone stays a text.
        let name = row[1].as_str().expect("a name");
        must_be_told((&heads, row), 2, &document[*field][name], name)
    });
    told.sum()
}

/// Times are parts of a day, and are read to the millisecond.
fn agents(book: &Workbook, document: &Value) -> usize {
    let (_, rows) = book.sheet("agent");
    let agents = document["agents"].as_object().expect("agents");
    assert_eq!(rows.len(), agents.len());
    const TIMES: [&str; 8] = [
        "logged_in_ms",
        "idle_ms",
        "ringing_ms",
        "talk_ms",
        "hold_ms",
        "wrap_up_ms",
        "not_ready_ms",
        "unreachable_ms",
    ];
    const COUNTS: [&str; 4] = ["offers", "answers", "ring_timeouts", "declines"];
    for row in &rows {
        let wanted = &agents[row[0].as_str().expect("a name")];
        for (cell, field) in row[1..].iter().zip(TIMES) {
            let millis = cell.as_f64().expect("a time") * 86_400_000.0;
            let wanted = wanted[field].as_f64().expect("a time");
            assert!(
                (millis - wanted).abs() <= 1.0,
                "{field}: {millis}, {wanted}"
            );
        }
        for (cell, field) in row[9..].iter().zip(COUNTS) {
            assert_eq!(cell.as_f64(), wanted[field].as_f64(), "{field}");
        }
    }
    rows.len() * (TIMES.len() + COUNTS.len())
}

fn tables(book: &Workbook, document: &Value) -> usize {
    let mut cells = 0;
    for (name, table) in document["tables"].as_object().expect("tables") {
        let (heads, rows) = book.sheet(name);
        let wanted = table["rows"].as_array().expect("rows");
        assert_eq!(rows.len(), wanted.len(), "{name}");
        for (row, wanted) in rows.iter().zip(wanted) {
            for (head, cell) in heads.iter().zip(row) {
                let (_, key) = head.rsplit_once('(').expect("the field stands behind");
                let wanted = &wanted[key.trim_end_matches(')')];
                let is_same = match wanted.as_f64() {
                    Some(figure) => cell.as_f64().is_some_and(|told| is_same(told, figure)),
                    // Instants are those of the wall clock.
                    None if key.contains("_at") => {
                        wanted.as_str().map(|at| at[..19].replace('T', " "))
                            == cell.as_str().map(|at| at[..19].to_owned())
                    }
                    None => cell == wanted,
                };
                assert!(is_same, "{name}: {head} is {cell}, and {wanted}");
                cells += 1;
            }
        }
    }
    let volume = &document["tables"]["volume"]["rows"];
    assert_eq!(volume[2]["period"], "difference", "{volume}");
    cells
}
