//! Ports that are looked at again and again, in groups that take turns.

use std::time::{Duration, Instant};

/// `SLOTS` groups of ports; each becomes due once an interval, one after the other.
#[derive(Debug)]
pub(super) struct Wheel<const SLOTS: usize> {
    start: Instant,
    step: Duration,
    /// Steps that were taken since the start.
    steps: u64,
    slots: [Vec<u16>; SLOTS],
}

impl<const SLOTS: usize> Wheel<SLOTS> {
    pub(super) fn new(start: Instant, interval: Duration) -> Self {
        Self {
            start,
            step: interval / SLOTS as u32,
            steps: 0,
            slots: [const { Vec::new() }; SLOTS],
        }
    }

    /// Puts a port in the group that its number says.
    pub(super) fn insert(&mut self, now: Instant, index: u16) {
        self.begin(now);
        self.slots[usize::from(index) % SLOTS].push(index);
    }

    /// Puts a port in the first group that has room, so that few ports need few wake-ups.
    pub(super) fn insert_crowded(&mut self, now: Instant, index: u16) -> u8 {
        self.begin(now);
        let slot = (0..SLOTS)
            .find(|slot| self.slots[*slot].len() < CROWD)
            .or_else(|| (0..SLOTS).min_by_key(|slot| self.slots[*slot].len()))
            .unwrap_or(0);
        self.slots[slot].push(index);
        slot as u8
    }

    pub(super) fn remove(&mut self, slot: u8, index: u16) {
        let Some(slot) = self.slots.get_mut(usize::from(slot)) else {
            return;
        };
        if let Some(place) = slot.iter().position(|other| *other == index) {
            slot.swap_remove(place);
        }
    }

    /// Takes out a port that `insert` put in.
    pub(super) fn remove_any(&mut self, index: u16) {
        self.remove((usize::from(index) % SLOTS) as u8, index);
    }

    /// Adds the ports whose turn came, a group again for each turn that was missed.
    pub(super) fn collect(&mut self, now: Instant, due: &mut Vec<u16>) {
        let target = self.target(now);
        // After a long stop the missed turns are gone; making them up would be a burst.
        self.steps = self.steps.max(target.saturating_sub(CATCH_UP_MAX));
        while self.steps < target {
            self.steps += 1;
            due.extend_from_slice(&self.slots[(self.steps % SLOTS as u64) as usize]);
        }
    }

    /// The next turn of a group that has any port.
    pub(super) fn next_at(&self) -> Option<Instant> {
        (1..=SLOTS as u64)
            .map(|ahead| self.steps + ahead)
            .find(|step| !self.slots[(step % SLOTS as u64) as usize].is_empty())
            .map(|step| self.start + Duration::from_nanos(self.step_nanos().saturating_mul(step)))
    }

    /// Nobody took turns while there was nobody: they are no missed turns.
    fn begin(&mut self, now: Instant) {
        if self.slots.iter().all(Vec::is_empty) {
            self.steps = self.target(now);
        }
    }

    fn target(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) / self.step_nanos()
    }

    fn step_nanos(&self) -> u64 {
        u64::try_from(self.step.as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

/// A group has room up to this many ports; 32 packets take about 0.1 ms to send.
const CROWD: usize = 32;
/// Turns that are made up for at most: 100 ms of players.
const CATCH_UP_MAX: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_one_turn_an_interval() {
        let start = Instant::now();
        let mut wheel: Wheel<10> = Wheel::new(start, Duration::from_millis(20));
        for index in 0..100 {
            wheel.insert_crowded(start, index);
        }
        let mut due = Vec::new();
        for millis in 0..=200 {
            wheel.collect(start + Duration::from_millis(millis), &mut due);
        }
        for index in 0..100 {
            assert_eq!(due.iter().filter(|other| **other == index).count(), 10);
        }
    }

    #[test]
    fn few_ports_need_few_wake_ups_and_none_needs_none() {
        let start = Instant::now();
        let mut wheel: Wheel<10> = Wheel::new(start, Duration::from_millis(20));
        assert_eq!(wheel.next_at(), None);
        let slots: Vec<u8> = (0..5)
            .map(|index| wheel.insert_crowded(start, index))
            .collect();
        assert_eq!(slots, [0; 5]);
        assert_eq!(wheel.next_at(), Some(start + Duration::from_millis(20)));
        for (slot, index) in slots.into_iter().zip(0..) {
            wheel.remove(slot, index);
        }
        assert_eq!(wheel.next_at(), None);
    }

    #[test]
    fn turns_go_on_after_years_and_after_idle_times() {
        let start = Instant::now();
        let mut wheel: Wheel<10> = Wheel::new(start, Duration::from_millis(20));
        let now = start + Duration::from_secs(3 * 365 * 86_400);
        wheel.insert_crowded(now, 7);
        let mut due = Vec::new();
        wheel.collect(now, &mut due);
        assert!(due.is_empty(), "it missed no turn");
        assert!(wheel.next_at().is_some_and(|at| at > now));
    }

    #[test]
    fn a_long_stop_is_not_made_up_for() {
        let start = Instant::now();
        let mut wheel: Wheel<10> = Wheel::new(start, Duration::from_millis(20));
        wheel.insert_crowded(start, 7);
        let mut due = Vec::new();
        wheel.collect(start + Duration::from_secs(60), &mut due);
        assert_eq!(due.len(), 5);
    }
}
