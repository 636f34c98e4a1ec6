//! Reports that are mailed by themselves: when their time has come, the report is made, written as a letter with a
//! workbook beside it, and put into the outbox, which sends it.
//!
//! Letters, recipients and the slot are committed together, and the letter's Message-ID is made of the report and the
//! slot: whoever else makes the same slot up, another gateway or this one after a crash, adds nothing. What came due while
//! no gateway ran is caught up, the latest [`CAUGHT_UP_MAX`] slots of it. A report that is new begins with its next slot.

mod letter;

use crate::acd::Clock;
use crate::config::{Config, MailedReport, Slot};
use crate::database::{Database, DatabaseFault, Statement};
use crate::event_log::EventLog;
use crate::report::Settings;
use jiff::tz::TimeZone;
use letter::{Letter, put_into_outbox};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Most slots of one report that are caught up.
pub const CAUGHT_UP_MAX: usize = 3;

/// How often it is looked whether a report is due.
const TICK: Duration = Duration::from_secs(5);

/// Mails reports.
#[derive(Clone, Debug)]
pub struct MailedReports {
    config: Arc<Config>,
    database: Database,
    log: EventLog,
    clock: Clock,
}

/// Why a report is not mailed.
#[derive(Debug, thiserror::Error)]
pub enum MailFault {
    /// The database cannot be read or written.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// Nothing can be made of what was asked for.
    #[error("the report `{0}` cannot be made: {1}")]
    Report(String, String),
    /// There is no such report.
    #[error("there is no [[report]] `{0}`")]
    Unknown(String),
}

impl MailedReports {
    /// Reports of a configuration, from this log.
    pub fn new(config: Arc<Config>, database: Database, log: EventLog, clock: Clock) -> Self {
        Self {
            config,
            database,
            log,
            clock,
        }
    }

    /// Mails what is due until `stopped`.
    pub async fn keep(self, mut stopped: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                _ = tick.tick() => self.work().await,
            }
        }
    }

    /// Mails what is due now; one report's fault holds up no other.
    pub async fn work(&self) {
        for report in &self.config.reports {
            match self.work_on(report).await {
                Ok(()) => {}
                Err(MailFault::Database(fault)) if fault.is_transient() => {
                    tracing::debug!(report = report.id, %fault, "reports: the database cannot be used now");
                }
                Err(fault) => tracing::warn!(report = report.id, %fault, "reports: not mailed"),
            }
        }
    }

    async fn work_on(&self, report: &MailedReport) -> Result<(), MailFault> {
        let zone = self.zone(report);
        let due = report.slots(&zone, self.clock.now(), CAUGHT_UP_MAX);
        let last: (Option<i64>,) =
            sqlx::query_as("SELECT MAX(at) FROM report_slots WHERE report = $1")
                .bind(report.id.clone())
                .fetch_one(self.database.reads())
                .await
                .map_err(DatabaseFault::from)?;
        let Some(last) = last.0 else {
            return match due.first() {
                None => Ok(()),
                Some(newest) => Ok(self.database.write(vec![done(report, *newest)]).await?),
            };
        };
        let due = due
            .into_iter()
            .rev()
            .filter(|slot| slot.at.as_millis() > last);
        for slot in due {
            let name = format!("report.{}.{}", report.id, slot.date);
            self.mail(report, slot, &name).await?;
            tracing::info!(report = report.id, slot = %slot.date, "reports: mailed");
        }
        Ok(())
    }

    /// Mails the latest period of a report once more, now; gives the recipients.
    pub async fn mail_now(&self, id: &str) -> Result<Vec<String>, MailFault> {
        let found = self.config.reports.iter().find(|report| report.id == id);
        let report = found.ok_or_else(|| MailFault::Unknown(id.to_owned()))?;
        let now = self.clock.now();
        let slots = report.slots(&self.zone(report), now, 1);
        let never = || MailFault::Report(id.to_owned(), "it was never due".to_owned());
        let slot = slots.first().ok_or_else(never)?;
        let name = format!("report.{id}.{}", now.as_millis());
        let letter = self.letter(report, *slot, &name).await?;
        let statements = put_into_outbox(&letter, now);
        self.database.write(statements).await?;
        Ok(report.to.iter().map(ToString::to_string).collect())
    }

    async fn mail(&self, report: &MailedReport, slot: Slot, name: &str) -> Result<(), MailFault> {
        let letter = self.letter(report, slot, name).await?;
        let mut statements = put_into_outbox(&letter, self.clock.now());
        statements.push(done(report, slot));
        Ok(self.database.write(statements).await?)
    }

    async fn letter(
        &self,
        report: &MailedReport,
        slot: Slot,
        name: &str,
    ) -> Result<Letter, MailFault> {
        let zone = self.zone(report);
        Letter::write(
            &self.config,
            &self.log,
            report,
            slot,
            (&zone, name),
            self.clock.now(),
        )
        .await
    }

    fn zone(&self, report: &MailedReport) -> TimeZone {
        match &report.time_zone {
            Some(zone) => zone.time_zone().clone(),
            None => Settings::of(&self.config)
                .zone(report.queue.as_ref())
                .clone(),
        }
    }
}

