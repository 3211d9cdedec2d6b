//! What a database may fail with.

use std::time::Duration;

use alula::{ApiError, HttpError};

/// Seconds after which a database that is away is asked again by a client.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Why something could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// Without the address, which may hold a password.
    #[error("DATABASE_URL: {0}")]
    Url(String),
    #[error("the database cannot be reached: {0}")]
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
        match is_unreachable(&error) {
            true => Self::Unreachable(error),
            false => Self::Statement(error),
        }
    }
}

/// Whether another try may help, as nothing was said of the statement.
fn is_unreachable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Of Postgres: connection exceptions, too many connections, shutting down or starting.
        // Of SQLite: busy, and an error of the disk.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "57P"].iter().any(|class| code.starts_with(class) && code.len() == 5)
                || matches!(&*code, "5" | "10" | "261" | "266" | "517" | "778" | "1034" | "1290")
        }),
        _ => false,
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
