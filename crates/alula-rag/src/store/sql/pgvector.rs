//! Vectors in a column of the extension pgvector.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    Bind, Conn, Database,
    rows::{EDITION_SHIFT, key_of, to_json},
    scanner::{Search, sort},
    segments::Batch,
    select::Condition,
    settings::StoreSettings,
    sizes::Sizes,
};
use crate::{
    ChunkKey, StoreError,
    store::{Near, VectorIndex},
};

/// From this version on a search goes on until it has found enough that it may find.
const VERSION_MIN: (u32, u32) = (0, 8);
/// How many numbers a vector in an index may have, and one of numbers of half the size.
const DIMENSIONS_MAX: usize = 2_000;
const HALF_DIMENSIONS_MAX: usize = 4_000;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS rag_embeddings ( \
                     space BIGINT NOT NULL, key BIGINT NOT NULL, collection BIGINT NOT NULL, \
                     vector vector NOT NULL, PRIMARY KEY (space, key)); \
                     CREATE INDEX IF NOT EXISTS rag_embeddings_of \
                     ON rag_embeddings (collection, space)";

/// Makes use of the extension where it is there, as long as no vectors are kept in another way. What
/// was decided once stays, as vectors are not moved.
pub(super) async fn set_up(conn: &mut Conn<'_>) -> Result<VectorIndex, StoreError> {
    let known = conn.row("SELECT name FROM rag_vector_index LIMIT 1", &[]).await?;
    let known = known.map(|row| row.text(0)).transpose()?;
    if known.as_deref() == Some("scan") {
        return Ok(VectorIndex::ScanForLackOfPgvector);
    }
    match (version(conn).await?, known) {
        (Ok(version), known) => {
            conn.script(TABLE).await?;
            if known.is_none() {
                decide(conn, "pgvector").await?;
            }
            Ok(VectorIndex::Pgvector(version))
        }
        (Err(reason), Some(_)) => Err(StoreError::NoExtension(reason)),
        (Err(_), None) => {
            decide(conn, "scan").await?;
            Ok(VectorIndex::ScanForLackOfPgvector)
        }
    }
}

async fn decide(conn: &mut Conn<'_>, name: &str) -> Result<(), StoreError> {
    conn.execute("INSERT INTO rag_vector_index (name) VALUES ($1)", &[name.into()]).await?;
    Ok(())
}

/// The version of the extension, which is made if that is allowed, or why there is none.
async fn version(conn: &mut Conn<'_>) -> Result<Result<String, String>, StoreError> {
    let installed = "SELECT extversion FROM pg_extension WHERE extname = 'vector'";
    let mut found = conn.row(installed, &[]).await?;
    if found.is_none() {
        let available = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'";
        if conn.row(available, &[]).await?.is_none() {
            return Ok(Err("it is not installed".to_owned()));
        }
        // It may not be allowed, which must not end the transaction.
        conn.script("SAVEPOINT extension").await?;
        if let Err(error) = conn.script("CREATE EXTENSION IF NOT EXISTS vector").await {
            conn.script("ROLLBACK TO SAVEPOINT extension").await?;
            return Ok(Err(error.to_string()));
        }
        found = conn.row(installed, &[]).await?;
    }
    let version = found.map_or_else(|| Ok(String::new()), |row| row.text(0))?;
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let is_new = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= VERSION_MIN;
    let (major, minor) = VERSION_MIN;
    Ok(if is_new {
        Ok(version)
    } else {
        Err(format!("its version is {version:?}, and {major}.{minor} is needed"))
    })
}

/// A column of vectors of this length, as the index of such vectors has it; nothing where there is
/// no index.
fn typed(dimensions: usize) -> Option<(String, &'static str)> {
    if dimensions <= DIMENSIONS_MAX {
        Some((format!("vector({dimensions})"), "vector_cosine_ops"))
    } else if dimensions <= HALF_DIMENSIONS_MAX {
        Some((format!("halfvec({dimensions})"), "halfvec_cosine_ops"))
    } else {
        None
    }
}

/// The indices that are known to be there, by the length of their vectors.
#[derive(Debug, Default)]
pub(super) struct Indices(Mutex<BTreeSet<usize>>);

