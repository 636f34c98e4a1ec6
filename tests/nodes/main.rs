//! Several gateways on one Redis and one PostgreSQL: what they share, what the others do when one dies or
//! falls asleep, and how one is taken out of service.

mod call_backs;
mod incidents;
mod lost;
mod registrations;

use ringdown_harness::PATIENCE;
use ringdown_harness::audio::Voice;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::gateway::run;
use ringdown_harness::phone::{Call, Phone};
use ringdown_harness::postgres::Postgres;
use ringdown_harness::process::Process;
use ringdown_harness::redis::{Cluster, Redis, Watched};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const CALLER: Voice = Voice::Numbered(1);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// What the gateways of one desk share. Silence is borne for two seconds.
struct Shared {
    redis: Redis,
    postgres: Postgres,
}

impl Shared {
    fn start() -> Self {
        Self {
            redis: Redis::start(),
            postgres: Postgres::start(),
        }
    }

    fn plan(&self) -> DeskPlan {
        DeskPlan::new().section(&format!(
            "[redis]\nurl = \"{}\"\nnode_lease_s = 2\nlead_lease_s = 1\n\n[database]\nurl = \"{}\"\n",
            self.redis.url(),
            self.postgres.url()
        ))
    }

    /// Three gateways, and the one agent whose phone all can ring; calls out go to the telephone that is
    /// given last.
    fn three_gateways(&self, queue_keys: &str) -> ([Desk; 3], Phone, Phone) {
        let (plan, anna) = self.plan().agent_with_phone("anna");
        let outside = Phone::new("outside", plan.sip());
        let trunk = format!(
            "[[trunk]]\nname = \"loopback\"\naddresses = [\"127.0.0.0/8\"]\n\
             trusted_identity = true\noutbound = \"sip:127.0.0.1:{}\"\n",
            outside.port()
        );
        let open = |plan: DeskPlan| plan.trunks(&trunk).queue_keys(queue_keys).open(program());
        let other = || open(self.plan().agent_at("anna", &anna.contact()));
        let first = open(plan);
        ([first, other(), other()], anna, outside)
    }

    /// Which of the gateways dispatches; it is waited for until it is one of them.
    fn leader(&self, gateways: &[&Desk]) -> usize {
        let ids: Vec<String> = gateways.iter().map(|desk| node_of(desk)).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = self.redis.ask("get {ringdown:0}:leader");
            if let Some(place) = ids.iter().position(|id| *id == leader) {
                return place;
            }
            assert!(Instant::now() < deadline, "{leader} leads, none of {ids:?}");
        }
    }

    /// Two gateways, and the one agent whose phone both can ring.
    fn two_gateways(&self) -> (Desk, Desk, Phone) {
        self.two_gateways_with("")
    }

    /// The same with keys of the queue.
    fn two_gateways_with(&self, queue_keys: &str) -> (Desk, Desk, Phone) {
        let (plan, anna) = self.plan().agent_with_phone("anna");
        let one = plan.queue_keys(queue_keys).open(program());
        let two = self.plan().agent_at("anna", &anna.contact());
        (one, two.queue_keys(queue_keys).open(program()), anna)
    }
}

/// What a gateway calls itself.
fn node_of(desk: &Desk) -> String {
    let node = desk.api.get_json("/api/v1/node");
    node["id"].as_str().expect("it has a name").to_owned()
}

/// Calls 100 and is in the line.
fn line_up(desk: &Desk, name: &str) -> (Phone, Call) {
    let mut caller = desk.caller(name);
    let mut call = caller.call("100");
    caller.must_get(&mut call, 200);
    (caller, call)
}

fn answered_and_heard(anna: &mut Phone, call: &Call) -> Call {
    let offered = anna.must_ring();
    anna.answer(&offered);
    call.speak(CALLER);
    offered.audio.must_hear(CALLER, 10, PATIENCE);
    offered
}

/// Waits until the gateway has heard that the phone of its one call rings.
fn hears_it_ring(desk: &Desk) {
    let one = |answer: Value| answer["items"][0]["id"].as_str().map(str::to_owned);
    let call = look(desk, "/api/v1/contacts", "the call", one);
    let rang = |answer: Value| {
        let mut events = answer["items"].as_array()?.iter();
        events.any(|event| event["event"] == "rang").then_some(())
    };
    look(
        desk,
        &format!("/api/v1/contacts/{call}/events"),
        "the ringing",
        rang,
    );
}

