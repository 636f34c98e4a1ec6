//! What else a contact is counted by: the number it came to, its caller's class, the skills it needed.

use crate::ids::{AgentId, SkillId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most numbers kept apart. Anybody may send to any address, so those that come later are counted
/// together.
const NUMBERS_MAX: usize = 4_096;

/// Most facets kept apart, of all kinds.
const FACETS_MAX: usize = 65_536;

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
    /// The agent who answered it; each stay in a queue counts under its own.
    Agent(AgentId),
    /// One of more than are kept apart.
    Other,
}

impl Facet {
    /// The same of another number, where `instead` has one for it.
    pub(super) fn renamed(&self, instead: impl Fn(&str) -> Option<String>) -> Option<Self> {
        match self {
            Self::Number(number) => instead(number).map(Self::Number),
            Self::CallerClass(_) | Self::Skill(_) | Self::Agent(_) | Self::Other => None,
        }
    }
}

/// A facet by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FacetKey(pub(super) u32);

/// The facets met so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Facets {
    keys: BTreeMap<Facet, FacetKey>,
    facets: Vec<Facet>,
    numbers: usize,
}

impl Facets {
    /// The key of a facet.
    pub(super) fn key(&mut self, facet: Facet) -> FacetKey {
        if let Some(key) = self.keys.get(&facet) {
            return *key;
        }
        let is_number = matches!(facet, Facet::Number(_));
        let is_too_many =
            self.facets.len() >= FACETS_MAX || (is_number && self.numbers >= NUMBERS_MAX);
        let facet = if is_too_many { Facet::Other } else { facet };
        self.numbers += usize::from(is_number && !is_too_many);
        let next = FacetKey(u32::try_from(self.facets.len()).unwrap_or(u32::MAX));
        let key = *self.keys.entry(facet.clone()).or_insert(next);
        if key == next {
            self.facets.push(facet);
        }
        key
    }

    /// Puts other numbers in place of those that `instead` has another for; whether there was one.
    pub(super) fn rename_numbers(&mut self, instead: impl Fn(&str) -> Option<String>) -> bool {
        let mut is_changed = false;
        for facet in &mut self.facets {
            let Some(new) = facet.renamed(&instead) else {
                continue;
            };
            if let Some(key) = self.keys.remove(facet) {
                self.keys.insert(new.clone(), key);
            }
            *facet = new;
            is_changed = true;
        }
        is_changed
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
        for number in 0..NUMBERS_MAX + 10 {
            let key = facets.key(Facet::Number(number.to_string()));
            let told = facets.facet(key).unwrap();
            assert_eq!(*told == Facet::Other, number >= NUMBERS_MAX);
        }
        assert_eq!(facets.facets.len(), NUMBERS_MAX + 1);
        let agent = Facet::Agent(AgentId::from("ann"));
        let key = facets.key(agent.clone());
        assert_eq!(
            facets.facet(key),
            Some(&agent),
            "agents have room of their own"
        );
        let first = facets.key(Facet::Number("0".to_owned()));
        assert_eq!(facets.facet(first), Some(&Facet::Number("0".to_owned())));
    }
}
