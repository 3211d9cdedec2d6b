//! What is kept: in SQLite, or in Postgres.
//!
//! A statement is written once, in SQL that both understand (`$1`, `ON CONFLICT`, `RETURNING`,
//! `BIGINT`), and run by [`reading!`] or [`writing!`] on whichever there is. Times are milliseconds since
//! 1970, money is
//! micro-dollars (of which the ledger keeps parts), a truth is 0 or 1.

mod budgets;
mod connect;
mod conversations;
pub(crate) mod documents;
mod error;
mod idempotency;
mod keys;
mod look;
mod migrate;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod usage;
mod vector_stores;

use sqlx::{PgPool, SqlitePool};

#[cfg(test)]
pub(crate) use self::budgets::model as budget_model;
use self::documents::processed::Owners;
pub(crate) use self::{
    budgets::{Answer, IDLE_SHARE, Report, Spend},
    connect::DatabaseUrl,
    conversations::{ConversationRow, MessageRow, Turn},
    error::DbError,
    idempotency::{Claim, KeptAnswer, Known},
    keys::{KeyFound, StoredKey},
    vector_stores::{
        BatchRow, Cancelled, FileCounts, FileRow, FileState, ListPart, NewFileRow, Put, PutLimits,
        VectorStoreChange, VectorStoreRow,
    },
};

/// A database. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Db {
    pools: Pools,
    owners: Owners,
}

#[derive(Debug, Clone)]
pub(crate) enum Pools {
    /// SQLite has one writer at a time and waits for it unfairly, so writers queue here instead.
    Sqlite {
        reads: SqlitePool,
        writes: SqlitePool,
    },
    Postgres(PgPool),
}

/// Evaluates an expression with a pool to read from: `reading!(db, |pool| query.fetch_one(pool).await?)`.
macro_rules! reading {
    ($db:expr, |$pool:ident| $body:expr) => {
        match $db.pools() {
            $crate::db::Pools::Sqlite { reads: $pool, .. } => $body,
            $crate::db::Pools::Postgres($pool) => $body,
        }
    };
}

/// Evaluates an expression within a transaction, which is committed at its end and rolled back where
/// it returns early: `writing!(db, |tx| query.execute(&mut *tx).await?)`.
macro_rules! writing {
    ($db:expr, |$tx:ident| $body:expr) => {
        match $db.pools() {
            $crate::db::Pools::Sqlite { writes, .. } => {
                // The lock is taken at once: one that is taken later does not wait.
                let mut $tx = writes.begin_with("BEGIN IMMEDIATE").await?;
                let done = $body;
                $tx.commit().await?;
                done
            }
            $crate::db::Pools::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let done = $body;
                $tx.commit().await?;
                done
            }
        }
    };
}

pub(crate) use {reading, writing};

impl Db {
    /// Connects, and brings the tables up to date.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached or is newer than this program.
    pub(crate) async fn open(url: &DatabaseUrl) -> Result<Self, DbError> {
        let db = Self::connected(url).await?;
        db.migrate().await?;
        Ok(db)
    }

    /// Connects, whatever the tables are.
    async fn connected(url: &DatabaseUrl) -> Result<Self, DbError> {
        Ok(Self { pools: connect::pools(url).await?, owners: Owners::default() })
    }

    /// Whether it answers.
    pub(crate) async fn ping(&self) -> Result<(), DbError> {
        reading!(self, |pool| sqlx::query("SELECT 1").execute(pool).await.map(drop))?;
        Ok(())
    }

    /// What it is, in a word.
    pub(crate) fn name(&self) -> &'static str {
        match &self.pools {
            Pools::Sqlite { .. } => "SQLite",
            Pools::Postgres(_) => "Postgres",
        }
    }

    /// Waits for what is being done and closes the connections.
    pub(crate) async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { reads, writes } => {
                reads.close().await;
                writes.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::on_each, *};

    #[tokio::test]
    async fn it_answers_and_keeps_what_is_written() {
        on_each(async |db| {
            db.ping().await?;
            writing!(db, |tx| {
                sqlx::query("CREATE TABLE t (n BIGINT)").execute(&mut *tx).await?;
                sqlx::query("INSERT INTO t VALUES ($1)").bind(7_i64).execute(&mut *tx).await?;
            });
            let failing = async || -> Result<(), DbError> {
                writing!(db, |tx| {
                    sqlx::query("DELETE FROM t").execute(&mut *tx).await?;
                    sqlx::query("SELECT nothing").execute(&mut *tx).await?;
                });
                Ok(())
            };
            assert!(matches!(failing().await, Err(DbError::Statement(_))));
            let (n,): (i64,) =
                reading!(db, |pool| sqlx::query_as("SELECT n FROM t").fetch_one(pool).await?);
            assert_eq!(n, 7);
            Ok(())
        })
        .await;
    }
}
