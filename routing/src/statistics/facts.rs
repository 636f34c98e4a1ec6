//! Facts kept until they settle, each in as few bytes as it takes.
//!
//! Several facts of every contact of the last minutes are kept, so their size is what the fold costs.
//! They are written one behind the other: instants, numbers and contacts as differences from those before,
//! and every difference in groups of seven bits (LEB128), signed ones folded so that small ones stay small.

use super::seen::OriginKey;
use crate::ids::ContactId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// One fact, with what orders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact<A> {
    pub(super) origin: OriginKey,
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) act: A,
}

/// What a fact tells, as bytes.
pub(super) trait Packed: Sized {
    /// Writes it; `at` is its instant, near which its other instants lie.
    fn pack(&self, at: Timestamp, out: &mut Packer);
    /// Reads what [`Packed::pack`] wrote.
    fn unpack(at: Timestamp, from: &mut Unpacker<'_>) -> Self;
}

/// Facts in the order in which they came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Facts<A> {
    packer: Packer,
    count: u32,
    last: Place,
    acts: PhantomData<A>,
}

/// Where a fact stands in time and in its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    at: Timestamp,
    number: u64,
    origin: u32,
}

impl<A> Default for Facts<A> {
    fn default() -> Self {
        Self {
            packer: Packer::default(),
            count: 0,
            last: Place::default(),
            acts: PhantomData,
        }
    }
}

impl<A: Packed> Facts<A> {
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Instant, origin and number of the newest one.
    pub(super) fn last(&self) -> Option<(Timestamp, OriginKey, u64)> {
        let Place { at, number, origin } = self.last;
        (!self.is_empty()).then_some((at, OriginKey(origin), number))
    }

    pub(super) fn push(&mut self, fact: &Fact<A>) {
        let out = &mut self.packer;
        out.unsigned(u64::from(fact.origin.0));
        out.signed(fact.number.wrapping_sub(self.last.number).cast_signed());
        out.instant(fact.at, self.last.at);
        fact.act.pack(fact.at, out);
        self.count = self.count.saturating_add(1);
        self.last = Place {
            at: fact.at,
            number: fact.number,
            origin: fact.origin.0,
        };
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Fact<A>> {
        let mut from = Unpacker {
            bytes: &self.packer.bytes,
            contact: 0,
        };
        let mut last = Place::default();
        (0..self.count).map(move |_| Self::read(&mut from, &mut last))
    }

    /// Takes out those at the front that are not later than `horizon`. Those behind stay as they are
    /// written; only what was written as a difference from one that is gone is written anew.
    pub(super) fn take_until(&mut self, horizon: Timestamp, mut take: impl FnMut(&Fact<A>)) {
        let mut from = Unpacker {
            bytes: &self.packer.bytes,
            contact: 0,
        };
        let mut last = Place::default();
        let mut left = self.count;
        let mut rest = Self::default();
        let mut has_taken = false;
        while left > 0 {
            let fact = Self::read(&mut from, &mut last);
            left -= 1;
            if fact.at <= horizon && rest.is_empty() {
                take(&fact);
                has_taken = true;
                continue;
            }
            if !has_taken {
                return;
            }
            rest.push(&fact);
            if rest.packer.contact == from.contact {
                break;
            }
        }
        if left > 0 {
            rest.packer.bytes.extend_from_slice(from.bytes);
            rest.packer.contact = self.packer.contact;
            rest.count += left;
            rest.last = self.last;
        }
        *self = rest;
    }

    fn read(from: &mut Unpacker<'_>, last: &mut Place) -> Fact<A> {
        let origin = u32::try_from(from.unsigned()).unwrap_or(u32::MAX);
        let number = last.number.wrapping_add(from.signed().cast_unsigned());
        let at = from.instant(last.at);
        *last = Place { at, number, origin };
        Fact {
            origin: OriginKey(origin),
            number,
            at,
            act: A::unpack(at, from),
        }
    }
}

impl<A: Packed> FromIterator<Fact<A>> for Facts<A> {
    fn from_iter<I: IntoIterator<Item = Fact<A>>>(facts: I) -> Self {
        let mut packed = Self::default();
        for fact in facts {
            packed.push(&fact);
        }
        packed
    }
}

/// Writes numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    /// The last one that was written.
    contact: u128,
}

