//! What else a contact is counted by: the number it came to, its caller's class, the skills it needed.

use crate::ids::SkillId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most facets kept apart. Anybody may send to any address, so those that come later are counted
/// together.
const FACETS_MAX: usize = 4_096;

/// One thing that several contacts have in common. A contact counts under each of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    /// The number or address it came to.
    Number(String),
    /// The class of its caller, 1 to 3.
    CallerClass(u8),
    /// A skill it needed.
    Skill(SkillId),
    /// One of more than are kept apart.
    Other,
}

/// A facet by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FacetKey(u32);

/// The facets met so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Facets {
    keys: BTreeMap<Facet, FacetKey>,
    facets: Vec<Facet>,
}

impl Facets {
    /// The key of a facet.
    pub(super) fn key(&mut self, facet: Facet) -> FacetKey {
        if let Some(key) = self.keys.get(&facet) {
            return *key;
        }
        let facet = if self.facets.len() >= FACETS_MAX {
            Facet::Other
        } else {
            facet
        };
        let next = FacetKey(u32::try_from(self.facets.len()).unwrap_or(u32::MAX));
        let key = *self.keys.entry(facet.clone()).or_insert(next);
        if key == next {
            self.facets.push(facet);
        }
        key
    }

    /// The facet behind a key.
    pub(super) fn facet(&self, key: FacetKey) -> Option<&Facet> {
        self.facets
            .get(usize::try_from(key.0).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_addresses_do_not_grow_the_table_for_ever() {
        let mut facets = Facets::default();
        for number in 0..FACETS_MAX + 10 {
            let key = facets.key(Facet::Number(number.to_string()));
            let told = facets.facet(key).unwrap();
            assert_eq!(*told == Facet::Other, number >= FACETS_MAX);
        }
        assert_eq!(facets.facets.len(), FACETS_MAX + 1);
        let first = facets.key(Facet::Number("0".to_owned()));
        assert_eq!(facets.facet(first), Some(&Facet::Number("0".to_owned())));
    }
}
