//! The one task that writes: many small writes, one transaction.
//!
//! Writers hand over and go on (events), or wait for their answer. The task takes what is there, writes it
//! with a handful of statements and commits. Where somebody waits for the commit ([`Haste::Awaited`]: the 250
//! of a mail, the answer to a command), it goes on at once, and whatever comes while a transaction
//! runs shares the next one; where several wait, it gathers a moment longer. What nobody waits for begins one at most every [`BATCH_PAUSE`].
//! When the database cannot be written, or does not answer, the batch is kept and tried again, ever more
//! slowly; events and tickets that come meanwhile wait in bounded memory, and beyond that are counted as
//! lost. Whoever can be told to come again is told at once.
//! A statement the database refuses outright is found by halving the batch, told, and dropped, so
//! that one bad row never holds up the rest.

use super::inbox::{Answer, Awaited, BATCH_MAX, BATCH_PAUSE, Haste, Inbox, Item};
use super::statement::{Statement, Value};
use super::{DatabaseFault, Engine, open_connection};
use crate::event_log;
use crate::mail::{self, Deed, Done, Filed, MailToFile};
use crate::tickets::{self, Linked, Mint, OpenTicket};
use ringdown_routing::event::Event;
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

/// The handle of the writing task.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    items: mpsc::Sender<Item>,
    awaited: Arc<Awaited>,
    counts: Arc<Counts>,
    told: broadcast::Sender<Event>,
}

/// How writing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why the database cannot be written now, for the operator; `None` while it can.
    pub trouble: Option<String>,
    /// Writes that wait in memory.
    pub waiting: u64,
    /// Writes that were let go since the start: the channel was full, or the database refused them.
    pub lost: u64,
    /// Transactions committed since the start.
    pub commits: u64,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicU64,
    lost: AtomicU64,
    commits: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Writer {
    pub(super) fn start(
        engine: Engine,
        options: AnyConnectOptions,
        connection: AnyConnection,
        unwritten_max: u32,
    ) -> Self {
        let (items, inbox) = mpsc::channel(usize::try_from(unwritten_max).unwrap_or(1).max(1));
        let awaited = Arc::new(Awaited::default());
        let inbox = Inbox::new(inbox, Arc::clone(&awaited));
        let counts = Arc::new(Counts::default());
        let (told, _) = broadcast::channel(TOLD_MAX);
        let task = Task {
            mint: Mint::new(),
            told: told.clone(),
            engine,
            options,
            connection: Some(connection),
            outlasts_power: false,
            counts: Arc::clone(&counts),
        };
        tokio::spawn(task.run(inbox));
        Self {
            items,
            awaited,
            counts,
            told,
        }
    }

    pub(super) fn health(&self) -> Health {
        let trouble = self.counts.trouble.lock();
        Health {
            trouble: trouble.unwrap_or_else(PoisonError::into_inner).clone(),
            waiting: self.counts.waiting.load(Ordering::Relaxed),
            lost: self.counts.lost.load(Ordering::Relaxed),
            commits: self.counts.commits.load(Ordering::Relaxed),
        }
    }

    /// Listens to the events that are written here, and not handed over.
    pub(super) fn told(&self) -> broadcast::Receiver<Event> {
        self.told.subscribe()
    }

    /// Hands an event over; false when it had to be let go.
    pub(crate) fn append(&self, event: Event) -> bool {
        self.hand_over(Item::Event(Box::new(event)))
    }

    /// Hands a wish for a ticket over. The answer comes when it is committed; a caller who stops
    /// waiting still gets the ticket.
    pub(crate) fn link(
        &self,
        wish: OpenTicket,
    ) -> oneshot::Receiver<Result<Linked, DatabaseFault>> {
        let (answer, receiver) = oneshot::channel();
        // A refused item drops its sender, which the receiver sees.
        self.hand_over(Item::Link(Box::new(wish), answer));
        receiver
    }

    pub(super) async fn write(
        &self,
        statements: Vec<Statement>,
        haste: Haste,
    ) -> Result<(), DatabaseFault> {
        let (answer, receiver) = oneshot::channel();
        self.hand_over(Item::Statements(statements, haste, answer));
        receiver.await.unwrap_or(Err(DatabaseFault::Backlog))
    }

    /// Files a mail. Unlike a ticket it never waits in memory for a database that cannot be written: its
    /// sender keeps it, and is told to come again.
    pub(super) async fn file(&self, mail: MailToFile) -> Result<Filed, DatabaseFault> {
        let (answer, receiver) = oneshot::channel();
        self.hand_over(Item::Mail(Box::new(mail), answer));
        receiver.await.unwrap_or(Err(DatabaseFault::Backlog))
    }

    /// Does what a command on a mail writes; like a mail it never waits in memory, for whoever asked is told.
    pub(super) async fn do_deed(&self, deed: Deed) -> Result<Done, DatabaseFault> {
        let (answer, receiver) = oneshot::channel();
        self.hand_over(Item::Deed(Box::new(deed), answer));
        receiver.await.unwrap_or(Err(DatabaseFault::Backlog))
    }

    pub(super) async fn flush(&self, haste: Haste) -> Result<(), DatabaseFault> {
        let (answer, receiver) = oneshot::channel();
        self.send(Item::Flush(haste, answer)).await?;
        receiver.await.map_err(|_| DatabaseFault::Backlog)
    }

    pub(super) async fn close(&self) {
        let (answer, receiver) = oneshot::channel();
        if self.send(Item::Close(answer)).await.is_ok() {
            // An error means that the task has ended already.
            let _ = receiver.await;
        }
    }

    /// Hands over what waits for its place.
    async fn send(&self, item: Item) -> Result<(), DatabaseFault> {
        let place = self.items.reserve().await;
        let place = place.map_err(|_| DatabaseFault::Backlog)?;
        self.awaited.announce(item.haste());
        place.send(item);
        Ok(())
    }

    fn hand_over(&self, item: Item) -> bool {
        let haste = item.haste();
        self.awaited.announce(haste);
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        let is_taken = self.items.try_send(item).is_ok();
        if !is_taken {
            self.awaited.withdraw(haste);
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            let lost = self.counts.lost.fetch_add(1, Ordering::Relaxed);
            if lost.is_multiple_of(LOSSES_PER_LINE) {
                tracing::error!(
                    lost = lost + 1,
                    "event log: too much waits, events are lost"
                );
            }
        }
        is_taken
    }
}

