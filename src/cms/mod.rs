//! The embedded CMS: people, their organisations, numbers and addresses, and what belongs to them.
//!
//! It lives in the desk's database and is filled by `ringdown cms import` ([`import`]). A gateway keeps it
//! as a [`Directory`] in memory and reads it anew when an import counted up the revision `cms`; one
//! that is too large to keep is asked by number instead.

mod directory;
pub mod import;
mod reading;

pub use directory::{Directory, Match};
pub use reading::Cms;

use crate::config::Language;
use ringdown_routing::ids::{CallerId, CiId, OrganisationId};
use serde::{Deserialize, Serialize};

/// A person behind contacts, with what the desk wants to know at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// Which person.
    pub id: CallerId,
    /// The name people see.
    pub name: String,
    /// Where they belong.
    pub organisation: Option<Organisation>,
    /// 1 (hit hardest by a failure) to 3.
    pub class: Option<u8>,
    /// What they speak.
    pub language: Option<Language>,
    /// Their numbers.
    pub phones: Vec<Phone>,
    /// Their mail addresses.
    pub mails: Vec<String>,
    /// Their own CIs and services, then their organisation's.
    pub cis: Vec<Ci>,
}

/// An organisation people belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// Which organisation.
    pub id: OrganisationId,
    /// Its name.
    pub name: String,
}

/// One number of a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Phone {
    /// Its one form: E.164 with plus sign, or the internal digits.
    pub number: String,
    /// Digits dialled after it; empty without.
    pub extension: String,
    /// What it is (`mobile`, `work`, ...); empty when nobody said.
    pub label: String,
}

/// A configuration item: an asset or a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ci {
    /// Which CI.
    pub id: CiId,
    /// What it is (`notebook`, `service`, `line`, ...).
    pub kind: String,
    /// Its name.
    pub name: String,
}

#[cfg(test)]
mod tests;
