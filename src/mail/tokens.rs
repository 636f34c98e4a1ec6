//! Access tokens of folders that are opened by OAuth 2.0: fetched with a refresh token, kept while they hold.
//!
//! A server may give a new refresh token with each access token and let the old one go (RFC 6749 §6), so the newest
//! is in the database before it is used, for a restart and for the other gateways. Where another gateway was
//! faster, its refresh token is taken. What the configuration says comes first again when somebody changes it.

use super::filing::sha256_of;
use super::tally::{MailTally, Renewal};
use super::token_request::{Granted, TokenFault, ask};
use crate::config::{ImapFolder, OAuth};
use crate::database::{Database, DatabaseFault, Statement};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The tokens of one client at one server; folders that have the same share it.
#[derive(Debug)]
pub(super) struct AccessTokens {
    settings: OAuth,
    /// By which the database knows the newest refresh token.
    name: String,
    database: Database,
    tally: MailTally,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: String,
    until: Timestamp,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a token until {:?}", self.until)
    }
}

/// Why a folder's token cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewalFault {
    /// The server gives none.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// The newest refresh token cannot be read or kept.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// The certificate that vouches for the server cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

/// Those of all folders, by place; `None` for a folder without.
pub(super) fn of_folders(
    folders: &[ImapFolder],
    database: &Database,
    tally: &MailTally,
) -> Vec<Option<Arc<AccessTokens>>> {
    let mut all: BTreeMap<String, Arc<AccessTokens>> = BTreeMap::new();
    let each = folders.iter().map(|folder| {
        let settings = folder.oauth.as_ref()?;
        let name = name_of(settings);
        let tokens = all.entry(name).or_insert_with_key(|name| {
            Arc::new(AccessTokens {
                settings: settings.clone(),
                name: name.clone(),
                database: database.clone(),
                tally: tally.clone(),
                kept: Mutex::default(),
            })
        });
        Some(Arc::clone(tokens))
    });
    each.collect()
}

impl AccessTokens {
    /// One that holds for a while, a new one where that is needed.
    pub(super) async fn token(&self, now: Timestamp) -> Result<String, RenewalFault> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.until) {
            return Ok(kept.token.clone());
        }
        *kept = None;
        let renewed = self.renew().await;
        self.tally.count_renewal(match &renewed {
            Ok(_) => Renewal::Renewed,
            Err(RenewalFault::Token(TokenFault::Refused { .. })) => Renewal::Refused,
            Err(_) => Renewal::Failed,
        });
        let granted = renewed?;
        let until = now + granted.lasts.saturating_sub(EARLIER);
        let token = granted.access_token;
        *kept = Some(Kept {
            token: token.clone(),
            until,
        });
        Ok(token)
    }

    /// The mail server does not take it, whatever was said of its time.
    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    async fn renew(&self) -> Result<Granted, RenewalFault> {
        let newest = self.newest().await?;
        let configured = || self.settings.refresh_token.expose().to_owned();
        let sent = newest.unwrap_or_else(configured);
        match self.exchange(&sent).await {
            Err(RenewalFault::Token(TokenFault::Refused { is_grant: true, .. }))
                if self.newest().await?.is_some_and(|newest| newest != sent) =>
            {
                // Another gateway has exchanged it meanwhile.
                let newest = self.newest().await?.unwrap_or_else(configured);
                self.exchange(&newest).await
            }
            exchanged => exchanged,
        }
    }

    async fn exchange(&self, refresh_token: &str) -> Result<Granted, RenewalFault> {
        let authority = self.settings.authority.as_ref();
        let authority = authority.map(|path| {
            std::fs::read(path).map_err(|error| RenewalFault::File {
                path: path.display().to_string(),
                error,
            })
        });
        let authority = authority.transpose()?;
        let granted = ask(&self.settings, authority.as_deref(), refresh_token).await?;
        let new = granted.refresh_token.as_deref();
        if let Some(new) = new.filter(|new| *new != refresh_token) {
            let values = vec![self.name.as_str().into(), new.into()];
            let keep = Statement::new(KEEP, values);
            self.database.write(vec![keep]).await?;
        }
        Ok(granted)
    }

    async fn newest(&self) -> Result<Option<String>, DatabaseFault> {
        let found: Option<(String,)> =
            sqlx::query_as("SELECT token FROM refresh_tokens WHERE name = $1")
                .bind(self.name.clone())
                .fetch_optional(self.database.reads())
                .await?;
        Ok(found.map(|(token,)| token))
    }
}

/// Names the client and the refresh token that is configured, so that another one begins anew.
fn name_of(settings: &OAuth) -> String {
    let parts = [
        settings.token_url.to_string(),
        settings.client_id.clone(),
        settings.refresh_token.expose().to_owned(),
    ];
    sha256_of(parts.join("\n").as_bytes())
}

const KEEP: &str = "\
INSERT INTO refresh_tokens (name, token) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET token = excluded.token";

/// A token is renewed so long before its end, for a connection takes a while and clocks differ.
const EARLIER: Duration = Duration::from_secs(60);
