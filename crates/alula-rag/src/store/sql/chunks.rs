//! Chunks of a version.

use std::collections::HashSet;

use serde_json::json;

use super::{
    Conn, entries,
    rows::{self, EDITION_SHIFT, edition_of, from_json, key_of, ordinal_of, to_json},
    words,
};
use crate::{
    Chunk, ChunkId, ChunkKey, EntryRef, Scope, StoreError, StoredChunk,
    embed::under_headings,
    store::{CHUNK_BYTES_MAX, CHUNKS_MAX},
};

/// How many chunks are put in one transaction.
pub(super) const BATCH: usize = 128;

/// What is wrong with chunks that cannot be kept.
pub(super) fn check(chunks: &[Chunk]) -> Result<(), StoreError> {
    let mut ordinals = HashSet::with_capacity(chunks.len());
    for chunk in chunks {
        if !ordinals.insert(chunk.ordinal) {
            return Err(StoreError::Invalid(format!("chunk {} is there twice", chunk.ordinal)));
        }
        if chunk.ordinal >= CHUNKS_MAX {
            return Err(StoreError::Invalid(format!("a document has at most {CHUNKS_MAX} chunks")));
        }
        if chunk.text.len() > CHUNK_BYTES_MAX {
            let (ordinal, bytes) = (chunk.ordinal, chunk.text.len());
            return Err(StoreError::Invalid(format!(
                "chunk {ordinal} has {bytes} bytes, more than {CHUNK_BYTES_MAX}"
            )));
        }
    }
    Ok(())
}

/// A batch of chunks, as they are written.
#[derive(Debug)]
pub(super) struct Rows {
    json: String,
    /// What their words are set apart by.
    collection: i64,
}

impl Rows {
    /// It takes a while.
    pub(super) fn of(
        chunks: &[Chunk],
        ids: Vec<ChunkId>,
        collection: i64,
        is_postgres: bool,
    ) -> Result<Self, StoreError> {
        let mut rows = Vec::with_capacity(chunks.len());
        for (chunk, id) in chunks.iter().zip(ids) {
            // Postgres keeps no character 0, and spans have to stay.
            let text = chunk.text.replace('\0', "\u{fffd}");
            let headings: Vec<_> =
                chunk.headings.iter().map(|it| it.replace('\0', "\u{fffd}")).collect();
            rows.push(json!({
                "ordinal": chunk.ordinal,
                "id": id,
                "start": chunk.span.start,
                "end": chunk.span.end,
                "page": chunk.page,
                "tokens": chunk.tokens,
                "headings": to_json(&headings)?,
                "words": words::indexed(is_postgres, collection, &under_headings(&headings, &text)),
                "text": text,
            }));
        }
        Ok(Self { json: to_json(&rows)?, collection })
    }
}

/// Adds a batch of chunks.
pub(super) async fn put(
    conn: &mut Conn<'_>,
    at: EntryRef<'_>,
    version: &str,
    rows: &Rows,
) -> Result<(), StoreError> {
    let entry = entries::locked(conn, at).await?;
    if entries::collection_of(conn, entry).await? != rows.collection {
        // It was deleted meanwhile, and this is another one of the same name.
        return Err(entries::none(at));
    }
    let edition = make_edition(conn, entry, version).await?;
    let binds = [(&rows.json).into(), key_of(edition, 0).into()];
    let (more, value) = if conn.is_postgres() {
        (", words", ", CAST(r.value->>'words' AS TSVECTOR)")
    } else {
        // Before the chunks, as only words of new ones are added.
        let index = "INSERT INTO rag_words (rowid, words) \
                     SELECT $2 + (r.value->>'ordinal'), r.value->>'words' FROM {rows$1} \
                     WHERE NOT EXISTS (SELECT 1 FROM rag_chunks \
                     WHERE key = $2 + (r.value->>'ordinal'))";
        conn.execute(index, &binds).await?;
        ("", "")
    };
    let put = format!(
        "INSERT INTO rag_chunks (key, id, start_at, end_at, page, tokens, headings, text{more}) \
         SELECT $2 + CAST(r.value->>'ordinal' AS BIGINT), r.value->>'id', \
         CAST(r.value->>'start' AS BIGINT), CAST(r.value->>'end' AS BIGINT), \
         CAST(r.value->>'page' AS BIGINT), CAST(r.value->>'tokens' AS BIGINT), \
         r.value->>'headings', r.value->>'text'{value} FROM {{rows$1}} \
         WHERE true ON CONFLICT (key) DO NOTHING"
    );
    conn.execute(&put, &binds).await?;
    Ok(())
}

async fn make_edition(conn: &mut Conn<'_>, entry: i64, version: &str) -> Result<i64, StoreError> {
    if let Some(edition) = edition(conn, entry, version).await? {
        return Ok(edition);
    }
    let make = "INSERT INTO rag_editions (entry, version) VALUES ($1, $2) RETURNING key";
    let key = conn.int(make, &[entry.into(), version.into()]).await?;
    key.ok_or(StoreError::Malformed("a version"))
}

