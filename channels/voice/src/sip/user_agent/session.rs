//! Session timers (RFC 4028): who refreshes, when, and what follows when nobody does.

use super::settings::SessionTimers;
use crate::sip::header::{Header, Refresher, SessionExpires, scan};
use crate::sip::message::{Builder, Message};
use std::time::{Duration, Instant};

/// Where the session timer of a dialog stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// None was agreed on.
    Off,
    /// We refresh at that instant.
    Refreshing { interval: Duration, at: Instant },
    /// The other side refreshes; we hang up at that instant.
    Watching { interval: Duration, end: Instant },
}

impl Session {
    pub(super) const fn due(&self) -> Option<Instant> {
        match self {
            Self::Off => None,
            Self::Refreshing { at, .. } => Some(*at),
            Self::Watching { end, .. } => Some(*end),
        }
    }

    /// RFC 4028 §10: half of the interval to refresh; a third, but at most 32 s, before its end to hang up.
    fn begin(now: Instant, interval: Duration, is_ours: bool) -> Self {
        match is_ours {
            true => Self::Refreshing {
                interval,
                at: now + interval / 2,
            },
            false => Self::Watching {
                interval,
                end: now + interval - (interval / 3).min(Duration::from_secs(32)),
            },
        }
    }

    /// What the 2xx to our INVITE or UPDATE agreed on (RFC 4028 §7.2). Without an answer we refresh ourselves.
    pub(super) fn from_response(now: Instant, timers: SessionTimers, response: &Message) -> Self {
        let SessionTimers::On { interval, .. } = timers else {
            return Self::Off;
        };
        match response
            .header(Header::SessionExpires)
            .and_then(SessionExpires::parse)
        {
            None => Self::begin(now, interval, true),
            Some(agreed) => {
                let interval = Duration::from_secs(agreed.seconds.max(SHORTEST_S).into());
                Self::begin(now, interval, agreed.refresher != Some(Refresher::Uas))
            }
        }
    }

    /// What we agree to (RFC 4028 §9): their interval when it is within ours; they refresh if they can.
    pub(super) fn from_request(
        now: Instant,
        timers: SessionTimers,
        request: &Message,
        can_peer_refresh: bool,
    ) -> Self {
        let SessionTimers::On {
            interval,
            interval_min,
        } = timers
        else {
            return Self::Off;
        };
        let asked = request
            .header(Header::SessionExpires)
            .and_then(SessionExpires::parse);
        let floor = Duration::from_secs(min_se(request).unwrap_or(0).into()).max(interval_min);
        let interval = asked
            .map_or(interval, |asked| {
                Duration::from_secs(asked.seconds.into()).min(interval)
            })
            .max(floor);
        let is_ours = match asked.and_then(|asked| asked.refresher) {
            Some(Refresher::Uas) => true,
            Some(Refresher::Uac) | None => !can_peer_refresh,
        };
        Self::begin(now, interval, is_ours)
    }

    /// Writes what our 2xx agrees to.
    pub(super) fn write_response(&self, builder: &mut Builder, can_peer_refresh: bool) {
        let (interval, refresher) = match self {
            Self::Off => return,
            Self::Refreshing { interval, .. } => (interval, ";refresher=uas"),
            Self::Watching { interval, .. } => (interval, ";refresher=uac"),
        };
        if can_peer_refresh {
            builder.header(Header::Require, "timer");
        }
        builder.header_number(Header::SessionExpires, seconds(*interval), refresher);
    }

    /// Writes what our INVITE or UPDATE asks for. In a dialog the refresher stays who it is (RFC 4028 §7.4), told
    /// from the side that sends the request.
    pub(super) fn write_request(&self, builder: &mut Builder, timers: SessionTimers) {
        let SessionTimers::On {
            interval,
            interval_min,
        } = timers
        else {
            return;
        };
        let (interval, refresher) = match self {
            Self::Off => (interval, ""),
            Self::Refreshing { interval, .. } => (*interval, ";refresher=uac"),
            Self::Watching { interval, .. } => (*interval, ";refresher=uas"),
        };
        builder.header_number(Header::SessionExpires, seconds(interval), refresher);
        builder.header_number(Header::MinSe, seconds(interval_min), "");
    }
}

/// RFC 4028 §6: an interval below our shortest is refused with 422, if the sender understands that.
pub(super) fn is_too_short(timers: SessionTimers, request: &Message) -> Option<u32> {
    let SessionTimers::On { interval_min, .. } = timers else {
        return None;
    };
    let asked = request
        .header(Header::SessionExpires)
        .and_then(SessionExpires::parse)?;
    let knows_timer = request
        .headers(Header::Supported)
        .any(|token| token.eq_ignore_ascii_case(b"timer"));
    (knows_timer && asked.seconds < seconds(interval_min)).then(|| seconds(interval_min))
}

/// The Min-SE of a message.
pub(super) fn min_se(message: &Message) -> Option<u32> {
    let value = message.header(Header::MinSe)?;
    let end = value
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(value.len());
    u32::try_from(scan::number(scan::trim(&value[..end]))?).ok()
}

fn seconds(interval: Duration) -> u32 {
    u32::try_from(interval.as_secs()).unwrap_or(u32::MAX)
}

/// RFC 4028 §4: no interval is shorter than 90 s; an answer below that would have us refresh without end.
const SHORTEST_S: u32 = 90;
