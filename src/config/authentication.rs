//! `[email]`: whose mails are believed, and `[email.dkim]`: what signs ours.

use super::source::{Source, Step};
use super::{Config, Mailbox};
use crate::mail::Signer;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What becomes of a mail whose author's domain wants such mail rejected (DMARC `p=reject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DmarcReject {
    /// It is filed like any mail of a sender nobody knows, and marked.
    #[default]
    File,
    /// At the SMTP door it is refused (550) before it is taken, so that an honest sender hears of it. What a
    /// server of the site hands on is filed: it has been taken for us already.
    Refuse,
}

/// `[email.dkim]`: a key that signs what we send from a domain (RFC 6376).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimKey {
    /// The domain that signs: that of the mailboxes, or one they lie below.
    pub domain: DomainName,
    /// The name under which the public key is published, at `SELECTOR._domainkey.DOMAIN`.
    pub selector: DomainName,
    /// File of the key (PEM): RSA of 2048 bits or more, or Ed25519 (RFC 8463).
    pub key: PathBuf,
}

impl DkimKey {
    /// Where the public key is published.
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }
}

/// A name in the DNS: letters, digits, `-` and `_` in labels; in small letters, without the dot at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DomainName(String);

impl DomainName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether another name is this one or lies below it.
    pub fn covers(&self, other: &str) -> bool {
        let other = other.to_ascii_lowercase();
        let rest = other.strip_suffix(&self.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let is_label = |label: &str| {
            let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(is_part)
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            let sentence = format!("`{text}` is not a name of the DNS such as `desk.example`");
            return Err(D::Error::custom(sentence));
        }
        Ok(Self(name))
    }
}

/// Reads addresses of name servers, with port 53 where none is given.
pub(super) fn name_servers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SocketAddr>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let address = |text: &String| {
        let with_port = text.parse::<SocketAddr>().ok();
        let alone = || Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, DNS_PORT));
        with_port.or_else(alone).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not the address of a name server such as `192.0.2.53`"
            ))
        })
    };
    texts.iter().map(address).collect()
}

/// Reads one table, or several.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<DkimKey>, D::Error> {
    struct Tables;
    impl<'de> Visitor<'de> for Tables {
        type Value = Vec<DkimKey>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("[email.dkim], or several [[email.dkim]]")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            let key = DkimKey::deserialize(MapAccessDeserializer::new(map))?;
            Ok(vec![key])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some(key) = list.next_element()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    deserializer.deserialize_any(Tables)
}

/// Notes what is wrong with the keys that sign, and with the time for looking senders up.
pub(super) fn check(config: &Config, source: &mut Source<'_>) {
    let email = &config.email;
    if email.authenticate && email.authenticate_max.is_zero() {
        let path = [Step::Key("email"), Step::Key("authenticate_max_ms")];
        source.note_at(
            &path,
            "must be at least 1; `authenticate = false` looks nobody up",
        );
    }
    for (place, key) in email.dkim.iter().enumerate() {
        let note = |source: &mut Source<'_>, name, sentence: String| {
            let path = [
                Step::Key("email"),
                Step::Key("dkim"),
                Step::Index(place),
                Step::Key(name),
            ];
            source.note_at(&path, sentence);
        };
        let mut addresses = config.mailboxes.iter().flat_map(Mailbox::addresses);
        if !addresses.any(|address| key.domain.covers(address.domain())) {
            let sentence = format!(
                "no [[mailbox]] is of `{}`, so that nothing would be signed",
                key.domain
            );
            note(source, "domain", sentence);
        }
        let mut before = email.dkim[..place].iter();
        if before.any(|it| it.record_name() == key.record_name()) {
            note(
                source,
                "selector",
                "is the selector of another key of this domain already".to_owned(),
            );
        }
        if let Err(fault) = Signer::load(key) {
            note(source, "key", fault.to_string());
        }
    }
}

/// Where name servers listen (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;
