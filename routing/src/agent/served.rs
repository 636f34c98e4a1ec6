//! How the queues an agent serves are written: `["a", {"id": "b", "precedence": 2}]`.

use super::{Precedence, Served};
use crate::ids::QueueId;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Writes a name alone where the precedence is the usual one.
pub fn serialize<S: Serializer>(served: &Served, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(served.iter().map(|(id, precedence)| Written {
        id,
        precedence: *precedence,
    }))
}

/// Reads names and tables.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Served, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Served;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of queues")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Served, A::Error> {
            let mut served = Served::new();
            while let Some(Read(id, precedence)) = list.next_element()? {
                served.insert(id, precedence);
            }
            Ok(served)
        }
    }
    deserializer.deserialize_seq(List)
}

struct Written<'q> {
    id: &'q QueueId,
    precedence: Precedence,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    id: QueueId,
    #[serde(default)]
    precedence: Precedence,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.precedence == Precedence::default() {
            return self.id.serialize(serializer);
        }
        let table = Table {
            id: self.id.clone(),
            precedence: self.precedence,
        };
        table.serialize(serializer)
    }
}

struct Read(QueueId, Precedence);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Read;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a queue, or a table with its `id` and `precedence`")
            }

            fn visit_str<E>(self, id: &str) -> Result<Read, E> {
                Ok(Read(QueueId::from(id), Precedence::default()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Read, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Read(table.id, table.precedence))
            }
        }
        deserializer.deserialize_any(One)
    }
}
