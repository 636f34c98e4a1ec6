//! The side that asks: nonces issued and judged, replays refused, in bounded memory.

use super::params::{ClientCount, Credentials, ParamsFault, Protection};
use super::{Algorithm, Count, Exchange, Ha1, Hex, equal_in_constant_time, read_hex, respond};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a [`Server`] is made of.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The realm of the desk's phones and trunks.
    pub realm: String,
    /// How long a nonce serves before the client must take a new one.
    pub nonce_lifetime: Duration,
    /// Most nonces in use at once; past it the oldest becomes stale.
    pub nonces_max: usize,
}

impl ServerSettings {
    /// The defaults for `realm`.
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            nonce_lifetime: NONCE_LIFETIME,
            nonces_max: NONCES_MAX,
        }
    }
}

/// Nonces serve five minutes: longer than any retry, shorter than most captures stay useful.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// 8,192 phones may be within one nonce lifetime of their last request; some 500 kB.
const NONCES_MAX: usize = 8_192;

/// Whether a challenge tells the client that only its nonce was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// `stale=true`: the client tries again with the same password, without asking anybody.
    Yes,
    /// The client has to prove itself anew.
    No,
}

/// Why credentials did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There were none for our realm: the ordinary first request.
    NoCredentials,
    /// They could not be read.
    Unreadable(ParamsFault),
    /// They are for another request than the one they came with.
    OtherRequest,
    /// Unknown user or wrong password; deliberately one case.
    WrongSecret,
    /// The same with a nonce that we never gave, so the sender may never have seen an answer of ours
    /// and the source address proves nothing.
    WrongSecretAndNonce,
    /// Right, but the nonce has expired or is not ours.
    NonceExpired,
    /// Right, but nonce and count were used before.
    Replayed,
}

impl Refusal {
    /// Whether this counts against the source, as a guess at a password does.
    ///
    /// Only a sender that has received a nonce of ours is where it says it is; anything else could
    /// be forged to silence somebody's phone.
    pub const fn is_suspicious(self) -> bool {
        match self {
            Self::WrongSecret => true,
            Self::NoCredentials
            | Self::Unreadable(_)
            | Self::OtherRequest
            | Self::WrongSecretAndNonce
            | Self::NonceExpired
            | Self::Replayed => false,
        }
    }

    /// What the challenge that follows says (RFC 7616 §3.3 `stale`).
    pub const fn stale(self) -> Stale {
        match self {
            Self::NonceExpired | Self::Replayed => Stale::Yes,
            Self::NoCredentials
            | Self::Unreadable(_)
            | Self::OtherRequest
            | Self::WrongSecretAndNonce
            | Self::WrongSecret => Stale::No,
        }
    }
}

/// What came of judging a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request is by this user.
    Accepted {
        /// The user, as the secrets know it.
        username: String,
    },
    /// Answer 401 or 407 with [`Server::challenges`].
    Refused(Refusal),
}

/// Issues nonces and judges credentials for one realm.
///
/// A nonce carries its own time of issue and a keyed hash, so issuing costs no memory; only nonces
/// that came back with the right response are remembered, until they expire.
#[derive(Debug)]
pub struct Server {
    settings: ServerSettings,
    key: Key,
    started: Instant,
    /// What is used of each nonce, oldest first.
    used: BTreeMap<NonceId, UsedCounts>,
    /// Nonces up to this one are stale unless in `used`.
    forgotten: Option<NonceId>,
    nobody: Ha1,
}

impl Server {
    /// Makes a server; `key` is 32 random bytes that nobody else knows.
    pub fn new(settings: ServerSettings, key: [u8; 32], now: Instant) -> Self {
        let nobody = Ha1 {
            md5: std::array::from_fn(|place| key[place] ^ 0x5c),
            sha256: keyed_hash(&key, &[b"nobody"]),
        };
        Self {
            settings,
            key: Key(key),
            started: now,
            used: BTreeMap::new(),
            forgotten: None,
            nobody,
        }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.settings.realm
    }

