//! Times and shares as people write them, on the command line and in JSON.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A time: `240`, `90s`, `4m`, `1.5h`, `2d`; a bare number is seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(f64);

impl Seconds {
    /// In seconds, more than none.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is no time: give seconds, or 90s, 30m, 4h, 2d");
        let text = text.trim();
        let split = text
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: f64 = number.trim().parse().map_err(|_| fault())?;
        let unit_s = match unit {
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(fault()),
        };
        let seconds = number * unit_s;
        (seconds >= SECONDS_MIN && seconds.is_finite())
            .then_some(Self(seconds))
            .ok_or_else(fault)
    }
}

/// Shortest time, in seconds: nothing that people do takes less, and what divides by less takes long to compute.
const SECONDS_MIN: f64 = 0.001;

/// A share from 0 to less than 1: `0.3` or `30%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// Between 0 and 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is no share: give 0.3 or 30%, less than all");
        let text = text.trim();
        let share = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|share| share / 100.0),
            None => text.parse::<f64>(),
        };
        share
            .ok()
            .filter(|share| (0.0..1.0).contains(share))
            .map(Self)
            .ok_or_else(fault)
    }
}

/// A number, or a text that says it with a unit.
#[derive(Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "must be a number, or a text such as \"4m\" or \"30%\""
)]
enum NumberOrText {
    Number(f64),
    Text(String),
}

impl NumberOrText {
    fn read<T: FromStr<Err = String>>(self) -> Result<T, String> {
        match self {
            Self::Number(number) => number.to_string().parse(),
            Self::Text(text) => text.parse(),
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NumberOrText::deserialize(deserializer)?
            .read()
            .map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NumberOrText::deserialize(deserializer)?
            .read()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_shares_may_be_percent() {
        for (text, seconds) in [
            ("240", 240.0),
            ("30m", 1_800.0),
            ("1.5h", 5_400.0),
            (" 2 d", 172_800.0),
        ] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
        for text in ["", "0", "-3", "5 weeks", "nan", "inf", "1e999", "1e-300"] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
        assert_eq!("30%".parse(), Ok(Share(0.3)));
        assert_eq!("0.3".parse(), Ok(Share(0.3)));
        for text in ["1", "100%", "-0.1", "x", "nan"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn json_takes_numbers_and_texts() {
        assert_eq!(serde_json::from_str::<Seconds>("90").unwrap().get(), 90.0);
        assert_eq!(
            serde_json::from_str::<Seconds>("\"4m\"").unwrap().get(),
            240.0
        );
        assert_eq!(serde_json::from_str::<Share>("0.25").unwrap().get(), 0.25);
        assert!(serde_json::from_str::<Share>("25").is_err());
    }
}
