//! The desk in Redis, shared by several gateways.

use super::keys::Keys;
use super::redis_link::{EventFollower, READ_MAX, RedisLink, read_event};
use super::redis_place::RedisPlace;
use super::scripts::SCRIPTS;
use super::store::{Leadership, QueueStore, Request, StoreLost};
use redis::streams::StreamRangeReply;
use redis::{Cmd, Value};
use ringdown_routing::agent::{Agent, AgentProfile, Hold, Status, Tally};
use ringdown_routing::contact::{Place, PlacedContact, QueuedContact};
use ringdown_routing::event::Event;
use ringdown_routing::ids::{AgentId, ContactId, NodeId};
use ringdown_routing::time::Timestamp;
use ringdown_routing::verb::{
    Answer, ENDED_KEPT, ENDED_KEPT_MAX, Outcome, REAPED_MAX, RING_ON_NO_ANSWER, Verb,
};
use ringdown_routing::view::Snapshot;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The desk of a shard. When its server is lost, it is opened anew with [`RedisStore::open`].
#[derive(Clone)]
pub struct RedisStore {
    link: RedisLink,
    keys: Arc<Keys>,
    origin: NodeId,
}

/// What was found when a desk was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A desk with its state.
    Desk,
    /// Nothing: a new server, or one that lost its data.
    Nothing,
}

impl RedisStore {
    /// Connects, loads the scripts, and opens the desk. An empty one, and one whose server is another than
    /// before, gets an origin for its events that no earlier one had, and tokens above all earlier ones.
    pub async fn open(
        place: RedisPlace,
        node: &NodeId,
        at: Timestamp,
    ) -> Result<(Self, Found), StoreLost> {
        let keys = Arc::new(Keys::new(&place.key_prefix, &place.shard));
        let origin = format!("{}/{node}/{}", place.shard, at.as_millis());
        let mut cmd = SCRIPTS.open.command();
        cmd.arg(keys.desk().len()).arg(keys.desk());
        cmd.arg(&origin).arg(at.as_millis().max(0));
        let (database, lease) = (place.database.clone(), place.leases.node);
        let (link, (origin, is_new)) = RedisLink::open::<(String, i64)>(place, cmd).await?;
        let store = Self {
            link,
            keys,
            origin: NodeId::new(origin.as_str()),
        };
        let found = if is_new == 1 {
            Found::Nothing
        } else {
            Found::Desk
        };
        if let Some(database) = database {
            store.join(node, &database, at, lease).await?;
        }
        Ok((store, found))
    }

    /// Joins those who write to the same database.
    async fn join(
        &self,
        node: &NodeId,
        database: &str,
        at: Timestamp,
        lease: Duration,
    ) -> Result<(), StoreLost> {
        let mut cmd = SCRIPTS.join.command();
        cmd.arg(2).arg(self.keys.meta()).arg(self.keys.nodes());
        cmd.arg(at.as_millis()).arg(node.as_str());
        cmd.arg(database).arg(millis(lease));
        let has_joined: i64 = self.link.send_one(cmd).await?;
        if has_joined == 1 {
            return Ok(());
        }
        Err(StoreLost::Misconfigured(
            "the gateways of its desk write to another database. Those that share a queue share one \
             PostgreSQL: give them the same `url` in `[database]`, or this one a `key_prefix` of its own"
                .to_owned(),
        ))
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Sends one command of those who keep something beside the desk.
    pub(super) async fn send_one<T: redis::FromRedisValue>(
        &self,
        cmd: Cmd,
    ) -> Result<T, StoreLost> {
        self.link.send_one(cmd).await
    }

    /// The origin of the desk's events.
    pub fn origin(&self) -> &NodeId {
        &self.origin
    }

    /// A connection of its own for following the events, so that waiting there holds nobody up.
    pub(super) async fn follow_events(&self) -> Result<EventFollower, StoreLost> {
        self.link.follow_events(self.keys.clone()).await
    }

    /// Notes up to which number a node's events are in the event log.
    pub(super) async fn note_written(&self, node: &NodeId, number: u64) -> Result<(), StoreLost> {
        let mut cmd = redis::cmd("HSET");
        cmd.arg(self.keys.written()).arg(node.as_str()).arg(number);
        let _: i64 = self.link.send_one(cmd).await?;
        Ok(())
    }

    /// The nodes that are lost and whose events may be missing in the event log after a number.
    pub(super) async fn unwritten(&self) -> Result<Vec<(NodeId, u64)>, StoreLost> {
        let (mut written, mut living) = (redis::cmd("HGETALL"), redis::cmd("ZRANGE"));
        written.arg(self.keys.written());
        living.arg(self.keys.nodes()).arg(0).arg(-1);
        // A node that joins in between is among the living by then.
        let written: BTreeMap<String, u64> = self.link.send_one(written).await?;
        let living: BTreeSet<String> = self.link.send_one(living).await?;
        let lost = written
            .into_iter()
            .filter(|(node, _)| !living.contains(node));
        Ok(lost
            .map(|(node, number)| (NodeId::new(node.as_str()), number))
            .collect())
    }

    /// Forgets about a lost node whose events are all in the event log.
    pub(super) async fn forget_written(&self, node: &NodeId, number: u64) -> Result<(), StoreLost> {
        let mut cmd = SCRIPTS.forget_written.command();
        cmd.arg(2).arg(self.keys.written()).arg(self.keys.nodes());
        cmd.arg(node.as_str()).arg(number);
        let _: i64 = self.link.send_one(cmd).await?;
        Ok(())
    }

    /// The next events of the stream after a number, at most so many as one read brings.
    pub(super) async fn events_after(&self, number: u64) -> Result<Vec<Event>, StoreLost> {
        let mut cmd = redis::cmd("XRANGE");
        cmd.arg(self.keys.events())
            .arg(format!("({number}-0"))
            .arg("+");
        cmd.arg("COUNT").arg(READ_MAX);
        let reply: StreamRangeReply = self.link.send_one(cmd).await?;
        reply.ids.into_iter().map(read_event).collect()
    }

    fn command(&self, request: &Request) -> Cmd {
        let (script, at) = match request {
            Request::Change(change) => (SCRIPTS.of(&change.verb), change.at),
            Request::Publish(draft) => (&SCRIPTS.publish, draft.at),
        };
        let mut cmd = script.command();
        cmd.arg(self.keys.desk().len())
            .arg(self.keys.desk())
            .arg(at.as_millis());
        match request {
            Request::Change(change) => add_arguments(&mut cmd, &change.verb, at),
            Request::Publish(draft) => {
                cmd.arg(to_json(draft));
            }
        }
        cmd
    }
}

impl QueueStore for RedisStore {
    async fn ask(&self, requests: Vec<Request>) -> Vec<Result<Outcome, StoreLost>> {
        let commands: Vec<Cmd> = requests
            .iter()
            .map(|request| self.command(request))
            .collect();
        let answers = self.link.send(&commands).await.into_iter();
        answers
            .map(|answer| read_outcome(answer.map_err(StoreLost::from)?))
            .collect()
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreLost> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        let keys = &self.keys;
        for key in [
            keys.meta(),
            keys.queues(),
            keys.agents(),
            keys.states(),
            keys.contacts(),
            keys.places(),
            keys.avoid(),
        ] {
            pipeline.hgetall(key);
        }
        let mut connection = self.link.connection();
        let fields: Vec<BTreeMap<String, String>> = pipeline.query_async(&mut connection).await?;
        read_snapshot(&fields)
    }

