//! The connections there are, by id and by the other end, and their send queues.

use super::connection::{self, Context};
use super::counts::Counters;
use super::{SendFault, ShellEvent};
use crate::sip::flow::{ConnectionId, Flow, Transmit, Transport};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Every connection; the lock is held for a look-up, never across I/O.
#[derive(Debug)]
pub(super) struct Pool {
    context: Arc<Context>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    by_id: BTreeMap<ConnectionId, Entry>,
    by_remote: BTreeMap<SocketAddr, ConnectionId>,
    per_address: BTreeMap<IpAddr, usize>,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    remote: SocketAddr,
    queue: mpsc::Sender<Transmit>,
    task: Option<AbortHandle>,
}

impl Pool {
    pub(super) fn new(context: Arc<Context>) -> Arc<Self> {
        Arc::new(Self {
            context,
            table: Mutex::default(),
        })
    }

    pub(super) fn connections(&self) -> usize {
        self.table().by_id.len()
    }

    /// Queues a message on its connection, or on one to the same end, or on a new one.
    pub(super) fn send(self: &Arc<Self>, transmit: Transmit) -> Result<(), SendFault> {
        let mut table = self.table();
        let id = transmit
            .flow
            .connection
            .filter(|id| table.by_id.contains_key(id))
            .or_else(|| table.by_remote.get(&transmit.flow.remote).copied());
        if let Some(entry) = id.and_then(|id| table.by_id.get(&id)) {
            return entry.queue.try_send(transmit).map_err(|_| SendFault::Full);
        }
        let remote = transmit.flow.remote;
        let (id, queue, messages) = self.enter(&mut table, remote).ok_or(SendFault::NoWay)?;
        drop(table);
        let _ = queue.try_send(transmit);
        let pool = Arc::clone(self);
        let flow = Flow::new(Transport::Tcp, remote).over(id);
        self.spawn(id, async move { connect(pool, flow, messages).await });
        Ok(())
    }

    /// Takes a connection that was opened to us.
    pub(super) fn take_accepted(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr) {
        let Some((id, _, messages)) = self.enter(&mut self.table(), remote) else {
            Counters::add(&self.context.counters.connections_refused);
            return;
        };
        let pool = Arc::clone(self);
        let flow = Flow::new(Transport::Tcp, remote).over(id);
        self.spawn(id, async move {
            run(&pool, flow, stream, messages).await;
        });
    }

    /// Cuts every connection and takes no more.
    pub(super) fn close_all(&self) {
        let mut table = self.table();
        table.is_closed = true;
        for entry in std::mem::take(&mut table.by_id).into_values() {
            if let Some(task) = entry.task {
                task.abort();
            }
        }
        table.by_remote.clear();
        table.per_address.clear();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock can leave the table half changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(
        &self,
        table: &mut Table,
        remote: SocketAddr,
    ) -> Option<(
        ConnectionId,
        mpsc::Sender<Transmit>,
        mpsc::Receiver<Transmit>,
    )> {
        let settings = &self.context.settings;
        let from_there = table.per_address.get(&remote.ip()).copied().unwrap_or(0);
        if table.is_closed
            || table.by_id.len() >= settings.connections_max
            || from_there >= settings.connections_per_address_max
        {
            return None;
        }
        let id = ConnectionId::new(table.next_id);
        table.next_id += 1;
        let (queue, messages) = mpsc::channel(settings.send_queue_max.max(1));
        table.by_remote.insert(remote, id);
        table.per_address.insert(remote.ip(), from_there + 1);
        table.by_id.insert(
            id,
            Entry {
                remote,
                queue: queue.clone(),
                task: None,
            },
        );
        Counters::add(&self.context.counters.connections_opened);
        Some((id, queue, messages))
    }

    fn spawn(&self, id: ConnectionId, task: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(task).abort_handle();
        match self.table().by_id.get_mut(&id) {
            Some(entry) => entry.task = Some(task),
            // Closed in between, or already at its end.
            None => task.abort(),
        }
    }

    fn leave(&self, id: ConnectionId) {
        let mut table = self.table();
        let Some(entry) = table.by_id.remove(&id) else {
            return;
        };
        if table.by_remote.get(&entry.remote) == Some(&id) {
            table.by_remote.remove(&entry.remote);
        }
        let address = entry.remote.ip();
        match table.per_address.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => {
                table.per_address.remove(&address);
            }
            None => {}
        }
    }
}

async fn connect(pool: Arc<Pool>, flow: Flow, messages: mpsc::Receiver<Transmit>) {
    let timeout = pool.context.settings.connect_timeout;
    match tokio::time::timeout(timeout, TcpStream::connect(flow.remote)).await {
        Ok(Ok(stream)) => run(&pool, flow, stream, messages).await,
        Ok(Err(_)) | Err(_) => end(&pool, flow, None, messages).await,
    }
}

async fn run(
    pool: &Arc<Pool>,
    flow: Flow,
    stream: TcpStream,
    mut messages: mpsc::Receiver<Transmit>,
) {
    // Messages are small and awaited: never hold one back to fill a segment.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let unsent = connection::serve(&pool.context, flow, reader, writer, &mut messages).await;
    end(pool, flow, unsent, messages).await;
}

/// Takes the connection out, then tells the shards what was not sent and that it is gone.
async fn end(
    pool: &Pool,
    flow: Flow,
    mut unsent: Option<Transmit>,
    mut messages: mpsc::Receiver<Transmit>,
) {
    if let Some(id) = flow.connection {
        pool.leave(id);
    }
    messages.close();
    if unsent.is_none() {
        unsent = messages.recv().await;
    }
    while let Some(transmit) = unsent {
        Counters::add(&pool.context.counters.send_failed);
        let shard = pool.context.shards.of(&transmit.bytes);
        let _ = shard.send(ShellEvent::SendFailed(transmit)).await;
        unsent = messages.recv().await;
    }
    for shard in &pool.context.shards.0 {
        let _ = shard.send(ShellEvent::ConnectionLost(flow)).await;
    }
}
