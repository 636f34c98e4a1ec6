//! A load generator of both sides: callers and agents, in one thread.
//!
//! All callers share one SIP socket and one RTP socket, all agents another pair; agents are told apart
//! by the user part `aN` of the called URI. Frames of audio carry who said them, their number and when,
//! so that loss, delay and crossed lines are seen at the far end. The messages are text of our own:
//! nothing of the gateway's code takes part.

mod engine;
mod leg;
mod media;
mod outcome;

pub use engine::run;
pub use outcome::{NO_ANSWER, Outcome, Window};

use std::net::SocketAddr;
use std::time::Duration;

/// What a run offers to the gateway, and how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the gateway listens for SIP over UDP.
    pub gateway: SocketAddr,
    /// The number callers dial.
    pub number: String,
    /// Port of the callers' SIP.
    pub caller_port: u16,
    /// Port of the agents' SIP, where the configuration says they are.
    pub agent_port: u16,
    /// Calls started in a second.
    pub rate: f64,
    /// Most callers at one time.
    pub callers_max: usize,
    /// Calls after which no more are started; `None` goes on for the whole window.
    pub calls: Option<u64>,
    /// Who ends an answered call, and when.
    pub ending: Ending,
    /// Whether audio flows.
    pub audio: Audio,
    /// Whether a caller who left is replaced.
    pub refill: Refill,
    /// Longest time until the wanted number of callers is there.
    pub ramp_max: Duration,
    /// Time between that and the window.
    pub settle: Duration,
    /// How long is measured.
    pub window: Duration,
    /// The gateway's process, for its processor time and memory.
    pub pid: Option<u32>,
}

/// Who ends an answered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The caller, this long after the answer.
    Caller(Duration),
    /// The agent, after half to one and a half of this; during the ramp agents keep their callers.
    Agent(Duration),
    /// Nobody before the end of the run.
    Nobody,
}

/// Whether audio flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audio {
    /// A frame every 20 ms from each side of an answered call.
    Both,
    /// None.
    Silent,
}

/// Whether a caller who left is replaced during the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refill {
    /// By a new one.
    Yes,
    /// Not at all.
    No,
}

impl Plan {
    /// A plan of short calls without audio, to be changed as needed.
    pub fn new(gateway: SocketAddr, number: &str, agent_port: u16) -> Self {
        Self {
            gateway,
            number: number.to_owned(),
            caller_port: 0,
            agent_port,
            rate: 100.0,
            callers_max: 1_000,
            calls: None,
            ending: Ending::Caller(Duration::from_millis(100)),
            audio: Audio::Silent,
            refill: Refill::Yes,
            ramp_max: Duration::from_secs(3),
            settle: Duration::from_secs(1),
            window: Duration::from_secs(10),
            pid: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::free_port;
    use std::net::Ipv4Addr;

    /// Callers that phone the agents straight, with nothing in between.
    fn without_a_gateway(calls: u64, ending: Ending) -> Outcome {
        let agent_port = free_port();
        let plan = Plan {
            calls: Some(calls),
            callers_max: 1,
            rate: 1_000.0,
            ending,
            audio: Audio::Both,
            ..Plan::new(
                SocketAddr::from((Ipv4Addr::LOCALHOST, agent_port)),
                "a7",
                agent_port,
            )
        };
        run(&plan).expect("the ports are free")
    }

    #[test]
    fn callers_who_hang_up_are_counted_and_heard() {
        let outcome = without_a_gateway(5, Ending::Caller(Duration::from_millis(100)));
        let counts = (
            outcome.calls,
            outcome.answered,
            outcome.agent_answered,
            outcome.failed(),
            outcome.left_over,
            outcome.ended_by_gateway,
        );
        assert_eq!(counts, (5, 5, 5, 0, 0, 0), "{outcome:?}");
        assert_eq!(outcome.heard, 10);
        assert!(outcome.window.frames_heard > 20);
    }

    #[test]
    fn agents_who_hang_up_show_how_fast_they_are_called_again() {
        let outcome = without_a_gateway(5, Ending::Agent(Duration::from_millis(20)));
        assert_eq!(
            (outcome.answered, outcome.failed(), outcome.left_over),
            (5, 0, 0),
            "{outcome:?}"
        );
        assert_eq!(outcome.window.dispatch.count(), 4);
    }
}
