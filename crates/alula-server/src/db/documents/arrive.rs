//! Documents that come in.

use sqlx::Row as _;

use super::{
    super::{Db, DbError, reading, writing},
    processed::{ProcessedMax, hold_owner, is_too_many},
};
use crate::time::Timestamp;

/// A document whose bytes begin to arrive.
#[derive(Debug, Clone)]
pub(crate) struct NewDocument<'a> {
    pub(crate) id: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) name: &'a str,
    pub(crate) purpose: &'a str,
    /// Whether the same bytes again are the same document.
    pub(crate) is_shared: bool,
    /// When it is to be removed.
    pub(crate) expires_at: Option<Timestamp>,
}

/// What its bytes are, once they are all there.
#[derive(Debug, Clone)]
pub(crate) struct Arrived<'a> {
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) sha256: &'a str,
    pub(crate) bytes: i64,
}

/// What somebody calls a file whose bytes are known, and takes it for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentAs<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a str,
}

/// A document that is put into a collection, by a job of this name.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry<'a> {
    pub(crate) collection: &'a str,
    pub(crate) job: &'a str,
    pub(crate) attributes: &'a str,
    pub(crate) chunking: Option<&'a str>,
    /// Who is told of the end of the job: a name for the address, and the address.
    pub(crate) callback: Option<(&'a str, &'a str)>,
    /// How many documents of its owner may be processed with it; nothing for any number.
    pub(crate) limit: Option<ProcessedMax<'a>>,
}

/// What became of a document whose bytes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Done,
    /// Another one has the same bytes, or it was taken for lost.
    Gone,
    /// Too many of its owner would be processed.
    NoRoom,
}

/// What became of putting a document into a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The job is to be enqueued.
    Begun,
    /// Another job is at it, and tells the callback too.
    Runs(String),
    /// It is there, by this job.
    Ready(String),
    /// The document is not there any more.
    Gone,
    /// Too many of its owner would be processed.
    NoRoom,
}

const ENTER: &str = "INSERT INTO document_entries (document, collection, owner, state, job, \
                     attributes, chunking, created_at, updated_at) \
                     SELECT id, $2, owner, 0, $3, $4, $5, $6, $6 FROM documents \
                     WHERE id = $1 AND state = 1 ON CONFLICT DO NOTHING";
const CALL_BACK: &str = "INSERT INTO document_callbacks (id, job, url) VALUES ($1, $2, $3) \
                         ON CONFLICT DO NOTHING";

/// Those who are to be told of the end of the job `$1` are told of that of `$2`. The names of their
/// messages begin with that of the job.
pub(super) const HAND_OVER: &str = "UPDATE document_callbacks SET job = $2, \
                                    id = $2 || substr(id, length($1) + 1) WHERE job = $1";

impl Db {
    /// Notes that bytes arrive. Until the moment that is given, nobody takes them for lost.
    pub(crate) async fn document_begins(
        &self,
        new: &NewDocument<'_>,
        due_at: Timestamp,
    ) -> Result<(), DbError> {
        let sql = "INSERT INTO documents (id, owner, state, name, purpose, is_shared, created_at, \
                   due_at, expires_at) VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8)";
        writing!(self, |tx| {
            let query = sqlx::query(sql).bind(new.id).bind(new.owner).bind(new.name);
            let query = query.bind(new.purpose).bind(i64::from(new.is_shared));
            let query = query.bind(Timestamp::now().as_millis()).bind(due_at.as_millis());
            query.bind(new.expires_at.map(Timestamp::as_millis)).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Notes that bytes still arrive, and how many there are. Whether the document is still there.
    pub(crate) async fn document_goes_on(
        &self,
        id: &str,
        due_at: Timestamp,
        bytes: u64,
    ) -> Result<bool, DbError> {
        let sql = "UPDATE documents SET due_at = $2, bytes = $3 WHERE id = $1 AND state = 0";
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let found = writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(due_at.as_millis()).bind(bytes);
            query.execute(&mut *tx).await?.rows_affected()
        });
        Ok(found > 0)
    }

    /// How many documents an owner has, and how many bytes these.
    pub(crate) async fn documents_of(&self, owner: &str) -> Result<(i64, i64), DbError> {
        let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM documents \
                   WHERE owner = $1 AND state < 2";
        Ok(reading!(self, |pool| sqlx::query_as(sql).bind(owner).fetch_one(pool).await?))
    }

    /// The shared document of an owner that has these bytes.
    pub(crate) async fn document_of_bytes(
        &self,
        owner: &str,
        sha256: &str,
    ) -> Result<Option<String>, DbError> {
        let sql = "SELECT id FROM documents \
                   WHERE owner = $1 AND sha256 = $2 AND state = 1 AND is_shared = 1";
        let found: Option<(String,)> = reading!(self, |pool| {
            sqlx::query_as(sql).bind(owner).bind(sha256).fetch_optional(pool).await?
        });
        Ok(found.map(|(id,)| id))
    }

    /// Notes that all bytes are there, and puts the document into a collection if one is given. It is
    /// both or nothing.
    pub(crate) async fn document_arrived(
        &self,
        arrived: &Arrived<'_>,
        entry: Option<&NewEntry<'_>>,
    ) -> Result<Settled, DbError> {
        let done = self.try_arrived(arrived, entry).await;
        match done {
            Err(DbError::Statement(sqlx::Error::Database(error)))
                if error.is_unique_violation() =>
            {
                Ok(Settled::Gone)
            }
            done => done,
        }
    }

    async fn try_arrived(
        &self,
        arrived: &Arrived<'_>,
        entry: Option<&NewEntry<'_>>,
    ) -> Result<Settled, DbError> {
        let now = Timestamp::now().as_millis();
        let sql = "UPDATE documents SET state = 1, due_at = NULL, kind = $2, sha256 = $3, \
                   bytes = $4 WHERE id = $1 AND state = 0";
        let Arrived { id, kind, sha256, bytes } = arrived;
        let limit = entry.and_then(|entry| entry.limit);
        let _turn = self.owner_turn(limit).await?;
        writing!(self, |tx| {
            hold_owner!(self, tx, limit);
            let query = sqlx::query(sql).bind(*id).bind(*kind).bind(*sha256).bind(*bytes);
            if query.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(Settled::Gone);
            }
            if let Some(entry) = entry {
                let NewEntry { collection, job, attributes, chunking, callback, .. } = entry;
                let query = sqlx::query(ENTER).bind(*id).bind(*collection).bind(*job);
                let query = query.bind(*attributes).bind(*chunking).bind(now);
                query.execute(&mut *tx).await?;
                if let Some((name, url)) = callback {
                    let id = format!("{job}-{name}");
                    let query = sqlx::query(CALL_BACK).bind(id).bind(*job).bind(*url);
                    query.execute(&mut *tx).await?;
                }
            }
            if is_too_many!(tx, limit) {
                return Ok(Settled::NoRoom);
            }
        });
        Ok(Settled::Done)
    }

