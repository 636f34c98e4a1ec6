//! What several runs say together: the mean of each measure, and how sure it is.

use crate::statistics::Figures;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// A measure over replications: the mean, and the interval that holds it with 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean of the replications that have the measure; null when none has.
    pub mean: Option<f64>,
    /// The lower end of the 95 % interval (Student's t); null with less than two replications.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The standard deviation between replications.
    pub deviation: Option<f64>,
    /// In how many replications there was something to divide by.
    pub replications: u64,
}

/// The measures of one queue, or of the desk, over replications.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    samples: BTreeMap<&'static str, Sample>,
}

/// What each measure is called (as in the statistics; a dot leads into a group), and where it is.
type Measure = (&'static str, fn(&Figures) -> Option<f64>);

const MEASURES: [Measure; 21] = [
    ("offered", |f| Some(f.counts.offered as f64)),
    ("answered", |f| Some(f.counts.answered as f64)),
    ("abandoned", |f| Some(f.counts.abandoned as f64)),
    ("short_abandoned", |f| Some(f.counts.short_abandoned as f64)),
    ("flowed_out", |f| Some(f.counts.flowed_out as f64)),
    ("waiting", |f| Some(f.counts.waiting as f64)),
    ("blocked", |f| Some(f.counts.blocked as f64)),
    ("asa_s", |f| f.asa_s),
    ("aht_s", |f| f.aht_s),
    ("service_level.negative", |f| f.service_level.negative),
    ("service_level.positive", |f| f.service_level.positive),
    ("service_level.ignored", |f| f.service_level.ignored),
    ("service_level.handled", |f| f.service_level.handled),
    ("abandon_rate", |f| f.abandon_rate),
    ("abandon_rate_net", |f| f.abandon_rate_net),
    ("longest_wait_s", |f| f.longest_wait_s),
    ("abandon_wait_s", |f| f.abandon_wait_s),
    ("occupancy", |f| f.occupancy),
    ("utilisation", |f| f.utilisation),
    ("handling_rate", |f| f.handling_rate),
    ("failure_rate", |f| f.failure_rate),
];

impl Measures {
    /// Takes one more replication.
    pub fn add(&mut self, figures: &Figures) {
        for (name, of) in MEASURES {
            let sample = self.samples.entry(name).or_default();
            if let Some(value) = of(figures) {
                sample.add(value);
            }
        }
    }

    /// One measure by its name, as `service_level.negative`.
    pub fn estimate(&self, name: &str) -> Option<Estimate> {
        self.samples.get(name).map(Sample::estimate)
    }
}

impl Serialize for Measures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Node {
            One(Estimate),
            Group(BTreeMap<&'static str, Estimate>),
        }
        let mut nodes: BTreeMap<&'static str, Node> = BTreeMap::new();
        for (name, sample) in &self.samples {
            let estimate = sample.estimate();
            let Some((group, member)) = name.split_once('.') else {
                nodes.insert(name, Node::One(estimate));
                continue;
            };
            let node = nodes
                .entry(group)
                .or_insert_with(|| Node::Group(BTreeMap::new()));
            if let Node::Group(members) = node {
                members.insert(member, estimate);
            }
        }
        serializer.collect_map(nodes)
    }
}

/// Values seen so far, by Welford's method, so that they need not be kept.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    count: u64,
    mean: f64,
    /// Sum of the squares of the distances from the mean.
    square: f64,
}

impl Sample {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.square += distance * (value - self.mean);
    }

    fn estimate(&self) -> Estimate {
        let freedom = self.count.saturating_sub(1);
        let deviation = (freedom > 0).then(|| (self.square / freedom as f64).sqrt());
        let half =
            deviation.map(|deviation| t_quantile(freedom) * deviation / (self.count as f64).sqrt());
        Estimate {
            mean: (self.count > 0).then_some(self.mean),
            low: half.map(|half| self.mean - half),
            high: half.map(|half| self.mean + half),
            deviation,
            replications: self.count,
        }
    }
}

/// The 97.5 % quantile of Student's t for 1 to 10 degrees of freedom.
const T_OF_FEW: [f64; 10] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
    2.262_157, 2.228_139,
];

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_985;

/// The 97.5 % quantile of Student's t: tabled for few degrees of freedom, else by its expansion around
/// the normal quantile (Abramowitz and Stegun 26.7.5), which is then within 0.0001.
fn t_quantile(freedom: u64) -> f64 {
    let few = usize::try_from(freedom)
        .ok()
        .and_then(|freedom| T_OF_FEW.get(freedom.checked_sub(1)?));
    if let Some(tabled) = few {
        return *tabled;
    }
    let n = freedom as f64;
    let (z3, z5, z7, z9) = (Z.powi(3), Z.powi(5), Z.powi(7), Z.powi(9));
    Z + (z3 + Z) / (4.0 * n)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * n * n)
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * n * n * n)
        + (79.0 * z9 + 776.0 * z7 + 1_482.0 * z5 - 1_920.0 * z3 - 945.0 * Z)
            / (92_160.0 * n.powi(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_textbook() {
        let mut sample = Sample::default();
        for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            sample.add(value);
        }
        let estimate = sample.estimate();
        assert_eq!(estimate.mean, Some(5.0));
        let half = 2.364_624 * (32.0_f64 / 7.0).sqrt() / 8.0_f64.sqrt();
        assert!((estimate.high.unwrap() - (5.0 + half)).abs() < 1e-9);
    }

    #[test]
    fn one_value_has_a_mean_and_no_interval_and_none_has_neither() {
        let mut sample = Sample::default();
        assert_eq!(sample.estimate().mean, None);
        sample.add(3.0);
        assert_eq!(sample.estimate().mean, Some(3.0));
        assert_eq!(sample.estimate().low, None);
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, tabled) in [
            (1, 12.7062),
            (10, 2.2281),
            (11, 2.2010),
            (30, 2.0423),
            (120, 1.9799),
        ] {
            assert!((t_quantile(freedom) - tabled).abs() < 1e-4, "{freedom}");
        }
    }
}
