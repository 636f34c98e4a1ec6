//! What the configuration says of reports.

use super::Costs;
use crate::config::{Config, NotReadyReason};
use jiff::tz::TimeZone;
use ringdown_routing::ids::QueueId;
use std::collections::BTreeMap;

/// What a report needs to know beside the log.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site's time zone.
    zone: TimeZone,
    /// Those of the queues that have their own.
    zones: BTreeMap<QueueId, TimeZone>,
    /// Why agents are not ready.
    pub reasons: Vec<NotReadyReason>,
    /// How long callers of class 1, 2 and 3 put up with waiting, by symptom, in seconds.
    pub tolerable_wait_s: BTreeMap<String, [u64; 3]>,
    /// What agents cost; `None` where the configuration does not say.
    pub costs: Option<Costs>,
}

impl Settings {
    /// Takes them from the configuration.
    pub fn of(config: &Config) -> Self {
        let own = config.queues.iter().filter_map(|queue| {
            let zone = queue.time_zone.as_ref()?;
            Some((queue.id.clone(), zone.time_zone().clone()))
        });
        Self {
            zone: config.site.time_zone.time_zone().clone(),
            zones: own.collect(),
            reasons: config.not_ready_reasons.clone(),
            tolerable_wait_s: config.tickets.tolerable_wait_s.clone(),
            costs: Costs::of(config),
        }
    }

    /// The same with another zone for everything.
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self {
            zone,
            zones: BTreeMap::new(),
            ..self
        }
    }

    /// The zone whose wall clock cuts a report: that of the queue it is on, if it has one, else the site's.
    pub fn zone(&self, queue: Option<&QueueId>) -> &TimeZone {
        let own = queue.and_then(|queue| self.zones.get(queue));
        own.unwrap_or(&self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_report_on_one_queue_is_cut_by_its_own_clock() {
        let text = "[site]\nregion = \"TW\"\ntime_zone = \"Asia/Taipei\"\n[sip]\ndomain = \"desk.localhost\"\n\
            [[queue]]\nid = \"north\"\ntime_zone = \"Europe/Berlin\"\n[[queue]]\nid = \"south\"\n";
        let config = Config::parse(Path::new("ringdown.toml"), text, &[]);
        let settings = Settings::of(&config.unwrap_or_else(|faults| panic!("{faults}")));
        let name = |queue: Option<&str>| {
            let queue = queue.map(QueueId::from);
            settings.zone(queue.as_ref()).iana_name().map(str::to_owned)
        };
        assert_eq!(name(Some("north")).as_deref(), Some("Europe/Berlin"));
        assert_eq!(name(Some("south")).as_deref(), Some("Asia/Taipei"));
        assert_eq!(name(None).as_deref(), Some("Asia/Taipei"));
    }
}
