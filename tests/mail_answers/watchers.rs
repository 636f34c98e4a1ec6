//! Who reads along on a ticket, seen and changed over HTTP, and what they get.

use super::{MailDesk, is};
use ringdown_harness::gateway;
use ringdown_harness::http::{Client, HttpAnswer};
use serde_json::{Value, json};

const RULE: &str = "[[email.rule]]\nname = \"copies\"\nthen = { watch_cc = true }\n";

fn ask(api: &Client, method: &str, path: &str, key: &str, body: &str) -> HttpAnswer {
    let headers = match key {
        "" => String::new(),
        key => format!("Idempotency-Key: {key}\r\n"),
    };
    let sent = api.try_send(method, &format!("/api/v1/tickets/{path}"), &headers, body);
    sent.unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

/// What was done by hand to watchers, as the exported log tells it.
fn interventions(desk: &MailDesk) -> Vec<String> {
    let file = desk.desk.folder.path().join("log.jsonl");
    let path = file.display().to_string();
    let arguments = ["export", "events", "--from", "2020-01-01", "-o", &path];
    let (status, _, said) = gateway::run(super::program(), &desk.desk.folder, &arguments);
    assert_eq!(status, 0, "{said}");
    let log = std::fs::read_to_string(&file).expect("it is exported");
    std::fs::remove_file(&file).expect("it is ours");
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = events.filter(|event| {
        let act = event["act"].as_str();
        act.is_some_and(|act| act.starts_with("watcher_"))
    });
    told.map(|event| {
        format!(
            "{} {} {}",
            event["by"], event["act"], event["details"]["address"]
        )
    })
    .collect()
}

#[test]
fn an_agent_sees_adds_and_takes_off_who_reads_along_each_once() {
    let mut desk = MailDesk::open(RULE, "", &["ming"]);
    desk.log_in("ming");
    let number = desk.deliver("help@desk.example", "1@a", "Cc: Bob <bob@example.org>\n");
    let contact = desk.take("ming");
    let ticket = desk.ticket(&number, "its watcher", |it| it["watchers"][0].is_object());
    let bob = &ticket["watchers"][0];
    assert_eq!(
        (&bob["address"], &bob["name"], &bob["why"], &bob["by"]),
        (
            &"bob@example.org".into(),
            &"Bob".into(),
            &"copy".into(),
            &Value::Null
        )
    );
    assert!(bob["since_at"].is_string(), "{bob}");
    let id = ticket["id"].to_string();

    // An agent's own token may do it.
    let arguments = ["token", "add", "of-ming", "--agent", "ming"];
    let (status, token, said) = gateway::run(super::program(), &desk.desk.folder, &arguments);
    assert_eq!(status, 0, "{said}");
    let ming = |desk: &MailDesk| Client {
        address: desk.desk.api.address,
        token: token.trim().to_owned(),
    };
    while ming(&desk).get("/api/v1/agents").status != 200 {
        std::thread::yield_now();
    }
    let watchers = format!("{id}/watchers");
    let cleo = json!({ "address": "cleo@example.org", "name": "Cleo" }).to_string();
    let added = ask(&ming(&desk), "POST", &watchers, "k1", &cleo);
    is(&added, 201);
    assert_eq!(
        (&added.json()["why"], &added.json()["by"]),
        (&"by_hand".into(), &"of-ming".into())
    );
    is(&ask(&ming(&desk), "POST", &watchers, "", &cleo), 200);
    for (wrong, status) in [
        (json!({ "address": "nobody" }), 422),
        (json!({ "address": "help@desk.example" }), 422),
        (json!({ "address": "no-reply@example.org" }), 422),
        (json!({ "address": "x@example.org", "colour": 1 }), 422),
        (json!({}), 422),
    ] {
        is(
            &ask(&ming(&desk), "POST", &watchers, "", &wrong.to_string()),
            status,
        );
    }
    is(&ask(&ming(&desk), "POST", "999/watchers", "", &cleo), 404);

    is(
        &desk.act(&contact, "answer", &json!({ "text": "Switch it on." })),
        200,
    );
    let mut sent: Vec<String> = desk.sink.wait_for(3).into_iter().map(|it| it.to).collect();
    sent.sort();
    assert_eq!(
        sent,
        ["anna@example.org", "bob@example.org", "cleo@example.org"]
    );

    let of_bob = format!("{id}/watchers/bob%40example.org");
    is(&ask(&ming(&desk), "DELETE", &of_bob, "k2", ""), 204);
    is(&ask(&ming(&desk), "DELETE", &of_bob, "", ""), 404);
    is(
        &ask(
            &ming(&desk),
            "DELETE",
            &format!("{id}/watchers/nobody"),
            "",
            "",
        ),
        422,
    );
    is(
        &ask(
            &ming(&desk),
            "DELETE",
            "x/watchers/bob%40example.org",
            "",
            "",
        ),
        404,
    );
    // The log is told before the gateway ends, and the same requests again do nothing.
    let told = [
        "\"of-ming\" \"watcher_added\" \"cleo@example.org\"",
        "\"of-ming\" \"watcher_removed\" \"bob@example.org\"",
    ];
    while interventions(&desk).len() < told.len() {
        std::thread::yield_now();
    }
    desk.restart();
    let again = ask(&ming(&desk), "POST", &watchers, "k1", &cleo);
    assert_eq!((again.status, &again.body), (201, &added.body));
    is(&ask(&ming(&desk), "DELETE", &of_bob, "k2", ""), 204);
    assert_eq!(interventions(&desk), told);
    let ticket = desk.desk.api.get_json(&format!("/api/v1/tickets/{id}"));
    let left = ticket["watchers"].as_array().cloned().unwrap_or_default();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["address"], "cleo@example.org");
}
