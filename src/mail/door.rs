//! The SMTP and LMTP doors: listeners by the configuration, and each mail from them to the [`Intake`].

use super::intake::{Intake, IntakeFault, MailArrival, SmtpClient};
use super::tally::MailTally;
use crate::acd::Clock;
use crate::config::Config;
use anyhow::Context as _;
use bytes::Bytes;
use ringdown_email::EmailAddress;
use ringdown_email::automatic::ReturnPath;
use ringdown_email::smtp::shell::{Delivery, Settings, Shell, TlsIdentity};
use ringdown_email::smtp::{
    Address, Envelope, Protocol, Recipients, Rules, SourceLimits, Tls, Verdict,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The open doors.
#[derive(Debug)]
pub(crate) struct MailDoor {
    shell: Shell,
    task: JoinSet<()>,
    /// Where mail comes in: protocol and address.
    pub(crate) places: Vec<(&'static str, SocketAddr)>,
}

impl MailDoor {
    /// Opens the doors that are configured; `None` when there are none.
    pub(crate) async fn open(
        config: &Config,
        intake: Intake,
        clock: Clock,
    ) -> anyhow::Result<Option<Self>> {
        let email = &config.email;
        let doors = [
            (Protocol::Smtp, "SMTP", "listen", email.listen),
            (Protocol::Lmtp, "LMTP", "lmtp_listen", email.lmtp_listen),
        ];
        let identity = read_identity(config)?;
        let (mut listeners, mut names) = (Vec::new(), Vec::new());
        for (protocol, name, key, address) in doors {
            let Some(address) = address else { continue };
            let listener = TcpListener::bind(address).await.with_context(|| {
                format!(
                    "the address {address} of `[email] {key}` cannot be opened: stop the program that has it, \
                     or choose another"
                )
            })?;
            listeners.push((listener, rules(config, protocol, identity.is_some())));
            names.push(name);
        }
        if listeners.is_empty() {
            return Ok(None);
        }
        let settings = settings(config, identity, intake.tally().clone())?;
        let is_relay = Arc::clone(&settings.is_relay);
        let (deliveries, inbox) = mpsc::channel(DELIVERIES_MAX);
        let shell = Shell::start(listeners, settings, deliveries)?;
        let places = names.into_iter().zip(shell.addresses().iter().copied());
        let places = places.collect();
        let mut task = JoinSet::new();
        task.spawn(receive(inbox, intake, is_relay, clock));
        Ok(Some(Self {
            shell,
            task,
            places,
        }))
    }

    /// Takes no more mail, and waits until what was taken is stored and answered.
    pub(crate) async fn close(mut self) {
        self.shell.close().await;
        while self.task.join_next().await.is_some() {}
    }
}

type IsRelay = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

async fn receive(
    mut inbox: mpsc::Receiver<Delivery>,
    intake: Intake,
    is_relay: IsRelay,
    clock: Clock,
) {
    let mut storing = JoinSet::new();
    while let Some(delivery) = inbox.recv().await {
        while storing.try_join_next().is_some() {}
        let (intake, is_relay, clock) = (intake.clone(), Arc::clone(&is_relay), clock.clone());
        // Each connection waits for its answer, so no more of these run than there are connections.
        storing.spawn(async move {
            let verdicts = store(
                &intake,
                &is_relay,
                &clock,
                delivery.envelope,
                delivery.content,
            )
            .await;
            // A client that went away sends the mail again, and gets the same answer.
            let _ = delivery.answer.send(verdicts);
        });
    }
    while storing.join_next().await.is_some() {}
}

/// Stores a mail once for each mailbox it is for; one verdict for each recipient.
async fn store(
    intake: &Intake,
    is_relay: &IsRelay,
    clock: &Clock,
    envelope: Envelope,
    content: ringdown_email::smtp::shell::Content,
) -> Vec<Verdict> {
    let later = || vec![Verdict::TryLater; envelope.recipients.len()];
    let Some(_room) = intake.room_for(content.bytes()).await else {
        return later();
    };
    let raw = match content.read().await {
        Ok(raw) => Bytes::from(raw),
        Err(error) => {
            tracing::warn!(%error, "a mail cannot be read from the spool folder");
            return later();
        }
    };
    let mut by_mailbox: BTreeMap<&str, Verdict> = BTreeMap::new();
    for (address, mailbox) in &envelope.recipients {
        if by_mailbox.contains_key(&**mailbox) {
            continue;
        }
        let is_relay = is_relay(envelope.peer);
        let is_direct = envelope.protocol == Protocol::Smtp && !is_relay;
        let arrival = MailArrival {
            mailbox: mailbox.to_string(),
            return_path: return_path(&envelope),
            to: address.to_string(),
            peer: envelope.peer.to_string(),
            is_relay,
            client: is_direct.then(|| SmtpClient {
                address: envelope.peer.to_canonical(),
                helo: envelope.client.clone(),
            }),
            at: clock.now(),
        };
        let verdict = match intake.take(arrival, raw.clone()).await {
            Ok(filed) => Verdict::Stored(filed.number),
            Err(fault @ IntakeFault::UnknownMailbox(_)) => {
                tracing::error!(%fault, "a mail was taken for a mailbox that is not there");
                Verdict::Refused("There is no such mailbox here")
            }
            Err(IntakeFault::Unauthenticated(why)) => {
                tracing::info!(peer = %envelope.peer, why, "a mail was refused by its author's domain (DMARC)");
                Verdict::Unauthenticated(why)
            }
            Err(fault @ IntakeFault::Unstored(_)) => {
                tracing::warn!(%fault, "a mail could not be stored; its sender keeps it");
                Verdict::TryLater
            }
        };
        by_mailbox.insert(mailbox, verdict);
    }
    let of = |(_, mailbox): &(Address, Arc<str>)| by_mailbox.get(&**mailbox).cloned();
    let verdicts = envelope.recipients.iter().map(of);
    verdicts.map(|it| it.unwrap_or(Verdict::TryLater)).collect()
}

fn return_path(envelope: &Envelope) -> ReturnPath {
    let Some(from) = &envelope.from else {
        return ReturnPath::Null;
    };
    EmailAddress::parse(&from.to_string()).map_or(ReturnPath::Unknown, ReturnPath::Address)
}

fn rules(config: &Config, protocol: Protocol, has_identity: bool) -> Rules {
    let email = &config.email;
    let mut recipients = Recipients::default();
    for mailbox in &config.mailboxes {
        let key: Arc<str> = mailbox.key().into();
        for address in mailbox.addresses() {
            recipients.add(address, &key);
        }
    }
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Rules {
        protocol,
        host: host(config),
        tls: match (has_identity, email.tls_required, protocol) {
            (false, _, _) => Tls::No,
            (true, true, Protocol::Smtp) => Tls::Required,
            (true, false, _) | (true, true, Protocol::Lmtp) => Tls::Offered,
        },
        recipients,
        mail_bytes_max: email.mail_bytes_max,
        recipients_max: count(email.recipients_max),
        idle_max: email.idle_max,
        mail_time_max: MAIL_TIME_MAX,
    }
}

/// The name we give ourselves.
pub(crate) fn host(config: &Config) -> String {
    let first = config.mailboxes.first();
    let of_mailbox = || first.map_or("localhost", |mailbox| mailbox.address.0.domain());
    let host = &config.email.host;
    if host.is_empty() {
        of_mailbox().to_owned()
    } else {
        host.clone()
    }
}

fn settings(
    config: &Config,
    identity: Option<TlsIdentity>,
    tally: MailTally,
) -> anyhow::Result<Settings> {
    let email = &config.email;
    let relays: Vec<_> = email.relays.iter().map(|range| range.0).collect();
    Ok(Settings {
        sources: SourceLimits {
            connections_max: usize::try_from(email.connections_max).unwrap_or(usize::MAX),
            connections_per_source_max: email.connections_per_source_max,
            mails_per_minute_max: email.mails_per_minute_max,
        },
        is_relay: Arc::new(move |address| relays.iter().any(|range| range.contains(address))),
        identity,
        spool: make_spool(&config.data_dir)?,
        memory_bytes_max: usize::try_from(email.memory_bytes_max).unwrap_or(usize::MAX),
        storing_max: email.storing_max,
        on_refusal: Arc::new(move |protocol, reason| {
            let door = match protocol {
                Protocol::Smtp => "smtp",
                Protocol::Lmtp => "lmtp",
            };
            tally.count_refusal(door, reason);
        }),
    })
}

fn read_identity(config: &Config) -> anyhow::Result<Option<TlsIdentity>> {
    let (Some(certificate), Some(key)) = (&config.email.certificate, &config.email.key) else {
        return Ok(None);
    };
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("the file {} cannot be read", path.display()))
    };
    let identity = TlsIdentity::from_pem(&read(certificate)?, &read(key)?)
        .context("`[email] certificate` and `key` cannot be used")?;
    Ok(Some(identity))
}

/// The folder of mails that are coming in, emptied of what a crash left there: nobody was told 250 for it.
fn make_spool(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = data_dir.join("mail-spool");
    let told = || format!("the folder {} cannot be used", folder.display());
    std::fs::create_dir_all(&folder).with_context(told)?;
    for entry in std::fs::read_dir(&folder).with_context(told)? {
        let path = entry.with_context(told)?.path();
        if path.extension().is_some_and(|kind| kind == "mail") {
            std::fs::remove_file(&path).with_context(told)?;
        }
    }
    Ok(folder)
}

/// Most mails that are whole and wait for a task.
const DELIVERIES_MAX: usize = 64;

/// Longest time from MAIL to the end of the mail.
const MAIL_TIME_MAX: Duration = Duration::from_secs(3_600);
