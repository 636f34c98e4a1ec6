//! How many different callers there were, in memory that does not grow with their number.
//!
//! Up to [`EXACT_MAX`] callers are kept apart and the count is exact. Beyond that only the longest run of
//! leading zeros among the hashes of each of 4,096 groups is kept (HyperLogLog: Flajolet, Fusy, Gandouet
//! and Meunier 2007), and the count is told with its standard error of 1.04 / sqrt(4,096), 1.6 %. The estimate
//! is the improved raw one (Ertl 2017, arXiv:1702.01284, algorithm 6), which needs no tables of corrections.
//!
//! Which of the two is kept depends on the callers alone, so that parts added in any order and any
//! grouping, with any overlap, give the same value, to the last bit.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

/// Most callers that are kept apart; as many hashes as take the room of the registers.
pub const EXACT_MAX: usize = 512;

/// Bits of a hash that tell its register.
const REGISTER_BITS: u32 = 12;

const REGISTERS: usize = 1 << REGISTER_BITS;

/// Bits of a hash that are left for the run of zeros.
const REST_BITS: u32 = u64::BITS - REGISTER_BITS;

/// Standard error of an estimate, in per mille: 1.04 / sqrt(4,096).
const ERROR_PER_MILLE: u32 = 16;

/// A caller as they are counted: a hash of who they are, without the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallerKey(u64);

impl CallerKey {
    /// The key of a person whom the CMS knows, by the CMS's key.
    pub fn of_caller(caller: &str) -> Self {
        Self(hash(1, caller))
    }

    /// The key of a number or address, upper case or lower; `None` when it was withheld.
    pub fn of_address(address: &str) -> Option<Self> {
        (!address.is_empty()).then(|| Self(hash(2, address)))
    }

    pub(super) const fn of_hash(hash: u64) -> Self {
        Self(hash)
    }

    /// The key as a number, which is the same on every machine.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// Different callers; adding two gives those of both, whoever is in both once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distinct(Kept);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    /// All of them, in order.
    Each(Vec<u64>),
    /// The longest run of zeros in each register, plus one; 0 when nobody fell there.
    Runs(Box<[u8; REGISTERS]>),
}

/// How many callers, and how sure that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistinctCount {
    /// How many.
    pub count: u64,
    /// Standard error in per mille of the count; 0 when it is exact.
    pub error_per_mille: u32,
}

impl Default for Distinct {
    fn default() -> Self {
        Self(Kept::Each(Vec::new()))
    }
}

impl Distinct {
    /// Adds a caller; again is no matter.
    pub fn add(&mut self, caller: CallerKey) {
        match &mut self.0 {
            Kept::Runs(runs) => note(runs, caller.0),
            Kept::Each(each) => {
                let Err(place) = each.binary_search(&caller.0) else {
                    return;
                };
                if each.len() < EXACT_MAX {
                    each.insert(place, caller.0);
                } else {
                    let mut runs = runs_of(each);
                    note(&mut runs, caller.0);
                    self.0 = Kept::Runs(runs);
                }
            }
        }
    }

    /// How many different callers were added.
    pub fn count(&self) -> DistinctCount {
        match &self.0 {
            Kept::Each(each) => DistinctCount {
                count: u64::try_from(each.len()).unwrap_or(u64::MAX),
                error_per_mille: 0,
            },
            Kept::Runs(runs) => DistinctCount {
                count: estimate(runs),
                error_per_mille: ERROR_PER_MILLE,
            },
        }
    }

    /// Puts other keys in place of those of callers who are kept apart; whether one of them was there. Where
    /// callers are only estimated nobody's key is kept, and nothing changes.
    pub fn rename(&mut self, names: &BTreeMap<CallerKey, CallerKey>) -> bool {
        let Kept::Each(each) = &mut self.0 else {
            return false;
        };
        let mut is_changed = false;
        for (old, new) in names {
            let Ok(place) = each.binary_search(&old.0) else {
                continue;
            };
            each.remove(place);
            if let Err(place) = each.binary_search(&new.0) {
                each.insert(place, new.0);
            }
            is_changed = true;
        }
        is_changed
    }

    /// Whether nobody was added.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kept::Each(each) if each.is_empty())
    }
}

impl AddAssign<&Self> for Distinct {
    fn add_assign(&mut self, rhs: &Self) {
        match (&mut self.0, &rhs.0) {
            (Kept::Each(each), Kept::Each(theirs)) => {
                let all = union(each, theirs);
                if all.len() <= EXACT_MAX {
                    *each = all;
                } else {
                    self.0 = Kept::Runs(runs_of(&all));
                }
            }
            (Kept::Runs(runs), Kept::Each(theirs)) => {
                for caller in theirs {
                    note(runs, *caller);
                }
            }
            (Kept::Each(each), Kept::Runs(theirs)) => {
                let mut runs = theirs.clone();
                for caller in each.iter() {
                    note(&mut runs, *caller);
                }
                self.0 = Kept::Runs(runs);
            }
            (Kept::Runs(runs), Kept::Runs(theirs)) => {
                for (run, their) in runs.iter_mut().zip(theirs.iter()) {
                    *run = (*run).max(*their);
                }
            }
        }
    }
}

