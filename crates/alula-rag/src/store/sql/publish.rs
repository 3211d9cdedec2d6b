//! Vectors of versions, and what makes a version the one that is found.

use std::time::Duration;

use alula_llm::model::Vectors;
use tokio::time::sleep;

use super::{
    Conn, Database, chunks,
    database::Tries,
    entries, pgvector,
    rows::EDITION_SHIFT,
    segments::{self, Batch, SEGMENT},
    sweep,
};
use crate::{
    EntryRef, StoreError,
    store::{Built, DIMENSIONS_MAX, VectorIndex},
};

/// How long is waited before it is looked again whether somebody has removed older vectors.
const SWEPT: Duration = Duration::from_millis(5);

/// The space of the vectors of a model of this length, if there is one.
pub(super) async fn space(
    conn: &mut Conn<'_>,
    model: &str,
    dimensions: usize,
) -> Result<Option<i64>, StoreError> {
    let find = "SELECT key FROM rag_spaces WHERE model = $1 AND dimensions = $2";
    let dimensions = i64::try_from(dimensions).unwrap_or(i64::MAX);
    conn.int(find, &[model.into(), dimensions.into()]).await
}

async fn make_space(
    conn: &mut Conn<'_>,
    model: &str,
    dimensions: usize,
) -> Result<i64, StoreError> {
    entries::check_name("model", model)?;
    let number = u32::try_from(dimensions).unwrap_or(u32::MAX);
    if !(1..=DIMENSIONS_MAX).contains(&number) {
        return Err(StoreError::Invalid(format!(
            "vectors of {dimensions} numbers are not kept, only of 1 to {DIMENSIONS_MAX}"
        )));
    }
    if let Some(key) = space(conn, model, dimensions).await? {
        return Ok(key);
    }
    let make = "INSERT INTO rag_spaces (model, dimensions) VALUES ($1, $2) \
                ON CONFLICT (model, dimensions) DO UPDATE SET model = excluded.model RETURNING key";
    let key = conn.int(make, &[model.into(), number.into()]).await?;
    key.ok_or(StoreError::Malformed("a model"))
}

