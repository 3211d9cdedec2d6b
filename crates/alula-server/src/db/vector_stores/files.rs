//! Files of vector stores: documents, as entries of a collection.

use sqlx::AssertSqlSafe;

use super::ListPart;
use crate::{
    db::{
        Db, DbError,
        documents::{
            ProcessedMax,
            processed::{hold_owner, is_too_many},
        },
        reading, writing,
    },
    time::Timestamp,
};

/// How many rows a statement adds: SQLite takes 32,766 values in one.
const ROWS_PER_INSERT: usize = 500;

/// The code of an entry that somebody has stopped.
const CANCELLED: &str = "cancelled";

/// How it stands with an entry, as [`FileState`] is written.
pub(super) const STATE: &str = "CASE WHEN e.state = 0 THEN 'in_progress' \
                                WHEN e.state = 1 THEN 'completed' \
                                WHEN e.error_code = 'cancelled' THEN 'cancelled' ELSE 'failed' END";

/// A file in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRow {
    pub(crate) store: String,
    /// The document.
    pub(crate) file: String,
    /// When it was put there.
    pub(crate) created_at: Timestamp,
    /// In JSON.
    pub(crate) attributes: String,
    /// In JSON; nothing for the usual way.
    pub(crate) chunking: Option<String>,
    pub(crate) state: FileState,
    /// A code and words.
    pub(crate) error: Option<(String, String)>,
    /// How large the file is.
    pub(crate) bytes: i64,
    /// The last job for it.
    pub(crate) job: String,
}

/// A file that is put into a store.
#[derive(Debug, Clone)]
pub(crate) struct NewFileRow {
    pub(crate) file: String,
    pub(crate) attributes: String,
    pub(crate) chunking: Option<String>,
    pub(crate) job: String,
}

/// What has become of putting files into a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Put {
    Done,
    /// The store is there no more.
    NoStore,
    /// Its owner has no such file.
    NoFile(String),
    /// It would have more files than it may.
    NoRoom,
    /// Too many documents of its owner would be processed.
    TooMany,
}

/// What putting files into a store is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutLimits<'a> {
    pub(crate) now: Timestamp,
    /// How many files the store may have.
    pub(crate) files_max: i64,
    pub(crate) processed: Option<ProcessedMax<'a>>,
}

/// How it stands with a file in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    InProgress,
    Completed,
    Failed,
    Cancelled,
}

impl FileState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => CANCELLED,
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, DbError> {
        let all = [Self::InProgress, Self::Completed, Self::Failed, Self::Cancelled];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or(DbError::Malformed("the state of a file in a vector store"))
    }
}

type Row = (
    String,
    String,
    i64,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    i64,
    String,
);

fn row_of(row: Row) -> Result<FileRow, DbError> {
    let (store, file, created, attributes, chunking, state, code, error, bytes, job) = row;
    Ok(FileRow {
        store,
        file,
        created_at: Timestamp::from_millis(created),
        attributes,
        chunking,
        state: FileState::parse(&state)?,
        error: code.zip(error),
        bytes,
        job,
    })
}

/// The columns of [`Row`], and where they are from. While it is in progress a file has what it shall
/// have at its end.
fn select() -> String {
    let is_next = "e.state = 0 AND e.next_attributes IS NOT NULL";
    format!(
        "SELECT e.collection, e.document, e.created_at, \
         CASE WHEN {is_next} THEN e.next_attributes ELSE e.attributes END, \
         CASE WHEN {is_next} THEN e.next_chunking ELSE e.chunking END, {STATE}, \
         e.error_code, e.error, d.bytes, e.job \
         FROM document_entries e JOIN documents d ON d.id = e.document"
    )
}

/// Places of so many values from this one on.
fn places(first: usize, count: usize) -> String {
    let places = (first..first + count).map(|place| format!("${place}"));
    places.collect::<Vec<_>>().join(", ")
}

/// Holds so many documents of the owner $1, so that nobody removes them meanwhile.
fn hold_documents(count: usize) -> String {
    let ids = places(2, count);
    format!(
        "UPDATE documents SET state = 1 WHERE owner = $1 AND state = 1 AND id IN ({ids}) \
         RETURNING id"
    )
}

/// Puts so many documents into the collection $1 of the owner $2 at the time $3. One that is found
/// there keeps what it has until it is found anew.
fn put_entries(count: usize) -> String {
    let row = |n: usize| format!("($1, $2, 0, $3, $3, {})", places(4 + 4 * n, 4));
    let rows = (0..count).map(row).collect::<Vec<_>>().join(", ");
    let is_found = "(document_entries.is_live = 1 OR document_entries.state = 1)";
    format!(
        "INSERT INTO document_entries (collection, owner, state, created_at, updated_at, document, \
         attributes, chunking, job) VALUES {rows} \
         ON CONFLICT (document, collection) DO UPDATE SET state = 0, \
         updated_at = excluded.updated_at, \
         is_live = CASE WHEN {is_found} THEN 1 ELSE 0 END, \
         attributes = CASE WHEN {is_found} THEN document_entries.attributes \
         ELSE excluded.attributes END, \
         chunking = CASE WHEN {is_found} THEN document_entries.chunking \
         ELSE excluded.chunking END, \
         next_attributes = CASE WHEN {is_found} THEN excluded.attributes END, \
         next_chunking = CASE WHEN {is_found} THEN excluded.chunking END, \
         job = excluded.job, error_code = NULL, error = NULL"
    )
}

