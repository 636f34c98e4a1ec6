//! Many different mails, delivered while the gateway is killed again and again, and looked for afterwards.
//!
//! The mails are conversations of one to three, each with a sender of its own: the first opens a ticket, the
//! others answer the one before. What got no 250 is sent again, as every mail server does. Half of the senders
//! speak SMTP (DATA, RFC 2920), half LMTP (BDAT, RFC 3030), several mails to a packet. The gateway is killed
//! by progress, not by the clock, so that a slow machine sees as many crashes as a fast one.

use crate::PATIENCE;
use crate::desk::Desk;
use crate::gateway::Gateway;
use crate::http::Client;
use crate::mail::{MailClient, MailSink, Post};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is delivered, and how often the gateway dies meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Mails in all.
    pub mails: usize,
    /// Connections at one time.
    pub senders: usize,
    /// Mails taken between two crashes.
    pub kill_every: usize,
    /// Octets of a mail's text.
    pub bytes: usize,
}

/// Where mail is taken.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// The SMTP door.
    pub smtp: SocketAddr,
    /// The LMTP door.
    pub lmtp: SocketAddr,
}

/// How a flood went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    /// Crashes of the gateway.
    pub crashes: usize,
    /// Mails that were sent more than once, counting each further time.
    pub sent_again: usize,
}

/// How the mails of a sender go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Data,
    Chunks,
}

/// What the senders and the killer share.
struct Progress {
    /// The next conversation.
    next: AtomicUsize,
    sent: AtomicUsize,
    taken: Mutex<usize>,
    changed: Condvar,
}

impl Flood {
    /// Delivers everything; at the end the gateway runs.
    pub fn deliver(&self, desk: &mut Desk, program: &Path, doors: Doors) -> Delivered {
        let progress = Progress {
            next: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            taken: Mutex::new(0),
            changed: Condvar::new(),
        };
        let mut crashes = 0;
        std::thread::scope(|scope| {
            for number in 0..self.senders {
                let way = if number % 2 == 0 {
                    Way::Data
                } else {
                    Way::Chunks
                };
                let progress = &progress;
                scope.spawn(move || self.send(way, doors, progress));
            }
            while self.wait_for_next_crash(&progress, crashes) {
                crashes += 1;
                desk.gateway.process.kill();
                desk.gateway = Gateway::start(program, &desk.configuration);
                if crashes % 3 == 0 {
                    // Once more while it is still starting.
                    desk.gateway.process.wait_for_more(0, moment(crashes));
                    desk.gateway.process.kill();
                    desk.gateway = Gateway::start(program, &desk.configuration);
                }
                desk.gateway.must_be_ready(&desk.operations);
            }
        });
        Delivered {
            crashes: crashes + crashes / 3,
            sent_again: progress.sent.load(Ordering::Relaxed) - self.mails,
        }
    }

    /// Waits until so many mails more were taken, and a moment; says no when all were.
    fn wait_for_next_crash(&self, progress: &Progress, crashes: usize) -> bool {
        let wanted = (self.kill_every * (crashes + 1)).min(self.mails);
        let mut taken = lock(&progress.taken);
        while *taken < wanted {
            taken = wait(&progress.changed, taken, PATIENCE);
        }
        // A crash may come at any step, not only behind an answer; but a fast machine must not get away.
        let until = Instant::now() + moment(crashes);
        while *taken < self.mails {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || *taken >= wanted + self.kill_every / 2 {
                return true;
            }
            taken = wait(&progress.changed, taken, left);
        }
        false
    }

    /// One sender: takes conversations until there are none.
    fn send(&self, way: Way, doors: Doors, progress: &Progress) {
        let mut client = None;
        loop {
            let first = progress.next.fetch_add(AT_ONCE, Ordering::Relaxed);
            let batch: Vec<Conversation> = (first..first + AT_ONCE)
                .filter_map(|number| self.conversation(number))
                .collect();
            if batch.is_empty() {
                return;
            }
            for turn in 0..LONGEST {
                let turn_of = |it: &Conversation| (turn < it.mails).then(|| self.post(*it, turn));
                let posts = batch.iter().filter_map(turn_of).collect();
                send_until_taken(way, doors, &mut client, posts, progress);
            }
        }
    }

