//! `[[email.imap]]`: folders of other mail servers, from which mail is fetched.
//!
//! By IMAP alone. POP3 would not be cheap: of the crates for it `async-pop` (1.1) has TLS of other libraries than
//! the rustls of everything here and holds a message whole in memory, and `rust-pop3-client` (0.3) blocks its
//! thread; and POP3 has no mark for what was taken, so that each mail would have to be deleted on the server.

use super::mail::MailAddress;
use super::value::{Secret, is_loopback, seconds};
use axum::http::Uri;
use ringdown_email::imap::Existing;
use ringdown_email::imap::shell::Tls;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;
use std::time::Duration;

/// One folder, and the mailbox its mails are for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImapFolder {
    /// The `[[mailbox]]` its mails are for, by its address or an alias.
    pub mailbox: MailAddress,
    /// The server's name; with TLS its certificate must be of this name.
    pub host: String,
    /// Its port; 993 with TLS, else 143, when not given.
    pub port: Option<u16>,
    /// How the way there is kept secret.
    #[serde(default)]
    pub tls: Tls,
    /// The account at it.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// File with an OAuth 2.0 access token (XOAUTH2), in place of a password. It is read at each connection,
    /// so that whatever renews it just writes it anew.
    pub token_file: Option<PathBuf>,
    /// How access tokens are fetched (XOAUTH2), in place of both.
    pub oauth: Option<OAuth>,
    /// The folder, in Unicode.
    #[serde(default = "inbox")]
    pub folder: String,
    /// What is taken of the mails that lay there before the first look.
    #[serde(default)]
    pub existing: Existing,
    /// Folder where mails go that were taken; they stay and are marked as read when not given.
    pub move_to: Option<String>,
    /// File of the certificate (PEM) that vouches for the server, besides those this machine trusts.
    pub authority: Option<PathBuf>,
    /// Longest time between two looks; a server with IDLE tells of a new mail at once.
    #[serde(rename = "poll_s", default = "poll", deserialize_with = "seconds")]
    pub poll: Duration,
}

/// How access tokens are fetched with a refresh token (RFC 6749 §6), `[email.imap.oauth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// Where; `https`, or `http` on this machine.
    #[serde(deserialize_with = "token_url")]
    pub token_url: Uri,
    /// Who we are there.
    pub client_id: String,
    /// What proves that, where the server has given one.
    pub client_secret: Option<Secret>,
    /// What somebody who may open the folder was given for us. The server may exchange it; the newest is kept in
    /// the database, and this one comes first again when it is changed.
    pub refresh_token: Secret,
    /// What is asked for; what was granted when not given.
    pub scope: Option<String>,
    /// File of the certificate (PEM) that vouches for the server, besides those this machine trusts.
    pub authority: Option<PathBuf>,
}

fn token_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fault = || D::Error::custom("is an address such as `https://login.example/token`");
    let url: Uri = text.parse().map_err(|_| fault())?;
    let host = url.host().ok_or_else(fault)?;
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if is_loopback(host.trim_matches(['[', ']'])) => Ok(url),
        Some("http") => Err(D::Error::custom(
            "a refresh token is not sent to another machine without TLS",
        )),
        Some(_) | None => Err(fault()),
    }
}

impl ImapFolder {
    /// The port, given or as the way there has it (RFC 8314 §3.2, RFC 9051 §2.1).
    pub fn port(&self) -> u16 {
        let usual = match self.tls {
            Tls::Tls => 993,
            Tls::Starttls | Tls::None => 143,
        };
        self.port.unwrap_or(usual)
    }
}

fn inbox() -> String {
    "INBOX".to_owned()
}

fn poll() -> Duration {
    Duration::from_secs(60)
}
