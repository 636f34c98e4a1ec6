//! Octets that nothing names any more.

use crate::database::{Database, DatabaseFault, Engine, Statement};
use serde_json::{Value, json};

/// The statement that takes away those of these octets that nothing names any more; goes behind the statements that
/// stopped naming them, in a transaction of [`write`].
pub(crate) fn let_go(octets: &[String]) -> Option<Statement> {
    if octets.is_empty() {
        return None;
    }
    let rows: Vec<Value> = octets.iter().map(|it| json!({"sha256": it})).collect();
    let sql = "DELETE FROM blobs WHERE sha256 IN (SELECT r.value->>'sha256' FROM {rows}) \
         AND NOT EXISTS (SELECT 1 FROM mails m WHERE m.raw_sha256 = blobs.sha256) \
         AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.sha256 = blobs.sha256) \
         AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.sha256 = blobs.sha256)";
    Some(Statement::new(
        sql,
        vec![Value::from(rows).to_string().into()],
    ))
}

/// Runs statements in a transaction beside which nobody brings in octets: a mail that carries the same ones, and finds
/// them stored, would lose them otherwise. SQLite has one writer anyway.
pub(crate) async fn write(
    database: &Database,
    mut statements: Vec<Statement>,
) -> Result<(), DatabaseFault> {
    match database.engine() {
        Engine::Sqlite => {}
        Engine::Postgres => {
            let alone = "LOCK TABLE blobs IN SHARE ROW EXCLUSIVE MODE";
            statements.insert(0, Statement::new(alone, Vec::new()));
        }
    }
    database.write(statements).await
}
