//! Many calls at once: SIPp at both ends, and the generator that hears crossed lines.

use ringdown_harness::PATIENCE;
use ringdown_harness::desk::{Desk, DeskPlan};
use ringdown_harness::load::{self, Audio, Ending, Plan};
use ringdown_harness::place::free_port;
use ringdown_harness::sipp::{Sipp, SippOrder, SippResult};
use std::path::Path;
use std::time::Duration;

/// How long a run of many calls may take on a busy machine.
const RUN_TIME_MAX: Duration = Duration::from_secs(120);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// A desk whose agents a0 and so on are all at one port.
fn desk_with_agents(agents: usize, port: u16, queue_keys: &str) -> Desk {
    let plan = (0..agents).fold(DeskPlan::new().queue_keys(queue_keys), |plan, agent| {
        plan.agent_at(
            &format!("a{agent}"),
            &format!("sip:a{agent}@127.0.0.1:{port}"),
        )
    });
    plan.open(program())
}

/// SIPp's callers against SIPp's agents through the queue; every call goes as both scenarios say.
fn plays(caller: &str, agent: &str, number: &str, calls: u32, queue_keys: &str) -> Desk {
    let port = free_port();
    let desk = desk_with_agents(10, port, queue_keys);
    let _agents = Sipp::start(&SippOrder {
        more: &["-rtp_echo", "-aa"],
        ..SippOrder::agent(agent, port)
    });
    let order = SippOrder {
        calls: Some(calls),
        rate: 10,
        port: free_port(),
        ..SippOrder::caller(caller, desk.sip, number)
    };
    let wanted = SippResult {
        successful: u64::from(calls),
        failed: 0,
    };
    assert_eq!(Sipp::start(&order).must_succeed(RUN_TIME_MAX), wanted);
    desk
}

#[test]
fn sipp_callers_are_answered_by_sipp_agents() {
    plays("caller_talks", "agent_answers", "200", 40, "");
    plays("caller_short", "agent_answers", "100", 40, "");
}

#[test]
fn sipp_agents_hang_up() {
    plays("caller_is_hung_up", "agent_hangs_up", "200", 20, "");
}

#[test]
fn sipp_callers_leave_whatever_the_agents_do() {
    plays(
        "caller_cancels_ringing",
        "agent_never_answers",
        "200",
        10,
        "",
    );
    plays("caller_cancels_ringing", "agent_declines", "200", 5, "");
    plays("caller_cancels_ringing", "agent_is_busy", "200", 5, "");
    plays(
        "caller_cancels_ringing",
        "agent_answers_late",
        "200",
        10,
        "",
    );
}

#[test]
fn sipp_registers_with_digest_and_strangers_are_refused() {
    let desk = DeskPlan::new()
        .agent_with_password("anna", "secret")
        .open(program());
    let order = |scenario, number| SippOrder {
        port: free_port(),
        ..SippOrder::caller(scenario, desk.sip, number)
    };
    let password = ["-au", "anna", "-ap", "secret"];
    Sipp::start(&SippOrder {
        more: &password,
        ..order("registers", "anna")
    })
    .must_succeed(PATIENCE);
    Sipp::start(&order("caller_unknown_number", "999")).must_succeed(PATIENCE);
    let closed = DeskPlan::new()
        .trunks("")
        .sip_keys("phones = [\"192.0.2.0/24\"]\n")
        .open(program());
    let stranger = SippOrder {
        port: free_port(),
        ..SippOrder::caller("caller_from_nowhere", closed.sip, "100")
    };
    Sipp::start(&stranger).must_succeed(PATIENCE);
}

#[test]
fn a_hundred_calls_with_audio_lose_none_and_cross_none() {
    let port = free_port();
    let desk = desk_with_agents(20, port, "");
    let plan = Plan {
        calls: Some(100),
        rate: 20.0,
        callers_max: 15,
        ending: Ending::Caller(Duration::from_millis(500)),
        audio: Audio::Both,
        window: RUN_TIME_MAX,
        ..Plan::new(desk.sip, "200", port)
    };
    let outcome = load::run(&plan).expect("the ports are free");
    assert_eq!(
        (
            outcome.answered,
            outcome.failed(),
            outcome.left_over,
            outcome.ended_by_gateway
        ),
        (100, 0, 0, 0),
        "{outcome:?}"
    );
    assert_eq!((outcome.heard, outcome.crossed), (200, 0));
    let statistics = desk.api.wait_until(
        "/api/v1/statistics",
        "100 answered calls",
        PATIENCE,
        |statistics| statistics["total"]["answered"] == 100,
    );
    assert_eq!(
        (&statistics["total"]["offered"], &statistics["is_conserved"]),
        (&100.into(), &true.into()),
        "{statistics:#}"
    );
}