/// Adds vectors, a transaction for each segment.
pub(super) async fn put_vectors(
    database: &Database,
    index: &VectorIndex,
    of: (EntryRef<'_>, &str),
    model: &str,
    first: u32,
    vectors: &Vectors,
) -> Result<(), StoreError> {
    let units = segments::units(vectors)?;
    let units: Vec<&[f32]> = units.iter().map(Vec::as_slice).collect();
    let (mut first, mut tries) = (first, Tries::default());
    for batch in units.chunks(SEGMENT) {
        loop {
            match put_batch(database, index, of, model, first, batch).await {
                Ok(None) => break,
                Ok(Some(condemned)) => {
                    // Older vectors of the same model are still being removed, by somebody else
                    // perhaps: these would be, too.
                    sweep::edition(database, index, condemned).await?;
                    sleep(SWEPT).await;
                }
                Err(error) => {
                    if !tries.again(&error).await {
                        return Err(error);
                    }
                }
            }
        }
        first = first.saturating_add(u32::try_from(batch.len()).unwrap_or(u32::MAX));
    }
    Ok(())
}

/// Adds a batch of vectors, unless older ones have to be removed before: then it returns of which
/// edition.
async fn put_batch(
    database: &Database,
    index: &VectorIndex,
    (at, version): (EntryRef<'_>, &str),
    model: &str,
    first: u32,
    vectors: &[&[f32]],
) -> Result<Option<i64>, StoreError> {
    let mut session = database.begin().await?;
    let mut conn = session.conn();
    let dimensions = vectors.first().map_or(0, |vector| vector.len());
    let space = make_space(&mut conn, model, dimensions).await?;
    let entry = entries::locked(&mut conn, at).await?;
    let edition = chunks::edition(&mut conn, entry, version).await?;
    let edition = edition.ok_or_else(|| no_chunks(first))?;
    if sweep::is_condemned(&mut conn, edition, space).await? {
        return Ok(Some(edition));
    }
    let collection = entries::collection_of(&mut conn, entry).await?;
    let batch = Batch { collection, edition, space, first, vectors };
    match index {
        VectorIndex::Pgvector(_) => pgvector::put(&mut conn, &batch).await?,
        _ => segments::put(&mut conn, &batch).await?,
    }
    entries::changed_if_found(&mut conn, entry, &batch).await?;
    session.commit().await?;
    Ok(None)
}

fn no_chunks(first: u32) -> StoreError {
    StoreError::Incomplete { what: "chunks", found: 0, expected: u64::from(first) + 1 }
}

pub(super) async fn built(
    conn: &mut Conn<'_>,
    index: &VectorIndex,
    at: EntryRef<'_>,
    version: &str,
    model: Option<&str>,
) -> Result<Built, StoreError> {
    let Some(entry) = entries::key(conn, at).await? else { return Ok(Built::default()) };
    let Some(edition) = chunks::edition(conn, entry, version).await? else {
        return Ok(Built::default());
    };
    let chunks = chunks::count(conn, edition).await?;
    let vectors = match model {
        Some(model) => best_space(conn, index, edition, model).await?.map_or(0, |(_, count)| count),
        None => 0,
    };
    Ok(Built { chunks, vectors })
}

/// The space of a model that has the most vectors of an edition, and how many. A model has one, as
/// long as it does not change how long its vectors are.
async fn best_space(
    conn: &mut Conn<'_>,
    index: &VectorIndex,
    edition: i64,
    model: &str,
) -> Result<Option<(i64, u64)>, StoreError> {
    let find = "SELECT key FROM rag_spaces WHERE model = $1 ORDER BY key DESC";
    let mut best: Option<(i64, u64)> = None;
    for row in conn.rows(find, &[model.into()]).await? {
        let space = row.int(0)?;
        if sweep::is_condemned(conn, edition, space).await? {
            continue;
        }
        let count = match index {
            VectorIndex::Pgvector(_) => pgvector::count(conn, edition, space).await?,
            _ => segments::count(conn, edition, space).await?,
        };
        if best.is_none_or(|(_, most)| count > most) {
            best = Some((space, count));
        }
    }
    Ok(best)
}

/// Makes a version the one that is found. Returns the editions of which something is to be removed.
pub(super) async fn publish(
    conn: &mut Conn<'_>,
    index: &VectorIndex,
    (at, version): (EntryRef<'_>, &str),
    expected: u32,
    model: Option<&str>,
) -> Result<Vec<i64>, StoreError> {
    if expected == 0 {
        return Err(StoreError::Invalid("a document without chunks is never found".to_owned()));
    }
    let entry = entries::locked(conn, at).await?;
    let edition = chunks::edition(conn, entry, version).await?;
    let expected = u64::from(expected);
    let incomplete = |what, found| StoreError::Incomplete { what, found, expected };
    let edition = edition.ok_or_else(|| incomplete("chunks", 0))?;
    let found = first_chunks(conn, edition, expected).await?;
    if found != expected || chunks::count(conn, edition).await? != expected {
        return Err(incomplete("chunks", chunks::count(conn, edition).await?));
    }
    let space = match model {
        Some(model) => match best_space(conn, index, edition, model).await? {
            Some((space, count)) if count == expected => Some(space),
            best => return Err(incomplete("vectors", best.map_or(0, |(_, count)| count))),
        },
        None => None,
    };
    let was = "SELECT live, space FROM rag_entries WHERE key = $1";
    let was = conn.row(was, &[entry.into()]).await?;
    let was = was.ok_or_else(|| StoreError::NoEntry(at.document.to_owned()))?;
    let (live, old_space) = (was.maybe_int(0)?, was.maybe_int(1)?);
    if (live, old_space) == (Some(edition), space) {
        return Ok(Vec::new());
    }
    let set = "UPDATE rag_entries SET live = $2, chunks = $3, space = $4 WHERE key = $1";
    let count = i64::try_from(expected).unwrap_or(i64::MAX);
    let binds = [entry.into(), edition.into(), count.into(), super::Bind::MaybeInt(space)];
    conn.execute(set, &binds).await?;
    let collection = entries::collection_of(conn, entry).await?;
    entries::changed(conn, collection).await?;
    let mut removed = older(conn, entry, edition, live).await?;
    sweep::condemn(conn, &removed).await?;
    if let Some(old) = old_space.filter(|old| live == Some(edition) && Some(*old) != space) {
        sweep::condemn_space(conn, edition, old).await?;
        removed.push(edition);
    }
    Ok(removed)
}

/// How many of the first chunks of an edition are there.
async fn first_chunks(conn: &mut Conn<'_>, edition: i64, expected: u64) -> Result<u64, StoreError> {
    let from = edition << EDITION_SHIFT;
    let to = from + i64::try_from(expected).unwrap_or_default();
    let count = "SELECT COUNT(*) FROM rag_chunks WHERE key >= $1 AND key < $2";
    let row = conn.row(count, &[from.into(), to.into()]).await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// The editions of an entry that are of no use when this one is live: that before it, and those that
/// were begun before and never came to be.
async fn older(
    conn: &mut Conn<'_>,
    entry: i64,
    edition: i64,
    live: Option<i64>,
) -> Result<Vec<i64>, StoreError> {
    let find = "SELECT key FROM rag_editions \
                WHERE entry = $1 AND key <> $2 AND version IS NOT NULL AND (key < $2 OR key = $3)";
    let binds = [entry.into(), edition.into(), live.unwrap_or_default().into()];
    conn.rows(find, &binds).await?.iter().map(|row| row.int(0)).collect()
}
