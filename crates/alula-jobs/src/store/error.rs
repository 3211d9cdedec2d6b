use std::sync::Arc;

/// Why a store did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It may work in a moment.
    #[error("the store of jobs cannot be used now: {0}")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// It refuses what it was asked for.
    #[error("the store of jobs refused a statement: {0}")]
    Refused(#[source] Arc<sqlx::Error>),
    /// Its address is none. The address itself is not told, as it may hold a password.
    #[error("{0}")]
    Address(String),
    /// A newer version of this library has changed its tables.
    #[error(
        "the tables of jobs were made by a newer version, which knows {theirs} changes of them; \
         this one knows {ours}"
    )]
    Newer {
        /// How many changes were made.
        theirs: i64,
        /// How many are known.
        ours: i64,
    },
    /// Only another program can have written it.
    #[error("the store of jobs holds {0} that cannot be read")]
    Malformed(&'static str),
    /// Jobs that are too large to be kept.
    #[error("the {what} of a job have {bytes} bytes, more than {limit}")]
    TooLarge {
        /// What of them.
        what: &'static str,
        /// How large they are.
        bytes: usize,
        /// How large they may be.
        limit: usize,
    },
    /// A job of the same unique key is on its way.
    #[error("another job of the same key is on its way")]
    Taken,
    /// It has been closed.
    #[error("the store of jobs is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may work in a moment.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolClosed => Self::Closed,
            _ if is_temporary(&error) => Self::Unavailable(Arc::new(error)),
            _ => Self::Refused(Arc::new(error)),
        }
    }
}

fn is_temporary(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_of_the_moment(&code)),
        _ => false,
    }
}

/// Whether a code of a database says that it could not work just now.
fn is_of_the_moment(code: &str) -> bool {
    match code {
        // Of Postgres: what came in each other's way, a lock that was not to be had, a statement
        // that was stopped, a transaction that stood still, and a statement that writes to what is
        // read only, as after a failover.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" | "25006" => true,
        // Of SQLite: busy, locked, an error of the disk, and a disk that is full.
        "5" | "6" | "10" | "13" | "261" | "262" | "266" | "517" | "778" | "1034" | "1290" => true,
        // Of Postgres: connection exceptions, too few resources, shutting down or starting.
        _ => ["08", "53", "57P"].iter().any(|class| code.starts_with(class) && code.len() == 5),
    }
}
