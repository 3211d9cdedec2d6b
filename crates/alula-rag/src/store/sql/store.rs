//! The store itself: which connection or transaction each call has.

use std::{path::Path, sync::Arc};

use alula_llm::model::Vectors;
use async_trait::async_trait;

use super::{
    Database, cache,
    chunks::{self, Rows},
    entries,
    pgvector::Indices,
    publish,
    scanner::Scanner,
    schema,
    settings::StoreSettings,
    sizes::Sizes,
    snapshot::SqlSnapshot,
    sweep,
    transact::{reading, writing},
};
use crate::{
    Attributes, Chunk, ChunkId, ChunkKey, Entry, EntryRef, NewEntry, Scope, StoredChunk,
    store::{
        Built, Counts, Embedded, Snapshot, Store, StoreError, Unembedded, VectorIndex, blocking,
    },
};

/// How many entries of a collection that is deleted are unlinked in one transaction.
const UNLINKED: u32 = 64;

/// Documents in SQLite or Postgres. Clones share its connections.
///
/// Its tables begin with `rag_`, and can be in the database of another program.
#[derive(Debug, Clone)]
pub struct SqlStore(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) database: Database,
    pub(super) index: VectorIndex,
    indices: Indices,
    pub(super) scanner: Scanner,
    pub(super) sizes: Sizes,
    pub(super) settings: StoreSettings,
}

impl SqlStore {
    /// Opens a file of SQLite, which is made if it is not there, and makes the tables that are
    /// missing. The folder must be there.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or is newer than this library.
    pub async fn open(
        path: impl AsRef<Path>,
        settings: &StoreSettings,
    ) -> Result<Self, StoreError> {
        let database = Database::file(path.as_ref(), settings).await?;
        Self::of(database, settings).await
    }

