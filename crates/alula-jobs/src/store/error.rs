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

    /// Whether the values are what is wrong, so that the same call will never work.
    pub(crate) fn is_of_the_values(&self) -> bool {
        match self {
            Self::Refused(error) => {
                let code = error.as_database_error().and_then(|error| error.code());
                code.is_some_and(|code| is_of_the_values(&code))
            }
            Self::Taken | Self::Malformed(_) | Self::TooLarge { .. } => true,
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::ColumnDecode { .. } => Self::Malformed("a value"),
            sqlx::Error::Database(error) if error.is_unique_violation() => Self::Taken,
            _ if is_temporary(&error) => Self::Unavailable(Arc::new(error)),
            _ => Self::Refused(Arc::new(error)),
        }
    }
}

/// Whether a database may do a moment later what it did not do now: it could not be reached, had no
/// room, or others were in the way.
///
/// ```
/// use alula_jobs::store::is_temporary;
///
/// assert!(is_temporary(&sqlx::Error::PoolTimedOut));
/// assert!(!is_temporary(&sqlx::Error::RowNotFound));
/// ```
pub fn is_temporary(error: &sqlx::Error) -> bool {
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
        // Of SQLite: busy, locked, out of memory, an error of the disk, a disk that is full, and a
        // file that cannot be opened. The upper bits say it more exactly.
        let primary = code.parse::<u32>().map(|code| code & 0xff);
        return matches!(primary, Ok(5 | 6 | 7 | 10 | 13 | 14));
    }
    // Connections, what came in each other's way, too few resources, locks, an operator, the
    // system, and Postgres itself; a transaction that stood still, and a statement that writes to
    // what is read only, as after a failover.
    let classes = ["08", "40", "53", "55", "57", "58", "XX"];
    matches!(code, "25P03" | "25006") || classes.iter().any(|class| code.starts_with(class))
}

/// Whether a code says that the values are what is wrong: too large, or not what is allowed.
fn is_of_the_values(code: &str) -> bool {
    if code.len() != 5 {
        let primary = code.parse::<u32>().map(|code| code & 0xff);
        return matches!(primary, Ok(18..=20));
    }
    ["22", "23", "54"].iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_stays_wrong() {
        for code in ["5", "261", "13", "3850", "4874", "08006", "40P01", "53300", "58030", "XX000"]
        {
            assert!(is_of_the_moment(code) && !is_of_the_values(code), "{code}");
        }
        for code in ["19", "1555", "18", "22P02", "23505", "54000"] {
            assert!(!is_of_the_moment(code) && is_of_the_values(code), "{code}");
        }
        for code in ["1", "42P01", "42601"] {
            assert!(!is_of_the_moment(code) && !is_of_the_values(code), "{code}");
        }
    }
}
