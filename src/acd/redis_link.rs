//! The way to the Redis that holds a desk: where it is, and the connections there.

use super::keys::Keys;
use super::redis_store::{from_json, millis};
use super::scripts::SCRIPTS;
use super::store::StoreLost;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisError};
use ringdown_routing::event::Event;
use std::sync::Arc;
use std::time::Duration;

/// Where a shared desk is, and how long it may take.
#[derive(Clone, Debug)]
pub struct RedisPlace {
    /// `redis://`, `rediss://` or `unix://`.
    pub url: String,
    /// First word of every key.
    pub key_prefix: String,
    /// Which of several desks in one Redis; one desk is one shard.
    pub shard: String,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer.
    pub command_timeout: Duration,
}

impl Default for RedisPlace {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            key_prefix: "ringdown".to_owned(),
            shard: "desk".to_owned(),
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(1),
        }
    }
}

/// Most redirections followed to the node of a Cluster that holds the shard.
pub(super) const REDIRECTS_MAX: usize = 5;

pub(super) async fn connect(
    client: &Client,
    place: &RedisPlace,
) -> Result<MultiplexedConnection, StoreLost> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(place.connect_timeout))
        .set_response_timeout(Some(place.command_timeout));
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

pub(super) async fn load_scripts(connection: &mut MultiplexedConnection) -> Result<(), StoreLost> {
    let mut pipeline = redis::pipe();
    for script in SCRIPTS.all() {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(&script.text);
    }
    let _: Vec<String> = pipeline.query_async(connection).await?;
    Ok(())
}

pub(super) fn redirected(client: &Client, error: &RedisError) -> Option<redis::ConnectionInfo> {
    let (address, _slot) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let info = client.get_connection_info().clone();
    let address = match info.addr() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port: port.parse().ok()?,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        // Addresses of other kinds (the library may add some) are not those of a Cluster's nodes.
        ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) | _ => {
            ConnectionAddr::Tcp(host.to_owned(), port.parse().ok()?)
        }
    };
    Some(info.set_addr(address))
}

/// Reads the events of all nodes as they come.
pub(super) struct EventFollower {
    pub(super) connection: MultiplexedConnection,
    pub(super) keys: Arc<Keys>,
    /// How long a server may take beyond the wait that was asked of it.
    pub(super) patience: Duration,
}

/// How long one read waits for news; its end shows that the connection lives.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Most events of one read.
const READ_MAX: usize = 512;

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
        let read = cmd.query_async::<Option<redis::streams::StreamReadReply>>(&mut self.connection);
        let reply = tokio::time::timeout(READ_WAIT + self.patience, read)
            .await
            .map_err(|_| StoreLost::Faulty("the event stream fell silent".to_owned()))??;
        let entries = reply.into_iter().flat_map(|reply| reply.keys);
        entries
            .flat_map(|key| key.ids)
            .map(|entry| {
                let text: String = entry
                    .get("e")
                    .ok_or_else(|| StoreLost::Faulty(format!("event {} is empty", entry.id)))?;
                from_json(text.as_bytes())
            })
            .collect()
    }
}
