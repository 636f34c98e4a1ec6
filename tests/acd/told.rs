//! What nobody waits for: told to a desk in Redis that fails at it for a while.

use crate::redis_server::{Keeps, RedisServer};
use crate::work::{DONE, Gateway};
use ringdown::acd::{About, Clock, Teller};
use ringdown_routing::agent::{AgentProfile, Status};
use ringdown_routing::ids::AgentId;
use ringdown_routing::verb::Verb;
use std::time::Duration;

/// Where a desk keeps who its agents are, and what they do.
const KEPT: [&str; 2] = ["{ringdown:desk}:agents", "{ringdown:desk}:states"];

async fn ask(server: &RedisServer, words: &[&str]) {
    let client = redis::Client::open(server.url()).expect("a socket");
    let connection = client.get_multiplexed_async_connection().await;
    let mut connection = connection.expect("the server is there");
    let mut cmd = redis::Cmd::new();
    cmd.arg(words);
    let _: redis::Value = cmd.query_async(&mut connection).await.expect("it is done");
}

/// Makes every verb fail that looks for an agent.
async fn break_agents(server: &RedisServer) {
    for (key, away) in KEPT.into_iter().zip(["away 1", "away 2"]) {
        ask(server, &["RENAME", key, away]).await;
        ask(server, &["SET", key, "no hash"]).await;
    }
}

async fn mend_agents(server: &RedisServer) {
    for (key, away) in KEPT.into_iter().zip(["away 1", "away 2"]) {
        ask(server, &["RENAME", away, key]).await;
    }
}

fn reach(name: &str, is_reachable: bool) -> (About, Verb) {
    let agent = AgentId::from(name);
    let verb = Verb::AgentReachable {
        agent: agent.clone(),
        is_reachable,
    };
    (About::Agent(agent), verb)
}

/// Returns when the desk has heard what was told before.
async fn heard(gateway: &Gateway) {
    assert_eq!(gateway.change(Verb::Expire).await, DONE);
}

#[tokio::test]
async fn what_the_desk_could_not_take_is_told_again_and_the_newest_word_stands() {
    let server = RedisServer::start(Keeps::Nothing);
    let gateway = Gateway::in_redis(&server, "one", Clock::of_the_machine()).await;
    gateway.furnish(Duration::ZERO, &["anna"]).await;
    let teller = Teller::new(gateway.acd.clone());
    break_agents(&server).await;
    let bob = AgentId::from("bob");
    let status = |status| {
        let agent = AgentId::from("anna");
        Verb::AgentStatus { agent, status }
    };
    let told = [
        reach("anna", false),
        (About::Agent("anna".into()), status(Status::LoggedOff)),
        reach("anna", true),
        (About::Agent("anna".into()), status(Status::Available)),
        reach("anna", false),
        (
            About::Agent(bob.clone()),
            Verb::SetAgent {
                profile: AgentProfile::new(bob.clone(), "bob"),
            },
        ),
        reach("bob", true),
    ];
    for (about, verb) in told {
        teller.tell(about, verb);
    }
    heard(&gateway).await;
    assert_eq!(teller.times_not_told(), 2, "once of each agent");
    teller.tell_again();
    heard(&gateway).await;
    assert_eq!(teller.times_not_told(), 4);
    let is_reachable = |name: &str| {
        let agent = AgentId::from(name);
        let reach = |view: &ringdown_routing::view::View| Some(view.agent(&agent)?.is_reachable);
        gateway.acd.read(reach)
    };
    assert_eq!(
        (is_reachable("anna"), is_reachable("bob")),
        (Some(true), None)
    );

    mend_agents(&server).await;
    teller.tell_again();
    while teller.waiting() > 0 {
        heard(&gateway).await;
    }
    assert_eq!(teller.times_not_told(), 4);
    assert_eq!(
        (is_reachable("anna"), is_reachable("bob")),
        (Some(false), Some(true))
    );
    assert_eq!(gateway.agent("anna").0, Status::Available);
}

#[tokio::test]
async fn what_the_desk_refuses_is_not_told_again() {
    let gateway = Gateway::in_memory();
    let teller = Teller::new(gateway.acd.clone());
    let (about, verb) = reach("nobody", true);
    teller.tell(about, verb);
    assert_eq!((teller.waiting(), teller.times_not_told()), (0, 0));
}