    /// The conversations are of one, two and three mails in turn, the last of what is left.
    fn conversation(&self, number: usize) -> Option<Conversation> {
        let length = |number: usize| 1 + number % LONGEST;
        let before = number / LONGEST * (LONGEST * (LONGEST + 1) / 2)
            + (0..number % LONGEST).map(length).sum::<usize>();
        let left = self.mails.checked_sub(before).filter(|left| *left > 0)?;
        Some(Conversation {
            number,
            mails: length(number).min(left),
        })
    }

    fn conversations(&self) -> impl Iterator<Item = Conversation> {
        (0..).map_while(|number| self.conversation(number))
    }

    fn post(&self, conversation: Conversation, turn: usize) -> Post {
        let from = conversation.sender();
        let answers = turn.checked_sub(1).map_or(String::new(), |before| {
            format!("In-Reply-To: {}\r\n", conversation.message_id(before))
        });
        let mut text = format!(
            "Message-ID: {}\r\n{answers}From: {from}\r\nTo: {DESK}\r\nSubject: {}\r\n\r\n",
            conversation.message_id(turn),
            conversation.subject()
        );
        let line = format!("Mail {turn} of conversation {}.\r\n", conversation.number);
        text.push_str(&line.repeat(1 + self.bytes / line.len()));
        Post {
            from,
            to: DESK.to_owned(),
            text,
        }
    }

    /// Fails unless every conversation is one ticket with each of its mails once and nothing else, and nobody
    /// was written to twice.
    pub fn must_be_whole(&self, desk: &Desk, sink: &MailSink) {
        let tickets = tickets_by_subject(&desk.api);
        assert_eq!(tickets.len(), self.conversations().count(), "tickets");
        for conversation in self.conversations() {
            let id = &tickets[&conversation.subject()];
            let ticket = ask(&desk.api, &format!("/api/v1/tickets/{id}"));
            let articles = ticket["articles"].as_array().map_or(&[][..], Vec::as_slice);
            let mut came: Vec<&str> = articles
                .iter()
                .filter(|article| article["direction"] == "in")
                .filter_map(|article| article["message_id"].as_str())
                .collect();
            came.sort_unstable();
            let wanted: Vec<String> = (0..conversation.mails)
                .map(|turn| conversation.message_id(turn))
                .collect();
            assert_eq!(came, wanted, "{ticket:#}");
            assert_eq!(
                ticket["contacts"].as_array().map(Vec::len),
                Some(1),
                "{ticket:#}"
            );
        }
        self.nobody_is_written_to_twice(desk, sink, &tickets);
    }

    /// An acknowledgement is sent, or given up with a note because a crash left it uncertain.
    fn nobody_is_written_to_twice(
        &self,
        desk: &Desk,
        sink: &MailSink,
        tickets: &BTreeMap<String, String>,
    ) {
        for conversation in self.conversations() {
            let sender = conversation.sender();
            if sink.has(&sender) {
                continue;
            }
            let path = format!("/api/v1/tickets/{}", tickets[&conversation.subject()]);
            let deadline = Instant::now() + PATIENCE;
            while !sink.has(&sender) {
                let ticket = ask(&desk.api, &path);
                if ticket.to_string().contains(UNSURE) {
                    break;
                }
                assert!(Instant::now() < deadline, "no acknowledgement: {ticket:#}");
                std::thread::park_timeout(RETRY_PAUSE);
            }
        }
        let mut told = BTreeSet::new();
        for sent in sink.taken() {
            assert!(told.insert(sent.to.clone()), "twice to {}", sent.to);
        }
    }
}

/// One sender's mails about one thing.
#[derive(Clone, Copy, Debug)]
struct Conversation {
    number: usize,
    mails: usize,
}

impl Conversation {
    fn sender(&self) -> String {
        format!("person{}@example.org", self.number)
    }

    fn subject(&self) -> String {
        format!("Conversation {}", self.number)
    }

    fn message_id(&self, turn: usize) -> String {
        format!("<{}.{turn}@flood.example>", self.number)
    }
}