/// Everybody of two lists in order, once.
fn union(mut ours: &[u64], mut theirs: &[u64]) -> Vec<u64> {
    let mut all = Vec::with_capacity(ours.len() + theirs.len());
    while let (Some((our, our_rest)), Some((their, their_rest))) =
        (ours.split_first(), theirs.split_first())
    {
        all.push(*our.min(their));
        if our <= their {
            ours = our_rest;
        }
        if their <= our {
            theirs = their_rest;
        }
    }
    all.extend_from_slice(ours);
    all.extend_from_slice(theirs);
    all
}

fn runs_of(each: &[u64]) -> Box<[u8; REGISTERS]> {
    let mut runs = Box::new([0; REGISTERS]);
    for caller in each {
        note(&mut runs, *caller);
    }
    runs
}

fn note(runs: &mut [u8; REGISTERS], hash: u64) {
    let register = usize::try_from(hash >> REST_BITS).unwrap_or(0);
    let zeros = (hash << REGISTER_BITS).leading_zeros().min(REST_BITS);
    let run = u8::try_from(zeros + 1).unwrap_or(u8::MAX);
    if let Some(longest) = runs.get_mut(register) {
        *longest = (*longest).max(run);
    }
}

/// Ertl's improved raw estimate.
fn estimate(runs: &[u8; REGISTERS]) -> u64 {
    let mut how_many = [0_u32; REST_BITS as usize + 2];
    for run in runs {
        if let Some(count) = how_many.get_mut(usize::from(*run)) {
            *count += 1;
        }
    }
    let m = REGISTERS as f64;
    let [none, middle @ .., longest] = &how_many;
    let mut z = m * tau(1.0 - f64::from(*longest) / m);
    for count in middle.iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(f64::from(*none) / m);
    let estimate = m * m / (2.0 * std::f64::consts::LN_2 * z);
    estimate.round() as u64
}

fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before || !z.is_finite() {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

/// FNV-1a over the text in lower case, then the finaliser of SplitMix64, so that every bit depends on all.
fn hash(kind: u8, text: &str) -> u64 {
    let bytes = std::iter::once(kind).chain(text.bytes().map(|byte| byte.to_ascii_lowercase()));
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// As it is stored: the hashes, or one letter a register.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Each(Vec<u64>),
    Runs(String),
}

/// The letter of an empty register; the others follow it.
const LETTER_FIRST: u8 = b'0';

impl From<Distinct> for Written {
    fn from(distinct: Distinct) -> Self {
        match distinct.0 {
            Kept::Each(each) => Self::Each(each),
            Kept::Runs(runs) => Self::Runs(
                runs.iter()
                    .map(|run| char::from(LETTER_FIRST + run))
                    .collect(),
            ),
        }
    }
}

impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Written::from(self.clone()).serialize(serializer);
        }
        let mut bytes = Vec::new();
        match &self.0 {
            Kept::Each(each) => {
                bytes.reserve(1 + each.len() * 8);
                bytes.push(BYTE_OF_EACH);
                bytes.extend(each.iter().flat_map(|caller| caller.to_le_bytes()));
            }
            Kept::Runs(runs) => {
                bytes.reserve(1 + REGISTERS);
                bytes.push(BYTE_OF_RUNS);
                bytes.extend_from_slice(runs.as_slice());
            }
        }
        serializer.serialize_bytes(&bytes)
    }
}

/// What the bytes begin with: the hashes follow, eight bytes each, or the registers.
const BYTE_OF_EACH: u8 = 0;
const BYTE_OF_RUNS: u8 = 1;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Distinct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("different callers")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Distinct, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        Distinct::try_from(written).map_err(A::Error::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Distinct, E> {
        match bytes.split_first() {
            Some((&BYTE_OF_EACH, hashes)) => {
                let (hashes, rest) = hashes.as_chunks();
                let each = hashes.iter().map(|hash| u64::from_le_bytes(*hash));
                let each = Some(each.collect()).filter(|_| rest.is_empty());
                each.ok_or_else(|| "eight bytes a caller".to_owned())
                    .and_then(Distinct::of_each)
            }
            Some((&BYTE_OF_RUNS, runs)) => Distinct::of_runs(runs.into()),
            Some(_) | None => Err("callers or registers".to_owned()),
        }
        .map_err(E::custom)
    }
}

