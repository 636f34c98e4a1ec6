//! One program that a test started: its lines are read as they come, and it ends with its value.

use crate::PATIENCE;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most lines kept of one program; later ones are dropped.
const LINES_MAX: usize = 20_000;

/// A running program with its output.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Output>,
}

#[derive(Debug, Default)]
struct Output {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    /// Streams that are still open.
    open: usize,
}

impl Process {
    /// Starts a program with its three streams piped.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|fault| panic!("{name} cannot be started ({command:?}): {fault}"));
        let output = Arc::new(Output::default());
        output
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open = 2;
        read_lines(
            child.stdout.take().expect("stdout is piped"),
            Arc::clone(&output),
        );
        read_lines(
            child.stderr.take().expect("stderr is piped"),
            Arc::clone(&output),
        );
        let stdin = child.stdin.take();
        Self {
            name: name.to_owned(),
            child,
            stdin,
            output,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input.
    pub fn type_in(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is still open");
        stdin
            .write_all(text.as_bytes())
            .and_then(|()| stdin.flush())
            .unwrap_or_else(|fault| panic!("{} does not read: {fault}", self.name));
    }

    /// Waits until a line that it printed satisfies `is_wanted`, and gives that line.
    pub fn wait_for_line(&self, what: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        match self.find_line(PATIENCE, &is_wanted) {
            Some(line) => line,
            None => panic!(
                "{} did not say {what}; it said:\n{}",
                self.name,
                self.transcript()
            ),
        }
    }

    /// Waits until it has said more than so many lines, or the time is over.
    pub fn wait_for_more(&self, lines: usize, patience: Duration) {
        let said = self
            .output
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if said.lines.len() <= lines {
            drop(self.output.changed.wait_timeout(said, patience));
        }
    }

    /// The first line that satisfies `is_wanted`, as soon as it is there; `None` when the program fell
    /// silent for good or the time is over.
    pub fn find_line(
        &self,
        patience: Duration,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let deadline = Instant::now() + patience;
        let mut seen = 0;
        let mut said = self
            .output
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = said
                .lines
                .get(seen..)
                .unwrap_or_default()
                .iter()
                .find(|line| is_wanted(line))
            {
                return Some(line.clone());
            }
            seen = said.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if said.open == 0 || left.is_zero() {
                return None;
            }
            said = self
                .output
                .changed
                .wait_timeout(said, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Everything it printed so far.
    pub fn transcript(&self) -> String {
        self.output
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lines
            .join("\n")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself; fails when it does not within `patience`.
    pub fn wait_for_end(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        let mut said = self
            .output
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while said.open > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let lines = said.lines.join("\n");
                drop(said);
                panic!(
                    "{} did not end within {patience:?}; it said:\n{lines}",
                    self.name
                );
            }
            said = self
                .output
                .changed
                .wait_timeout(said, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(said);
        self.child
            .wait()
            .unwrap_or_else(|fault| panic!("{} cannot be waited for: {fault}", self.name))
    }

    /// Ends it at once, as a crash would (SIGKILL), and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub fn ask_to_end(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_end(PATIENCE)
    }

    /// Sends it a signal by name (`TERM`, `STOP`, `CONT`).
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{} (process {pid}) cannot be signalled",
            self.name
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_lines(stream: impl Read + Send + 'static, output: Arc<Output>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            let mut said = output.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.lines.len() < LINES_MAX {
                said.lines.push(line);
            }
            output.changed.notify_all();
        }
        output
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open -= 1;
        output.changed.notify_all();
    });
}
