//! What a search reads, all of it as it is at one moment.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Conn, chunks, database::Session, entries, pgvector, publish, scanner::Search, store::Inner,
    watch::Watch, words,
};
use crate::{
    ChunkKey, Embedding, Scope, StoredChunk,
    search::Selection,
    store::{Near, Snapshot, StoreError, VectorIndex, WordMatches, scan::unit},
};

/// A transaction that reads.
#[derive(Debug)]
pub(super) struct SqlSnapshot {
    store: Arc<Inner>,
    /// Dropped before the transaction, so that nothing is read to its end that nobody waits for.
    watch: Option<Watch>,
    session: Session,
}

impl SqlSnapshot {
    pub(super) async fn of(store: Arc<Inner>) -> Result<Self, StoreError> {
        let session = store.database.snapshot().await?;
        Ok(Self { store, watch: None, session })
    }

    /// The store, and a connection that has the time of a statement.
    async fn conn(&mut self) -> Result<(&Inner, Conn<'_>), StoreError> {
        self.watch = self.store.database.watch(&mut self.session).await?;
        Ok((&self.store, self.session.conn()))
    }
}

#[async_trait]
impl Snapshot for SqlSnapshot {
    async fn find_words(
        &mut self,
        scope: Scope<'_>,
        words: &[String],
        selection: &Selection,
        limit: u32,
    ) -> Result<WordMatches, StoreError> {
        let (store, mut conn) = self.conn().await?;
        words::find(&mut conn, &store.sizes, scope, words, selection, limit).await
    }

    async fn find_near(
        &mut self,
        scope: Scope<'_>,
        model: &str,
        vector: &[f32],
        selection: &Selection,
        limit: u32,
    ) -> Result<Vec<Near>, StoreError> {
        let no_direction = || StoreError::Invalid("a vector has no direction".to_owned());
        let vector = unit(vector).ok_or_else(no_direction)?;
        let (Inner { index, scanner, sizes, settings, .. }, mut conn) = self.conn().await?;
        let space = publish::space(&mut conn, model, vector.len()).await?;
        let Some(space) = space else { return Ok(Vec::new()) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let search = Search { scope, space, vector: &vector, selection, limit };
        match index {
            VectorIndex::Pgvector(_) => pgvector::find(&mut conn, sizes, &search, settings).await,
            _ => scanner.find(&mut conn, &search).await,
        }
    }

    async fn without_vectors(
        &mut self,
        scope: Scope<'_>,
        embedding: &Embedding,
        keys: &[ChunkKey],
    ) -> Result<Vec<ChunkKey>, StoreError> {
        let (_, mut conn) = self.conn().await?;
        entries::without_vectors(&mut conn, scope, embedding, keys).await
    }

    async fn load(
        &mut self,
        scope: Scope<'_>,
        keys: &[ChunkKey],
    ) -> Result<Vec<StoredChunk>, StoreError> {
        let (_, mut conn) = self.conn().await?;
        chunks::load(&mut conn, scope, keys).await
    }
}
