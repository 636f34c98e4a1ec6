//! Asking the CMS who somebody is: from memory when it is kept there, else by a bounded question.

use super::claim::Claim;
use crate::cms::{Caller, Cms, Directory, Match};
use crate::config::Config;
use crate::database::{Database, DatabaseFault};
use ringdown_routing::event::IdentifiedAs;
use ringdown_routing::ids::{CallerId, ContactId};
use serde::Serialize;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Identification {
    /// One person.
    Known {
        /// The person.
        caller: Arc<Caller>,
    },
    /// Several may be meant; the likeliest first.
    Ambiguous {
        /// They, with what speaks for each; never fewer than two.
        candidates: Vec<Candidate>,
    },
    /// Nobody has that number or address, or there is nothing to be believed.
    Unknown,
    /// The CMS did not answer in time.
    Unavailable,
}

/// One of several who may be meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The person.
    pub caller: Arc<Caller>,
    /// What speaks for this one, the strongest first; empty when only the number does.
    pub reasons: Vec<Reason>,
}

/// What speaks for a candidate; a later one weighs less than all before it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The trunk sent this person's name with the number.
    NameSent,
    /// The number is this person's without any extension.
    OwnNumber,
    /// The record calls the number this person's mobile or direct one.
    PersonalNumber,
    /// The person's class is 1.
    FirstClass,
}

impl Identification {
    /// The person, or the likeliest one.
    pub fn caller(&self) -> Option<&Arc<Caller>> {
        match self {
            Self::Known { caller } => Some(caller),
            Self::Ambiguous { candidates } => candidates.first().map(|first| &first.caller),
            Self::Unknown | Self::Unavailable => None,
        }
    }

    /// The person, only when there is no doubt: tickets and priority follow this one.
    pub fn known(&self) -> Option<&Arc<Caller>> {
        match self {
            Self::Known { caller } => Some(caller),
            Self::Ambiguous { .. } | Self::Unknown | Self::Unavailable => None,
        }
    }

    /// The person's key, for the `Identified` event.
    pub fn caller_id(&self) -> Option<CallerId> {
        self.caller().map(|caller| caller.id.clone())
    }

    /// The word for events and statistics.
    pub fn outcome(&self) -> IdentifiedAs {
        match self {
            Self::Known { .. } => IdentifiedAs::Known,
            Self::Ambiguous { .. } => IdentifiedAs::Ambiguous,
            Self::Unknown => IdentifiedAs::Unknown,
            Self::Unavailable => IdentifiedAs::Unavailable,
        }
    }
}

/// A later answer for a contact whose first was [`Identification::Unavailable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reidentified {
    /// The contact.
    pub contact: ContactId,
    /// Who it is; never `Unavailable`.
    pub identification: Identification,
}

/// Asks the CMS; clones share what is kept in memory.
#[derive(Clone, Debug)]
pub struct Identifier {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cms: Cms,
    rules: crate::config::Cms,
    directory: RwLock<Option<Arc<Directory>>>,
    retrying: Arc<Semaphore>,
    later: mpsc::Sender<Reidentified>,
}

