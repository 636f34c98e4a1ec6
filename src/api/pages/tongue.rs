//! The two languages of the pages.

use super::super::reports::spoken;
use crate::config::Language;
use axum::http::HeaderMap;

/// A language there are words in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    English,
    /// As written in Taiwan.
    Chinese,
}

impl Tongue {
    /// What the address says, else what the browser asks for, else the site's.
    pub(super) fn of(asked: Option<&str>, headers: &HeaderMap, site: &Language) -> Self {
        let asked = asked.and_then(|text| text.parse().ok());
        let language = asked.unwrap_or_else(|| spoken(headers, site));
        match language.primary() {
            "zh" => Self::Chinese,
            _ => Self::English,
        }
    }

    /// Its tag (RFC 5646).
    pub(super) fn tag(self) -> &'static str {
        self.say("en", "zh-TW")
    }

    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }

    /// As the configuration names it.
    pub(super) fn language(self) -> Language {
        #[expect(clippy::expect_used, reason = "the tags are constants of this file")]
        self.tag().parse().expect("a constant tag is a language")
    }

    /// The words in this language.
    pub(super) fn say(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}
