//! Sends what is in the outbox through the smarthost.
//!
//! A letter is claimed by a commit before it is sent, and its outcome is committed after: `waiting`,
//! `sending`, then `sent`, `failed`, or `waiting` again with a growing pause. A gateway that crashes in between leaves it
//! `sending`; whether the smarthost has it is then not to be known (RFC 1047: SMTP cannot tell). What a machine
//! says is rather not said than said twice: it becomes `unsure`, and is told on the ticket. What an agent wrote, and a report,
//! is rather said twice than never: it is sent again, the same octets with the same Message-ID, by which most
//! mail programs show it once.

use super::tally::{MailTally, Sending};
use crate::acd::Clock;
use crate::config::{Config, Smarthost, SmarthostTls};
use crate::database::{Database, DatabaseFault, Statement};
use anyhow::Context as _;
use lettre::address::Envelope;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParametersBuilder};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use ringdown_routing::ids::NodeId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Sends letters; ends with [`Postman::close`].
#[derive(Debug)]
pub(crate) struct Postman {
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

#[derive(Debug)]
struct Round {
    database: Database,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    node: NodeId,
    clock: Clock,
    age_max: Duration,
    tally: MailTally,
}

/// A letter that this node has claimed.
#[derive(Debug)]
struct Claimed {
    id: i64,
    ticket: i64,
    return_path: String,
    recipient: String,
    recipient_key: String,
    sha256: String,
    attempts: i64,
    at: i64,
}

type ClaimedRow = (i64, i64, String, String, String, String, i64, i64);

impl From<ClaimedRow> for Claimed {
    fn from(row: ClaimedRow) -> Self {
        let (id, ticket, return_path, recipient, recipient_key, sha256, attempts, at) = row;
        Self {
            id,
            ticket,
            return_path,
            recipient,
            recipient_key,
            sha256,
            attempts,
            at,
        }
    }
}

/// What came of sending.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Sent(String),
    /// It may be tried again.
    Later(String),
    /// It is of no use to try again.
    Refused(String),
}

impl Postman {
    /// Starts to send; `None` when there is no smarthost.
    pub(crate) fn start(
        config: &Config,
        database: &Database,
        node: NodeId,
        clock: Clock,
        tally: MailTally,
    ) -> anyhow::Result<Option<Self>> {
        let Some(smarthost) = &config.email.smarthost else {
            return Ok(None);
        };
        let round = Round {
            database: database.clone(),
            transport: transport(smarthost, &super::door::host(config))?,
            node,
            clock,
            age_max: config.email.outbox_age_max,
            tally,
        };
        let (stop, stopped) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(run(Arc::new(round), config.redis.is_some(), stopped));
        Ok(Some(Self { stop, task }))
    }

    /// Waits for what is being sent, and sends no more.
    pub(crate) async fn close(mut self) {
        self.stop.send_replace(true);
        while self.task.join_next().await.is_some() {}
    }
}

async fn run(round: Arc<Round>, is_shared: bool, mut stopped: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut has_resolved = false;
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            _ = tick.tick() => {}
        }
        if let Err(fault) = round.work(is_shared, &mut has_resolved).await {
            tracing::debug!(%fault, "mail: the outbox cannot be read or written now");
        }
    }
}

