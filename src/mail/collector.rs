//! Fetches mail from folders of other servers (IMAP).
//!
//! Each folder has a task of its own. A mail is fetched, taken in as from the doors, committed, and only then
//! put away (read, or moved) and remembered. A crash in between offers it again, which makes no second article.
//! Several gateways may look at one folder for the same reason.

use super::intake::{Intake, IntakeFault, MailArrival};
use super::tally::MailTally;
use super::tokens::{self, AccessTokens, RenewalFault};
use crate::acd::Clock;
use crate::config::{Config, ImapFolder};
use crate::database::{Database, DatabaseFault, Statement};
use ringdown_email::automatic::ReturnPath;
use ringdown_email::imap::shell::{Account, FetchedMail, Folder, FolderFault, Proof};
use ringdown_email::imap::{Look, Position};
use ringdown_routing::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Fetches mail; ends with [`Collector::close`].
#[derive(Debug)]
pub(crate) struct Collector {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Collector {
    /// Begins to look at every configured folder.
    pub(crate) fn start(
        config: &Arc<Config>,
        database: &Database,
        intake: &Intake,
        clock: &Clock,
    ) -> Self {
        let (stop, _) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let folders = &config.email.folders;
        let tokens = tokens::of_folders(folders, database, intake.tally());
        for (settings, tokens) in folders.iter().zip(tokens) {
            let round = Round {
                tokens,
                settings: settings.clone(),
                mailbox: mailbox_key(config, settings),
                mail_bytes_max: config.email.mail_bytes_max,
                database: database.clone(),
                intake: intake.clone(),
                clock: clock.clone(),
            };
            tasks.spawn(keep(round, stop.subscribe()));
        }
        Self { stop, tasks }
    }

