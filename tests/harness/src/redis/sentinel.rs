//! A master, its replica, and a Sentinel that puts the replica in the master's place when it must.

use super::Redis;
use crate::PATIENCE;
use crate::place::{Folder, free_address};
use crate::process::Process;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// A master whose place a replica takes when it is silent for half a second.
#[derive(Debug)]
pub struct Watched {
    /// The master at the start.
    pub master: Redis,
    /// Its replica, which has all that it has.
    pub replica: Redis,
    sentinel: Process,
    address: SocketAddr,
    _folder: Folder,
}

/// The name by which the Sentinel knows the master.
const MASTER: &str = "desk";

impl Watched {
    /// Starts the three and waits until the replica follows and the Sentinel knows it.
    pub fn start() -> Self {
        let master = Redis::start();
        let port = master.address().port();
        let replica = Redis::start_with(&format!(
            "--appendonly no --repl-diskless-sync-delay 0 --replicaof 127.0.0.1 {port}"
        ));
        let (address, folder) = (free_address(), Folder::new());
        let settings = format!(
            "port {}\nbind 127.0.0.1\nsentinel monitor {MASTER} 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 3000\n",
            address.port()
        );
        let file = folder.write("sentinel.conf", settings);
        let mut command = Command::new("redis-server");
        command
            .current_dir(folder.path())
            .arg(file)
            .arg("--sentinel");
        let sentinel = Process::start("redis-sentinel", &mut command);
        sentinel.wait_for_line("that it knows the replica", |line| {
            line.contains("+slave slave")
        });
        let watched = Self {
            master,
            replica,
            sentinel,
            address,
            _folder: folder,
        };
        watched.wait_until("the replica follows", || {
            watched
                .replica
                .ask("info replication")
                .contains("master_link_status:up")
        });
        watched
    }

    /// `[redis]` as configuration writes it.
    pub fn section(&self) -> String {
        format!(
            "[redis]\nsentinels = [\"{}\"]\nmaster = \"{MASTER}\"\n",
            self.address
        )
    }

    /// The Sentinel's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The master's name.
    pub fn master_name(&self) -> &'static str {
        MASTER
    }

    /// Waits until the replica has the master's place.
    pub fn must_fail_over(&self) {
        self.sentinel
            .wait_for_line("that it has changed masters", |line| {
                line.contains("+switch-master")
            });
    }

    /// Cuts the replica off, so that it misses what the master is told from now on; it goes on with
    /// [`Redis::thaw`].
    pub fn cut_off_the_replica(&self) {
        // While it is frozen it cannot come back, and nothing waits for it in a socket.
        self.replica.freeze();
        self.master.ask("client kill type replica");
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let lines = self.sentinel.transcript().lines().count();
            assert!(Instant::now() < deadline, "not in time: {what}");
            self.sentinel
                .wait_for_more(lines, Duration::from_millis(20));
        }
    }
}