impl Round {
    async fn work(
        self: &Arc<Self>,
        is_shared: bool,
        has_resolved: &mut bool,
    ) -> Result<(), DatabaseFault> {
        if !*has_resolved || is_shared {
            self.resolve(is_shared).await?;
            *has_resolved = true;
        }
        loop {
            let claimed = self.claim().await?;
            let count = claimed.len();
            let mut sending = JoinSet::new();
            for letter in claimed {
                let round = Arc::clone(self);
                sending.spawn(async move {
                    let outcome = round.send(&letter).await;
                    round.note(&letter, outcome).await
                });
            }
            while let Some(noted) = sending.join_next().await {
                noted.unwrap_or(Ok(()))?;
            }
            if count < AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Gives up what a node that is gone was sending.
    async fn resolve(&self, is_shared: bool) -> Result<(), DatabaseFault> {
        let patience = if is_shared {
            OTHERS_MAX
        } else {
            Duration::ZERO
        };
        let before = self.clock.now() - patience;
        let told = Statement::new(
            "INSERT INTO articles (ticket, channel, direction, sender, recipient, subject, body, at) \
             SELECT ticket, NULL, 'internal', '', '', '', \
             'Whether the mail to ' || recipient || ' was sent is not known: the gateway stopped meanwhile.', $1 \
             FROM outbox WHERE state = 'sending' AND kind NOT IN ('answer', 'report') AND node <> $2 AND next_at <= $3",
            vec![
                self.clock.now().as_millis().into(),
                self.node.as_str().into(),
                before.as_millis().into(),
            ],
        );
        let given_up = Statement::new(
            "UPDATE outbox SET state = 'unsure' \
             WHERE state = 'sending' AND kind NOT IN ('answer', 'report') AND node <> $1 AND next_at <= $2",
            vec![self.node.as_str().into(), before.as_millis().into()],
        );
        let again = Statement::new(
            "UPDATE outbox SET state = 'waiting' \
             WHERE state = 'sending' AND kind IN ('answer', 'report') AND node <> $1 AND next_at <= $2",
            vec![self.node.as_str().into(), before.as_millis().into()],
        );
        self.database.write(vec![told, given_up, again]).await
    }

    async fn claim(&self) -> Result<Vec<Claimed>, DatabaseFault> {
        let now = self.clock.now().as_millis();
        let due: Option<(i64,)> = sqlx::query_as(
            "SELECT id FROM outbox WHERE state = 'waiting' AND next_at <= $1 LIMIT 1",
        )
        .bind(now)
        .fetch_optional(self.database.reads())
        .await?;
        if due.is_none() {
            return Ok(Vec::new());
        }
        let claim = Statement::new(
            "UPDATE outbox SET state = 'sending', node = $1, attempts = attempts + 1, next_at = $2 \
             WHERE state = 'waiting' AND id IN (SELECT id FROM outbox \
             WHERE state = 'waiting' AND next_at <= $2 ORDER BY id LIMIT $3)",
            vec![
                self.node.as_str().into(),
                now.into(),
                i64::try_from(AT_ONCE).unwrap_or(1).into(),
            ],
        );
        self.database.write(vec![claim]).await?;
        let claimed: Vec<ClaimedRow> = sqlx::query_as(
            "SELECT id, ticket, return_path, recipient, recipient_key, sha256, attempts, at FROM outbox \
             WHERE state = 'sending' AND node = $1 ORDER BY id",
        )
        .bind(self.node.as_str().to_owned())
        .fetch_all(self.database.reads())
        .await?;
        Ok(claimed.into_iter().map(Claimed::from).collect())
    }

    async fn send(&self, letter: &Claimed) -> Outcome {
        let envelope = match envelope(letter) {
            Ok(envelope) => envelope,
            Err(fault) => return Outcome::Refused(fault.to_string()),
        };
        let octets = match self.octets(&letter.sha256).await {
            Ok(octets) => octets,
            Err(fault) => return Outcome::Later(fault.to_string()),
        };
        match self.transport.send_raw(&envelope, &octets).await {
            Ok(answer) => Outcome::Sent(answer.message().collect::<Vec<_>>().join(" ")),
            Err(fault) if fault.is_permanent() => Outcome::Refused(told(&fault)),
            Err(fault) => Outcome::Later(told(&fault)),
        }
    }

    async fn octets(&self, sha256: &str) -> Result<Vec<u8>, DatabaseFault> {
        let pieces: Vec<(Vec<u8>,)> =
            sqlx::query_as("SELECT body FROM blobs WHERE sha256 = $1 ORDER BY place")
                .bind(sha256.to_owned())
                .fetch_all(self.database.reads())
                .await?;
        Ok(pieces.into_iter().flat_map(|(piece,)| piece).collect())
    }

    async fn note(&self, letter: &Claimed, outcome: Outcome) -> Result<(), DatabaseFault> {
        let now = self.clock.now();
        let age = Duration::from_millis(u64::try_from(now.as_millis() - letter.at).unwrap_or(0));
        let outcome = match outcome {
            Outcome::Later(why) if age > self.age_max => Outcome::Refused(why),
            outcome @ (Outcome::Sent(_) | Outcome::Later(_) | Outcome::Refused(_)) => outcome,
        };
        let set = |state: &str, reply: &str, next_at: i64| {
            Statement::new(
                "UPDATE outbox SET state = $1, reply = $2, next_at = $3 WHERE id = $4",
                vec![state.into(), reply.into(), next_at.into(), letter.id.into()],
            )
        };
        self.tally.count_sending(match &outcome {
            Outcome::Sent(_) => Sending::Sent,
            Outcome::Later(_) => Sending::Delayed,
            Outcome::Refused(_) => Sending::Failed,
        });
        let statements = match &outcome {
            Outcome::Sent(reply) => vec![set("sent", reply, now.as_millis())],
            Outcome::Later(why) => {
                tracing::info!(outbox = letter.id, why, "a mail is not sent yet");
                let next = now + pause(letter.attempts);
                vec![set("waiting", why, next.as_millis())]
            }
            Outcome::Refused(why) => {
                tracing::warn!(outbox = letter.id, why, "a mail cannot be sent");
                let mut statements = vec![
                    set("failed", why, now.as_millis()),
                    bad_address(letter, why, now.as_millis()),
                ];
                // A report is on no ticket.
                if letter.ticket != 0 {
                    statements.push(undelivered(letter, why, now.as_millis()));
                }
                statements
            }
        };
        self.database.write(statements).await
    }
}

fn undelivered(letter: &Claimed, why: &str, at: i64) -> Statement {
    let text = format!(
        "The mail to {} could not be delivered: {why}",
        letter.recipient
    );
    Statement::new(
        "INSERT INTO articles (ticket, channel, direction, sender, recipient, subject, body, at) \
         VALUES ($1, NULL, 'internal', '', '', '', $2, $3)",
        vec![letter.ticket.into(), text.into(), at.into()],
    )
}

fn bad_address(letter: &Claimed, why: &str, at: i64) -> Statement {
    Statement::new(
        "INSERT INTO bad_addresses (address, why, at) VALUES ($1, $2, $3) \
         ON CONFLICT (address) DO UPDATE SET why = excluded.why, at = excluded.at",
        vec![letter.recipient_key.as_str().into(), why.into(), at.into()],
    )
}

fn envelope(letter: &Claimed) -> Result<Envelope, Box<dyn std::error::Error + Send + Sync>> {
    let from = match letter.return_path.as_str() {
        "" => None,
        address => Some(address.parse::<Address>()?),
    };
    Ok(Envelope::new(from, vec![letter.recipient.parse()?])?)
}

/// Connects to the smarthost, logs in and says good-bye: whether it would take a mail, for `ringdown doctor`.
pub(crate) async fn try_smarthost(config: &Config, smarthost: &Smarthost) -> anyhow::Result<()> {
    let transport = transport(smarthost, &super::door::host(config))?;
    let is_well = transport.test_connection().await?;
    anyhow::ensure!(is_well, "it does not answer NOOP");
    Ok(())
}

/// An error with its causes, on one line.
fn told(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The pause before the next try: it doubles.
fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 12)).unwrap_or(1) - 1;
    (PAUSE_MIN * 2_u32.pow(doublings)).min(PAUSE_MAX)
}

