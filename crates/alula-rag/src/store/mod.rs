//! Where documents are kept, and found again.
//!
//! A tenant has collections, a collection has entries, an entry is a document with attributes of its
//! own there, and has chunks. [`Store`] is what indexing and searching need of a database;
//! [`SqlStore`] is one in SQLite or in Postgres, and one suite of tests holds for both.
//!
//! Indexing is made of steps that can each be made again:
//!
//! 1. [`put_entry`](Store::put_entry) names the document,
//! 2. [`put_chunks`](Store::put_chunks) adds the chunks of a new version, in batches,
//! 3. [`put_vectors`](Store::put_vectors) adds their vectors, where there is a model for it,
//! 4. [`publish`](Store::publish) lets searches find that version, all of it at once, and removes
//!    the one before.
//!
//! ```
//! use alula_rag::{Chunk, NewEntry, Scope, Span, SqlStore, Store};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let store = SqlStore::in_memory(&Default::default()).await?;
//! let entry = Scope::new("acme", "default").entry("doc-1");
//! let new = NewEntry { at: entry, filename: "birds.md", attributes: &Default::default(), chunking: None };
//! store.put_entry(&new).await?;
//! let text = "The alula is a small feather.".to_owned();
//! let span = Span { start: 0, end: 29 };
//! let chunk = Chunk { ordinal: 0, text, span, page: None, headings: Vec::new(), tokens: 7 };
//! store.put_chunks(entry, "v1", &[chunk]).await?;
//! store.publish(entry, "v1", 1, None).await?;
//! assert_eq!(store.counts(entry.scope).await?.chunks, 1);
//! # Ok::<(), alula_rag::StoreError>(())
//! # }).unwrap();
//! ```

mod blocking;
mod entry;
mod error;
mod scan;
mod sql;

use std::fmt::Debug;

use alula_llm::model::Vectors;
use async_trait::async_trait;

pub(crate) use self::{blocking::blocking, entry::hex};
pub use self::{
    entry::{
        ATTRIBUTE_NAME_MAX, ATTRIBUTE_TEXT_MAX, ATTRIBUTES_MAX, Attribute, Attributes, Built,
        ChunkId, ChunkKey, Counts, Embedded, Embedding, Entry, EntryRef, NewEntry, Scope,
        StoredChunk, Unembedded,
    },
    error::StoreError,
    sql::{SqlStore, StoreSettings},
};
use crate::{Chunk, search::Selection};

/// How many chunks a document may have.
pub const CHUNKS_MAX: u32 = 1 << 20;
/// How many bytes the text of a chunk may have.
pub const CHUNK_BYTES_MAX: usize = 64 << 10;
/// How many numbers a vector may have.
pub const DIMENSIONS_MAX: u32 = 8192;

