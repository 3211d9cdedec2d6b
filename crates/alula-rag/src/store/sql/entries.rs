//! Collections and their entries.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    Conn,
    rows::{self, edition_of, to_json},
    segments::Batch,
};
use crate::{
    Attribute, Attributes, ChunkKey, Embedding, Entry, EntryRef, NewEntry, Scope, StoreError,
    store::{Counts, Unembedded},
};

/// How many bytes a name may have: of a tenant, a collection, a document, a version, a file.
const NAME_BYTES_MAX: usize = 1024;

pub(super) async fn put(conn: &mut Conn<'_>, new: &NewEntry<'_>) -> Result<(), StoreError> {
    let NewEntry { at, filename, attributes, chunking } = new;
    for (what, name) in [
        ("tenant", at.scope.tenant),
        ("collection", at.scope.collection),
        ("document", at.document),
        ("filename", filename),
    ] {
        check_name(what, name)?;
    }
    attributes.check().map_err(StoreError::Invalid)?;
    let collection = make_collection(conn, at.scope).await?;
    let json = to_json(attributes)?;
    let chunking = chunking.map(to_json).transpose()?;
    let put = "INSERT INTO rag_entries (collection, document, filename, attributes, chunking) \
               VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (collection, document) DO UPDATE SET filename = excluded.filename, \
               attributes = excluded.attributes, chunking = excluded.chunking \
               RETURNING key";
    let binds = [
        collection.into(),
        at.document.into(),
        (*filename).into(),
        json.into(),
        super::Bind::MaybeText(chunking.as_deref()),
    ];
    let key = conn.int(put, &binds).await?.ok_or(StoreError::Malformed("an entry"))?;
    put_attributes(conn, key, attributes).await
}

pub(super) fn check_name(what: &str, name: &str) -> Result<(), StoreError> {
    let wrong = if name.contains('\0') {
        "holds the character 0".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("has more than {NAME_BYTES_MAX} bytes")
    } else {
        return Ok(());
    };
    Err(StoreError::Invalid(format!("the name of a {what} {wrong}")))
}

async fn make_collection(conn: &mut Conn<'_>, scope: Scope<'_>) -> Result<i64, StoreError> {
    // Whoever removes the collection waits until the entry is there, and then does not.
    let lock = if conn.is_postgres() { "FOR KEY SHARE" } else { "" };
    let find = format!("SELECT key FROM rag_collections WHERE tenant = $1 AND id = $2 {lock}");
    let binds = [scope.tenant.into(), scope.collection.into()];
    if let Some(key) = conn.int(&find, &binds).await? {
        return Ok(key);
    }
    let make = "INSERT INTO rag_collections (tenant, id) VALUES ($1, $2) \
                ON CONFLICT (tenant, id) DO UPDATE SET id = excluded.id RETURNING key";
    conn.int(make, &binds).await?.ok_or(StoreError::Malformed("a collection"))
}

/// The key of a collection, if there is one.
pub(super) async fn collection(
    conn: &mut Conn<'_>,
    scope: Scope<'_>,
) -> Result<Option<i64>, StoreError> {
    let find = "SELECT key FROM rag_collections WHERE tenant = $1 AND id = $2";
    conn.int(find, &[scope.tenant.into(), scope.collection.into()]).await
}

/// Rows that filters look at.
async fn put_attributes(
    conn: &mut Conn<'_>,
    entry: i64,
    attributes: &Attributes,
) -> Result<(), StoreError> {
    conn.execute("DELETE FROM rag_attributes WHERE entry = $1", &[entry.into()]).await?;
    for (name, value) in attributes.iter() {
        let (kind, text, number) = attribute(value);
        let put = "INSERT INTO rag_attributes (entry, name, kind, text, number) \
                   VALUES ($1, $2, $3, $4, $5)";
        let text = super::Bind::MaybeText(text);
        let number = super::Bind::Real(number);
        conn.execute(put, &[entry.into(), name.into(), kind.into(), text, number]).await?;
    }
    Ok(())
}