/// Waits until so many stand in the line, as a gateway sees it.
fn stand_in_line(desk: &Desk, wanted: usize) {
    let is_so = |answer: Value| (answer["items"].as_array()?.len() == wanted).then_some(());
    let path = "/api/v1/queues/desk/waiting";
    look(desk, path, &format!("{wanted} in the line"), is_so);
}

/// Asks again and again until the answer says what is wanted, and gives that.
fn look<T>(desk: &Desk, path: &str, what: &str, read: impl Fn(Value) -> Option<T>) -> T {
    let told = desk.api.wait_until(path, what, PATIENCE, |answer| {
        read(answer.clone()).is_some()
    });
    read(told).expect("it was there a moment ago")
}

fn anna_is(desk: &Desk, wanted: &'static str) {
    let is_so = |answer: Value| {
        let anna = &answer["items"][0];
        (anna["state"] == wanted).then_some(())
    };
    look(desk, "/api/v1/agents", wanted, is_so);
}

#[test]
fn callers_of_two_gateways_stand_in_one_line() {
    let shared = Shared::start();
    let (one, two, mut anna) = shared.two_gateways();
    let (mut first, mut first_call) = line_up(&one, "0912345678");
    let first_offered = answered_and_heard(&mut anna, &first_call);
    let (mut second, mut second_call) = line_up(&two, "0912345679");
    first.hang_up(&mut first_call);
    anna.must_be_hung_up(&first_offered);
    let second_offered = answered_and_heard(&mut anna, &second_call);
    second.hang_up(&mut second_call);
    anna.must_be_hung_up(&second_offered);
}

