//! The real gateway: the built `ringdown`, a configuration file in a folder of its own, free ports.

use crate::PATIENCE;
use crate::http::Client;
use crate::place::Folder;
use crate::process::Process;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A running `ringdown serve`.
#[derive(Debug)]
pub struct Gateway {
    /// The program and what it printed.
    pub process: Process,
}

impl Gateway {
    /// Starts `program serve -c` with the configuration of this path, and does not wait.
    ///
    /// It gets as many descriptors as we may give, because a waiting call holds two sockets.
    pub fn start(program: &Path, configuration: &Path) -> Self {
        Self::start_within(
            "ulimit -n 65536 2>/dev/null || ulimit -n $(ulimit -H -n)",
            program,
            configuration,
        )
    }

    /// Starts it in a shell that set these limits first.
    pub fn start_within(limits: &str, program: &Path, configuration: &Path) -> Self {
        let folder = configuration
            .parent()
            .expect("a configuration lies in a folder");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{limits}; exec \"$@\""))
            .arg("ringdown")
            .arg(program);
        command
            .current_dir(folder)
            .arg("serve")
            .arg("-c")
            .arg(configuration);
        Self {
            process: Process::start("ringdown", &mut command),
        }
    }

    /// Waits until its `/readyz` says 200.
    pub fn must_be_ready(&mut self, operations: &Client) {
        let deadline = Instant::now() + PATIENCE;
        while !operations
            .try_send("GET", "/readyz", "", "")
            .is_ok_and(|answer| answer.status == 200)
        {
            let lives = self.process.is_running() && Instant::now() < deadline;
            assert!(
                lives,
                "ringdown did not become ready:\n{}",
                self.process.transcript()
            );
            // Any new line, or a moment, and ask again.
            let lines = self.process.transcript().lines().count();
            self.process.wait_for_more(lines, ASK_PAUSE);
        }
    }
}

/// Longest time between two questions whether it is ready.
const ASK_PAUSE: Duration = Duration::from_millis(20);

/// Runs `ringdown` with arguments to its end; gives exit status, standard output and standard error.
pub fn run(program: &Path, folder: &Folder, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(program)
        .current_dir(folder.path())
        .args(arguments)
        .output()
        .unwrap_or_else(|fault| panic!("{} cannot be started: {fault}", program.display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}