impl Distinct {
    fn of_each(each: Vec<u64>) -> Result<Self, String> {
        let is_sorted = each.iter().zip(each.iter().skip(1)).all(|(a, b)| a < b);
        if each.len() > EXACT_MAX || !is_sorted {
            return Err(format!(
                "at most {EXACT_MAX} callers, each once and in order"
            ));
        }
        Ok(Self(Kept::Each(each)))
    }

    fn of_runs(runs: Box<[u8]>) -> Result<Self, String> {
        let is_possible = runs.iter().all(|run| u32::from(*run) <= REST_BITS + 1);
        let runs = Some(runs).filter(|_| is_possible);
        let runs = runs.and_then(|runs| runs.try_into().ok());
        let runs = runs.ok_or_else(|| format!("{REGISTERS} registers, a letter each"))?;
        Ok(Self(Kept::Runs(runs)))
    }
}

impl TryFrom<Written> for Distinct {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Each(each) => Self::of_each(each),
            Written::Runs(text) => {
                let run = |byte: u8| byte.checked_sub(LETTER_FIRST).unwrap_or(u8::MAX);
                Self::of_runs(text.bytes().map(run).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(callers: impl IntoIterator<Item = u64>) -> Distinct {
        let mut distinct = Distinct::default();
        for caller in callers {
            distinct.add(CallerKey::of_caller(&caller.to_string()));
        }
        distinct
    }

    #[test]
    fn few_are_counted_exactly_and_the_same_caller_once() {
        let distinct = of((0..512).chain(0..512));
        assert_eq!(
            distinct.count(),
            DistinctCount {
                count: 512,
                error_per_mille: 0
            }
        );
        assert_eq!(of(0..513).count().error_per_mille, ERROR_PER_MILLE);
        assert!(of([]).is_empty());
    }

    #[test]
    fn many_are_counted_within_four_standard_errors() {
        for callers in [513_u64, 600, 1_000, 5_000, 20_000, 200_000, 1_000_000] {
            let told = of(0..callers).count().count;
            let wrong = (told as f64 / callers as f64 - 1.0).abs();
            assert!(wrong < 0.065, "{callers}: {told}");
        }
    }

    #[test]
    fn an_address_is_nobody_when_withheld_and_knows_no_case() {
        assert_eq!(CallerKey::of_address(""), None);
        assert_eq!(
            CallerKey::of_address("Ann@x"),
            CallerKey::of_address("ann@X")
        );
        assert_ne!(
            CallerKey::of_address("ann"),
            Some(CallerKey::of_caller("ann"))
        );
    }

    #[test]
    fn another_name_changes_no_count_and_leaves_no_trace_of_the_old() {
        let key = |who: &str| CallerKey::of_caller(who);
        let names = BTreeMap::from([(key("3"), key("nobody")), (key("none"), key("never"))]);
        let mut few = of(0..9);
        assert!(few.rename(&names));
        assert_eq!(few.count().count, 9);
        assert_eq!(few, {
            let mut others = of((0..9).filter(|who| *who != 3));
            others.add(key("nobody"));
            others
        });
        assert!(!few.rename(&names), "once is enough");
        let mut many = of(0..5_000);
        let before = many.clone();
        assert!(!many.rename(&names));
        assert_eq!(many, before, "only an estimate is kept");
    }

    #[test]
    fn what_is_stored_wrongly_is_refused() {
        for wrong in [
            r#"{"each":[2,1]}"#,
            r#"{"each":[1,1]}"#,
            r#"{"runs":"000"}"#,
            r#"{"runs":"é"}"#,
            "[]",
        ] {
            assert!(serde_json::from_str::<Distinct>(wrong).is_err(), "{wrong}");
        }
        let high = "z".repeat(REGISTERS);
        assert!(serde_json::from_str::<Distinct>(&format!(r#"{{"runs":"{high}"}}"#)).is_err());
    }

    proptest! {
        #[test]
        fn parts_in_any_grouping_with_any_overlap_make_the_same_whole(
            parts in prop::collection::vec((0_u64..2_000, 0_u64..700), 1..6),
            shift in 0_usize..6,
        ) {
            let parts: Vec<_> = parts.into_iter().map(|(first, len)| of(first..first + len)).collect();
            let mut forwards = Distinct::default();
            for part in &parts {
                forwards += part;
            }
            // Another order, and a grouping from the right.
            let mut backwards = Distinct::default();
            for place in 0..parts.len() {
                let mut sum = parts[(place + shift) % parts.len()].clone();
                sum += &backwards;
                backwards = sum;
            }
            prop_assert_eq!(&forwards, &backwards);
            let stored = serde_json::to_string(&forwards).unwrap();
            prop_assert!(stored.len() < 11_000, "{}", stored.len());
            prop_assert_eq!(serde_json::from_str::<Distinct>(&stored).unwrap(), forwards);
        }
    }
}
