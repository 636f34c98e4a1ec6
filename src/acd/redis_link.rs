//! The way to the Redis that holds a desk: connections, and where a Cluster sends them.

use super::keys::Keys;
use super::redis_place::{RedisPlace, Seed};
use super::redis_store::{from_json, millis};
use super::scripts::SCRIPTS;
use super::store::StoreLost;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamReadReply};
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, Value};
use ringdown_routing::event::Event;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A connection for commands. Where a Cluster has moved the shard, it goes after it; when it breaks, it is
/// lost, and another is opened. Clones share it.
#[derive(Clone)]
pub(super) struct RedisLink {
    place: Arc<RedisPlace>,
    way: Arc<Mutex<Way>>,
}

/// A server and the connection there.
#[derive(Clone)]
struct Way {
    client: Client,
    connection: MultiplexedConnection,
}

/// What a Cluster says instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TurnedAway {
    /// The shard lives at this address now.
    Moved(String),
    /// The shard is on its way there: ask once.
    Ask(String),
    /// Not now: the shard is between two nodes, or the nodes are agreeing who has it.
    Later,
    /// The server does not know the script.
    Unloaded,
}

impl TurnedAway {
    fn read(error: &RedisError) -> Option<Self> {
        let address = || error.redirect_node().map(|(address, _)| address.to_owned());
        match error.code().unwrap_or_default() {
            "MOVED" => address().map(Self::Moved),
            "ASK" => address().map(Self::Ask),
            "TRYAGAIN" | "CLUSTERDOWN" => Some(Self::Later),
            "NOSCRIPT" => Some(Self::Unloaded),
            _ => None,
        }
    }
}

type Answers = Vec<Result<Value, RedisError>>;

impl RedisLink {
    /// Connects to the first server of the place that answers a greeting.
    pub(super) async fn open<T: FromRedisValue>(
        place: RedisPlace,
        greeting: Cmd,
    ) -> Result<(Self, T), StoreLost> {
        let place = Arc::new(place);
        let mut lost = nowhere();
        for seed in place.seeds() {
            let opened = async {
                let way = connect(seed.find(&place).await?, &place).await?;
                let link = Self {
                    place: Arc::clone(&place),
                    way: Arc::new(Mutex::new(way)),
                };
                let answer = link.send_one(greeting.clone()).await?;
                Ok((link, answer))
            };
            match opened.await {
                Ok(opened) => return Ok(opened),
                Err(fault) => lost = fault,
            }
        }
        Err(lost)
    }

    /// Sends commands in one go. Those that a Cluster turned away are sent again, in order, where and when
    /// it says, for as long as a command may take; all others are answered by then.
    pub(super) async fn send(&self, commands: &[Cmd]) -> Answers {
        let until = Instant::now() + self.place.command_timeout;
        let mut answers = send_by(&self.way().connection, commands.iter()).await;
        loop {
            let turned = |answer: &Result<Value, RedisError>| {
                answer.as_ref().err().and_then(TurnedAway::read)
            };
            let Some(how) = answers.iter().find_map(turned) else {
                return answers;
            };
            if Instant::now() >= until {
                return answers;
            }
            let again: Vec<usize> = (0..answers.len())
                .filter(|place| answers.get(*place).and_then(turned).is_some())
                .collect();
            let sent_again: Vec<Cmd> = again
                .iter()
                .filter_map(|place| commands.get(*place).cloned())
                .collect();
            let news = match self.send_again(how, sent_again).await {
                Ok(news) => news,
                Err(fault) => again.iter().map(|_| Err(fault.clone())).collect(),
            };
            for (place, answer) in again.into_iter().zip(news) {
                answers[place] = answer;
            }
        }
    }

    async fn send_again(&self, how: TurnedAway, commands: Vec<Cmd>) -> Result<Answers, RedisError> {
        match how {
            TurnedAway::Moved(address) => self.move_to(&address).await?,
            TurnedAway::Ask(address) => {
                let way = self.connect_to(&address).await?;
                let with_word = commands
                    .into_iter()
                    .flat_map(|command| [redis::cmd("ASKING"), command]);
                let with_word: Vec<Cmd> = with_word.collect();
                let answers = send_by(&way.connection, with_word.iter()).await;
                return Ok(answers.into_iter().skip(1).step_by(2).collect());
            }
            TurnedAway::Later => tokio::time::sleep(LATER).await,
            TurnedAway::Unloaded => load_scripts(&mut self.way().connection).await?,
        }
        Ok(send_by(&self.way().connection, commands.iter()).await)
    }

    /// Sends one command and reads its answer.
    pub(super) async fn send_one<T: FromRedisValue>(&self, command: Cmd) -> Result<T, StoreLost> {
        let answers = self.send(std::slice::from_ref(&command)).await;
        let answer = answers.into_iter().next().unwrap_or(Ok(Value::Nil))?;
        Ok(redis::from_redis_value(answer).map_err(RedisError::from)?)
    }

