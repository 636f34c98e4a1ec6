//! Callers who key in how it went.

use super::house::House;
use crate::satisfaction;
use ringdown_routing::ids::{ContactId, QueueId};
use std::sync::Arc;

impl House {
    /// Keeps what a caller keyed in: a flow says it once.
    pub(super) fn keep_score(self: &Arc<Self>, contact: ContactId, line: QueueId, score: u8) {
        let at = self.now();
        let house = Arc::clone(self);
        tokio::spawn(async move {
            let kept = satisfaction::keep(contact, &line, score, at);
            if let Err(fault) = house.database.write_with_others(vec![kept]).await {
                tracing::error!(%contact, %fault, "how it went was not kept");
            }
        });
    }
}