/// Notes that a slot is done with.
fn done(report: &MailedReport, slot: Slot) -> Statement {
    Statement::new(
        "INSERT INTO report_slots (report, slot, at) VALUES ($1, $2, $3) ON CONFLICT (report, slot) DO NOTHING",
        vec![
            report.id.as_str().into(),
            slot.date.to_string().into(),
            slot.at.as_millis().into(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::on_both_engines;
    use ringdown_routing::time::Timestamp;
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};

    static NOW: AtomicI64 = AtomicI64::new(0);

    const CONFIGURATION: &str = "[site]\nregion = \"TW\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"zh-TW\"\n\
        [sip]\ndomain = \"desk.localhost\"\n[[queue]]\nid = \"desk\"\n\
        [email.smarthost]\nhost = \"127.0.0.1\"\ntls = \"none\"\n\
        [[report]]\nid = \"daily\"\nto = [\"boss@desk.example\", \"deputy@desk.example\"]\nfrom = \"reports@desk.example\"\n\
        every = \"day\"\nat = \"02:30\"\n";

    fn set_now(text: &str) {
        let at: jiff::Timestamp = text.parse().unwrap();
        NOW.store(at.as_millisecond(), Ordering::SeqCst);
    }

    async fn letters(database: &Database) -> Vec<(String, String)> {
        sqlx::query_as(
            "SELECT message_id, recipient FROM outbox ORDER BY at, message_id, recipient",
        )
        .fetch_all(database.reads())
        .await
        .unwrap()
    }

    fn reports(database: &Database) -> MailedReports {
        let config = Config::parse(Path::new("ringdown.toml"), CONFIGURATION, &[]);
        let config = config.unwrap_or_else(|faults| panic!("{faults}"));
        let clock = Clock::new(|| Timestamp::from_millis(NOW.load(Ordering::SeqCst)));
        let log = EventLog::new(database.clone());
        MailedReports::new(Arc::new(config), database.clone(), log, clock)
    }

    #[test]
    fn each_slot_is_mailed_once_by_two_gateways_also_when_the_clock_is_changed() {
        on_both_engines(async |database: Database| {
            set_now("2026-10-24T12:00:00Z");
            let (one, two) = (reports(&database), reports(&database));
            tokio::join!(one.work(), two.work());
            assert_eq!(
                letters(&database).await,
                [],
                "a new report begins with its next slot"
            );
            // 02:30 comes at 00:30Z, and once more at 01:30Z.
            for now in [
                "2026-10-25T00:29:59Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ] {
                set_now(now);
                tokio::join!(one.work(), two.work());
            }
            let sent = letters(&database).await;
            let told: Vec<_> = sent.iter().map(|(_, to)| to.as_str()).collect();
            assert_eq!(told, ["boss@desk.example", "deputy@desk.example"]);
            assert!(
                sent.iter()
                    .all(|(id, _)| id == "<report.daily.2026-10-25@desk.example>"),
                "{sent:?}"
            );
            // Another gateway, started after a week without any.
            set_now("2026-11-01T12:00:00Z");
            reports(&database).work().await;
            reports(&database).work().await;
            let sent = letters(&database).await;
            assert_eq!(sent.len(), 2 * (1 + CAUGHT_UP_MAX), "{sent:?}");
            let now = reports(&database).mail_now("daily").await.unwrap();
            assert_eq!(now.len(), 2);
            assert_eq!(letters(&database).await.len(), 2 * (2 + CAUGHT_UP_MAX));
            assert!(reports(&database).mail_now("weekly").await.is_err());
        });
    }
}
