//! What comes to the writing task, and how long it gathers before it begins a transaction.

use super::DatabaseFault;
use super::statement::Statement;
use crate::mail::{Deed, Done, Filed, MailToFile};
use crate::tickets::{Linked, OpenTicket};
use ringdown_routing::event::Event;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

pub(super) type Answer<T> = oneshot::Sender<Result<T, DatabaseFault>>;

#[derive(Debug)]
pub(super) enum Item {
    Event(Box<Event>),
    Link(Box<OpenTicket>, Answer<Linked>),
    Statements(Vec<Statement>, Haste, Answer<()>),
    Mail(Box<MailToFile>, Answer<Filed>),
    Deed(Box<Deed>, Answer<Done>),
    Flush(Haste, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

impl Item {
    pub(super) fn haste(&self) -> Haste {
        match self {
            // A call's ticket may take its time: the caller stands in the line already, and each call has one.
            Self::Event(_) | Self::Link(..) => Haste::WithOthers,
            Self::Statements(_, haste, _) | Self::Flush(haste, _) => *haste,
            Self::Mail(..) | Self::Deed(..) | Self::Close(_) => Haste::Awaited,
        }
    }

    /// Octets of a mail, with what came with it.
    fn mail_bytes(&self) -> usize {
        match self {
            Self::Mail(mail, _) => mail.bytes(),
            Self::Event(_)
            | Self::Link(..)
            | Self::Statements(..)
            | Self::Deed(..)
            | Self::Flush(..)
            | Self::Close(_) => 0,
        }
    }
}

/// Whether somebody waits for the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Somebody does: it is committed as soon as the transaction before it is, or where [`SEVERAL`] wait at most
    /// [`GATHER_MAX`] later, together with those who come meanwhile.
    Awaited,
    /// Nobody who would notice [`BATCH_PAUSE`] does: it goes with what comes meanwhile.
    WithOthers,
}

/// How many items are on their way to the task that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    count: AtomicUsize,
    risen: Notify,
}

impl Awaited {
    /// Counts an item before it is handed over, so that the task never takes one that is not counted.
    pub(super) fn announce(&self, haste: Haste) {
        match haste {
            Haste::Awaited => {
                self.count.fetch_add(1, Ordering::Release);
                self.risen.notify_one();
            }
            Haste::WithOthers => {}
        }
    }

    /// An item was taken, or could not be handed over.
    pub(super) fn withdraw(&self, haste: Haste) {
        match haste {
            Haste::Awaited => {
                self.count.fetch_sub(1, Ordering::Release);
            }
            Haste::WithOthers => {}
        }
    }

    /// Where several wait already, returns when [`ENOUGH`] do, when nobody has joined them for a moment, or
    /// after [`GATHER_MAX`]; at once where fewer wait.
    async fn gather(&self) {
        let until = Instant::now() + GATHER_MAX;
        loop {
            let waiting = self.count.load(Ordering::Acquire);
            if !(SEVERAL..ENOUGH).contains(&waiting) || Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until((Instant::now() + GATHER_PAUSE).min(until)).await;
            if self.count.load(Ordering::Acquire) <= waiting {
                return;
            }
        }
    }

    /// Returns when there is one.
    pub(super) async fn rise(&self) {
        while self.count.load(Ordering::Acquire) == 0 {
            self.risen.notified().await;
        }
    }
}

/// What comes to the task, and what waits with it while the database cannot be written.
pub(super) struct Inbox {
    items: mpsc::Receiver<Item>,
    awaited: Arc<Awaited>,
    pub(super) held: VecDeque<Item>,
}

impl Inbox {
    pub(super) fn new(items: mpsc::Receiver<Item>, awaited: Arc<Awaited>) -> Self {
        let held = VecDeque::new();
        Self {
            items,
            awaited,
            held,
        }
    }

    /// Takes what is there, at most a batch, and waits when there is nothing; 0 when nothing comes any more.
    pub(super) async fn take(&mut self, items: &mut Vec<Item>) -> usize {
        if self.held.is_empty() {
            self.items.recv_many(items, BATCH_MAX).await;
            let taken = items.iter().map(Item::haste);
            taken.for_each(|haste| self.awaited.withdraw(haste));
        } else {
            items.extend(self.held.drain(..self.held.len().min(BATCH_MAX)));
        }
        self.hold_back(items);
        items.len()
    }

    /// Leaves to the next transaction what makes this one too large: every other write would wait for it, and
    /// the database must answer in time.
    fn hold_back(&mut self, items: &mut Vec<Item>) {
        if let Some(place) = first_too_many(items.iter().map(Item::mail_bytes)) {
            for item in items.drain(place..).rev() {
                self.held.push_front(item);
            }
        }
    }

    /// Takes the next that comes, past what waits here.
    pub(super) async fn hear(&mut self) -> Option<Item> {
        let item = self.items.recv().await?;
        self.awaited.withdraw(item.haste());
        Some(item)
    }

    /// Gathers until then, unless somebody waits for a commit or something waits here already; where several
    /// wait for one, a moment longer for those who come with them.
    pub(super) async fn rest(&self, until: Instant) {
        if self.held.is_empty() {
            // Whichever it was, what is there now is taken.
            let _ = tokio::time::timeout_at(until, self.awaited.rise()).await;
            self.awaited.gather().await;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.items.is_empty()
    }

    /// As many wait here as in the channel, not more.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= self.items.max_capacity()
    }

    /// Whether the gateway stops; nothing is taken after that.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.held.back(), Some(Item::Close(_)))
    }
}