    /// Fetches no more.
    pub(crate) async fn close(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Opens a folder and says good-bye: whether it could be used, for `ringdown doctor`.
pub(crate) async fn try_folder(config: &Config, settings: &ImapFolder) -> Result<(), CollectFault> {
    let tokens = match &settings.oauth {
        // What the refresh token is exchanged for has to be kept, or the gateway would have one that is worth nothing.
        Some(_) => {
            let database = Database::open(config).await?;
            let only = std::slice::from_ref(settings);
            let mut tokens = tokens::of_folders(only, &database, &MailTally::default());
            tokens.pop().flatten()
        }
        None => None,
    };
    let now = Clock::of_the_machine().now();
    let account = account(settings, tokens.as_deref(), now, 0).await?;
    Folder::open(&account).await?.close().await;
    Ok(())
}

/// Why no mail can be fetched from a folder now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectFault {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// A file that is needed for it cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// There is no access token.
    #[error(transparent)]
    Renewal(#[from] RenewalFault),
    /// The configuration names neither password nor token, which `ringdown check` refuses.
    #[error("there is neither `password` nor `token_file` nor `oauth`")]
    NoProof,
    /// Where we were cannot be read or kept.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// A mail cannot be stored now; it stays where it is.
    #[error(transparent)]
    Intake(#[from] IntakeFault),
    /// What the server said broke its reader, which is a fault of ours.
    #[error("the visit broke off: {0}")]
    Broken(String),
}

/// One folder, looked at over and over.
#[derive(Debug)]
struct Round {
    settings: ImapFolder,
    tokens: Option<Arc<AccessTokens>>,
    mailbox: String,
    mail_bytes_max: u64,
    database: Database,
    intake: Intake,
    clock: Clock,
}

/// Looks at a folder until it is told to stop; a fault is told once and tried again, ever more slowly.
async fn keep(round: Round, mut stopped: watch::Receiver<bool>) {
    let round = Arc::new(round);
    let mut pause = PAUSE_MIN;
    let mut told = String::new();
    let mut work = async || {
        loop {
            let began = tokio::time::Instant::now();
            let fault = broken_visit(&round).await;
            round.intake.tally().note_folder(&round.name(), false);
            // The folder was well meanwhile: the next fault is news, even if it is the same one.
            if began.elapsed() > PAUSE_MAX {
                pause = PAUSE_MIN;
                told.clear();
            }
            let now = fault.to_string();
            if now != told {
                tracing::warn!(folder = %round.name(), fault = %now, "no mail can be fetched; trying again");
                told = now;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    };
    // Whatever is broken off here is offered again by the server.
    tokio::select! {
        () = work() => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

/// What ended a visit; one that breaks off costs no more than itself.
async fn broken_visit(round: &Arc<Round>) -> CollectFault {
    let round = Arc::clone(round);
    // Dropped with this, so that no visit goes on that nobody waits for.
    let mut visit = JoinSet::new();
    visit.spawn(async move { round.visit().await });
    match visit.join_next().await {
        Some(Ok(Err(fault))) => fault,
        Some(Err(error)) => CollectFault::Broken(error.to_string()),
        None => CollectFault::Broken("it was not begun".to_owned()),
    }
}

impl Round {
    /// Takes what is there, then what comes, until something is in the way.
    async fn visit(&self) -> Result<std::convert::Infallible, CollectFault> {
        let mut folder = self.open().await?;
        tracing::info!(folder = %self.name(), "mail is fetched from this folder");
        self.intake.tally().note_folder(&self.name(), true);
        let mut known = self.position().await?;
        loop {
            let look = folder.decide(known, self.settings.existing);
            let uids = folder.look(&look).await?;
            for uid in &uids {
                self.take_from(&mut folder, *uid).await?;
                // Only where they come in the order of their UIDs is everything before this one taken, too.
                if matches!(look, Look::From(_)) {
                    known = Some(self.remember(&folder, *uid).await?);
                }
            }
            if !matches!(look, Look::From(_)) {
                // What came between the opening and the search was not all asked for: it is asked for again.
                known = Some(self.remember(&folder, folder.uid_max()).await?);
                continue;
            }
            if uids.is_empty() {
                folder.wait(self.settings.poll).await?;
            }
        }
    }

    async fn open(&self) -> Result<Folder, CollectFault> {
        let tokens = self.tokens.as_deref();
        let bytes_max = self.mail_bytes_max;
        let account = account(&self.settings, tokens, self.clock.now(), bytes_max).await?;
        let opened = Folder::open(&account).await;
        if let (Err(FolderFault::Refused { .. }), Some(tokens)) = (&opened, tokens) {
            tokens.forget().await;
        }
        Ok(opened?)
    }

    /// Fetches a mail once there is room for it, takes it in and puts it away; nothing when it is gone meanwhile.
    async fn take_from(&self, folder: &mut Folder, uid: u32) -> Result<(), CollectFault> {
        let Some(bytes) = folder.bytes_of(uid).await? else {
            return Ok(());
        };
        // Kept until the mail is stored.
        let _room = self.intake.room_for(bytes.min(self.mail_bytes_max)).await;
        let Some(mail) = folder.fetch(uid).await? else {
            return Ok(());
        };
        self.take(uid, &mail).await?;
        Ok(folder.put_away(uid, &mail).await?)
    }

    async fn take(&self, uid: u32, mail: &FetchedMail) -> Result<(), CollectFault> {
        if mail.is_cut {
            tracing::warn!(
                folder = %self.name(), uid, bytes_max = self.mail_bytes_max,
                "a mail is larger than `mail_bytes_max`: its beginning is filed, the mail stays there, flagged"
            );
        }
        let arrival = MailArrival {
            mailbox: self.mailbox.clone(),
            // As the server wrote it into the mail.
            return_path: ReturnPath::Unknown,
            to: self.settings.mailbox.to_string(),
            peer: self.settings.host.clone(),
            // Whoever keeps the site's mail is a mail server of the site.
            is_relay: true,
            client: None,
            at: self.clock.now(),
        };
        self.intake.take(arrival, mail.raw.clone()).await?;
        Ok(())
    }

    async fn position(&self) -> Result<Option<Position>, DatabaseFault> {
        let row: Option<(i64, i64, i64)> = sqlx::query_as(FIND_POSITION)
            .bind(self.account())
            .bind(&self.settings.folder)
            .fetch_optional(self.database.reads())
            .await?;
        Ok(row.map(|(validity, taken, day)| Position {
            validity: u32::try_from(validity).unwrap_or(0),
            taken_max: u32::try_from(taken).unwrap_or(0),
            day,
        }))
    }

    async fn remember(&self, folder: &Folder, taken_max: u32) -> Result<Position, DatabaseFault> {
        let position = Position {
            validity: folder.validity(),
            taken_max,
            day: day_of(self.clock.now()),
        };
        let values = vec![
            self.account().into(),
            self.settings.folder.as_str().into(),
            i64::from(position.validity).into(),
            i64::from(position.taken_max).into(),
            position.day.into(),
        ];
        let statement = Statement::new(KEEP_POSITION, values);
        self.database.write(vec![statement]).await?;
        Ok(position)
    }

    fn account(&self) -> String {
        let ImapFolder { user, host, .. } = &self.settings;
        format!("{user}@{host}:{}", self.settings.port())
    }

    /// The folder, for the operator.
    fn name(&self) -> String {
        format!("{}/{}", self.account(), self.settings.folder)
    }
}

async fn account(
    settings: &ImapFolder,
    tokens: Option<&AccessTokens>,
    now: Timestamp,
    mail_bytes_max: u64,
) -> Result<Account, CollectFault> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| CollectFault::File {
            path: path.display().to_string(),
            error,
        })
    };
    let proof = match (tokens, &settings.token_file, &settings.password) {
        (Some(tokens), _, _) => Proof::AccessToken(tokens.token(now).await?),
        (None, Some(path), _) => {
            let token = read(path)?;
            Proof::AccessToken(String::from_utf8_lossy(&token).trim().to_owned())
        }
        (None, None, Some(password)) => Proof::Password(password.expose().to_owned()),
        (None, None, None) => return Err(CollectFault::NoProof),
    };
    Ok(Account {
        host: settings.host.clone(),
        port: settings.port(),
        tls: settings.tls,
        authority: settings.authority.as_deref().map(read).transpose()?,
        user: settings.user.clone(),
        proof,
        folder: settings.folder.clone(),
        move_to: settings.move_to.clone(),
        mail_bytes_max,
    })
}

/// The mailbox a folder's mails are for; `ringdown check` has seen that it is there.
fn mailbox_key(config: &Config, settings: &ImapFolder) -> String {
    let wanted = settings.mailbox.0.key();
    let leads_there = |mailbox: &&crate::config::Mailbox| {
        let mut addresses = mailbox.addresses();
        addresses.any(|address| address.key() == wanted)
    };
    let mailbox = config.mailboxes.iter().find(leads_there);
    mailbox.map_or(wanted.clone(), crate::config::Mailbox::key)
}

fn day_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(86_400_000)
}

const FIND_POSITION: &str =
    "SELECT validity, taken, day FROM mail_folders WHERE account = $1 AND folder = $2";

const KEEP_POSITION: &str = "\
INSERT INTO mail_folders (account, folder, validity, taken, day) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account, folder) DO UPDATE
SET validity = excluded.validity, taken = excluded.taken, day = excluded.day";

/// First and longest pause before a folder is tried again.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
