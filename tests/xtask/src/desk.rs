//! The gateway that a run drives: built for release, with its configuration, or one that runs already.

use crate::run::{Order, Verdict};
use ringdown_harness::gateway::Gateway;
use ringdown_harness::http::Client;
use ringdown_harness::place::{Folder, repository};
use ringdown_harness::redis::Redis;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// Where the agents of the configuration are.
pub(crate) const AGENT_PORT: u16 = 15_080;

/// Where the configuration listens for SIP.
const GATEWAY: &str = "127.0.0.1:15060";

/// Where the configuration has its operations pages.
const OPERATIONS: &str = "127.0.0.1:15063";

/// A gateway to drive.
pub(crate) struct Desk {
    /// Where it listens for SIP.
    pub(crate) gateway: SocketAddr,
    /// Its process, when known.
    pub(crate) pid: Option<u32>,
    process: Option<Gateway>,
    _redis: Option<Redis>,
    _folder: Folder,
}

impl Desk {
    /// Starts one with so many agents, or takes the one the order names.
    pub(crate) fn open(order: &Order, agents: u64) -> Result<Self, String> {
        let folder = Folder::new();
        if let Some(gateway) = order.text("gateway") {
            let gateway = gateway
                .parse()
                .map_err(|fault| format!("--gateway {gateway}: {fault}"))?;
            let pid = order.text("pid").and_then(|pid| pid.parse().ok());
            return Ok(Self {
                gateway,
                pid,
                process: None,
                _redis: None,
                _folder: folder,
            });
        }
        let program = build()?;
        let redis = order.text("redis").map(|_| Redis::start());
        let mut text = configuration(agents)?;
        if let Some(redis) = &redis {
            let _ = write!(text, "\n[redis]\nurl = \"{}\"\n", redis.url());
        }
        let mut process = Gateway::start(&program, &folder.write("rig.toml", text));
        let operations = OPERATIONS
            .parse()
            .map_err(|fault| format!("{OPERATIONS}: {fault}"))?;
        process.must_be_ready(&Client {
            address: operations,
            token: String::new(),
        });
        let gateway = GATEWAY
            .parse()
            .map_err(|fault| format!("{GATEWAY}: {fault}"))?;
        Ok(Self {
            gateway,
            pid: Some(process.process.pid()),
            process: Some(process),
            _redis: redis,
            _folder: folder,
        })
    }

    /// Fails when the gateway did not live through the run.
    pub(crate) fn must_live(&mut self) -> Result<(), String> {
        let Some(gateway) = &mut self.process else {
            return Ok(());
        };
        if gateway.process.is_running() {
            return Ok(());
        }
        Err(format!(
            "the gateway ended during the run:\n{}",
            gateway.process.transcript()
        ))
    }
}

/// `fixtures/config/rig.toml` with agents a0 to a(N-1), who serve every line but `nobody`.
pub(crate) fn configuration(agents: u64) -> Result<String, String> {
    let path = repository().join("fixtures/config/rig.toml");
    let mut text =
        std::fs::read_to_string(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    for agent in 0..agents {
        let _ = write!(
            text,
            "\n[[agent]]\nid = \"a{agent}\"\nqueues = [\"music\", \"ringing\", \"silence\"]\ncontact = \"sip:a{agent}@127.0.0.1:{AGENT_PORT}\"\n"
        );
    }
    Ok(text)
}

/// Prints the configuration.
pub(crate) fn print(agents: u64) -> Result<Verdict, String> {
    std::io::stdout()
        .write_all(configuration(agents)?.as_bytes())
        .map_err(|fault| fault.to_string())?;
    Ok(Verdict::Good)
}

/// Runs the benchmarks of the signalling core.
pub(crate) fn bench_core() -> Result<Verdict, String> {
    let status = Command::new("cargo")
        .current_dir(repository())
        .args(["bench", "--package", "ringdown-voice"])
        .status();
    match status {
        Ok(status) if status.success() => Ok(Verdict::Good),
        Ok(_) => Ok(Verdict::No),
        Err(fault) => Err(format!("cargo cannot be started: {fault}")),
    }
}

/// Builds the gateway for release and gives its path, which is beside our own.
fn build() -> Result<PathBuf, String> {
    let status = Command::new("cargo")
        .current_dir(repository())
        .args(["build", "--quiet", "--release", "--bin", "ringdown"])
        .status();
    if !status
        .map_err(|fault| format!("cargo cannot be started: {fault}"))?
        .success()
    {
        return Err("the gateway does not build".to_owned());
    }
    let own = std::env::current_exe().map_err(|fault| fault.to_string())?;
    let program = own
        .parent()
        .map(|folder| folder.join("ringdown"))
        .filter(|path| path.exists());
    program.ok_or_else(|| format!("there is no ringdown beside {}", own.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_as_many_agents_as_wanted() {
        assert_eq!(configuration(3).unwrap().matches("[[agent]]").count(), 3);
    }
}
