//! Vectors of texts that were embedded before.

use std::collections::HashMap;

use super::{Bind, Conn, entries::list_of, rows::to_json};
use crate::store::{StoreError, scan::decode};

/// How many are kept, and forgotten, in one statement.
pub(super) const BATCH: usize = 256;

pub(super) async fn get(
    conn: &mut Conn<'_>,
    model: &str,
    hashes: &[String],
) -> Result<Vec<Option<Vec<f32>>>, StoreError> {
    let find = "SELECT hash, vector FROM rag_cached_vectors WHERE model = $1 AND hash IN {texts$2}";
    let mut known = HashMap::new();
    for row in conn.rows(find, &[model.into(), list_of(hashes).into()]).await? {
        known.insert(row.text(0)?, decode(&row.bytes(1)?));
    }
    Ok(hashes.iter().map(|hash| known.get(hash).cloned()).collect())
}

/// Keeps a batch, and forgets as much of what is oldest beyond the limit.
pub(super) async fn put(
    conn: &mut Conn<'_>,
    model: &str,
    hashes: &[String],
    vectors: &[&[f32]],
    vectors_max: u64,
) -> Result<(), StoreError> {
    let bytes: Vec<u8> =
        vectors.iter().copied().flatten().flat_map(|it| it.to_le_bytes()).collect();
    let length = bytes.len() / vectors.len().max(1);
    // In an order that is the same for all: two that keep the same would wait for each other.
    let mut rows: Vec<_> = hashes.iter().enumerate().collect();
    rows.sort_unstable_by_key(|(_, hash)| *hash);
    let put = format!(
        "INSERT INTO rag_cached_vectors (model, hash, vector) \
         SELECT $1, r.value->>1, substr($2, CAST(r.value->>0 AS INTEGER) * {length} + 1, {length}) \
         FROM {{rows$3}} WHERE true \
         ON CONFLICT (model, hash) DO UPDATE SET vector = excluded.vector"
    );
    let rows = to_json(&rows)?;
    conn.execute(&put, &[model.into(), Bind::Bytes(&bytes), rows.into()]).await?;
    let newest = "SELECT CAST(COALESCE(MAX(key), 0) AS BIGINT) FROM rag_cached_vectors";
    let newest = conn.int(newest, &[]).await?.unwrap_or_default();
    let oldest = newest.saturating_sub(i64::try_from(vectors_max).unwrap_or(i64::MAX));
    // More than are added, so that a limit that was made smaller is reached.
    let forget = "DELETE FROM rag_cached_vectors WHERE key IN \
                  (SELECT key FROM rag_cached_vectors WHERE key <= $1 ORDER BY key LIMIT $2)";
    let at_once = i64::try_from(BATCH * 2).unwrap_or(i64::MAX);
    conn.execute(forget, &[oldest.into(), at_once.into()]).await?;
    Ok(())
}