/// The first mail that does not fit into a transaction with those before it. One large mail is one transaction.
fn first_too_many(bytes: impl IntoIterator<Item = usize>) -> Option<usize> {
    let mut sum = 0;
    bytes.into_iter().position(|bytes| {
        let had = sum;
        sum += bytes;
        had > 0 && bytes > 0 && sum > BATCH_MAIL_BYTES_MAX
    })
}

/// Most writes in one transaction.
pub(super) const BATCH_MAX: usize = 4_096;

/// Most octets of mails in one transaction, but for a single mail.
pub(super) const BATCH_MAIL_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Least time between the starts of two transactions that nobody waits for: under load, what comes within it
/// shares one. A transaction costs some 0.8 ms before its first row, so at 100 calls a second half of it would be that
/// with 20 ms.
pub(super) const BATCH_PAUSE: Duration = Duration::from_millis(50);

/// How many must wait for a commit before it waits for more of them. A transaction costs some milliseconds of the
/// processor before its first mail; when mails come in crowds, each pays less of that.
const SEVERAL: usize = 4;

/// How many wait for nobody else.
const ENOUGH: usize = 64;

/// Longest time that several who wait for a commit wait for more.
const GATHER_MAX: Duration = Duration::from_millis(20);

/// How long nobody joins them before they wait no more.
const GATHER_PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{arrived, contact, event};

    struct Desk {
        items: mpsc::Sender<Item>,
        inbox: Inbox,
    }

    impl Desk {
        fn new() -> Self {
            let (items, inbox) = mpsc::channel(256);
            let inbox = Inbox::new(inbox, Arc::default());
            Self { items, inbox }
        }

        fn hand_over(&self, item: Item) {
            self.inbox.awaited.announce(item.haste());
            self.items.try_send(item).unwrap();
        }

        fn append(&self) {
            self.hand_over(Item::Event(Box::new(event(1, 0, contact(1), arrived("1")))));
        }

        fn write(&self, haste: Haste) {
            self.hand_over(Item::Statements(Vec::new(), haste, oneshot::channel().0));
        }

        /// How long the task rests before it takes what is there, and how much that is.
        async fn next(&mut self) -> (Duration, usize) {
            let began = Instant::now();
            self.inbox.rest(began + BATCH_PAUSE).await;
            let rested = began.elapsed();
            let mut items = Vec::new();
            (rested, self.inbox.take(&mut items).await)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_gathers_and_what_somebody_waits_for_goes_at_once() {
        let mut desk = Desk::new();
        desk.append();
        desk.write(Haste::WithOthers);
        desk.append();
        assert_eq!(desk.next().await, (BATCH_PAUSE, 3));
        // It came while a transaction ran, and takes with it what is there.
        desk.append();
        desk.write(Haste::Awaited);
        assert_eq!(desk.next().await, (Duration::ZERO, 2));
        // Its call is spent: events gather again.
        desk.append();
        assert_eq!(desk.next().await, (BATCH_PAUSE, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_who_wait_wait_for_nobody() {
        let mut desk = Desk::new();
        for waiting in 1..SEVERAL {
            (0..waiting).for_each(|_| desk.write(Haste::Awaited));
            assert_eq!(desk.next().await, (Duration::ZERO, waiting));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn several_who_wait_take_along_who_comes_within_a_moment() {
        let mut desk = Desk::new();
        (0..SEVERAL).for_each(|_| desk.write(Haste::Awaited));
        assert_eq!(desk.next().await, (GATHER_PAUSE, SEVERAL));
        // While somebody comes, they wait on, but not for ever and not for more than are enough.
        for (at_once, rested, least) in
            [(1, GATHER_MAX, 2 * SEVERAL), (ENOUGH, GATHER_PAUSE, ENOUGH)]
        {
            let mut desk = Desk::new();
            (0..SEVERAL).for_each(|_| desk.write(Haste::Awaited));
            let (items, awaited) = (desk.items.clone(), Arc::clone(&desk.inbox.awaited));
            let coming = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(GATHER_PAUSE / 2).await;
                    for _ in 0..at_once {
                        let (answer, _) = oneshot::channel();
                        awaited.announce(Haste::Awaited);
                        let item = Item::Statements(Vec::new(), Haste::Awaited, answer);
                        items.send(item).await.unwrap();
                    }
                }
            });
            let (waited, taken) = desk.next().await;
            assert_eq!(waited, rested);
            assert!(taken >= least, "{taken}");
            coming.abort();
        }
    }

    #[test]
    fn large_mails_are_written_one_after_the_other() {
        let most = BATCH_MAIL_BYTES_MAX;
        for (bytes, first) in [
            (vec![0, 0, 10_000, 0, 10_000], None),
            (vec![most + 1], None),
            (vec![0, most + 1, 0, 0], None),
            (vec![10_000, 0, most, 0], Some(2)),
            (vec![most / 2, most / 2, 0, 1, 1], Some(3)),
        ] {
            assert_eq!(first_too_many(bytes.iter().copied()), first, "{bytes:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_who_waits_ends_the_gathering() {
        let mut desk = Desk::new();
        desk.append();
        let items = desk.items.clone();
        let awaited = Arc::clone(&desk.inbox.awaited);
        tokio::spawn(async move {
            tokio::time::sleep(BATCH_PAUSE / 5).await;
            let item = Item::Flush(Haste::Awaited, oneshot::channel().0);
            awaited.announce(item.haste());
            items.try_send(item).unwrap();
        });
        assert_eq!(desk.next().await, (BATCH_PAUSE / 5, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_taken_hurries_nobody() {
        let desk = Desk::new();
        desk.inbox.awaited.announce(Haste::Awaited);
        desk.inbox.awaited.withdraw(Haste::Awaited);
        let began = Instant::now();
        desk.inbox.rest(began + BATCH_PAUSE).await;
        assert_eq!(began.elapsed(), BATCH_PAUSE);
    }
}
