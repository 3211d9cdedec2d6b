//! The tables, brought up to date when the program starts.

use sqlx::AssertSqlSafe;

use super::{Db, DbError, writing};

/// A change of the tables, for each database. What has been published is never edited.
struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migration {
    ($name:literal) => {
        Migration {
            sqlite: include_str!(concat!("migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("migrations/postgres/", $name, ".sql")),
        }
    };
}

/// In the order in which they are made.
const MIGRATIONS: &[Migration] = &[
    migration!("0001_api_keys"),
    migration!("0002_usage"),
    migration!("0003_budgets"),
    migration!("0004_conversations"),
    migration!("0005_idempotency"),
    migration!("0006_slices"),
    migration!("0007_turns"),
    migration!("0008_documents"),
    migration!("0009_vector_stores"),
    migration!("0010_document_life"),
    migration!("0011_document_next"),
];

/// Any number, as long as nobody else uses it: processes that start together wait for each other.
const LOCK: i64 = 0x616c_756c_6101;

/// A change of a large table takes its time, and so does waiting for another process that makes it.
const PATIENCE: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";

impl Db {
    /// Makes the changes that are missing, all or none; other processes wait meanwhile.
    pub(super) async fn migrate(&self) -> Result<(), DbError> {
        let ours = newest();
        let is_postgres = matches!(self.pools(), super::Pools::Postgres(_));
        writing!(self, |tx| {
            if is_postgres {
                sqlx::raw_sql(PATIENCE).execute(&mut *tx).await?;
                let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
                lock.execute(&mut *tx).await?;
            }
            let table = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY)";
            sqlx::query(table).execute(&mut *tx).await?;
            let newest = sqlx::query_as("SELECT COALESCE(MAX(number), 0) FROM migrations");
            let (theirs,): (i64,) = newest.fetch_one(&mut *tx).await?;
            if theirs > ours {
                return Err(DbError::Newer { theirs, ours });
            }
            for (number, migration) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > theirs)
            {
                let text = if is_postgres { migration.postgres } else { migration.sqlite };
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *tx).await?;
                let done = sqlx::query("INSERT INTO migrations (number) VALUES ($1)").bind(number);
                done.execute(&mut *tx).await?;
            }
        });
        Ok(())
    }
}

/// The number of the last change.
pub(super) fn newest() -> i64 {
    count(MIGRATIONS.len())
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{super::testing::on_each, *};
    use crate::db::reading;

    #[tokio::test]
    async fn processes_that_start_together_make_each_change_once() {
        on_each(async |db| {
            let again = (0..8).map(|_| db.migrate());
            for done in futures_util::future::join_all(again).await {
                done?;
            }
            let count_all = "SELECT COUNT(*) FROM migrations";
            let (made,): (i64,) =
                reading!(db, |pool| sqlx::query_as(count_all).fetch_one(pool).await?);
            assert_eq!(made, count(MIGRATIONS.len()));
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_newer_database_is_left_alone() {
        on_each(async |db| {
            let future = "INSERT INTO migrations (number) VALUES (1000000)";
            writing!(db, |tx| {
                sqlx::query(future).execute(&mut *tx).await?;
            });
            assert!(matches!(db.migrate().await, Err(DbError::Newer { theirs: 1_000_000, .. })));
            Ok(())
        })
        .await;
    }
}
