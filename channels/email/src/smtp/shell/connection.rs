//! One connection's task.

use super::spool::Spool;
use super::stream::Stream;
use super::{Delivery, Settings};
use crate::smtp::connection::{Connection, ConnectionEvent, Envelope, Rules, Trust};
use crate::smtp::reply::Verdict;
use crate::smtp::sources::Sources;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};

/// Where a connection is served.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) rules: Arc<Rules>,
    pub(super) settings: Arc<Settings>,
    pub(super) sources: Arc<Mutex<Sources>>,
    pub(super) deliveries: mpsc::Sender<Delivery>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Place {
    pub(super) fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What follows for the task.
enum Next {
    GoOn,
    End,
}

/// Serves a client until it or we end the connection.
pub(super) async fn serve(stream: TcpStream, peer: IpAddr, place: &Place) {
    let trust = if (place.settings.is_relay)(peer) {
        Trust::Relay
    } else {
        Trust::Nobody
    };
    let rules = Arc::clone(&place.rules);
    let mut task = Task {
        connection: Connection::new(rules, peer, trust, Instant::now()),
        stream: Stream::Plain(stream),
        spool: place.new_spool(),
        place,
        stopped: place.stopped.clone(),
        buffer: vec![0; READ_BYTES],
    };
    // How a connection breaks is the client's affair; what it had not been told 250 for it sends again.
    if let Err(error) = task.run().await {
        tracing::debug!(%peer, %error, "SMTP: a connection broke");
    }
}

impl Place {
    fn new_spool(&self) -> Spool {
        Spool::new(&self.settings.spool, self.settings.memory_bytes_max)
    }
}

struct Task<'p> {
    connection: Connection,
    stream: Stream,
    spool: Spool,
    place: &'p Place,
    stopped: watch::Receiver<bool>,
    buffer: Vec<u8>,
}

impl Task<'_> {
    async fn run(&mut self) -> std::io::Result<()> {
        loop {
            while let Some(event) = self.connection.poll_event() {
                match self.handle(event).await? {
                    Next::GoOn => {}
                    Next::End => return Ok(()),
                }
            }
            self.send().await?;
            self.wait().await?;
        }
    }

    async fn handle(&mut self, event: ConnectionEvent) -> std::io::Result<Next> {
        match event {
            ConnectionEvent::Content(bytes) => self.spool.write(&bytes).await,
            ConnectionEvent::Forget => self.spool = self.place.new_spool(),
            ConnectionEvent::Whole(envelope) => {
                // The answers to what stood before the mail need not wait for it.
                self.send().await?;
                let verdicts = self.store(*envelope).await;
                let mut sources = self.place.sources();
                self.connection
                    .handle_verdicts(Instant::now(), &verdicts, &mut sources);
            }
            ConnectionEvent::BeginTls => {
                self.send().await?;
                let Some(identity) = &self.place.settings.identity else {
                    return Ok(Next::End);
                };
                let plain = std::mem::replace(&mut self.stream, Stream::Closed);
                let encrypting = plain.encrypt(identity);
                self.stream = bounded(TLS_MAX, encrypting).await?;
                self.connection.handle_encrypted(Instant::now());
            }
            ConnectionEvent::Close => {
                self.send().await?;
                self.stream.close().await;
                return Ok(Next::End);
            }
        }
        Ok(Next::GoOn)
    }

    /// Waits for octets, for the time, or for the end of the gateway.
    async fn wait(&mut self) -> std::io::Result<()> {
        if !self.connection.wants_bytes() {
            return Ok(());
        }
        let due = self.connection.next_timeout();
        let due = due.unwrap_or_else(|| Instant::now() + self.place.rules.idle_max);
        tokio::select! {
            read = self.stream.read(&mut self.buffer) => {
                let count = read?;
                if count == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                let mut sources = self.place.sources();
                self.connection.handle_bytes(Instant::now(), &self.buffer[..count], &mut sources);
            }
            () = tokio::time::sleep_until(due.into()) => self.connection.handle_timeout(Instant::now()),
            _ = self.stopped.changed() => self.connection.handle_shutdown(),
        }
        Ok(())
    }

    async fn send(&mut self) -> std::io::Result<()> {
        while let Some(reason) = self.connection.poll_refusal() {
            (self.place.settings.on_refusal)(self.place.rules.protocol, reason);
        }
        while let Some(bytes) = self.connection.poll_transmit() {
            bounded(self.place.rules.idle_max, self.stream.write(&bytes)).await?;
        }
        Ok(())
    }

    /// Hands the mail on and waits for the verdicts; no answer is "try later".
    async fn store(&mut self, envelope: Envelope) -> Vec<Verdict> {
        let recipients = envelope.recipients.len();
        let spool = std::mem::replace(&mut self.spool, self.place.new_spool());
        let later = || vec![Verdict::TryLater; recipients];
        let content = match spool.finish().await {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!(%error, "SMTP: a mail could not be kept in the spool folder");
                return later();
            }
        };
        let (answer, verdicts) = oneshot::channel();
        let delivery = Delivery {
            envelope,
            content,
            answer,
        };
        let handing_on = async {
            self.place.deliveries.send(delivery).await.ok()?;
            verdicts.await.ok()
        };
        let verdicts = tokio::time::timeout(self.place.settings.storing_max, handing_on).await;
        verdicts.ok().flatten().unwrap_or_else(later)
    }
}

/// Gives up when it takes too long.
async fn bounded<T>(
    time_max: Duration,
    work: impl Future<Output = std::io::Result<T>>,
) -> std::io::Result<T> {
    match tokio::time::timeout(time_max, work).await {
        Ok(done) => done,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}

/// Most octets of one read.
const READ_BYTES: usize = 16 * 1_024;

/// Longest time a handshake may take.
const TLS_MAX: Duration = Duration::from_secs(30);
