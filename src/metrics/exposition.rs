//! The text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;

/// A text in the making; samples of one name are put together whoever tells them.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<&'static str, Family>,
}

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: &'static str,
    samples: String,
}

/// Upper bounds of a histogram's buckets, and what fell into each (not added up), with the sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets<'a> {
    /// Upper bounds, ascending.
    pub bounds: &'a [f64],
    /// How many fell into each; one more than there are bounds.
    pub counts: &'a [u64],
    /// The sum of all.
    pub sum: f64,
}

impl Exposition {
    /// Tells a value that goes up and down.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        self.sample(name, help, "gauge", labels, value);
    }

    /// Tells a value that only grows; its name ends in `_total`.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: u64,
    ) {
        let family = self.family(name, help, "counter");
        let _ = writeln!(family.samples, "{name}{} {value}", braced(labels));
    }

    /// Tells a histogram.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        buckets: &Buckets<'_>,
    ) {
        let family = self.family(name, help, "histogram");
        let mut sum = 0;
        let bounds = buckets.bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(buckets.counts) {
            sum += count;
            let bound = if bound.is_infinite() {
                "+Inf".to_owned()
            } else {
                bound.to_string()
            };
            let labels: Vec<(&str, &str)> = labels
                .iter()
                .copied()
                .chain([("le", bound.as_str())])
                .collect();
            let _ = writeln!(family.samples, "{name}_bucket{} {sum}", braced(&labels));
        }
        let _ = writeln!(
            family.samples,
            "{name}_sum{} {}",
            braced(labels),
            buckets.sum
        );
        let _ = writeln!(family.samples, "{name}_count{} {sum}", braced(labels));
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        let mut text = String::new();
        for (name, family) in self.families {
            let _ = write!(
                text,
                "# HELP {name} {}\n# TYPE {name} {}\n{}",
                family.help, family.kind, family.samples
            );
        }
        text
    }

    fn sample(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        let family = self.family(name, help, kind);
        let _ = writeln!(family.samples, "{name}{} {value}", braced(labels));
    }

    fn family(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
    ) -> &mut Family {
        self.families.entry(name).or_insert_with(|| Family {
            help,
            kind,
            samples: String::new(),
        })
    }
}

fn braced(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
