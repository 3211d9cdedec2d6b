use std::sync::Arc;

/// Why a store did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It may work in a moment.
    #[error("the store of documents cannot be used now: {0}")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// It refuses what it was asked for.
    #[error("the store of documents refused a statement: {0}")]
    Refused(#[source] Arc<sqlx::Error>),
    /// Its address is none. The address itself is not told, as it may hold a password.
    #[error("{0}")]
    Address(String),
    /// A newer version of this library has changed its tables.
    #[error(
        "the tables of documents were made by a newer version, which knows {theirs} changes of \
         them; this one knows {ours}"
    )]
    Newer {
        /// How many changes were made.
        theirs: i64,
        /// How many are known.
        ours: i64,
    },
    /// Only another program can have written it.
    #[error("the store of documents holds {0} that cannot be read")]
    Malformed(&'static str),
    /// There is no such entry. It may have been deleted meanwhile.
    #[error("there is no document {0:?} in this collection")]
    NoEntry(String),
    /// What was to go live is not all there.
    #[error("the document has {found} {what} of {expected}")]
    Incomplete {
        /// What of it.
        what: &'static str,
        /// How many are there.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// What was given cannot be kept; the same call never works.
    #[error("{0}")]
    Invalid(String),
    /// The vectors were kept by an extension of Postgres that is no longer there.
    #[error("the vectors of this database need the extension pgvector, which is not there: {0}")]
    NoExtension(String),
    /// It has been closed.
    #[error("the store of documents is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may work in a moment.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether others came in the way of a transaction, which is to be tried again at once.
    pub(super) fn is_conflict(&self) -> bool {
        let Self::Unavailable(error) = self else { return false };
        let code = error.as_database_error().and_then(|error| error.code());
        // Serialization, deadlocks, and a row that two have made at once.
        code.is_some_and(|code| code.len() == 5 && (code.starts_with("40") || code == "23505"))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::ColumnDecode { .. } => Self::Malformed("a value"),
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

/// Whether a code of a database says that it could not work just now. Those of Postgres have five
/// characters.
fn is_of_the_moment(code: &str) -> bool {
    if code.len() != 5 {
        // Of SQLite: busy, locked, out of memory, interrupted as it took too long, an error of the
        // disk, a disk that is full, and a file that cannot be opened. The upper bits say it more
        // exactly.
        let primary = code.parse::<u32>().map(|code| code & 0xff);
        return matches!(primary, Ok(5 | 6 | 7 | 9 | 10 | 13 | 14));
    }
    // Connections, what came in each other's way, too few resources, locks, an operator, the
    // system, and Postgres itself; a transaction that stood still, a statement that writes to what
    // is read only, as after a failover, and a row that two have made at once.
    let classes = ["08", "40", "53", "55", "57", "58", "XX"];
    matches!(code, "25P03" | "25006" | "23505")
        || classes.iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_stays_wrong() {
        for code in ["5", "9", "261", "13", "3850", "08006", "40P01", "53300", "58030", "XX000"] {
            assert!(is_of_the_moment(code), "{code}");
        }
        for code in ["1", "19", "1555", "22P02", "42P01", "54000"] {
            assert!(!is_of_the_moment(code), "{code}");
        }
    }
}
