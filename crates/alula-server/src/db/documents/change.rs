//! Documents that are changed and removed.

use super::{
    super::{Db, DbError, writing},
    arrive::HAND_OVER,
    processed::{ProcessedMax, hold_owner, is_too_many},
};
use crate::time::Timestamp;

/// What is changed of a document in a collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change<'a> {
    /// All of them, in JSON.
    pub(crate) attributes: Option<&'a str>,
    pub(crate) is_archived: Option<bool>,
}

/// What became of giving a document to another job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restarted {
    Done,
    /// Somebody else was faster, or it is gone.
    TooLate,
    /// Too many of its owner would be processed.
    NoRoom,
}

impl Db {
    /// Changes a document in a collection. Whether it was there.
    pub(crate) async fn change_document(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        change: &Change<'_>,
    ) -> Result<bool, DbError> {
        // What was changed last counts, also when the next version comes.
        let sql = "UPDATE document_entries SET attributes = COALESCE($4, attributes), \
                   next_attributes = CASE WHEN next_attributes IS NOT NULL \
                   THEN COALESCE($4, next_attributes) END, \
                   is_archived = COALESCE($5, is_archived) \
                   WHERE document = $1 AND collection = $2 AND owner = $3";
        let found = writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(owner);
            let query = query.bind(change.attributes).bind(change.is_archived.map(i64::from));
            query.execute(&mut *tx).await?.rows_affected()
        });
        Ok(found > 0)
    }

    /// Gives a document in a collection to another job, if `was` is still the one for it and it has
    /// failed; or, if its text is to be taken out anew, also one that is ready.
    pub(crate) async fn restart_document(
        &self,
        (collection, id): (&str, &str),
        (was, job): (&str, &str),
        is_anew: bool,
        limit: Option<ProcessedMax<'_>>,
    ) -> Result<Restarted, DbError> {
        let (more, and_ready) = if is_anew { (1_i64, 1_i64) } else { (0, 2) };
        // In this order everywhere, so that nobody waits for each other.
        let anew = "UPDATE documents SET generation = generation + $2 WHERE id = $1 AND state = 1";
        // One that is ready is found, whoever has noted that.
        let restart = "UPDATE document_entries SET state = 0, job = $4, updated_at = $5, \
                       is_live = CASE WHEN state = 1 THEN 1 ELSE is_live END, \
                       error_code = NULL, error = NULL \
                       WHERE document = $1 AND collection = $2 AND job = $3 AND state >= $6";
        let _turn = self.owner_turn(limit).await?;
        writing!(self, |tx| {
            hold_owner!(self, tx, limit);
            let held = sqlx::query(anew).bind(id).bind(more).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                return Ok(Restarted::TooLate);
            }
            let query = sqlx::query(restart).bind(id).bind(collection).bind(was).bind(job);
            let query = query.bind(Timestamp::now().as_millis()).bind(and_ready);
            if query.execute(&mut *tx).await?.rows_affected() == 0 {
                // All of it is taken back.
                return Ok(Restarted::TooLate);
            }
            if was != job {
                sqlx::query(HAND_OVER).bind(was).bind(job).execute(&mut *tx).await?;
            }
            if is_too_many!(tx, limit) {
                return Ok(Restarted::NoRoom);
            }
        });
        Ok(Restarted::Done)
    }

    /// Gives a document that is processed to another job, as `was` has left it so. Whether it was so.
    pub(crate) async fn give_document(
        &self,
        (collection, id): (&str, &str),
        (was, job): (&str, &str),
    ) -> Result<bool, DbError> {
        let sql = "UPDATE document_entries SET job = $4, updated_at = $5 \
                   WHERE document = $1 AND collection = $2 AND job = $3 AND state = 0";
        let found = writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(was).bind(job);
            let query = query.bind(Timestamp::now().as_millis());
            query.execute(&mut *tx).await?.rows_affected()
        });
        Ok(found > 0)
    }

    /// Begins to take a document out of a collection: `job` and all others are not for it any more,
    /// and it is as one that has failed until it is out. Whoever waits for the end of the job waits
    /// in vain.
    pub(crate) async fn stop_document(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        job: &str,
    ) -> Result<(), DbError> {
        let stop = "UPDATE document_entries SET state = 2, is_live = 0, job = '', \
                    error_code = 'removed', error = 'It is being taken out' \
                    WHERE document = $1 AND collection = $2 AND owner = $3";
        let callbacks = "DELETE FROM document_callbacks WHERE job = $1";
        writing!(self, |tx| {
            let query = sqlx::query(stop).bind(id).bind(collection).bind(owner);
            query.execute(&mut *tx).await?;
            sqlx::query(callbacks).bind(job).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Takes a document out of a collection that was [stopped](Self::stop_document) there. Whether it
    /// was there, and nobody has put it there again since.
    pub(crate) async fn take_document_out(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
    ) -> Result<bool, DbError> {
        let sql = "DELETE FROM document_entries \
                   WHERE document = $1 AND collection = $2 AND owner = $3 AND job = ''";
        let taken = writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(owner);
            query.execute(&mut *tx).await?.rows_affected()
        });
        Ok(taken > 0)
    }

    /// Removes a document: it is nobody's any more, and none of its jobs goes on. What is left of it
    /// is known, and looked after from `due_at` on, until that is gone for certain. Its generation;
    /// nothing if it was not there.
    pub(crate) async fn remove_document(
        &self,
        owner: &str,
        id: &str,
        due_at: Timestamp,
    ) -> Result<Option<i64>, DbError> {
        let mark = "UPDATE documents SET state = 2, due_at = $3 \
                    WHERE id = $1 AND owner = $2 AND state = 1 RETURNING generation";
        let stop = "UPDATE document_entries SET state = 2, error_code = 'cancelled', \
                    error = 'It was removed' WHERE document = $1 AND state = 0";
        let marked: Option<(i64,)> = writing!(self, |tx| {
            let query = sqlx::query_as(mark).bind(id).bind(owner).bind(due_at.as_millis());
            let marked: Option<(i64,)> = query.fetch_optional(&mut *tx).await?;
            if marked.is_some() {
                sqlx::query(stop).bind(id).execute(&mut *tx).await?;
            }
            marked
        });
        Ok(marked.map(|(generation,)| generation))
    }
}
