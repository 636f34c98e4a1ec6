//! What is read off while a run goes on: processor time, memory, percentiles.

use serde_json::{Value, json};
use std::time::Duration;

/// Clock ticks of /proc in a second; Linux on every machine we know (proc(5), sysconf(_SC_CLK_TCK)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Most samples kept by one [`Spread`]; later ones are only counted.
const SAMPLES_MAX: usize = 5_000_000;

/// Processor time that a process has used, user and system, in seconds; 0 when it is gone.
pub fn processor_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    // proc(5): utime and stime are fields 14 and 15; the list begins at field 3.
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|ticks| ticks.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Resident memory of a process in kB; 0 when it is gone.
pub fn resident_kb(pid: u32) -> u64 {
    status_kb(pid, "VmRSS:")
}

/// The most resident memory that a process had since [`forget_peak`], in kB; 0 when it is gone.
pub fn peak_kb(pid: u32) -> u64 {
    status_kb(pid, "VmHWM:")
}

/// Begins anew with the most resident memory of a process (proc(5), `clear_refs`).
pub fn forget_peak(pid: u32) {
    let path = format!("/proc/{pid}/clear_refs");
    std::fs::write(&path, "5").unwrap_or_else(|fault| panic!("{path}: {fault}"));
}

fn status_kb(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or("");
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// How many descriptors a process may have open; `None` when it is gone or has no limit.
pub fn descriptors_max(pid: u32) -> Option<usize> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time that the whole machine has spent working, in seconds.
pub fn machine_busy_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(1)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    // proc(5): user nice system idle iowait irq softirq steal.
    let idle = fields.get(3).unwrap_or(&0.0) + fields.get(4).unwrap_or(&0.0);
    (fields.iter().take(8).sum::<f64>() - idle) / TICKS_PER_SECOND
}

/// Times of one kind, for percentiles.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    micros: Vec<u32>,
    count: u64,
}

impl Spread {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.count += 1;
        if self.micros.len() < SAMPLES_MAX {
            self.micros
                .push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A quantile from 0 to 1 in milliseconds; `None` when nothing was added.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let at = (share * last as f64).round() as usize;
        Some(f64::from(sorted[at.min(last)]) / 1000.0)
    }

    /// `{n, p50, p95, p99, max}` in milliseconds.
    pub fn to_json(&self) -> Value {
        json!({ "n": self.count, "p50": self.quantile_ms(0.5), "p95": self.quantile_ms(0.95), "p99": self.quantile_ms(0.99), "max": self.quantile_ms(1.0) })
    }
}

/// The slope of a straight line through points, by least squares.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (mean_x, mean_y) = (
        points.iter().map(|(x, _)| x).sum::<f64>() / count,
        points.iter().map(|(_, y)| y).sum::<f64>() / count,
    );
    let over: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let under: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if under == 0.0 { 0.0 } else { over / under }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_samples_and_nothing_gives_none() {
        let mut spread = Spread::default();
        assert_eq!(spread.quantile_ms(0.5), None);
        (1..=100).for_each(|ms| spread.add(Duration::from_millis(ms)));
        assert_eq!(
            (spread.quantile_ms(0.0), spread.quantile_ms(1.0)),
            (Some(1.0), Some(100.0))
        );
        assert_eq!(spread.quantile_ms(0.5).map(f64::round), Some(51.0));
    }

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        assert!((slope(&[(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)]) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn this_process_has_memory_and_processor_time() {
        let pid = std::process::id();
        assert!(resident_kb(pid) > 100);
        forget_peak(pid);
        assert!(peak_kb(pid) > 100);
        assert!(processor_s(std::process::id()) >= 0.0 && machine_busy_s() > 0.0);
    }
}
