//! What is looked after from time to time.

use sqlx::Row as _;

use super::super::{Db, DbError, reading, writing};
use crate::time::Timestamp;

/// A document without a good end: its bytes never came, or it is not removed to its last byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) id: String,
    pub(crate) owner: String,
}

impl Db {
    /// Documents to be looked after, those that have waited longest first.
    pub(crate) async fn due_documents(&self, limit: i64) -> Result<Vec<Due>, DbError> {
        let sql = "SELECT id, owner FROM documents \
                   WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
        let mut due = Vec::new();
        reading!(self, |pool| {
            let query = sqlx::query(sql).bind(Timestamp::now().as_millis()).bind(limit);
            for row in query.fetch_all(pool).await? {
                due.push(Due { id: row.try_get(0)?, owner: row.try_get(1)? });
            }
        });
        Ok(due)
    }

    /// The collections that a document of an owner was in that is being removed, and the last job for
    /// it in each.
    pub(crate) async fn document_places(
        &self,
        owner: &str,
        id: &str,
    ) -> Result<Vec<(String, String)>, DbError> {
        let sql = "SELECT e.collection, e.job FROM document_entries e \
                   JOIN documents d ON d.id = e.document \
                   WHERE e.document = $1 AND e.owner = $2 AND d.state = 2";
        Ok(reading!(self, |pool| sqlx::query_as(sql).bind(id).bind(owner).fetch_all(pool).await?))
    }

    /// Takes a document that is due, so that nobody else does before `again`: one that still arrives
    /// is given up by that. Its generation; nothing if it is not due any more.
    pub(crate) async fn claim_document(
        &self,
        id: &str,
        again: Timestamp,
    ) -> Result<Option<i64>, DbError> {
        let sql = "UPDATE documents SET state = 2, due_at = $3 \
                   WHERE id = $1 AND due_at <= $2 AND state <> 1 RETURNING generation";
        let claimed: Option<(i64,)> = writing!(self, |tx| {
            let query = sqlx::query_as(sql).bind(id).bind(Timestamp::now().as_millis());
            query.bind(again.as_millis()).fetch_optional(&mut *tx).await?
        });
        Ok(claimed.map(|(generation,)| generation))
    }

