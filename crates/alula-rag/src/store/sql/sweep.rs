//! Removing what is no longer found, in pieces that keep nobody waiting.

use super::{
    Conn, Database,
    database::Tries,
    pgvector,
    rows::{EDITION_SHIFT, to_json},
    segments,
};
use crate::store::{StoreError, VectorIndex};

/// How many chunks, or how many segments, are one piece.
const PIECE: u32 = 256;
const SEGMENTS: u32 = 4;
/// Every space, of what is to be removed.
const ALL: i64 = 0;

/// Notes that editions are to be removed whole.
pub(super) async fn condemn(conn: &mut Conn<'_>, editions: &[i64]) -> Result<(), StoreError> {
    let keys = to_json(editions)?;
    let forget = "UPDATE rag_editions SET version = NULL WHERE key IN {ints$1}";
    conn.execute(forget, &[(&keys).into()]).await?;
    let note = "INSERT INTO rag_dead (edition, space) \
                SELECT key, 0 FROM rag_editions WHERE key IN {ints$1} \
                ON CONFLICT (edition, space) DO NOTHING";
    conn.execute(note, &[keys.into()]).await?;
    Ok(())
}

/// Notes that the vectors of a space are to be removed from an edition.
pub(super) async fn condemn_space(
    conn: &mut Conn<'_>,
    edition: i64,
    space: i64,
) -> Result<(), StoreError> {
    let note = "INSERT INTO rag_dead (edition, space) VALUES ($1, $2) \
                ON CONFLICT (edition, space) DO NOTHING";
    conn.execute(note, &[edition.into(), space.into()]).await?;
    Ok(())
}

/// Whether vectors of this space are still to be removed from an edition.
pub(super) async fn is_condemned(
    conn: &mut Conn<'_>,
    edition: i64,
    space: i64,
) -> Result<bool, StoreError> {
    let find = "SELECT CAST(1 AS BIGINT) FROM rag_dead WHERE edition = $1 AND space = $2";
    Ok(conn.int(find, &[edition.into(), space.into()]).await?.is_some())
}

/// Removes all of one edition that is to be removed.
pub(super) async fn edition(
    database: &Database,
    index: &VectorIndex,
    edition: i64,
) -> Result<(), StoreError> {
    while piece(database, index, Some(edition)).await? {}
    Ok(())
}

/// Removes a piece, of any edition or of this one. Returns whether there was one.
pub(super) async fn piece(
    database: &Database,
    index: &VectorIndex,
    edition: Option<i64>,
) -> Result<bool, StoreError> {
    let mut tries = Tries::default();
    loop {
        match removed(database, index, edition).await {
            Err(error) => {
                if !tries.again(&error).await {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
}

async fn removed(
    database: &Database,
    index: &VectorIndex,
    edition: Option<i64>,
) -> Result<bool, StoreError> {
    let mut session = database.begin().await?;
    let mut conn = session.conn();
    let Some((edition, space)) = dead(&mut conn, edition.unwrap_or_default()).await? else {
        return Ok(false);
    };
    let removed = match index {
        VectorIndex::Pgvector(_) => pgvector::remove(&mut conn, edition, space, PIECE).await?,
        _ => segments::remove(&mut conn, edition, space, SEGMENTS).await?,
    };
    let removed = removed || (space == ALL && chunks(&mut conn, edition).await?);
    if !removed {
        let done = "DELETE FROM rag_dead WHERE edition = $1 AND space = $2";
        conn.execute(done, &[edition.into(), space.into()]).await?;
        if space == ALL {
            let done = "DELETE FROM rag_editions WHERE key = $1";
            conn.execute(done, &[edition.into()]).await?;
        }
    }
    session.commit().await?;
    Ok(true)
}

/// What is to be removed next, of any edition or of this one. Nobody else has it until the transaction
/// ends.
async fn dead(conn: &mut Conn<'_>, edition: i64) -> Result<Option<(i64, i64)>, StoreError> {
    let find = "SELECT edition, space FROM rag_dead WHERE $1 = 0 OR edition = $1 \
                ORDER BY edition, space LIMIT 1";
    // Two that sweep take different ones. Where others have all that is left it is waited for them:
    // one that was given up still has it until its connection is free again, and leaves it so.
    let locks: &[&str] = match conn.is_postgres() {
        true => &["FOR UPDATE SKIP LOCKED", "FOR UPDATE"],
        false => &[""],
    };
    for lock in locks {
        if let Some(row) = conn.row(&format!("{find} {lock}"), &[edition.into()]).await? {
            return Ok(Some((row.int(0)?, row.int(1)?)));
        }
    }
    Ok(None)
}

/// Removes chunks of an edition. Returns whether there were any.
async fn chunks(conn: &mut Conn<'_>, edition: i64) -> Result<bool, StoreError> {
    let (from, to) = (edition << EDITION_SHIFT, (edition + 1) << EDITION_SHIFT);
    let find = "SELECT key FROM rag_chunks WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3";
    let rows = conn.rows(find, &[from.into(), to.into(), PIECE.into()]).await?;
    let keys = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    let keys = to_json(&keys)?;
    if rows.is_empty() {
        return Ok(false);
    }
    if !conn.is_postgres() {
        let words = "DELETE FROM rag_words WHERE rowid IN {ints$1}";
        conn.execute(words, &[(&keys).into()]).await?;
    }
    conn.execute("DELETE FROM rag_chunks WHERE key IN {ints$1}", &[keys.into()]).await?;
    Ok(true)
}