/// Notes so many documents of the batch $1.
fn put_batch(count: usize) -> String {
    let rows = (2..count + 2).map(|place| format!("($1, ${place})")).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO vector_store_batch_files (batch, document) VALUES {rows}")
}

impl Db {
    /// Puts files into a store of their owner, all or none, and notes the batch of this id that they
    /// are, if they are one. A file that is there already begins anew. No file comes twice.
    pub(crate) async fn put_vector_store_files(
        &self,
        (owner, store): (&str, &str),
        files: &[NewFileRow],
        batch: Option<&str>,
        limits: PutLimits<'_>,
    ) -> Result<Put, DbError> {
        let PutLimits { now, files_max, processed } = limits;
        let now = now.as_millis();
        // Whoever adds to a store holds its row, so that the number of its files is what it seems.
        let hold = "UPDATE vector_stores SET active_at = $3 \
                    WHERE id = $1 AND owner = $2 AND removed_at IS NULL";
        let count = "SELECT COUNT(*) FROM document_entries WHERE collection = $1";
        let note = "INSERT INTO vector_store_batches (id, store, created_at) VALUES ($1, $2, $3)";
        let _turn = self.owner_turn(processed).await?;
        writing!(self, |tx| {
            hold_owner!(self, tx, processed);
            let query = sqlx::query(hold).bind(store).bind(owner).bind(now);
            if query.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(Put::NoStore);
            }
            if let Some(batch) = batch {
                sqlx::query(note).bind(batch).bind(store).bind(now).execute(&mut *tx).await?;
            }
            for files in files.chunks(ROWS_PER_INSERT) {
                let sql = hold_documents(files.len());
                let query = sqlx::query_as(AssertSqlSafe(&*sql)).bind(owner);
                let query = files.iter().fold(query, |query, file| query.bind(&file.file));
                let held: Vec<(String,)> = query.fetch_all(&mut *tx).await?;
                let is_held = |file: &&NewFileRow| !held.iter().any(|(id,)| *id == file.file);
                if let Some(missing) = files.iter().find(is_held) {
                    return Ok(Put::NoFile(missing.file.clone()));
                }
                let sql = put_entries(files.len());
                let mut query = sqlx::query(AssertSqlSafe(&*sql)).bind(store).bind(owner).bind(now);
                for file in files {
                    query = query.bind(&file.file).bind(&file.attributes).bind(&file.chunking);
                    query = query.bind(&file.job);
                }
                query.execute(&mut *tx).await?;
                if batch.is_some() {
                    let sql = put_batch(files.len());
                    let query = sqlx::query(AssertSqlSafe(&*sql)).bind(batch);
                    let query = files.iter().fold(query, |query, file| query.bind(&file.file));
                    query.execute(&mut *tx).await?;
                }
            }
            let (known,): (i64,) = sqlx::query_as(count).bind(store).fetch_one(&mut *tx).await?;
            if known > files_max {
                return Ok(Put::NoRoom);
            }
            if is_too_many!(tx, processed) {
                return Ok(Put::TooMany);
            }
        });
        Ok(Put::Done)
    }

    /// A file of a store.
    pub(crate) async fn vector_store_file(
        &self,
        store: &str,
        file: &str,
    ) -> Result<Option<FileRow>, DbError> {
        let select = select();
        let sql = format!("{select} WHERE e.collection = $1 AND e.document = $2 AND d.state = 1");
        let row: Option<Row> = reading!(self, |pool| {
            let query = sqlx::query_as(AssertSqlSafe(&*sql)).bind(store).bind(file);
            query.fetch_optional(pool).await?
        });
        row.map(row_of).transpose()
    }

    /// A part of the files of a store, perhaps of a batch, perhaps in a state. They are in the order
    /// in which they were uploaded, so that a list goes on behind a file that is there no more.
    pub(crate) async fn vector_store_files(
        &self,
        (owner, store): (&str, &str),
        batch: Option<&str>,
        state: Option<FileState>,
        part: ListPart<'_>,
    ) -> Result<Vec<FileRow>, DbError> {
        let (behind, in_front, order) = part.operators();
        let select = select();
        let sql = format!(
            "{select} WHERE e.owner = $1 AND e.collection = $2 AND d.state = 1 \
             AND ($3 IS NULL OR {STATE} = $3) \
             AND ($4 IS NULL OR e.document IN \
               (SELECT document FROM vector_store_batch_files WHERE batch = $4)) \
             AND ($5 IS NULL OR e.document {behind} $5) \
             AND ($6 IS NULL OR e.document {in_front} $6) \
             ORDER BY e.document {order} LIMIT $7"
        );
        let rows: Vec<Row> = reading!(self, |pool| {
            let query = sqlx::query_as(AssertSqlSafe(&*sql)).bind(owner).bind(store);
            let query = query.bind(state.map(FileState::as_str)).bind(batch).bind(part.after);
            query.bind(part.before).bind(part.limit).fetch_all(pool).await?
        });
        part.in_order(rows).into_iter().map(row_of).collect()
    }
}