    /// Notes that what is left of a document that was removed is to be looked for once more.
    pub(crate) async fn look_again_for_document(
        &self,
        id: &str,
        due_at: Timestamp,
    ) -> Result<(), DbError> {
        let sql = "UPDATE documents SET due_at = $2 WHERE id = $1 AND state = 2";
        writing!(self, |tx| {
            sqlx::query(sql).bind(id).bind(due_at.as_millis()).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Forgets a document that was claimed, and of which nothing is left.
    pub(crate) async fn forget_document(&self, id: &str) -> Result<(), DbError> {
        let statements = [
            "DELETE FROM document_callbacks WHERE job IN ( \
               SELECT job FROM document_entries WHERE document = $1)",
            "DELETE FROM document_entries WHERE document = $1",
            "DELETE FROM documents WHERE id = $1 AND state = 2",
        ];
        writing!(self, |tx| {
            for sql in statements {
                sqlx::query(sql).bind(id).execute(&mut *tx).await?;
            }
        });
        Ok(())
    }

    /// The name of the store of objects that belongs to this database, if one does.
    pub(crate) async fn storage(&self) -> Result<Option<String>, DbError> {
        let sql = "SELECT id FROM storage";
        let found: Option<(String,)> =
            reading!(self, |pool| sqlx::query_as(sql).fetch_optional(pool).await?);
        Ok(found.map(|(id,)| id))
    }

    /// Says that a store of objects belongs to this database in the place of the one before, unless
    /// another one does. The one that does.
    pub(crate) async fn adopt_storage(
        &self,
        id: &str,
        before: Option<&str>,
    ) -> Result<String, DbError> {
        let sql = "INSERT INTO storage (number, id) VALUES (1, $1) \
                   ON CONFLICT (number) DO UPDATE SET id = \
                   CASE WHEN storage.id = $2 THEN excluded.id ELSE storage.id END RETURNING id";
        let before = before.unwrap_or_default();
        let (known,): (String,) = writing!(self, |tx| sqlx::query_as(sql)
            .bind(id)
            .bind(before)
            .fetch_one(&mut *tx)
            .await?);
        Ok(known)
    }

    /// Some documents whose bytes are kept, the last ones.
    pub(crate) async fn last_documents(&self, limit: i64) -> Result<Vec<String>, DbError> {
        let sql = "SELECT id FROM documents WHERE state = 1 ORDER BY id DESC LIMIT $1";
        let found: Vec<(String,)> =
            reading!(self, |pool| sqlx::query_as(sql).bind(limit).fetch_all(pool).await?);
        Ok(found.into_iter().map(|(id,)| id).collect())
    }

    /// Whether there is a document whose bytes are kept.
    pub(crate) async fn has_documents(&self) -> Result<bool, DbError> {
        let sql = "SELECT id FROM documents WHERE state = 1 LIMIT 1";
        let found: Option<(String,)> =
            reading!(self, |pool| sqlx::query_as(sql).fetch_optional(pool).await?);
        Ok(found.is_some())
    }

    /// Documents whose time is over: owners and names.
    pub(crate) async fn expired_documents(
        &self,
        limit: i64,
    ) -> Result<Vec<(String, String)>, DbError> {
        let sql = "SELECT owner, id FROM documents \
                   WHERE expires_at <= $1 AND state = 1 ORDER BY expires_at LIMIT $2";
        Ok(reading!(self, |pool| {
            let query = sqlx::query_as(sql).bind(Timestamp::now().as_millis()).bind(limit);
            query.fetch_all(pool).await?
        }))
    }

    /// Documents in collections of which nothing was heard since: owner, collection, document and
    /// job. Each is returned by one call in a while.
    pub(crate) async fn silent_documents(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<(String, String, String, String)>, DbError> {
        let sql = "UPDATE document_entries SET updated_at = $2 WHERE (document, collection) IN ( \
                     SELECT document, collection FROM document_entries \
                     WHERE state = 0 AND updated_at < $1 ORDER BY updated_at LIMIT $3 \
                   ) AND state = 0 AND updated_at < $1 RETURNING owner, collection, document, job";
        Ok(writing!(self, |tx| {
            let query = sqlx::query_as(sql).bind(before.as_millis());
            let query = query.bind(Timestamp::now().as_millis()).bind(limit);
            query.fetch_all(&mut *tx).await?
        }))
    }

    /// Whether a document in a collection may be given other vectors now. Then it may not be again
    /// for so many milliseconds; after each try in vain for twice as long, at most 24 times. It is
    /// that for one who asks.
    pub(crate) async fn may_embed_document(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        pause: i64,
    ) -> Result<bool, DbError> {
        let sql = "UPDATE document_entries SET embed_tries = embed_tries + 1, \
                   embed_after = $5 + $4 * CASE embed_tries WHEN 0 THEN 1 WHEN 1 THEN 2 \
                   WHEN 2 THEN 4 WHEN 3 THEN 8 WHEN 4 THEN 16 ELSE 24 END \
                   WHERE document = $1 AND collection = $2 AND owner = $3 AND state = 1 \
                   AND (embed_after IS NULL OR embed_after <= $5)";
        let found = writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(owner);
            let query = query.bind(pause).bind(Timestamp::now().as_millis());
            query.execute(&mut *tx).await?.rows_affected()
        });
        Ok(found > 0)
    }

    /// Notes that a document in a collection has other vectors.
    pub(crate) async fn document_is_embedded(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        embedded: i64,
    ) -> Result<(), DbError> {
        let sql = "UPDATE document_entries SET embedded = $4, embed_after = NULL, \
                   embed_tries = 0 \
                   WHERE document = $1 AND collection = $2 AND owner = $3 AND state = 1";
        writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(owner).bind(embedded);
            query.execute(&mut *tx).await?;
        });
        Ok(())
    }
}
