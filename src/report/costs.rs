//! What the desk costs: agents' logged-in hours by the clock at the configured rates.

use super::{Group, Report, Span};
use crate::config::Config;
use ringdown_routing::ids::AgentId;
use ringdown_routing::statistics::{Facet, Ledger, Scope, Tally};
use ringdown_routing::time::Timestamp;
use std::collections::BTreeMap;

const HOUR_MS: u128 = 3_600_000;

/// What an hour of each agent costs, in millionths of the currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Costs {
    /// ISO 4217.
    pub currency: String,
    rates: BTreeMap<AgentId, u64>,
    /// Of agents for whom nothing else is said.
    usual: Option<u64>,
}

/// What the whole desk cost and did in a span.
#[derive(Clone, Copy, Debug)]
struct Desk {
    micros: Option<u64>,
    handle_ms: u64,
}

impl Costs {
    /// Takes them from the configuration; `None` where it says nothing. An agent's own rate comes before the
    /// highest of the queues that the agent serves, that before the site's.
    pub fn of(config: &Config) -> Option<Self> {
        let currency = config.site.currency.clone()?;
        let of_queue = |id| {
            let queue = config.queue(id)?;
            queue.cost_per_hour.map(|rate| rate.0)
        };
        let mut rates = BTreeMap::new();
        for agent in &config.agents {
            let dearest = agent.queues.keys().filter_map(of_queue).max();
            let own = agent.cost_per_hour.map(|rate| rate.0);
            if let Some(rate) = own.or(dearest) {
                rates.insert(agent.id.clone(), rate);
            }
        }
        Some(Self {
            currency,
            rates,
            usual: config.site.cost_per_hour.map(|rate| rate.0),
        })
    }

    /// What an agent's time cost; `None` where no rate is known.
    fn of_agent(&self, agent: &AgentId, logged_in_ms: u64) -> Option<u64> {
        let rate = self.rates.get(agent).copied().or(self.usual);
        if logged_in_ms == 0 {
            return Some(0);
        }
        let micros = u128::from(rate?) * u128::from(logged_in_ms) / HOUR_MS;
        u64::try_from(micros).ok()
    }

    fn of_desk(&self, ledger: &Ledger, span: Span) -> Desk {
        let times = ledger.agent_times(span.from, span.to);
        let costs = times
            .iter()
            .map(|(agent, time)| self.of_agent(agent, time.logged_in_ms()));
        let all = ledger.counts(span.from, span.to, &Scope::default());
        Desk {
            micros: costs.sum(),
            handle_ms: all.handle_ms(),
        }
    }
}

impl Desk {
    /// The part of whoever had so much of the work; nobody knows it while nobody worked.
    fn share(self, tally: &Tally) -> Option<u64> {
        let part = u128::from(self.micros?) * u128::from(tally.counts.handle_ms());
        let part = part.checked_div(u128::from(self.handle_ms))?;
        u64::try_from(part).ok()
    }
}

impl Report {
    /// The same report with what everything cost.
    pub fn with_costs(mut self, costs: Option<&Costs>) -> Self {
        let Some(costs) = costs else {
            return self;
        };
        self.currency = Some(costs.currency.clone());
        let ledger = &self.ledger;
        let whole = self.period.whole();
        let desk = costs.of_desk(ledger, whole);
        let is_all = self.scope == Scope::default();
        self.total.cost_micros = if is_all {
            desk.micros
        } else {
            desk.share(&self.total)
        };
        let of_group = |group: &Group, tally: &Tally, desk: Desk| match group {
            Group::Facet(Facet::Agent(agent)) => {
                costs.of_agent(agent, tally.agent_time.logged_in_ms())
            }
            Group::Queue(_) | Group::Channel(_) | Group::Facet(_) => desk.share(tally),
        };
        for (group, (tally, _)) in &mut self.groups {
            tally.cost_micros = of_group(group, tally, desk);
        }
        for (facet, (tally, _)) in &mut self.facets {
            tally.cost_micros = match facet {
                Facet::Agent(agent) => {
                    let time = self.agents.get(agent).copied().unwrap_or_default();
                    costs.of_agent(agent, time.logged_in_ms())
                }
                Facet::Number(_) | Facet::CallerClass(_) | Facet::Skill(_) | Facet::Other => {
                    desk.share(tally)
                }
            };
        }
        let mut desks: BTreeMap<Timestamp, Desk> = BTreeMap::new();
        for row in &mut self.rows {
            let desk = *desks
                .entry(row.span.from)
                .or_insert_with(|| costs.of_desk(ledger, row.span));
            row.tally.cost_micros = of_group(&row.group, &row.tally, desk);
        }
        self
    }
}
