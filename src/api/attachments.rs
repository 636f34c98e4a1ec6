//! `GET /tickets/{id}/attachments/{aid}`: the octets of a file, piece by piece.

use super::ApiState;
use super::problem::Problem;
use super::tickets::TicketKey;
use crate::tickets::{Attachment, Tickets};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;

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
