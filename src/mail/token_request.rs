//! Asking an OAuth 2.0 server for an access token with a refresh token (RFC 6749 §6).
//!
//! One POST, by TLS, or in the clear to this machine alone. Nothing is followed elsewhere: what is sent is a
//! secret. Neither faults nor the log tell a token.

use crate::config::OAuth;
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Request, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ringdown_email::imap::shell::wrap_in_tls;
use serde::Deserialize;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What a token server gives.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) access_token: String,
    /// How long that holds; nothing where the server does not say.
    pub(super) lasts: Duration,
    /// What is to be sent the next time, where it is another one.
    pub(super) refresh_token: Option<String>,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenFault {
    /// The server is out of reach or not well: it is worth to try again.
    #[error("the token server {host} cannot be asked: {why}")]
    NotNow {
        /// Which server.
        host: String,
        /// What is in the way.
        why: String,
    },
    /// It refuses (RFC 6749 §5.2): somebody has to see to the account or the configuration.
    #[error("the token server {host} refuses: {why}")]
    Refused {
        /// Which server.
        host: String,
        /// Its error and, where it tells one, its description.
        why: String,
        /// Whether the refresh token is the reason.
        is_grant: bool,
    },
}

/// Exchanges a refresh token.
pub(super) async fn ask(
    settings: &OAuth,
    authority: Option<&[u8]>,
    refresh_token: &str,
) -> Result<Granted, TokenFault> {
    let not_now = |why: String| TokenFault::NotNow {
        host: host(settings).to_owned(),
        why,
    };
    let asked = post(settings, authority, form(settings, refresh_token));
    let (status, body) = tokio::time::timeout(ANSWER_MAX, asked)
        .await
        .map_err(|_| not_now(format!("no answer within {} s", ANSWER_MAX.as_secs())))?
        .map_err(|fault| not_now(format!("{fault:#}")))?;
    read(status, &body).map_err(|said| match said {
        Said::No { why, is_grant } => TokenFault::Refused {
            host: host(settings).to_owned(),
            why,
            is_grant,
        },
        Said::Strange(why) => not_now(why),
    })
}

fn host(settings: &OAuth) -> &str {
    settings.token_url.host().unwrap_or_default()
}

/// RFC 6749 §6 and §2.3.1: a client with a secret shows it in the head, one without names itself.
fn form(settings: &OAuth, refresh_token: &str) -> String {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
    ];
    if settings.client_secret.is_none() {
        fields.push(("client_id", settings.client_id.as_str()));
    }
    if let Some(scope) = &settings.scope {
        fields.push(("scope", scope));
    }
    let fields = fields.into_iter();
    let fields = fields.map(|(name, value)| format!("{name}={}", encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B); spaces as `%20`, which every reader takes.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, octet| {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            all.push(char::from(octet));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(all, "%{octet:02X}");
        }
        all
    })
}

async fn post(
    settings: &OAuth,
    authority: Option<&[u8]>,
    form: String,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let url = &settings.token_url;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let named = url.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::post(path.parse::<Uri>()?)
        .header(HOST, named)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(secret) = &settings.client_secret {
        let pair = format!(
            "{}:{}",
            encoded(&settings.client_id),
            encoded(secret.expose())
        );
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
    }
    let request = request.body(Body::from(form))?;
    let is_secret = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_secret { 443 } else { 80 });
    let plain = TcpStream::connect((host(settings).trim_matches(['[', ']']), port)).await?;
    if is_secret {
        let stream = wrap_in_tls(plain, host(settings), authority).await?;
        talk(stream, request).await
    } else {
        talk(plain, request).await
    }
}

async fn talk<S>(stream: S, request: Request<Body>) -> anyhow::Result<(StatusCode, Bytes)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with this.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
    Ok((status, body))
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    No { why: String, is_grant: bool },
    Strange(String),
}

/// RFC 6749 §5.1.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: u64,
    refresh_token: Option<String>,
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

fn read(status: StatusCode, body: &[u8]) -> Result<Granted, Said> {
    if status.is_success() {
        let grant: Grant = serde_json::from_slice(body)
            .map_err(|_| Said::Strange("its answer is no access token".to_owned()))?;
        if !grant.token_type.eq_ignore_ascii_case("bearer") {
            return Err(Said::Strange(
                "its token is not of the type Bearer".to_owned(),
            ));
        }
        return Ok(Granted {
            access_token: grant.access_token,
            lasts: Duration::from_secs(grant.expires_in),
            refresh_token: grant.refresh_token,
        });
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if status.is_client_error() => Err(Said::No {
            is_grant: refusal.error == "invalid_grant",
            why: told(&refusal),
        }),
        Ok(_) | Err(_) => Err(Said::Strange(format!("it answered {status}"))),
    }
}

/// One line of at most so many letters, for a stranger wrote it.
fn told(refusal: &Refusal) -> String {
    let Refusal {
        error,
        error_description: more,
    } = refusal;
    let all = if more.is_empty() {
        error.clone()
    } else {
        format!("{error} ({more})")
    };
    let letters = all.chars().filter(|letter| !letter.is_control());
    letters.take(TOLD_LETTERS_MAX).collect()
}

/// Longest time for a token.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Most octets of an answer; the tokens of large directories have some thousands.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
const TOLD_LETTERS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_token_a_refusal_or_nothing() {
        let check = |status: u16, body: &str, wanted: Result<(&str, u64, Option<&str>), Said>| {
            let status = StatusCode::from_u16(status).unwrap();
            let found = read(status, body.as_bytes());
            let wanted = wanted.map(|(token, seconds, refresh)| Granted {
                access_token: token.to_owned(),
                lasts: Duration::from_secs(seconds),
                refresh_token: refresh.map(str::to_owned),
            });
            assert!(found == wanted, "{status} {body}");
        };
        let strange = |why: &str| Err(Said::Strange(why.to_owned()));
        let no = |why: &str, is_grant| {
            let why = why.to_owned();
            Err(Said::No { why, is_grant })
        };
        check(
            200,
            r#"{"access_token":"a","token_type":"bearer","expires_in":3599,"refresh_token":"r","more":1}"#,
            Ok(("a", 3_599, Some("r"))),
        );
        check(
            200,
            r#"{"access_token":"a","token_type":"Bearer"}"#,
            Ok(("a", 0, None)),
        );
        check(
            200,
            r#"{"access_token":"a","token_type":"mac"}"#,
            strange("its token is not of the type Bearer"),
        );
        check(200, "<html>", strange("its answer is no access token"));
        check(
            400,
            "{\"error\":\"invalid_grant\",\"error_description\":\"expired\\r\\n\"}",
            no("invalid_grant (expired)", true),
        );
        check(
            401,
            r#"{"error":"invalid_client"}"#,
            no("invalid_client", false),
        );
        check(400, "no", strange("it answered 400 Bad Request"));
        check(
            503,
            r#"{"error":"busy"}"#,
            strange("it answered 503 Service Unavailable"),
        );
        check(302, "", strange("it answered 302 Found"));
    }

    #[test]
    fn what_is_sent_is_encoded() {
        assert_eq!(encoded("a b+c&d=e/é~"), "a%20b%2Bc%26d%3De%2F%C3%A9~");
    }
}
