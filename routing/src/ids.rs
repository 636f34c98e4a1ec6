//! Types that identify things; a bare string or number never does.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Says that a text is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdFault {
    /// The kind of id that was wanted, in words.
    pub wanted: &'static str,
}

impl fmt::Display for IdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a {}", self.wanted)
    }
}

impl std::error::Error for IdFault {}

/// One contact: 48 bits of arrival time in milliseconds, then 80 random bits.
///
/// Written as 26 characters of Crockford base 32, so that the text sorts by arrival like the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(u128);

impl ContactId {
    /// Makes an id from the arrival time and random bits (the upper 48 of `random` are ignored).
    pub fn new(arrived: crate::time::Timestamp, random: u128) -> Self {
        let millis = u128::try_from(arrived.as_millis().max(0)).unwrap_or(0) & ((1 << 48) - 1);
        Self((millis << 80) | (random & ((1 << 80) - 1)))
    }

    /// Takes a number that another part of the desk made.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The id as a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The contact that stands for the caller when this one's gateway has died: the same instant and the same
    /// lowest eight bits (a gateway names its shard there), all else turned over, so that everybody comes to
    /// the same. Turned over again it is this one.
    pub const fn successor(self) -> Self {
        Self(self.0 ^ (((1 << 72) - 1) << 8))
    }
}

const BASE32: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 26];
        for (place, slot) in text.iter_mut().enumerate() {
            let shift = 5 * (25 - place);
            let digit = usize::try_from((self.0 >> shift) & 31).unwrap_or(0);
            *slot = BASE32[digit];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or(""))
    }
}

impl FromStr for ContactId {
    type Err = IdFault;

    fn from_str(text: &str) -> Result<Self, IdFault> {
        let fault = IdFault {
            wanted: "contact id",
        };
        if text.len() != 26 {
            return Err(fault);
        }
        let mut number: u128 = 0;
        for (place, byte) in text.bytes().enumerate() {
            let upper = byte.to_ascii_uppercase();
            let digit = BASE32
                .iter()
                .position(|b| *b == upper)
                .ok_or(fault.clone())?;
            if place == 0 && digit > 7 {
                return Err(fault);
            }
            number = (number << 5) | digit as u128;
        }
        Ok(Self(number))
    }
}

impl Serialize for ContactId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContactId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a name as configuration or a store spells it.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

name_id!(
    /// An agent, by the name used to register (`sip:NAME@domain`) and to log in.
    AgentId
);
name_id!(
    /// A queue, by its configured name.
    QueueId
);
name_id!(
    /// A skill, by its configured name.
    SkillId
);
name_id!(
    /// A person in the CMS, by the CMS's own key.
    CallerId
);
name_id!(
    /// An organisation in the CMS, by the CMS's own key.
    OrganisationId
);
name_id!(
    /// A configuration item (asset or service) in the CMS, by the CMS's own key.
    CiId
);
name_id!(
    /// A major incident, by what was minted for it when it was declared.
    IncidentId
);
name_id!(
    /// One running gateway; minted at start, so a restarted process is another node.
    NodeId
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Takes the number that the owner of these ids minted.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The id as a number.
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// A ticket, by its key in the ticket store.
    TicketId
);
number_id!(
    /// One offer; tokens grow monotonically within a shard, so a stale answer is recognised.
    OfferToken
);

/// One event: minted by one node, counted up from 1 by it, so that storing an event twice is seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId {
    /// Who minted it: a node's name, or the shard of a Redis store.
    pub origin: NodeId,
    /// Its number with that origin, from 1.
    pub number: u64,
}