    /// The values for WWW-Authenticate or Proxy-Authenticate, one header each, most preferred first.
    pub fn challenges(&self, now: Instant, stale: Stale, random: u64) -> [String; 2] {
        let nonce = self.mint(now, random);
        let stale = match stale {
            Stale::Yes => ", stale=true",
            Stale::No => "",
        };
        [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| {
            format!(
                "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                escape(&self.settings.realm),
                algorithm.as_str()
            )
        })
    }

    /// Judges all Authorization (or Proxy-Authorization) values of a request.
    ///
    /// `secret_of` finds the stored secret of a user. `uri` is the Request-URI as received.
    pub fn judge<'a>(
        &mut self,
        now: Instant,
        method: &[u8],
        uri: &[u8],
        values: impl IntoIterator<Item = &'a [u8]>,
        secret_of: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Verdict {
        match Credentials::for_realm(values, self.settings.realm.as_bytes()) {
            None => Verdict::Refused(Refusal::NoCredentials),
            Some(Err(fault)) => Verdict::Refused(Refusal::Unreadable(fault)),
            Some(Ok(credentials)) => {
                let secret = std::str::from_utf8(&credentials.username)
                    .ok()
                    .and_then(secret_of);
                self.judge_credentials(now, method, uri, &credentials, secret.as_ref())
            }
        }
    }

