//! Signs what we send (DKIM, RFC 6376): once, when a letter is written, so that every try sends the same octets.
//!
//! A letter is signed by every key whose domain is that of its From or lies above it: one with an RSA and an
//! Ed25519 key gets both signatures (RFC 8463 §5). `relaxed/relaxed`, because smarthosts fold headers anew.
//! From is signed once more than it is there, so that nobody can add a second one; a field of [`SIGNED`] that
//! is not there cannot be added either.

use super::authentication::dns;
use crate::config::{Config, DkimKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{DkimSigner, Done};
use ringdown_email::EmailAddress;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use std::path::PathBuf;

/// The keys that sign.
#[derive(Debug, Default)]
pub(super) struct Signers(Vec<Signer>);

/// One key, ready to sign.
pub(crate) struct Signer {
    settings: DkimKey,
    key: Key,
    /// RSAPublicKey (RFC 8017 §A.1.1), or the 32 octets of an Ed25519 key.
    public: Vec<u8>,
}

enum Key {
    Rsa(DkimSigner<RsaKey<Sha256>, Done>),
    Ed25519(DkimSigner<Ed25519Key, Done>),
}

/// Why a key cannot sign.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignFault {
    /// Its file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not one that signs mail.
    #[error("{0} holds no RSA key of 2048 bits or more and no Ed25519 key (PEM)")]
    Unfit(PathBuf),
    /// It did not sign.
    #[error("the mail could not be signed: {0}")]
    Unsigned(mail_auth::Error),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.settings.record_name();
        f.debug_tuple("Signer").field(&name).finish()
    }
}

impl Signers {
    /// The configured keys; `ringdown check` and the start have seen that they can be read.
    pub(super) fn load(keys: &[DkimKey]) -> Self {
        let loaded = keys.iter().filter_map(|key| {
            Signer::load(key)
                .inspect_err(|fault| tracing::error!(%fault, "mails are not signed by this key"))
                .ok()
        });
        Self(loaded.collect())
    }

    /// A mail with the signatures of the author's domain before it; as it was where none is configured.
    pub(super) fn sign(&self, from: &EmailAddress, mail: Bytes) -> Result<Bytes, SignFault> {
        let mut signed = String::new();
        let mine = self.0.iter();
        for signer in mine.filter(|it| it.settings.domain.covers(from.domain())) {
            signed.push_str(&signer.sign(&mail)?);
        }
        if signed.is_empty() {
            return Ok(mail);
        }
        let mut whole = signed.into_bytes();
        whole.extend_from_slice(&mail);
        Ok(whole.into())
    }
}

impl Signer {
    /// Reads a key.
    pub(crate) fn load(settings: &DkimKey) -> Result<Self, SignFault> {
        let path = &settings.key;
        let pem = std::fs::read(path).map_err(|error| SignFault::File {
            path: path.clone(),
            error,
        })?;
        let unfit = || SignFault::Unfit(path.clone());
        let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| unfit())?;
        let ed25519 = if let PrivateKeyDer::Pkcs8(key) = &der {
            Ed25519Key::from_pkcs8_maybe_unchecked_der(key.secret_pkcs8_der()).ok()
        } else {
            None
        };
        let (domain, selector) = (settings.domain.as_str(), settings.selector.as_str());
        let (key, public) = match ed25519 {
            Some(key) => {
                let public = key.public_key();
                let signer = DkimSigner::from_key(key).domain(domain).selector(selector);
                (Key::Ed25519(signer.headers(SIGNED)), public)
            }
            None => {
                let key = RsaKey::<Sha256>::from_key_der(der).map_err(|_| unfit())?;
                let public = key.public_key();
                let signer = DkimSigner::from_key(key).domain(domain).selector(selector);
                (Key::Rsa(signer.headers(SIGNED)), public)
            }
        };
        Ok(Self {
            settings: settings.clone(),
            key,
            public,
        })
    }

    fn sign(&self, mail: &[u8]) -> Result<String, SignFault> {
        let signature = match &self.key {
            Key::Rsa(signer) => signer.sign(mail),
            Key::Ed25519(signer) => signer.sign(mail),
        };
        Ok(signature.map_err(SignFault::Unsigned)?.to_header())
    }

    /// What is to be published at [`DkimKey::record_name`] (RFC 6376 §3.6.1, RFC 8463 §4).
    pub(crate) fn record(&self) -> String {
        let (kind, key) = match self.key {
            Key::Rsa(_) => ("rsa", subject_public_key(&self.public)),
            Key::Ed25519(_) => ("ed25519", self.public.clone()),
        };
        format!("v=DKIM1; k={kind}; p={}", BASE64.encode(key))
    }

    /// Whether a published record is of this key. An RSA key may be there bare, too.
    fn is_in(&self, record: &str) -> bool {
        let tags = record.split(';').filter_map(|tag| tag.split_once('='));
        let mut keys = tags.filter(|(name, _)| name.trim() == "p");
        let published = keys.next().map(|(_, key)| key.split_whitespace().collect());
        let published = published.and_then(|key: String| BASE64.decode(key).ok());
        published.is_some_and(|key| key.ends_with(&self.public))
    }
}

/// Whether the public key in the DNS is that of the file, for `ringdown doctor`; a text says what is wrong.
pub(crate) async fn compare_published(config: &Config, settings: &DkimKey) -> Result<(), String> {
    let signer = Signer::load(settings).map_err(|fault| fault.to_string())?;
    let dns = dns(&config.email.resolver)?;
    let published = dns
        .txt_raw_lookup(format!("{}.", settings.record_name()))
        .await
        .map_err(|error| format!("{error}; publish: {}", signer.record()))?;
    if signer.is_in(&String::from_utf8_lossy(&published)) {
        Ok(())
    } else {
        Err(format!(
            "another key is there; publish: {}",
            signer.record()
        ))
    }
}

/// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of an RSA key.
fn subject_public_key(key: &[u8]) -> Vec<u8> {
    let bits = [&[0_u8], key].concat();
    der(0x30, &[RSA_ENCRYPTION, &der(0x03, &bits)].concat())
}

/// A value in DER: tag, length, octets (X.690 §8.1).
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let mut coded = vec![tag];
    match u8::try_from(value.len()) {
        Ok(short @ 0..=127) => coded.push(short),
        _ => {
            let from = length.iter().position(|octet| *octet != 0).unwrap_or(0);
            // At most eight octets.
            coded.push(0x80 | u8::try_from(length.len() - from).unwrap_or(8));
            coded.extend_from_slice(&length[from..]);
        }
    }
    coded.extend_from_slice(value);
    coded
}

/// AlgorithmIdentifier of rsaEncryption (RFC 8017 §A.1).
const RSA_ENCRYPTION: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// The fields that are signed (RFC 6376 §5.4.1).
const SIGNED: [&str; 14] = [
    "From",
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
