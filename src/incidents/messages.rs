//! Messages that callers leave for an incident: recorded to a file, then brought to its ticket.
//!
//! A message is a WAV file in the folder `messages` of `data_dir`, with its facts beside it as JSON, written
//! before the first sample. When it is whole it becomes an article with an attachment, in one transaction,
//! and the files go. What a crash or a database that cannot be written leaves behind is found again by the
//! next look, so nothing that a caller said is lost, and nothing is filed twice.

use crate::call_flow::MessageKept;
use crate::config::Config;
use crate::database::{Database, DatabaseFault, Statement, Value};
use crate::mail::{PIECE_BYTES, sha256_of};
use ringdown_routing::ids::{ContactId, IncidentId, TicketId};
use ringdown_routing::time::Timestamp;
use ringdown_voice::media::{Recorded, Recorder, RecordingFault, RecordingLimits, Tap, TapId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Longest message.
pub const MESSAGE_MAX: Duration = Duration::from_secs(180);

/// Longest silence within a message.
const SILENCE_MAX: Duration = Duration::from_secs(6);

/// Most messages that are recorded at one time; who comes then goes into the line.
const MESSAGES_MAX: usize = 100;

/// How often it is looked for messages that could not be filed.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Most messages filed in one look.
const FILED_MAX: usize = 1_000;

/// Samples of a WAV file begin here, and a second of them has so many octets.
const WAV_HEADER_BYTES: usize = 44;
const SECOND_BYTES: usize = 16_000;

/// Records messages and files them; clones share it.
#[derive(Clone, Debug)]
pub struct Messages {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    recorder: Recorder,
    database: Database,
    /// Those that callers speak at the moment.
    spoken: Mutex<BTreeSet<ContactId>>,
    is_whole: Notify,
}

/// What is kept beside a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageFacts {
    /// The contact whose caller speaks; a contact leaves one message at most.
    pub contact: ContactId,
    /// The incident it is for.
    pub incident: IncidentId,
    /// The ticket it is to be on.
    pub ticket: TicketId,
    /// Who speaks, as the contact's arrival says it.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// When.
    pub at: Timestamp,
    /// What stands in the article before the length.
    pub title: String,
}

impl Messages {
    /// Those of this gateway's folder.
    pub fn new(config: &Config, database: Database) -> Self {
        Self {
            shared: Arc::new(Shared {
                folder: config.data_dir.join("messages"),
                recorder: Recorder::new(MESSAGES_MAX),
                database,
                spoken: Mutex::default(),
                is_whole: Notify::new(),
            }),
        }
    }

    /// The tap that records what a caller says; `told` hears what became of it, from another thread.
    pub fn record(
        &self,
        facts: MessageFacts,
        told: impl FnOnce(MessageKept) + Send + 'static,
    ) -> Result<Tap, RecordingFault> {
        let limits = RecordingLimits {
            length_max: MESSAGE_MAX,
            silence_max: SILENCE_MAX,
        };
        let contact = facts.contact;
        let files = Files::of(&self.shared.folder, contact);
        let open = {
            let (folder, files) = (self.shared.folder.clone(), files.clone());
            move || files.create(&folder, &facts)
        };
        let messages = self.clone();
        let ended = move |written: Result<(Recorded, _), RecordingFault>| {
            told(match written {
                Ok((recorded, _)) if recorded.voiced.is_zero() => {
                    files.remove();
                    MessageKept::Empty
                }
                Ok((recorded, _)) => MessageKept::Whole(recorded.duration),
                Err(fault) => {
                    tracing::error!(%contact, %fault, "a caller's message could not be recorded");
                    MessageKept::Failed
                }
            });
            messages.lock_spoken().remove(&contact);
            messages.shared.is_whole.notify_one();
        };
        self.lock_spoken().insert(contact);
        let tap = self.shared.recorder.begin(TAP, open, limits, ended);
        if tap.is_err() {
            self.lock_spoken().remove(&contact);
        }
        tap
    }

    /// Files messages as they become whole, and those that were left behind, while the gateway runs.
    pub async fn keep(self) {
        loop {
            self.look().await;
            // Whatever comes first: a message that is whole, or time to look again.
            drop(tokio::time::timeout(LOOK_EVERY, self.shared.is_whole.notified()).await);
        }
    }

    /// Files what is whole and not filed yet.
    pub async fn look(&self) {
        let messages = self.clone();
        let found = tokio::task::spawn_blocking(move || messages.find()).await;
        for facts in found.unwrap_or_default() {
            let contact = facts.contact;
            match self.file(facts).await {
                Ok(()) => {}
                Err(NotFiled::File(fault)) => {
                    tracing::error!(%contact, %fault, "a caller's message cannot be read");
                }
                Err(NotFiled::Database(fault)) => {
                    tracing::warn!(%contact, %fault, "a caller's message waits for the database");
                }
            }
        }
    }

