//! The names of everything a shard keeps in Redis. No other place builds one.
//!
//! All keys of a shard bear one hash tag, so a Cluster keeps them in one slot. What belongs to a contact
//! or an agent is a field that the verbs remove with it; the keys themselves stay, because they are the
//! desk, and an empty hash is no key at all.
//!
//! | key | kind | owner | stays because / goes when |
//! |---|---|---|---|
//! | `meta` | hash | the shard | numbers of events and offers must never restart |
//! | `queues`, `agents`, `states` | hash | configuration, `set_queue`, `set_agent` | until `remove_agent` |
//! | `contacts`, `places`, `avoid`, `offers`, `unanswered`, `taken` | hash | the contact | until it ends; a lost node's contacts are ended by `expire` |
//! | `leases`, `wrap_ups`, `overflows`, `nodes` | sorted set | `expire` | each member is reaped when due |
//! | `ended`, `ended_at` | hash, sorted set | `expire` | members go after ten minutes or beyond 20,000 |
//! | `events` | stream | the verbs | trimmed to about [`EVENTS_KEPT`] entries |
//! | `leader` | string | the leading dispatcher | expires by itself |
//! | `written` | hash | the scribes | a node's field goes when the event log has all its events |
//! | `phones`, `phone_ends` | hash, sorted set | the gateway a phone registered at, `phone.lua` | taken back, or reaped by any gateway when the registration has run out |

/// Events a stream keeps for nodes that lag; who lags more takes a snapshot. The event log is in the
/// database.
pub(super) const EVENTS_KEPT: usize = 100_000;

/// The keys of one shard.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Those of every verb, in the order that `desk.lua` lists.
    desk: [String; 17],
    leader: String,
    written: String,
    phones: [String; 2],
}

impl Keys {
    pub(super) fn new(prefix: &str, shard: &str) -> Self {
        let name = |key: &str| format!("{{{prefix}:{shard}}}:{key}");
        Self {
            desk: [
                "meta",
                "queues",
                "agents",
                "states",
                "contacts",
                "places",
                "avoid",
                "offers",
                "unanswered",
                "leases",
                "wrap_ups",
                "nodes",
                "ended",
                "ended_at",
                "events",
                "taken",
                "overflows",
            ]
            .map(name),
            leader: name("leader"),
            written: name("written"),
            phones: ["phones", "phone_ends"].map(name),
        }
    }

    pub(super) fn desk(&self) -> &[String] {
        &self.desk
    }

    pub(super) fn meta(&self) -> &str {
        &self.desk[0]
    }

    pub(super) fn queues(&self) -> &str {
        &self.desk[1]
    }

    pub(super) fn agents(&self) -> &str {
        &self.desk[2]
    }

    pub(super) fn states(&self) -> &str {
        &self.desk[3]
    }

    pub(super) fn contacts(&self) -> &str {
        &self.desk[4]
    }

    pub(super) fn places(&self) -> &str {
        &self.desk[5]
    }

    pub(super) fn avoid(&self) -> &str {
        &self.desk[6]
    }

    pub(super) fn events(&self) -> &str {
        &self.desk[14]
    }

    pub(super) fn nodes(&self) -> &str {
        &self.desk[11]
    }

    pub(super) fn leader(&self) -> &str {
        &self.leader
    }

    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// Where phones are, and when the first registration of each agent runs out.
    pub(super) fn phones(&self) -> &[String] {
        &self.phones
    }
}