/// What is written in one transaction.
#[derive(Debug, Default)]
struct Batch {
    events: Vec<Event>,
    links: Vec<(OpenTicket, Answer<Linked>)>,
    statements: Vec<(Vec<Statement>, Answer<()>)>,
    mails: Vec<(Box<MailToFile>, Answer<Filed>)>,
    deeds: Vec<(Box<Deed>, Answer<Done>)>,
}

/// What a written batch answers.
#[derive(Debug, Default)]
struct Written {
    linked: Vec<Linked>,
    filed: Vec<Filed>,
    done: Vec<Done>,
    told: Vec<Event>,
}

impl Batch {
    fn len(&self) -> usize {
        let asked = self.links.len() + self.statements.len();
        self.events.len() + asked + self.mails.len() + self.deeds.len()
    }

    fn must_outlast_power(&self) -> bool {
        !self.mails.is_empty() || self.deeds.iter().any(|(deed, _)| deed.must_outlast_power())
    }

    fn mail_bytes(&self) -> usize {
        self.mails.iter().map(|(mail, _)| mail.bytes()).sum()
    }

    /// Takes the second half out.
    fn split(&mut self) -> Self {
        let half = |len: usize| len / 2 + len % 2;
        // With one of each kind left, the kinds part: the first that is there, and the others.
        let lens = [
            self.events.len(),
            self.links.len(),
            self.statements.len(),
            self.mails.len(),
            self.deeds.len(),
        ];
        if lens.iter().all(|len| *len <= 1) {
            let first = lens.iter().position(|len| *len > 0).unwrap_or(0);
            let mut others = Self::default();
            if first < 1 {
                others.links = std::mem::take(&mut self.links);
            }
            if first < 2 {
                others.statements = std::mem::take(&mut self.statements);
            }
            if first < 3 {
                others.mails = std::mem::take(&mut self.mails);
            }
            if first < 4 {
                others.deeds = std::mem::take(&mut self.deeds);
            }
            return others;
        }
        Self {
            events: self.events.split_off(half(self.events.len())),
            links: self.links.split_off(half(self.links.len())),
            statements: self.statements.split_off(half(self.statements.len())),
            mails: self.mails.split_off(half(self.mails.len())),
            deeds: self.deeds.split_off(half(self.deeds.len())),
        }
    }
}