fn transport(
    smarthost: &Smarthost,
    host: &str,
) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let parameters = || {
        let mut parameters = TlsParametersBuilder::new(smarthost.host.clone());
        if let Some(path) = &smarthost.authority {
            let told = || format!("the certificate {} cannot be used", path.display());
            let pem = std::fs::read(path).with_context(told)?;
            parameters =
                parameters.add_root_certificate(Certificate::from_pem(&pem).with_context(told)?);
        }
        parameters
            .build()
            .context("TLS to the smarthost cannot be set up")
    };
    let tls = match smarthost.tls {
        SmarthostTls::None => Tls::None,
        SmarthostTls::Starttls => Tls::Required(parameters()?),
        SmarthostTls::Tls => Tls::Wrapper(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smarthost.host)
        .port(smarthost.port)
        .tls(tls)
        .timeout(Some(SENDING_MAX))
        .hello_name(ClientId::Domain(host.to_owned()))
        .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX));
    if let (Some(user), Some(password)) = (&smarthost.user, &smarthost.password) {
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

/// How often the outbox is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Most letters claimed at one time.
const AT_ONCE: usize = 16;

/// Most connections to the smarthost.
const CONNECTIONS_MAX: u32 = 4;

/// Longest time for one step of sending.
const SENDING_MAX: Duration = Duration::from_secs(60);

/// How long another node may be sending before it is taken for gone.
const OTHERS_MAX: Duration = Duration::from_secs(900);

/// First pause before a letter is tried again.
const PAUSE_MIN: Duration = Duration::from_secs(15);

/// Longest pause before a letter is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{run, sqlite};
    use ringdown_harness::mail::MailSink;
    use ringdown_routing::time::Timestamp;
    use std::sync::atomic::{AtomicI64, Ordering};

    fn waiting(number: usize) -> Statement {
        waiting_for(&format!("a{number}@b.example"))
    }

    fn waiting_for(recipient: &str) -> Statement {
        Statement::new(
            "INSERT INTO outbox (message_id, kind, ticket, mailbox, return_path, recipient, recipient_key, \
             sha256, state, attempts, next_at, at) \
             VALUES ($1, 'answer', 1, 'm', 'desk@desk.example', $2, $2, 'x', 'waiting', 0, 0, 0)",
            vec![format!("<{recipient}>").into(), recipient.into()],
        )
    }

    fn blob() -> Statement {
        let octets = b"Subject: x\r\n\r\ny\r\n".to_vec();
        Statement::new(
            "INSERT INTO blobs (sha256, place, body) VALUES ('x', 0, $1)",
            vec![crate::database::Value::Bytes(octets)],
        )
    }

    fn round(database: &Database, sink: &MailSink, clock: Clock, age_max: Duration) -> Arc<Round> {
        let smarthost = Smarthost {
            host: "127.0.0.1".to_owned(),
            port: sink.address().port(),
            tls: SmarthostTls::None,
            user: None,
            password: None,
            authority: None,
        };
        Arc::new(Round {
            database: database.clone(),
            transport: transport(&smarthost, "desk.example").unwrap(),
            node: NodeId::new("node-a"),
            clock,
            age_max,
            tally: MailTally::default(),
        })
    }

    #[test]
    fn all_that_waits_goes_out_at_one_look() {
        run(async {
            let (_folder, database) = sqlite().await;
            let sink = MailSink::start(|_| {});
            let letters = 10 * AT_ONCE + 1;
            let rows = (0..letters).map(waiting).chain([blob()]);
            database.write(rows.collect()).await.unwrap();
            let round = round(&database, &sink, Clock::of_the_machine(), Duration::MAX);
            round.work(false, &mut true).await.unwrap();
            assert_eq!(sink.taken().len(), letters);
            let (sent,): (i64,) =
                sqlx::query_as("SELECT COUNT(*) FROM outbox WHERE state = 'sent'")
                    .fetch_one(database.reads())
                    .await
                    .unwrap();
            assert_eq!(usize::try_from(sent), Ok(letters));
        });
    }

    #[test]
    fn a_letter_that_must_wait_is_tried_ever_more_rarely_until_it_is_too_old_and_others_go_out() {
        run(async {
            let (_folder, database) = sqlite().await;
            let sink = MailSink::start(|_| {});
            let people = ["later@b.example", "bad@b.example", "a@b.example"];
            let rows = people.into_iter().map(waiting_for).chain([blob()]);
            database.write(rows.collect()).await.unwrap();
            let now = Arc::new(AtomicI64::new(0));
            let clock = Clock::new({
                let now = Arc::clone(&now);
                move || Timestamp::from_seconds(now.load(Ordering::Relaxed))
            });
            let round = round(&database, &sink, clock, Duration::from_secs(200));
            let look = async |second: i64| {
                now.store(second, Ordering::Relaxed);
                round.work(false, &mut true).await.unwrap();
                let rows: Vec<(String, i64, i64, Option<String>)> = sqlx::query_as(
                    "SELECT state, attempts, next_at, reply FROM outbox ORDER BY id",
                )
                .fetch_all(database.reads())
                .await
                .unwrap();
                rows
            };
            let first = look(0).await;
            let states: Vec<&str> = first.iter().map(|row| row.0.as_str()).collect();
            assert_eq!(states, ["waiting", "failed", "sent"]);
            let said = |row: &(String, i64, i64, Option<String>)| row.3.clone().unwrap_or_default();
            assert!(said(&first[0]).contains("4.7.1 later"), "{first:?}");
            assert!(said(&first[1]).contains("5.1.1 nobody"), "{first:?}");
            for (second, attempts, next_s) in [
                (0, 1, 15),
                (14, 1, 15),
                (15, 2, 45),
                (44, 2, 45),
                (45, 3, 105),
                (105, 4, 225),
            ] {
                let rows = look(second).await;
                let of = (rows[0].0.as_str(), rows[0].1, rows[0].2);
                assert_eq!(of, ("waiting", attempts, next_s * 1_000), "at {second}");
            }
            let last = look(225).await;
            assert_eq!((last[0].0.as_str(), last[0].1), ("failed", 5));
            assert_eq!(sink.taken().len(), 1, "whoever took it got it once");
            let notes: Vec<(String,)> = sqlx::query_as("SELECT body FROM articles ORDER BY id")
                .fetch_all(database.reads())
                .await
                .unwrap();
            assert_eq!(notes.len(), 2, "{notes:?}");
            assert!(
                notes[1]
                    .0
                    .contains("later@b.example could not be delivered")
            );
        });
    }
}
