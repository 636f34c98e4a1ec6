//! The side that is asked: answers 401 and 407, and counts what it used of each nonce.

use super::params::{Challenge, Protection};
use super::{Count, Exchange, Ha1, Hex, respond};

/// Who we are towards a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name in the credentials.
    pub username: String,
    password: String,
}

impl Account {
    /// Makes an account.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({:?}, secret)", self.username)
    }
}

/// Who challenged, which decides the header of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Challenger {
    /// 401: WWW-Authenticate, answered by Authorization.
    Server,
    /// 407: Proxy-Authenticate, answered by Proxy-Authorization.
    Proxy,
}

impl Challenger {
    /// The challenger behind a status code; `None` for any other than 401 and 407.
    pub const fn from_status(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::Server),
            407 => Some(Self::Proxy),
            _ => None,
        }
    }

    /// The header that carries its challenges.
    pub const fn challenge_header(self) -> &'static str {
        match self {
            Self::Server => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }

    /// The header that answers it.
    pub const fn credentials_header(self) -> &'static str {
        match self {
            Self::Server => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}

/// Why a challenge is not worth another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GiveUp {
    /// No challenge could be read, or each wants an algorithm or protection we do not have.
    #[error("no challenge that we understand")]
    NothingUsable,
    /// Our credentials were refused although their nonce was not stale.
    #[error("the server refuses this user and password")]
    WrongSecret,
    /// More realms in one path than we remember.
    #[error("more realms than we answer at once")]
    TooManyRealms,
}

/// Answers challenges for one account, towards a server and the proxies before it.
#[derive(Clone, Debug)]
pub struct Client {
    account: Account,
    answers: Vec<Answer>,
}

/// The challenge we answer for one realm, and how often we did.
#[derive(Clone, Debug)]
struct Answer {
    challenger: Challenger,
    challenge: Challenge,
    secret: Ha1,
    count: u32,
}

impl Client {
    /// Makes a client that was not challenged yet.
    pub const fn new(account: Account) -> Self {
        Self {
            account,
            answers: Vec::new(),
        }
    }

    /// Takes the challenges of a 401 or 407; `Ok` when the request is worth sending again.
    ///
    /// Of each realm the first challenge that we understand is taken (RFC 8760 §2.4).
    pub fn handle_challenge<'a>(
        &mut self,
        challenger: Challenger,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), GiveUp> {
        let mut taken: Vec<Challenge> = Vec::new();
        for challenge in values
            .into_iter()
            .take(CHALLENGES_MAX)
            .flat_map(Challenge::parse_all)
            .flatten()
            // A session key needs the client nonce that only a protection carries.
            .filter(|c| !(c.algorithm.is_session() && c.protections.is_empty()))
            .filter(can_be_repeated)
        {
            if taken.iter().all(|other| other.realm != challenge.realm) {
                taken.push(challenge);
            }
        }
        if taken.is_empty() {
            return Err(GiveUp::NothingUsable);
        }
        for challenge in taken {
            self.take_challenge(challenger, challenge)?;
        }
        Ok(())
    }

    fn take_challenge(
        &mut self,
        challenger: Challenger,
        challenge: Challenge,
    ) -> Result<(), GiveUp> {
        let realms = self.answers.len();
        let known = self
            .answers
            .iter_mut()
            .find(|a| a.challenger == challenger && a.challenge.realm == challenge.realm);
        match known {
            Some(answer) if answer.count > 0 && !challenge.is_stale => {
                // Long-lived credentials may meet a server that forgot its nonces without saying
                // stale; only an answer to its newest nonce that it refuses is a wrong password.
                let is_first_use = answer.count == 1;
                if is_first_use || answer.challenge.nonce == challenge.nonce {
                    return Err(GiveUp::WrongSecret);
                }
                answer.challenge = challenge;
                answer.count = 0;
            }
            Some(answer) => {
                answer.challenge = challenge;
                answer.count = 0;
            }
            None if realms >= REALMS_MAX => return Err(GiveUp::TooManyRealms),
            None => {
                let realm = String::from_utf8_lossy(&challenge.realm);
                self.answers.push(Answer {
                    challenger,
                    secret: Ha1::new(&self.account.username, &realm, &self.account.password),
                    challenge,
                    count: 0,
                });
            }
        }
        Ok(())
    }

    /// Whether a request can carry credentials already, without waiting to be asked.
    pub const fn has_challenge(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The headers for a request: name and value, one for each realm that challenged us.
    ///
    /// `random` makes the client's nonce and must differ from request to request.
    pub fn authorize(
        &mut self,
        method: &[u8],
        uri: &[u8],
        body: &[u8],
        random: u64,
    ) -> Vec<(&'static str, String)> {
        let username = &self.account.username;
        self.answers
            .iter_mut()
            .map(|answer| {
                let header = answer.challenger.credentials_header();
                (
                    header,
                    answer.credentials(username, method, uri, body, random),
                )
            })
            .collect()
    }
}