    /// The messages that are whole and not filed yet.
    fn find(&self) -> Vec<MessageFacts> {
        let Ok(entries) = fs::read_dir(&self.shared.folder) else {
            return Vec::new();
        };
        let facts = entries.flatten().filter_map(|entry| {
            let path = entry.path();
            let is_facts = path.extension().is_some_and(|extension| extension == "json");
            let text = is_facts.then(|| fs::read(&path).ok()).flatten()?;
            match serde_json::from_slice::<MessageFacts>(&text) {
                Ok(facts) => Some(facts),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "these are no facts of a message");
                    None
                }
            }
        });
        let spoken = self.lock_spoken().clone();
        facts
            .filter(|facts| !spoken.contains(&facts.contact))
            .take(FILED_MAX)
            .collect()
    }

    async fn file(&self, facts: MessageFacts) -> Result<(), NotFiled> {
        let files = Files::of(&self.shared.folder, facts.contact);
        let read = files.clone();
        let wav = tokio::task::spawn_blocking(move || read.read()).await;
        let wav = wav.map_err(io::Error::other)??;
        if wav.len() > WAV_HEADER_BYTES {
            self.shared.database.write(statements(&facts, &wav)).await?;
        }
        // A stall here costs nobody anything but time.
        drop(tokio::task::spawn_blocking(move || files.remove()).await);
        Ok(())
    }

    fn lock_spoken(&self) -> std::sync::MutexGuard<'_, BTreeSet<ContactId>> {
        self.shared
            .spoken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a message stays in its folder.
#[derive(Debug, thiserror::Error)]
enum NotFiled {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] DatabaseFault),
}

/// The two files of a message.
#[derive(Clone, Debug)]
struct Files {
    wav: PathBuf,
    facts: PathBuf,
}

impl Files {
    fn of(folder: &Path, contact: ContactId) -> Self {
        Self {
            wav: folder.join(format!("{contact}.wav")),
            facts: folder.join(format!("{contact}.json")),
        }
    }

    fn create(&self, folder: &Path, facts: &MessageFacts) -> io::Result<File> {
        fs::create_dir_all(folder)?;
        let file = File::create(&self.wav)?;
        fs::write(&self.facts, serde_json::to_vec(facts)?)?;
        Ok(file)
    }

    /// The octets of the sound; none when it was removed already.
    fn read(&self) -> io::Result<Vec<u8>> {
        match fs::read(&self.wav) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    /// The sound goes first: facts without it are known to be filed.
    fn remove(&self) {
        for file in [&self.wav, &self.facts] {
            if let Err(error) = fs::remove_file(file)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %file.display(), %error, "a file cannot be removed");
            }
        }
    }
}

/// Article, attachment and octets of a message, unless they are there already.
fn statements(facts: &MessageFacts, wav: &[u8]) -> Vec<Statement> {
    let sha256 = sha256_of(wav);
    let contact = facts.contact.to_string();
    let ticket = i64::try_from(facts.ticket.as_u64()).unwrap_or(i64::MAX);
    let seconds = wav
        .len()
        .saturating_sub(WAV_HEADER_BYTES)
        .div_ceil(SECOND_BYTES);
    let body = format!("{} ({seconds} s)", facts.title);
    let shown = serde_json::json!({ "incident": facts.incident, "seconds": seconds });
    let mut statements = vec![Statement::new(
        INSERT_ARTICLE,
        vec![
            ticket.into(),
            facts.from.as_str().into(),
            facts.to.as_str().into(),
            body.into(),
            shown.to_string().into(),
            contact.as_str().into(),
            facts.at.as_millis().into(),
        ],
    )];
    statements.extend(
        (0_i64..)
            .zip(wav.chunks(PIECE_BYTES))
            .map(|(place, piece)| {
                Statement::new(
                    INSERT_BLOB,
                    vec![
                        sha256.as_str().into(),
                        place.into(),
                        Value::Bytes(piece.to_vec()),
                    ],
                )
            }),
    );
    statements.push(Statement::new(
        INSERT_ATTACHMENT,
        vec![
            format!("message-{contact}.wav").into(),
            i64::try_from(wav.len()).unwrap_or(i64::MAX).into(),
            sha256.into(),
            ticket.into(),
            contact.into(),
        ],
    ));
    statements.push(Statement::new(
        "UPDATE tickets SET changed_at = $1 WHERE id = $2 AND changed_at < $1",
        vec![facts.at.as_millis().into(), ticket.into()],
    ));
    statements
}

/// The one tap of a caller's leg that messages use.
pub const TAP: TapId = TapId(1);

const INSERT_ARTICLE: &str = "\
INSERT INTO articles (ticket, channel, direction, sender, recipient, subject, body, text_new, facts, contact, at)
SELECT CAST($1 AS BIGINT), 'voice', 'in', CAST($2 AS TEXT), CAST($3 AS TEXT), '', CAST($4 AS TEXT),
    CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS BIGINT)
WHERE NOT EXISTS (SELECT 1 FROM articles WHERE ticket = $1 AND contact = $6 AND channel = 'voice')";

const INSERT_BLOB: &str = "\
INSERT INTO blobs (sha256, place, body) VALUES ($1, $2, $3) ON CONFLICT (sha256, place) DO NOTHING";

const INSERT_ATTACHMENT: &str = "\
INSERT INTO attachments (article, place, filename, content_type, content_id, inline, bytes, sha256)
SELECT a.id, 0, CAST($1 AS TEXT), 'audio/wav', NULL, 0, CAST($2 AS BIGINT), CAST($3 AS TEXT)
FROM articles a WHERE a.ticket = $4 AND a.contact = $5 AND a.channel = 'voice'
ON CONFLICT (article, place) DO NOTHING";
