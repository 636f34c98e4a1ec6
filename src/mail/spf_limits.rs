//! What SPF forbids and `mail-auth` lets pass: each makes `permerror`.
//!
//! A domain has one record (RFC 7208 §4.5), every term of it is known (§4.6), and no more than two of the names
//! that its terms ask for are missing (§4.6.4): else anybody's record has us ask a stranger's name servers in
//! vain. Missing names are seen from where the caches of `mail-auth` stand: what is asked for and never kept was
//! not there. So is which of the domains that a record includes, or leads on to, were asked: the first two are looked
//! at of those as well, but not where a macro makes the name.

use mail_auth::hickory_resolver::proto::rr::{Name, RData};
use mail_auth::{MessageAuthenticator, ResolverCache};
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Whether what a domain publishes, and those that were asked for it, can be taken for one opinion; also where nothing
/// can be read.
pub(super) async fn makes_sense(
    dns: &MessageAuthenticator,
    domain: &str,
    lookups: &Lookups,
) -> bool {
    let mut waiting = vec![domain.to_ascii_lowercase()];
    let mut seen = BTreeSet::new();
    while let Some(domain) = waiting.pop()
        && seen.len() < DOMAINS_MAX
    {
        if !seen.insert(domain.clone()) {
            continue;
        }
        let records = records_of(dns, &domain).await;
        if records.len() > 1 || !records.iter().all(|record| has_known_terms(record)) {
            return false;
        }
        let others = records.iter().flat_map(|record| domains_of(record));
        waiting.extend(others.filter(|other| lookups.asked_for_record_of(other)));
    }
    true
}

/// Its records of SPF; none where nothing can be read.
async fn records_of(dns: &MessageAuthenticator, domain: &str) -> Vec<String> {
    let Ok(name) = Name::from_utf8(domain) else {
        return Vec::new();
    };
    let Ok(found) = dns.0.txt_lookup(name).await else {
        return Vec::new();
    };
    let texts = found.answers().iter().filter_map(|record| {
        if let RData::TXT(text) = &record.data {
            Some(text.txt_data.concat())
        } else {
            None
        }
    });
    let texts = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
    texts.filter(|text| is_spf(text)).collect()
}

/// The domains that a record includes (RFC 7208 §5.2) or leads on to (§6.1).
fn domains_of(record: &str) -> impl Iterator<Item = String> {
    record.split(' ').skip(1).filter_map(|term| {
        let term = term
            .trim_start_matches(['+', '-', '~', '?'])
            .to_ascii_lowercase();
        let domain = term
            .strip_prefix("include:")
            .or_else(|| term.strip_prefix("redirect="))?;
        Some(domain.trim_end_matches('.').to_owned())
    })
}

/// RFC 7208 §4.5.
fn is_spf(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

/// RFC 7208 §4.6.1: modifiers may be any, mechanisms may not.
fn has_known_terms(record: &str) -> bool {
    record
        .split(' ')
        .skip(1)
        .filter(|term| !term.is_empty())
        .all(|term| {
            let end = term.find([':', '/', '=']).unwrap_or(term.len());
            let (name, rest) = term.split_at(end);
            let name = name
                .trim_start_matches(['+', '-', '~', '?'])
                .to_ascii_lowercase();
            rest.starts_with('=') || MECHANISMS.contains(&name.as_str())
        })
}

/// RFC 7208 §5.
const MECHANISMS: [&str; 8] = ["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"];

/// The look-ups of one evaluation.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    asked: Mutex<Vec<Asked>>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    kind: Kind,
    name: u64,
    is_answered: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Txt,
    A,
    Aaaa,
    Mx,
    Ptr,
}

/// Where a cache of one kind of records stands.
#[derive(Debug)]
pub(super) struct Seen<'v> {
    all: &'v Lookups,
    kind: Kind,
}

impl Lookups {
    /// For TXT, A, AAAA, MX and PTR.
    pub(super) fn seen(&self) -> [Seen<'_>; 5] {
        let kinds = [Kind::Txt, Kind::A, Kind::Aaaa, Kind::Mx, Kind::Ptr];
        kinds.map(|kind| Seen { all: self, kind })
    }

    fn asked_for_record_of(&self, domain: &str) -> bool {
        // As `mail-auth` has a name.
        let name = number(format!("{domain}.").as_str());
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked
            .iter()
            .any(|asked| asked.kind == Kind::Txt && asked.name == name)
    }

    /// Whether more found nothing than a record may want.
    pub(super) fn are_too_many(&self) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        // Where a record of SPF is missing that another includes, that makes no sense anyhow.
        let asked = asked.iter().filter(|asked| asked.kind != Kind::Txt);
        count(&asked.copied().collect::<Vec<_>>()) > VOID_MAX
    }
}

/// An `exists` asks for both kinds of addresses of one name, and nothing is kept of it. The last look-up may have
/// found what it asked for, and ended the evaluation by that: it is not counted.
fn count(mut asked: &[Asked]) -> usize {
    let mut count = 0;
    while let [first, rest @ ..] = asked {
        let is_exists = first.kind == Kind::A
            && rest
                .first()
                .is_some_and(|next| next.kind == Kind::Aaaa && next.name == first.name);
        asked = if is_exists {
            rest.get(1..).unwrap_or(&[])
        } else {
            rest
        };
        let may_be_there = is_exists && asked.is_empty();
        count += usize::from(!first.is_answered && !may_be_there);
    }
    count
}

impl<K: Hash, V> ResolverCache<K, V> for Seen<'_> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut asked = self
            .all
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        asked.push(Asked {
            kind: self.kind,
            name: number(name),
            is_answered: false,
        });
        None
    }

    fn remove<Q>(&self, _name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, name: K, _value: V, _valid_until: Instant) {
        let mut asked = self
            .all
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (kind, name) = (self.kind, number(&name));
        let found = asked.iter_mut().rev();
        if let Some(asked) = found
            .into_iter()
            .find(|it| it.kind == kind && it.name == name)
        {
            asked.is_answered = true;
        }
    }
}

fn number(name: &(impl Hash + ?Sized)) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(name)
}

/// RFC 7208 §4.6.4.
const VOID_MAX: usize = 2;

/// Most domains whose records are looked at: the sender's, and the ten that an evaluation may ask (RFC 7208 §4.6.4).
const DOMAINS_MAX: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_terms_make_a_record() {
        for (record, wanted) in [
            ("v=spf1", true),
            (
                "v=spf1 +A mx/24 a:x.example/24//64 ptr ip4:192.0.2.0/24 exp=x.example -all",
                true,
            ),
            (
                "V=SPF1  include:x.example redirect=y.example future=1",
                true,
            ),
            ("v=spf1 ipv4:192.0.2.1 -all", false),
            ("v=spf1 -al", false),
        ] {
            assert!(is_spf(record), "{record}");
            assert_eq!(has_known_terms(record), wanted, "{record}");
        }
        assert!(!is_spf("v=spf10 -all") && !is_spf("spf2.0/pra"));
    }

    #[test]
    fn a_record_leads_to_what_it_includes_and_to_where_it_is_redirected() {
        let record = "v=spf1 a:x.example ?Include:Y.Example. exp=z.example redirect=_w.example";
        let found: Vec<String> = domains_of(record).collect();
        assert_eq!(found, ["y.example", "_w.example"]);
    }
}
