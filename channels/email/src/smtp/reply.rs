//! What a server says: code, enhanced code (RFC 3463) and a text.

use std::borrow::Cow;

/// One reply, of one line or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    /// `2.1.5`; empty where RFC 2034 §4 wants none.
    enhanced: &'static str,
    lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A reply of one line. `enhanced` is empty only for greetings.
    pub fn new(code: u16, enhanced: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            enhanced,
            lines: vec![text.into()],
        }
    }

    /// The answer to a greeting: our name and what we can do.
    pub(super) fn greeting(lines: Vec<Cow<'static, str>>) -> Self {
        Self {
            code: 250,
            enhanced: "",
            lines,
        }
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// What it refuses, in a word for counters; `None` when it refuses nothing.
    pub fn refusal(&self) -> Option<&'static str> {
        if self.code < 400 {
            return None;
        }
        Some(match (self.code, self.enhanced) {
            (421, "4.3.2") => "stopping",
            (421, "4.4.2") => "too_slow",
            (421, _) => "too_many_commands",
            (450, "4.7.1") => "rate",
            (451, _) => "not_stored",
            (452, "4.5.3") => "too_many_recipients",
            (530, _) => "no_tls",
            (550, "5.1.1") => "no_mailbox",
            (550, "5.7.26") => "unauthenticated",
            (552, "5.3.4") => "too_large",
            (554, "5.6.0") => "content",
            (554, "5.7.0") => "smuggling",
            (_, "5.6.7") => "no_smtputf8",
            (501 | 553, _) => "address",
            _ => "wrong_command",
        })
    }

    /// Writes it as it goes over the wire. A text that came from elsewhere cannot break its line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        for (place, line) in self.lines.iter().enumerate() {
            let mark = if place == last { ' ' } else { '-' };
            let gap = if self.enhanced.is_empty() { "" } else { " " };
            out.extend_from_slice(format!("{}{mark}{}{gap}", self.code, self.enhanced).as_bytes());
            let text = line.chars().filter(|c| !c.is_control());
            out.extend(text.collect::<String>().into_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is stored; the words name what it became, for the client's log.
    Stored(String),
    /// It could not be stored now and nothing was kept; the client tries again.
    TryLater,
    /// It is refused for good; the words say why.
    Refused(&'static str),
    /// It is refused for good, because its author's domain wants such mail rejected; the words say why.
    Unauthenticated(String),
}

impl Verdict {
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::Stored(name) => Reply::new(250, "2.0.0", format!("Stored: {name}")),
            Self::TryLater => Reply::new(451, "4.3.0", "It cannot be stored now, try again later"),
            Self::Refused(why) => Reply::new(554, "5.6.0", *why),
            // RFC 7372 §3.3: neither the client nor a signature is of the author's domain.
            Self::Unauthenticated(why) => Reply::new(550, "5.7.26", why.clone()),
        }
    }

    /// The one answer for all recipients, where the protocol has only one: stored for all, else try
    /// again for all (what was stored is recognised the next time), else the refusal.
    pub(super) fn of_all(verdicts: &[Self]) -> Self {
        let later = verdicts.iter().find(|it| matches!(it, Self::TryLater));
        let refused = || {
            verdicts
                .iter()
                .find(|it| matches!(it, Self::Refused(_) | Self::Unauthenticated(_)))
        };
        let one = later.or_else(refused).or_else(|| verdicts.first());
        one.cloned().unwrap_or(Self::TryLater)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_elsewhere_cannot_break_its_line() {
        let mut out = Vec::new();
        Verdict::Stored("RD-1\r\n250 more".to_owned())
            .reply()
            .write(&mut out);
        assert_eq!(out, b"250 2.0.0 Stored: RD-1250 more\r\n");
    }

    #[test]
    fn one_recipient_who_must_wait_makes_all_wait() {
        let stored = Verdict::Stored("RD-1".to_owned());
        let check = |verdicts: &[Verdict], wanted: &Verdict| {
            assert_eq!(Verdict::of_all(verdicts), *wanted);
        };
        check(&[stored.clone(), stored.clone()], &stored);
        check(&[stored.clone(), Verdict::TryLater], &Verdict::TryLater);
        let refused = Verdict::Refused("no");
        check(&[stored, refused.clone()], &refused);
        check(&[], &Verdict::TryLater);
    }
}