/// A value as its kind, its text and its number.
pub(super) fn attribute(value: &Attribute) -> (i64, Option<&str>, f64) {
    match value {
        Attribute::Text(text) => (0, Some(text), 0.0),
        Attribute::Number(number) => (1, None, *number),
        Attribute::Bool(truth) => (2, None, f64::from(u8::from(*truth))),
    }
}

/// The key of an entry, if there is one.
pub(super) async fn key(conn: &mut Conn<'_>, at: EntryRef<'_>) -> Result<Option<i64>, StoreError> {
    Ok(key_and_collection(conn, at).await?.map(|(key, _)| key))
}

/// The same, with the key of its collection.
pub(super) async fn key_and_collection(
    conn: &mut Conn<'_>,
    at: EntryRef<'_>,
) -> Result<Option<(i64, i64)>, StoreError> {
    let find = "SELECT e.key, e.collection FROM rag_entries AS e \
                JOIN rag_collections AS k ON k.key = e.collection \
                WHERE k.tenant = $1 AND k.id = $2 AND e.document = $3";
    let Scope { tenant, collection } = at.scope;
    let row = conn.row(find, &[tenant.into(), collection.into(), at.document.into()]).await?;
    row.map(|row| Ok((row.int(0)?, row.int(1)?))).transpose()
}

/// What is said of an entry that is not there.
pub(super) fn none(at: EntryRef<'_>) -> StoreError {
    StoreError::NoEntry(at.document.to_owned())
}

/// The key of an entry that others are kept from changing until the transaction ends.
pub(super) async fn locked(conn: &mut Conn<'_>, at: EntryRef<'_>) -> Result<i64, StoreError> {
    let key = key(conn, at).await?;
    let key = key.ok_or_else(|| none(at))?;
    if !conn.is_postgres() {
        // Nobody else writes.
        return Ok(key);
    }
    let lock = "SELECT key FROM rag_entries WHERE key = $1 FOR UPDATE";
    let key = conn.int(lock, &[key.into()]).await?;
    key.ok_or_else(|| none(at))
}

/// Notes that something else is found in a collection.
pub(super) async fn changed(conn: &mut Conn<'_>, collection: i64) -> Result<(), StoreError> {
    let note = "UPDATE rag_collections SET change = change + 1 WHERE key = $1";
    conn.execute(note, &[collection.into()]).await?;
    Ok(())
}

/// Notes the same of a batch of vectors, if the entry is found by such. What is kept in memory of
/// the collection would lead to those that were there before.
pub(super) async fn changed_if_found(
    conn: &mut Conn<'_>,
    entry: i64,
    batch: &Batch<'_>,
) -> Result<(), StoreError> {
    let note = "UPDATE rag_collections SET change = change + 1 WHERE key = $1 AND EXISTS \
                (SELECT 1 FROM rag_entries WHERE key = $2 AND live = $3 AND space = $4)";
    let Batch { collection, edition, space, .. } = *batch;
    let binds = [collection.into(), entry.into(), edition.into(), space.into()];
    conn.execute(note, &binds).await?;
    Ok(())
}

/// The collection of an entry.
pub(super) async fn collection_of(conn: &mut Conn<'_>, entry: i64) -> Result<i64, StoreError> {
    let find = "SELECT collection FROM rag_entries WHERE key = $1";
    conn.int(find, &[entry.into()]).await?.ok_or(StoreError::Malformed("an entry"))
}

pub(super) async fn get(
    conn: &mut Conn<'_>,
    at: EntryRef<'_>,
) -> Result<Option<Entry>, StoreError> {
    let get = format!(
        "SELECT {} FROM {} JOIN rag_collections AS k ON k.key = e.collection \
         WHERE k.tenant = $1 AND k.id = $2 AND e.document = $3",
        rows::ENTRY,
        rows::ENTRIES
    );
    let Scope { tenant, collection } = at.scope;
    let row = conn.row(&get, &[tenant.into(), collection.into(), at.document.into()]).await?;
    row.as_ref().map(rows::entry).transpose()
}

