//! The command line of `cargo xtask`.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a run says at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As wanted, or only measured.
    Good,
    /// Not as wanted.
    No,
}

/// A command, its names and its `--key value` pairs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    /// The first word.
    pub(crate) command: String,
    /// Further words without `--`.
    pub(crate) names: Vec<String>,
    options: BTreeMap<String, String>,
}

impl Order {
    /// Takes the words of the command line.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        const KEYS: [&str; 16] = [
            "calls",
            "rate",
            "redis",
            "seconds",
            "waiting",
            "bridged",
            "gateway",
            "pid",
            "agents",
            "mails",
            "senders",
            "kill-every",
            "bytes",
            "postgres",
            "program",
            "room",
        ];
        let mut order = Self::default();
        let mut words = words.iter();
        order.command = words.next().cloned().unwrap_or_else(|| "help".to_owned());
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(key) if KEYS.contains(&key) => {
                    let value = words
                        .next()
                        .ok_or_else(|| format!("--{key} wants a value"))?;
                    order.options.insert(key.to_owned(), value.clone());
                }
                Some(key) => return Err(format!("there is no option --{key}")),
                None => order.names.push(word.clone()),
            }
        }
        Ok(order)
    }

    /// An option's text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    /// An option as a number.
    pub(crate) fn number(&self, key: &str, default: u64) -> u64 {
        self.text(key)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    }

    /// The length of a measured window.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs(self.number("seconds", 20))
    }

    /// Whether a run of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|it| it == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_names_and_options_are_told_apart() {
        let words: Vec<String> = ["bench", "queue", "--seconds", "5", "rate"]
            .map(str::to_owned)
            .into();
        let order = Order::parse(&words).unwrap();
        assert_eq!(
            (order.command.as_str(), order.window()),
            ("bench", Duration::from_secs(5))
        );
        assert!(order.wants("queue") && order.wants("rate") && !order.wants("bridge"));
        assert!(Order::parse(&["load".to_owned(), "--cals".to_owned()]).is_err());
    }
}
