//! Vector stores, and which files are in them.

mod batches;
mod files;

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use self::files::STATE;
pub(crate) use self::{
    batches::{BatchRow, Cancelled},
    files::{FileRow, FileState, NewFileRow, Put, PutLimits},
};
use super::{Db, DbError, reading, writing};
use crate::time::Timestamp;

/// A day, in milliseconds.
const DAY: i64 = 24 * 3600 * 1000;

/// A vector store, without its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VectorStoreRow {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// In JSON.
    pub(crate) metadata: String,
    pub(crate) created_at: Timestamp,
    /// When it was last searched or changed.
    pub(crate) active_at: Timestamp,
    /// After so many days without that it is removed.
    pub(crate) expires_days: Option<i64>,
}

impl VectorStoreRow {
    /// When it is removed unless it is used before.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        let after = self.expires_days?.saturating_mul(DAY);
        Some(Timestamp::from_millis(self.active_at.as_millis().saturating_add(after)))
    }
}

/// What is to be changed of a vector store; the rest stays.
#[derive(Debug, Default)]
pub(crate) struct VectorStoreChange {
    pub(crate) name: Option<String>,
    pub(crate) metadata: Option<String>,
    pub(crate) expires_days: Option<Option<i64>>,
}

/// How many files of a store or of a batch there are, and what they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FileCounts {
    pub(crate) in_progress: i64,
    pub(crate) completed: i64,
    pub(crate) failed: i64,
    pub(crate) cancelled: i64,
    pub(crate) usage_bytes: i64,
}

impl FileCounts {
    pub(crate) fn total(&self) -> i64 {
        self.in_progress + self.completed + self.failed + self.cancelled
    }

    /// Adds files of a state, and their bytes.
    fn add(&mut self, (state, count, bytes): (&str, i64, i64)) -> Result<(), DbError> {
        let of_state = match FileState::parse(state)? {
            FileState::InProgress => &mut self.in_progress,
            FileState::Completed => {
                self.usage_bytes += bytes;
                &mut self.completed
            }
            FileState::Failed => &mut self.failed,
            FileState::Cancelled => &mut self.cancelled,
        };
        *of_state += count;
        Ok(())
    }
}

/// A part of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListPart<'a> {
    /// Only what comes behind this one.
    pub(crate) after: Option<&'a str>,
    /// Only what comes in front of this one: the nearest, unless there is an `after` too.
    pub(crate) before: Option<&'a str>,
    pub(crate) limit: i64,
    /// Whether the oldest come first.
    pub(crate) is_ascending: bool,
}

impl ListPart<'_> {
    /// Whether the rows are read from the end of the part.
    fn is_backward(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }

    /// How a place compares to one that comes before it in the list, how to one that comes behind,
    /// and the order in which the rows are read.
    pub(super) fn operators(&self) -> (&'static str, &'static str, &'static str) {
        let (behind, in_front) = if self.is_ascending { (">", "<") } else { ("<", ">") };
        let order = if self.is_ascending == self.is_backward() { "DESC" } else { "ASC" };
        (behind, in_front, order)
    }

    /// The same with one more, which tells whether there are more.
    pub(crate) fn and_one_more(self) -> Self {
        Self { limit: self.limit.saturating_add(1), ..self }
    }

    /// Takes out that one. Returns whether it was there.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>) -> bool {
        let has_more = i64::try_from(rows.len()).is_ok_and(|length| length > self.limit);
        if has_more {
            // It is the one that was read last.
            rows.remove(if self.is_backward() { 0 } else { rows.len() - 1 });
        }
        has_more
    }

    /// Rows as they were read, in the order of the list.
    pub(super) fn in_order<T>(&self, mut rows: Vec<T>) -> Vec<T> {
        if self.is_backward() {
            rows.reverse();
        }
        rows
    }
}

type Row = (String, String, String, Option<String>, String, i64, i64, Option<i64>);

