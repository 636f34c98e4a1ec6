//! What somebody asks a report about: as they wrote it, and as it is read.

use super::{
    By, Interval, Listed, Period, PeriodFault, Report, Settings, Shown, Span, Subject, comparison,
    from_log, period,
};
use crate::database::DatabaseFault;
use crate::event_log::EventLog;
use ringdown_routing::contact::Channel;
use ringdown_routing::ids::QueueId;
use ringdown_routing::statistics::Scope;
use ringdown_routing::time::Timestamp;

/// A report as it was asked for; what is not said is today so far, by half-hours, of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// First instant, as [`period::instant`] reads it.
    pub from: Option<String>,
    /// First instant after the period.
    pub to: Option<String>,
    /// Width of the rows.
    pub interval: Option<String>,
    /// First instant of a period as long by the wall clock that stands beside it.
    pub compare: Option<String>,
    /// Only of this queue.
    pub queue: Option<QueueId>,
    /// Only of this channel.
    pub channel: Option<Channel>,
    /// What it is divided by.
    pub by: By,
}

/// A part of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// First instant.
    From,
    /// First instant after the period.
    To,
    /// Width of the rows.
    Interval,
    /// The other period.
    Compare,
}

/// What is wrong with a wish.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct WishFault {
    /// Where.
    pub part: Part,
    /// What.
    pub fault: PeriodFault,
}

/// A wish that makes sense.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The period and its intervals.
    pub period: Period,
    /// What it is on.
    pub subject: Subject,
    /// The period it is compared with.
    pub other: Option<Period>,
}

impl Wish {
    /// Reads it at an instant, by the wall clock of the queue or the site.
    pub fn read(&self, now: Timestamp, settings: &Settings) -> Result<Asked, WishFault> {
        let zone = settings.zone(self.queue.as_ref());
        let at = |part| move |fault| WishFault { part, fault };
        let from = self.from.as_deref().unwrap_or("today");
        let from = period::instant(from, now, zone).map_err(at(Part::From))?;
        let to = self.to.as_deref().unwrap_or("now");
        let to = period::instant(to, now, zone).map_err(at(Part::To))?;
        let interval = match &self.interval {
            None => Interval::HALF_HOUR,
            Some(text) => text.parse().map_err(at(Part::Interval))?,
        };
        let period = Period::new(from, to, interval, zone.clone()).map_err(at(Part::To))?;
        let other = match &self.compare {
            None => None,
            Some(text) => {
                let other = period::instant(text, now, zone).map_err(at(Part::Compare))?;
                let other = comparison::beside(&period, Span { from, to }, other);
                Some(other.map_err(at(Part::Compare))?)
            }
        };
        Ok(Asked {
            period,
            subject: Subject {
                scope: Scope {
                    queue: self.queue.clone(),
                    channel: self.channel,
                },
                by: self.by,
                shown: Shown::Everything,
            },
            other,
        })
    }
}

impl Asked {
    /// The same, of which only that is shown.
    pub fn showing(mut self, shown: Shown) -> Self {
        self.subject.shown = shown;
        self
    }

    /// Reads the report from the log; `step` is told of every event.
    pub async fn report(
        self,
        log: &EventLog,
        settings: &Settings,
        now: Timestamp,
        step: impl FnMut(),
    ) -> Result<Report, DatabaseFault> {
        let (subject, whole) = (&self.subject, self.period.whole());
        // The database goes through the contacts while the sums are added up here.
        let (report, listed, begin) = tokio::try_join!(
            from_log::report(log, self.period, subject, now, step),
            Listed::read(log, whole, &subject.scope, subject.shown),
            log.begin(),
        )?;
        let report = report.with(settings).with_listed(listed).since(begin);
        let Some(other) = self.other else {
            return Ok(report);
        };
        let other = from_log::report(log, other, subject, now, || ()).await?;
        Ok(report.compared_with(other.with(settings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, DEMO};
    use std::path::Path;

    fn settings() -> Settings {
        let config = Config::parse(Path::new("ringdown.toml"), DEMO, &[]);
        Settings::of(&config.unwrap_or_else(|faults| panic!("{faults}")))
    }

    #[test]
    fn a_wish_of_nothing_is_today_so_far() {
        let now = Timestamp::from_seconds(1_795_000_000);
        let asked = Wish::default().read(now, &settings()).unwrap();
        let whole = asked.period.whole();
        assert!(whole.from <= now && whole.to >= now);
        assert!(asked.other.is_none() && asked.subject.scope == Scope::default());
    }

    #[test]
    fn each_fault_says_where_it_is() {
        let now = Timestamp::from_seconds(1_795_000_000);
        let part = |wish: Wish| wish.read(now, &settings()).unwrap_err().part;
        let text = |text: &str| Some(text.to_owned());
        let wish = Wish::default;
        assert_eq!(
            part(Wish {
                from: text("soon"),
                ..wish()
            }),
            Part::From
        );
        assert_eq!(
            part(Wish {
                to: text("2001-01-01"),
                ..wish()
            }),
            Part::To
        );
        assert_eq!(
            part(Wish {
                interval: text("7m"),
                ..wish()
            }),
            Part::Interval
        );
        assert_eq!(
            part(Wish {
                compare: text("?"),
                ..wish()
            }),
            Part::Compare
        );
    }
}
