//! SIPp as a caller or an agent, driven by a scenario of `fixtures/sipp`.

use crate::audio::Voice;
use crate::place::{Folder, repository};
use crate::process::Process;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// What SIPp's callers say, over and over.
pub const SPEECH: Voice = Voice::Numbered(b'S');

/// How many frames of it there are before it begins again.
pub const SPEECH_FRAMES: u32 = 500;

/// A running SIPp.
#[derive(Debug)]
pub struct Sipp {
    process: Process,
    folder: Folder,
    scenario: String,
}

/// How SIPp ended, in its own counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SippResult {
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
}

/// What SIPp is to do.
#[derive(Clone, Debug)]
pub struct SippOrder<'a> {
    /// A file of `fixtures/sipp`, without its ending.
    pub scenario: &'a str,
    /// The gateway; `None` for a scenario that waits to be called.
    pub remote: Option<SocketAddr>,
    /// The number to call; the user part of `[service]`.
    pub number: &'a str,
    /// Own port for SIP, 0 for any.
    pub port: u16,
    /// Calls after which it ends; `None` goes on until it is killed.
    pub calls: Option<u32>,
    /// Calls started in a second.
    pub rate: u32,
    /// Length of `<pause/>` in milliseconds.
    pub pause_ms: u32,
    /// Further arguments.
    pub more: &'a [&'a str],
}

impl<'a> SippOrder<'a> {
    /// One call to a number.
    pub fn caller(scenario: &'a str, remote: SocketAddr, number: &'a str) -> Self {
        Self {
            scenario,
            remote: Some(remote),
            number,
            port: 0,
            calls: Some(1),
            rate: 10,
            pause_ms: 200,
            more: &[],
        }
    }

    /// An agent that waits to be called at a port, for as long as it lives.
    pub fn agent(scenario: &'a str, port: u16) -> Self {
        Self {
            scenario,
            remote: None,
            number: "agent",
            port,
            calls: None,
            rate: 10,
            pause_ms: 200,
            more: &[],
        }
    }
}

impl Sipp {
    /// Starts SIPp in a folder of its own, with its errors traced there.
    pub fn start(order: &SippOrder<'_>) -> Self {
        let folder = Folder::new();
        folder.write(
            "talk.ulaw",
            (0..SPEECH_FRAMES)
                .flat_map(|number| SPEECH.frame(number))
                .collect::<Vec<u8>>(),
        );
        let scenario = repository()
            .join("fixtures/sipp")
            .join(format!("{}.xml", order.scenario));
        let mut command = Command::new("sipp");
        command.current_dir(folder.path());
        if let Some(remote) = order.remote {
            command.arg(remote.to_string());
        }
        command.arg("-sf").arg(scenario).args([
            "-s",
            order.number,
            "-i",
            "127.0.0.1",
            "-mi",
            "127.0.0.1",
            "-nostdin",
        ]);
        command.args([
            "-trace_err",
            "-error_file",
            "errors.log",
            "-trace_stat",
            "-stf",
            "statistics.csv",
            "-fd",
            "1",
        ]);
        command.args([
            "-r",
            &order.rate.to_string(),
            "-d",
            &order.pause_ms.to_string(),
            "-timeout",
            "120s",
            "-timeout_error",
        ]);
        if order.port != 0 {
            command.args(["-p", &order.port.to_string()]);
        }
        if let Some(calls) = order.calls {
            command.args(["-m", &calls.to_string()]);
        }
        command.args(order.more);
        Self {
            process: Process::start("sipp", &mut command),
            folder,
            scenario: order.scenario.to_owned(),
        }
    }

    /// Waits until it has made its calls; gives its counts.
    pub fn wait(&mut self, patience: Duration) -> SippResult {
        let status = self.process.wait_for_end(patience);
        // SIPp: 0 all calls were successful, 1 at least one failed, 97 stopped by order, 99 ended without calls.
        assert!(
            matches!(status.code(), Some(0 | 1)),
            "sipp {} ended with {status}:\n{}",
            self.scenario,
            self.errors()
        );
        self.counts()
    }

    /// Waits until it has made its calls; fails unless every one went as the scenario says.
    pub fn must_succeed(&mut self, patience: Duration) -> SippResult {
        let result = self.wait(patience);
        assert!(
            result.failed == 0 && result.successful > 0,
            "sipp {}: {result:?}\n{}",
            self.scenario,
            self.errors()
        );
        result
    }

    /// What it wrote down as unexpected.
    pub fn errors(&self) -> String {
        let traced =
            std::fs::read_to_string(self.folder.path().join("errors.log")).unwrap_or_default();
        let said = self.process.transcript();
        let tail: Vec<&str> = said.lines().rev().take(30).collect();
        format!(
            "{traced}\n{}",
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }

    /// The counts of the last line of its statistics.
    fn counts(&self) -> SippResult {
        let text =
            std::fs::read_to_string(self.folder.path().join("statistics.csv")).unwrap_or_default();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or("").split(';').collect();
        let values: Vec<&str> = lines.next_back().unwrap_or("").split(';').collect();
        let count = |name: &str| {
            let at = names.iter().position(|it| *it == name);
            at.and_then(|at| values.get(at)?.parse().ok())
                .unwrap_or_else(|| panic!("sipp has no {name}:\n{text}\n{}", self.errors()))
        };
        SippResult {
            successful: count("SuccessfulCall(C)"),
            failed: count("FailedCall(C)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PATIENCE;
    use crate::phone::Phone;
    use crate::place::{free_address, free_port};

    fn plays_against(caller: &str, agent: &str) {
        let address = free_address();
        let _agent = Sipp::start(&SippOrder::agent(agent, address.port()));
        let order = SippOrder {
            calls: Some(3),
            port: free_port(),
            ..SippOrder::caller(caller, address, "100")
        };
        assert_eq!(
            Sipp::start(&order).must_succeed(PATIENCE),
            SippResult {
                successful: 3,
                failed: 0
            }
        );
    }

    #[test]
    fn the_scenarios_of_callers_and_agents_fit_each_other() {
        plays_against("caller_talks", "agent_answers");
        plays_against("caller_short", "agent_answers");
        plays_against("caller_is_hung_up", "agent_hangs_up");
        plays_against("caller_cancels_ringing", "agent_never_answers");
    }

    #[test]
    fn a_refused_caller_of_sipp_counts_as_failed() {
        let address = free_address();
        let _agent = Sipp::start(&SippOrder::agent("agent_declines", address.port()));
        let result = Sipp::start(&SippOrder {
            port: free_port(),
            ..SippOrder::caller("caller_talks", address, "100")
        })
        .wait(PATIENCE);
        assert_eq!(
            result,
            SippResult {
                successful: 0,
                failed: 1
            }
        );
    }

    #[test]
    fn a_caller_of_sipp_is_heard_byte_for_byte() {
        let mut phone = Phone::new("agent", free_address());
        let order = SippOrder {
            port: free_port(),
            ..SippOrder::caller(
                "caller_is_hung_up",
                ([127, 0, 0, 1], phone.port()).into(),
                "100",
            )
        };
        let mut sipp = Sipp::start(&order);
        let mut call = phone.must_ring();
        phone.answer(&call);
        call.audio.must_hear(SPEECH, 20, PATIENCE);
        phone.hang_up(&mut call);
        sipp.must_succeed(PATIENCE);
    }
}