#[test]
fn a_gateway_that_is_killed_frees_its_agent_and_leaves_no_gap_in_the_log() {
    let shared = Shared::start();
    let (mut one, two, mut anna) = shared.two_gateways();
    // Nothing that happens from now on gets into the database before the gateway dies.
    let held = shared.postgres.hold_table("events");
    let (_gone, call) = line_up(&one, "0912345678");
    answered_and_heard(&mut anna, &call);
    one.gateway.process.kill();
    drop(held);
    let (mut caller, mut call) = line_up(&two, "0912345679");
    let offered = answered_and_heard(&mut anna, &call);
    let is_told = |answer: Value| {
        let contacts = answer["items"].as_array()?;
        let lost = contacts
            .iter()
            .find(|contact| contact["from"] == "+886912345678")?;
        (lost["state"] == "ended").then(|| lost["id"].as_str().map(str::to_owned))?
    };
    let lost = look(&two, "/api/v1/contacts", "the lost call's end", is_told);
    let wanted = [
        "arrived", "enqueued", "offered", "answered", "ended", "closed",
    ];
    let has_all = |answer: Value| {
        let events = answer["items"].as_array()?;
        let has = |kind: &&str| events.iter().any(|event| event["event"] == **kind);
        wanted.iter().all(has).then_some(())
    };
    let path = format!("/api/v1/contacts/{lost}/events");
    look(&two, &path, "every event of the lost call", has_all);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn a_gateway_that_slept_brings_its_callers_back_into_the_line() {
    let shared = Shared::start();
    let (one, two, mut anna) = shared.two_gateways();
    let (mut busy, mut busy_call) = line_up(&two, "0912345679");
    let first_offered = answered_and_heard(&mut anna, &busy_call);
    let (mut caller, mut call) = line_up(&one, "0912345678");
    stand_in_line(&two, 1);
    one.gateway.process.signal("STOP");
    // They are taken out, and come back when it wakes.
    stand_in_line(&two, 0);
    one.gateway.process.signal("CONT");
    stand_in_line(&two, 1);
    busy.hang_up(&mut busy_call);
    anna.must_be_hung_up(&first_offered);
    let offered = answered_and_heard(&mut anna, &call);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

/// A gateway falls asleep while it rings, after it has heard that the phone rings or before.
fn a_ring_of_a_gateway_that_slept(has_heard_it_ring: bool) {
    let shared = Shared::start();
    // It rings for its whole time, so she is left alone with that caller for the back-off.
    let keys = "ring_timeout_s = 5\ndecline_back_off_s = 1\n";
    let (one, two, mut anna) = shared.two_gateways_with(keys);
    let (mut late, mut late_call) = line_up(&one, "0912345678");
    let ringing = anna.must_be_called();
    let since = Instant::now();
    if has_heard_it_ring {
        anna.ring(&ringing);
        hears_it_ring(&one);
    }
    one.gateway.process.signal("STOP");
    anna_is(&two, "idle");
    let (mut caller, mut call) = line_up(&two, "0912345679");
    // The phone may still ring for the other: nothing else does until that must have ended. The offer was
    // made a little before its INVITE came here.
    let offered = answered_and_heard(&mut anna, &call);
    assert!(since.elapsed() >= Duration::from_millis(4_500));
    one.gateway.process.signal("CONT");
    if !has_heard_it_ring {
        // It has given the ring up; RFC 3261 9.1 lets it say so once it hears anything of the call.
        stand_in_line(&two, 1);
        anna.ring(&ringing);
    }
    anna.must_be_cancelled(&ringing);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
    let again = answered_and_heard(&mut anna, &late_call);
    late.hang_up(&mut late_call);
    anna.must_be_hung_up(&again);
}

#[test]
fn a_ring_of_a_gateway_that_slept_gives_way_to_the_call_that_was_answered() {
    a_ring_of_a_gateway_that_slept(true);
}

#[test]
fn a_phone_is_not_out_of_reach_because_a_gateway_slept_through_its_ringing() {
    a_ring_of_a_gateway_that_slept(false);
}

#[test]
fn a_gateway_with_a_database_of_its_own_is_not_let_into_the_desk() {
    let shared = Shared::start();
    let _first = shared.plan().open(program());
    let with_a_file =
        DeskPlan::new().section(&format!("[redis]\nurl = \"{}\"\n", shared.redis.url()));
    let mut second = with_a_file.start(program());
    let told = |line: &str| line.contains("write to another database");
    second
        .gateway
        .process
        .wait_for_line("why it does not start", told);
    assert_eq!(
        second.gateway.process.wait_for_end(PATIENCE).code(),
        Some(1)
    );
}

#[test]
fn an_agent_at_lunch_stays_there_when_another_gateway_starts() {
    let shared = Shared::start();
    let (plan, anna) = shared.plan().agent_with_phone("anna");
    let one = plan.open(program());
    let lunch = json!({ "status": "not_ready", "reason": "lunch" });
    assert_eq!(
        one.api.post("/api/v1/agents/anna/status", &lunch).status,
        200
    );
    let two = shared
        .plan()
        .agent_at("anna", &anna.contact())
        .open(program());
    // A call through the new gateway comes after all that its start told the desk.
    let (mut caller, mut call) = line_up(&two, "0912345678");
    stand_in_line(&two, 1);
    let status = |desk: &Desk| desk.api.get_json("/api/v1/agents")["items"][0]["status"].clone();
    assert_eq!(
        (status(&one), status(&two)),
        (json!("not_ready"), json!("not_ready"))
    );
    caller.hang_up(&mut call);
}

/// Callers talk and wait while the server of the desk dies and another takes its place.
fn the_desk_outlives_its_server(section: &str, die_and_be_replaced: impl FnOnce()) {
    let (plan, mut anna) = DeskPlan::new().section(section).agent_with_phone("anna");
    let desk = plan.open(program());
    let (mut talks, mut talking) = line_up(&desk, "0912345678");
    let first_offered = answered_and_heard(&mut anna, &talking);
    let (mut waits, mut waiting) = line_up(&desk, "0912345679");
    stand_in_line(&desk, 1);
    die_and_be_replaced();
    first_offered.audio.forget();
    first_offered.audio.must_hear(CALLER, 50, PATIENCE);
    talks.hang_up(&mut talking);
    anna.must_be_hung_up(&first_offered);
    let offered = answered_and_heard(&mut anna, &waiting);
    waits.hang_up(&mut waiting);
    anna.must_be_hung_up(&offered);
}

#[test]
fn a_desk_behind_sentinels_outlives_its_master() {
    let mut watched = Watched::start();
    let section = watched.section();
    the_desk_outlives_its_server(&section, || {
        watched.master.must_be_copied();
        watched.master.kill();
        watched.must_fail_over();
    });
}

#[test]
fn a_desk_in_a_cluster_outlives_its_node() {
    let mut cluster = Cluster::start();
    let holder = cluster.holder_of("{ringdown:0}:meta");
    cluster.add_replica_of(holder);
    let section = cluster.section();
    the_desk_outlives_its_server(&section, || {
        cluster.nodes[holder].must_be_copied();
        cluster.nodes[holder].kill();
    });
}

fn drain(desk: &Desk) -> Process {
    let mut command = Command::new(program());
    command.arg("drain").arg("-c").arg(&desk.configuration);
    Process::start("ringdown drain", &mut command)
}

#[test]
fn a_drained_gateway_takes_no_call_sees_the_last_one_out_and_ends() {
    let shared = Shared::start();
    let (mut one, two, mut anna) = shared.two_gateways();
    let (mut talks, mut talking) = line_up(&one, "0912345678");
    let first_offered = answered_and_heard(&mut anna, &talking);
    let (mut waits, mut waiting_call) = line_up(&one, "0912345677");
    stand_in_line(&one, 1);
    let mut draining = drain(&one);
    let is_draining = |answer: Value| (answer["state"] == "draining").then_some(());
    look(&one, "/api/v1/node", "that it drains", is_draining);
    assert_eq!(one.operations.get("/readyz").status, 503);
    let mut stranger = one.caller("0912345676");
    let mut refused = stranger.call("100");
    assert_eq!(stranger.final_status(&mut refused), 503);
    let mut options = one.caller("proxy");
    let asked = format!(
        "OPTIONS sip:{sip} SIP/2.0\r\n{via}From: <sip:proxy@localhost>;tag=1\r\n\
         To: <sip:{sip}>\r\nCall-ID: alive\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        sip = one.sip,
        via = options.via("alive"),
    );
    options.send_raw(&asked);
    options.must_receive("503 to OPTIONS", |message| message.status() == Some(503));
    // Who is on the phone stays there, and who waits is served.
    talks.hang_up(&mut talking);
    anna.must_be_hung_up(&first_offered);
    let offered = answered_and_heard(&mut anna, &waiting_call);
    assert!(draining.is_running() && one.gateway.process.is_running());
    waits.hang_up(&mut waiting_call);
    anna.must_be_hung_up(&offered);
    assert_eq!(draining.wait_for_end(PATIENCE).code(), Some(0));
    assert_eq!(one.gateway.process.wait_for_end(PATIENCE).code(), Some(0));
    // The other goes on, and dispatches.
    let (mut caller, mut call) = line_up(&two, "0912345679");
    let offered = answered_and_heard(&mut anna, &call);
    caller.hang_up(&mut call);
    anna.must_be_hung_up(&offered);
}

#[test]
fn a_drain_can_be_undone_and_says_when_it_cut_somebody_off() {
    let (plan, mut anna) = DeskPlan::new().agent_with_phone("anna");
    let mut desk = plan.open(program());
    let (_caller, call) = line_up(&desk, "0912345678");
    answered_and_heard(&mut anna, &call);
    let mut undone = drain(&desk);
    let is_draining = |answer: Value| (answer["state"] == "draining").then_some(());
    look(&desk, "/api/v1/node", "that it drains", is_draining);
    let configuration = desk.configuration.display().to_string();
    let folder = &desk.folder;
    let order = |more: &[&str]| {
        let arguments = [&["drain", "-c", &configuration], more].concat();
        run(program(), folder, &arguments)
    };
    assert_eq!(order(&["--undo"]).0, 0);
    assert_eq!(undone.wait_for_end(PATIENCE).code(), Some(1));
    assert!(
        undone.transcript().contains("undone"),
        "{}",
        undone.transcript()
    );
    let (mut second, mut second_call) = line_up(&desk, "0912345679");
    second.hang_up(&mut second_call);

    let (status, _, told) = order(&["--deadline", "0.2"]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("1 calls were cut off"), "{told}");
    assert_eq!(desk.gateway.process.wait_for_end(PATIENCE).code(), Some(0));
    let (status, _, told) = order(&[]);
    assert_eq!(status, 1);
    assert!(told.contains("no gateway answers"), "{told}");
}
