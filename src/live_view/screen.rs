//! Puts frames on a terminal, and plain lines where there is none.

use super::frame::{Frame, told};
use crate::report::period;
use jiff::tz::TimeZone;
use ringdown_routing::event::Event;
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};

/// Most events remembered for the screen.
const EVENTS_MAX: usize = 100;

/// Size when the terminal tells none.
const SIZE_USUAL: (usize, usize) = (100, 40);

/// Where the desk is shown.
#[derive(Debug)]
pub struct Screen {
    zone: TimeZone,
    events: VecDeque<String>,
    kind: Kind,
    size: (usize, usize),
    drawn: u32,
}

/// A terminal is asked for its size once in so many frames.
const FRAMES_PER_SIZE: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A terminal that is drawn over and over.
    Terminal,
    /// A pipe or file: one line an event.
    Lines,
}

impl Screen {
    /// Takes stdout: a terminal is drawn on, anything else gets plain lines.
    pub fn on_stdout(zone: TimeZone) -> io::Result<Self> {
        let kind = if io::stdout().is_terminal() {
            Kind::Terminal
        } else {
            Kind::Lines
        };
        if kind == Kind::Terminal {
            // Alternate screen and no cursor (xterm control sequences, DECSET 1049 and 25).
            write_out("\x1b[?1049h\x1b[?25l")?;
        }
        Ok(Self {
            zone,
            events: VecDeque::new(),
            kind,
            size: SIZE_USUAL,
            drawn: 0,
        })
    }

    /// Whether frames are seen; with plain lines there is no use in making them.
    pub fn wants_frames(&self) -> bool {
        self.kind == Kind::Terminal
    }

    /// Takes an event: remembered for the next frame, or told in a line at once.
    pub fn tell(&mut self, event: &Event) -> io::Result<()> {
        let local = period::local(event.at, &self.zone);
        let clock = local.get(11..19).unwrap_or("");
        let line = told(event, clock);
        match self.kind {
            Kind::Lines => write_out(&format!("{line}\n")),
            Kind::Terminal => {
                self.events.push_back(line);
                if self.events.len() > EVENTS_MAX {
                    self.events.pop_front();
                }
                Ok(())
            }
        }
    }

    /// Draws a frame with the remembered events.
    pub fn draw(&mut self, mut frame: Frame) -> io::Result<()> {
        if self.kind == Kind::Lines {
            return Ok(());
        }
        frame.events = self.events.iter().cloned().collect();
        if self.drawn.is_multiple_of(FRAMES_PER_SIZE) {
            self.size = size();
        }
        self.drawn = self.drawn.wrapping_add(1);
        let (width, height) = self.size;
        // Home, then every line over what stood there, then clear below: nothing flickers.
        let mut text = String::from("\x1b[H");
        for line in frame.lines(width, height.saturating_sub(1)) {
            text.push_str(&line);
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        write_out(&text)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.kind == Kind::Terminal {
            // A terminal that is gone needs no repair.
            let _ = write_out("\x1b[?25h\x1b[?1049l");
        }
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Columns and lines: asked of the terminal by `stty`, as it may change while we draw.
fn size() -> (usize, usize) {
    let told = std::process::Command::new("stty")
        .arg("size")
        .stdin(std::process::Stdio::inherit())
        .stderr(std::process::Stdio::null())
        .output();
    let text = told
        .ok()
        .filter(|output| output.status.success())
        .map(|output| output.stdout)
        .unwrap_or_default();
    parse_size(&String::from_utf8_lossy(&text)).unwrap_or(SIZE_USUAL)
}

/// `stty size` tells lines, then columns.
fn parse_size(text: &str) -> Option<(usize, usize)> {
    let (height, width) = text.trim().split_once(' ')?;
    let (height, width) = (height.parse().ok()?, width.parse().ok()?);
    (height > 0 && width > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_read_as_stty_tells_it() {
        assert_eq!(parse_size("40 120\n"), Some((120, 40)));
        assert_eq!(parse_size("0 0\n"), None);
        assert_eq!(parse_size(""), None);
    }
}
