//! Parts of a ledger by the kind of what is counted.

use super::facet::Facet;
use super::ledger::Ledger;

impl Ledger {
    /// Takes out what is counted by some of the numbers, caller classes, skills and agents.
    pub fn take_facets_if(&mut self, is_wanted: impl Fn(&Facet) -> bool) -> Self {
        let facets = std::mem::take(&mut self.facets);
        let mut taken = Self::empty(self.as_of);
        (taken.facets, self.facets) = facets.into_iter().partition(|(facet, _)| is_wanted(facet));
        taken
    }
}
