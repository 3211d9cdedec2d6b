//! What a database may fail with.

use std::time::Duration;

use alula::{ApiError, HttpError};
use alula_jobs::store::is_temporary;

/// Seconds after which a database that is away is asked again by a client.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Why something could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// Without the address, which may hold a password.
    #[error("DATABASE_URL: {0}")]
    Url(String),
    #[error("the database cannot be used now: {0}")]
    Unreachable(#[source] sqlx::Error),
    #[error("the database refused a statement: {0}")]
    Statement(#[source] sqlx::Error),
    #[error(
        "the database was made by a newer version of this program, which knows {theirs} changes of \
         its tables; this one knows {ours}"
    )]
    Newer { theirs: i64, ours: i64 },
    #[error("the database did not answer within {0:?}")]
    TooSlow(Duration),
    /// Only another program can have written it.
    #[error("the database holds {0} that cannot be read")]
    Malformed(&'static str),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        // Another try may help, as nothing was said of the statement.
        match matches!(error, sqlx::Error::PoolClosed) || is_temporary(&error) {
            true => Self::Unreachable(error),
            false => Self::Statement(error),
        }
    }
}

impl ApiError for DbError {
    fn into_http(self) -> HttpError {
        match self {
            Self::Unreachable(_) | Self::TooSlow(_) => {
                HttpError::new(503, "The database is away; try again in a moment")
                    .retry_after(RETRY_AFTER_SECONDS)
                    .because(self)
            }
            _ => HttpError::new(500, "Internal Server Error").because(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Db, Pools, testing::on_each, writing},
        *,
    };

    async fn executed(db: &Db, statement: &'static str) -> Result<(), DbError> {
        writing!(db, |tx| {
            sqlx::query(statement).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Another try helps when there is room again, or the others have done.
    #[tokio::test]
    async fn what_passes_is_told_from_what_stays_wrong() {
        on_each(async |db| {
            let passes = match db.pools() {
                Pools::Sqlite { writes, .. } => {
                    executed(db, "CREATE TABLE large (text TEXT)").await?;
                    // As little as there is.
                    sqlx::query("PRAGMA max_page_count = 1").execute(writes).await?;
                    let full = "INSERT INTO large VALUES (hex(zeroblob(1000000)))";
                    vec![executed(db, full).await]
                }
                Pools::Postgres(_) => {
                    let mut raised = Vec::new();
                    for statement in [
                        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$",
                        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$",
                        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '55P03'; END $$",
                        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57014'; END $$",
                        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '25P03'; END $$",
                        "DO $$ BEGIN SET TRANSACTION READ ONLY; CREATE TABLE t (n INT); END $$",
                    ] {
                        raised.push(executed(db, statement).await);
                    }
                    raised
                }
            };
            for error in passes {
                assert!(matches!(error, Err(DbError::Unreachable(_))), "{error:?}");
            }
            let wrong = executed(db, "SELECT nothing").await;
            assert!(matches!(wrong, Err(DbError::Statement(_))), "{wrong:?}");
            Ok(())
        })
        .await;
    }
}