    /// Puts a document of an owner into a collection. One that has failed there begins anew, as it
    /// is wanted now and `sent_as` says; of one that is there already, nothing is changed.
    pub(crate) async fn enter_document(
        &self,
        owner: &str,
        id: &str,
        entry: &NewEntry<'_>,
        sent_as: Option<SentAs<'_>>,
    ) -> Result<Entered, DbError> {
        let NewEntry { collection, job, attributes, chunking, callback, limit } = entry;
        let (now, limit) = (Timestamp::now().as_millis(), *limit);
        // Who removes it waits, or was sooner.
        let hold = "UPDATE documents SET state = 1 WHERE id = $1 AND owner = $2 AND state = 1";
        let look = "UPDATE document_entries SET updated_at = $3 \
                    WHERE document = $1 AND collection = $2 RETURNING state, job";
        let again = "UPDATE document_entries SET state = 0, job = $3, attributes = $4, \
                     chunking = $5, next_attributes = NULL, next_chunking = NULL, \
                     error_code = NULL, error = NULL \
                     WHERE document = $1 AND collection = $2";
        // The text is taken out anew where it would be another one.
        let sent = "UPDATE documents SET name = $2, kind = $3, \
                    generation = generation + CASE WHEN kind = $3 THEN 0 ELSE 1 END \
                    WHERE id = $1";
        let _turn = self.owner_turn(limit).await?;
        let entered = writing!(self, |tx| {
            hold_owner!(self, tx, limit);
            let held = sqlx::query(hold).bind(id).bind(owner).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                return Ok(Entered::Gone);
            }
            let query = sqlx::query(ENTER).bind(id).bind(*collection).bind(*job);
            let query = query.bind(*attributes).bind(*chunking).bind(now);
            let is_new = query.execute(&mut *tx).await?.rows_affected() > 0;
            let mut entered = Entered::Begun;
            if !is_new {
                let query = sqlx::query(look).bind(id).bind(*collection).bind(now);
                let row = query.fetch_one(&mut *tx).await?;
                let (state, known): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
                entered = match state {
                    0 => Entered::Runs(known.clone()),
                    1 => Entered::Ready(known.clone()),
                    _ => Entered::Begun,
                };
                if entered == Entered::Begun {
                    let query = sqlx::query(again).bind(id).bind(*collection).bind(*job);
                    query.bind(*attributes).bind(*chunking).execute(&mut *tx).await?;
                    // Who was told that it has failed is told what becomes of it.
                    let query = sqlx::query(HAND_OVER).bind(&known).bind(*job);
                    query.execute(&mut *tx).await?;
                    if let Some(SentAs { name, kind }) = sent_as {
                        let query = sqlx::query(sent).bind(id).bind(name).bind(kind);
                        query.execute(&mut *tx).await?;
                    }
                }
            }
            let teller = match &entered {
                Entered::Begun => Some(*job),
                Entered::Runs(job) => Some(job.as_str()),
                _ => None,
            };
            if let (Some(teller), Some((name, url))) = (teller, callback) {
                let id = format!("{teller}-{name}");
                let query = sqlx::query(CALL_BACK).bind(id).bind(teller).bind(*url);
                query.execute(&mut *tx).await?;
            }
            if entered == Entered::Begun && is_too_many!(tx, limit) {
                return Ok(Entered::NoRoom);
            }
            entered
        });
        Ok(entered)
    }

    /// Forgets a document whose bytes did not come, when its object is gone.
    pub(crate) async fn document_is_given_up(&self, id: &str) -> Result<(), DbError> {
        let sql = "DELETE FROM documents WHERE id = $1 AND state = 0";
        writing!(self, |tx| {
            sqlx::query(sql).bind(id).execute(&mut *tx).await?;
        });
        Ok(())
    }
}
