//! What came of a run.

use crate::measure::Spread;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What stands in [`Outcome::failures`] for an INVITE that nobody answered.
pub const NO_ANSWER: &str = "no answer";

/// Counts of a whole run and measures of its window.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Calls started.
    pub calls: u64,
    /// Calls answered.
    pub answered: u64,
    /// Calls that ended otherwise, by the status and reason they were told; [`NO_ANSWER`] for none.
    pub failures: BTreeMap<String, u64>,
    /// Messages of ours that had to be sent again.
    pub retransmissions: u64,
    /// INVITEs that agents got.
    pub agent_calls: u64,
    /// Agents' calls that began to ring and were cancelled.
    pub agent_cancels: u64,
    /// Agents' calls that were acknowledged.
    pub agent_answered: u64,
    /// Calls that the gateway ended although nobody hung up on the other side of it in this run's plan.
    pub ended_by_gateway: u64,
    /// Callers that heard somebody of this run, and agents likewise.
    pub heard: u64,
    /// Legs that heard more than one other leg: crossed lines.
    pub crossed: u64,
    /// Legs that still lived when the run gave up waiting for them.
    pub left_over: u64,
    /// What the window showed.
    pub window: Window,
}

/// Measures of the window.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Its length.
    pub length: Duration,
    /// Calls answered in it.
    pub answered: u64,
    /// Calls failed in it.
    pub failed: u64,
    /// Calls started in it.
    pub calls: u64,
    /// Callers on the line when it began.
    pub callers_at_start: usize,
    /// Agents in a call when it began.
    pub agents_at_start: usize,
    /// The gateway's processor time in it, in seconds.
    pub gateway_s: f64,
    /// Ours.
    pub generator_s: f64,
    /// Everybody else's.
    pub others_s: f64,
    /// The gateway's memory before the run and at the window's start, in kB.
    pub resident_kb: (u64, u64),
    /// INVITE to 200 at the caller.
    pub invite_to_answer: Spread,
    /// An agent's hang-up to its next INVITE.
    pub dispatch: Spread,
    /// Sent to heard, per frame.
    pub one_way: Spread,
    /// Frames sent.
    pub frames_sent: u64,
    /// Frames heard.
    pub frames_heard: u64,
    /// Frames heard that were not of this run: music, prompts.
    pub frames_foreign: u64,
    /// Times the generator itself was more than 5 ms late with its audio.
    pub late: u64,
}

impl Outcome {
    /// Calls that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Everything, as one JSON object.
    pub fn to_json(&self) -> Value {
        let window = &self.window;
        json!({
            "calls": self.calls, "answered": self.answered, "failures": self.failures, "retransmissions": self.retransmissions,
            "agent_calls": self.agent_calls, "agent_answered": self.agent_answered, "agent_cancels": self.agent_cancels,
            "ended_by_gateway": self.ended_by_gateway, "heard": self.heard, "crossed": self.crossed, "left_over": self.left_over,
            "window": {
                "length_s": window.length.as_secs_f64(), "calls": window.calls, "answered": window.answered, "failed": window.failed,
                "callers_at_start": window.callers_at_start, "agents_at_start": window.agents_at_start,
                "gateway_cpu_s": window.gateway_s, "generator_cpu_s": window.generator_s, "others_cpu_s": window.others_s,
                "resident_kb_before": window.resident_kb.0, "resident_kb": window.resident_kb.1,
                "invite_to_answer_ms": window.invite_to_answer.to_json(), "dispatch_ms": window.dispatch.to_json(), "one_way_ms": window.one_way.to_json(),
                "frames_sent": window.frames_sent, "frames_heard": window.frames_heard, "frames_foreign": window.frames_foreign, "late": window.late,
            },
        })
    }
}
