//! How many documents of an owner are processed at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::OwnedMutexGuard, time::timeout};

use super::super::{Db, DbError, Pools, reading};

/// How long a request waits for others of its owner.
const TURN: Duration = Duration::from_secs(5);

/// How many documents of an owner may be processed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessedMax<'a> {
    pub(crate) owner: &'a str,
    pub(crate) max: i64,
}

/// Owners for whom this process begins to have documents processed, one transaction for each at a
/// time: who waits for the others of an owner waits here, and keeps no connection from anybody.
#[derive(Debug, Clone, Default)]
pub(in crate::db) struct Owners(Arc<Mutex<HashMap<String, Turns>>>);

type Turns = Arc<tokio::sync::Mutex<()>>;

impl Owners {
    fn of(&self, owner: &str) -> Turns {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of those who do nothing nothing is kept.
        known.retain(|_, turns| Arc::strong_count(turns) > 1);
        known.entry(owner.to_owned()).or_default().clone()
    }
}

/// Which owner a lock of Postgres is of, beside the other locks of a database.
pub(in crate::db) const OWNERS: i32 = 0x616c_756d;
pub(in crate::db) const HOLD_OWNER: &str = "SELECT pg_advisory_xact_lock($1, hashtext($2))";
pub(in crate::db) const PROCESSED: &str =
    "SELECT COUNT(*) FROM document_entries WHERE owner = $1 AND state = 0";

/// Lets no other process have more documents of the owner processed until the transaction ends, so
/// that their number is what it seems. It comes first in a transaction, and [`Db::owner_turn`] before
/// that. SQLite has one writer anyway.
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

    /// The turn of an owner, until it is dropped; nothing where there is nothing to be counted.
    ///
    /// # Errors
    ///
    /// If it does not come in time, as the database is away from those before it.
    pub(in crate::db) async fn owner_turn(
        &self,
        limit: Option<ProcessedMax<'_>>,
    ) -> Result<Option<OwnedMutexGuard<()>>, DbError> {
        let Some(limit) = limit else { return Ok(None) };
        let turn = timeout(TURN, self.owners.of(limit.owner).lock_owned());
        turn.await.map(Some).map_err(|_| DbError::TooSlow(TURN))
    }

    pub(in crate::db) fn has_many_writers(&self) -> bool {
        matches!(self.pools(), Pools::Postgres(_))
    }
}
