//! The waits that a log tells of, each once for every line it was spent in.
//!
//! A caller's patience runs from their first entry into a line on: who is sent to another line waits on, and is as
//! impatient as before. So the first line has seen them up to the instant they left it, and the second one from that
//! instant on (a wait with a late entry, see [`Wait::seen_from`]); neither may take the whole for its own. Where
//! lines are not told apart, it is one wait. It is over at the first conversation: who is handed over after that
//! has another patience. Who left word to be called back does not hold the line.

use super::patience::{Wait, WaitEnd};
use crate::contact::{Channel, VIA_CALL_BACK};
use crate::event::{ContactResult, Event, EventKind};
use crate::ids::{ContactId, QueueId};
use crate::time::Timestamp;
use crate::verb::{RequeueReason, RestoredPlace};
use std::collections::BTreeMap;

/// The waits of a log's contacts. Events may come in any order and more than once.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    contacts: BTreeMap<ContactId, Told>,
    newest: Option<Timestamp>,
}

/// What was told of one contact.
#[derive(Clone, Debug, Default)]
struct Told {
    channel: Option<Channel>,
    is_call_back: bool,
    words: Vec<(Timestamp, u64, Word)>,
}

/// What one event says of a wait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Overflowed { wait_ms: u64 },
    Enqueued { queue: QueueId, since: Timestamp },
    Answered { wait_ms: u64 },
    AnswerTakenBack,
    Abandoned { wait_ms: u64 },
    RestoredWaiting,
    Closed { is_failure: bool },
}

/// A stay in a line.
#[derive(Clone, Debug)]
struct Stay {
    queue: QueueId,
    from_ms: u64,
    /// How it ended, after how much time since the first entry; `None` while it goes on.
    end: Option<(u64, WaitEnd)>,
}

impl Waits {
    /// None so far, as known at an instant, or at the newest event if that is later.
    pub fn known_at(at: Timestamp) -> Self {
        Self {
            newest: Some(at),
            ..Self::default()
        }
    }

    /// Takes one event.
    pub fn record(&mut self, event: &Event) {
        self.newest = self.newest.max(Some(event.at));
        let Some(contact) = event.contact else {
            return;
        };
        if let EventKind::Arrived { channel, via, .. } = &event.kind {
            let told = self.contacts.entry(contact).or_default();
            told.channel = Some(*channel);
            told.is_call_back |= via == VIA_CALL_BACK;
        }
        let Some(word) = Word::of(event) else {
            return;
        };
        let told = self.contacts.entry(contact).or_default();
        if let EventKind::Enqueued { channel, .. } = &event.kind {
            told.channel.get_or_insert(*channel);
        }
        told.words.push((event.at, event.id.number, word));
    }

    /// The waits of calls as one line has seen them, as known at the newest event.
    pub fn in_queue(&self, queue: &QueueId) -> Vec<Wait> {
        let mut waits = Vec::new();
        for told in self.calls() {
            let stays = self.stays(told).into_iter();
            let stays = stays.filter(|stay| stay.queue == *queue);
            waits.extend(stays.map(|stay| self.wait(told, &stay)));
        }
        waits
    }

    /// The waits of calls from their first entry into any line to the end of the last one.
    pub fn of_all(&self) -> Vec<Wait> {
        let calls = self.calls();
        calls.filter_map(|told| self.whole(told)).collect()
    }

    /// The wait of one contact, of whatever channel, from its first entry into any line to the end of the last one.
    pub fn of(&self, contact: ContactId) -> Option<Wait> {
        let told = self.contacts.get(&contact)?;
        self.whole(told).filter(|_| !told.is_call_back)
    }

    fn calls(&self) -> impl Iterator<Item = &Told> {
        let all = self.contacts.values();
        all.filter(|told| !told.is_call_back && told.channel == Some(Channel::Voice))
    }

    fn whole(&self, told: &Told) -> Option<Wait> {
        let last = self.stays(told).pop()?;
        Some(self.wait(told, &last).seen_from(0))
    }

    fn wait(&self, told: &Told, stay: &Stay) -> Wait {
        let (ms, end) = stay.end.unwrap_or_else(|| {
            let begin = told.begin();
            let so_far = self.newest.zip(begin).map(|(now, begin)| since(begin, now));
            (so_far.unwrap_or(0), WaitEnd::Gone)
        });
        let ms = ms.max(stay.from_ms);
        Wait {
            from_ms: 0,
            ms,
            end,
        }
        .seen_from(stay.from_ms)
    }

