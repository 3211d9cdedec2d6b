//! Files that were put into a vector store at once.

use sqlx::AssertSqlSafe;

use super::{FileCounts, STATE};
use crate::{
    db::{Db, DbError, reading, writing},
    time::Timestamp,
};

/// A file that is not indexed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cancelled {
    pub(crate) document: String,
    pub(crate) job: String,
    /// Whether it is found as it was before.
    pub(crate) is_found: bool,
}

/// Files that were put into a store at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchRow {
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    /// Whether somebody has cancelled it.
    pub(crate) is_cancelled: bool,
    pub(crate) counts: FileCounts,
}

impl Db {
    /// A batch of a store, with how it stands with its files. One that was taken out meanwhile counts
    /// as cancelled.
    pub(crate) async fn vector_store_batch(
        &self,
        store: &str,
        id: &str,
    ) -> Result<Option<BatchRow>, DbError> {
        let find = "SELECT created_at, is_cancelled FROM vector_store_batches \
                    WHERE store = $1 AND id = $2";
        let state = format!("CASE WHEN e.document IS NULL THEN 'cancelled' ELSE {STATE} END");
        let count = format!(
            "SELECT {state}, COUNT(*), CAST(COALESCE(SUM(d.bytes), 0) AS BIGINT) \
             FROM vector_store_batch_files b \
             LEFT JOIN document_entries e ON e.collection = $1 AND e.document = b.document \
             LEFT JOIN documents d ON d.id = b.document WHERE b.batch = $2 GROUP BY {state}"
        );
        let found: Option<(i64, i64)> = reading!(self, |pool| {
            sqlx::query_as(find).bind(store).bind(id).fetch_optional(pool).await?
        });
        let Some((created, is_cancelled)) = found else { return Ok(None) };
        let rows: Vec<(String, i64, i64)> = reading!(self, |pool| {
            let query = sqlx::query_as(AssertSqlSafe(&*count)).bind(store).bind(id);
            query.fetch_all(pool).await?
        });
        let mut counts = FileCounts::default();
        for (state, count, bytes) in &rows {
            counts.add((state, *count, *bytes))?;
        }
        Ok(Some(BatchRow {
            id: id.to_owned(),
            created_at: Timestamp::from_millis(created),
            is_cancelled: is_cancelled != 0,
            counts,
        }))
    }

    /// Cancels what is in progress of a batch, and returns it; what was found before is found as it
    /// was. Its jobs notice that, as they are not for these files any more.
    pub(crate) async fn cancel_vector_store_batch(
        &self,
        store: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Vec<Cancelled>, DbError> {
        let note = "UPDATE vector_store_batches SET is_cancelled = 1 WHERE store = $1 AND id = $2";
        let open = "WHERE collection = $1 AND state = 0 AND document IN \
                    (SELECT document FROM vector_store_batch_files WHERE batch = $2)";
        let find = format!("SELECT document, job, is_live FROM document_entries {open}");
        let cancel = format!(
            "UPDATE document_entries SET state = CASE WHEN is_live = 1 THEN 1 ELSE 2 END, \
             job = '', updated_at = $3, next_attributes = NULL, next_chunking = NULL, \
             error_code = 'cancelled', error = 'It was cancelled' {open}"
        );
        let open: Vec<(String, String, i64)> = writing!(self, |tx| {
            sqlx::query(note).bind(store).bind(id).execute(&mut *tx).await?;
            let query = sqlx::query_as(AssertSqlSafe(&*find)).bind(store).bind(id);
            let open: Vec<(String, String, i64)> = query.fetch_all(&mut *tx).await?;
            let query = sqlx::query(AssertSqlSafe(&*cancel)).bind(store).bind(id);
            query.bind(now.as_millis()).execute(&mut *tx).await?;
            open
        });
        let cancelled = open.into_iter().map(|(document, job, is_live)| Cancelled {
            document,
            job,
            is_found: is_live != 0,
        });
        Ok(cancelled.collect())
    }
}
