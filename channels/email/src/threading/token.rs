//! Signed names of tickets, for reply addresses (`desk+rd-3f-…@example.com`) and for the marker in our mails.

use hmac::{Hmac, KeyInit as _, Mac as _};
use ringdown_routing::ids::TicketId;
use sha2::Sha256;
use std::fmt;

/// The secret that signs; the same on every node of a desk.
#[derive(Clone)]
pub struct ThreadingKey(Vec<u8>);

impl ThreadingKey {
    /// Takes the secret's bytes.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for ThreadingKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<secret>")
    }
}

/// A ticket's signed name: `rd-`, its key in base 36, `-`, 80 bits of HMAC-SHA-256 in base 32. Small letters
/// and digits only, for mail systems change the case of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyToken(String);

impl ReplyToken {
    /// Signs a ticket.
    pub fn sign(ticket: TicketId, key: &ThreadingKey) -> Self {
        let mac = signature(LABEL, &ticket.as_u64().to_be_bytes(), key);
        Self(format!("{START}{}-{mac}", base_36(ticket.as_u64())))
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The line that our mails put between answer and quote; it is found again in what comes back.
    pub fn marker(&self) -> String {
        format!("{MARKER}{}", self.0)
    }

    /// The ticket that a token names, if the signature is ours.
    pub fn verify(text: &str, key: &ThreadingKey) -> Option<TicketId> {
        let small = text.to_ascii_lowercase();
        let (number, signature) = small.strip_prefix(START)?.split_once('-')?;
        let is_number = (1..=13).contains(&number.len())
            && number.bytes().all(|digit| digit.is_ascii_alphanumeric());
        let ticket = TicketId::new(u64::from_str_radix(number, 36).ok().filter(|_| is_number)?);
        is_signed(LABEL, &ticket.as_u64().to_be_bytes(), signature, key).then_some(ticket)
    }

    /// The first ticket that a marker in the text names with our signature.
    pub(super) fn find_in(text: &str, key: &ThreadingKey) -> Option<TicketId> {
        let places = text.match_indices(MARKER).take(super::CLUES_MAX);
        let tokens = places.filter_map(|(at, _)| {
            let rest = &text[at + MARKER.len()..];
            let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
            Self::verify(&rest[..end.unwrap_or(rest.len())], key)
        });
        tokens.into_iter().next()
    }
}

/// What is signed here is nothing else that a desk signs.
const LABEL: &[u8] = b"ringdown ticket ";

/// 80 bits of HMAC-SHA-256 over a label and what is signed, in base 32.
pub(crate) fn signature(label: &[u8], signed: &[u8], key: &ThreadingKey) -> String {
    let letters = mac(label, signed, key);
    let letter = |five: &u8| char::from(BASE_32[usize::from(*five)]);
    letters.iter().map(letter).collect()
}

/// Whether a signature in small letters is ours.
pub(crate) fn is_signed(label: &[u8], signed: &[u8], given: &str, key: &ThreadingKey) -> bool {
    let letters: Vec<u8> = given
        .bytes()
        .filter_map(|letter| BASE_32.iter().position(|own| *own == letter))
        .filter_map(|place| u8::try_from(place).ok())
        .collect();
    letters.len() == given.len() && is_equal(&letters, &mac(label, signed, key))
}

fn mac(label: &[u8], signed: &[u8], key: &ThreadingKey) -> [u8; SIGNATURE_LETTERS] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes keys of any length");
    mac.update(label);
    mac.update(signed);
    let bytes = mac.finalize().into_bytes();
    let mut letters = [0; SIGNATURE_LETTERS];
    for (number, letter) in letters.iter_mut().enumerate() {
        *letter = (0..5).fold(0, |five, bit| {
            let at = number * 5 + bit;
            five << 1 | bytes[at / 8] >> (7 - at % 8) & 1
        });
    }
    letters
}

/// Compares without telling by its time where the difference is.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .fold(0, |differs, (a, b)| differs | (a ^ b))
            == 0
}

fn base_36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.extend(
            u32::try_from(number % 36)
                .ok()
                .and_then(|digit| char::from_digit(digit, 36)),
        );
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

const START: &str = "rd-";
const MARKER: &str = "ref:";
const SIGNATURE_LETTERS: usize = 16;
/// RFC 4648 §6, in small letters.
const BASE_32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_signature_opens() {
        let key = ThreadingKey::new("secret");
        let token = ReplyToken::sign(TicketId::new(123_456), &key);
        let text = token.as_str();
        assert_eq!(ReplyToken::verify(text, &key), Some(TicketId::new(123_456)));
        assert_eq!(
            ReplyToken::verify(&text.to_uppercase(), &key),
            Some(TicketId::new(123_456))
        );
        assert_eq!(ReplyToken::verify(text, &ThreadingKey::new("other")), None);
        let other = ReplyToken::sign(TicketId::new(123_457), &key);
        let mixed = format!("{}{}", &other.as_str()[..8], &text[8..]);
        assert_eq!(ReplyToken::verify(&mixed, &key), None);
        for broken in [
            "",
            "rd-",
            "rd-1-",
            "rd-+1-aaaa",
            &text[..text.len() - 1],
            &format!("{text}a"),
        ] {
            assert_eq!(ReplyToken::verify(broken, &key), None, "{broken}");
        }
    }

    #[test]
    fn a_marker_is_found_in_what_comes_back() {
        let key = ThreadingKey::new("secret");
        let marker = ReplyToken::sign(TicketId::new(u64::MAX), &key).marker();
        let text = format!(
            "yes\n\n> ##- please answer above ({marker}) -##\n> old ref:rd-1-aaaaaaaaaaaaaaaa"
        );
        assert_eq!(
            ReplyToken::find_in(&text, &key),
            Some(TicketId::new(u64::MAX))
        );
    }
}
