//! What the jobs of documents note.

use sqlx::Row as _;

use super::{
    super::{Db, DbError, reading, writing},
    Found,
};
use crate::time::Timestamp;

impl Db {
    /// Notes that a job is at a document of a collection, and returns it; nothing if it was removed,
    /// or another job is for it now.
    pub(crate) async fn document_step(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        job: &str,
    ) -> Result<Option<Found>, DbError> {
        // One that is ready may be so by this very step, made twice.
        let sql = "UPDATE document_entries SET updated_at = $5, \
                   state = CASE WHEN state = 2 THEN 0 ELSE state END, \
                   error_code = NULL, error = NULL \
                   WHERE document = $1 AND collection = $2 AND owner = $3 AND job = $4 \
                   AND EXISTS (SELECT 1 FROM documents WHERE id = $1 AND state = 1)";
        let found = writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(owner).bind(job);
            let query = query.bind(Timestamp::now().as_millis());
            query.execute(&mut *tx).await?.rows_affected()
        });
        match found {
            0 => Ok(None),
            _ => self.document_in(owner, collection, id).await,
        }
    }

    /// Notes how much text there is.
    pub(crate) async fn document_has_text(
        &self,
        id: &str,
        pages: Option<i64>,
        characters: i64,
    ) -> Result<(), DbError> {
        let sql = "UPDATE documents SET pages = $2, characters = $3 WHERE id = $1";
        writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(pages).bind(characters);
            query.execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Notes how many chunks there are.
    pub(crate) async fn document_has_chunks(
        &self,
        collection: &str,
        id: &str,
        job: &str,
        chunks: i64,
    ) -> Result<(), DbError> {
        // Of one that is found, those that are found are counted.
        let sql = "UPDATE document_entries SET chunks = $4 \
                   WHERE document = $1 AND collection = $2 AND job = $3 AND is_live = 0";
        writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(job).bind(chunks);
            query.execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Notes why a job is about to fail for good.
    pub(crate) async fn document_fails(
        &self,
        collection: &str,
        id: &str,
        job: &str,
        (code, error): (&str, &str),
    ) -> Result<(), DbError> {
        let sql = "UPDATE document_entries SET error_code = $4, error = $5 \
                   WHERE document = $1 AND collection = $2 AND job = $3";
        writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(job);
            query.bind(code).bind(error).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Notes that a document is found, with so many chunks, of which so many have vectors. Whether
    /// it was still the job's; if another job is for it now, that one finds it ready to be found.
    pub(crate) async fn document_is_ready(
        &self,
        collection: &str,
        id: &str,
        job: &str,
        (chunks, embedded): (i64, i64),
    ) -> Result<bool, DbError> {
        let sql = "UPDATE document_entries SET state = 1, is_live = 1, chunks = $4, \
                   embedded = $5, updated_at = $6, embed_after = NULL, embed_tries = 0, \
                   attributes = COALESCE(next_attributes, attributes), \
                   chunking = CASE WHEN next_attributes IS NULL THEN chunking \
                   ELSE next_chunking END, next_attributes = NULL, next_chunking = NULL, \
                   error_code = NULL, error = NULL \
                   WHERE document = $1 AND collection = $2 AND job = $3";
        let of_another = "UPDATE document_entries SET is_live = 1 \
                          WHERE document = $1 AND collection = $2 AND state = 0";
        let found = writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(job);
            let query = query.bind(chunks).bind(embedded).bind(Timestamp::now().as_millis());
            let found = query.execute(&mut *tx).await?.rows_affected();
            if found == 0 {
                sqlx::query(of_another).bind(id).bind(collection).execute(&mut *tx).await?;
            }
            found
        });
        Ok(found > 0)
    }

    /// Notes that the job of a document has ended without its work being done, with the reason if
    /// none is known. One of which a version is found is ready as it was.
    pub(crate) async fn document_has_failed(
        &self,
        collection: &str,
        id: &str,
        job: &str,
        (code, error): (&str, &str),
    ) -> Result<(), DbError> {
        let sql = "UPDATE document_entries SET state = CASE WHEN is_live = 1 THEN 1 ELSE 2 END, \
                   updated_at = $6, error_code = COALESCE(error_code, $4), error = COALESCE(error, $5) \
                   WHERE document = $1 AND collection = $2 AND job = $3 AND state = 0";
        writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(job);
            let query = query.bind(code).bind(error).bind(Timestamp::now().as_millis());
            query.execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Who is to be told of the end of a job: names of that, and addresses.
    pub(crate) async fn document_callbacks(
        &self,
        job: &str,
    ) -> Result<Vec<(String, String)>, DbError> {
        let sql = "SELECT id, url FROM document_callbacks WHERE job = $1 ORDER BY id";
        Ok(reading!(self, |pool| sqlx::query_as(sql).bind(job).fetch_all(pool).await?))
    }

    /// Forgets those, as messages are on their way to them.
    pub(crate) async fn forget_document_callbacks(&self, ids: &[String]) -> Result<(), DbError> {
        let sql = "DELETE FROM document_callbacks WHERE id = $1";
        writing!(self, |tx| {
            for id in ids {
                sqlx::query(sql).bind(id).execute(&mut *tx).await?;
            }
        });
        Ok(())
    }

    /// Where a document of a collection is, and the reason if its last job has failed.
    pub(crate) async fn document_outcome(
        &self,
        collection: &str,
        id: &str,
    ) -> Result<Option<(super::EntryState, Option<(String, String)>)>, DbError> {
        let sql = "SELECT e.state, e.error_code, e.error FROM document_entries e \
                   JOIN documents d ON d.id = e.document \
                   WHERE e.document = $1 AND e.collection = $2 AND d.state = 1";
        Ok(reading!(self, |pool| {
            let row = sqlx::query(sql).bind(id).bind(collection).fetch_optional(pool).await?;
            match row {
                Some(row) => {
                    let code: Option<String> = row.try_get(1)?;
                    let error: Option<String> = row.try_get(2)?;
                    Some((super::EntryState::of(row.try_get(0)?), code.zip(error)))
                }
                None => None,
            }
        }))
    }
}
