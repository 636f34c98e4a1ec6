//! Callers who key in how it went.

use super::house::House;
use crate::mail::Deed;
use crate::satisfaction::Judgement;
use ringdown_routing::ids::{ContactId, QueueId};
use std::sync::Arc;

impl House {
    /// Whether callers of a line are asked.
    pub(super) fn asks_how_it_went(&self, line: &QueueId) -> bool {
        let rules = self.lines.get(line);
        rules.is_some_and(|rules| rules.asks_how_it_went)
    }

    /// Keeps what a caller keyed in: a flow says it once.
    pub(super) fn keep_score(self: &Arc<Self>, contact: ContactId, line: QueueId, score: u8) {
        let judgement = Judgement {
            contact,
            queue: Some(line),
            score,
            comment: String::new(),
            at: self.now(),
        };
        let house = Arc::clone(self);
        tokio::spawn(async move {
            let deed = Deed::Judge(Box::new(judgement));
            if let Err(fault) = house.database.do_deed(deed).await {
                tracing::error!(%contact, %fault, "how it went was not kept");
            }
        });
    }
}
