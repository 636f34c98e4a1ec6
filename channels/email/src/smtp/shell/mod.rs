//! The thin layer that owns SMTP's sockets: one task a connection, mails handed on to be stored.
//!
//! ```text
//! listener -- task per connection -- Connection (core) -- Delivery --> who stores mails
//!                                         ^--- verdicts ------------------+
//! ```
//!
//! Bounded: connections, what each may ask (the core), octets of a mail in memory (above
//! [`Settings::memory_bytes_max`] it goes to a file of the spool folder), mails that wait to be stored,
//! and how long storing may take. A file of the spool lives no longer than its mail's connection.

mod connection;
mod spool;
mod stream;
#[cfg(test)]
mod tests;

pub use spool::Content;
pub use stream::{TlsFault, TlsIdentity};

use super::connection::{Envelope, Protocol, Rules};
use super::reply::{Reply, Verdict};
use super::sources::{SourceLimits, Sources};
use connection::{Place, serve};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// What all listeners share.
#[derive(Clone)]
pub struct Settings {
    /// Bounds of connections and mails by source.
    pub sources: SourceLimits,
    /// Whether an address is a mail server of ours, which sends for the whole world.
    pub is_relay: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// What STARTTLS shows; needed where a listener's rules speak of TLS.
    pub identity: Option<TlsIdentity>,
    /// Folder of mails too large for memory; it is there.
    pub spool: PathBuf,
    /// Octets of a mail held in memory.
    pub memory_bytes_max: usize,
    /// Longest time a client waits until its mail is stored; then it is told to try again.
    pub storing_max: Duration,
    /// Hears of every reply that refuses something, by its word ([`Reply::refusal`]); must not wait.
    pub on_refusal: Arc<dyn Fn(Protocol, &'static str) + Send + Sync>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("sources", &self.sources)
            .field("spool", &self.spool)
            .field("memory_bytes_max", &self.memory_bytes_max)
            .finish_non_exhaustive()
    }
}

/// A mail that is whole, for whoever stores it.
#[derive(Debug)]
pub struct Delivery {
    /// Who it is from and for.
    pub envelope: Envelope,
    /// Its octets.
    pub content: Content,
    /// Takes one verdict for each recipient, in their order; letting go of it is "try later".
    pub answer: oneshot::Sender<Vec<Verdict>>,
}

/// The open listeners. They end with [`Shell::close`], or at once when the value is let go.
#[derive(Debug)]
pub struct Shell {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Shell {
    /// Serves these listeners, each by its rules; must be called within a runtime.
    pub fn start(
        listeners: Vec<(TcpListener, Rules)>,
        settings: Settings,
        deliveries: mpsc::Sender<Delivery>,
    ) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let sources = Arc::new(Mutex::new(Sources::new(settings.sources)));
        let settings = Arc::new(settings);
        let (mut addresses, mut tasks) = (Vec::new(), JoinSet::new());
        for (listener, rules) in listeners {
            addresses.push(listener.local_addr()?);
            let place = Place {
                rules: Arc::new(rules),
                settings: Arc::clone(&settings),
                sources: Arc::clone(&sources),
                deliveries: deliveries.clone(),
                stopped: stopped.clone(),
            };
            tasks.spawn(accept(listener, place));
        }
        Ok(Self {
            addresses,
            stop,
            tasks,
        })
    }

    /// Where it listens, in the order of the listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes no more mails, waits for the answers to those that are being stored, and ends.
    pub async fn close(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn accept(listener: TcpListener, place: Place) {
    let mut stopped = place.stopped.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(receive(stream, peer.ip().to_canonical(), place.clone()));
                }
                Err(error) => {
                    // Out of descriptors: the next try would fail as fast.
                    tracing::warn!(%error, "SMTP: a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            // A sender that is gone stops as well.
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn receive(mut stream: TcpStream, peer: IpAddr, place: Place) {
    let admitted = place.sources().admit(Instant::now(), peer);
    match admitted {
        Ok(()) => {
            // A mail is told in small steps that each wait for the other side.
            let _ = stream.set_nodelay(true);
            let _admission = Admission {
                peer,
                place: &place,
            };
            serve(stream, peer, &place).await;
        }
        Err(turned) => {
            tracing::info!(%peer, ?turned, "SMTP: a connection was turned away");
            (place.settings.on_refusal)(place.rules.protocol, TOO_MANY_CONNECTIONS);
            let mut line = Vec::new();
            Reply::new(421, "4.7.0", "Too many connections, come again later").write(&mut line);
            // Who is turned away and does not listen misses nothing.
            let _ = tokio::time::timeout(TURNING_AWAY_MAX, stream.write_all(&line)).await;
        }
    }
}

/// A connection that was let in; it is let go when this is dropped, whatever happens.
struct Admission<'p> {
    peer: IpAddr,
    place: &'p Place,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.place.sources().release(self.peer);
    }
}

/// What a connection is told that is turned away, in a word.
const TOO_MANY_CONNECTIONS: &str = "too_many_connections";

/// Pause after a connection that could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the words to somebody who is turned away may take.
const TURNING_AWAY_MAX: Duration = Duration::from_secs(2);