/// The key of a version of an entry, if there is one.
pub(super) async fn edition(
    conn: &mut Conn<'_>,
    entry: i64,
    version: &str,
) -> Result<Option<i64>, StoreError> {
    let find = "SELECT key FROM rag_editions WHERE entry = $1 AND version = $2";
    conn.int(find, &[entry.into(), version.into()]).await
}

/// How many chunks an edition has.
pub(super) async fn count(conn: &mut Conn<'_>, edition: i64) -> Result<u64, StoreError> {
    let (from, to) = bounds(edition);
    let count = "SELECT COUNT(*) FROM rag_chunks WHERE key >= $1 AND key < $2";
    let row = conn.row(count, &[from.into(), to.into()]).await?;
    row.map_or(Ok(0), |row| row.count(0))
}

fn bounds(edition: i64) -> (i64, i64) {
    (edition << EDITION_SHIFT, (edition + 1) << EDITION_SHIFT)
}

pub(super) async fn list(
    conn: &mut Conn<'_>,
    at: EntryRef<'_>,
    version: Option<&str>,
    from: u32,
    limit: u32,
) -> Result<Vec<StoredChunk>, StoreError> {
    let Some(entry) = entries::key(conn, at).await? else { return Ok(Vec::new()) };
    let edition = match version {
        Some(version) => edition(conn, entry, version).await?,
        None => {
            let live = "SELECT live FROM rag_entries WHERE key = $1";
            conn.row(live, &[entry.into()]).await?.map_or(Ok(None), |row| row.maybe_int(0))?
        }
    };
    let Some(edition) = edition else { return Ok(Vec::new()) };
    let (_, end) = bounds(edition);
    let list = format!(
        "SELECT {} FROM rag_chunks AS c JOIN rag_entries AS e ON e.key = $1 \
         WHERE c.key >= $2 AND c.key < $3 ORDER BY c.key LIMIT $4",
        rows::CHUNK
    );
    let binds =
        [entry.into(), key_of(edition, from.min(CHUNKS_MAX - 1)).into(), end.into(), limit.into()];
    conn.rows(&list, &binds).await?.iter().map(rows::chunk).collect()
}

/// Live chunks of a collection, with a condition on `c`.
fn live(condition: &str) -> String {
    format!(
        "SELECT {} FROM rag_chunks AS c \
         JOIN rag_entries AS e ON e.live = c.key >> {EDITION_SHIFT} \
         JOIN rag_collections AS k ON k.key = e.collection \
         WHERE k.tenant = $1 AND k.id = $2 AND {condition}",
        rows::CHUNK
    )
}

pub(super) async fn get(
    conn: &mut Conn<'_>,
    scope: Scope<'_>,
    id: &ChunkId,
) -> Result<Option<StoredChunk>, StoreError> {
    let binds = [scope.tenant.into(), scope.collection.into(), id.as_str().into()];
    let row = conn.row(&live("c.id = $3"), &binds).await?;
    row.as_ref().map(rows::chunk).transpose()
}

pub(super) async fn load(
    conn: &mut Conn<'_>,
    scope: Scope<'_>,
    keys: &[ChunkKey],
) -> Result<Vec<StoredChunk>, StoreError> {
    let keys: Vec<i64> = keys.iter().map(|key| key.0).collect();
    let binds = [scope.tenant.into(), scope.collection.into(), to_json(&keys)?.into()];
    let rows = conn.rows(&live("c.key IN {ints$3}"), &binds).await?;
    rows.iter().map(rows::chunk).collect()
}

pub(super) async fn neighbours(
    conn: &mut Conn<'_>,
    scope: Scope<'_>,
    of: ChunkKey,
    before: u32,
    behind: u32,
) -> Result<Vec<StoredChunk>, StoreError> {
    let (edition, ordinal) = (edition_of(of.0), ordinal_of(of.0));
    let last = ordinal.saturating_add(behind).min(CHUNKS_MAX - 1);
    let binds = [
        scope.tenant.into(),
        scope.collection.into(),
        key_of(edition, ordinal.saturating_sub(before)).into(),
        key_of(edition, last).into(),
    ];
    let find = live("c.key >= $3 AND c.key <= $4 ORDER BY c.key");
    conn.rows(&find, &binds).await?.iter().map(rows::chunk).collect()
}

/// What chunks say under their headings, by their keys.
pub(super) async fn texts(
    conn: &mut Conn<'_>,
    keys: &[i64],
) -> Result<Vec<(ChunkKey, String)>, StoreError> {
    let find = "SELECT key, headings, text FROM rag_chunks WHERE key IN {ints$1} ORDER BY key";
    let rows = conn.rows(find, &[to_json(keys)?.into()]).await?;
    let read = rows.iter().map(|row| {
        let headings: Vec<String> = from_json(&row.text(1)?, "headings")?;
        Ok((ChunkKey(row.int(0)?), under_headings(&headings, &row.text(2)?)))
    });
    read.collect()
}
