//! Why agents are not ready, each reason by a small number.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most reasons kept apart. Agents may be free to write what they like, so those that come later are
/// counted together.
const REASONS_MAX: usize = 256;

/// What stands for those that are not kept apart.
const OTHERS: &str = "(others)";

/// A reason by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ReasonKey(pub(super) u32);

/// The reasons met so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reasons {
    keys: BTreeMap<String, ReasonKey>,
    names: Vec<String>,
}

impl Reasons {
    /// The key of a reason.
    pub(super) fn key(&mut self, reason: &str) -> ReasonKey {
        if let Some(key) = self.keys.get(reason) {
            return *key;
        }
        let reason = if self.names.len() < REASONS_MAX {
            reason
        } else {
            OTHERS
        };
        let next = ReasonKey(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let key = *self.keys.entry(reason.to_owned()).or_insert(next);
        if key == next {
            self.names.push(reason.to_owned());
        }
        key
    }

    /// The reason behind a key.
    pub(super) fn name(&self, key: ReasonKey) -> &str {
        let place = usize::try_from(key.0).unwrap_or(usize::MAX);
        self.names.get(place).map_or(OTHERS, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_write_does_not_grow_the_table_for_ever() {
        let mut reasons = Reasons::default();
        for number in 0..REASONS_MAX + 10 {
            let key = reasons.key(&number.to_string());
            assert_eq!(reasons.name(key) == OTHERS, number >= REASONS_MAX);
        }
        assert_eq!(reasons.names.len(), REASONS_MAX + 1);
        let first = reasons.key("0");
        assert_eq!(reasons.name(first), "0");
    }
}
