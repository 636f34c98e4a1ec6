//! Who may ask: bearer tokens (RFC 6750 section 2.1), and how often.
//!
//! The cookie of the pages is a second way to a [`Caller`] (`pages::sign_in`): on the API it opens what only looks.

use super::problem::Problem;
use crate::config::{Rights, Token};
use crate::roster::{self, StoredToken};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use ringdown_routing::ids::AgentId;
use ringdown_routing::time::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Requests a token may make at once.
const BURST: f64 = 200.0;

/// Requests a token may make in a second, in the long run.
const PER_SECOND: f64 = 50.0;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name, for the log.
    pub name: Arc<str>,
    /// What it may do.
    pub rights: Rights,
    /// For whom alone it may do it; a supervisor's has nobody.
    pub agent: Option<AgentId>,
}

impl Caller {
    /// Refuses who may not see what each queue and each agent did: only tokens with the right `read` or
    /// `write` and the agents of `[web] managers` may.
    pub fn must_see_reports(&self) -> Result<(), Problem> {
        match self.rights {
            Rights::Read | Rights::Write => Ok(()),
            Rights::Agent => Err(Problem::Forbidden),
        }
    }

    /// Whether the pages let them have callers called back: a token with the right `write`, and a manager, who is
    /// signed in by the agent's own password.
    pub(super) fn may_order_call_backs(&self) -> bool {
        match self.rights {
            Rights::Write => true,
            Rights::Read => self.agent.is_some(),
            Rights::Agent => false,
        }
    }

    /// Refuses an agent's token that looks into another's hands.
    pub fn may_look_at(&self, agent: &AgentId) -> Result<(), Problem> {
        match self.rights {
            Rights::Write | Rights::Read => Ok(()),
            Rights::Agent => self.must_act_for(agent),
        }
    }

    /// Refuses an agent's token that is to do the work of another.
    pub fn must_act_for(&self, agent: &AgentId) -> Result<(), Problem> {
        match (self.rights, &self.agent) {
            (Rights::Write, _) => Ok(()),
            (Rights::Agent, Some(own)) if own == agent => Ok(()),
            (Rights::Agent | Rights::Read, _) => Err(Problem::Forbidden),
        }
    }
}

/// The tokens of the desk, by their SHA-256: a leaked memory image or database gives none away.
#[derive(Debug, Default)]
pub struct Tokens {
    configured: Vec<Known>,
    /// Those of `ringdown token`, which come and go while the gateway runs.
    stored: RwLock<Vec<Known>>,
    buckets: Mutex<BTreeMap<Arc<str>, Bucket>>,
}

#[derive(Clone, Debug)]
struct Known {
    digest: [u8; 32],
    caller: Caller,
}

impl Known {
    fn stored(token: &StoredToken) -> Self {
        let caller = Caller {
            name: token.name.as_str().into(),
            rights: token.rights,
            agent: token.agent.clone(),
        };
        Self {
            digest: token.digest,
            caller,
        }
    }
}

/// A bucket that holds what a token may still ask at once.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

impl Tokens {
    /// Takes the tokens of the configuration.
    pub fn new(tokens: &[Token]) -> Self {
        let configured = tokens
            .iter()
            .map(|token| Known {
                digest: digest(token.token.expose()),
                caller: Caller {
                    name: token.name.as_str().into(),
                    rights: token.rights,
                    agent: token.agent.clone(),
                },
            })
            .collect();
        Self {
            configured,
            stored: RwLock::default(),
            buckets: Mutex::default(),
        }
    }

    /// Takes the tokens of the database as they are now; one that is gone opens no more.
    pub fn set_stored(&self, tokens: &[StoredToken]) {
        let known = tokens.iter().map(Known::stored);
        *self.stored.write().unwrap_or_else(PoisonError::into_inner) = known.collect();
    }

    /// Finds out who asks.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let token = bearer(headers).ok_or(Problem::Unauthorized)?;
        self.bearer_of(token).map(|(caller, _)| caller)
    }

    /// Whose a token is, and the digest it is known by.
    pub(super) fn bearer_of(&self, token: &str) -> Result<(Caller, [u8; 32]), Problem> {
        let digest = digest(token);
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        // All are compared, each whole, so that the time tells nothing.
        let mut found = None;
        for token in self.configured.iter().chain(stored.iter()) {
            if is_same(&token.digest, &digest) {
                found = Some(&token.caller);
            }
        }
        let caller = found.cloned().ok_or(Problem::Unauthorized)?;
        Ok((caller, digest))
    }

    /// Whose the token is by which somebody signed in; `None` when it was taken away.
    pub(super) fn signed_in(&self, proof: &str) -> Option<Caller> {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.configured.iter().chain(stored.iter());
        all.find(|token| roster::proof_of(&token.digest) == proof)
            .map(|token| token.caller.clone())
    }

    /// Counts a request against what its token may ask.
    pub fn admit(&self, caller: &Caller, now: Timestamp) -> Result<(), Problem> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(Arc::clone(&caller.name)).or_insert(Bucket {
            left: BURST,
            at: now,
        });
        let refilled = now.since(bucket.at).as_secs_f64() * PER_SECOND;
        bucket.left = (bucket.left + refilled).min(BURST);
        bucket.at = bucket.at.max(now);
        if bucket.left < 1.0 {
            return Err(Problem::TooManyRequests { retry_after_s: 1 });
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Compares without stopping at the first difference.
fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn tokens() -> Tokens {
        Tokens::new(&[Token {
            name: "wallboard".to_owned(),
            token: Secret::new("correct horse"),
            rights: Rights::Read,
            agent: None,
        }])
    }

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_the_whole_token_opens() {
        let tokens = tokens();
        let caller = tokens.identify(&headers("Bearer correct horse")).unwrap();
        assert_eq!((&*caller.name, caller.rights), ("wallboard", Rights::Read));
        assert!(tokens.identify(&headers("bearer  correct horse")).is_ok());
        for wrong in [
            "Bearer correct",
            "Bearer correct horse1",
            "Bearer ",
            "Basic correct horse",
            "correct horse",
        ] {
            assert_eq!(
                tokens.identify(&headers(wrong)),
                Err(Problem::Unauthorized),
                "{wrong}"
            );
        }
        assert_eq!(
            tokens.identify(&HeaderMap::new()),
            Err(Problem::Unauthorized)
        );
    }

    #[test]
    fn a_stored_token_opens_until_it_is_taken_away() {
        let tokens = tokens();
        let stored = StoredToken {
            digest: digest("battery staple"),
            name: "script".to_owned(),
            rights: Rights::Write,
            agent: None,
        };
        tokens.set_stored(&[stored]);
        assert!(tokens.identify(&headers("Bearer battery staple")).is_ok());
        tokens.set_stored(&[]);
        assert!(tokens.identify(&headers("Bearer battery staple")).is_err());
        assert!(tokens.identify(&headers("Bearer correct horse")).is_ok());
    }

    #[test]
    fn a_token_that_asks_too_often_waits() {
        let tokens = tokens();
        let caller = tokens.identify(&headers("Bearer correct horse")).unwrap();
        let now = Timestamp::from_seconds(1_000);
        let taken = (0..300)
            .take_while(|_| tokens.admit(&caller, now).is_ok())
            .count();
        assert_eq!(taken, 200);
        assert!(
            tokens
                .admit(&caller, Timestamp::from_millis(1_000_100))
                .is_ok()
        );
    }
}
