//! The tables, made when a store is opened.

use super::{Conn, Operation, Sql};
use crate::store::StoreError;

/// A change of the tables, for each database. What has been published is never edited.
struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Migration {
    const fn of_both(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        sqlite: include_str!("schema/0001_jobs.sqlite.sql"),
        postgres: include_str!("schema/0001_jobs.postgres.sql"),
    },
    Migration {
        sqlite: include_str!("schema/0002_summary.sqlite.sql"),
        postgres: include_str!("schema/0002_summary.postgres.sql"),
    },
    Migration::of_both(include_str!("schema/0003_names.sql")),
];

/// Any number, as long as nobody else uses it: processes that start together wait for each other.
const LOCK_NUMBER: i64 = 0x616c_756c_6102;

static LOCK: Sql =
    Sql::new("SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_xact_lock($1)) AS locked");
static NEWEST: Sql =
    Sql::new("SELECT CAST(COALESCE(MAX(number), 0) AS BIGINT) FROM job_migrations");
static NOTE: Sql = Sql::new("INSERT INTO job_migrations (number) VALUES ($1)");

/// Makes the changes that are missing.
#[derive(Debug)]
pub(super) struct Migrate;

impl Operation for Migrate {
    type Output = ();

    async fn run(&self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        if conn.is_postgres() {
            conn.row(&LOCK, &[LOCK_NUMBER.into()]).await?;
        }
        conn.script("CREATE TABLE IF NOT EXISTS job_migrations (number BIGINT PRIMARY KEY)")
            .await?;
        let theirs = conn.row(&NEWEST, &[]).await?.map_or(Ok(0), |row| row.int(0))?;
        let ours = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if theirs > ours {
            return Err(StoreError::Newer { theirs, ours });
        }
        for (number, migration) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > theirs) {
            let is_postgres = conn.is_postgres();
            let text = if is_postgres { migration.postgres } else { migration.sqlite };
            conn.script(text).await?;
            conn.execute(&NOTE, &[number.into()]).await?;
        }
        Ok(())
    }
}