struct Task {
    mint: Mint,
    told: broadcast::Sender<Event>,
    engine: Engine,
    options: AnyConnectOptions,
    connection: Option<AnyConnection>,
    /// Whether the connection was told to wait for the disk.
    outlasts_power: bool,
    counts: Arc<Counts>,
}

impl Task {
    async fn run(mut self, mut inbox: Inbox) {
        let mut items = Vec::with_capacity(BATCH_MAX);
        loop {
            if inbox.take(&mut items).await == 0 {
                return;
            }
            let started = Instant::now();
            let mut batch = Batch::default();
            let mut flushes = Vec::new();
            let mut closing = None;
            for item in items.drain(..) {
                match item {
                    Item::Event(event) => batch.events.push(*event),
                    Item::Link(wish, answer) => batch.links.push((*wish, answer)),
                    Item::Statements(statements, _, answer) => {
                        batch.statements.push((statements, answer));
                    }
                    Item::Mail(mail, answer) => batch.mails.push((mail, answer)),
                    Item::Deed(deed, answer) => batch.deeds.push((deed, answer)),
                    Item::Flush(_, answer) => flushes.push(answer),
                    Item::Close(answer) => closing = Some(answer),
                }
            }
            let patience = match closing {
                Some(_) => Patience::Once,
                None => Patience::UntilDone,
            };
            self.write(batch, patience, &mut inbox).await;
            for flush in flushes
                .into_iter()
                .chain(closing.take_if(|_| inbox.is_empty()))
            {
                // Whoever asked may have gone.
                let _ = flush.send(());
            }
            if matches!(patience, Patience::Once) && inbox.is_empty() {
                return;
            }
            inbox.rest(started + BATCH_PAUSE).await;
        }
    }

    /// Writes the batch; returns when it is written or let go.
    async fn write(&mut self, batch: Batch, patience: Patience, inbox: &mut Inbox) {
        let mut pending = vec![batch];
        let mut pause = RETRY_PAUSE_MIN;
        while let Some(mut batch) = pending.pop() {
            if batch.len() == 0 {
                continue;
            }
            match self.try_write(&batch).await {
                Ok(written) => {
                    pause = RETRY_PAUSE_MIN;
                    self.set_trouble(None);
                    self.settle(batch, written);
                }
                Err(fault) if !fault.is_transient() && batch.len() > 1 => {
                    let rest = batch.split();
                    pending.push(rest);
                    pending.push(batch);
                }
                Err(fault) if !fault.is_transient() => self.let_go(batch, &fault),
                Err(fault) => {
                    self.set_trouble(Some(&fault));
                    for (_, answer) in batch.statements.drain(..) {
                        self.tell_off(answer, &fault);
                    }
                    for (_, answer) in batch.mails.drain(..) {
                        self.tell_off(answer, &fault);
                    }
                    for (_, answer) in batch.deeds.drain(..) {
                        self.tell_off(answer, &fault);
                    }
                    if matches!(patience, Patience::Once) || inbox.is_closing() {
                        self.let_go(batch, &fault);
                    } else {
                        self.hear(inbox, Instant::now() + pause, &fault).await;
                        pause = (pause * 2).min(RETRY_PAUSE_MAX);
                        pending.push(batch);
                    }
                }
            }
        }
    }

