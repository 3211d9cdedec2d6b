//! What clients of vector stores read, in OpenAI's words.

use alula::prelude::*;
use alula_rag::{Attributes, Chunker};
use serde_json::{Map, Value};

use super::wire::{ExpiresAfter, FileStatus, StaticChunking};
use crate::{
    db::{BatchRow, FileCounts, FileRow, FileState},
    services::vector_stores::StoreView,
};

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(crate) struct Page<T> {
    /// `list`.
    object: &'static str,
    data: Vec<T>,
    /// The id of the first one.
    first_id: Option<String>,
    /// The id of the last one: what to give as `after` for the next page.
    last_id: Option<String>,
    /// Whether there are more.
    has_more: bool,
}

impl<T> Page<T> {
    pub(crate) fn new(data: Vec<T>, has_more: bool, id: impl Fn(&T) -> &str) -> Self {
        let (first_id, last_id) = (data.first(), data.last());
        let [first_id, last_id] = [first_id, last_id].map(|it| it.map(|it| id(it).to_owned()));
        Self { object: "list", data, first_id, last_id, has_more }
    }
}

/// How many files there are of each status.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "VectorStoreFileCounts")]
pub(super) struct Counts {
    in_progress: i64,
    completed: i64,
    failed: i64,
    cancelled: i64,
    total: i64,
}

impl From<FileCounts> for Counts {
    fn from(counts: FileCounts) -> Self {
        let FileCounts { in_progress, completed, failed, cancelled, .. } = counts;
        Self { in_progress, completed, failed, cancelled, total: counts.total() }
    }
}

/// A vector store: files that are searched together.
#[derive(Serialize, JsonSchema)]
pub(super) struct VectorStore {
    pub(super) id: String,
    /// `vector_store`.
    object: &'static str,
    /// When it was made, in seconds since 1970, as all times here.
    created_at: i64,
    name: String,
    description: Option<String>,
    /// How large the files are that are found.
    usage_bytes: i64,
    file_counts: Counts,
    /// `in_progress` while files are being indexed, `completed`, or `expired`.
    status: &'static str,
    expires_after: Option<ExpiresAfter>,
    /// When it is removed unless it is used before.
    expires_at: Option<i64>,
    /// When it was last searched or changed.
    last_active_at: i64,
    metadata: Map<String, Value>,
}

impl From<StoreView> for VectorStore {
    fn from(view: StoreView) -> Self {
        let StoreView { row, counts, is_expired } = view;
        Self {
            object: "vector_store",
            created_at: seconds(row.created_at.as_millis()),
            usage_bytes: counts.usage_bytes,
            status: match counts.in_progress {
                _ if is_expired => "expired",
                0 => "completed",
                _ => "in_progress",
            },
            file_counts: counts.into(),
            expires_after: row.expires_days.map(ExpiresAfter::days),
            expires_at: row.expires_at().map(|it| seconds(it.as_millis())),
            last_active_at: seconds(row.active_at.as_millis()),
            metadata: serde_json::from_str(&row.metadata).unwrap_or_default(),
            id: row.id,
            name: row.name,
            description: row.description,
        }
    }
}

/// What has become of something that was to be removed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Removed {
    id: String,
    /// What it was.
    object: &'static str,
    /// `true`.
    deleted: bool,
}

impl Removed {
    pub(crate) fn new(id: String, object: &'static str) -> Self {
        Self { id, object, deleted: true }
    }
}

impl From<FileState> for FileStatus {
    fn from(state: FileState) -> Self {
        match state {
            FileState::InProgress => Self::InProgress,
            FileState::Completed => Self::Completed,
            FileState::Failed => Self::Failed,
            FileState::Cancelled => Self::Cancelled,
        }
    }
}

