//! Who wrote a mail, and how far that is believed.
//!
//! The address in From is a claim. A mail server of the site that checked it (SPF, DKIM, DMARC) says so in
//! `Authentication-Results` (RFC 8601), under the name of `[email] authserv_id`; from anybody else that field
//! is no better than From. Who is not confirmed so is *claimed*: shown to the desk, and given no priority.

use ringdown_email::reading::mail::Mail;
use ringdown_email::threading::Authentication;
use serde::Serialize;

/// What the site's mail server found out about a sender.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct SenderCheck {
    /// `pass`, `fail`, ...; `None` when nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dkim: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dmarc: Option<String>,
    /// Whether the address in From is confirmed.
    pub(super) is_confirmed: bool,
}

impl SenderCheck {
    /// Reads the word of the server with this name; only for mails that came from one of the site's.
    pub(super) fn of(mail: &Mail, authserv_id: &str) -> Self {
        let field = mail
            .headers
            .get_all("Authentication-Results")
            .find_map(|field| {
                let (server, results) = field.split_once(';')?;
                // A version may stand behind the name (RFC 8601 §2.2).
                let name = server.split_ascii_whitespace().next()?;
                name.eq_ignore_ascii_case(authserv_id).then_some(results)
            });
        let domain = mail.from.as_ref().map_or("", |from| from.email.domain());
        field.map_or_else(Self::default, |results| Self::read(results, domain))
    }

    /// The verdict in one word.
    pub(super) fn verdict(&self) -> Authentication {
        match self.dmarc.as_deref() {
            _ if self.is_confirmed => Authentication::Passed,
            Some("fail") => Authentication::Failed,
            Some(_) | None => Authentication::Unknown,
        }
    }

    fn read(results: &str, from: &str) -> Self {
        let mut read = Self::default();
        let (mut by_dkim, mut by_spf) = (false, false);
        for result in results.split(';') {
            let mut words = result.split_ascii_whitespace();
            let Some((method, outcome)) = words.next().and_then(|word| word.split_once('=')) else {
                continue;
            };
            let is_pass = outcome.eq_ignore_ascii_case("pass");
            let is_aligned = |property: &str| {
                let values = words.clone().filter_map(|word| word.split_once('='));
                values
                    .filter(|(name, _)| name.eq_ignore_ascii_case(property))
                    .any(|(_, value)| is_same_organisation(value, from))
            };
            let outcome = Some(outcome.to_ascii_lowercase());
            match method.to_ascii_lowercase().as_str() {
                "spf" => {
                    by_spf |= is_pass && is_aligned("smtp.mailfrom");
                    read.spf = outcome;
                }
                // Several signatures: one that is good is enough.
                "dkim" => {
                    by_dkim |= is_pass && is_aligned("header.d");
                    if is_pass || read.dkim.is_none() {
                        read.dkim = outcome;
                    }
                }
                "dmarc" => read.dmarc = outcome,
                _ => {}
            }
        }
        read.is_confirmed = match read.dmarc.as_deref() {
            Some("pass") => true,
            Some("none" | "bestguesspass") | None => by_dkim || by_spf,
            Some(_) => false,
        };
        read
    }
}

/// Whether a domain (or the domain of an address) is the other, or lies below it (RFC 7489 §3.1: relaxed,
/// without the public suffix list, so that `example.org` covers `mail.example.org` and not its siblings).
fn is_same_organisation(value: &str, from: &str) -> bool {
    let domain = value
        .rsplit('@')
        .next()
        .unwrap_or(value)
        .to_ascii_lowercase();
    let below = |inner: &str, outer: &str| {
        inner
            .strip_suffix(outer)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    !from.is_empty()
        && !domain.is_empty()
        && (domain == from || below(from, &domain) || below(&domain, from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ringdown_email::reading::{mail::Limits, read};

    fn check(fields: &str, wanted: bool) {
        let raw = format!("{fields}From: Anna <anna@example.org>\r\n\r\nx\r\n");
        let mail = read(&Bytes::from(raw), &Limits::default());
        let told = SenderCheck::of(&mail, "mx.desk.example");
        assert_eq!(told.is_confirmed, wanted, "{fields}: {told:?}");
    }

    #[test]
    fn the_sites_own_server_confirms_a_sender() {
        let field =
            |results: &str| format!("Authentication-Results: mx.desk.example; {results}\r\n");
        check(&field("dmarc=pass header.from=example.org"), true);
        check(&field("dkim=pass header.d=example.org"), true);
        check(
            &field("dkim=fail header.d=example.org; dkim=pass header.d=mail.example.org"),
            true,
        );
        check(&field("spf=pass smtp.mailfrom=anna@example.org"), true);
        check(
            &field("spf=pass smtp.mailfrom=news@sender.example; dmarc=none"),
            false,
        );
        check(&field("dkim=pass header.d=evilexample.org"), false);
        check(&field("dkim=pass header.d=example.org; dmarc=fail"), false);
        check(&field("none"), false);
        check("", false);
    }

    #[test]
    fn a_strangers_word_confirms_nobody() {
        check(
            "Authentication-Results: mx.elsewhere.example; dmarc=pass\r\n",
            false,
        );
        check(
            "Authentication-Results: mx.desk.example.evil; dmarc=pass\r\n",
            false,
        );
    }
}
