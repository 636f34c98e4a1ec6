//! How well people say it went, whichever way they say it: one answer for each contact, and the first one stands.
//!
//! The caller keys it in, the sender of a mail has a link; what is kept is the same row of `satisfaction`, and the transaction
//! that keeps it tells the event log (`tickets::telling`).

use crate::database::Statement;
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::time::Timestamp;

/// Keeps an answer without a comment: ticket and agent are those of the contact's record.
pub(crate) fn keep(contact: ContactId, queue: &QueueId, score: u8, at: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO satisfaction (contact, ticket, queue, agent, score, comment, at) VALUES ($1, \
         (SELECT ticket FROM contacts WHERE id = $1), $2, (SELECT agent FROM contacts WHERE id = $1), $3, '', $4) \
         ON CONFLICT (contact) DO NOTHING",
        vec![
            contact.to_string().into(),
            queue.as_str().into(),
            i64::from(score).into(),
            at.as_millis().into(),
        ],
    )
}