impl From<Row> for VectorStoreRow {
    fn from((id, owner, name, description, metadata, created, active, expires_days): Row) -> Self {
        let (created_at, active_at) =
            (Timestamp::from_millis(created), Timestamp::from_millis(active));
        Self { id, owner, name, description, metadata, created_at, active_at, expires_days }
    }
}

const COLUMNS: &str = "id, owner, name, description, metadata, created_at, active_at, expires_days";

impl Db {
    /// Adds a store, unless its owner has that many. Returns whether it was added.
    pub(crate) async fn add_vector_store(
        &self,
        store: &VectorStoreRow,
        max: i64,
    ) -> Result<bool, DbError> {
        let count = "SELECT COUNT(*) FROM vector_stores WHERE owner = $1 AND removed_at IS NULL";
        let sql = format!(
            "INSERT INTO vector_stores ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        );
        let has_room = writing!(self, |tx| {
            let (known,): (i64,) =
                sqlx::query_as(count).bind(&store.owner).fetch_one(&mut *tx).await?;
            if known < max {
                let query = sqlx::query(AssertSqlSafe(&*sql)).bind(&store.id).bind(&store.owner);
                let query = query.bind(&store.name).bind(&store.description);
                let query = query.bind(&store.metadata).bind(store.created_at.as_millis());
                let query = query.bind(store.active_at.as_millis()).bind(store.expires_days);
                query.execute(&mut *tx).await?;
            }
            known < max
        });
        Ok(has_room)
    }

    /// One of this owner's.
    pub(crate) async fn vector_store(
        &self,
        owner: &str,
        id: &str,
    ) -> Result<Option<VectorStoreRow>, DbError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM vector_stores \
             WHERE owner = $1 AND id = $2 AND removed_at IS NULL"
        );
        let row: Option<Row> = reading!(self, |pool| {
            let query = sqlx::query_as(AssertSqlSafe(&*sql)).bind(owner).bind(id);
            query.fetch_optional(pool).await?
        });
        Ok(row.map(Into::into))
    }

    /// A part of this owner's.
    pub(crate) async fn vector_stores(
        &self,
        owner: &str,
        part: ListPart<'_>,
    ) -> Result<Vec<VectorStoreRow>, DbError> {
        let (behind, in_front, order) = part.operators();
        let sql = format!(
            "SELECT {COLUMNS} FROM vector_stores WHERE owner = $1 AND removed_at IS NULL \
             AND ($2 IS NULL OR id {behind} $2) AND ($3 IS NULL OR id {in_front} $3) \
             ORDER BY id {order} LIMIT $4"
        );
        let rows: Vec<Row> = reading!(self, |pool| {
            let query = sqlx::query_as(AssertSqlSafe(&*sql)).bind(owner).bind(part.after);
            query.bind(part.before).bind(part.limit).fetch_all(pool).await?
        });
        Ok(part.in_order(rows).into_iter().map(Into::into).collect())
    }

    /// How many files each of these stores has; those without any are left out.
    pub(crate) async fn vector_store_counts(
        &self,
        stores: &[&str],
    ) -> Result<HashMap<String, FileCounts>, DbError> {
        if stores.is_empty() {
            return Ok(HashMap::new());
        }
        let places = (1..=stores.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        // Of `SUM` Postgres makes a type of its own.
        let sql = format!(
            "SELECT e.collection, {STATE}, COUNT(*), CAST(SUM(d.bytes) AS BIGINT) \
             FROM document_entries e JOIN documents d ON d.id = e.document \
             WHERE e.collection IN ({places}) AND d.state = 1 GROUP BY e.collection, {STATE}"
        );
        let rows: Vec<(String, String, i64, i64)> = reading!(self, |pool| {
            let query = sqlx::query_as(AssertSqlSafe(&*sql));
            stores.iter().fold(query, |query, store| query.bind(*store)).fetch_all(pool).await?
        });
        let mut all: HashMap<String, FileCounts> = HashMap::new();
        for (store, state, count, bytes) in rows {
            all.entry(store).or_default().add((&state, count, bytes))?;
        }
        Ok(all)
    }

    /// Changes one of this owner's, which counts as a use.
    pub(crate) async fn change_vector_store(
        &self,
        owner: &str,
        id: &str,
        change: &VectorStoreChange,
        now: Timestamp,
    ) -> Result<Option<VectorStoreRow>, DbError> {
        let sql = format!(
            "UPDATE vector_stores SET name = COALESCE($3, name), \
             metadata = COALESCE($4, metadata), \
             expires_days = CASE WHEN $5 = 1 THEN $6 ELSE expires_days END, active_at = $7 \
             WHERE owner = $1 AND id = $2 AND removed_at IS NULL RETURNING {COLUMNS}"
        );
        let expires_days = change.expires_days.flatten();
        let row: Option<Row> = writing!(self, |tx| {
            let query = sqlx::query_as(AssertSqlSafe(&*sql)).bind(owner).bind(id);
            let query = query.bind(&change.name).bind(&change.metadata);
            let query = query.bind(i64::from(change.expires_days.is_some())).bind(expires_days);
            query.bind(now.as_millis()).fetch_optional(&mut *tx).await?
        });
        Ok(row.map(Into::into))
    }

    /// Notes that a store was used.
    pub(crate) async fn use_vector_store(&self, id: &str, now: Timestamp) -> Result<(), DbError> {
        let sql = "UPDATE vector_stores SET active_at = $2 WHERE id = $1 AND active_at < $2";
        writing!(self, |tx| {
            sqlx::query(sql).bind(id).bind(now.as_millis()).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Lets nobody find a store any more, and takes all files out of it: jobs that are at these
    /// notice that. Returns whether it was there.
    pub(crate) async fn hide_vector_store(
        &self,
        owner: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let hide = "UPDATE vector_stores SET removed_at = $3 \
                    WHERE owner = $1 AND id = $2 AND removed_at IS NULL";
        let empty = "DELETE FROM document_entries WHERE collection = $1";
        let is_hidden = writing!(self, |tx| {
            let query = sqlx::query(hide).bind(owner).bind(id).bind(now.as_millis());
            let is_hidden = query.execute(&mut *tx).await?.rows_affected() > 0;
            if is_hidden {
                sqlx::query(empty).bind(id).execute(&mut *tx).await?;
            }
            is_hidden
        });
        Ok(is_hidden)
    }

    /// Stores that nobody has used for as long as they may be, a few of them.
    pub(crate) async fn expired_vector_stores(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<VectorStoreRow>, DbError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM vector_stores WHERE removed_at IS NULL \
             AND expires_days IS NOT NULL AND active_at + expires_days * {DAY} <= $1 LIMIT $2"
        );
        let rows: Vec<Row> = reading!(self, |pool| {
            let query = sqlx::query_as(AssertSqlSafe(&*sql)).bind(now.as_millis());
            query.bind(limit).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Stores that nobody finds any more, a few of them, the one that was hidden first in front: their
    /// owners, ids, and since when.
    pub(crate) async fn hidden_vector_stores(
        &self,
        limit: i64,
    ) -> Result<Vec<(String, String, Timestamp)>, DbError> {
        let sql = "SELECT owner, id, removed_at FROM vector_stores \
                   WHERE removed_at IS NOT NULL ORDER BY removed_at LIMIT $1";
        let rows: Vec<(String, String, i64)> =
            reading!(self, |pool| sqlx::query_as(sql).bind(limit).fetch_all(pool).await?);
        let since = |(owner, id, since)| (owner, id, Timestamp::from_millis(since));
        Ok(rows.into_iter().map(since).collect())
    }

    /// Forgets a store that is hidden, with its batches.
    pub(crate) async fn forget_vector_store(&self, id: &str) -> Result<(), DbError> {
        let sql = "DELETE FROM vector_stores WHERE id = $1 AND removed_at IS NOT NULL";
        writing!(self, |tx| {
            sqlx::query(sql).bind(id).execute(&mut *tx).await?;
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
