//! Files that go with an agent's answer. They come in first, piece by piece, so that a large one is never whole
//! in memory while it comes; the answer that names them makes them attachments of its article.
//!
//! What no answer takes within [`KEPT_FOR`] goes, and so does what a crash left half there.

use super::deed::UsedUpload;
use super::{Held, MailWork, WorkFault};
use crate::database::{Database, DatabaseFault, Engine, Statement};
use crate::mail::PIECE_BYTES;
use bytes::Bytes;
use ringdown_email::composing::{LetterFile, sendable_type};
use ringdown_email::reading::safe_file_name;
use ringdown_routing::ids::ContactId;
use ringdown_routing::time::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// A file that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Upload {
    /// What the answer names it by.
    pub(crate) id: String,
    /// Its name, made safe.
    pub(crate) filename: String,
    /// Its type, as it is sent.
    pub(crate) content_type: String,
    /// How many octets.
    pub(crate) bytes: u64,
    /// In hexadecimal.
    pub(crate) sha256: String,
    #[serde(skip)]
    attempt: String,
}

/// A file on its way in.
pub(crate) struct Incoming {
    database: Database,
    wanted: Upload,
    /// What came before with the same key, which this is to be the same as; nothing is stored then.
    before: Option<Upload>,
    bytes_max: u64,
    digest: Sha256,
    piece: Vec<u8>,
    place: i64,
}

/// Files that an answer names, with their octets.
pub(super) struct NamedFiles<'w> {
    pub(super) files: Vec<LetterFile>,
    pub(super) uploads: Vec<UsedUpload>,
    /// Memory for them and for the letter; held until it is written.
    pub(super) room: Option<SemaphorePermit<'w>>,
}

type Row = (String, String, String, String, Option<i64>, Option<String>);

impl MailWork {
    /// Takes a file for a later answer to this contact; `key` is the request's, so that it is taken once.
    pub(crate) async fn begin_upload(
        &self,
        held: &Held,
        key: u128,
        (filename, content_type): (&str, &str),
    ) -> Result<Incoming, WorkFault> {
        let id = format!("{key:032x}");
        let content_type = sendable_type(content_type)
            .ok_or_else(|| WorkFault::Unfit(format!("`{content_type}` is not a content type")))?;
        let (filename, _) = safe_file_name(filename, "file");
        let waiting = self.uploads(held.contact).await?;
        let before = waiting.iter().find(|row| row.1 == id && row.5.is_some());
        let before = before.cloned().and_then(read);
        if before.is_none() && waiting.len() >= WAITING_MAX {
            let sentence =
                format!("{WAITING_MAX} files wait for an answer to this contact already");
            return Err(WorkFault::NotNow(sentence));
        }
        let incoming = Incoming {
            database: self.shared.database.clone(),
            wanted: Upload {
                id,
                filename,
                content_type,
                bytes: 0,
                sha256: String::new(),
                attempt: format!("{:032x}", rand::random::<u128>()),
            },
            before,
            bytes_max: self.shared.config.email.answer_bytes_max,
            digest: Sha256::new(),
            piece: Vec::new(),
            place: 0,
        };
        if incoming.before.is_none() {
            let begun = incoming.begun(held.contact, self.now());
            self.shared.database.write(vec![begun]).await?;
        }
        Ok(incoming)
    }

    async fn uploads(&self, contact: ContactId) -> Result<Vec<Row>, WorkFault> {
        let rows = sqlx::query_as(
            "SELECT attempt, id, filename, content_type, bytes, sha256 FROM uploads WHERE contact = $1 ORDER BY at",
        )
        .bind(contact.to_string())
        .fetch_all(self.shared.database.reads())
        .await
        .map_err(DatabaseFault::from)?;
        Ok(rows)
    }

