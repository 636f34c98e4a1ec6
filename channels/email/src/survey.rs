//! The signed name of the question how well it went: whoever has the link may answer for that one contact, once,
//! until it ends.

use crate::threading::ThreadingKey;
use crate::threading::token::{is_signed, signature};
use ringdown_routing::ids::ContactId;
use ringdown_routing::time::Timestamp;

/// What a link to the question names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyLink {
    /// The contact it is about.
    pub contact: ContactId,
    /// Until when it may be answered, to the second.
    pub until: Timestamp,
}

impl SurveyLink {
    /// The link's last part: contact, end in seconds in hexadecimal, 80 bits of HMAC-SHA-256.
    pub fn sign(&self, key: &ThreadingKey) -> String {
        let name = self.name();
        let signature = signature(LABEL, name.as_bytes(), key);
        format!("{name}-{signature}")
    }

    /// What a link names, if the signature is ours; whether it has ended is for the reader to see.
    pub fn verify(text: &str, key: &ThreadingKey) -> Option<Self> {
        let (name, signature) = text.rsplit_once('-')?;
        let (contact, until) = name.split_once('-')?;
        let link = Self {
            contact: contact.to_ascii_uppercase().parse().ok()?,
            until: Timestamp::from_seconds(i64::from_str_radix(until, 16).ok()?),
        };
        // Signed is the one way to write it.
        (link.name() == name && is_signed(LABEL, name.as_bytes(), signature, key)).then_some(link)
    }

    fn name(&self) -> String {
        let seconds = self.until.as_millis().div_euclid(1_000);
        format!("{}-{seconds:x}", self.contact.to_string().to_lowercase())
    }
}

/// What is signed here is nothing else that a desk signs.
const LABEL: &[u8] = b"ringdown survey ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_signature_opens_and_only_as_it_was_written() {
        let key = ThreadingKey::new("secret");
        let link = SurveyLink {
            contact: ContactId::from_u128(u128::MAX / 3),
            until: Timestamp::from_seconds(1_790_000_000),
        };
        let text = link.sign(&key);
        assert_eq!(SurveyLink::verify(&text, &key), Some(link));
        assert_eq!(SurveyLink::verify(&text, &ThreadingKey::new("other")), None);
        let later = SurveyLink {
            until: Timestamp::from_seconds(1_790_000_001),
            ..link
        };
        let (name, _) = text.rsplit_once('-').unwrap();
        let (_, signature) = later
            .sign(&key)
            .rsplit_once('-')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        for broken in [
            String::new(),
            "-".to_owned(),
            name.to_owned(),
            format!("{name}-{signature}"),
            text.to_uppercase(),
            format!("{text}a"),
            text.replacen('-', "-+", 1),
            text.replacen('-', "-0", 1),
            "é-é-é".to_owned(),
        ] {
            assert_eq!(SurveyLink::verify(&broken, &key), None, "{broken}");
        }
    }
}
