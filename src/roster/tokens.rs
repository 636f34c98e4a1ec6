//! Bearer tokens of the API made by `ringdown token`; kept as their SHA-256 only.

use super::generate;
use crate::config::Rights;
use crate::database::{Database, DatabaseFault, Statement, bump};
use rand::Rng;
use ringdown_routing::ids::AgentId;
use ringdown_routing::time::Timestamp;
use sha2::{Digest, Sha256};

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Who uses it.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// Whose work it may do, when it is an agent's.
    pub agent: Option<AgentId>,
}

/// All tokens, by name.
pub async fn tokens(database: &Database) -> Result<Vec<StoredToken>, DatabaseFault> {
    let rows: Vec<(String, String, String, Option<String>)> =
        sqlx::query_as("SELECT digest, name, rights, agent FROM tokens ORDER BY name, digest")
            .fetch_all(database.reads())
            .await?;
    rows.into_iter()
        .map(|(digest, name, rights, agent)| {
            Ok(StoredToken {
                digest: from_hex(&digest)
                    .ok_or_else(|| DatabaseFault::Unreadable(format!("token of {name}")))?,
                name,
                rights: match rights.as_str() {
                    "write" => Rights::Write,
                    "agent" => Rights::Agent,
                    _ => Rights::Read,
                },
                agent: agent.map(AgentId::new),
            })
        })
        .collect()
}

/// Makes a token and gives its text, which is kept nowhere else.
pub async fn add_token(
    database: &Database,
    random: &mut impl Rng,
    name: &str,
    rights: Rights,
    agent: Option<&AgentId>,
    at: Timestamp,
) -> Result<String, DatabaseFault> {
    let token = generate(random, TOKEN_LETTERS);
    let digest: String = Sha256::digest(token.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let add = Statement::new(
        "INSERT INTO tokens (digest, name, rights, agent, created_at) VALUES ($1, $2, $3, $4, $5)",
        vec![
            digest.into(),
            name.into(),
            rights.as_str().into(),
            agent.map(|agent| agent.as_str().to_owned()).into(),
            at.as_millis().into(),
        ],
    );
    database.write(vec![add, bump(PART)]).await?;
    Ok(token)
}

/// Takes all tokens of that name away.
pub async fn remove_token(database: &Database, name: &str) -> Result<(), DatabaseFault> {
    let remove = Statement::new("DELETE FROM tokens WHERE name = $1", vec![name.into()]);
    database.write(vec![remove, bump(PART)]).await
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// The part whose revision a change counts up.
const PART: &str = "tokens";

/// 160 bits.
const TOKEN_LETTERS: usize = 32;
