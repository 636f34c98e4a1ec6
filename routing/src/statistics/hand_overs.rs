//! Who handed contacts over that they had answered, and where to.
//!
//! Such a stay counts as one that flowed out (F), for nobody has answered it who kept it. Its cell tells where it went,
//! and so does the cell of the agent who handed it over, which has nothing else of the stay.

use super::counts::Cause;
use super::facet::Facet;
use super::ledger::{Ledger, Scope, span};
use crate::contact::Channel;
use crate::ids::{AgentId, QueueId};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// From where, to where, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HandOver {
    /// The queue it was answered in.
    pub queue: QueueId,
    /// Where it went, as its event tells.
    pub to: String,
    /// Who had it.
    pub by: AgentId,
}

impl Ledger {
    /// The contacts handed over of those in the cells of a scope that start in `from..to`.
    pub fn hand_overs(
        &self,
        from: Timestamp,
        to: Timestamp,
        scope: &Scope,
    ) -> BTreeMap<HandOver, u64> {
        let is_wanted = |queue: &QueueId, channel: Channel| {
            scope.queue.as_ref().is_none_or(|wanted| wanted == queue)
                && scope.channel.is_none_or(|wanted| wanted == channel)
        };
        let mut sums = BTreeMap::new();
        for (facet, cells) in &self.facets {
            let Facet::Agent(by) = facet else {
                continue;
            };
            for ((_, queue, channel), cell) in span(cells, from, to, (None, Channel::Voice)) {
                let Some(queue) = queue.as_ref().filter(|queue| is_wanted(queue, *channel)) else {
                    continue;
                };
                for (cause, count) in &cell.causes {
                    if let Cause::FlowedTo(place) = cause {
                        let hand_over = HandOver {
                            queue: queue.clone(),
                            to: place.clone(),
                            by: by.clone(),
                        };
                        *sums.entry(hand_over).or_default() += count;
                    }
                }
            }
        }
        sums
    }
}
