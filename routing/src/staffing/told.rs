//! What a log tells of one contact's wait, and the stays in lines that come of it.
//!
//! Facts are only collected; what they mean is worked out from all of them together, so that the order in which they
//! came does not matter.

use super::patience::{Wait, WaitEnd};
use crate::contact::{Channel, Keeper, VIA_CALL_BACK};
use crate::event::{ContactResult, Event, EventKind};
use crate::ids::QueueId;
use crate::time::Timestamp;
use crate::verb::{GATEWAY_LOST, RequeueReason, RestoredPlace};

/// What was told of one contact.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    channel: Option<Channel>,
    is_call_back: bool,
    is_closed: bool,
    is_lost: bool,
    /// Every word once, in the order of time.
    words: Vec<(Timestamp, u64, Word)>,
}

/// What one event says of a contact, as far as waits go.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    /// It came this way.
    Arrived {
        channel: Channel,
        is_call_back: bool,
    },
    /// Its gateway was taken for dead; one that only slept claims it back.
    Lost,
    /// Something about its wait.
    Word(Word),
}

/// What one event says of a wait. Of the same instant, who leaves one line for another leaves it first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    Overflowed {
        wait_ms: u64,
    },
    Enqueued {
        queue: QueueId,
        since: Timestamp,
        channel: Channel,
        is_call_back: bool,
    },
    Answered {
        wait_ms: u64,
    },
    AnswerTakenBack,
    Abandoned {
        wait_ms: u64,
    },
    RestoredWaiting,
    Closed {
        is_failure: bool,
    },
}

/// A stay in a line.
#[derive(Clone, Debug)]
struct Stay {
    queue: QueueId,
    from_ms: u64,
    /// How it ended, after how much time since the first entry; `None` while it goes on.
    end: Option<(u64, WaitEnd)>,
}

impl Told {
    /// Takes what an event says; the same again changes nothing.
    pub(super) fn take(&mut self, event: &Event, fact: Fact) {
        let word = match fact {
            Fact::Arrived {
                channel,
                is_call_back,
            } => {
                self.channel = Some(channel);
                self.is_call_back |= is_call_back;
                return;
            }
            Fact::Lost => {
                self.is_lost = true;
                return;
            }
            Fact::Word(word) => word,
        };
        if let Word::Enqueued {
            channel,
            is_call_back,
            ..
        } = word
        {
            self.channel.get_or_insert(channel);
            self.is_call_back |= is_call_back;
        }
        self.is_closed |= matches!(word, Word::Closed { .. });
        let word = (event.at, event.id.number, word);
        if let Err(place) = self.words.binary_search(&word) {
            self.words.insert(place, word);
        }
    }

    /// Whether somebody holds the line.
    pub(super) fn is_call(&self) -> bool {
        !self.is_call_back && self.channel == Some(Channel::Voice)
    }

    /// Whether its arrival or an entry into a line was told.
    pub(super) fn is_known(&self) -> bool {
        self.channel.is_some()
    }

    /// Whether it is the desk that calls.
    pub(super) fn is_call_back(&self) -> bool {
        self.is_call_back
    }

    /// Whether its end was told, and nobody will claim it back.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed && !self.is_lost
    }

    /// Whether it is in a line, as far as that was told.
    pub(super) fn waits(&self) -> bool {
        self.stays().last().is_some_and(|stay| stay.end.is_none())
    }

    /// Its waits as one line has seen them, as known at an instant.
    pub(super) fn in_queue(&self, queue: &QueueId, now: Option<Timestamp>) -> Vec<Wait> {
        let stays = self.stays().into_iter();
        let stays = stays.filter(|stay| stay.queue == *queue);
        stays.map(|stay| self.wait(&stay, now)).collect()
    }

    /// Its wait from the first entry into any line to the end of the last one, as known at an instant.
    pub(super) fn whole(&self, now: Option<Timestamp>) -> Option<Wait> {
        let last = self.stays().pop()?;
        Some(self.wait(&last, now).seen_from(0))
    }

    fn wait(&self, stay: &Stay, now: Option<Timestamp>) -> Wait {
        let (ms, end) = stay.end.unwrap_or_else(|| {
            let so_far = now.zip(self.begin()).map(|(now, begin)| since(begin, now));
            (so_far.unwrap_or(0), WaitEnd::Gone)
        });
        Wait {
            from_ms: stay.from_ms,
            ms: ms.max(stay.from_ms),
            end,
        }
    }

    /// The stays up to its first conversation.
    fn stays(&self) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        let Some(begin) = self.begin() else {
            return stays;
        };
        for (at, _, word) in &self.words {
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

    /// The first entry into any line.
    fn begin(&self) -> Option<Timestamp> {
        let words = self.words.iter();
        words.filter_map(|(_, _, word)| word.entered_at()).min()
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

impl Fact {
    /// What an event says of the contact it is about; `None` when nothing that matters here.
    pub(super) fn of(event: &Event) -> Option<Self> {
        if let EventKind::Arrived { channel, via, .. } = &event.kind {
            return Some(Self::Arrived {
                channel: *channel,
                is_call_back: via == VIA_CALL_BACK,
            });
        }
        if let EventKind::Failed { cause } = &event.kind {
            return (cause == GATEWAY_LOST).then_some(Self::Lost);
        }
        Word::of(event).map(Self::Word)
    }

    /// The contact's first entry into any line, where this tells of an entry.
    pub(super) fn entered_at(&self) -> Option<Timestamp> {
        match self {
            Self::Word(word) => word.entered_at(),
            Self::Arrived { .. } | Self::Lost => None,
        }
    }
}

impl Word {
    fn of(event: &Event) -> Option<Self> {
        if let EventKind::Enqueued {
            enqueued_at,
            channel,
            node,
            ..
        } = &event.kind
        {
            return event.queue.clone().map(|queue| Self::Enqueued {
                queue,
                since: *enqueued_at,
                channel: *channel,
                is_call_back: Keeper::of(node) == Keeper::Database,
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

    fn entered_at(&self) -> Option<Timestamp> {
        if let Self::Enqueued { since, .. } = self {
            Some(*since)
        } else {
            None
        }
    }
}

fn since(begin: Timestamp, at: Timestamp) -> u64 {
    u64::try_from(at.since(begin).as_millis()).unwrap_or(u64::MAX)
}