/// A file in a vector store.
#[derive(Serialize, JsonSchema)]
pub(super) struct VectorStoreFile {
    pub(super) id: String,
    /// `vector_store.file`.
    object: &'static str,
    /// When it was put there.
    created_at: i64,
    vector_store_id: String,
    pub(super) status: FileStatus,
    /// Why it failed.
    last_error: Option<LastError>,
    /// How large the file is, once it is found.
    usage_bytes: i64,
    #[schemars(with = "Map<String, Value>")]
    attributes: Attributes,
    chunking_strategy: UsedChunking,
}

/// Why a file could not be indexed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "VectorStoreFileError")]
struct LastError {
    /// `unsupported_file`, `invalid_file` or `server_error`.
    code: &'static str,
    message: String,
}

/// How a file was cut into chunks.
#[derive(Serialize, JsonSchema)]
struct UsedChunking {
    /// `static`.
    r#type: &'static str,
    r#static: StaticChunking,
}

impl From<FileRow> for VectorStoreFile {
    fn from(row: FileRow) -> Self {
        let usage_bytes = if row.state == FileState::Completed { row.bytes } else { 0 };
        let sizes = row.chunking.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            id: row.file,
            object: "vector_store.file",
            created_at: seconds(row.created_at.as_millis()),
            vector_store_id: row.store,
            status: row.state.into(),
            last_error: row.error.filter(|_| row.state == FileState::Failed).map(LastError::from),
            usage_bytes,
            attributes: serde_json::from_str(&row.attributes).unwrap_or_default(),
            chunking_strategy: UsedChunking {
                r#type: "static",
                r#static: sizes.unwrap_or_else(|| Chunker::default().into()),
            },
        }
    }
}

impl From<(String, String)> for LastError {
    fn from((code, message): (String, String)) -> Self {
        let told = match &*code {
            "unsupported_type" | "wrong_kind" => "unsupported_file",
            "encrypted"
            | "encrypted_or_no_text"
            | "damaged"
            | "too_large"
            | "took_too_long"
            | "out_of_memory"
            | "crashed" => "invalid_file",
            _ => "server_error",
        };
        Self { code: told, message }
    }
}

/// Files that were put into a vector store at once.
#[derive(Serialize, JsonSchema)]
pub(super) struct VectorStoreFileBatch {
    id: String,
    /// `vector_store.files_batch`.
    object: &'static str,
    created_at: i64,
    vector_store_id: String,
    /// `in_progress`, `completed` when all have ended, `failed` if all have failed, or `cancelled`.
    pub(super) status: &'static str,
    file_counts: Counts,
}

impl VectorStoreFileBatch {
    pub(super) fn new(store: String, batch: BatchRow) -> Self {
        let BatchRow { id, created_at, is_cancelled, counts } = batch;
        Self {
            id,
            object: "vector_store.files_batch",
            created_at: seconds(created_at.as_millis()),
            vector_store_id: store,
            status: match counts {
                _ if is_cancelled => "cancelled",
                FileCounts { in_progress: 1.., .. } => "in_progress",
                FileCounts { failed, .. } if failed == counts.total() => "failed",
                FileCounts { .. } => "completed",
            },
            file_counts: counts.into(),
        }
    }
}

/// Milliseconds, as OpenAI counts time.
pub(crate) fn seconds(millis: i64) -> i64 {
    millis.div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_batch_has_ended_when_all_of_it_has() {
        let status = |is_cancelled, in_progress, completed, failed| {
            let counts = FileCounts { in_progress, completed, failed, ..Default::default() };
            let created_at = Timestamp::from_millis(1999);
            let row = BatchRow { id: "b".to_owned(), created_at, is_cancelled, counts };
            let batch = VectorStoreFileBatch::new("s".to_owned(), row);
            assert_eq!(batch.created_at, 1);
            batch.status
        };
        assert_eq!(status(false, 1, 1, 0), "in_progress");
        assert_eq!(status(false, 0, 1, 1), "completed");
        assert_eq!(status(false, 0, 0, 2), "failed");
        assert_eq!(status(true, 0, 1, 0), "cancelled");
    }
}
