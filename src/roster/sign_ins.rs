//! Who is signed in on the pages: kept in the database, so that every gateway of the desk knows the cookie and
//! signing out is out everywhere. Of cookie, token and password only digests are kept.

use super::{WebPassword, generate};
use crate::database::{Database, DatabaseFault, Statement};
use rand::Rng;
use ringdown_routing::ids::AgentId;
use ringdown_routing::time::Timestamp;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long somebody stays signed in: a working day.
pub const SIGNED_IN_FOR: Duration = Duration::from_secs(12 * 3_600);

/// By what somebody signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedInBy {
    /// A token of the API, known by a digest of its digest.
    Token {
        /// See [`proof_of`].
        proof: String,
    },
    /// The web password of an agent, which is still theirs.
    Agent(AgentId),
}

/// Signs somebody in by a token; the text is for the cookie and is kept nowhere else.
pub async fn sign_in_by_token(
    database: &Database,
    random: &mut (impl Rng + Send),
    name: &str,
    digest: &[u8; 32],
    now: Timestamp,
) -> Result<String, DatabaseFault> {
    sign_in(database, random, ("token", name, proof_of(digest)), now).await
}

/// Signs an agent in whose web password was given.
pub async fn sign_in_by_password(
    database: &Database,
    random: &mut (impl Rng + Send),
    agent: &AgentId,
    password: &WebPassword,
    now: Timestamp,
) -> Result<String, DatabaseFault> {
    let proof = proof_of(password.to_string().as_bytes());
    sign_in(database, random, ("agent", agent.as_str(), proof), now).await
}

async fn sign_in(
    database: &Database,
    random: &mut (impl Rng + Send),
    (kind, name, proof): (&'static str, &str, String),
    now: Timestamp,
) -> Result<String, DatabaseFault> {
    let cookie = generate(random, COOKIE_LETTERS);
    let forget = Statement::new(
        "DELETE FROM sign_ins WHERE until <= $1",
        vec![now.as_millis().into()],
    );
    let put = Statement::new(
        "INSERT INTO sign_ins (digest, kind, name, proof, until) VALUES ($1, $2, $3, $4, $5)",
        vec![
            proof_of(cookie.as_bytes()).into(),
            kind.into(),
            name.into(),
            proof.into(),
            (now + SIGNED_IN_FOR).as_millis().into(),
        ],
    );
    // The oldest go first, so that a script that signs in for ever fills no table.
    let bound = Statement::new(
        "DELETE FROM sign_ins WHERE kind = $1 AND name = $2 AND digest NOT IN (SELECT digest FROM sign_ins \
         WHERE kind = $1 AND name = $2 ORDER BY until DESC, digest LIMIT 100)",
        vec![kind.into(), name.into()],
    );
    database.write(vec![forget, put, bound]).await?;
    Ok(cookie)
}

/// By what the bearer of a cookie is signed in; `None` when they are not, or no longer.
pub async fn signed_in(
    database: &Database,
    cookie: &str,
    now: Timestamp,
) -> Result<Option<SignedInBy>, DatabaseFault> {
    let found: Option<(String, String, String)> =
        sqlx::query_as("SELECT kind, name, proof FROM sign_ins WHERE digest = $1 AND until > $2")
            .bind(proof_of(cookie.as_bytes()))
            .bind(now.as_millis())
            .fetch_optional(database.reads())
            .await?;
    let Some((kind, name, proof)) = found else {
        return Ok(None);
    };
    if kind == "token" {
        return Ok(Some(SignedInBy::Token { proof }));
    }
    let agent = AgentId::new(name);
    let password = web_password(database, &agent).await?;
    let is_theirs =
        password.is_some_and(|password| proof_of(password.to_string().as_bytes()) == proof);
    Ok(is_theirs.then_some(SignedInBy::Agent(agent)))
}

/// Signs the bearer of a cookie out.
pub async fn sign_out(database: &Database, cookie: &str) -> Result<(), DatabaseFault> {
    let digest = proof_of(cookie.as_bytes());
    let remove = Statement::new(
        "DELETE FROM sign_ins WHERE digest = $1",
        vec![digest.into()],
    );
    database.write(vec![remove]).await
}

/// What an agent's log-in on the web is judged by; `None` when they cannot log in there.
pub async fn web_password(
    database: &Database,
    agent: &AgentId,
) -> Result<Option<WebPassword>, DatabaseFault> {
    let found: Option<(Option<String>,)> =
        sqlx::query_as("SELECT password_hash FROM agents WHERE id = $1")
            .bind(agent.as_str())
            .fetch_optional(database.reads())
            .await?;
    Ok(found.and_then(|(hash,)| hash).map(WebPassword::from_stored))
}

/// SHA-256 in hexadecimal digits.
pub fn proof_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 160 bits.
const COOKIE_LETTERS: usize = 32;