impl Indices {
    /// Makes the index of vectors of this length, if there is none, while others write. It reads all
    /// vectors that there are, so it is looked for once.
    pub(super) async fn make(
        &self,
        database: &Database,
        dimensions: usize,
    ) -> Result<(), StoreError> {
        let Some((kind, operators)) = typed(dimensions).filter(|_| dimensions > 0) else {
            return Ok(());
        };
        if self.known().contains(&dimensions) {
            return Ok(());
        }
        let Some(mut alone) = database.alone().await? else { return Ok(()) };
        let conn = &mut alone.conn();
        let name = format!("rag_embeddings_{dimensions}");
        let mut state = state(conn, &name).await?;
        if state == State::Broken {
            // Whoever made it was ended before its end.
            conn.script(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await?;
            state = State::Missing;
        }
        if state == State::Missing {
            let make = format!(
                "CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON rag_embeddings \
                 USING hnsw ((vector::{kind}) {operators}) WHERE vector_dims(vector) = {dimensions}"
            );
            match conn.script(&make).await {
                // Somebody else makes it at this moment.
                Err(error) if error.is_conflict() => state = State::Begun,
                made => made?,
            }
        }
        alone.close().await?;
        if state != State::Begun {
            self.known().insert(dimensions);
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How it stands with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    /// Somebody is making it.
    Begun,
    /// Somebody has begun to make it, and is gone.
    Broken,
    Ready,
}

async fn state(conn: &mut Conn<'_>, name: &str) -> Result<State, StoreError> {
    let find = "SELECT CASE WHEN i.indisvalid THEN 2 WHEN EXISTS \
                (SELECT 1 FROM pg_stat_progress_create_index AS p \
                WHERE p.index_relid = i.indexrelid) THEN 1 ELSE 0 END::bigint \
                FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
                WHERE c.relname = $1 AND i.indrelid = 'rag_embeddings'::regclass";
    Ok(match conn.int(find, &[name.into()]).await? {
        None => State::Missing,
        Some(2) => State::Ready,
        Some(1) => State::Begun,
        Some(_) => State::Broken,
    })
}

/// Adds vectors, in place of those of the same chunks.
pub(super) async fn put(conn: &mut Conn<'_>, batch: &Batch<'_>) -> Result<(), StoreError> {
    let rows: Vec<_> = (batch.first..)
        .zip(batch.vectors)
        .map(|(ordinal, vector)| (key_of(batch.edition, ordinal), literal(vector)))
        .collect();
    let put = "INSERT INTO rag_embeddings (space, key, collection, vector) \
               SELECT $1, CAST(r.value->>0 AS BIGINT), $2, CAST(r.value->>1 AS vector) \
               FROM {rows$3} \
               ON CONFLICT (space, key) DO UPDATE SET vector = excluded.vector";
    let binds = [batch.space.into(), batch.collection.into(), to_json(&rows)?.into()];
    conn.execute(put, &binds).await?;
    Ok(())
}

fn literal(vector: &[f32]) -> String {
    let numbers: Vec<_> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// How many chunks of an edition have vectors, from the first one on without a gap.
pub(super) async fn count(
    conn: &mut Conn<'_>,
    edition: i64,
    space: i64,
) -> Result<u64, StoreError> {
    let (from, to) = (edition << EDITION_SHIFT, (edition + 1) << EDITION_SHIFT);
    let count = "SELECT COUNT(*) FROM \
                 (SELECT key, ROW_NUMBER() OVER (ORDER BY key) AS place FROM rag_embeddings \
                 WHERE space = $1 AND key >= $2 AND key < $3) AS v WHERE v.key - $2 + 1 = v.place";
    let row = conn.row(count, &[space.into(), from.into(), to.into()]).await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Removes vectors of an edition, at most so many; of every space where that is 0. Returns whether
/// there were any.
pub(super) async fn remove(
    conn: &mut Conn<'_>,
    edition: i64,
    space: i64,
    limit: u32,
) -> Result<bool, StoreError> {
    let (from, to) = (edition << EDITION_SHIFT, (edition + 1) << EDITION_SHIFT);
    let remove = "DELETE FROM rag_embeddings WHERE (space, key) IN \
                  (SELECT space, key FROM rag_embeddings \
                  WHERE space IN (SELECT key FROM rag_spaces WHERE $3 = 0 OR key = $3) \
                  AND key >= $1 AND key < $2 LIMIT $4)";
    let binds = [from.into(), to.into(), space.into(), limit.into()];
    Ok(conn.execute(remove, &binds).await? > 0)
}

/// What is near to a vector, by a connection with a transaction: the settings are those of one.
pub(super) async fn find(
    conn: &mut Conn<'_>,
    sizes: &Sizes,
    search: &Search<'_>,
    settings: &StoreSettings,
) -> Result<Vec<Near>, StoreError> {
    let StoreSettings { ef_search, exact_chunks_max, .. } = *settings;
    let Some((collection, size)) = sizes.of(conn, search.scope).await? else {
        return Ok(Vec::new());
    };
    let mut selected = size.chunks_in(search.space);
    if selected > exact_chunks_max && search.selection.is_narrow() {
        selected = chunks(conn, collection, search).await?;
    }
    let wanted = u64::try_from(search.limit).unwrap_or(u64::MAX).min(selected);
    if wanted == 0 {
        return Ok(Vec::new());
    }
    if let Some((kind, _)) = typed(search.vector.len()).filter(|_| selected > exact_chunks_max) {
        conn.script(&format!(
            "SET LOCAL hnsw.iterative_scan = relaxed_order; \
             SET LOCAL hnsw.ef_search = {ef_search}"
        ))
        .await?;
        let near = nearest(conn, collection, search, &kind).await?;
        // It gives up when it has come across too many of other collections.
        if near.len() as u64 >= wanted {
            return Ok(near);
        }
    }
    // Without its type a vector is not that of the index, and so all are looked at.
    nearest(conn, collection, search, "vector").await
}

/// How many chunks are selected of those that have vectors.
async fn chunks(
    conn: &mut Conn<'_>,
    collection: i64,
    search: &Search<'_>,
) -> Result<u64, StoreError> {
    let mut binds: Vec<Bind<'_>> = vec![collection.into(), search.space.into()];
    let condition = Condition::of(search.selection, &mut binds);
    let add = format!(
        "SELECT CAST(COALESCE(SUM(e.chunks), 0) AS BIGINT) FROM rag_entries AS e \
         WHERE e.collection = $1 AND e.space = $2{condition}"
    );
    conn.row(&add, &binds).await?.map_or(Ok(0), |row| row.count(0))
}

async fn nearest(
    conn: &mut Conn<'_>,
    collection: i64,
    search: &Search<'_>,
    kind: &str,
) -> Result<Vec<Near>, StoreError> {
    let limit = i64::try_from(search.limit).unwrap_or(i64::MAX);
    let mut binds: Vec<Bind<'_>> =
        vec![literal(search.vector).into(), search.space.into(), collection.into(), limit.into()];
    let condition = Condition::of(search.selection, &mut binds);
    let dimensions = search.vector.len();
    // As a query of its own it is read once, and not again for each vector.
    let distance = format!("v.vector::{kind} <=> (SELECT CAST($1 AS TEXT)::{kind})");
    let find = format!(
        "SELECT v.key, CAST({distance} AS DOUBLE PRECISION) FROM rag_embeddings AS v \
         JOIN rag_entries AS e ON e.live = v.key >> {EDITION_SHIFT} AND e.space = v.space \
         WHERE vector_dims(v.vector) = {dimensions} AND v.space = $2 AND v.collection = $3 \
         AND e.collection = $3{condition} ORDER BY {distance} LIMIT $4"
    );
    let rows = conn.rows(&find, &binds).await?;
    let mut near = Vec::with_capacity(rows.len());
    for row in rows {
        near.push(Near { key: ChunkKey(row.int(0)?), similarity: narrow(1.0 - row.real(1)?) });
    }
    sort(&mut near);
    Ok(near)
}

/// A similarity, of which more digits say nothing.
#[expect(clippy::cast_possible_truncation, reason = "it is rounded")]
fn narrow(number: f64) -> f32 {
    number as f32
}
