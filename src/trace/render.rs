//! Draws a contact for a terminal: caller, gateway and agent as columns, messages as arrows, events
//! between them, and the pauses in which nothing happened.

use super::{Body, Direction, Entry, Leg, Message, SipTrace};
use crate::report::period;
use jiff::tz::TimeZone;
use ringdown_routing::event::{Event, EventKind};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Width of the space between two columns.
const LANE: usize = 30;

/// A pause longer than this is shown as a line of its own.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'a> {
    /// The contact's events, in any order.
    pub events: &'a [Event],
    /// Its messages; `None` when none were kept.
    pub trace: Option<&'a SipTrace>,
    /// The desk's zone.
    pub zone: &'a TimeZone,
}

/// Draws events and messages in the order in which they happened.
pub fn draw(drawing: &Drawing<'_>) -> String {
    let mut lines = lines_of(drawing);
    lines.sort_by_key(|line| (line.at, line.place));
    let mut text = String::new();
    let Some(first) = lines.first() else {
        return text;
    };
    let begun = first.at;
    let _ = writeln!(text, "{}", period::local(begun, drawing.zone));
    if let Some(trace) = drawing.trace {
        for (leg, call_id) in &trace.call_ids {
            let _ = writeln!(text, "Call-ID {}: {}", name(*leg), printable(call_id));
        }
    }
    let _ = writeln!(text, "\n{:>10}  {}", "seconds", heading());
    let mut last = begun;
    for line in &lines {
        let pause = line.at.since(last);
        if pause >= PAUSE_MIN {
            let _ = writeln!(
                text,
                "{:>10}  {}",
                "",
                lanes(&format!("... {:.1} s ...", pause.as_secs_f64()))
            );
        }
        last = line.at;
        let _ = writeln!(
            text,
            "{:>10.3}  {}",
            line.at.since(begun).as_secs_f64(),
            line.text.trim_end()
        );
    }
    match drawing.trace {
        None => text.push_str("\nNo SIP messages were kept for this contact.\n"),
        Some(trace) if trace.left_out > 0 => {
            let _ = writeln!(
                text,
                "\n{} messages in the middle were not kept.",
                trace.left_out
            );
        }
        Some(_) => {}
    }
    text
}

struct Line {
    at: Timestamp,
    place: (u8, usize),
    text: String,
}

fn lines_of(drawing: &Drawing<'_>) -> Vec<Line> {
    let events = drawing
        .events
        .iter()
        .enumerate()
        .map(|(place, event)| Line {
            at: event.at,
            place: (1, place),
            text: format!("* {}", told(event)),
        });
    let mut lines: Vec<Line> = events.collect();
    if let Some(trace) = drawing.trace {
        let mut seen = BTreeSet::new();
        for (place, entry) in trace.entries.iter().enumerate() {
            lines.push(Line {
                at: trace.at + Duration::from_millis(entry.after_ms.into()),
                place: (0, place),
                text: arrow(entry, is_again(entry, &mut seen)),
            });
        }
    }
    lines
}

/// Whether the same message of the same leg went the same way before: a retransmission.
fn is_again(entry: &Entry, seen: &mut BTreeSet<(Leg, bool, String, u16, u32)>) -> bool {
    let (direction, method, status, cseq) = match &entry.message {
        Message::Request {
            direction,
            method,
            cseq,
            ..
        } => (direction, method, 0, *cseq),
        Message::Response {
            direction,
            method,
            status,
            cseq,
            ..
        } => (direction, method, *status, *cseq),
        Message::Note { .. } => return false,
    };
    !seen.insert((
        entry.leg,
        *direction == Direction::Out,
        method.to_string(),
        status,
        cseq,
    ))
}