    /// The files that an answer names, whole in memory as the letter will be.
    pub(super) async fn named_files(
        &self,
        contact: ContactId,
        ids: &[String],
    ) -> Result<NamedFiles<'_>, WorkFault> {
        let mut named = NamedFiles {
            files: Vec::new(),
            uploads: Vec::new(),
            room: None,
        };
        if ids.is_empty() {
            return Ok(named);
        }
        let waiting: Vec<Upload> = self
            .uploads(contact)
            .await?
            .into_iter()
            .filter_map(read)
            .collect();
        let mut chosen: Vec<&Upload> = Vec::with_capacity(ids.len());
        for id in ids {
            let found = waiting.iter().find(|upload| upload.id == *id);
            let found = found.ok_or_else(|| {
                WorkFault::Unfit(format!(
                    "no file `{id}` waits for an answer to this contact"
                ))
            })?;
            if chosen.iter().any(|other| other.id == found.id) {
                return Err(WorkFault::Unfit(format!("`{id}` is named twice")));
            }
            chosen.push(found);
        }
        let bytes: u64 = chosen.iter().map(|upload| upload.bytes).sum();
        let bytes_max = self.shared.config.email.answer_bytes_max;
        if bytes > bytes_max {
            let sentence =
                format!("the files of one answer have at most {bytes_max} octets together");
            return Err(WorkFault::Unfit(sentence));
        }
        named.room = self.shared.intake.room_for(bytes.saturating_mul(2)).await;
        for upload in chosen {
            let octets = self.octets(&staged(&upload.attempt)).await?;
            if u64::try_from(octets.len()).ok() != Some(upload.bytes) {
                return Err(WorkFault::NotNow(format!(
                    "the file `{}` is not whole",
                    upload.id
                )));
            }
            named.files.push(LetterFile {
                file_name: upload.filename.clone(),
                content_type: upload.content_type.clone(),
                bytes: octets,
            });
            named.uploads.push(UsedUpload {
                attempt: upload.attempt.clone(),
                filename: upload.filename.clone(),
                content_type: upload.content_type.clone(),
                bytes: upload.bytes,
                sha256: upload.sha256.clone(),
            });
        }
        Ok(named)
    }

    /// Lets go of what no answer took.
    pub(super) async fn forget_uploads(&self) -> Result<(), DatabaseFault> {
        let old: Vec<(String,)> =
            sqlx::query_as("SELECT attempt FROM uploads WHERE at < $1 LIMIT 20")
                .bind((self.now() - KEPT_FOR).as_millis())
                .fetch_all(self.shared.database.reads())
                .await?;
        if old.is_empty() {
            return Ok(());
        }
        let statements = old.iter().flat_map(|(attempt,)| removal(attempt)).collect();
        self.shared.database.write(statements).await
    }
}

impl Incoming {
    fn begun(&self, contact: ContactId, at: Timestamp) -> Statement {
        Statement::new(
            "INSERT INTO uploads (attempt, id, contact, filename, content_type, at) VALUES ($1, $2, $3, $4, $5, $6)",
            vec![
                self.wanted.attempt.as_str().into(),
                self.wanted.id.as_str().into(),
                contact.to_string().into(),
                self.wanted.filename.as_str().into(),
                self.wanted.content_type.as_str().into(),
                at.as_millis().into(),
            ],
        )
    }

    /// Refuses what says itself that it is too large, before it comes.
    pub(crate) async fn announce(&mut self, bytes: Option<u64>) -> Result<(), WorkFault> {
        if bytes.is_some_and(|bytes| bytes > self.bytes_max) {
            self.give_up().await;
            return Err(WorkFault::TooLarge(self.bytes_max));
        }
        Ok(())
    }

    /// Takes the next octets of it; what is larger than may be sent is refused and gone.
    pub(crate) async fn take(&mut self, mut octets: Bytes) -> Result<(), WorkFault> {
        self.wanted.bytes += u64::try_from(octets.len()).unwrap_or(u64::MAX);
        if self.wanted.bytes > self.bytes_max {
            self.give_up().await;
            return Err(WorkFault::TooLarge(self.bytes_max));
        }
        self.digest.update(&octets);
        if self.before.is_some() {
            return Ok(());
        }
        while !octets.is_empty() {
            let room = PIECE_BYTES - self.piece.len();
            let head = octets.split_to(room.min(octets.len()));
            self.piece.extend_from_slice(&head);
            if self.piece.len() == PIECE_BYTES {
                self.store().await?;
            }
        }
        Ok(())
    }

    async fn store(&mut self) -> Result<(), DatabaseFault> {
        let piece = std::mem::take(&mut self.piece);
        let statement = Statement::new(
            "INSERT INTO blobs (sha256, place, body) VALUES ($1, $2, $3)",
            vec![
                staged(&self.wanted.attempt).into(),
                self.place.into(),
                crate::database::Value::Bytes(piece),
            ],
        );
        self.place += 1;
        self.database.write(vec![statement]).await
    }