    /// Judges credentials whose user's secret was found, or not, elsewhere.
    ///
    /// An unknown user (`None`) takes the same path as a known one with a wrong password.
    pub fn judge_credentials(
        &mut self,
        now: Instant,
        method: &[u8],
        uri: &[u8],
        credentials: &Credentials,
        secret: Option<&Ha1>,
    ) -> Verdict {
        let count = credentials.count.as_ref();
        if count.is_some_and(|c| c.protection == Protection::Integrity) {
            return Verdict::Refused(Refusal::Unreadable(ParamsFault::UnknownProtection));
        }
        if !is_same_target(&credentials.uri, uri) {
            return Verdict::Refused(Refusal::OtherRequest);
        }
        let expected = self.expected_response(method, credentials, secret);
        let is_right = equal_in_constant_time(expected.as_bytes(), &credentials.response);
        let Some(username) = String::from_utf8(credentials.username.clone())
            .ok()
            .filter(|_| is_right && secret.is_some())
        else {
            return Verdict::Refused(match self.read_nonce(&credentials.nonce) {
                Some(_) => Refusal::WrongSecret,
                None => Refusal::WrongSecretAndNonce,
            });
        };
        match self.use_nonce(now, &credentials.nonce, count) {
            Ok(()) => Verdict::Accepted { username },
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// How many nonces are remembered as used.
    pub fn nonces_in_use(&self) -> usize {
        self.used.len()
    }

    fn expected_response(
        &self,
        method: &[u8],
        credentials: &Credentials,
        secret: Option<&Ha1>,
    ) -> Hex {
        let exchange = Exchange {
            algorithm: credentials.algorithm,
            method,
            uri: &credentials.uri,
            nonce: &credentials.nonce,
            count: credentials.count.as_ref().map(|count| Count {
                cnonce: &count.cnonce,
                nc: &count.nc_text,
                protection: count.protection,
            }),
            body: b"",
        };
        respond(secret.unwrap_or(&self.nobody), &exchange)
    }

    fn mint(&self, now: Instant, random: u64) -> String {
        let id = NonceId {
            issued_ms: self.millis(now),
            random,
        };
        let mac = self.mac(id);
        let mut bytes = [0; NONCE_BYTES];
        bytes[..8].copy_from_slice(&id.issued_ms.to_be_bytes());
        bytes[8..16].copy_from_slice(&id.random.to_be_bytes());
        bytes[16..].copy_from_slice(&mac);
        Hex::new(&bytes).as_str().to_owned()
    }

    fn use_nonce(
        &mut self,
        now: Instant,
        nonce: &[u8],
        count: Option<&ClientCount>,
    ) -> Result<(), Refusal> {
        let id = self.read_nonce(nonce).ok_or(Refusal::NonceExpired)?;
        let lifetime_ms = u64::try_from(self.settings.nonce_lifetime.as_millis()).unwrap_or(0);
        let oldest_ms = self.millis(now).saturating_sub(lifetime_ms);
        self.forget_before(oldest_ms);
        let is_forgotten = self.forgotten.is_some_and(|forgotten| id <= forgotten);
        let is_used = self.used.contains_key(&id);
        if id.issued_ms < oldest_ms || (is_forgotten && !is_used) {
            return Err(Refusal::NonceExpired);
        }
        // A client of RFC 2069 has no count, so a nonce serves it once.
        let nc = count.map_or(1, |count| count.nc);
        if !self.used.entry(id).or_default().take(nc) {
            return Err(Refusal::Replayed);
        }
        while self.used.len() > self.settings.nonces_max.max(1) {
            let oldest = self.used.pop_first().map(|(id, _)| id);
            self.forgotten = self.forgotten.max(oldest);
        }
        Ok(())
    }

    fn forget_before(&mut self, oldest_ms: u64) {
        while let Some(entry) = self.used.first_entry() {
            if entry.key().issued_ms >= oldest_ms {
                return;
            }
            entry.remove();
        }
    }

    fn read_nonce(&self, nonce: &[u8]) -> Option<NonceId> {
        let bytes: [u8; NONCE_BYTES] = read_hex(std::str::from_utf8(nonce).ok()?)?;
        let (issued, rest) = bytes.split_first_chunk::<8>()?;
        let (random, mac) = rest.split_first_chunk::<8>()?;
        let id = NonceId {
            issued_ms: u64::from_be_bytes(*issued),
            random: u64::from_be_bytes(*random),
        };
        equal_in_constant_time(&self.mac(id), mac).then_some(id)
    }

    fn mac(&self, id: NonceId) -> [u8; 16] {
        let (issued, random) = (id.issued_ms.to_be_bytes(), id.random.to_be_bytes());
        let hash = keyed_hash(
            &self.key.0,
            &[&issued, &random, self.settings.realm.as_bytes()],
        );
        std::array::from_fn(|place| hash[place])
    }

    fn millis(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.started);
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Time of issue, random bits, and 16 bytes of keyed hash.
const NONCE_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NonceId {
    issued_ms: u64,
    random: u64,
}

/// Which counts of a nonce were used: the highest, and a window below it for requests that
/// overtook each other on UDP.
#[derive(Clone, Copy, Debug, Default)]
struct UsedCounts {
    highest: u32,
    /// Bit n: `highest - n` was used.
    window: u64,
}

impl UsedCounts {
    /// Uses `nc`; false when it was used already, or is too far back to know.
    fn take(&mut self, nc: u32) -> bool {
        if nc > self.highest {
            let ahead = nc - self.highest;
            self.window = self.window.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let behind = self.highest - nc;
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        let is_fresh = nc > 0 && bit != 0 && self.window & bit == 0;
        self.window |= bit;
        is_fresh
    }
}

struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// HMAC-SHA-256 (RFC 2104) with a 32-byte key.
fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |mask: u8| -> [u8; 64] {
        std::array::from_fn(|place| key.get(place).copied().unwrap_or(0) ^ mask)
    };
    let mut inner = Sha256::new();
    inner.update(pad(0x36));
    for part in parts {
        inner.update(part);
    }
    let mut outer = Sha256::new();
    outer.update(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// Whether the digest's `uri` names the Request-URI.
///
/// RFC 7616 §3.4.6 wants them to be equivalent; phones differ in the case of the host, and drop or
/// add URI parameters, so scheme, user, host and port are what must agree.
fn is_same_target(claimed: &[u8], requested: &[u8]) -> bool {
    fn essence(uri: &[u8]) -> (&[u8], &[u8]) {
        let end = |uri: &[u8], stop: &[u8]| {
            uri.iter()
                .position(|b| stop.contains(b))
                .unwrap_or(uri.len())
        };
        // A user part may itself hold `;` and `?`.
        let host_start = uri.iter().rposition(|b| *b == b'@').map_or(0, |at| at + 1);
        let (user, host) = uri.split_at(host_start);
        (user, &host[..end(host, b";?")])
    }
    if claimed == requested {
        return true;
    }
    let (claimed_user, claimed_host) = essence(claimed);
    let (requested_user, requested_host) = essence(requested);
    claimed_user == requested_user && claimed_host.eq_ignore_ascii_case(requested_host)
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::super::client::{Account, Challenger, Client};
    use super::*;

    const URI: &[u8] = b"sip:desk.example";

    struct Desk {
        server: Server,
        now: Instant,
    }

    impl Desk {
        fn new(nonces_max: usize) -> Self {
            let now = Instant::now();
            let settings = ServerSettings {
                nonces_max,
                ..ServerSettings::new("desk \"one\"")
            };
            Self {
                server: Server::new(settings, [7; 32], now),
                now,
            }
        }

        fn judge(&mut self, values: &[String]) -> Verdict {
            let values = values.iter().map(String::as_bytes);
            self.server
                .judge(self.now, b"REGISTER", URI, values, |user| {
                    (user == "anna").then(|| Ha1::new("anna", "desk \"one\"", "s3cret"))
                })
        }

        fn phone(&self, password: &str, random: u64) -> Client {
            let mut phone = Client::new(Account::new("anna", password));
            let challenges = self.server.challenges(self.now, Stale::No, random);
            let values = challenges.iter().map(String::as_bytes);
            phone.handle_challenge(Challenger::Server, values).unwrap();
            phone
        }
    }

    fn authorize(phone: &mut Client) -> Vec<String> {
        let headers = phone.authorize(b"REGISTER", URI, b"", 99);
        headers.into_iter().map(|(_, value)| value).collect()
    }

    fn accepted() -> Verdict {
        Verdict::Accepted {
            username: "anna".to_owned(),
        }
    }

    #[test]
    fn right_password_is_accepted_with_sha_256_and_counted_up() {
        let mut desk = Desk::new(10);
        assert_eq!(desk.judge(&[]), Verdict::Refused(Refusal::NoCredentials));
        let mut phone = desk.phone("s3cret", 1);
        let first = authorize(&mut phone);
        assert!(first[0].contains("algorithm=SHA-256"), "{first:?}");
        assert!(first[0].contains("nc=00000001"));
        assert_eq!(desk.judge(&first), accepted());
        let second = authorize(&mut phone);
        assert!(second[0].contains("nc=00000002"));
        assert_eq!(desk.judge(&second), accepted());
    }

    #[test]
    fn replayed_credentials_are_refused_as_stale() {
        let mut desk = Desk::new(10);
        let mut phone = desk.phone("s3cret", 1);
        let first = authorize(&mut phone);
        assert_eq!(desk.judge(&first), accepted());
        assert_eq!(desk.judge(&first), Verdict::Refused(Refusal::Replayed));
        assert_eq!(Refusal::Replayed.stale(), Stale::Yes);
        assert!(!Refusal::Replayed.is_suspicious());
    }

    #[test]
    fn requests_that_overtake_each_other_are_each_accepted_once() {
        let mut desk = Desk::new(10);
        let mut phone = desk.phone("s3cret", 1);
        let requests: Vec<_> = (0..70).map(|_| authorize(&mut phone)).collect();
        for place in [69, 68, 30, 6] {
            assert_eq!(desk.judge(&requests[place]), accepted());
            assert_eq!(
                desk.judge(&requests[place]),
                Verdict::Refused(Refusal::Replayed)
            );
        }
        let too_late = desk.judge(&requests[5]);
        assert_eq!(too_late, Verdict::Refused(Refusal::Replayed));
    }

    #[test]
    fn wrong_password_and_unknown_user_are_refused_alike() {
        let mut desk = Desk::new(10);
        let mut phone = desk.phone("guess", 1);
        let refused = Verdict::Refused(Refusal::WrongSecret);
        assert_eq!(desk.judge(&authorize(&mut phone)), refused);
        let unknown = authorize(&mut phone)[0].replace("\"anna\"", "\"eve\"");
        assert_eq!(desk.judge(&[unknown]), refused);
        assert_eq!(Refusal::WrongSecret.stale(), Stale::No);
        assert!(Refusal::WrongSecret.is_suspicious());
        let forged = authorize(&mut phone)[0].replace("nonce=\"", "nonce=\"0");
        let refused = desk.judge(&[forged]);
        assert_eq!(refused, Verdict::Refused(Refusal::WrongSecretAndNonce));
        assert!(!Refusal::WrongSecretAndNonce.is_suspicious());
    }

    #[test]
    fn expired_nonce_is_stale_and_costs_no_memory() {
        let mut desk = Desk::new(10);
        let mut phone = desk.phone("s3cret", 1);
        assert_eq!(desk.judge(&authorize(&mut phone)), accepted());
        assert_eq!(desk.server.nonces_in_use(), 1);
        desk.now += NONCE_LIFETIME + Duration::from_millis(1);
        let expired = desk.judge(&authorize(&mut phone));
        assert_eq!(expired, Verdict::Refused(Refusal::NonceExpired));
        assert_eq!(desk.server.nonces_in_use(), 0);
    }

    #[test]
    fn nonce_of_another_server_is_stale_only_with_the_right_password() {
        let mut desk = Desk::new(10);
        let mut phone = desk.phone("s3cret", 1);
        desk.server = Server::new(desk.server.settings.clone(), [8; 32], desk.now);
        let foreign = desk.judge(&authorize(&mut phone));
        assert_eq!(foreign, Verdict::Refused(Refusal::NonceExpired));
    }

    #[test]
    fn full_table_makes_the_oldest_nonce_stale_and_never_replayable() {
        let mut desk = Desk::new(2);
        let mut phones: Vec<_> = (1..=3).map(|random| desk.phone("s3cret", random)).collect();
        let firsts: Vec<_> = phones.iter_mut().map(authorize).collect();
        for first in &firsts {
            assert_eq!(desk.judge(first), accepted());
        }
        assert_eq!(desk.server.nonces_in_use(), 2);
        let evicted = desk.judge(&firsts[0]);
        assert_eq!(evicted, Verdict::Refused(Refusal::NonceExpired));
        assert_eq!(desk.judge(&firsts[2]), Verdict::Refused(Refusal::Replayed));
        assert_eq!(desk.judge(&authorize(&mut phones[2])), accepted());
    }

    #[test]
    fn client_without_qop_may_use_a_nonce_once() {
        let mut desk = Desk::new(10);
        let [_, md5] = desk.server.challenges(desk.now, Stale::No, 1);
        let mut phone = Client::new(Account::new("anna", "s3cret"));
        let old = md5.replace(", qop=\"auth\"", "");
        phone
            .handle_challenge(Challenger::Server, [old.as_bytes()])
            .unwrap();
        let first = authorize(&mut phone);
        assert!(!first[0].contains("qop"));
        assert_eq!(desk.judge(&first), accepted());
        assert_eq!(desk.judge(&first), Verdict::Refused(Refusal::Replayed));
    }

    #[test]
    fn credentials_of_another_request_are_refused() {
        let mut desk = Desk::new(10);
        let mut phone = desk.phone("s3cret", 1);
        let other = phone.authorize(b"REGISTER", b"sip:other.example", b"", 99);
        let refused = desk.judge(&[other[0].1.clone()]);
        assert_eq!(refused, Verdict::Refused(Refusal::OtherRequest));
        let check = |a: &[u8], b: &[u8], same| assert_eq!(is_same_target(a, b), same);
        check(
            b"sip:100@Desk.example",
            b"sip:100@desk.EXAMPLE;transport=udp",
            true,
        );
        check(b"sip:1;a=b@desk", b"sip:1;a=c@desk", false);
        check(b"sip:100@desk:5060", b"sip:100@desk", false);
    }

    #[test]
    fn method_is_covered_by_the_digest() {
        let mut desk = Desk::new(10);
        let mut phone = desk.phone("s3cret", 1);
        let invite = phone.authorize(b"INVITE", URI, b"", 99);
        let refused = desk.judge(&[invite[0].1.clone()]);
        assert_eq!(refused, Verdict::Refused(Refusal::WrongSecret));
    }

    #[test]
    fn challenges_prefer_sha_256_and_escape_the_realm() {
        let desk = Desk::new(10);
        let [first, second] = desk.server.challenges(desk.now, Stale::Yes, 1);
        assert!(first.starts_with("Digest realm=\"desk \\\"one\\\"\", nonce=\""));
        assert!(first.contains("algorithm=SHA-256,") && second.contains("algorithm=MD5,"));
        assert!(first.ends_with(", qop=\"auth\", stale=true"));
    }
}
