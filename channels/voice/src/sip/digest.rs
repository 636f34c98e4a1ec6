//! Digest authentication of SIP (RFC 3261 §22 as updated by RFC 8760, mechanics of RFC 7616).
//!
//! * [`Server`] issues nonces, judges credentials, refuses replays; its memory is bounded.
//! * [`Client`] answers 401 and 407 and keeps the nonce count.
//! * [`Challenge`] and [`Credentials`] are the header values, parsed from bytes.
//!
//! Passwords are never stored: [`Ha1`] is what the desk keeps for a user. Offered are SHA-256 and
//! MD5 in that order (RFC 8760 §2.3: the most preferred first), protection `auth`; the `-sess`
//! variants are understood. Time and random bits come in as arguments.

mod client;
mod params;
mod server;

pub use client::{Account, Challenger, Client, GiveUp};
pub use params::{Challenge, Credentials, ParamsFault, Protection};
pub use server::{Refusal, Server, ServerSettings, Stale, Verdict};

use md5::Md5;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// How the hashes of an exchange are made (RFC 7616 §3.3, RFC 8760 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5, for phones that know nothing else.
    Md5,
    /// MD5 over a key that is bound to the nonces of the session.
    Md5Session,
    /// SHA-256.
    Sha256,
    /// SHA-256 over a key that is bound to the nonces of the session.
    Sha256Session,
}

impl Algorithm {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Session => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Session => "SHA-256-sess",
        }
    }

    /// Reads a name from the wire, in any case; `None` when we do not know it.
    pub fn from_wire(name: &[u8]) -> Option<Self> {
        [
            Self::Md5,
            Self::Md5Session,
            Self::Sha256,
            Self::Sha256Session,
        ]
        .into_iter()
        .find(|algorithm| name.eq_ignore_ascii_case(algorithm.as_str().as_bytes()))
    }

    const fn is_session(self) -> bool {
        match self {
            Self::Md5Session | Self::Sha256Session => true,
            Self::Md5 | Self::Sha256 => false,
        }
    }

    fn hash(self, parts: &[&[u8]]) -> Hex {
        match self {
            Self::Md5 | Self::Md5Session => Hex::new(&md5(parts)),
            Self::Sha256 | Self::Sha256Session => Hex::new(&sha256(parts)),
        }
    }
}

/// What the desk keeps of a user's password: H(username:realm:password) per algorithm.
///
/// Its text form, for a database column, is the two hashes in hexadecimal with a colon between.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    /// The MD5 form.
    pub md5: [u8; 16],
    /// The SHA-256 form.
    pub sha256: [u8; 32],
}

impl Ha1 {
    /// Computes both forms (RFC 7616 §3.4.2).
    pub fn new(username: &str, realm: &str, password: &str) -> Self {
        let parts: [&[u8]; 5] = [
            username.as_bytes(),
            b":",
            realm.as_bytes(),
            b":",
            password.as_bytes(),
        ];
        Self {
            md5: md5(&parts),
            sha256: sha256(&parts),
        }
    }

    fn hex(&self, algorithm: Algorithm) -> Hex {
        match algorithm {
            Algorithm::Md5 | Algorithm::Md5Session => Hex::new(&self.md5),
            Algorithm::Sha256 | Algorithm::Sha256Session => Hex::new(&self.sha256),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(secret)")
    }
}

impl fmt::Display for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}",
            Hex::new(&self.md5).as_str(),
            Hex::new(&self.sha256).as_str()
        )
    }
}

/// Says that a text is not the text form of an [`Ha1`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stored SIP password: wanted 32 and 64 hexadecimal digits with a colon between")]
pub struct Ha1Fault;

impl FromStr for Ha1 {
    type Err = Ha1Fault;

    fn from_str(text: &str) -> Result<Self, Ha1Fault> {
        let (md5, sha256) = text.split_once(':').ok_or(Ha1Fault)?;
        Ok(Self {
            md5: read_hex(md5).ok_or(Ha1Fault)?,
            sha256: read_hex(sha256).ok_or(Ha1Fault)?,
        })
    }
}

/// What a digest is computed over besides the secret.
pub(crate) struct Exchange<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) method: &'a [u8],
    pub(crate) uri: &'a [u8],
    pub(crate) nonce: &'a [u8],
    /// Client nonce, nonce count as it stands on the wire, and protection.
    pub(crate) count: Option<Count<'a>>,
    /// Only hashed under `auth-int`.
    pub(crate) body: &'a [u8],
}

/// The client's half of a protected exchange.
pub(crate) struct Count<'a> {
    pub(crate) cnonce: &'a [u8],
    pub(crate) nc: &'a [u8],
    pub(crate) protection: Protection,
}

