//! Callers who key in how it went.

use super::house::House;
use crate::satisfaction;
use ringdown_routing::contact::Channel;
use ringdown_routing::event::EventKind;
use ringdown_routing::ids::{ContactId, QueueId};
use ringdown_routing::time::Timestamp;
use std::sync::Arc;

impl House {
    /// Keeps what a caller keyed in: a flow says it once.
    pub(super) fn keep_score(self: &Arc<Self>, contact: ContactId, line: QueueId, score: u8) {
        let rated = EventKind::Rated {
            score,
            arrived_at: arrived_at(contact),
            channel: Channel::Voice,
        };
        let at = self.now();
        self.publish_in(Some(line.clone()), contact, rated);
        let house = Arc::clone(self);
        tokio::spawn(async move {
            let kept = satisfaction::keep(contact, &line, score, at);
            if let Err(fault) = house.database.write(vec![kept]).await {
                tracing::error!(%contact, %fault, "how it went was not kept");
            }
        });
    }
}

/// The upper bits of a contact's id are the milliseconds of its arrival.
fn arrived_at(contact: ContactId) -> Timestamp {
    let millis = contact.as_u128() >> 80;
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(0))
}
