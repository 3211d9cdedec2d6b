//! Rows of the tables, read.

use serde::{Serialize, de::DeserializeOwned};

use super::Row;
use crate::{
    Chunk, ChunkId, ChunkKey, Entry, Span, StoreError, StoredChunk,
    store::{CHUNKS_MAX, Embedding},
};

/// The columns that [`entry`] reads, of `e`, `v` and `s`.
pub(super) const ENTRY: &str = "e.document, e.filename, e.attributes, e.chunking, e.archived, \
                                v.version, e.chunks, s.model, s.dimensions";

/// What these columns are of.
pub(super) const ENTRIES: &str = "rag_entries AS e \
                                  LEFT JOIN rag_editions AS v ON v.key = e.live \
                                  LEFT JOIN rag_spaces AS s ON s.key = e.space";

pub(super) fn entry(row: &Row) -> Result<Entry, StoreError> {
    let embedding = match row.maybe_text(7)? {
        Some(model) => Some(Embedding { model, dimensions: row.small(8)? }),
        None => None,
    };
    Ok(Entry {
        document: row.text(0)?,
        filename: row.text(1)?,
        attributes: from_json(&row.text(2)?, "attributes")?,
        chunking: row.maybe_text(3)?.map(|json| from_json(&json, "chunking")).transpose()?,
        archived: row.int(4)? != 0,
        version: row.maybe_text(5)?,
        chunks: row.small(6)?,
        embedding,
    })
}

/// The columns that [`chunk`] reads, of `c` and `e`.
pub(super) const CHUNK: &str = "c.key, c.id, c.start_at, c.end_at, c.page, c.tokens, c.headings, \
                                c.text, e.document, e.filename, e.attributes";

pub(super) fn chunk(row: &Row) -> Result<StoredChunk, StoreError> {
    let key = row.int(0)?;
    let malformed = |_| StoreError::Malformed("a page");
    let place = |at| usize::try_from(row.int(at)?).map_err(|_| StoreError::Malformed("a span"));
    let chunk = Chunk {
        ordinal: ordinal_of(key),
        text: row.text(7)?,
        span: Span { start: place(2)?, end: place(3)? },
        page: row.maybe_int(4)?.map(u32::try_from).transpose().map_err(malformed)?,
        headings: from_json(&row.text(6)?, "headings")?,
        tokens: row.small(5)?,
    };
    Ok(StoredChunk {
        id: ChunkId(row.text(1)?),
        key: ChunkKey(key),
        document: row.text(8)?,
        filename: row.text(9)?,
        attributes: from_json(&row.text(10)?, "attributes")?,
        chunk,
    })
}

/// The place of the lowest bit of an edition in the key of a chunk.
pub(super) const EDITION_SHIFT: u32 = CHUNKS_MAX.trailing_zeros();

/// The key of a chunk of an edition.
pub(super) fn key_of(edition: i64, ordinal: u32) -> i64 {
    edition << EDITION_SHIFT | i64::from(ordinal)
}

/// The edition of a chunk.
pub(super) fn edition_of(key: i64) -> i64 {
    key >> EDITION_SHIFT
}

/// The place of a chunk in its edition.
pub(super) fn ordinal_of(key: i64) -> u32 {
    u32::try_from(key & i64::from(CHUNKS_MAX - 1)).unwrap_or_default()
}

pub(super) fn from_json<T: DeserializeOwned>(
    json: &str,
    what: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::Malformed(what))
}

pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Invalid(error.to_string()))
}
