//! The CMS in memory: who has this number or address, answered without waiting.

use super::Caller;
use std::collections::HashMap;
use std::sync::Arc;

/// Everybody, by number and by mail address.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    revision: i64,
    by_key: HashMap<Box<str>, Vec<Match>>,
    people: usize,
}

/// One person who has the number or address asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The person.
    pub caller: Arc<Caller>,
    /// The extension their record names behind this number; empty without.
    pub extension: Box<str>,
    /// What their record calls this number; empty when nobody said.
    pub label: Box<str>,
}

impl Directory {
    /// Builds it from everybody, as of a revision.
    pub fn new(people: Vec<Caller>, revision: i64) -> Self {
        let mut by_key: HashMap<Box<str>, Vec<Match>> = HashMap::new();
        let count = people.len();
        for caller in people {
            let caller = Arc::new(caller);
            for phone in &caller.phones {
                by_key
                    .entry(phone.number.as_str().into())
                    .or_default()
                    .push(Match {
                        caller: Arc::clone(&caller),
                        extension: phone.extension.as_str().into(),
                        label: phone.label.as_str().into(),
                    });
            }
            for mail in &caller.mails {
                by_key.entry(mail.as_str().into()).or_default().push(Match {
                    caller: Arc::clone(&caller),
                    extension: "".into(),
                    label: "".into(),
                });
            }
        }
        Self {
            revision,
            by_key,
            people: count,
        }
    }

    /// Everybody who has this number or address, in the order of their ids.
    pub fn find(&self, key: &str) -> &[Match] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// The revision of the CMS it shows.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// How many people it holds.
    pub fn people(&self) -> usize {
        self.people
    }
}
