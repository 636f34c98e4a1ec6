//! `staff` as a shell sees it: what is on stdout, what on stderr, and the exit status.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn ringdown(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringdown"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"))
        .args(arguments.split_whitespace())
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(arguments: &str) -> Value {
    let output = ringdown(arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn staff_prints_one_document_with_both_models() {
    let staff = json(
        "staff --calls 75 --interval 30m --aht 240 --target 80/20 --patience 180 --shrinkage 0.2 --shrinkage 12.5% --format json",
    );
    assert_eq!(staff["load_erlang"], 10.0);
    assert_eq!(staff["erlang_c"]["agents"], 14);
    assert_eq!(staff["erlang_c"]["scheduled"], 20);
    assert_eq!(staff["erlang_a"]["agents"], 13);
    assert_eq!(staff["erlang_a"]["scheduled"], 19);
    let table = ringdown("staff --calls 75 --aht 4m --agents 10");
    assert_eq!(table.status.code(), Some(0));
    assert!(text(&table.stdout).contains("It takes at least 11 agents"));
}

#[test]
fn patience_comes_from_the_waits_of_a_log() {
    let staff = json(
        "staff --calls 75 --aht 240 --patience-from events/half_hour.jsonl --queue helpdesk --format json",
    );
    assert_eq!(staff["patience"]["abandoned"], 1);
    assert_eq!(staff["question"]["patience_s"], staff["patience"]["mean_s"]);
    let nobody =
        ringdown("staff --calls 75 --aht 240 --patience-from events/half_hour.jsonl --queue x");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("nothing is known of patience"));
}

#[test]
fn wrong_usage_is_exit_2() {
    for arguments in [
        "staff --aht 240",
        "staff --calls 75 --aht 0",
        "staff --calls 75 --aht 240 --target 100/20",
        "staff --calls 75 --aht 240 --shrinkage 1",
        "staff --calls 75 --aht 240 --agents 0",
        "staff --calls nan --aht 240",
        "staff --calls 75 --aht 240 --retrial 0.5",
    ] {
        let output = ringdown(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}