/// Sends mails until each is taken, over a connection that is kept as long as it lasts.
fn send_until_taken(
    way: Way,
    doors: Doors,
    client: &mut Option<MailClient>,
    mut posts: Vec<Post>,
    progress: &Progress,
) {
    let mut deadline = Instant::now() + PATIENCE * 3;
    while !posts.is_empty() {
        assert!(Instant::now() < deadline, "mails were never taken");
        let Some(open) = client.take().or_else(|| connect(way, doors)) else {
            std::thread::park_timeout(RETRY_PAUSE);
            continue;
        };
        let mut taken = vec![false; posts.len()];
        progress.sent.fetch_add(posts.len(), Ordering::Relaxed);
        *client = deliver(way, open, &posts, &mut taken);
        let count = taken.iter().filter(|is_taken| **is_taken).count();
        let mut is_taken = taken.into_iter();
        posts.retain(|_| !is_taken.next().unwrap_or(false));
        if count > 0 {
            deadline = Instant::now() + PATIENCE * 3;
            *lock(&progress.taken) += count;
            progress.changed.notify_all();
        } else {
            std::thread::park_timeout(RETRY_PAUSE);
        }
    }
}

fn connect(way: Way, doors: Doors) -> Option<MailClient> {
    let (address, hello) = match way {
        Way::Data => (doors.smtp, "EHLO"),
        Way::Chunks => (doors.lmtp, "LHLO"),
    };
    let mut client = MailClient::try_connect(address).ok()?;
    client.try_say(&format!("{hello} flood.example")).ok()?;
    Some(client)
}

/// Notes what was taken; gives the connection back if it still stands.
fn deliver(
    way: Way,
    mut client: MailClient,
    posts: &[Post],
    taken: &mut [bool],
) -> Option<MailClient> {
    let done = match way {
        Way::Data => client.try_deliver_pipelined(posts, taken),
        Way::Chunks => client.try_deliver_in_chunks(posts, taken),
    };
    done.ok().map(|()| client)
}

/// Every ticket's key by its subject; a subject that comes twice fails.
fn tickets_by_subject(api: &Client) -> BTreeMap<String, String> {
    let mut tickets = BTreeMap::new();
    let mut path = format!("/api/v1/tickets?limit={PAGE}");
    loop {
        let page = ask(api, &path);
        for ticket in page["items"].as_array().map_or(&[][..], Vec::as_slice) {
            let subject = ticket["subject"].as_str().unwrap_or("").to_owned();
            let twice = tickets.insert(subject, ticket["id"].to_string());
            assert_eq!(twice, None, "two tickets: {ticket:#}");
        }
        let Some(next) = page["next"].as_str() else {
            return tickets;
        };
        path = format!("/api/v1/tickets?limit={PAGE}&cursor={next}");
    }
}

/// Asks again as long as the API finds that too often.
fn ask(api: &Client, path: &str) -> Value {
    loop {
        let answer = api.get(path);
        match answer.status {
            200 => return answer.json(),
            429 => std::thread::park_timeout(RETRY_PAUSE),
            status => panic!("GET {path} was answered {status}: {}", answer.body),
        }
    }
}

/// From 0 to a quarter of a second, another for each number.
fn moment(number: usize) -> Duration {
    Duration::from_millis(u64::try_from(number * 61 % 256).unwrap_or(0))
}

fn lock(taken: &Mutex<usize>) -> std::sync::MutexGuard<'_, usize> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a>(
    changed: &Condvar,
    taken: std::sync::MutexGuard<'a, usize>,
    most: Duration,
) -> std::sync::MutexGuard<'a, usize> {
    let waited = changed.wait_timeout(taken, most);
    waited.unwrap_or_else(PoisonError::into_inner).0
}

/// The mailbox that everything goes to.
const DESK: &str = "help@desk.example";

/// What a ticket says when nobody can know whether its acknowledgement was sent.
const UNSURE: &str = "was sent is not known";

/// Mails of the longest conversation.
const LONGEST: usize = 3;

/// Conversations that a sender has at one time.
const AT_ONCE: usize = 8;

/// Tickets of one page.
const PAGE: usize = 500;

/// Pause before something that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_hold_all_mails() {
        for mails in [1, 2, 3, 10, 100] {
            let flood = Flood {
                mails,
                senders: 1,
                kill_every: 1,
                bytes: 10,
            };
            let all: usize = flood.conversations().map(|it| it.mails).sum();
            assert_eq!(all, mails);
        }
    }
}