pub(super) async fn list(
    conn: &mut Conn<'_>,
    scope: Scope<'_>,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let after = match after {
        // One that is gone meanwhile has nothing behind it.
        Some(document) => match key(conn, scope.entry(document)).await? {
            Some(key) => key,
            None => return Ok(Vec::new()),
        },
        None => 0,
    };
    let list = format!(
        "SELECT {} FROM {} JOIN rag_collections AS k ON k.key = e.collection \
         WHERE k.tenant = $1 AND k.id = $2 AND e.key > $3 ORDER BY e.key LIMIT $4",
        rows::ENTRY,
        rows::ENTRIES
    );
    let binds = [scope.tenant.into(), scope.collection.into(), after.into(), limit.into()];
    conn.rows(&list, &binds).await?.iter().map(rows::entry).collect()
}

pub(super) async fn set_attributes(
    conn: &mut Conn<'_>,
    at: EntryRef<'_>,
    attributes: &Attributes,
) -> Result<bool, StoreError> {
    attributes.check().map_err(StoreError::Invalid)?;
    let Some(key) = key(conn, at).await? else { return Ok(false) };
    let set = "UPDATE rag_entries SET attributes = $2 WHERE key = $1";
    let is_there = conn.execute(set, &[key.into(), to_json(attributes)?.into()]).await? > 0;
    if is_there {
        put_attributes(conn, key, attributes).await?;
    }
    Ok(is_there)
}

pub(super) async fn set_archived(
    conn: &mut Conn<'_>,
    at: EntryRef<'_>,
    archived: bool,
) -> Result<bool, StoreError> {
    let Some(key) = key(conn, at).await? else { return Ok(false) };
    let set = "UPDATE rag_entries SET archived = $2 WHERE key = $1";
    let is_there = conn.execute(set, &[key.into(), i64::from(archived).into()]).await? > 0;
    if is_there {
        let collection = collection_of(conn, key).await?;
        changed(conn, collection).await?;
    }
    Ok(is_there)
}

/// Unlinks entries of a collection, so that nothing of them is found any more, and returns their
/// editions, which are to be swept.
pub(super) async fn unlink(
    conn: &mut Conn<'_>,
    collection: i64,
    entries: &[i64],
) -> Result<Vec<i64>, StoreError> {
    let keys = to_json(entries)?;
    // First, as whoever adds an edition locks the entry.
    for statement in [
        "DELETE FROM rag_entries WHERE key IN {ints$1}",
        "DELETE FROM rag_attributes WHERE entry IN {ints$1}",
    ] {
        conn.execute(statement, &[(&keys).into()]).await?;
    }
    let find = "SELECT key FROM rag_editions WHERE entry IN {ints$1}";
    let rows = conn.rows(find, &[keys.into()]).await?;
    let editions = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    super::sweep::condemn(conn, &editions).await?;
    changed(conn, collection).await?;
    Ok(editions)
}

/// Some entries of a collection, the first ones.
pub(super) async fn first_keys(
    conn: &mut Conn<'_>,
    collection: i64,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let find = "SELECT key FROM rag_entries WHERE collection = $1 ORDER BY key LIMIT $2";
    let rows = conn.rows(find, &[collection.into(), limit.into()]).await?;
    rows.iter().map(|row| row.int(0)).collect()
}

/// Removes a collection that has no entries.
pub(super) async fn forget_collection(
    conn: &mut Conn<'_>,
    collection: i64,
) -> Result<(), StoreError> {
    if conn.is_postgres() {
        // Only a statement that begins after this sees what those have put that had it before.
        let lock = "SELECT key FROM rag_collections WHERE key = $1 FOR UPDATE";
        conn.int(lock, &[collection.into()]).await?;
    }
    let forget = "DELETE FROM rag_collections WHERE key = $1 \
                  AND NOT EXISTS (SELECT 1 FROM rag_entries WHERE collection = $1)";
    conn.execute(forget, &[collection.into()]).await?;
    Ok(())
}

