//! Who a call says it is from, and how far that is believed.

use super::number::{Normaliser, Number};

/// The headers that name a caller, as text, each value as it stands in the message.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallerHeaders<'h> {
    /// From (RFC 3261 §20.20).
    pub from: &'h str,
    /// P-Asserted-Identity, one or two values (RFC 3325 §9.1).
    pub asserted: &'h [&'h str],
    /// Remote-Party-ID, which older exchanges send (draft-ietf-sip-privacy).
    pub remote_party: Option<&'h str>,
    /// Privacy (RFC 3323 §4.2).
    pub privacy: Option<&'h str>,
}

/// Whether the sender of a call is believed about who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A trunk with `trusted_identity`, or one of our own registered phones.
    Trusted,
    /// Anybody else: the number is shown, and nobody is recognised by it.
    Untrusted,
}

/// Who a contact says it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The number or address as people should see it; empty when withheld.
    pub shown: String,
    /// The display name sent with it; empty when there is none.
    pub name: String,
    /// What may be looked up; `None` when there is nothing to be believed.
    pub subject: Option<Subject>,
}

/// What the CMS is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A telephone number.
    Phone(Number),
    /// A mail address, lower-cased and without sub-address.
    Mail(String),
}

impl Claim {
    /// A claim by telephone number alone, believed.
    pub fn of_number(text: &str, normaliser: &Normaliser) -> Self {
        let headers = CallerHeaders {
            from: text,
            ..CallerHeaders::default()
        };
        claim_of(&headers, Trust::Trusted, normaliser)
    }

    /// A claim by mail address, believed.
    pub fn of_mail(address: &str) -> Self {
        Self {
            shown: address.trim().to_owned(),
            name: String::new(),
            subject: mail_key(address).map(Subject::Mail),
        }
    }

    /// The key by which the CMS knows the subject.
    pub fn key(&self) -> Option<String> {
        match self.subject.as_ref()? {
            Subject::Phone(number) => number.key(),
            Subject::Mail(address) => Some(address.clone()),
        }
    }

    /// The extension behind the number, if one was given.
    pub fn extension(&self) -> Option<&str> {
        match self.subject.as_ref()? {
            Subject::Phone(number) => number.extension(),
            Subject::Mail(_) => None,
        }
    }
}

/// Takes the best claim from a call's headers.
///
/// From a trusted peer P-Asserted-Identity comes first, then Remote-Party-ID, then From; of several
/// asserted values the first that is a number. A caller who asked for privacy (`Privacy: id`,
/// `user` or `header`, `privacy=full`) stays unknown, although the network told us who it is.
pub fn claim_of(headers: &CallerHeaders<'_>, trust: Trust, normaliser: &Normaliser) -> Claim {
    let trusted: Vec<&str> = match trust {
        Trust::Trusted => {
            let asserted = headers.asserted.iter().copied();
            asserted.chain(headers.remote_party).collect()
        }
        Trust::Untrusted => Vec::new(),
    };
    if wants_privacy(headers, trust) {
        return Claim {
            shown: String::new(),
            name: String::new(),
            subject: None,
        };
    }
    let numbered = trusted
        .iter()
        .map(|value| (*value, normaliser.normalise(value)))
        .find(|(_, number)| number.key().is_some());
    let (value, number) =
        numbered.unwrap_or_else(|| (headers.from, normaliser.normalise(headers.from)));
    let name = match trust {
        Trust::Trusted => display_name(value),
        Trust::Untrusted => String::new(),
    };
    let is_believed = trust == Trust::Trusted && number.key().is_some();
    Claim {
        shown: shown(value, &number),
        name,
        subject: is_believed.then_some(Subject::Phone(number)),
    }
}

fn wants_privacy(headers: &CallerHeaders<'_>, trust: Trust) -> bool {
    let is_private = headers.privacy.is_some_and(|value| {
        value.split([';', ',', ' ']).any(|word| {
            ["id", "user", "header"]
                .iter()
                .any(|it| word.trim().eq_ignore_ascii_case(it))
        })
    });
    let is_full = headers
        .remote_party
        .is_some_and(|value| value.to_ascii_lowercase().contains("privacy=full"));
    is_private || (is_full && trust == Trust::Trusted)
}

