//! The kinds of values a configuration holds, each checked while it is read.

use ringdown_routing::queue::Aging;
use ringdown_voice::sip::source_filter::Network;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A password, token or address with a password in it; never printed.
///
/// In the file it is a text or `{ file = "path" }`, whose first line is taken.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a secret that came from elsewhere than the file.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself; the name says what the caller does.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A language by its tag (RFC 5646): `en`, `zh-TW`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Language(Arc<str>);

impl Language {
    /// The tag, with the case RFC 5646 §2.1.1 recommends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag without region and script: `zh` of `zh-TW`.
    pub fn primary(&self) -> &str {
        self.0.split('-').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is not a language tag such as `en` or `zh-TW`");
        let mut tag = String::with_capacity(text.len());
        for (place, part) in text.split(['-', '_']).enumerate() {
            let is_word = part.bytes().all(|b| b.is_ascii_alphanumeric());
            if !is_word || part.is_empty() || part.len() > 8 {
                return Err(fault());
            }
            match (place, part.len()) {
                (0, 2 | 3) if part.bytes().all(|b| b.is_ascii_alphabetic()) => {
                    tag.push_str(&part.to_ascii_lowercase());
                    continue;
                }
                (0, _) => return Err(fault()),
                (_, 2) => tag.extend(['-'].into_iter().chain(part.to_ascii_uppercase().chars())),
                (_, 4) => {
                    let (head, tail) = part.split_at(1);
                    tag.push('-');
                    tag.push_str(&head.to_ascii_uppercase());
                    tag.push_str(&tail.to_ascii_lowercase());
                }
                (_, _) => tag.extend(['-'].into_iter().chain(part.to_ascii_lowercase().chars())),
            }
        }
        Ok(Self(tag.into()))
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A country whose numbering plan is known, by its two letters: `TW`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(pub phonenumber::country::Id);

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<phonenumber::country::Id>()
            .map(Self)
            .map_err(|_| {
                format!("`{text}` is not a region with a known numbering plan, such as `TW`")
            })
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A time zone by its IANA name: `Asia/Taipei`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(jiff::tz::TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self(jiff::tz::TimeZone::UTC)
    }

    /// The zone for calculation.
    pub fn time_zone(&self) -> &jiff::tz::TimeZone {
        &self.0
    }

    /// The zone's IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        jiff::tz::TimeZone::get(&name).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "`{name}` is not a time zone such as `Asia/Taipei` or `UTC`"
            ))
        })
    }
}

/// One address or a range of them: `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange(pub Network);

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("`{text}` is not an address or range such as `192.0.2.1` or `192.0.2.0/24`")
        })
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What an hour costs, in millionths of the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HourlyRate(pub u64);

impl<'de> Deserialize<'de> for HourlyRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rate = Number::deserialize(deserializer)?.0;
        if !(0.0..=HOURLY_RATE_MAX).contains(&rate) {
            return Err(D::Error::custom("is a cost from 0 to 1000000"));
        }
        Ok(Self((rate * 1_000_000.0).round() as u64))
    }
}

/// The highest cost of an hour.
const HOURLY_RATE_MAX: f64 = 1_000_000.0;

/// Reads a key that ends in `_s`: seconds, whole or broken.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = Number::deserialize(deserializer)?.0;
    if seconds > SECONDS_MAX {
        return Err(D::Error::custom("is longer than a year"));
    }
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| D::Error::custom("a duration in seconds cannot be negative"))
}

/// Reads a key that ends in `_s` and may be missing.
pub(super) fn seconds_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    seconds(deserializer).map(Some)
}

/// Reads `aging_per_s`: priority points per second, to a thousandth.
pub(super) fn aging<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Aging, D::Error> {
    let points_per_s = Number::deserialize(deserializer)?.0;
    let thousandths = points_per_s * 1_000.0;
    if !(0.0..=f64::from(Aging::MAX.thousandths())).contains(&thousandths) {
        return Err(D::Error::custom("is a number of points from 0 to 1000"));
    }
    Ok(Aging::from_thousandths(thousandths.round() as u32))
}

/// Reads a key that ends in `_ms`: whole milliseconds.
pub(super) fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|millis| Duration::from_millis(u64::from(millis)))
}

/// Whether a name or an address is this machine's own.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// The longest duration a configuration may name: a year.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// A TOML integer or float.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_tags_take_their_recommended_case() {
        for (given, wanted) in [
            ("EN", "en"),
            ("zh-tw", "zh-TW"),
            ("zh_hant_TW", "zh-Hant-TW"),
        ] {
            assert_eq!(given.parse::<Language>().unwrap().as_str(), wanted);
        }
        for wrong in ["", "e", "english", "en-", "中文"] {
            assert!(wrong.parse::<Language>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn address_ranges_hold_what_they_say() {
        let check = |range: &str, address: &str, wanted: bool| {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(
                range.0.contains(address.parse().unwrap()),
                wanted,
                "{address}"
            );
        };
        check("192.0.2.0/24", "192.0.2.255", true);
        check("192.0.2.0/24", "192.0.3.0", false);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/32", "2001:db8:9::1", true);
        check("::/0", "2001:db8:9::1", true);
        check("192.0.2.7", "::ffff:192.0.2.7", true);
        for wrong in ["192.0.2.0/33", "host", "192.0.2.0/", "::/129"] {
            assert!(wrong.parse::<AddressRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "<secret>");
    }
}
