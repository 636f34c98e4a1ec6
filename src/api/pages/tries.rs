//! How often it may be tried to sign in: by name and address, by name, and by address.

use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Tries of one name from one address within [`WINDOW`].
const OF_NAME_HERE_MAX: u32 = 10;

/// Tries of one name from everywhere; more than the above, so that a stranger cannot lock somebody out so easily.
const OF_NAME_MAX: u32 = 100;

/// Tries from one address, behind which may be a whole desk.
const FROM_ADDRESS_MAX: u32 = 60;

/// How long a try counts.
const WINDOW: Duration = Duration::from_secs(900);

/// Most names and addresses that are remembered; when it is full nobody new is let try until the oldest are over.
const REMEMBERED_MAX: usize = 20_000;

/// What a try counts for: name here, name, address.
const KEYS: usize = 3;

/// Passwords compared at one time: each takes some megabytes and milliseconds, on purpose.
const COMPARED_MAX: usize = 2;

/// The tries of the last minutes.
#[derive(Debug)]
pub(in super::super) struct Tries {
    counts: Mutex<Counts>,
    /// Held while a password is compared.
    pub(super) comparing: Semaphore,
}

#[derive(Debug, Default)]
struct Counts {
    by_key: BTreeMap<Key, Count>,
    /// Until when it stays full: a flood of names must not have all of them looked through at each try.
    full_until: Option<Timestamp>,
}

impl Counts {
    /// Whether a try can be remembered, which it can again when the oldest is over.
    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.by_key.len() + KEYS <= REMEMBERED_MAX {
            return true;
        }
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        self.by_key
            .retain(|_, count| now.since(count.since) < WINDOW);
        let oldest = self.by_key.values().map(|count| count.since).min();
        self.full_until = oldest.map(|since| since + WINDOW);
        self.by_key.len() + KEYS <= REMEMBERED_MAX
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    NameHere(String, IpAddr),
    Name(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    tries: u32,
    since: Timestamp,
}

impl Default for Tries {
    fn default() -> Self {
        Self {
            counts: Mutex::default(),
            comparing: Semaphore::new(COMPARED_MAX),
        }
    }
}

impl Tries {
    /// Counts a try before it is looked at; false when there were too many.
    pub(super) fn admit(&self, name: &str, address: IpAddr, now: Timestamp) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.has_room(now) {
            return false;
        }
        let name = name.to_owned();
        let keys: [_; KEYS] = [
            (Key::NameHere(name.clone(), address), OF_NAME_HERE_MAX),
            (Key::Name(name), OF_NAME_MAX),
            (Key::Address(address), FROM_ADDRESS_MAX),
        ];
        let mut is_admitted = true;
        for (key, most) in keys {
            let new = Count {
                tries: 0,
                since: now,
            };
            let count = counts.by_key.entry(key).or_insert(new);
            if now.since(count.since) >= WINDOW {
                *count = new;
            }
            count.tries = count.tries.saturating_add(1);
            is_admitted &= count.tries <= most;
        }
        is_admitted
    }

    /// Forgets the tries of who got in.
    pub(super) fn forget(&self, name: &str, address: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .by_key
            .remove(&Key::NameHere(name.to_owned(), address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_tried_ten_times_and_again_a_quarter_of_an_hour_later() {
        let tries = Tries::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let now = Timestamp::from_seconds(1_000);
        let admitted = (0..20)
            .filter(|_| tries.admit("anna", address, now))
            .count();
        assert_eq!(admitted, 10);
        let elsewhere = IpAddr::from([192, 0, 2, 2]);
        assert!(tries.admit("anna", elsewhere, now), "anna herself gets in");
        assert!(tries.admit("anna", address, now + WINDOW));
    }

    #[test]
    fn an_address_cannot_try_many_names() {
        let tries = Tries::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let now = Timestamp::from_seconds(1_000);
        let admitted = (0..1_000)
            .filter(|number| tries.admit(&format!("name{number}"), address, now))
            .count();
        assert_eq!(admitted, 60);
    }

    #[test]
    fn memory_does_not_grow_with_tries() {
        let tries = Tries::default();
        let now = Timestamp::from_seconds(1_000);
        for number in 0..30_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            tries.admit(&number.to_string(), address, now);
        }
        assert!(tries.counts.lock().unwrap().by_key.len() <= REMEMBERED_MAX);
        let address = IpAddr::from([203, 0, 113, 9]);
        assert!(!tries.admit("anna", address, now));
        assert!(tries.admit("anna", address, now + WINDOW));
    }
}
