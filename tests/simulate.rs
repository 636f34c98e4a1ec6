//! `ringdown simulate` as a shell sees it: what is on stdout, what on stderr, and the exit status.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn simulate(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringdown"))
        .arg("simulate")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut pipe = child.stdin.take().expect("stdin is a pipe");
    pipe.write_all(stdin.as_bytes())
        .expect("the binary reads all of it");
    drop(pipe);
    child.wait_with_output().expect("the binary ends")
}

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/scenarios")
        .join(name)
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("it is one JSON document")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_answer_is_the_one_beside_the_scenario() {
    for name in ["first_come_first_served", "two_queues_and_an_agent_of_both"] {
        let path = scenario(&format!("{name}.json"));
        let output = simulate(&[&path.display().to_string()], "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(told(&output), "", "no progress in a pipe");
        let expected = std::fs::read_to_string(scenario(&format!("{name}.answer.json")))
            .expect("the answer is there");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

#[test]
fn a_scenario_comes_by_stdin_as_well_and_its_events_can_be_left_out() {
    let text = std::fs::read_to_string(scenario("first_come_first_served.json"))
        .expect("the scenario is there");
    let output = simulate(&["-", "--statistics-only"], &text);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer = json(&output.stdout);
    assert_eq!(answer["statistics"]["Q"]["answered"], 3);
    assert_eq!(answer.get("events"), None);
}

#[test]
fn an_empty_day_has_no_events_and_null_figures() {
    let output = simulate(&["-"], r#"{"queues":[{"id":"Q"}]}"#);
    let answer = json(&output.stdout);
    assert_eq!(answer["events"], Value::Array(Vec::new()));
    assert_eq!(answer["statistics"]["Q"]["asa_s"], Value::Null);
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_nearest_known_one() {
    let output = simulate(
        &["-"],
        "{\"queues\":[\n  {\"id\":\"Q\",\"ringtimeout_s\":3}]}",
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        told(&output),
        "-:2:27: unknown key `ringtimeout_s`; did you mean `ring_timeout_s`?\n"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn everything_that_makes_no_sense_is_told_at_once() {
    let output = simulate(
        &["-"],
        r#"{"queues":[{"id":"Q"},{"id":"Q"}],
            "agents":[{"id":"A","queues":["X"],"login_s":9,"logout_s":9}],
            "contacts":[{"id":"c","at_s":-5,"queue":"Q"},{"id":"c","at_s":1,"queue":"Y","patience_s":-1}]}"#,
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        told(&output),
        "-: queues[1].id: `Q` is the id of queues[0] already\n\
         -: agents[0].queues: there is no queue `X` (there are: Q)\n\
         -: agents[0].logout_s: must come after login_s\n\
         -: contacts[1].id: `c` is the id of contacts[0] already\n\
         -: contacts[0].at_s: -5 s is negative\n\
         -: contacts[1].queue: there is no queue `Y` (there are: Q)\n\
         -: contacts[1].patience_s: -1 s is negative\n"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn a_file_that_is_not_there_is_exit_1_and_no_file_at_all_exit_2() {
    assert_eq!(simulate(&["/nowhere.json"], "").status.code(), Some(1));
    assert_eq!(simulate(&[], "").status.code(), Some(2));
}

const WHAT_IF: &str = r#"{
    "queues": [{"id": "helpdesk"}],
    "agents": [{"id": "A", "queues": ["helpdesk"], "count": 4}],
    "demand": [{"queue": "helpdesk", "arrivals": [40], "talk": {"exponential": {"mean_s": 120}},
                "patience": {"exponential": {"mean_s": 60}}}],
    "replications": 5
}"#;

#[test]
fn a_what_if_tells_means_with_their_intervals_and_the_same_for_the_same_seed() {
    let first = simulate(&["-", "--seed", "9"], WHAT_IF);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert_eq!(told(&first), "", "no progress in a pipe");
    let answer = json(&first.stdout);
    assert_eq!(answer["replications"], 5);
    let asa = &answer["statistics"]["helpdesk"]["asa_s"];
    assert!(asa["low"].as_f64() < asa["mean"].as_f64());
    assert!(asa["mean"].as_f64() < asa["high"].as_f64());
    assert!(answer["desk"]["service_level"]["ignored"]["mean"].is_number());
    let again = simulate(&["-", "--seed", "9"], WHAT_IF);
    assert_eq!(first.stdout, again.stdout);
    let other = simulate(&["-", "--seed", "10", "--replications", "7"], WHAT_IF);
    assert_eq!(json(&other.stdout)["replications"], 7);
}

#[test]
fn the_demand_comes_from_a_table_or_from_an_event_log() {
    let folder = ringdown_harness::place::Folder::new();
    let table = folder.path().join("arrivals.csv");
    std::fs::write(
        &table,
        "queue,at_s,contacts\nhelpdesk,0,0\nhelpdesk,1800,0\n",
    )
    .expect("the folder can be written");
    let quiet = simulate(&["-", "--arrivals", &table.display().to_string()], WHAT_IF);
    assert_eq!(json(&quiet.stdout)["desk"]["offered"]["mean"], 0.0);

    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events/half_hour.jsonl");
    let remembered = simulate(&["-", "--history", &log.display().to_string()], WHAT_IF);
    assert_eq!(remembered.status.code(), Some(0), "{remembered:?}");
    let offered = &json(&remembered.stdout)["statistics"]["helpdesk"]["offered"];
    assert!(
        offered["mean"].as_f64() < Some(10.0),
        "three came: {offered}"
    );
}

#[test]
fn a_scenario_is_one_day_and_has_no_seed() {
    let output = simulate(&["-", "--seed", "1"], r#"{"queues":[{"id":"Q"}]}"#);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("one given day"), "{output:?}");
}