    /// Takes what comes until then: events and tickets wait, everybody else hears of the fault now.
    async fn hear(&mut self, inbox: &mut Inbox, until: Instant, fault: &DatabaseFault) {
        while let Ok(item) = tokio::time::timeout_at(until, inbox.hear()).await {
            match item {
                None => tokio::time::sleep_until(until).await,
                Some(Item::Statements(_, _, answer)) => self.tell_off(answer, fault),
                Some(Item::Mail(_, answer)) => self.tell_off(answer, fault),
                Some(Item::Deed(_, answer)) => self.tell_off(answer, fault),
                Some(item @ (Item::Event(_) | Item::Link(..))) if inbox.is_full() => {
                    // A ticket's asker sees that the answer's sender is gone.
                    drop(item);
                    self.forget(1);
                    self.counts.lost.fetch_add(1, Ordering::Relaxed);
                }
                // Whoever waits for it sees that the answer's sender is gone.
                Some(Item::Flush(..)) if inbox.is_full() => {}
                Some(item @ (Item::Event(_) | Item::Link(..) | Item::Flush(..))) => {
                    inbox.held.push_back(item);
                }
                Some(Item::Close(answer)) => {
                    inbox.held.push_back(Item::Close(answer));
                    return;
                }
            }
        }
    }

    fn tell_off<T>(&self, answer: Answer<T>, fault: &DatabaseFault) {
        self.forget(1);
        // Whoever asked may have gone.
        let _ = answer.send(Err(fault.clone()));
    }

    async fn try_write(&mut self, batch: &Batch) -> Result<Written, DatabaseFault> {
        let kept = self.connection.take();
        let (engine, options, mint) = (self.engine, &self.options, &mut self.mint);
        let outlasts_power = &mut self.outlasts_power;
        let written = async move {
            let mut connection = match kept {
                Some(connection) => connection,
                None => {
                    *outlasts_power = false;
                    open_connection(engine, options).await?
                }
            };
            if !*outlasts_power && batch.must_outlast_power() {
                outlast_power(engine, &mut connection).await?;
                *outlasts_power = true;
            }
            let result = write_batch(engine, &mut connection, batch, mint).await;
            Ok((connection, result))
        };
        let patience = patience_for(batch.mail_bytes());
        let (connection, result) = tokio::time::timeout(patience, written)
            .await
            .unwrap_or_else(|_| Err(DatabaseFault::no_answer(patience)))?;
        match &result {
            // A connection in an unknown state is given up; the file or server rolls back.
            Err(DatabaseFault::Unreachable(_)) => drop(connection),
            Ok(_) | Err(_) => self.connection = Some(connection),
        }
        result
    }

    fn settle(&self, batch: Batch, written: Written) {
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        self.forget(batch.len());
        for event in written.told {
            // Nobody may be listening.
            let _ = self.told.send(event);
        }
        for ((_, answer), linked) in batch.links.into_iter().zip(written.linked) {
            // Whoever asked may have gone.
            let _ = answer.send(Ok(linked));
        }
        for (_, answer) in batch.statements {
            let _ = answer.send(Ok(()));
        }
        for ((_, answer), filed) in batch.mails.into_iter().zip(written.filed) {
            let _ = answer.send(Ok(filed));
        }
        for ((_, answer), done) in batch.deeds.into_iter().zip(written.done) {
            let _ = answer.send(Ok(done));
        }
    }

    fn let_go(&self, batch: Batch, fault: &DatabaseFault) {
        let count = batch.len();
        self.forget(count);
        self.counts
            .lost
            .fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        tracing::error!(%fault, count, "event log: writes are lost");
        for (_, answer) in batch.links {
            // Whoever asked may have gone.
            let _ = answer.send(Err(fault.clone()));
        }
        for (_, answer) in batch.statements {
            let _ = answer.send(Err(fault.clone()));
        }
        for (_, answer) in batch.mails {
            let _ = answer.send(Err(fault.clone()));
        }
        for (_, answer) in batch.deeds {
            let _ = answer.send(Err(fault.clone()));
        }
    }

    fn forget(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(0);
        self.counts.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    fn set_trouble(&self, fault: Option<&DatabaseFault>) {
        let mut trouble = self
            .counts
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let new = fault.map(ToString::to_string);
        if *trouble != new {
            match &new {
                Some(sentence) => tracing::warn!("{sentence}; events wait in memory"),
                None => tracing::info!("the database can be written again"),
            }
            *trouble = new;
        }
    }
}

/// How long a batch is tried.
#[derive(Clone, Copy, Debug)]
enum Patience {
    /// The gateway stops: one try.
    Once,
    /// Until it is written.
    UntilDone,
}

/// How a transaction begins. SQLite waits for another process that writes only where nothing was read yet
/// (sqlite.org/c3ref/busy_handler.html); a batch that looks something up first would fail at once.
fn begin(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres => "BEGIN",
    }
}

