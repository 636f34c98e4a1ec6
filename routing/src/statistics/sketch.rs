//! Percentiles that add up: how many times fell into each narrow bucket, without keeping the times.
//!
//! Buckets are those of a histogram with 64 to each doubling: times below 128 ms have one each, and no
//! bucket is wider than a 64th of its times. Adding two sketches adds their buckets, so parts in any order
//! and any grouping give the same sketch, to the last digit; all arithmetic is in whole numbers.

use super::packed::{put, take};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

/// Bits of a time that tell its bucket, below the first.
const BITS: u32 = 6;

/// Times of a cell, in milliseconds, by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// How many times fell into each bucket, in the order of the buckets, without empty ones.
    #[serde(with = "buckets")]
    buckets: Vec<(u16, u64)>,
}

impl Sketch {
    /// Adds one time.
    pub fn add(&mut self, time_ms: u64) {
        self.add_to(bucket(time_ms), 1);
    }

    fn add_to(&mut self, bucket: u16, times: u64) {
        match self
            .buckets
            .binary_search_by_key(&bucket, |(known, _)| *known)
        {
            Ok(place) => {
                if let Some((_, sum)) = self.buckets.get_mut(place) {
                    *sum += times;
                }
            }
            Err(place) => self.buckets.insert(place, (bucket, times)),
        }
    }

    /// How many times were added.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, times)| times).sum()
    }

    /// The time that so many per mille do not exceed, in milliseconds and right to a 128th; `None` when
    /// there are none.
    pub fn percentile_ms(&self, per_mille: u64) -> Option<u64> {
        let count = self.count();
        let rank = count.saturating_mul(per_mille).div_ceil(1_000).max(1);
        let mut passed = 0;
        self.buckets.iter().find_map(|(bucket, times)| {
            passed += times;
            (passed >= rank).then(|| middle_ms(*bucket))
        })
    }
}

impl AddAssign<&Self> for Sketch {
    fn add_assign(&mut self, rhs: &Self) {
        if rhs.buckets.len() <= FEW {
            for (bucket, times) in &rhs.buckets {
                self.add_to(*bucket, *times);
            }
            return;
        }
        let mut sums = Vec::with_capacity(self.buckets.len() + rhs.buckets.len());
        let mut ours = self.buckets.iter().copied().peekable();
        for (bucket, times) in &rhs.buckets {
            while let Some(own) = ours.next_if(|(own, _)| own < bucket) {
                sums.push(own);
            }
            let own = ours.next_if(|(own, _)| own == bucket);
            sums.push((*bucket, times + own.map_or(0, |(_, own)| own)));
        }
        sums.extend(ours);
        self.buckets = sums;
    }
}

/// Up to so many buckets are looked up one by one; more are merged.
const FEW: usize = 2;

/// Buckets as a map for people, as bytes for all others.
mod buckets {
    use super::*;

    type Buckets = Vec<(u16, u64)>;

    pub(super) fn serialize<S: Serializer>(
        buckets: &Buckets,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_map(buckets.iter().copied());
        }
        let mut bytes = Vec::with_capacity(buckets.len() * 3);
        let mut before = 0;
        for (bucket, times) in buckets {
            put(&mut bytes, u64::from(bucket - before));
            put(&mut bytes, *times);
            before = *bucket;
        }
        serializer.serialize_bytes(&bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Buckets, D::Error> {
        deserializer.deserialize_any(Reader)
    }

    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = Buckets;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("buckets")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Buckets, A::Error> {
            let mut buckets = BTreeMap::new();
            while let Some((bucket, times)) = map.next_entry()? {
                buckets.insert(bucket, times);
            }
            Ok(buckets.into_iter().collect())
        }

        fn visit_bytes<E: Error>(self, mut bytes: &[u8]) -> Result<Buckets, E> {
            let mut buckets = Vec::with_capacity(bytes.len() / 2);
            let mut before: u16 = 0;
            while !bytes.is_empty() {
                let next = take(&mut bytes).and_then(|step| {
                    let step = u16::try_from(step).ok()?;
                    // Only the first may be no farther than nothing.
                    let is_farther = step > 0 || buckets.is_empty();
                    let bucket = before.checked_add(step).filter(|_| is_farther)?;
                    Some((bucket, take(&mut bytes)?))
                });
                let (bucket, times) = next.ok_or_else(|| E::custom("buckets in order"))?;
                buckets.push((bucket, times));
                before = bucket;
            }
            Ok(buckets)
        }
    }
}

/// Percentiles of one kind of time, in seconds; `None` when there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// The median.
    pub p50: Option<f64>,
    /// 80 %.
    pub p80: Option<f64>,
    /// 90 %.
    pub p90: Option<f64>,
    /// 95 %.
    pub p95: Option<f64>,
    /// 99 %.
    pub p99: Option<f64>,
}

impl From<&Sketch> for Percentiles {
    fn from(sketch: &Sketch) -> Self {
        let at = |per_mille| Some(sketch.percentile_ms(per_mille)? as f64 / 1_000.0);
        Self {
            p50: at(500),
            p80: at(800),
            p90: at(900),
            p95: at(950),
            p99: at(990),
        }
    }
}

fn bucket(time_ms: u64) -> u16 {
    let shift = (u64::BITS - time_ms.leading_zeros()).saturating_sub(BITS + 1);
    let upper_bits = time_ms >> shift;
    u16::try_from((u64::from(shift) << BITS) + upper_bits).unwrap_or(u16::MAX)
}

/// The middle of a bucket, which no time in it is farther from than a 128th of itself.
fn middle_ms(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let shift = (bucket >> BITS).saturating_sub(1);
    let first = (bucket - (shift << BITS)) << shift;
    first + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(times_ms: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        for time_ms in times_ms {
            sketch.add(*time_ms);
        }
        sketch
    }

    #[test]
    fn short_times_are_exact_and_nothing_has_no_percentile() {
        assert_eq!(of(&[]).percentile_ms(500), None);
        for time_ms in 0..128 {
            assert_eq!(of(&[time_ms]).percentile_ms(500), Some(time_ms));
        }
        let sketch = of(&(1..=100).collect::<Vec<u64>>());
        assert_eq!(sketch.percentile_ms(500), Some(50));
        assert_eq!(sketch.percentile_ms(950), Some(95));
        assert_eq!(sketch.percentile_ms(1_000), Some(100));
    }

    proptest! {
        #[test]
        fn percentiles_are_right_to_a_128th(mut times_ms in prop::collection::vec(any::<u64>().prop_map(|time| time >> (time % 60)), 1..200), per_mille in 1_u64..=1_000) {
            let sketch = of(&times_ms);
            times_ms.sort_unstable();
            let rank = (times_ms.len() as u64 * per_mille).div_ceil(1_000);
            let exact = times_ms[usize::try_from(rank).unwrap() - 1];
            let told = sketch.percentile_ms(per_mille).unwrap();
            prop_assert!(told.abs_diff(exact) <= exact / 128 + 1, "{told} {exact}");
        }

        #[test]
        fn parts_in_any_grouping_make_the_same_whole(times_ms in prop::collection::vec(0_u64..10_000_000, 0..100), cut in any::<prop::sample::Index>()) {
            let (first, second) = times_ms.split_at(cut.index(times_ms.len() + 1));
            let (mut one, mut other) = (of(first), of(second));
            one += &of(second);
            other += &of(first);
            prop_assert_eq!(&one, &of(&times_ms));
            prop_assert_eq!(&one, &other);
        }
    }
}