fn arrow(entry: &Entry, again: bool) -> String {
    let (direction, mut label) = match &entry.message {
        Message::Request {
            direction,
            method,
            body,
            ..
        } => (
            *direction,
            format!("{}{}", printable(method), carried(*body)),
        ),
        Message::Response {
            direction,
            status,
            method,
            body,
            ..
        } => (
            *direction,
            format!(
                "{status} {} ({}){}",
                phrase(*status),
                printable(method),
                carried(*body)
            ),
        ),
        Message::Note { text } => return format!("! {}: {}", name(entry.leg), printable(text)),
    };
    if again {
        label.push_str(" again");
    }
    let is_rightward = match (entry.leg, direction) {
        (Leg::Caller, Direction::In) | (Leg::Agent(_), Direction::Out) => true,
        (Leg::Caller, Direction::Out) | (Leg::Agent(_), Direction::In) => false,
    };
    let shaft = shaft(&label, is_rightward);
    let empty = " ".repeat(LANE);
    match entry.leg {
        Leg::Caller => format!("|{shaft}|{empty}|"),
        Leg::Agent(1) => format!("|{empty}|{shaft}|"),
        Leg::Agent(which) => format!("|{empty}|{shaft}| (agent {which})"),
    }
}

/// A label on an arrow as wide as the lane.
fn shaft(label: &str, is_rightward: bool) -> String {
    let label = fitted(label, LANE - 4);
    let left = (LANE - 3 - label.width()) / 2;
    let right = LANE - 3 - label.width() - left;
    if is_rightward {
        format!("{} {label} {}>", "-".repeat(left), "-".repeat(right))
    } else {
        format!("<{} {label} {}", "-".repeat(left), "-".repeat(right))
    }
}

fn fitted(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut fit = String::new();
    for letter in text.chars() {
        if fit.width() + letter.width().unwrap_or(0) + 1 > width {
            break;
        }
        fit.push(letter);
    }
    fit.push('~');
    fit
}

fn heading() -> String {
    format!(
        "caller{}ringdown{}agent",
        " ".repeat(LANE - 8),
        " ".repeat(LANE - 7)
    )
}

fn lanes(text: &str) -> String {
    let lane = format!("{text:^LANE$}");
    format!("|{lane}|{}|", " ".repeat(LANE))
}

fn name(leg: Leg) -> String {
    match leg {
        Leg::Caller => "caller".to_owned(),
        Leg::Agent(1) => "agent".to_owned(),
        Leg::Agent(which) => format!("agent {which}"),
    }
}

fn carried(body: Body) -> &'static str {
    match body {
        Body::Without => "",
        Body::Sdp => " SDP",
    }
}

/// What came from the network is printed without anything a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}

/// The event in a line: its name, who it is about, and what its fields say.
fn told(event: &Event) -> String {
    let mut text = String::new();
    let fields = match serde_json::to_value(&event.kind) {
        Ok(serde_json::Value::Object(fields)) => fields,
        Ok(_) | Err(_) => return text,
    };
    if let Some(serde_json::Value::String(word)) = fields.get("event") {
        text.push_str(word);
    }
    if let Some(queue) = &event.queue {
        let _ = write!(text, " queue={queue}");
    }
    if let Some(agent) = &event.agent {
        let _ = write!(text, " agent={agent}");
    }
    if matches!(
        event.kind,
        EventKind::AgentChanged { .. }
            | EventKind::QueueChanged { .. }
            | EventKind::Restored { .. }
    ) {
        return text;
    }
    for (field, value) in &fields {
        if field == "event" {
            continue;
        }
        let value = value.as_str().map_or_else(|| value.to_string(), printable);
        let _ = write!(text, " {field}={value}");
    }
    text
}

/// The usual phrase of a status (RFC 3261 section 21, and the RFCs that added some).
fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Forwarded",
        182 => "Queued",
        183 => "Progress",
        200 => "OK",
        202 => "Accepted",
        301 => "Moved",
        302 => "Moved for now",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        407 => "Proxy Auth",
        408 => "Timeout",
        413 => "Too Large",
        415 => "Bad Media Type",
        420 => "Bad Extension",
        422 => "Interval Small",
        480 => "Unavailable",
        481 => "No Such Call",
        482 => "Loop",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Terminated",
        488 => "Not Acceptable",
        491 => "Pending",
        500 => "Server Error",
        501 => "Not Implemented",
        503 => "Unavailable",
        504 => "Server Timeout",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "",
    }
}
