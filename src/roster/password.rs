//! Passwords people log in with on the web, and passwords we make for them.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use rand::Rng;
use std::fmt;

/// A password of the web as it is kept: Argon2id with a salt of its own (RFC 9106).
#[derive(Clone, PartialEq, Eq)]
pub struct WebPassword(String);

impl WebPassword {
    /// Hashes a password; takes some ten milliseconds, on purpose.
    pub fn hash(password: &str) -> Result<Self, PasswordFault> {
        if password.chars().count() < LETTERS_MIN {
            return Err(PasswordFault::TooShort);
        }
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| Self(hash.to_string()))
            .map_err(|error| PasswordFault::Hash(error.to_string()))
    }

    /// Takes the text that [`fmt::Display`] gave.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Whether this is the password; as slow as hashing it.
    pub fn is(&self, password: &str) -> bool {
        PasswordHash::new(&self.0).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        })
    }
}

impl fmt::Debug for WebPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for WebPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a password is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// It can be guessed.
    #[error("the password has fewer than {LETTERS_MIN} letters")]
    TooShort,
    /// The hash function refused it.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// A password nobody can guess: `letters` out of 32 that are not mistaken for each other.
pub fn generate(random: &mut impl Rng, letters: usize) -> String {
    (0..letters)
        .map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]))
        .collect()
}

const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Least letters of a password that people choose.
const LETTERS_MIN: usize = 8;
