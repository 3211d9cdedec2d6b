//! How many documents of an owner are processed at a time.

use super::super::{Db, DbError, Pools, reading};

/// How many documents of an owner may be processed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessedMax<'a> {
    pub(crate) owner: &'a str,
    pub(crate) max: i64,
}

/// Which owner a lock of Postgres is of, beside the other locks of a database.
pub(in crate::db) const OWNERS: i32 = 0x616c_756d;
pub(in crate::db) const HOLD_OWNER: &str = "SELECT pg_advisory_xact_lock($1, hashtext($2))";
pub(in crate::db) const PROCESSED: &str =
    "SELECT COUNT(*) FROM document_entries WHERE owner = $1 AND state = 0";

/// Lets nobody else have more documents of the owner processed until the transaction ends, so that
/// their number is what it seems. It comes first in a transaction. SQLite has one writer anyway.
macro_rules! hold_owner {
    ($db:expr, $tx:ident, $limit:expr) => {
        if let Some($crate::db::documents::ProcessedMax { owner, .. }) = $limit
            && $db.has_many_writers()
        {
            let query = sqlx::query($crate::db::documents::processed::HOLD_OWNER);
            let query = query.bind($crate::db::documents::processed::OWNERS).bind(owner);
            query.execute(&mut *$tx).await?;
        }
    };
}

/// Whether more documents of the owner are processed now than may be.
macro_rules! is_too_many {
    ($tx:ident, $limit:expr) => {
        match $limit {
            None => false,
            Some($crate::db::documents::ProcessedMax { owner, max }) => {
                let query = sqlx::query_as($crate::db::documents::processed::PROCESSED);
                let (count,): (i64,) = query.bind(owner).fetch_one(&mut *$tx).await?;
                count > max
            }
        }
    };
}

pub(in crate::db) use {hold_owner, is_too_many};

impl Db {
    /// How many documents of an owner are processed.
    pub(crate) async fn documents_processed(&self, owner: &str) -> Result<u64, DbError> {
        let (count,): (i64,) =
            reading!(self, |pool| sqlx::query_as(PROCESSED).bind(owner).fetch_one(pool).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    pub(in crate::db) fn has_many_writers(&self) -> bool {
        matches!(self.pools(), Pools::Postgres(_))
    }
}