impl Answer {
    fn credentials(
        &mut self,
        username: &str,
        method: &[u8],
        uri: &[u8],
        body: &[u8],
        random: u64,
    ) -> String {
        self.count = self.count.saturating_add(1);
        let Challenge {
            realm,
            nonce,
            opaque,
            algorithm,
            protections,
            is_stale: _,
        } = &self.challenge;
        let cnonce = Hex::new(&random.to_be_bytes());
        let nc = format!("{:08x}", self.count);
        let protection = choose_protection(protections);
        let count = protection.map(|protection| Count {
            cnonce: cnonce.as_bytes(),
            nc: nc.as_bytes(),
            protection,
        });
        let exchange = Exchange {
            algorithm: *algorithm,
            method,
            uri,
            nonce,
            count,
            body,
        };
        let response = respond(&self.secret, &exchange);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}",
            quote(username.as_bytes()),
            quote(realm),
            quote(nonce),
            quote(uri),
            response.as_str(),
            algorithm.as_str(),
        );
        if let Some(protection) = protection {
            let cnonce = cnonce.as_str();
            value += &format!(
                ", cnonce=\"{cnonce}\", nc={nc}, qop={}",
                protection.as_str()
            );
        }
        if let Some(opaque) = opaque {
            value += &format!(", opaque={}", quote(opaque));
        }
        value
    }
}

/// Whether we can give back realm, nonce and opaque as they are: text, and not too long.
fn can_be_repeated(challenge: &Challenge) -> bool {
    let opaque = challenge.opaque.as_deref().unwrap_or(b"");
    let parts = [&challenge.realm[..], &challenge.nonce, opaque];
    parts.iter().all(|part| std::str::from_utf8(part).is_ok())
        && parts.iter().map(|part| part.len()).sum::<usize>() <= CHALLENGE_BYTES_MAX
}

/// `auth` where offered, since no proxy on the way may then break it by touching the body.
fn choose_protection(offered: &[Protection]) -> Option<Protection> {
    let has = |protection| offered.contains(&protection).then_some(protection);
    has(Protection::Authentication).or(has(Protection::Integrity))
}

