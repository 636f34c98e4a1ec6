//! What a contact needs of an agent, and how that relaxes while it waits.

use crate::agent::Skills;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Skills an agent must have, each with the least level that will do, as steps over the waiting time: the
/// first holds until its end, then the next, and after the last nothing is needed. Without steps nothing
/// is.
///
/// An agent will do who has what the present step asks for, or what an earlier one asked for: so time only
/// ever adds agents, whatever the steps say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Needs(Vec<SkillStep>);

/// Skills needed up to an age of the contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillStep {
    /// The skills, each with the least level that will do.
    pub need: Skills,
    /// Up to which time waited since the first enqueue; `None` is for ever.
    #[serde(
        rename = "until_ms",
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_millis",
        deserialize_with = "read_millis"
    )]
    pub until: Option<Duration>,
}

impl Needs {
    /// The same skills for as long as it waits.
    pub fn always(need: Skills) -> Self {
        if need.is_empty() {
            return Self::default();
        }
        Self(vec![SkillStep { need, until: None }])
    }

    /// Skills by steps.
    pub fn in_steps(steps: Vec<SkillStep>) -> Self {
        Self(steps)
    }

    /// Whether nothing is needed from the start.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What will do after a wait: any one of these, or anything when there is none.
    pub fn after(&self, waited: Duration) -> impl ExactSizeIterator<Item = &Skills> {
        let over = |step: &&SkillStep| step.until.is_some_and(|until| until <= waited);
        let passed = self.0.iter().take_while(over).count();
        let mut reached = self.0.get(..=passed).unwrap_or_default();
        if reached.iter().any(|step| step.need.is_empty()) {
            reached = &[];
        }
        reached.iter().map(|step| &step.need)
    }

    /// The first wait beyond `waited` after which more agents may do; `None` when it stays as it is.
    pub fn next_change(&self, waited: Duration) -> Option<Duration> {
        let untils = self.0.iter().map_while(|step| step.until);
        untils.filter(|until| *until > waited).min()
    }
}

/// Whether somebody with these skills will do.
pub(crate) fn will_do<'s>(
    any_of: impl ExactSizeIterator<Item = &'s Skills>,
    skills: &Skills,
) -> bool {
    let has = |need: &Skills| {
        let mut need = need.iter();
        need.all(|(skill, least)| skills.get(skill).is_some_and(|level| level >= least))
    };
    let needs_nothing = any_of.len() == 0;
    let mut any_of = any_of;
    needs_nothing || any_of.any(has)
}

/// Reads steps, or (as events of earlier releases have it) one map of skills.
impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Needs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of steps, or a map of skills and levels")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Needs, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Needs)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Needs, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Needs::always)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[expect(clippy::ref_option, reason = "serde asks so")]
fn write_millis<S: Serializer>(until: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    let millis = until.map(|until| u64::try_from(until.as_millis()).unwrap_or(u64::MAX));
    millis.serialize(to)
}

fn read_millis<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let millis: Option<u64> = Deserialize::deserialize(from)?;
    Ok(millis.map(Duration::from_millis))
}