/// A database of documents.
///
/// What a call has been told to do it has done when it returns, and each can be made again: it does
/// no harm then. Long ones are several short transactions, so that others that write to the same
/// database are not held up.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// How it finds what is near to a vector.
    fn vector_index(&self) -> VectorIndex;

    /// What is found at this moment, for a search that asks for several things: whatever is
    /// published or removed meanwhile, it stays so. It takes a connection until it is dropped.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Names a document of a collection, or changes its name, attributes and chunking at once. Its
    /// chunks stay as they are; where both are to change together, see
    /// [`publish_as`](Self::publish_as).
    async fn put_entry(&self, entry: &NewEntry<'_>) -> Result<(), StoreError>;

    /// A document of a collection.
    async fn entry(&self, at: EntryRef<'_>) -> Result<Option<Entry>, StoreError>;

    /// Documents of a collection, in the order in which they were first put there, behind the
    /// document `after` if that is given.
    async fn entries(
        &self,
        scope: Scope<'_>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Replaces the attributes of an entry. Returns whether there is such an entry.
    async fn set_attributes(
        &self,
        at: EntryRef<'_>,
        attributes: &Attributes,
    ) -> Result<bool, StoreError>;

    /// Archives an entry, or takes it back. Returns whether there is such an entry.
    async fn set_archived(&self, at: EntryRef<'_>, archived: bool) -> Result<bool, StoreError>;

    /// Adds chunks to a version of an entry. Those that are there stay as they are.
    ///
    /// Nothing finds them before the version is [published](Self::publish). What a version is
    /// called is up to the caller; let it say all that its chunks depend on.
    async fn put_chunks(
        &self,
        at: EntryRef<'_>,
        version: &str,
        chunks: &[Chunk],
    ) -> Result<(), StoreError>;

    /// Adds the vectors of the chunks from `first` on, as this model has made them. They replace
    /// those that are there. Their length does not matter; it is made one.
    async fn put_vectors(
        &self,
        at: EntryRef<'_>,
        version: &str,
        model: &str,
        first: u32,
        vectors: &Vectors,
    ) -> Result<(), StoreError>;

    /// How much of a version is there, so that indexing can go on where it was.
    async fn built(
        &self,
        at: EntryRef<'_>,
        version: &str,
        model: Option<&str>,
    ) -> Result<Built, StoreError>;

    /// Lets searches find this version of an entry in place of the one before, by the vectors of
    /// this model if one is given, and removes what is no longer found.
    ///
    /// It fails with [`StoreError::Incomplete`], and changes nothing, if the version has not this
    /// many chunks or not all of their vectors.
    async fn publish(
        &self,
        at: EntryRef<'_>,
        version: &str,
        chunks: u32,
        model: Option<&str>,
    ) -> Result<(), StoreError>;

    /// The same for an entry that has this name, these attributes and this chunking from then on:
    /// whoever finds the version finds it with them, and the one before with its own.
    ///
    /// It fails with [`StoreError::NoEntry`] if there is no such entry.
    async fn publish_as(
        &self,
        entry: &NewEntry<'_>,
        version: &str,
        chunks: u32,
        model: Option<&str>,
    ) -> Result<(), StoreError>;

    /// Removes an entry with all that belongs to it. It is found no more at once; what takes longer
    /// and cannot be done now is left to [`sweep`](Self::sweep). Returns whether there was such an
    /// entry.
    async fn delete_entry(&self, at: EntryRef<'_>) -> Result<bool, StoreError>;

    /// Removes a collection with all that belongs to it. Returns how many entries it had.
    async fn delete_collection(&self, scope: Scope<'_>) -> Result<u64, StoreError>;

    /// Removes all that a tenant has. Returns how many entries these were.
    async fn delete_tenant(&self, tenant: &str) -> Result<u64, StoreError>;

    /// Removes what a call that was cut short, or could not remove it, has left behind, in at most
    /// this many pieces of some hundred chunks. Returns how many pieces there were; call it now and then.
    async fn sweep(&self, pieces_max: u32) -> Result<u32, StoreError>;

    /// Chunks of a version of an entry, in their order from the place `from` on. Without a version,
    /// those of the one that is live.
    async fn chunks(
        &self,
        at: EntryRef<'_>,
        version: Option<&str>,
        from: u32,
        limit: u32,
    ) -> Result<Vec<StoredChunk>, StoreError>;

    /// A chunk of a live version.
    async fn chunk(
        &self,
        scope: Scope<'_>,
        id: &ChunkId,
    ) -> Result<Option<StoredChunk>, StoreError>;

    /// So many chunks before and behind a live one, and itself, in their order.
    async fn neighbours(
        &self,
        scope: Scope<'_>,
        of: ChunkKey,
        before: u32,
        behind: u32,
    ) -> Result<Vec<StoredChunk>, StoreError>;

    /// How much there is in a collection.
    async fn counts(&self, scope: Scope<'_>) -> Result<Counts, StoreError>;

    /// Entries of all tenants that are live without vectors of this model, behind a cursor of the
    /// page before. They are found by their words only, until their chunks are given vectors and
    /// they are published again.
    async fn needs_embedding(
        &self,
        model: &str,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Unembedded>, StoreError>;

    /// How much of a collection is found by vectors of this model.
    async fn embedded(&self, scope: Scope<'_>, model: &str) -> Result<Embedded, StoreError>;

    /// The vectors that a model has made of texts with these hashes before, as far as they are
    /// known.
    async fn cached_vectors(
        &self,
        model: &str,
        hashes: &[String],
    ) -> Result<Vec<Option<Vec<f32>>>, StoreError>;

    /// Keeps vectors for [`cached_vectors`](Self::cached_vectors), and forgets the oldest ones
    /// beyond [`StoreSettings::cached_vectors_max`].
    async fn cache_vectors(
        &self,
        model: &str,
        hashes: &[String],
        vectors: &Vectors,
    ) -> Result<(), StoreError>;

    /// What [`Snapshot::find_near`] finds at this moment.
    async fn find_near(
        &self,
        scope: Scope<'_>,
        model: &str,
        vector: &[f32],
        selection: &Selection,
        limit: u32,
    ) -> Result<Vec<Near>, StoreError> {
        self.snapshot().await?.find_near(scope, model, vector, selection, limit).await
    }

    /// What [`Snapshot::load`] loads at this moment.
    async fn load(
        &self,
        scope: Scope<'_>,
        keys: &[ChunkKey],
    ) -> Result<Vec<StoredChunk>, StoreError> {
        self.snapshot().await?.load(scope, keys).await
    }

    /// Waits for what is being done and closes the connections.
    async fn close(&self);
}

/// What is found in a store, at one moment.
///
/// Chunks have their places in it as long as it is there: those of the next one may be at others.
///
/// ```
/// use alula_rag::{Scope, SqlStore, Store};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = SqlStore::in_memory(&Default::default()).await?;
/// let mut snapshot = store.snapshot().await?;
/// let (scope, words) = (Scope::new("acme", "default"), ["alula".to_owned()]);
/// let found = snapshot.find_words(scope, &words, &Default::default(), 10).await?;
/// let keys: Vec<_> = found.chunks.iter().map(|(key, _)| *key).collect();
/// assert_eq!(snapshot.load(scope, &keys).await?.len(), keys.len());
/// # Ok::<(), alula_rag::StoreError>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Snapshot: Debug + Send {
    /// Chunks with any of these words, those that seem to fit best first, with all it takes to rank
    /// them. Words are as [`words`](fn@crate::search::words) gives them.
    async fn find_words(
        &mut self,
        scope: Scope<'_>,
        words: &[String],
        selection: &Selection,
        limit: u32,
    ) -> Result<WordMatches, StoreError>;

    /// The chunks whose vectors of this model are nearest to one, the nearest first: of those whose
    /// vectors are as long as this one.
    async fn find_near(
        &mut self,
        scope: Scope<'_>,
        model: &str,
        vector: &[f32],
        selection: &Selection,
        limit: u32,
    ) -> Result<Vec<Near>, StoreError>;

    /// Which of these chunks of live versions have no vectors of this model and length, in no order.
    async fn without_vectors(
        &mut self,
        scope: Scope<'_>,
        embedding: &Embedding,
        keys: &[ChunkKey],
    ) -> Result<Vec<ChunkKey>, StoreError>;

    /// The chunks of live versions that are at these places, in no order. Those of other scopes are
    /// left out.
    async fn load(
        &mut self,
        scope: Scope<'_>,
        keys: &[ChunkKey],
    ) -> Result<Vec<StoredChunk>, StoreError>;
}

/// How a store finds what is near to a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorIndex {
    /// By looking at all vectors of a collection, in this process.
    Scan,
    /// By looking at all vectors of a collection, as a Postgres has no extension for it. Fit for
    /// some hundred thousand chunks of a collection.
    ScanForLackOfPgvector,
    /// By the index of pgvector, of this version.
    Pgvector(String),
}

/// Chunks that have words in common with a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WordMatches {
    /// The chunks and what they say.
    pub chunks: Vec<(ChunkKey, String)>,
    /// In about how many chunks of the collection each word occurs.
    pub occurrences: Vec<u64>,
    /// About how many chunks the collection has.
    pub total: u64,
}

/// A chunk that is near to a vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Which one.
    pub key: ChunkKey,
    /// The cosine of the angle between the two vectors: 1 for the same direction.
    pub similarity: f32,
}
