//! `GET /tickets/{id}/attachments/{aid}`: the octets of a file, piece by piece; and
//! `POST /contacts/{id}/attachments`, where a file comes in the same way before the answer it goes with.

use super::access::Caller;
use super::extract::{Key, Params, checked_line};
use super::idempotency::RequestKey;
use super::mails::held;
use super::problem::Problem;
use super::tickets::TicketKey;
use super::{ApiState, json};
use crate::tickets::{Attachment, Tickets};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use ringdown_routing::ids::ContactId;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;

/// Sends a file. A stranger chose its name, type and octets, so a browser is told to save it and to run
/// nothing of it.
pub(super) async fn one(
    State(state): State<ApiState>,
    Path((ticket, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let unknown = || Problem::NotFound(format!("ticket {ticket} has no attachment {id}"));
    let key: TicketKey = ticket.parse().map_err(|_| unknown())?;
    let number = id.parse().map_err(|_| unknown())?;
    let tickets = &state.parts.tickets;
    let found = tickets.attachment(key.0, number).await?;
    let attachment = found.ok_or_else(unknown)?;
    let headers = headers_of(&attachment);
    let mut response = Response::new(octets_of(tickets.clone(), attachment.sha256));
    response.headers_mut().extend(headers);
    Ok(response)
}

/// What `POST /contacts/{id}/attachments` is told beside the octets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileName {
    filename: String,
}

/// Takes a file that an agent will send with an answer; with an `Idempotency-Key` once.
pub(super) async fn take(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    key: Option<Extension<RequestKey>>,
    Key(contact): Key<ContactId>,
    Params(FileName { filename }): Params<FileName>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let work = state.mails()?;
    let filename = checked_line("filename", &filename, NAME_LETTERS_MAX)?;
    let of = |name| {
        headers
            .get(name)
            .and_then(|it: &HeaderValue| it.to_str().ok())
    };
    let content_type = of(CONTENT_TYPE).unwrap_or("application/octet-stream");
    let held = held(work, &caller, contact).await?;
    let key = key.map_or_else(rand::random, |Extension(key)| key.as_u128());
    let mut incoming = work
        .begin_upload(&held, key, (&filename, content_type))
        .await?;
    let announced = of(CONTENT_LENGTH).and_then(|it| it.parse().ok());
    incoming.announce(announced).await?;
    let mut octets = body.into_data_stream();
    loop {
        let broken = match timeout(SILENCE_MAX, octets.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(piece))) => {
                incoming.take(piece).await?;
                continue;
            }
            Ok(Some(Err(fault))) => format!("the file did not come whole: {fault}"),
            Err(_) => "the file did not come whole: nothing came any more".to_owned(),
        };
        incoming.give_up().await;
        return Err(Problem::BadRequest(broken));
    }
    let upload = incoming.finish().await?;
    Ok((StatusCode::CREATED, Json(json::record(&upload)?)).into_response())
}

/// Most letters of a file's name; longer ones are cut when they are made safe.
const NAME_LETTERS_MAX: usize = 1_000;

/// Longest silence while a file comes in.
const SILENCE_MAX: Duration = Duration::from_secs(30);

fn octets_of(tickets: Tickets, sha256: String) -> Body {
    let pieces = stream::try_unfold((tickets, sha256, 0), async |(tickets, sha256, place)| {
        let piece = tickets.piece(&sha256, place).await?;
        let next = piece.map(|piece| (Bytes::from(piece), (tickets, sha256, place + 1)));
        Ok::<_, crate::database::DatabaseFault>(next)
    });
    Body::from_stream(pieces)
}

fn headers_of(attachment: &Attachment) -> Vec<(HeaderName, HeaderValue)> {
    let text = |text: &str| HeaderValue::from_str(text).ok();
    let disposition = format!(
        "attachment; filename*=UTF-8''{}",
        percent_encoded(&attachment.filename)
    );
    let octets = HeaderValue::from_static("application/octet-stream");
    [
        (
            CONTENT_TYPE,
            text(&attachment.content_type).or(Some(octets)),
        ),
        (CONTENT_LENGTH, Some(HeaderValue::from(attachment.bytes))),
        (CONTENT_DISPOSITION, text(&disposition)),
        (ETAG, text(&format!("\"{}\"", attachment.sha256))),
        (X_CONTENT_TYPE_OPTIONS, text("nosniff")),
        (CONTENT_SECURITY_POLICY, text("sandbox; default-src 'none'")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// RFC 8187 §3.2.1: all but `attr-char` as `%XX` of its UTF-8.
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.push_str(&format!("%{octet:02X}"));
        }
    }
    encoded
}
