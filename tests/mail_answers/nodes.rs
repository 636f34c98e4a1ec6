//! Two gateways of one desk, on one Redis and one PostgreSQL: an agent's commands hold at either, and outlive
//! the one that took them.

use super::{MailDesk, contact_of, is};
use ringdown_harness::http::HttpAnswer;
use ringdown_harness::mail::MailSink;
use ringdown_harness::postgres::Postgres;
use ringdown_harness::redis::Redis;
use serde_json::{Value, json};

fn keyed(desk: &MailDesk, path: &str, key: &str, body: &Value) -> HttpAnswer {
    let headers = format!("Idempotency-Key: {key}\r\n");
    let path = format!("/api/v1/contacts/{path}");
    let sent = desk
        .desk
        .api
        .try_send("POST", &path, &headers, &body.to_string());
    sent.unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

#[test]
fn a_mail_taken_at_one_gateway_is_answered_and_handed_over_at_another_also_when_one_is_killed() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let keys = format!(
        "[redis]\nurl = \"{}\"\nnode_lease_s = 2\nlead_lease_s = 1\n[database]\nurl = \"{}\"\n",
        redis.url(),
        postgres.url()
    );
    let sink = MailSink::start(|_| {});
    let smarthost = format!("port = {}\ntls = \"none\"\n", sink.address().port());
    let mut one = MailDesk::open_behind(&smarthost, sink, &keys, "", &["ming"]);
    let idle = MailSink::start(|_| {});
    let two = MailDesk::open_behind(&smarthost, idle, &keys, "", &["ming"]);
    one.log_in("ming");

    one.deliver("help@desk.example", "1@a", "");
    let contact = one.take("ming");
    let held = two.in_hand("ming", "active");
    assert_eq!(contact_of(&held), contact);
    let wish = json!({ "text": "From the other one.", "close": true });
    let path = format!("{contact}/answer");
    let answered = keyed(&two, &path, "answer", &wish);
    is(&answered, 200);
    let again = keyed(&one, &path, "answer", &wish);
    is(&again, 200);
    assert_eq!(again.json()["message_id"], answered.json()["message_id"]);
    assert!(one.sink.wait_for(1)[0].text.contains("From the other one."));
    one.contact(&contact, "its end", |it| it["result"] == "answered");

    two.deliver("help@desk.example", "2@a", "");
    let passed = two.take("ming");
    one.in_hand("ming", "active");
    let goal = json!({ "queue": "second", "note": "for you" });
    let path = format!("{passed}/hand_over");
    let first = keyed(&one, &path, "pass", &goal);
    is(&first, 200);

    let number = one.deliver("help@desk.example", "3@a", "");
    let contact = one.take("ming");
    two.in_hand("ming", "active");
    one.desk.gateway.process.kill();
    let replayed = keyed(&two, &path, "pass", &goal);
    assert_eq!((replayed.status, &replayed.body), (200, &first.body));
    two.contact(&passed, "the other line", |it| it["queue"] == "second");
    let wish = json!({ "text": "It was taken at the one that is gone.", "close": true });
    is(
        &keyed(&two, &format!("{contact}/answer"), "last", &wish),
        200,
    );
    two.contact(&contact, "its end", |it| it["result"] == "answered");
    let ticket = two.ticket(&number, "solved", |it| it["status"] == "solved");
    assert_eq!(ticket["articles"].as_array().map(Vec::len), Some(2));
    let sent = one.sink.wait_for(2);
    assert!(
        sent[1]
            .text
            .contains("It was taken at the one that is gone.")
    );
    assert_eq!(sent.len(), 2, "nothing is sent twice");
}
