//! How far long work is: a line on a terminal, nothing in a pipe.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is drawn anew.
const PAUSE: Duration = Duration::from_millis(200);

/// A line on stderr that is drawn over and over while work goes on, if stderr is a terminal.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    drawn: Option<Instant>,
    count: u64,
    is_shown: bool,
}

impl Progress {
    /// Begins; `what` is counted (`events`).
    pub fn begin(what: &'static str) -> Self {
        Self {
            what,
            drawn: None,
            count: 0,
            is_shown: std::io::stderr().is_terminal(),
        }
    }

    /// One more is done.
    pub fn step(&mut self) {
        self.count += 1;
        if self.is_shown && self.count.is_multiple_of(1_024) {
            self.draw();
        }
    }

    /// Takes the line away.
    pub fn end(self) {
        if self.drawn.is_some() {
            // With stderr gone there is nobody left to tell.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    fn draw(&mut self) {
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
            return;
        }
        self.drawn = Some(Instant::now());
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "\r\x1b[K{} {}", self.count, self.what);
        let _ = stderr.flush();
    }
}
