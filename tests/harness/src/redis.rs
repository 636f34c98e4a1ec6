//! A real redis-server on a free port, holding nothing on disk.

use crate::place::{Folder, free_address};
use crate::process::Process;
use std::net::SocketAddr;
use std::process::Command;

/// How often another port is tried when somebody was faster.
const ATTEMPTS_MAX: u32 = 5;

/// A running redis-server.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    address: SocketAddr,
    folder: Folder,
}

impl Redis {
    /// Starts one on a free port and waits until it takes connections.
    pub fn start() -> Self {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(redis) = Self::try_start_at(free_address(), Folder::new()) {
                return redis;
            }
        }
        panic!("redis-server found no free port in {ATTEMPTS_MAX} attempts");
    }

    fn try_start_at(address: SocketAddr, folder: Folder) -> Option<Self> {
        let port = address.port().to_string();
        let mut command = Command::new("redis-server");
        command.current_dir(folder.path()).args([
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--daemonize",
            "no",
        ]);
        let process = Process::start("redis-server", &mut command);
        process.find_line(crate::PATIENCE, |line| {
            line.contains("Ready to accept connections")
        })?;
        Some(Self {
            process,
            address,
            folder,
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

    /// Kills it, as a crash would; connections break at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, empty, at the same address.
    pub fn restart(&mut self) {
        self.process.kill();
        let again = Self::try_start_at(self.address, Folder::new())
            .unwrap_or_else(|| panic!("redis-server cannot come back at {}", self.address));
        self.folder = again.folder;
        self.process = again.process;
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
}