    /// Documents in memory, which are gone with the store.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub async fn in_memory(settings: &StoreSettings) -> Result<Self, StoreError> {
        Self::of(Database::memory().await?, settings).await
    }

    /// Connects to `postgres://USER:PASSWORD@HOST/DATABASE` with at most so many connections, and
    /// makes the tables that are missing. Vectors are kept by the extension pgvector if it is there,
    /// or can be made, when this database is used for the first time.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached or is newer than this library, and
    /// [`StoreError::NoExtension`] if the extension was there before and is not any more.
    pub async fn connect(
        url: &str,
        connections: u32,
        settings: &StoreSettings,
    ) -> Result<Self, StoreError> {
        let database = Database::postgres(url, connections, settings.statement_max).await?;
        Self::of(database, settings).await
    }

    async fn of(database: Database, settings: &StoreSettings) -> Result<Self, StoreError> {
        let index = schema::migrate(&database).await?;
        let scanner = Scanner::new(settings.scan_bytes_max, settings.scans_max);
        let settings =
            StoreSettings { ef_search: settings.ef_search.clamp(1, 1_000), ..settings.clone() };
        let (indices, sizes) = (Indices::default(), Sizes::default());
        Ok(Self(Arc::new(Inner { database, index, indices, scanner, sizes, settings })))
    }

    /// Removes what is left of these editions. Nothing finds it any more, and what cannot be removed
    /// now a sweep removes later: what has left it so is done.
    async fn swept(&self, editions: &[i64]) {
        for edition in editions {
            if let Err(error) = sweep::edition(&self.0.database, &self.0.index, *edition).await {
                tracing::warn!(%error, "chunks that nobody finds any more are removed later");
                return;
            }
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    fn vector_index(&self) -> VectorIndex {
        self.0.index.clone()
    }

    async fn put_entry(&self, entry: &NewEntry<'_>) -> Result<(), StoreError> {
        writing!(self, |conn| entries::put(conn, entry).await)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(SqlSnapshot::of(self.0.clone()).await?))
    }

    async fn entry(&self, at: EntryRef<'_>) -> Result<Option<Entry>, StoreError> {
        reading!(self, |conn| entries::get(conn, at).await)
    }

    async fn entries(
        &self,
        scope: Scope<'_>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        reading!(self, |conn| entries::list(conn, scope, after, limit).await)
    }

    async fn set_attributes(
        &self,
        at: EntryRef<'_>,
        attributes: &Attributes,
    ) -> Result<bool, StoreError> {
        writing!(self, |conn| entries::set_attributes(conn, at, attributes).await)
    }

    async fn set_archived(&self, at: EntryRef<'_>, archived: bool) -> Result<bool, StoreError> {
        writing!(self, |conn| entries::set_archived(conn, at, archived).await)
    }

    async fn put_chunks(
        &self,
        at: EntryRef<'_>,
        version: &str,
        chunks: &[Chunk],
    ) -> Result<(), StoreError> {
        chunks::check(chunks)?;
        entries::check_name("version", version)?;
        let is_postgres = self.0.database.is_postgres();
        for batch in chunks.chunks(chunks::BATCH) {
            let found = reading!(self, |conn| entries::key_and_collection(conn, at).await)?;
            let (_, collection) = found.ok_or_else(|| entries::none(at))?;
            let ids = batch.iter().map(|it| ChunkId::of(at, version, it.ordinal)).collect();
            let batch = batch.to_vec();
            // To take them apart into words takes longer than to write them.
            let rows = blocking(move || Rows::of(&batch, ids, collection, is_postgres)).await??;
            writing!(self, |conn| chunks::put(conn, at, version, &rows).await)?;
        }
        Ok(())
    }

    async fn put_vectors(
        &self,
        at: EntryRef<'_>,
        version: &str,
        model: &str,
        first: u32,
        vectors: &Vectors,
    ) -> Result<(), StoreError> {
        let Inner { database, index, indices, .. } = &*self.0;
        if matches!(index, VectorIndex::Pgvector(_)) {
            indices.make(database, vectors.dimensions()).await?;
        }
        publish::put_vectors(database, index, (at, version), model, first, vectors).await
    }

    async fn built(
        &self,
        at: EntryRef<'_>,
        version: &str,
        model: Option<&str>,
    ) -> Result<Built, StoreError> {
        reading!(self, |conn| publish::built(conn, &self.0.index, at, version, model).await)
    }

    async fn publish(
        &self,
        at: EntryRef<'_>,
        version: &str,
        chunks: u32,
        model: Option<&str>,
    ) -> Result<(), StoreError> {
        let index = &self.0.index;
        let removed = writing!(self, |conn| {
            publish::publish(conn, index, (at, version), chunks, model).await
        })?;
        self.swept(&removed).await;
        Ok(())
    }

    async fn publish_as(
        &self,
        entry: &NewEntry<'_>,
        version: &str,
        chunks: u32,
        model: Option<&str>,
    ) -> Result<(), StoreError> {
        let index = &self.0.index;
        let removed = writing!(self, |conn| {
            // First, as it fails where there is no entry, which the other makes.
            match publish::publish(conn, index, (entry.at, version), chunks, model).await {
                Ok(removed) => entries::put(conn, entry).await.map(|()| removed),
                Err(error) => Err(error),
            }
        })?;
        self.swept(&removed).await;
        Ok(())
    }

    async fn delete_entry(&self, at: EntryRef<'_>) -> Result<bool, StoreError> {
        let removed = writing!(self, |conn| {
            match entries::locked(conn, at).await {
                Ok(key) => {
                    let collection = entries::collection_of(conn, key).await?;
                    entries::unlink(conn, collection, &[key]).await.map(Some)
                }
                Err(StoreError::NoEntry(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        self.swept(removed.as_deref().unwrap_or_default()).await;
        Ok(removed.is_some())
    }

    async fn delete_collection(&self, scope: Scope<'_>) -> Result<u64, StoreError> {
        let Some(collection) = reading!(self, |conn| entries::collection(conn, scope).await)?
        else {
            return Ok(0);
        };
        let mut count = 0;
        loop {
            let (found, removed) = writing!(self, |conn| {
                let found = entries::first_keys(conn, collection, UNLINKED).await?;
                let removed = entries::unlink(conn, collection, &found).await?;
                if found.is_empty() {
                    entries::forget_collection(conn, collection).await?;
                }
                Ok::<_, StoreError>((found.len(), removed))
            })?;
            self.swept(&removed).await;
            if found == 0 {
                return Ok(count);
            }
            count += u64::try_from(found).unwrap_or(u64::MAX);
        }
    }

    async fn delete_tenant(&self, tenant: &str) -> Result<u64, StoreError> {
        let mut count = 0;
        for collection in reading!(self, |conn| entries::collections(conn, tenant).await)? {
            count += self.delete_collection(Scope::new(tenant, &collection)).await?;
        }
        Ok(count)
    }

    async fn sweep(&self, pieces_max: u32) -> Result<u32, StoreError> {
        let Inner { database, index, .. } = &*self.0;
        let mut pieces = 0;
        while pieces < pieces_max && sweep::piece(database, index, None).await? {
            pieces += 1;
        }
        Ok(pieces)
    }

    async fn chunks(
        &self,
        at: EntryRef<'_>,
        version: Option<&str>,
        from: u32,
        limit: u32,
    ) -> Result<Vec<StoredChunk>, StoreError> {
        reading!(self, |conn| chunks::list(conn, at, version, from, limit).await)
    }

    async fn chunk(
        &self,
        scope: Scope<'_>,
        id: &ChunkId,
    ) -> Result<Option<StoredChunk>, StoreError> {
        reading!(self, |conn| chunks::get(conn, scope, id).await)
    }

    async fn neighbours(
        &self,
        scope: Scope<'_>,
        of: ChunkKey,
        before: u32,
        behind: u32,
    ) -> Result<Vec<StoredChunk>, StoreError> {
        reading!(self, |conn| chunks::neighbours(conn, scope, of, before, behind).await)
    }

    async fn counts(&self, scope: Scope<'_>) -> Result<Counts, StoreError> {
        reading!(self, |conn| entries::counts(conn, scope).await)
    }

    async fn needs_embedding(
        &self,
        model: &str,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Unembedded>, StoreError> {
        reading!(self, |conn| entries::unembedded(conn, model, after, limit).await)
    }

    async fn embedded(&self, scope: Scope<'_>, model: &str) -> Result<Embedded, StoreError> {
        let size = reading!(self, |conn| self.0.sizes.of(conn, scope).await)?;
        Ok(size.map(|(_, size)| size.embedded(model)).unwrap_or_default())
    }

    async fn cached_vectors(
        &self,
        model: &str,
        hashes: &[String],
    ) -> Result<Vec<Option<Vec<f32>>>, StoreError> {
        reading!(self, |conn| cache::get(conn, model, hashes).await)
    }

    async fn cache_vectors(
        &self,
        model: &str,
        hashes: &[String],
        vectors: &Vectors,
    ) -> Result<(), StoreError> {
        let vectors: Vec<&[f32]> = vectors.iter().collect();
        let max = self.0.settings.cached_vectors_max;
        for (hashes, vectors) in hashes.chunks(cache::BATCH).zip(vectors.chunks(cache::BATCH)) {
            writing!(self, |conn| cache::put(conn, model, hashes, vectors, max).await)?;
        }
        Ok(())
    }

    async fn close(&self) {
        self.0.database.close().await;
    }
}