impl Identifier {
    /// Starts with an empty memory that is filled at once in the background, and kept up to date. Later
    /// answers come out of the receiver.
    pub fn start(database: &Database, config: &Config) -> (Self, mpsc::Receiver<Reidentified>) {
        let retrying_max = usize::try_from(config.cms.retrying_max).unwrap_or(1).max(1);
        let (later, receiver) = mpsc::channel(retrying_max);
        let shared = Arc::new(Shared {
            cms: Cms::new(database.clone()),
            rules: config.cms.clone(),
            directory: RwLock::new(None),
            retrying: Arc::new(Semaphore::new(retrying_max)),
            later,
        });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            // Ends with the last identifier.
            while let Some(shared) = weak.upgrade() {
                if let Err(fault) = shared.refresh().await {
                    tracing::debug!(%fault, "CMS: cannot be read now");
                }
                drop(shared);
                tokio::time::sleep(REFRESH_EVERY).await;
            }
        });
        (Self { shared }, receiver)
    }

    /// Reads the CMS anew if an import changed it; done every second by itself.
    pub async fn refresh(&self) -> Result<(), DatabaseFault> {
        self.shared.refresh().await
    }

    /// The answer, when it needs no waiting: there is nothing to ask, or the CMS is in memory.
    pub fn identify_now(&self, claim: &Claim) -> Option<Identification> {
        let Some(key) = claim.key() else {
            return Some(Identification::Unknown);
        };
        let directory = self.shared.directory();
        directory.map(|directory| decide(directory.find(&key), claim))
    }

    /// The answer within the deadline; `Unavailable` after it.
    pub async fn identify(&self, claim: &Claim) -> Identification {
        if let Some(now) = self.identify_now(claim) {
            return now;
        }
        let Some(key) = claim.key() else {
            return Identification::Unknown;
        };
        let question = self.shared.cms.find(&key);
        match tokio::time::timeout(self.shared.rules.deadline, question).await {
            Ok(Ok(matches)) => decide(&matches, claim),
            Ok(Err(fault)) => {
                tracing::warn!(%fault, "CMS: does not answer, the contact goes on");
                Identification::Unavailable
            }
            Err(_) => {
                tracing::warn!("CMS: no answer within the deadline, the contact goes on");
                Identification::Unavailable
            }
        }
    }

    /// Asks again in the background, `cms.retries_max` times with `cms.retry_after_s` between; the answer
    /// comes out of the receiver. False when `cms.retrying_max` contacts are being asked for already.
    pub fn try_again(&self, contact: ContactId, claim: Claim) -> bool {
        let Ok(place) = Arc::clone(&self.shared.retrying).try_acquire_owned() else {
            return false;
        };
        let identifier = self.clone();
        tokio::spawn(async move {
            let _place = place;
            let shared = &identifier.shared;
            for _ in 0..shared.rules.retries_max {
                tokio::time::sleep(shared.rules.retry_after).await;
                let identification = identifier.identify(&claim).await;
                if identification.outcome() != IdentifiedAs::Unavailable {
                    let answer = Reidentified {
                        contact,
                        identification,
                    };
                    // Nobody listens any more when the gateway stops.
                    let _ = shared.later.send(answer).await;
                    return;
                }
            }
        });
        true
    }

    /// How many people are in memory; `None` while none are kept.
    pub fn people(&self) -> Option<usize> {
        self.shared.directory().map(|directory| directory.people())
    }
}

impl Shared {
    fn directory(&self) -> Option<Arc<Directory>> {
        let directory = self.directory.read();
        directory.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn refresh(&self) -> Result<(), DatabaseFault> {
        let known = self.directory().map(|directory| directory.revision());
        if known.is_some() && known == Some(self.cms.revision().await?) {
            return Ok(());
        }
        let new = self.cms.directory(PEOPLE_MAX).await?.map(Arc::new);
        *self
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

/// Chooses among those who have the number.
fn decide(matches: &[Match], claim: &Claim) -> Identification {
    let extension = claim.extension().unwrap_or("");
    let exact: Vec<&Match> = matches
        .iter()
        .filter(|it| !extension.is_empty() && *it.extension == *extension)
        .collect();
    let mut possible: Vec<&Match> = match (exact.is_empty(), extension.is_empty()) {
        (false, _) => exact,
        // An extension that nobody has rules out those who have another.
        (true, false) => matches
            .iter()
            .filter(|it| it.extension.is_empty())
            .collect(),
        (true, true) => matches.iter().collect(),
    };
    possible.dedup_by(|a, b| a.caller.id == b.caller.id);
    match possible.as_slice() {
        [] => Identification::Unknown,
        [one] => Identification::Known {
            caller: Arc::clone(&one.caller),
        },
        several => {
            let mut ranked: Vec<(u32, Candidate)> = several
                .iter()
                .map(|it| {
                    let reasons = reasons_for(it, claim);
                    let weight = reasons.iter().map(|reason| reason.weight()).sum();
                    let caller = Arc::clone(&it.caller);
                    (weight, Candidate { caller, reasons })
                })
                .collect();
            ranked.sort_by(|(a, one), (b, other)| {
                b.cmp(a).then_with(|| one.caller.id.cmp(&other.caller.id))
            });
            Identification::Ambiguous {
                candidates: ranked.into_iter().map(|(_, candidate)| candidate).collect(),
            }
        }
    }
}

fn reasons_for(found: &Match, claim: &Claim) -> Vec<Reason> {
    let is_same_name = !claim.name.is_empty()
        && claim.name.trim().to_lowercase() == found.caller.name.to_lowercase();
    let is_personal = ["mobile", "cell", "direct", "手機", "直線"]
        .iter()
        .any(|label| found.label.eq_ignore_ascii_case(label));
    [
        (is_same_name, Reason::NameSent),
        (found.extension.is_empty(), Reason::OwnNumber),
        (is_personal, Reason::PersonalNumber),
        (found.caller.class == Some(1), Reason::FirstClass),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect()
}

impl Reason {
    fn weight(self) -> u32 {
        match self {
            Self::NameSent => 8,
            Self::OwnNumber => 4,
            Self::PersonalNumber => 2,
            Self::FirstClass => 1,
        }
    }
}

/// Most people kept in memory; a larger CMS is asked by number. About 1 kB each.
const PEOPLE_MAX: u32 = 200_000;

/// How often a change of the CMS is looked for.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
