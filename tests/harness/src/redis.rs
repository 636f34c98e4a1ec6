//! Real redis-servers on free ports: one alone, a master with a replica and a Sentinel, a Cluster.

mod certificates;
mod cluster;
mod sentinel;

pub use certificates::Certificates;
pub use cluster::Cluster;
pub use sentinel::Watched;

use crate::place::{Folder, free_address};
use crate::process::Process;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often another port is tried when somebody was faster.
const ATTEMPTS_MAX: u32 = 5;

/// Longest that a replica may take for what it was sent; it tells how far it is once a second.
const COPY_PATIENCE: Duration = Duration::from_secs(20);

/// A running redis-server.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    address: SocketAddr,
    folder: Folder,
    settings: Vec<String>,
}

impl Redis {
    /// Starts one on a free port that keeps nothing on disk, and waits until it takes connections.
    pub fn start() -> Self {
        Self::start_with("--appendonly no")
    }

    /// Starts one that writes everything down before it answers.
    pub fn start_keeping() -> Self {
        Self::start_with("--appendonly yes --appendfsync always")
    }

    /// Starts one with further settings, as its command line has them.
    pub fn start_with(settings: &str) -> Self {
        Self::start_on(|port| format!("--port {port} {settings}"))
    }

    /// Starts one that speaks TLS only, asks for a certificate, and knows the user `desk` by the password
    /// `secret`.
    pub fn start_with_tls(certificates: &Certificates) -> Self {
        let [certificate, key] = certificates.server().map(|path| path.display().to_string());
        let authority = certificates.authority().display().to_string();
        Self::start_on(|port| {
            format!(
                "--appendonly no --port 0 --tls-port {port} --tls-cert-file {certificate} \
                 --tls-key-file {key} --tls-ca-cert-file {authority} \
                 --user desk on >secret ~* &* +@all --user default off"
            )
        })
    }

    fn start_on(settings: impl Fn(u16) -> String) -> Self {
        for _ in 0..ATTEMPTS_MAX {
            let address = free_address();
            let settings = settings(address.port());
            if let Some(redis) = Self::try_start_at(address, Folder::new(), &settings) {
                return redis;
            }
        }
        panic!("redis-server found no free port in {ATTEMPTS_MAX} attempts");
    }

    fn try_start_at(address: SocketAddr, folder: Folder, settings: &str) -> Option<Self> {
        let settings: Vec<String> = settings.split(' ').map(str::to_owned).collect();
        Some(Self {
            process: launch(&folder, &settings)?,
            address,
            folder,
            settings,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as configuration writes it.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Asks it something by redis-cli and gives what that prints.
    pub fn ask(&self, question: &str) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.address.port().to_string()])
            .args(question.split(' '))
            .output()
            .unwrap_or_else(|fault| panic!("redis-cli cannot be started: {fault}"));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until a replica has all that was written to this server so far. `WAIT` would not do: it tells
    /// only of what its own connection wrote.
    pub fn must_be_copied(&self) {
        let number = |text: &str, key: &str| {
            let (_, rest) = text.split_once(key)?;
            let end = rest.find(|c: char| !c.is_ascii_digit());
            rest[..end.unwrap_or(rest.len())].parse::<u64>().ok()
        };
        let look = || self.ask("info replication");
        let written = number(&look(), "master_repl_offset:").expect("a server tells its offset");
        let deadline = Instant::now() + COPY_PATIENCE;
        while number(&look(), ",offset=").is_none_or(|copied| copied < written) {
            assert!(Instant::now() < deadline, "no replica has it all in time");
        }
    }

    /// Kills it, as a crash would; connections break at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address, empty.
    pub fn restart(&mut self) {
        self.process.kill();
        self.folder = Folder::new();
        self.restart_with_data();
    }

    /// Starts it again at the same address, with what it had on disk.
    pub fn restart_with_data(&mut self) {
        self.process.kill();
        self.process = launch(&self.folder, &self.settings)
            .unwrap_or_else(|| panic!("redis-server cannot come back at {}", self.address));
    }

    /// Stops it in its tracks: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on after [`Redis::freeze`].
    pub fn thaw(&self) {
        self.process.signal("CONT");
    }
}

fn launch(folder: &Folder, settings: &[String]) -> Option<Process> {
    let mut command = Command::new("redis-server");
    command
        .current_dir(folder.path())
        .args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
        .args(settings);
    let process = Process::start("redis-server", &mut command);
    process.find_line(crate::PATIENCE, |line| {
        line.to_lowercase().contains("ready to accept connections")
    })?;
    Some(process)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn answers(redis: &Redis) -> bool {
        let Ok(mut stream) = TcpStream::connect(redis.address()) else {
            return false;
        };
        let mut pong = [0; 7];
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut pong).is_ok()
            && &pong == b"+PONG\r\n"
    }

    #[test]
    fn it_answers_dies_and_comes_back_at_the_same_address() {
        let mut redis = Redis::start();
        assert!(answers(&redis));
        redis.kill();
        assert!(!answers(&redis));
        redis.restart();
        assert!(answers(&redis));
    }

    #[test]
    fn what_it_was_told_survives_a_restart_only_when_it_keeps_it() {
        let mut keeping = Redis::start_keeping();
        assert_eq!(keeping.ask("set it here"), "OK");
        keeping.kill();
        keeping.restart_with_data();
        assert_eq!(keeping.ask("get it"), "here");
        keeping.restart();
        assert_eq!(keeping.ask("get it"), "");
    }
}