impl Packer {
    pub(super) fn unsigned(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn signed(&mut self, number: i64) {
        self.unsigned(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// An instant that lies near another one.
    pub(super) fn instant(&mut self, instant: Timestamp, near: Timestamp) {
        self.signed(instant.as_millis().wrapping_sub(near.as_millis()));
    }

    /// A contact, which mostly is the one before.
    pub(super) fn contact(&mut self, contact: ContactId) {
        self.wide(contact.as_u128() ^ self.contact);
        self.contact = contact.as_u128();
    }

    fn wide(&mut self, mut number: u128) {
        // Seldom: the other half is as wide as anything else is.
        while number > u128::from(u64::MAX) {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.unsigned(number as u64);
    }
}

/// Reads numbers in the order in which they were written; behind the end it reads zeroes.
pub(super) struct Unpacker<'a> {
    bytes: &'a [u8],
    contact: u128,
}

impl Unpacker<'_> {
    pub(super) fn unsigned(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    pub(super) fn signed(&mut self) -> i64 {
        let folded = self.unsigned();
        (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed()
    }

    pub(super) fn instant(&mut self, near: Timestamp) -> Timestamp {
        Timestamp::from_millis(near.as_millis().wrapping_add(self.signed()))
    }

    pub(super) fn contact(&mut self) -> ContactId {
        // Mostly it is the one before, written as a zero.
        if let Some((0, rest)) = self.bytes.split_first() {
            self.bytes = rest;
        } else {
            self.contact ^= self.wide();
        }
        ContactId::from_u128(self.contact)
    }

    fn wide(&mut self) -> u128 {
        let mut number = 0;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.byte();
            number |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                *byte
            }
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Numbers(u64, i64, i64, u128);

    impl Packed for Numbers {
        fn pack(&self, at: Timestamp, out: &mut Packer) {
            out.unsigned(self.0);
            out.signed(self.1);
            out.instant(Timestamp::from_millis(self.2), at);
            out.contact(ContactId::from_u128(self.3));
        }

        fn unpack(at: Timestamp, from: &mut Unpacker<'_>) -> Self {
            Self(
                from.unsigned(),
                from.signed(),
                from.instant(at).as_millis(),
                from.contact().as_u128(),
            )
        }
    }

    /// A fact of a contact, or of none.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Seldom(Option<u128>);

    impl Packed for Seldom {
        fn pack(&self, _: Timestamp, out: &mut Packer) {
            out.unsigned(u64::from(self.0.is_some()));
            if let Some(contact) = self.0 {
                out.contact(ContactId::from_u128(contact));
            }
        }

        fn unpack(_: Timestamp, from: &mut Unpacker<'_>) -> Self {
            Self((from.unsigned() == 1).then(|| from.contact().as_u128()))
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(facts in prop::collection::vec(
            (any::<u32>(), any::<u64>(), any::<i64>(), (any::<u64>(), any::<i64>(), any::<i64>(), any::<u128>())),
            0..20,
        )) {
            let facts: Vec<_> = facts
                .into_iter()
                .map(|(origin, number, at, (a, b, c, d))| Fact {
                    origin: OriginKey(origin),
                    number,
                    at: Timestamp::from_millis(at),
                    act: Numbers(a, b, c, d),
                })
                .collect();
            let packed: Facts<_> = facts.iter().copied().collect();
            prop_assert_eq!(packed.len(), facts.len());
            prop_assert_eq!(packed.last().map(|(at, _, _)| at), facts.last().map(|fact| fact.at));
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), facts);
        }

        #[test]
        fn what_is_not_taken_is_read_as_it_was_written(
            facts in prop::collection::vec((0_i64..60, 0_u8..3, any::<bool>()), 0..30),
            horizons in prop::collection::vec(0_i64..70, 1..4),
            more in prop::collection::vec((0_i64..60, 0_u8..3, any::<bool>()), 0..10),
        ) {
            let fact = |(number, (at, contact, has_contact)): (usize, (i64, u8, bool))| Fact {
                origin: OriginKey(0),
                number: number as u64,
                at: Timestamp::from_millis(at),
                act: Seldom(has_contact.then_some(u128::from(contact) << 90 | 7)),
            };
            let mut kept: Vec<_> = facts.into_iter().enumerate().map(fact).collect();
            let mut packed: Facts<_> = kept.iter().copied().collect();
            for horizon in horizons {
                let horizon = Timestamp::from_millis(horizon);
                let due = kept.iter().take_while(|fact| fact.at <= horizon).count();
                let mut taken = Vec::new();
                packed.take_until(horizon, |fact| taken.push(*fact));
                prop_assert_eq!(taken, kept.drain(..due).collect::<Vec<_>>());
                for fact in more.iter().copied().enumerate().map(fact) {
                    packed.push(&fact);
                    kept.push(fact);
                }
                prop_assert_eq!(packed.last().map(|(at, _, _)| at), kept.last().map(|fact| fact.at));
                prop_assert_eq!(packed.iter().collect::<Vec<_>>(), kept.clone());
            }
        }
    }
}