/// Computes the `response` value (RFC 7616 §3.4.1; without qop the form of RFC 2069).
pub(crate) fn respond(secret: &Ha1, exchange: &Exchange<'_>) -> Hex {
    let algorithm = exchange.algorithm;
    let nonce = exchange.nonce;
    let cnonce = exchange.count.as_ref().map_or(&b""[..], |c| c.cnonce);
    let mut a1 = secret.hex(algorithm);
    if algorithm.is_session() {
        a1 = algorithm.hash(&[a1.as_bytes(), b":", nonce, b":", cnonce]);
    }
    let (method, uri) = (exchange.method, exchange.uri);
    let integrity = exchange
        .count
        .as_ref()
        .is_some_and(|c| c.protection == Protection::Integrity);
    let a2 = if integrity {
        let body = algorithm.hash(&[exchange.body]);
        algorithm.hash(&[method, b":", uri, b":", body.as_bytes()])
    } else {
        algorithm.hash(&[method, b":", uri])
    };
    match &exchange.count {
        Some(Count {
            cnonce,
            nc,
            protection,
        }) => algorithm.hash(&[
            a1.as_bytes(),
            b":",
            nonce,
            b":",
            nc,
            b":",
            cnonce,
            b":",
            protection.as_str().as_bytes(),
            b":",
            a2.as_bytes(),
        ]),
        None => algorithm.hash(&[a1.as_bytes(), b":", nonce, b":", a2.as_bytes()]),
    }
}

/// A hash as lower-case hexadecimal text, on the stack.
#[derive(Clone)]
pub(crate) struct Hex {
    text: [u8; 64],
    length: usize,
}

impl Hex {
    fn new(bytes: &[u8]) -> Self {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Self {
            text,
            length: (bytes.len() * 2).min(64),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Compares in a time that does not tell where the first difference is.
fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0_u8, |difference, (a, b)| difference | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secret: &Ha1, exchange: &Exchange<'_>, response: &str) {
        assert_eq!(respond(secret, exchange).as_str(), response);
    }

    fn mufasa(algorithm: Algorithm) -> Exchange<'static> {
        Exchange {
            algorithm,
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: Some(Count {
                cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                nc: b"00000001",
                protection: Protection::Authentication,
            }),
            body: b"",
        }
    }

    #[test]
    fn example_of_rfc_7616_section_3_9_1_gives_its_responses() {
        let secret = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
        check(
            &secret,
            &mufasa(Algorithm::Md5),
            "8ca523f5e9506fed4657c9700eebdbec",
        );
        check(
            &secret,
            &mufasa(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        );
    }

    #[test]
    fn example_of_rfc_2617_section_3_5_gives_its_response() {
        let secret = Ha1::new("Mufasa", "testrealm@host.com", "Circle Of Life");
        let exchange = Exchange {
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            count: Some(Count {
                cnonce: b"0a4f113b",
                nc: b"00000001",
                protection: Protection::Authentication,
            }),
            ..mufasa(Algorithm::Md5)
        };
        check(&secret, &exchange, "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn sip_examples_with_every_protection_give_the_published_responses() {
        let secret = Ha1::new("bob", "biloxi.com", "zanzibar");
        let with = |algorithm, count| Exchange {
            algorithm,
            method: b"INVITE",
            uri: b"sip:bob@biloxi.com",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            count,
            body: b"v=0\r\n\
o=bob 2890844526 2890844526 IN IP4 media.biloxi.com\r\n\
s=-\r\n\
c=IN IP4 media.biloxi.com\r\n\
t=0 0\r\n\
m=audio 49170 RTP/AVP 0\r\n\
a=rtpmap:0 PCMU/8000\r\n\
m=video 51372 RTP/AVP 31\r\n\
a=rtpmap:31 H261/90000\r\n\
m=video 53000 RTP/AVP 32\r\n\
a=rtpmap:32 MPV/90000\r\n",
        };
        let count = |protection| {
            Some(Count {
                cnonce: b"0a4f113b",
                nc: b"00000001",
                protection,
            })
        };
        check(
            &secret,
            &with(Algorithm::Md5, None),
            "bf57e4e0d0bffc0fbaedce64d59add5e",
        );
        check(
            &secret,
            &with(Algorithm::Md5, count(Protection::Authentication)),
            "89eb0059246c02b2f6ee02c7961d5ea3",
        );
        check(
            &secret,
            &with(Algorithm::Md5Session, count(Protection::Authentication)),
            "e4e4ea61d186d07a92c9e1f6919902e9",
        );
        check(
            &secret,
            &with(Algorithm::Md5, count(Protection::Integrity)),
            "bdbeebb2da6adb6bca02599c2239e192",
        );
    }

    #[test]
    fn stored_secret_survives_its_text_form_and_never_shows_in_debug() {
        let secret = Ha1::new("anna", "desk.example", "s3cret");
        let text = secret.to_string();
        assert_eq!(text.len(), 32 + 1 + 64);
        assert_eq!(text.parse::<Ha1>().unwrap(), secret);
        assert_eq!(format!("{secret:?}"), "Ha1(secret)");
        assert_eq!("xyz:1".parse::<Ha1>(), Err(Ha1Fault));
        assert!(text.replace(':', ";").parse::<Ha1>().is_err());
    }
}