/// The collections of a tenant.
pub(super) async fn collections(
    conn: &mut Conn<'_>,
    tenant: &str,
) -> Result<Vec<String>, StoreError> {
    let find = "SELECT id FROM rag_collections WHERE tenant = $1 ORDER BY key";
    conn.rows(find, &[tenant.into()]).await?.iter().map(|row| row.text(0)).collect()
}

pub(super) async fn counts(conn: &mut Conn<'_>, scope: Scope<'_>) -> Result<Counts, StoreError> {
    let count = "SELECT COUNT(*), CAST(COALESCE(SUM(e.archived), 0) AS BIGINT), COUNT(e.live), \
                 CAST(COALESCE(SUM(e.chunks), 0) AS BIGINT), COUNT(e.space) \
                 FROM rag_entries AS e JOIN rag_collections AS k ON k.key = e.collection \
                 WHERE k.tenant = $1 AND k.id = $2";
    let row = conn.row(count, &[scope.tenant.into(), scope.collection.into()]).await?;
    let Some(row) = row else { return Ok(Counts::default()) };
    Ok(Counts {
        entries: row.count(0)?,
        archived: row.count(1)?,
        live: row.count(2)?,
        chunks: row.count(3)?,
        embedded: row.count(4)?,
    })
}

pub(super) async fn unembedded(
    conn: &mut Conn<'_>,
    model: &str,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Unembedded>, StoreError> {
    let find = "SELECT k.tenant, k.id, e.document, v.version, e.chunks, e.key \
                FROM rag_entries AS e \
                JOIN rag_collections AS k ON k.key = e.collection \
                JOIN rag_editions AS v ON v.key = e.live \
                LEFT JOIN rag_spaces AS s ON s.key = e.space \
                WHERE e.key > $2 AND (s.model IS NULL OR s.model <> $1) \
                ORDER BY e.key LIMIT $3";
    let binds = [model.into(), after.unwrap_or_default().into(), limit.into()];
    let rows = conn.rows(find, &binds).await?;
    let read = rows.iter().map(|row| {
        Ok(Unembedded {
            tenant: row.text(0)?,
            collection: row.text(1)?,
            document: row.text(2)?,
            version: row.text(3)?,
            chunks: row.small(4)?,
            cursor: row.int(5)?,
        })
    });
    read.collect()
}

/// Which of these chunks have no vectors of a model.
pub(super) async fn without_vectors(
    conn: &mut Conn<'_>,
    scope: Scope<'_>,
    embedding: &Embedding,
    keys: &[ChunkKey],
) -> Result<Vec<ChunkKey>, StoreError> {
    let editions: BTreeSet<i64> = keys.iter().map(|key| edition_of(key.0)).collect();
    let find = "SELECT e.live FROM rag_entries AS e \
                JOIN rag_collections AS k ON k.key = e.collection \
                WHERE k.tenant = $1 AND k.id = $2 AND e.live IN {ints$3} AND NOT EXISTS \
                (SELECT 1 FROM rag_spaces AS s \
                WHERE s.key = e.space AND s.model = $4 AND s.dimensions = $5)";
    let binds = [
        scope.tenant.into(),
        scope.collection.into(),
        to_json(&editions)?.into(),
        (&embedding.model).into(),
        embedding.dimensions.into(),
    ];
    let rows = conn.rows(find, &binds).await?;
    let without = rows.iter().map(|row| row.int(0)).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(keys.iter().copied().filter(|key| without.contains(&edition_of(key.0))).collect())
}

/// Values in JSON, for statements that take many.
pub(super) fn list_of<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    json!(values.into_iter().collect::<Vec<_>>()).to_string()
}
