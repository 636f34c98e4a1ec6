//! A real PostgreSQL on a free port, with a cluster of its own.

use crate::place::{Folder, free_address};
use crate::process::Process;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How often another port is tried when somebody was faster.
const ATTEMPTS_MAX: u32 = 5;

/// A running PostgreSQL server with an empty database `ringdown` and a user `ringdown` who needs no password.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    address: SocketAddr,
    _folder: Folder,
}

impl Postgres {
    /// Makes a cluster and starts it; as root it runs as the user `postgres`, because it refuses to run as root.
    pub fn start() -> Self {
        let folder = Folder::new();
        let data = folder.path().join("data");
        let programs = programs();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        run(as_nobody_special(&programs.join("initdb"))
            .current_dir(folder.path())
            .args([
                "-A",
                "trust",
                "-U",
                "ringdown",
                "-E",
                "UTF8",
                "--no-sync",
                "-D",
            ])
            .arg(&data));
        for _ in 0..ATTEMPTS_MAX {
            let address = free_address();
            let mut command = as_nobody_special(&programs.join("postgres"));
            command
                .current_dir(folder.path())
                .arg("-D")
                .arg(&data)
                .args(["-p", &address.port().to_string()]);
            command.args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                "fsync=off",
                "-c",
                "logging_collector=off",
            ]);
            let process = Process::start("postgres", &mut command);
            if process
                .find_line(crate::PATIENCE, |line| {
                    line.contains("ready to accept connections")
                })
                .is_none()
            {
                continue;
            }
            run(Command::new(programs.join("createdb")).args([
                "-h",
                "127.0.0.1",
                "-U",
                "ringdown",
                "-p",
                &address.port().to_string(),
                "ringdown",
            ]));
            return Self {
                process,
                address,
                _folder: folder,
            };
        }
        panic!("postgres found no free port in {ATTEMPTS_MAX} attempts");
    }

    /// Holds a table so that nobody else can even read it, until the value is dropped.
    pub fn hold_table(&self, table: &str) -> Process {
        let mut command = Command::new(programs().join("psql"));
        command.args([&self.url(), "-At"]);
        let mut process = Process::start("psql", &mut command);
        process.type_in(&format!(
            "BEGIN;\nLOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;\nSELECT 'held';\n"
        ));
        process.wait_for_line("that it holds the table", |line| line == "held");
        process
    }

    /// Ends the sessions that have this name, as a network that breaks does.
    pub fn end_sessions(&self, application: &str) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{application}'"
        );
        run(Command::new(programs().join("psql")).args([&self.url(), "-Atc", &sql]));
    }

    /// Its address as configuration writes it.
    pub fn url(&self) -> String {
        format!("postgres://ringdown@{}/ringdown", self.address)
    }
}

impl Drop for Postgres {
    /// Shuts it down in order (SIGINT), so that it takes its shared memory with it.
    fn drop(&mut self) {
        self.process.signal("INT");
        let _ = self.process.find_line(crate::PATIENCE, |_| false);
    }
}

/// The folder of Debian's newest PostgreSQL, or the first in PATH.
fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| {
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.path().join("bin"))
                .filter(|path| path.join("postgres").exists())
                .collect()
        })
        .unwrap_or_default();
    versions.sort();
    versions.pop().unwrap_or_default()
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

fn as_nobody_special(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|fault| panic!("{command:?} cannot be started: {fault}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_an_empty_database_without_a_password() {
        let postgres = Postgres::start();
        let output = Command::new(programs().join("psql"))
            .args([&postgres.url(), "-Atc", "select current_database()"])
            .output()
            .expect("psql runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ringdown\n");
    }
}