fn quote(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Longest realm, nonce and opaque together that we answer.
const CHALLENGE_BYTES_MAX: usize = 1_500;
/// Most values looked at in one response.
const CHALLENGES_MAX: usize = 16;
/// Most realms answered at once: a server and the proxies before it.
const REALMS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::{Credentials, ParamsFault};
    use super::*;

    const URI: &[u8] = b"sip:bob@biloxi.com";

    fn phone(challenge: &str) -> (Client, Result<(), GiveUp>) {
        let mut client = Client::new(Account::new("bob", "zanzibar"));
        let outcome = client.handle_challenge(Challenger::Server, [challenge.as_bytes()]);
        (client, outcome)
    }

    #[test]
    fn challenge_is_answered_with_everything_it_asks_for() {
        let (mut client, outcome) = phone(
            "Digest realm=\"biloxi.com\", qop=\"auth,auth-int\", nonce=\"dcd9\", opaque=\"5ccc\"",
        );
        assert_eq!(outcome, Ok(()));
        let headers = client.authorize(b"INVITE", URI, b"", 1);
        assert_eq!(headers[0].0, "Authorization");
        let value = &headers[0].1;
        let credentials = Credentials::parse(value.as_bytes()).unwrap();
        assert_eq!(credentials.username, b"bob");
        assert_eq!(credentials.uri, URI);
        assert!(value.contains("qop=auth") && value.ends_with(", opaque=\"5ccc\""));
    }

    #[test]
    fn refused_answer_gives_up_and_stale_one_tries_again() {
        let (mut client, _) = phone("Digest realm=\"r\", nonce=\"1\", qop=\"auth\"");
        client.authorize(b"INVITE", URI, b"", 1);
        let stale = &b"Digest realm=\"r\", nonce=\"2\", qop=\"auth\", stale=true"[..];
        assert_eq!(client.handle_challenge(Challenger::Server, [stale]), Ok(()));
        client.authorize(b"INVITE", URI, b"", 2);
        let fresh = &b"Digest realm=\"r\", nonce=\"3\", qop=\"auth\""[..];
        let outcome = client.handle_challenge(Challenger::Server, [fresh]);
        assert_eq!(outcome, Err(GiveUp::WrongSecret));
    }

    #[test]
    fn server_that_forgot_a_nonce_that_served_before_is_answered_again() {
        let (mut client, _) = phone("Digest realm=\"r\", nonce=\"1\", qop=\"auth\"");
        client.authorize(b"REGISTER", URI, b"", 1);
        client.authorize(b"REGISTER", URI, b"", 2);
        let restarted = &b"Digest realm=\"r\", nonce=\"9\", qop=\"auth\""[..];
        assert_eq!(
            client.handle_challenge(Challenger::Server, [restarted]),
            Ok(())
        );
        let headers = client.authorize(b"REGISTER", URI, b"", 3);
        assert!(headers[0].1.contains("nonce=\"9\"") && headers[0].1.contains("nc=00000001"));
    }

    #[test]
    fn server_and_proxy_are_answered_in_their_own_headers() {
        let (mut client, _) = phone("Digest realm=\"r\", nonce=\"1\"");
        let proxy = &b"Digest realm=\"p\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\""[..];
        client.handle_challenge(Challenger::Proxy, [proxy]).unwrap();
        let names: Vec<_> = client
            .authorize(b"INVITE", URI, b"", 1)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["Authorization", "Proxy-Authorization"]);
        assert_eq!(Challenger::from_status(407), Some(Challenger::Proxy));
        assert_eq!(Challenger::from_status(403), None);
    }

    #[test]
    fn challenge_we_cannot_answer_gives_up() {
        let check = |value: &str, expected| assert_eq!(phone(value).1, Err(expected));
        check("Basic realm=\"r\"", GiveUp::NothingUsable);
        check(
            "Digest realm=\"r\", nonce=\"1\", algorithm=AKAv1-MD5",
            GiveUp::NothingUsable,
        );
        check("Digest nonce=\"1\"", GiveUp::NothingUsable);
        let long = format!("Digest realm=\"r\", nonce=\"{}\"", "1".repeat(1_500));
        check(&long, GiveUp::NothingUsable);
        let mut client = Client::new(Account::new("bob", "zanzibar"));
        let no_text = &b"Digest realm=\"\xff\", nonce=\"1\""[..];
        let outcome = client.handle_challenge(Challenger::Server, [no_text]);
        assert_eq!(outcome, Err(GiveUp::NothingUsable));
        check("", GiveUp::NothingUsable);
        let unknown = Challenge::parse_all(b"Digest realm=r, nonce=n, qop=\"x\"");
        assert_eq!(unknown, [Err(ParamsFault::UnknownProtection)]);
    }

    #[test]
    fn realms_past_the_bound_are_refused() {
        let mut client = Client::new(Account::new("bob", "zanzibar"));
        for realm in 0..REALMS_MAX {
            let value = format!("Digest realm=\"{realm}\", nonce=\"1\"");
            let outcome = client.handle_challenge(Challenger::Proxy, [value.as_bytes()]);
            assert_eq!(outcome, Ok(()));
        }
        let one_more = &b"Digest realm=\"more\", nonce=\"1\""[..];
        let outcome = client.handle_challenge(Challenger::Proxy, [one_more]);
        assert_eq!(outcome, Err(GiveUp::TooManyRealms));
    }
}
