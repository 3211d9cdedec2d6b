//! The tables, made when a store is opened.

use super::{Conn, Database, pgvector};
use crate::store::{StoreError, VectorIndex};

/// A change of the tables, for each database. What has been published is never edited.
struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration {
    sqlite: include_str!("schema/0001_documents.sqlite.sql"),
    postgres: include_str!("schema/0001_documents.postgres.sql"),
}];

/// Any number, as long as nobody else uses it: processes that start together wait for each other.
const LOCK_NUMBER: i64 = 0x616c_756c_6103;

/// Makes the changes that are missing, and says how vectors are found.
pub(super) async fn migrate(database: &Database) -> Result<VectorIndex, StoreError> {
    let mut session = database.begin().await?;
    let mut conn = session.conn();
    if conn.is_postgres() {
        // Another process may be at it, which takes as long as it takes.
        conn.script("SET LOCAL statement_timeout = 0").await?;
        let lock = "SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_xact_lock($1)) AS locked";
        conn.row(lock, &[LOCK_NUMBER.into()]).await?;
    }
    tables(&mut conn).await?;
    let index =
        if conn.is_postgres() { pgvector::set_up(&mut conn).await? } else { VectorIndex::Scan };
    session.commit().await?;
    Ok(index)
}

async fn tables(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.script("CREATE TABLE IF NOT EXISTS rag_migrations (number BIGINT PRIMARY KEY)").await?;
    let newest = "SELECT CAST(COALESCE(MAX(number), 0) AS BIGINT) FROM rag_migrations";
    let theirs = conn.int(newest, &[]).await?.unwrap_or_default();
    let ours = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if theirs > ours {
        return Err(StoreError::Newer { theirs, ours });
    }
    for (number, migration) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > theirs) {
        let is_postgres = conn.is_postgres();
        conn.script(if is_postgres { migration.postgres } else { migration.sqlite }).await?;
        let note = "INSERT INTO rag_migrations (number) VALUES ($1)";
        conn.execute(note, &[number.into()]).await?;
    }
    Ok(())
}
