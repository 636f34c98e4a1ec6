//! What each address asks of us: connections at once and mails in a minute, with bounds for both.
//!
//! An IPv6 source is its /64, because one customer has at least so many addresses. Memory is bounded:
//! when the table is full, sources without a connection and with all their mails to send again are
//! forgotten; when none is, a new source is turned away.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Most connections at once.
    pub connections_max: usize,
    /// Most connections at once from one source.
    pub connections_per_source_max: u32,
    /// Most mails in a minute from one source; more are told to come later.
    pub mails_per_minute_max: u32,
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// There are too many connections.
    Full,
    /// There are too many of this source.
    TooManyOfOne,
}

/// The sources that are connected or were lately.
#[derive(Debug)]
pub struct Sources {
    limits: SourceLimits,
    by_address: BTreeMap<IpAddr, Source>,
    connections: usize,
}

#[derive(Debug)]
struct Source {
    connections: u32,
    /// Mails it may send now; refilled by the minute's rate.
    mails_left: f64,
    refilled_at: Instant,
}

impl Sources {
    /// Nobody yet.
    pub fn new(limits: SourceLimits) -> Self {
        Self {
            limits,
            by_address: BTreeMap::new(),
            connections: 0,
        }
    }

    /// Lets a connection in; each must be [let go](Self::release) again.
    pub fn admit(&mut self, now: Instant, address: IpAddr) -> Result<(), Turned> {
        if self.connections >= self.limits.connections_max {
            return Err(Turned::Full);
        }
        let key = source_of(address);
        if !self.by_address.contains_key(&key) && self.by_address.len() >= SOURCES_MAX {
            self.forget_quiet(now);
            if self.by_address.len() >= SOURCES_MAX {
                return Err(Turned::Full);
            }
        }
        let rate = f64::from(self.limits.mails_per_minute_max);
        let source = self.by_address.entry(key).or_insert(Source {
            connections: 0,
            mails_left: rate,
            refilled_at: now,
        });
        if source.connections >= self.limits.connections_per_source_max {
            return Err(Turned::TooManyOfOne);
        }
        source.connections += 1;
        self.connections += 1;
        Ok(())
    }

    /// Takes the end of a connection that was let in.
    pub fn release(&mut self, address: IpAddr) {
        self.connections = self.connections.saturating_sub(1);
        if let Some(source) = self.by_address.get_mut(&source_of(address)) {
            source.connections = source.connections.saturating_sub(1);
        }
    }

    /// Whether a source may send one more mail now.
    pub fn takes_mail(&mut self, now: Instant, address: IpAddr) -> bool {
        let rate = self.limits.mails_per_minute_max;
        let Some(source) = self.by_address.get_mut(&source_of(address)) else {
            return false;
        };
        source.refill(now, rate);
        if source.mails_left < 1.0 {
            return false;
        }
        source.mails_left -= 1.0;
        true
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.connections
    }

    fn forget_quiet(&mut self, now: Instant) {
        let rate = self.limits.mails_per_minute_max;
        self.by_address.retain(|_, source| {
            source.refill(now, rate);
            source.connections > 0 || source.mails_left < f64::from(rate)
        });
    }
}

impl Source {
    fn refill(&mut self, now: Instant, rate: u32) {
        let passed = now.saturating_duration_since(self.refilled_at);
        let rate = f64::from(rate);
        let new = passed.as_secs_f64() / MINUTE.as_secs_f64() * rate;
        self.mails_left = (self.mails_left + new).min(rate);
        self.refilled_at = now;
    }
}

fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Most sources remembered.
const SOURCES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn sources() -> (Sources, Instant) {
        let limits = SourceLimits {
            connections_max: 3,
            connections_per_source_max: 2,
            mails_per_minute_max: 60,
        };
        (Sources::new(limits), Instant::now())
    }

    #[test]
    fn one_source_does_not_take_all_connections() {
        let (mut sources, now) = sources();
        let (one, other) = (address("2001:db8::1"), address("192.0.2.1"));
        assert_eq!(sources.admit(now, one), Ok(()));
        assert_eq!(sources.admit(now, address("2001:db8::2")), Ok(()));
        let same_network = address("2001:db8::3");
        assert_eq!(sources.admit(now, same_network), Err(Turned::TooManyOfOne));
        assert_eq!(sources.admit(now, other), Ok(()));
        assert_eq!(sources.admit(now, other), Err(Turned::Full));
        sources.release(one);
        assert_eq!(sources.admit(now, other), Ok(()));
    }

    #[test]
    fn mails_come_back_with_time() {
        let (mut sources, now) = sources();
        let one = address("192.0.2.1");
        assert!(!sources.takes_mail(now, one), "nobody let it in");
        sources.admit(now, one).unwrap();
        for _ in 0..60 {
            assert!(sources.takes_mail(now, one));
        }
        assert!(!sources.takes_mail(now, one));
        assert!(sources.takes_mail(now + Duration::from_secs(1), one));
        assert!(!sources.takes_mail(now + Duration::from_secs(1), one));
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut sources, now) = sources();
        let of = |number: u32| IpAddr::V4(number.into());
        for number in 0..20_000 {
            sources.admit(now, of(number)).unwrap();
            sources.release(of(number));
        }
        assert!(sources.by_address.len() <= SOURCES_MAX);
        // Who has sent mails is not forgotten while that counts.
        sources.admit(now, of(7)).unwrap();
        assert!(sources.takes_mail(now, of(7)));
        sources.release(of(7));
        sources.forget_quiet(now);
        assert_eq!(sources.by_address.len(), 1);
    }
}