    /// It is whole: it is stored when this returns.
    pub(crate) async fn finish(mut self) -> Result<Upload, WorkFault> {
        for octet in self.digest.finalize_reset() {
            // Writing to a text cannot fail.
            let _ = write!(self.wanted.sha256, "{octet:02x}");
        }
        if let Some(before) = self.before {
            let wanted = Upload {
                attempt: before.attempt.clone(),
                ..self.wanted
            };
            return match wanted == before {
                true => Ok(before),
                false => Err(WorkFault::Unfit(
                    "this Idempotency-Key was used for another file".to_owned(),
                )),
            };
        }
        if !self.piece.is_empty() {
            self.store().await?;
        }
        let whole = Statement::new(
            "UPDATE uploads SET bytes = $1, sha256 = $2 WHERE attempt = $3",
            vec![
                i64::try_from(self.wanted.bytes).unwrap_or(i64::MAX).into(),
                self.wanted.sha256.as_str().into(),
                self.wanted.attempt.as_str().into(),
            ],
        );
        self.database.write(vec![whole]).await?;
        Ok(self.wanted)
    }

    /// It does not come whole.
    pub(crate) async fn give_up(&mut self) {
        if self.before.is_some() {
            return;
        }
        let removed = self.database.write(removal(&self.wanted.attempt).to_vec());
        if let Err(fault) = removed.await {
            tracing::debug!(%fault, "mail: half a file stays for now");
        }
    }
}

/// Makes attachments of the uploads that a letter has; part of the writer's transaction.
pub(super) async fn attach(
    engine: Engine,
    connection: &mut AnyConnection,
    message_id: &str,
    uploads: &[UsedUpload],
) -> Result<(), DatabaseFault> {
    for (place, upload) in (0_i64..).zip(uploads) {
        sqlx::query(engine.sql(INSERT_ATTACHMENT))
            .bind(message_id.to_owned())
            .bind(place)
            .bind(upload.filename.clone())
            .bind(upload.content_type.clone())
            .bind(i64::try_from(upload.bytes).unwrap_or(i64::MAX))
            .bind(upload.sha256.clone())
            .execute(&mut *connection)
            .await?;
        let known: Option<(i64,)> = sqlx::query_as(engine.sql(FIND_BLOB))
            .bind(upload.sha256.clone())
            .fetch_optional(&mut *connection)
            .await?;
        let staged = staged(&upload.attempt);
        match known {
            // The same octets came with another mail.
            Some(_) => sqlx::query(engine.sql(REMOVE_BLOBS)).bind(staged),
            None => sqlx::query(engine.sql(TAKE_BLOBS))
                .bind(staged)
                .bind(upload.sha256.clone()),
        }
        .execute(&mut *connection)
        .await?;
        sqlx::query(engine.sql(REMOVE_UPLOAD))
            .bind(upload.attempt.clone())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Whether all of them still wait; another answer may have taken one.
pub(super) async fn are_all_there(
    engine: Engine,
    connection: &mut AnyConnection,
    uploads: &[UsedUpload],
) -> Result<bool, DatabaseFault> {
    for upload in uploads {
        let found: Option<(i64,)> = sqlx::query_as(
            engine.sql("SELECT bytes FROM uploads WHERE attempt = $1 AND sha256 IS NOT NULL"),
        )
        .bind(upload.attempt.clone())
        .fetch_optional(&mut *connection)
        .await?;
        if found.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(row: Row) -> Option<Upload> {
    let (attempt, id, filename, content_type, bytes, sha256) = row;
    Some(Upload {
        id,
        filename,
        content_type,
        bytes: u64::try_from(bytes?).ok()?,
        sha256: sha256?,
        attempt,
    })
}

/// Under which word the octets of an attempt lie among the blobs.
fn staged(attempt: &str) -> String {
    format!("upload:{attempt}")
}

fn removal(attempt: &str) -> [Statement; 2] {
    [
        Statement::new(REMOVE_BLOBS, vec![staged(attempt).into()]),
        Statement::new(REMOVE_UPLOAD, vec![attempt.into()]),
    ]
}

/// How long a file waits for its answer.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Most files of one contact that wait.
const WAITING_MAX: usize = 40;

const INSERT_ATTACHMENT: &str = "\
INSERT INTO attachments (article, place, filename, content_type, content_id, inline, bytes, sha256)
SELECT a.id, $2, $3, $4, NULL, 0, $5, $6 FROM articles a WHERE a.message_id = $1 AND a.direction = 'out'";

const FIND_BLOB: &str = "SELECT place FROM blobs WHERE sha256 = $1 LIMIT 1";

const TAKE_BLOBS: &str = "UPDATE blobs SET sha256 = $2 WHERE sha256 = $1";

const REMOVE_BLOBS: &str = "DELETE FROM blobs WHERE sha256 = $1";

const REMOVE_UPLOAD: &str = "DELETE FROM uploads WHERE attempt = $1";
