//! A mutation that is sent again with the same `Idempotency-Key` is not done again.
//!
//! The answer of a change that was made is kept and given again; the same key with another request is
//! refused. What was refused is not kept, because it changed nothing. The newest are in memory, and what was
//! done is in the database as well ([`crate::kept_answers`]).

use super::access::Caller;
use super::problem::Problem;
use crate::kept_answers::{KEPT_FOR, RequestMark};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use bytes::Bytes;
use ringdown_routing::time::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// The header that carries the key.
pub(super) const HEADER: &str = "idempotency-key";

/// Most letters of a key.
const KEY_BYTES_MAX: usize = 255;

/// Most answers kept; the oldest go first.
const ANSWERS_MAX: usize = 10_000;

/// A key as one of a caller's, and of nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestKey([u8; 32]);

impl RequestKey {
    /// The key a request carries, if it does.
    pub(super) fn of(caller: &Caller, headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(key) = headers.get(HEADER) else {
            return Ok(None);
        };
        let key = key.as_bytes();
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(Problem::BadRequest(format!(
                "Idempotency-Key has 1 to {KEY_BYTES_MAX} letters"
            )));
        }
        let mut digest = Sha256::new();
        digest.update(caller.name.as_bytes());
        digest.update([0]);
        digest.update(key);
        Ok(Some(Self(digest.finalize().into())))
    }

    /// The key with what is asked for, as the database knows it.
    pub(super) fn mark(self, fingerprint: Fingerprint) -> RequestMark {
        RequestMark {
            key: self.to_text(),
            fingerprint: hexadecimal(&fingerprint.0),
        }
    }

    /// The key in hexadecimal: the same for a request that is sent again, here or to another node.
    pub(super) fn to_text(self) -> String {
        hexadecimal(&self.0)
    }

    /// A number made of the key: the same for a request that is sent again, here or to another node.
    pub(super) fn as_u128(self) -> u128 {
        let [a @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        u128::from_be_bytes(a)
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// What a request asks for, to tell another one under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(method: &Method, uri: &Uri, body: &Bytes) -> Self {
        let mut digest = Sha256::new();
        for part in [
            method.as_str().as_bytes(),
            uri.path().as_bytes(),
            uri.query().unwrap_or("").as_bytes(),
            body,
        ] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What is to be done with a request that carries a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is new: do it, then [`Answers::keep`] or [`Answers::release`].
    Do,
    /// It was done: give this answer.
    Repeat(Answer),
}

/// The answers kept.
#[derive(Debug, Default)]
pub(super) struct Answers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: BTreeMap<RequestKey, Kept>,
    by_age: BTreeSet<(Timestamp, RequestKey)>,
}

#[derive(Debug)]
struct Kept {
    at: Timestamp,
    fingerprint: Fingerprint,
    /// `None` while the request is being done.
    answer: Option<Answer>,
}

impl Answers {
    pub(super) fn begin(
        &self,
        key: RequestKey,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Turn, Problem> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.forget(now);
        match inner.kept.get(&key) {
            Some(kept) if kept.fingerprint != fingerprint => Err(Problem::Unprocessable(
                "this Idempotency-Key was used for another request".to_owned(),
            )),
            Some(Kept {
                answer: Some(answer),
                ..
            }) => Ok(Turn::Repeat(answer.clone())),
            Some(Kept { answer: None, .. }) => Err(Problem::Conflict(
                "the request with this Idempotency-Key is still being done".to_owned(),
            )),
            None => {
                inner.kept.insert(
                    key,
                    Kept {
                        at: now,
                        fingerprint,
                        answer: None,
                    },
                );
                inner.by_age.insert((now, key));
                Ok(Turn::Do)
            }
        }
    }

    pub(super) fn keep(&self, key: RequestKey, answer: Answer) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = inner.kept.get_mut(&key) {
            kept.answer = Some(answer);
        }
    }

    pub(super) fn release(&self, key: RequestKey) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = inner.kept.remove(&key) {
            inner.by_age.remove(&(kept.at, key));
        }
    }
}

impl Inner {
    fn forget(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.by_age.first().copied()
            && (at + KEPT_FOR < now || self.kept.len() >= ANSWERS_MAX)
        {
            self.by_age.pop_first();
            self.kept.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> RequestKey {
        RequestKey([number; 32])
    }

    fn fingerprint(body: &'static str) -> Fingerprint {
        Fingerprint::of(
            &Method::POST,
            &Uri::from_static("/tickets"),
            &Bytes::from_static(body.as_bytes()),
        )
    }

    fn answer() -> Answer {
        Answer {
            status: StatusCode::CREATED,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn a_request_is_done_once_and_answered_again() {
        let answers = Answers::default();
        let now = Timestamp::from_seconds(0);
        assert_eq!(answers.begin(key(1), fingerprint("a"), now), Ok(Turn::Do));
        assert!(matches!(
            answers.begin(key(1), fingerprint("a"), now),
            Err(Problem::Conflict(_))
        ));
        answers.keep(key(1), answer());
        assert_eq!(
            answers.begin(key(1), fingerprint("a"), now),
            Ok(Turn::Repeat(answer()))
        );
        assert!(matches!(
            answers.begin(key(1), fingerprint("b"), now),
            Err(Problem::Unprocessable(_))
        ));
        assert_eq!(answers.begin(key(2), fingerprint("b"), now), Ok(Turn::Do));
    }

    #[test]
    fn a_refused_request_may_be_sent_again() {
        let answers = Answers::default();
        let now = Timestamp::from_seconds(0);
        assert_eq!(answers.begin(key(1), fingerprint("a"), now), Ok(Turn::Do));
        answers.release(key(1));
        assert_eq!(answers.begin(key(1), fingerprint("b"), now), Ok(Turn::Do));
    }

    #[test]
    fn answers_are_forgotten_after_a_day_and_beyond_the_bound() {
        let answers = Answers::default();
        assert_eq!(
            answers.begin(key(1), fingerprint("a"), Timestamp::from_seconds(0)),
            Ok(Turn::Do)
        );
        let late = Timestamp::from_seconds(90_000);
        assert_eq!(answers.begin(key(1), fingerprint("b"), late), Ok(Turn::Do));
        for number in 0..u32::try_from(ANSWERS_MAX).unwrap() + 10 {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            assert_eq!(
                answers.begin(RequestKey(bytes), fingerprint("c"), late),
                Ok(Turn::Do)
            );
        }
        assert!(answers.inner.lock().unwrap().kept.len() <= ANSWERS_MAX);
    }
}
