//! Who mails: addresses as people write them and as machines compare them.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// Longest address that is taken for one; RFC 5321 §4.5.3.1 allows 64 + 1 + 255 octets.
const ADDRESS_BYTES_MAX: usize = 320;

/// One mail address. The domain is in its ASCII form, so that `a@bücher.example` and
/// `a@xn--bcher-kva.example` are the same; letters of either case compare equal, as all the world's
/// mail systems do (RFC 5321 §2.4 would let the local part differ).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    written: String,
    at: usize,
}

impl EmailAddress {
    /// Reads an address without display name or angle brackets; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@')?;
        // In a header an encoded word would be read as what it encodes: another address than the envelope's.
        let is_clean =
            |part: &str| !part.is_empty() && !part.contains("=?") && !part.chars().any(is_unfit);
        if text.len() > ADDRESS_BYTES_MAX || !is_clean(local) || !is_clean(domain) {
            return None;
        }
        let domain = idna::domain_to_ascii(domain.trim_end_matches('.'))
            .unwrap_or_else(|_| domain.to_ascii_lowercase());
        Some(Self {
            written: format!("{local}@{domain}"),
            at: local.len(),
        })
    }

    /// What stands before the last `@`, as written.
    pub fn local(&self) -> &str {
        &self.written[..self.at]
    }

    /// The domain, ASCII and in small letters.
    pub fn domain(&self) -> &str {
        &self.written[self.at + 1..]
    }

    /// The address as it goes on the wire.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The address for people's eyes: the domain in its own script.
    pub fn to_unicode(&self) -> String {
        format!(
            "{}@{}",
            self.local(),
            idna::domain_to_unicode(self.domain()).0
        )
    }

    /// The local part without the sub-address behind `separator`, and that sub-address (RFC 5233).
    pub fn split_sub_address(&self, separator: char) -> (&str, Option<&str>) {
        match self.local().split_once(separator) {
            Some((user, detail)) if !user.is_empty() => (user, Some(detail)),
            Some(_) | None => (self.local(), None),
        }
    }

    /// The same address without its sub-address.
    #[must_use]
    pub fn without_sub_address(&self, separator: char) -> Self {
        let (user, _) = self.split_sub_address(separator);
        Self {
            written: format!("{user}@{}", self.domain()),
            at: user.len(),
        }
    }

    fn folded(&self) -> impl Iterator<Item = char> + '_ {
        self.written.chars().flat_map(char::to_lowercase)
    }
}

fn is_unfit(letter: char) -> bool {
    letter.is_control() || letter.is_whitespace() || matches!(letter, '<' | '>' | ',' | ';')
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.folded().eq(other.folded())
    }
}

impl Eq for EmailAddress {}

impl PartialOrd for EmailAddress {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EmailAddress {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.written)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a mail address"))
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.written
    }
}

/// An address with the name that stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// The display name, decoded; a stranger's claim, never proof of anything.
    pub name: Option<String>,
    /// Where mail to it goes.
    pub email: EmailAddress,
}

impl fmt::Display for Mailbox {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(out, "{name} <{}>", self.email.to_unicode()),
            None => out.write_str(&self.email.to_unicode()),
        }
    }
}

/// A Message-ID without its angle brackets (RFC 5322 §3.6.4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId(String);

/// Longest Message-ID that is kept; a line is at most 998 octets (RFC 5322 §2.1.1).
const MESSAGE_ID_BYTES_MAX: usize = 990;

impl MessageId {
    /// Takes an id with or without angle brackets; `None` when it is empty, too long or no single word.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let id = text.strip_prefix('<').unwrap_or(text);
        let id = id.strip_suffix('>').unwrap_or(id).trim();
        let is_one_word = !id.chars().any(is_unfit);
        (!id.is_empty() && id.len() <= MESSAGE_ID_BYTES_MAX && is_one_word)
            .then(|| Self(id.to_owned()))
    }

    /// The id without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "<{}>", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let address = EmailAddress::parse(text);
        assert_eq!(
            address.as_ref().map(EmailAddress::as_str),
            expected,
            "{text}"
        );
    }

    #[test]
    fn an_address_has_one_form_for_machines() {
        check("Ann@Example.COM.", Some("Ann@example.com"));
        check("用戶@例え.jp", Some("用戶@xn--r8jz45g.jp"));
        check("odd@quoted@example.com", Some("odd@quoted@example.com"));
        check("nobody", None);
        check("@example.com", None);
        check("a b@example.com", None);
        check("a@example.com>,<b@example.com", None);
        check("=?utf-8?B?YQ==?=b@example.com", None);
    }

    #[test]
    fn letters_of_either_case_are_the_same_address() {
        let one = EmailAddress::parse("ANN@example.com").unwrap();
        assert_eq!(one, EmailAddress::parse("ann@EXAMPLE.com").unwrap());
        assert_eq!(one.to_string(), "ANN@example.com");
    }

    #[test]
    fn a_sub_address_comes_off() {
        let address = EmailAddress::parse("desk+rd-1@example.com").unwrap();
        assert_eq!(address.split_sub_address('+'), ("desk", Some("rd-1")));
        assert_eq!(
            address.without_sub_address('+').as_str(),
            "desk@example.com"
        );
    }

    #[test]
    fn a_message_id_is_one_word() {
        let id = MessageId::parse(" <a.b@c> ").unwrap();
        assert_eq!((id.as_str(), id.to_string().as_str()), ("a.b@c", "<a.b@c>"));
        assert_eq!(MessageId::parse("<a> <b>"), None);
        assert_eq!(MessageId::parse("<>"), None);
    }
}
