//! Vectors in segments, which are scanned.

use alula_llm::model::Vectors;

use super::{Bind, Conn, Row, rows::to_json};
use crate::{
    StoreError,
    store::scan::{decode, encode, unit},
};

/// How many vectors are one segment.
pub(super) const SEGMENT: usize = 1 << SEGMENT_SHIFT;
/// The place of the lowest bit of a segment in the key of a vector.
pub(super) const SEGMENT_SHIFT: u32 = 8;

/// Vectors of chunks that follow each other, of length one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) collection: i64,
    pub(super) edition: i64,
    pub(super) space: i64,
    pub(super) first: u32,
    pub(super) vectors: &'a [&'a [f32]],
}

impl Batch<'_> {
    /// The place behind the last chunk.
    fn end(&self) -> i64 {
        i64::from(self.first) + i64::try_from(self.vectors.len()).unwrap_or(i64::MAX)
    }
}

/// Adds a segment, in place of the vectors of the same chunks. Other vectors stay, whatever the
/// batches were in which they came.
pub(super) async fn put(conn: &mut Conn<'_>, batch: &Batch<'_>) -> Result<(), StoreError> {
    for (first, vectors) in take_apart(conn, batch).await? {
        let vectors: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
        add(conn, &Batch { first, vectors: &vectors, ..*batch }).await?;
    }
    add(conn, batch).await
}

/// Removes the segments that have vectors of chunks of a batch. Returns what they have besides, with
/// the places of the first of each.
async fn take_apart(
    conn: &mut Conn<'_>,
    batch: &Batch<'_>,
) -> Result<Vec<(u32, Vec<Vec<f32>>)>, StoreError> {
    let (from, to) = (i64::from(batch.first), batch.end());
    let find = "SELECT key, first, count FROM rag_segments \
                WHERE edition = $1 AND space = $2 AND first < $3 AND first + count > $4 \
                ORDER BY first";
    let binds = [batch.edition.into(), batch.space.into(), to.into(), from.into()];
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    for row in conn.rows(find, &binds).await? {
        let (key, first, count) = (row.int(0)?, row.int(1)?, row.int(2)?);
        for (start, end) in [(first, from), (to, first + count)] {
            if start < end {
                let place = key << SEGMENT_SHIFT | (start - first);
                let vectors = vectors(conn, place, place + end - start).await?;
                let start = u32::try_from(start).map_err(|_| StoreError::Malformed("a segment"))?;
                rest.push((start, vectors));
            }
        }
        keys.push(key);
    }
    delete(conn, &keys).await?;
    Ok(rest)
}

/// Vectors as they are, by their keys.
async fn vectors(conn: &mut Conn<'_>, from: i64, to: i64) -> Result<Vec<Vec<f32>>, StoreError> {
    let find = "SELECT vector FROM rag_vectors WHERE key >= $1 AND key < $2 ORDER BY key";
    let rows = conn.rows(find, &[from.into(), to.into()]).await?;
    rows.iter().map(|row| Ok(decode(&row.bytes(0)?))).collect()
}

async fn add(conn: &mut Conn<'_>, batch: &Batch<'_>) -> Result<(), StoreError> {
    let count = u32::try_from(batch.vectors.len()).unwrap_or(u32::MAX);
    let codes = encode(batch.vectors);
    let add = "INSERT INTO rag_segments (collection, edition, space, first, count, codes) \
               VALUES ($1, $2, $3, $4, $5, $6) RETURNING key";
    let binds = [
        batch.collection.into(),
        batch.edition.into(),
        batch.space.into(),
        batch.first.into(),
        count.into(),
        Bind::Bytes(&codes),
    ];
    let key = conn.int(add, &binds).await?.ok_or(StoreError::Malformed("a segment"))?;
    let bytes: Vec<u8> =
        batch.vectors.iter().copied().flatten().flat_map(|it| it.to_le_bytes()).collect();
    let length = bytes.len() / batch.vectors.len().max(1);
    let add = format!(
        "INSERT INTO rag_vectors (key, vector) \
         SELECT $1 + CAST(CAST(r.value AS TEXT) AS INTEGER), \
         substr($2, CAST(CAST(r.value AS TEXT) AS INTEGER) * {length} + 1, {length}) \
         FROM {{rows$3}}"
    );
    let places = to_json(&(0..count).collect::<Vec<_>>())?;
    let first = key << SEGMENT_SHIFT;
    conn.execute(&add, &[first.into(), Bind::Bytes(&bytes), places.into()]).await?;
    Ok(())
}

/// How many chunks of an edition have vectors, from the first one on without a gap.
pub(super) async fn count(
    conn: &mut Conn<'_>,
    edition: i64,
    space: i64,
) -> Result<u64, StoreError> {
    let find = "SELECT first, count FROM rag_segments \
                WHERE edition = $1 AND space = $2 ORDER BY first";
    let mut end = 0;
    for row in conn.rows(find, &[edition.into(), space.into()]).await? {
        if row.count(0)? != end {
            break;
        }
        end += row.count(1)?;
    }
    Ok(end)
}

/// Removes segments of an edition, at most so many; of every space where that is 0. Returns whether
/// there were any.
pub(super) async fn remove(
    conn: &mut Conn<'_>,
    edition: i64,
    space: i64,
    limit: u32,
) -> Result<bool, StoreError> {
    let find = "SELECT key FROM rag_segments \
                WHERE edition = $1 AND ($2 = 0 OR space = $2) LIMIT $3";
    let keys = ints(&conn.rows(find, &[edition.into(), space.into(), limit.into()]).await?)?;
    delete(conn, &keys).await?;
    Ok(!keys.is_empty())
}

async fn delete(conn: &mut Conn<'_>, segments: &[i64]) -> Result<(), StoreError> {
    for key in segments {
        let (from, to) = (key << SEGMENT_SHIFT, (key + 1) << SEGMENT_SHIFT);
        let vectors = "DELETE FROM rag_vectors WHERE key >= $1 AND key < $2";
        conn.execute(vectors, &[from.into(), to.into()]).await?;
        conn.execute("DELETE FROM rag_segments WHERE key = $1", &[(*key).into()]).await?;
    }
    Ok(())
}

fn ints(rows: &[Row]) -> Result<Vec<i64>, StoreError> {
    rows.iter().map(|row| row.int(0)).collect()
}

/// What is checked of vectors before they are kept: each of length one, or nothing.
pub(super) fn units(vectors: &Vectors) -> Result<Vec<Vec<f32>>, StoreError> {
    let units: Option<Vec<_>> = vectors.iter().map(unit).collect();
    units.ok_or_else(|| StoreError::Invalid("a vector has no direction".to_owned()))
}