    async fn lead(&self, node: &NodeId, lease: Duration) -> Result<Leadership, StoreLost> {
        let mut cmd = SCRIPTS.lead.command();
        cmd.arg(1).arg(self.keys.leader());
        cmd.arg(node.as_str()).arg(millis(lease));
        let leads: i64 = self.link.send_one(cmd).await?;
        Ok(if leads == 1 {
            Leadership::Ours
        } else {
            Leadership::Theirs
        })
    }

    async fn resign(&self, node: &NodeId) -> Result<(), StoreLost> {
        let mut cmd = SCRIPTS.resign.command();
        cmd.arg(1).arg(self.keys.leader()).arg(node.as_str());
        let _: i64 = self.link.send_one(cmd).await?;
        Ok(())
    }
}

fn add_arguments(cmd: &mut Cmd, verb: &Verb, at: Timestamp) {
    match verb {
        Verb::SetQueue { rules } => cmd.arg(rules.id.as_str()).arg(to_json(rules)),
        Verb::SetAgent { profile } => cmd.arg(profile.id.as_str()).arg(to_json(profile)),
        Verb::RemoveAgent { agent } => cmd.arg(agent.as_str()),
        Verb::EndWrapUp { agent, contact } => {
            let contact = contact.map(|contact| contact.to_string());
            cmd.arg(agent.as_str()).arg(contact.unwrap_or_default())
        }
        Verb::ExtendWrapUp { agent, contact, by } => cmd
            .arg(agent.as_str())
            .arg(contact.to_string())
            .arg(millis(*by)),
        Verb::Enqueue { contact } => {
            let mut record = contact.clone();
            record.avoid.clear();
            record.entered_at = Some(at);
            record.overflows_refused = 0;
            cmd.arg(contact.id.to_string()).arg(to_json(&record))
        }
        Verb::AgentStatus { agent, status } => cmd.arg(agent.as_str()).arg(to_json(status)),
        Verb::AgentReachable {
            agent,
            is_reachable,
        } => cmd.arg(agent.as_str()).arg(i32::from(*is_reachable)),
        Verb::Offer {
            contact,
            agent,
            others,
        } => {
            cmd.arg(contact.to_string()).arg(agent.as_str());
            others
                .iter()
                .fold(cmd, |cmd, other| cmd.arg(other.as_str()))
        }
        Verb::Accept { token } => cmd.arg(token.as_u64()),
        Verb::Decline { token, reason } => cmd.arg(token.as_u64()).arg(word(reason)),
        Verb::RingTimeout { token } => cmd.arg(token.as_u64()).arg(RING_ON_NO_ANSWER),
        Verb::Abandon { contact } => cmd.arg(contact.to_string()),
        Verb::Requeue {
            contact,
            reason,
            token,
        } => cmd
            .arg(contact.to_string())
            .arg(word(reason))
            .arg(token.map(|token| token.to_string()).unwrap_or_default()),
        Verb::Move { contact, to } => cmd.arg(contact.to_string()).arg(to.as_str()),
        Verb::HandOver {
            contact,
            to,
            reserved,
            token,
        } => cmd
            .arg(contact.to_string())
            .arg(to.as_str())
            .arg(reserved.as_ref().map(to_json).unwrap_or_default())
            .arg(token.map(|token| token.to_string()).unwrap_or_default()),
        Verb::Reprioritise { contact, priority } => cmd.arg(contact.to_string()).arg(priority.0),
        Verb::FlowOut { contact, to } => cmd.arg(contact.to_string()).arg(to),
        Verb::Complete {
            contact,
            by,
            talk,
            hold,
            token,
        } => cmd
            .arg(contact.to_string())
            .arg(word(by))
            .arg(millis(*talk))
            .arg(millis(*hold))
            .arg(token.map(|token| token.to_string()).unwrap_or_default()),
        Verb::NodeAlive { node, lease } => cmd.arg(node.as_str()).arg(millis(*lease)),
        Verb::Restore { contact, place } => cmd
            .arg(contact.id.to_string())
            .arg(to_json(contact))
            .arg(to_json(&contact.avoid))
            .arg(to_json(place)),
        Verb::Expire => cmd
            .arg(REAPED_MAX)
            .arg(millis(ENDED_KEPT))
            .arg(ENDED_KEPT_MAX),
    };
}

fn read_outcome(value: Value) -> Result<Outcome, StoreLost> {
    let texts: Vec<Vec<u8>> = redis::from_redis_value(value)
        .map_err(|error| StoreLost::Faulty(format!("no list of texts: {error}")))?;
    let mut texts = texts.iter();
    let answer: Answer = match texts.next() {
        Some(text) => from_json(text)?,
        None => return Err(StoreLost::Faulty("an empty answer".to_owned())),
    };
    let events = texts
        .map(|text| from_json(text))
        .collect::<Result<_, _>>()?;
    Ok(Outcome { answer, events })
}

/// What the verbs keep of an agent beside the profile.
#[derive(Deserialize)]
struct KeptState {
    #[serde(flatten)]
    status: Status,
    next_status: Option<Status>,
    holds: BTreeMap<ContactId, Hold>,
    is_reachable: bool,
    idle_since: Timestamp,
    rest_until: Option<Timestamp>,
    tally: Tally,
}

fn read_snapshot(fields: &[BTreeMap<String, String>]) -> Result<Snapshot, StoreLost> {
    let [meta, queues, agents, states, contacts, places, avoid] = fields else {
        return Err(StoreLost::Faulty("a snapshot in pieces".to_owned()));
    };
    if !meta.contains_key("origin") {
        return Err(StoreLost::Emptied);
    }
    let count = |name: &str| meta.get(name).and_then(|text| text.parse().ok());
    let counted = |name: &'static str| {
        count(name).ok_or_else(|| StoreLost::Faulty(format!("no count of {name}")))
    };
    let mut snapshot = Snapshot {
        entered: counted("entered")?,
        ended: counted("ended")?,
        last_event: counted("event")?,
        ..Snapshot::default()
    };
    for rules in queues.values() {
        snapshot.queues.push(from_json(rules.as_bytes())?);
    }
    for (id, profile) in agents {
        let kept: KeptState = from_json(field(states, id)?.as_bytes())?;
        let profile: AgentProfile = from_json(profile.as_bytes())?;
        snapshot.agents.push(Agent {
            profile,
            status: kept.status,
            next_status: kept.next_status,
            holds: kept.holds,
            is_reachable: kept.is_reachable,
            idle_since: kept.idle_since,
            rest_until: kept.rest_until,
            tally: kept.tally,
        });
    }
    for (id, record) in contacts {
        let mut record: QueuedContact = from_json(record.as_bytes())?;
        record.avoid = match avoid.get(id) {
            Some(text) => from_json::<BTreeMap<AgentId, Timestamp>>(text.as_bytes())?,
            None => BTreeMap::new(),
        };
        let place: Place = from_json(field(places, id)?.as_bytes())?;
        snapshot.contacts.push(PlacedContact { record, place });
    }
    Ok(snapshot)
}

fn field<'f>(fields: &'f BTreeMap<String, String>, id: &str) -> Result<&'f String, StoreLost> {
    fields
        .get(id)
        .ok_or_else(|| StoreLost::Faulty(format!("half of {id} is missing")))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, StoreLost> {
    serde_json::from_slice(text)
        .map_err(|error| StoreLost::Faulty(format!("{error} in {}", String::from_utf8_lossy(text))))
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the desk's words are plain data with text keys")
}

/// An enum's word without quotes.
fn word<T: Serialize>(value: &T) -> String {
    to_json(value).trim_matches('"').to_owned()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
