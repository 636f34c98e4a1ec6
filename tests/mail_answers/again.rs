//! Commands that are sent again, because the gateway was killed before anybody knew that they were done.

use super::{MailDesk, contact_of, is};
use ringdown_harness::http::HttpAnswer;
use serde_json::{Value, json};

impl MailDesk {
    fn keyed(&self, path: &str, key: &str, body: &Value) -> HttpAnswer {
        let headers = format!("Idempotency-Key: {key}\r\n");
        let path = format!("/api/v1/{path}");
        let sent = self
            .desk
            .api
            .try_send("POST", &path, &headers, &body.to_string());
        sent.unwrap_or_else(|fault| panic!("{path}: {fault}"))
    }
}

/// Declines what is offered to an agent, and gives how the contact stands then.
fn decline(desk: &MailDesk, offer: &Value) -> Value {
    let path = format!("/api/v1/offers/{}/decline", offer["token"]);
    let answer = desk.desk.api.post(&path, &json!({}));
    is(&answer, 200);
    let told = answer.json();
    assert_eq!(told["contact"], offer["contact"], "{told:#}");
    told["state"].clone()
}

#[test]
fn who_declines_is_told_how_the_contact_stands_then() {
    let desk = MailDesk::open("", "strategy = \"ring_all\"\n", &["lin", "ming"]);
    desk.log_in("lin");
    desk.log_in("ming");
    desk.deliver("help@desk.example", "1@a", "");
    let [of_lin, of_ming] = ["lin", "ming"].map(|agent| desk.in_hand(agent, "offered"));
    assert_eq!(of_lin["contact"], of_ming["contact"]);
    // The other is asked still; then nobody is.
    assert_eq!(decline(&desk, &of_lin), "offered");
    assert_eq!(decline(&desk, &of_ming), "waiting");
    let contact = contact_of(&of_ming);
    let path = format!("/api/v1/contacts/{contact}");
    desk.desk
        .api
        .wait_until(&path, "that it waits", ringdown_harness::PATIENCE, |told| {
            told["state"] == "waiting"
        });
    // An offer that is over cannot be declined again.
    let path = format!("/api/v1/offers/{}/decline", of_ming["token"]);
    is(&desk.desk.api.post(&path, &json!({})), 409);
}

#[test]
fn what_was_done_before_the_gateway_was_killed_is_answered_again_and_not_done_again() {
    let mut desk = MailDesk::open("", "decline_back_off_s = 0\n", &["ming"]);
    desk.log_in("ming");
    let mut sent: Vec<(String, &str, Value, HttpAnswer)> = Vec::new();
    let mut send = |desk: &MailDesk, path: String, key: &'static str, body: Value| {
        let answer = desk.keyed(&path, key, &body);
        assert!(
            (200..300).contains(&answer.status),
            "{path}: {}",
            answer.body
        );
        sent.push((path, key, body, answer));
    };

    desk.deliver("help@desk.example", "1@a", "");
    let offer = desk.in_hand("ming", "offered");
    send(
        &desk,
        format!("offers/{}/decline", offer["token"]),
        "decline",
        json!({}),
    );
    let offer = desk.in_hand("ming", "offered");
    send(
        &desk,
        format!("offers/{}/accept", offer["token"]),
        "accept",
        json!({}),
    );
    let contact = contact_of(&offer);
    let close = json!({ "result": "fixed" });
    send(&desk, format!("contacts/{contact}/close"), "close", close);

    desk.deliver_as("help@desk.example", "2@a", "Subject: Win a prize\n");
    let contact = desk.take("ming");
    let passed = json!({ "queue": "second", "note": "yours" });
    send(
        &desk,
        format!("contacts/{contact}/hand_over"),
        "hand_over",
        passed,
    );

    let one = desk.deliver("help@desk.example", "3@a", "");
    let contact = desk.take("ming");
    let other = desk.deliver_as("help@desk.example", "4@a", "Subject: Another\n");
    let ticket = |number: &str| desk.ticket(number, "it", |it| it["id"].is_u64())["id"].clone();
    let (one, other) = (ticket(&one), ticket(&other));
    send(
        &desk,
        format!("tickets/{}/merge", other),
        "merge",
        json!({ "into": one }),
    );
    let into = desk.desk.api.get_json(&format!("/api/v1/tickets/{}", one));
    let articles = into["articles"].as_array().cloned().unwrap_or_default();
    let second = articles.iter().find(|it| it["message_id"] == "<4@a>");
    let article = second.map(|it| it["id"].clone()).unwrap_or_default();
    send(
        &desk,
        format!("tickets/{}/split", one),
        "split",
        json!({ "article": article }),
    );
    send(&desk, format!("contacts/{contact}/spam"), "spam", json!({}));

    let tickets = |desk: &MailDesk| {
        let list = desk.desk.api.get_json("/api/v1/tickets?limit=100");
        list["items"].as_array().map_or(0, Vec::len)
    };
    let before = tickets(&desk);
    let metrics = desk.desk.operations.get("/metrics").body;
    for told in [
        "ringdown_mails_taken_total{outcome=\"opened\"} 4",
        "ringdown_outbox_letters{state=\"waiting\"} 0",
    ] {
        assert!(metrics.contains(told), "{told}: {metrics}");
    }
    desk.restart();
    for (path, key, body, first) in &sent {
        let again = desk.keyed(path, key, body);
        assert_eq!(
            (again.status, &again.body),
            (first.status, &first.body),
            "{path}"
        );
        let head = again.head.to_ascii_lowercase();
        assert!(
            head.contains("idempotency-replayed: true"),
            "{path}: {head}"
        );
        is(&desk.keyed(path, key, &json!({ "something": "else" })), 422);
    }
    assert_eq!(tickets(&desk), before);
}