    /// The stays of a contact up to its first conversation.
    fn stays(&self, told: &Told) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        let Some(begin) = told.begin() else {
            return stays;
        };
        for (at, _, word) in told.in_order() {
            let waited = since(begin, *at);
            let Some(stay) = stays.last_mut() else {
                if let Word::Enqueued { queue, .. } = word {
                    stays.push(Stay::begun(queue, 0));
                }
                continue;
            };
            let has_spoken = matches!(stay.end, Some((_, WaitEnd::Answered)));
            match word {
                Word::AnswerTakenBack if has_spoken => stay.end = None,
                Word::RestoredWaiting => stay.end = None,
                Word::Enqueued { .. } | Word::Overflowed { .. } if has_spoken => break,
                Word::Enqueued { queue, .. } => {
                    stay.end.get_or_insert((waited, WaitEnd::Gone));
                    stays.push(Stay::begun(queue, waited));
                }
                Word::Overflowed { wait_ms } => stay.end_by(*wait_ms, WaitEnd::Gone),
                Word::Answered { wait_ms } => stay.end_by(*wait_ms, WaitEnd::Answered),
                Word::Abandoned { wait_ms } => stay.end_by(*wait_ms, WaitEnd::Abandoned),
                Word::Closed { is_failure } => {
                    stay.end_by(waited, WaitEnd::Gone);
                    // It was taken for one who left until it was known better.
                    if let (true, Some((_, end @ WaitEnd::Abandoned))) = (is_failure, &mut stay.end)
                    {
                        *end = WaitEnd::Gone;
                    }
                }
                Word::AnswerTakenBack => {}
            }
        }
        stays
    }
}

impl Told {
    /// The first entry into any line.
    fn begin(&self) -> Option<Timestamp> {
        let entries = self.words.iter().filter_map(|(_, _, word)| {
            if let Word::Enqueued { since, .. } = word {
                Some(*since)
            } else {
                None
            }
        });
        entries.min()
    }

    /// Every word once, in the order of time; who leaves one line for another leaves it first.
    fn in_order(&self) -> Vec<&(Timestamp, u64, Word)> {
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        words.dedup();
        words
    }
}

impl Stay {
    fn begun(queue: &QueueId, from_ms: u64) -> Self {
        Self {
            queue: queue.clone(),
            from_ms,
            end: None,
        }
    }

    fn end_by(&mut self, waited_ms: u64, end: WaitEnd) {
        self.end.get_or_insert((waited_ms, end));
    }
}

impl Word {
    fn of(event: &Event) -> Option<Self> {
        if let EventKind::Enqueued { enqueued_at, .. } = event.kind {
            return event.queue.clone().map(|queue| Self::Enqueued {
                queue,
                since: enqueued_at,
            });
        }
        if let EventKind::Overflowed { wait_ms, .. } = event.kind {
            return Some(Self::Overflowed { wait_ms });
        }
        if let EventKind::Answered { wait_ms, .. } = event.kind {
            return Some(Self::Answered { wait_ms });
        }
        if let EventKind::Abandoned { wait_ms } = event.kind {
            return Some(Self::Abandoned { wait_ms });
        }
        if let EventKind::Requeued { reason, .. } = event.kind {
            return (reason == RequeueReason::BridgeFailed).then_some(Self::AnswerTakenBack);
        }
        if let EventKind::Restored { record, place } = &event.kind {
            return match place {
                RestoredPlace::Waiting { .. } => Some(Self::RestoredWaiting),
                RestoredPlace::Active { answered_at, .. } => Some(Self::Answered {
                    wait_ms: since(record.enqueued_at, *answered_at),
                }),
                RestoredPlace::Ended { .. } => None,
            };
        }
        if let EventKind::Closed { result } = event.kind {
            let is_failure = result == ContactResult::Failed;
            return Some(Self::Closed { is_failure });
        }
        None
    }
}

fn since(begin: Timestamp, at: Timestamp) -> u64 {
    u64::try_from(at.since(begin).as_millis()).unwrap_or(u64::MAX)
}
