//! The UDP ports that media may use: pairs of an even one for RTP and the odd one above for RTCP.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Which pairs of a range are free.
///
/// A pair that was given back is taken again last, so that late packets of the old leg have died
/// out by then.
#[derive(Debug)]
pub struct PortRange {
    base: u16,
    free: VecDeque<u16>,
    generations: Vec<u32>,
}

/// A pair that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Its place in the range, from 0.
    pub index: u16,
    /// How often it was taken before.
    pub generation: u32,
    /// The even port.
    pub rtp: u16,
}

impl PortRange {
    /// Divides a range into pairs; they are taken in turn, beginning anywhere (`random`).
    ///
    /// Where the next leg will be is then no secret, but not the same after each start.
    pub fn new(ports: RangeInclusive<u16>, random: u64) -> Self {
        let base = ports.start().next_multiple_of(2).max(2);
        let count = (u32::from(*ports.end()) + 1).saturating_sub(u32::from(base)) / 2;
        let count = u16::try_from(count).unwrap_or(0);
        let mut free: VecDeque<u16> = (0..count).collect();
        let turn = random.checked_rem(u64::from(count)).unwrap_or(0);
        free.rotate_left(usize::try_from(turn).unwrap_or(0));
        Self {
            base,
            free,
            generations: vec![0; usize::from(count)],
        }
    }

    /// Takes the pair that was free for the longest time.
    pub fn take(&mut self) -> Option<Pair> {
        let index = self.free.pop_front()?;
        self.name(index)
    }

    /// Takes any pair but one of the last that were given back: where others sit on one, they mostly sit on
    /// its neighbours, too.
    pub fn take_anywhere(&mut self, random: u64) -> Option<Pair> {
        let old = (self.free.len() - self.free.len() / 4) as u64;
        let place = usize::try_from(random.checked_rem(old)?).ok()?;
        let index = self.free.swap_remove_front(place)?;
        self.name(index)
    }

    fn name(&mut self, index: u16) -> Option<Pair> {
        let generation = self.generations.get_mut(usize::from(index))?;
        *generation = generation.wrapping_add(1);
        Some(Pair {
            index,
            generation: *generation,
            rtp: self.base + 2 * index,
        })
    }

    /// Gives a pair back.
    pub fn give_back(&mut self, index: u16) {
        if usize::from(index) < self.generations.len() {
            self.free.push_back(index);
        }
    }

    /// Pairs in the range.
    pub fn pairs(&self) -> usize {
        self.generations.len()
    }

    /// Pairs that are free.
    pub fn pairs_free(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_begin_at_even_ports_and_end_within_the_range() {
        for (ports, expected) in [
            (10_000..=10_003, vec![10_000, 10_002]),
            (10_001..=10_004, vec![10_002]),
            (65_533..=65_535, vec![65_534]),
            (0..=3, vec![2]),
            (RangeInclusive::new(9, 3), vec![]),
        ] {
            let mut range = PortRange::new(ports, 0);
            let taken: Vec<u16> = std::iter::from_fn(|| range.take())
                .map(|pair| pair.rtp)
                .collect();
            assert_eq!(taken, expected);
        }
    }

    #[test]
    fn pairs_taken_anywhere_are_all_taken_once_and_the_newest_last() {
        let mut range = PortRange::new(10_000..=10_399, 0);
        let given_back: Vec<u16> = (0..20)
            .filter_map(|_| range.take())
            .map(|pair| pair.index)
            .collect();
        for index in &given_back {
            range.give_back(*index);
        }
        let order: Vec<u16> = (0_u64..)
            .map_while(|random| range.take_anywhere(random.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .map(|pair| pair.index)
            .collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..200).collect::<Vec<u16>>());
        assert!(
            order
                .iter()
                .take(100)
                .all(|index| !given_back.contains(index))
        );
    }

    #[test]
    fn a_pair_given_back_is_taken_last_and_is_another_then() {
        let mut range = PortRange::new(10_000..=10_007, 2);
        let first = range.take().unwrap();
        assert_eq!(first.rtp, 10_004);
        range.give_back(first.index);
        let order: Vec<Pair> = std::iter::from_fn(|| range.take()).collect();
        let ports: Vec<u16> = order.iter().map(|pair| pair.rtp).collect();
        assert_eq!(ports, [10_006, 10_000, 10_002, 10_004]);
        assert_ne!(order[3].generation, first.generation);
        assert_eq!((range.pairs(), range.pairs_free()), (4, 0));
    }
}