fn shown(value: &str, number: &Number) -> String {
    match number {
        Number::Public { .. } | Number::Internal(_) => {
            let key = number.key().unwrap_or_default();
            match number.extension() {
                Some(extension) => format!("{key};ext={extension}"),
                None => key,
            }
        }
        Number::Withheld => String::new(),
        Number::Other => {
            let uri = match (value.rfind('<'), value.rfind('>')) {
                (Some(open), Some(close)) if open < close => &value[open + 1..close],
                (None, _) | (_, None) | (Some(_), Some(_)) => value,
            };
            uri.split(';').next().unwrap_or("").trim().to_owned()
        }
    }
}

/// The display name in front of an address (RFC 3261 §25.1 `display-name`), unquoted.
fn display_name(value: &str) -> String {
    let Some(open) = value.rfind('<') else {
        return String::new();
    };
    let name = value[..open].trim();
    let quoted = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    match quoted {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => name.to_owned(),
    }
}

/// A mail address as the CMS knows it: lower-cased, without sub-address (RFC 5233 `user+detail`).
pub fn mail_key(address: &str) -> Option<String> {
    let address = address.trim().trim_matches(['<', '>']);
    let address = address.strip_prefix("mailto:").unwrap_or(address);
    let (user, host) = address.rsplit_once('@')?;
    let user = user.split('+').next().unwrap_or(user);
    let is_one = !user.is_empty() && !host.is_empty() && !address.contains(char::is_whitespace);
    is_one.then(|| format!("{user}@{host}").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: CallerHeaders<'_>, trust: Trust, shown: &str, name: &str, key: Option<&str>) {
        let normaliser = Normaliser::new("TW".parse().unwrap());
        let claim = claim_of(&headers, trust, &normaliser);
        assert_eq!(
            (
                claim.shown.as_str(),
                claim.name.as_str(),
                claim.key().as_deref()
            ),
            (shown, name, key),
            "{headers:?}"
        );
    }

    #[test]
    fn a_trusted_trunk_asserts_who_calls() {
        let headers = CallerHeaders {
            from: "\"x\" <sip:0911111111@t>;tag=1",
            asserted: &["\"王小明\" <sip:0912345678@t>", "<tel:+886912345678>"],
            remote_party: Some("<sip:0922222222@t>;party=calling"),
            privacy: None,
        };
        let number = "+886912345678";
        check(headers, Trust::Trusted, number, "王小明", Some(number));
        let without = CallerHeaders {
            asserted: &[],
            ..headers
        };
        check(
            without,
            Trust::Trusted,
            "+886922222222",
            "",
            Some("+886922222222"),
        );
        let name_first = CallerHeaders {
            asserted: &["<sip:alice@t>", "<tel:+886912345678>"],
            ..headers
        };
        check(name_first, Trust::Trusted, number, "", Some(number));
    }

    #[test]
    fn a_stranger_shows_a_number_and_is_not_recognised_by_it() {
        let headers = CallerHeaders {
            from: "\"Boss\" <sip:0911111111@t>;tag=1",
            asserted: &["<sip:0912345678@t>"],
            remote_party: None,
            privacy: None,
        };
        check(headers, Trust::Untrusted, "+886911111111", "", None);
    }

    #[test]
    fn who_asks_for_privacy_gets_it() {
        let headers = CallerHeaders {
            from: "<sip:anonymous@anonymous.invalid>",
            asserted: &["<sip:0912345678@t>"],
            remote_party: None,
            privacy: Some("critical; id"),
        };
        check(headers, Trust::Trusted, "", "", None);
        let full = CallerHeaders {
            from: "<sip:0911111111@t>",
            asserted: &[],
            remote_party: Some("<sip:0911111111@t>;privacy=full"),
            privacy: Some("none"),
        };
        check(full, Trust::Trusted, "", "", None);
        let none = CallerHeaders {
            remote_party: None,
            ..full
        };
        check(
            none,
            Trust::Trusted,
            "+886911111111",
            "",
            Some("+886911111111"),
        );
    }

    #[test]
    fn a_mail_address_is_known_by_its_plain_form() {
        assert_eq!(
            mail_key(" Anna+Tickets@Example.ORG ").unwrap(),
            "anna@example.org"
        );
        for wrong in ["", "anna", "@example.org", "anna@", "a b@c"] {
            assert_eq!(mail_key(wrong), None, "{wrong}");
        }
    }
}
