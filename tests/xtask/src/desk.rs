//! The gateway that a run drives: built for release, with its configuration, or one that runs already.

use crate::run::{Order, Verdict};
use ringdown_harness::gateway::Gateway;
use ringdown_harness::http::Client;
use ringdown_harness::place::{Folder, repository};
use ringdown_harness::redis::Redis;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;

/// Where the configuration listens for SIP, has its web pages and its operations pages, and where its
/// agents are. A gateway that we start gets four others that are free, in the same order.
const PORTS: [u16; 4] = [15_060, 15_062, 15_063, 15_080];

/// Where free ports are looked for: below the RTP ports of the configuration.
const PORTS_FREE: std::ops::Range<u16> = 11_000..15_000;

/// A gateway to drive.
pub(crate) struct Desk {
    /// Where it listens for SIP.
    pub(crate) gateway: SocketAddr,
    /// Where its agents are.
    pub(crate) agent_port: u16,
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
                agent_port: PORTS[3],
                pid,
                process: None,
                _redis: None,
                _folder: folder,
            });
        }
        let program = build()?;
        let redis = order.text("redis").map(|_| Redis::start());
        let ports = free_ports()?;
        let mut text = configuration(agents)?;
        for (fixed, free) in PORTS.iter().zip(ports) {
            text = text.replace(&format!("127.0.0.1:{fixed}"), &format!("127.0.0.1:{free}"));
        }
        if let Some(redis) = &redis {
            let _ = write!(text, "\n[redis]\nurl = \"{}\"\n", redis.url());
        }
        let mut process = Gateway::start(&program, &folder.write("rig.toml", text));
        let [sip, _, operations, agent_port] = ports;
        process.must_be_ready(&Client {
            address: at(operations),
            token: String::new(),
        });
        Ok(Self {
            gateway: at(sip),
            agent_port,
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
            "\n[[agent]]\nid = \"a{agent}\"\nqueues = [\"music\", \"ringing\", \"silence\"]\ncontact = \"sip:a{agent}@127.0.0.1:{}\"\n",
            PORTS[3]
        );
    }
    Ok(text)
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Four ports in a row that are free for UDP and TCP at this moment.
fn free_ports() -> Result<[u16; 4], String> {
    let is_free =
        |port: u16| UdpSocket::bind(at(port)).is_ok() && TcpListener::bind(at(port)).is_ok();
    PORTS_FREE
        .step_by(4)
        .map(|first| [first, first + 1, first + 2, first + 3])
        .find(|ports| ports.iter().all(|port| is_free(*port)))
        .ok_or_else(|| format!("no four ports of {PORTS_FREE:?} are free"))
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
pub(crate) fn build() -> Result<PathBuf, String> {
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