async fn write_batch(
    engine: Engine,
    connection: &mut AnyConnection,
    batch: &Batch,
    mint: &mut Mint,
) -> Result<Written, DatabaseFault> {
    let mut transaction = connection.begin_with(begin(engine)).await?;
    if !batch.events.is_empty() {
        event_log::store(engine, &mut transaction, &batch.events).await?;
    }
    let has_learnt = tickets::mark_learnt(engine, &mut transaction, &batch.events).await?;
    let linked = if batch.links.is_empty() {
        Vec::new()
    } else {
        let wishes: BTreeMap<_, _> = batch
            .links
            .iter()
            .map(|(wish, _)| (wish.contact, wish))
            .collect();
        let linked = tickets::link(engine, &mut transaction, &wishes).await?;
        let of = |wish: &OpenTicket| {
            linked.get(&wish.contact).cloned().ok_or_else(|| {
                DatabaseFault::Unreadable(format!("no ticket for contact {}", wish.contact))
            })
        };
        let answers: Result<_, _> = batch.links.iter().map(|(wish, _)| of(wish)).collect();
        answers?
    };
    let mails: Vec<&MailToFile> = batch.mails.iter().map(|(mail, _)| &**mail).collect();
    let filed = if mails.is_empty() {
        Vec::new()
    } else {
        mail::file(engine, &mut transaction, &mails).await?
    };
    for statement in batch.statements.iter().flat_map(|(all, _)| all) {
        let mut query = sqlx::query(engine.sql(&statement.sql));
        for value in &statement.values {
            query = match value {
                Value::Text(text) => query.bind(text.clone()),
                Value::Number(number) => query.bind(*number),
                Value::Bytes(bytes) => query.bind(bytes.clone()),
            };
        }
        query.execute(&mut *transaction).await?;
    }
    let mut done = Vec::with_capacity(batch.deeds.len());
    for (deed, _) in &batch.deeds {
        done.push(mail::perform(engine, &mut transaction, deed).await?);
    }
    let is_only_events = batch.events.len() == batch.len();
    let told = if is_only_events && !has_learnt {
        Vec::new()
    } else {
        tickets::tell(engine, &mut transaction, mint).await?
    };
    transaction.commit().await?;
    Ok(Written {
        told,
        linked,
        filed,
        done,
    })
}

/// A mail's sender forgets it when it is told 250, so that commit must outlast even a crash of the machine:
/// from the first mail on, SQLite waits for the disk. PostgreSQL always does.
async fn outlast_power(
    engine: Engine,
    connection: &mut AnyConnection,
) -> Result<(), DatabaseFault> {
    match engine {
        Engine::Sqlite => {
            sqlx::raw_sql("PRAGMA synchronous = FULL")
                .execute(connection)
                .await?;
        }
        Engine::Postgres => {}
    }
    Ok(())
}

/// Most events kept for a listener who is slow; one who misses some reads them from the log.
const TOLD_MAX: usize = 8_192;

/// First pause before a write is tried again; it doubles.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(100);

/// Longest pause before a write is tried again.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long the database may take for a batch with so many octets of mails.
fn patience_for(mail_bytes: usize) -> Duration {
    let more = mail_bytes / ANSWER_BYTES_PER_S;
    ANSWER_WAIT_MAX + Duration::from_secs(u64::try_from(more).unwrap_or(u64::MAX))
}

/// Longest that the database may take for a batch; then it counts as out of reach.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);

/// Octets of mails for which it may take a second longer: a slow disk must not refuse a large mail for ever.
const ANSWER_BYTES_PER_S: usize = 2 * 1_024 * 1_024;

/// One line in the log for so many losses.
const LOSSES_PER_LINE: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_mail_is_given_the_time_that_a_slow_disk_needs() {
        assert_eq!(patience_for(10_000), ANSWER_WAIT_MAX);
        // 50 MB with an attachment unwrapped beside them.
        assert_eq!(
            patience_for(88 * 1_024 * 1_024),
            ANSWER_WAIT_MAX + Duration::from_secs(44)
        );
    }
}