    /// The connection as it is now, for what is sent in another form.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.way().connection
    }

    /// A connection of its own for following the events, so that waiting there holds nobody up.
    pub(super) async fn follow_events(&self, keys: Arc<Keys>) -> Result<EventFollower, StoreLost> {
        let way = self.way();
        let connection = connect_without_bound(&way.client, &self.place).await?;
        Ok(EventFollower {
            place: Arc::clone(&self.place),
            way: Way { connection, ..way },
            keys,
            held_up_since: None,
        })
    }

    async fn move_to(&self, address: &str) -> Result<(), RedisError> {
        let way = self.connect_to(address).await?;
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
        Ok(())
    }

    async fn connect_to(&self, address: &str) -> Result<Way, RedisError> {
        let client = node_client(&self.place, &self.way().client, address)?;
        connect(client, &self.place).await
    }

    fn way(&self) -> Way {
        self.way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// How long the asking rests when a Cluster says that it cannot answer now.
const LATER: Duration = Duration::from_millis(20);

/// Reads the events of all nodes as they come.
pub(super) struct EventFollower {
    place: Arc<RedisPlace>,
    way: Way,
    keys: Arc<Keys>,
    /// Since when a Cluster gives no events, because the shard is between two nodes.
    held_up_since: Option<Instant>,
}

/// How long one read waits for news; its end shows that the connection lives.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Most events of one read.
pub(super) const READ_MAX: usize = 512;

impl EventFollower {
    /// The next events after a number, or none when there was no news for a while.
    pub(super) async fn read_after(&mut self, number: u64) -> Result<Vec<Event>, StoreLost> {
        let mut cmd = redis::cmd("XREAD");
        cmd.arg("COUNT")
            .arg(READ_MAX)
            .arg("BLOCK")
            .arg(millis(READ_WAIT))
            .arg("STREAMS")
            .arg(self.keys.events())
            .arg(format!("{number}-0"));
        let read = cmd.query_async::<Option<StreamReadReply>>(&mut self.way.connection);
        // A server may take as long for an answer beyond the wait that was asked of it.
        let reply = tokio::time::timeout(READ_WAIT + self.place.command_timeout, read)
            .await
            .map_err(|_| StoreLost::Faulty("the event stream fell silent".to_owned()))?;
        match reply {
            Ok(reply) => {
                self.held_up_since = None;
                let entries = reply.into_iter().flat_map(|reply| reply.keys);
                entries.flat_map(|key| key.ids).map(read_event).collect()
            }
            Err(error) => {
                self.go_after(error).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Goes where the shard was moved to, or waits while it is on its way.
    async fn go_after(&mut self, error: RedisError) -> Result<(), StoreLost> {
        match TurnedAway::read(&error) {
            Some(TurnedAway::Moved(address)) => {
                let client = node_client(&self.place, &self.way.client, &address)?;
                let connection = connect_without_bound(&client, &self.place).await?;
                self.way = Way { client, connection };
                Ok(())
            }
            Some(TurnedAway::Ask(_) | TurnedAway::Later) => {
                let since = *self.held_up_since.get_or_insert_with(Instant::now);
                if since.elapsed() > self.place.command_timeout {
                    return Err(error.into());
                }
                tokio::time::sleep(LATER).await;
                Ok(())
            }
            Some(TurnedAway::Unloaded) | None => Err(error.into()),
        }
    }
}

pub(super) fn read_event(entry: StreamId) -> Result<Event, StoreLost> {
    let text: String = entry
        .get("e")
        .ok_or_else(|| StoreLost::Faulty(format!("event {} is empty", entry.id)))?;
    from_json(text.as_bytes())
}

impl RedisPlace {
    /// A connection to the first server that can be reached, to look at it.
    pub async fn connect(&self) -> Result<MultiplexedConnection, StoreLost> {
        let mut lost = nowhere();
        for seed in self.seeds() {
            let connected = async {
                let client = seed.find(self).await?;
                Ok(connect_to(&client, self, Some(self.command_timeout)).await?)
            };
            match connected.await {
                Ok(connection) => return Ok(connection),
                Err(fault) => lost = fault,
            }
        }
        Err(lost)
    }
}

impl Seed<'_> {
    /// Where it leads: to itself, or to the master that the Sentinel names.
    async fn find(&self, place: &RedisPlace) -> Result<Client, StoreLost> {
        let Some(master) = self.master else {
            return place.client(self.address);
        };
        let sentinel = place.sentinel_client(self.address)?;
        let mut connection = connect_to(&sentinel, place, Some(place.command_timeout)).await?;
        let told: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(master)
            .query_async(&mut connection)
            .await?;
        match told {
            Some((host, port)) => place.master_client(&sentinel, host, port),
            None => Err(StoreLost::Misconfigured(format!(
                "the Sentinel knows no master `{master}`"
            ))),
        }
    }
}

fn nowhere() -> StoreLost {
    StoreLost::Misconfigured("no address of Redis is configured".to_owned())
}

fn node_client(place: &RedisPlace, asked: &Client, address: &str) -> Result<Client, RedisError> {
    place.node_client(asked, address).ok_or_else(|| {
        let fault = "a node of the Cluster told an address that is none";
        RedisError::from((ErrorKind::UnexpectedReturnType, fault, address.to_owned()))
    })
}

async fn connect(client: Client, place: &RedisPlace) -> Result<Way, RedisError> {
    let mut connection = connect_to(&client, place, Some(place.command_timeout)).await?;
    load_scripts(&mut connection).await?;
    Ok(Way { client, connection })
}

async fn connect_without_bound(
    client: &Client,
    place: &RedisPlace,
) -> Result<MultiplexedConnection, RedisError> {
    connect_to(client, place, None).await
}

async fn connect_to(
    client: &Client,
    place: &RedisPlace,
    answer_max: Option<Duration>,
) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(place.connect_timeout))
        .set_response_timeout(answer_max);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

async fn load_scripts(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let mut pipeline = redis::pipe();
    for script in SCRIPTS.all() {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(&script.text);
    }
    let _: Vec<String> = pipeline.query_async(connection).await?;
    Ok(())
}

async fn send_by<'c>(
    connection: &MultiplexedConnection,
    commands: impl ExactSizeIterator<Item = &'c Cmd>,
) -> Answers {
    let count = commands.len();
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    for command in commands {
        pipeline.add_command(command.clone());
    }
    let mut connection = connection.clone();
    let answers: Result<Answers, RedisError> = pipeline.query_async(&mut connection).await;
    answers.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
}
