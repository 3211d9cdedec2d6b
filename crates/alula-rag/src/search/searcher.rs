//! How it is searched: by words, by vectors, and by both.

use std::{collections::HashMap, sync::Arc};

use alula_llm::model::Purpose;

use super::{
    Found, Hit, Mode, Query, SearchError, SearchMode, WINDOW,
    fuse::{List, fuse},
    query_words,
    rank::{highlights, rank},
};
use crate::{
    ChunkKey, EmbedError, Embedder, Embedding, Scope, Span, Store, StoredChunk,
    store::{Embedded, Snapshot, blocking},
};

/// How many words of a text are searched by.
const WORDS_MAX: usize = 32;

/// Searches a store.
///
/// ```
/// use std::sync::Arc;
///
/// use alula_rag::{Scope, SqlStore, search::{Query, Searcher}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = Arc::new(SqlStore::in_memory(&Default::default()).await?);
/// let searcher = Searcher::new(store);
/// let found = searcher.search(Scope::new("acme", "default"), &Query::new("alula")).await?;
/// assert_eq!((found.mode.as_str(), found.hits.len()), ("keyword", 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Searcher {
    store: Arc<dyn Store>,
    embedder: Option<Arc<dyn Embedder>>,
}

/// What is searched for, as it was written.
struct Text {
    words: Vec<String>,
    /// The vector of it, if it is searched by that.
    vector: Option<Vec<f32>>,
}

/// By which vectors it is searched.
struct Meant {
    embedding: Embedding,
    vectors: Vec<Vec<f32>>,
    /// How much of the collection has such vectors.
    embedded: Embedded,
}

/// What the hits of a list are known by.
#[derive(Default)]
struct Known {
    similarity: HashMap<ChunkKey, f32>,
    coverage: HashMap<ChunkKey, f32>,
}

impl Searcher {
    /// Searches by words.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, embedder: None }
    }

    /// Searches by the vectors of this model as well.
    #[must_use]
    pub fn with_embedder(mut self, embedder: Arc<dyn Embedder>) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// The store that is searched.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Finds chunks of a collection.
    ///
    /// Documents that have no vectors of the model yet are found by their words, which then count
    /// for what they mean too: they are as high as if they were found so by both.
    ///
    /// # Errors
    ///
    /// When the query is none, or the store fails; when it cannot be searched by vectors and the
    /// mode demands it.
    pub async fn search(&self, scope: Scope<'_>, query: &Query) -> Result<Found, SearchError> {
        query.check()?;
        let asked: Vec<&str> =
            query.texts.iter().map(String::as_str).filter(|it| !it.trim().is_empty()).collect();
        let (meant, fallback) = match self.meant(scope, query.mode, &asked).await {
            Ok(meant) => (meant, None),
            Err(SearchError::Embed(error)) if query.mode == Mode::Auto => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let mode = match (query.mode, &meant) {
            (Mode::Vector, _) => SearchMode::Vector,
            (_, Some(_)) => SearchMode::Hybrid,
            (_, None) => SearchMode::Keyword,
        };
        let unembedded = meant.as_ref().map_or(0, |meant| meant.embedded.without());
        let (embedding, vectors) = match meant {
            Some(meant) => (Some(meant.embedding), meant.vectors),
            None => (None, Vec::new()),
        };
        let mut vectors = vectors.into_iter();
        let texts: Vec<Text> = asked
            .iter()
            .map(|text| Text { words: words_of(text), vector: vectors.next() })
            .collect();
        let model = self.embedder.as_ref().map(|embedder| embedder.model());
        // Whatever is published or removed from now on, it is all in one piece.
        let snapshot = self.store.snapshot().await?;
        let mut search = Search { snapshot, scope, query, model, known: Known::default() };
        let lacking = embedding.as_ref().filter(|_| unembedded > 0);
        let (hits, has_more) = search.page(&texts, lacking).await?;
        Ok(Found { mode, hits, has_more, fallback, unembedded })
    }

    /// The vectors of what is asked, if it is searched by them.
    async fn meant(
        &self,
        scope: Scope<'_>,
        mode: Mode,
        asked: &[&str],
    ) -> Result<Option<Meant>, SearchError> {
        if mode == Mode::Keyword || mode == Mode::Auto && asked.is_empty() {
            return Ok(None);
        }
        let none = |reason| match mode {
            Mode::Auto => Ok(None),
            _ => Err(SearchError::NoVectors(reason)),
        };
        let Some(embedder) = &self.embedder else {
            return none("there is no embedding model to search by vectors with");
        };
        let embedded = self.store.embedded(scope, embedder.model()).await?;
        let Some(dimensions) = embedded.dimensions else {
            return none("nothing in the collection has vectors of the embedding model");
        };
        let vectors = if asked.is_empty() {
            Vec::new()
        } else {
            let made = embedder.embed(asked, Purpose::Query).await?;
            if made.len() != asked.len() {
                let (texts, vectors) = (asked.len(), made.len());
                return Err(EmbedError::Count { texts, vectors }.into());
            }
            if usize::try_from(dimensions).ok() != Some(made.dimensions()) {
                let found = made.dimensions();
                return Err(EmbedError::Dimensions { expected: dimensions, found }.into());
            }
            made.iter().map(<[f32]>::to_vec).collect()
        };
        let embedding = Embedding { model: embedder.model().to_owned(), dimensions };
        Ok(Some(Meant { embedding, vectors, embedded }))
    }
}

/// A search of a store as it is at one moment.
struct Search<'a> {
    snapshot: Box<dyn Snapshot>,
    scope: Scope<'a>,
    query: &'a Query,
    /// Whose vectors there are, if anybody's.
    model: Option<&'a str>,
    known: Known,
}

impl Search<'_> {
    /// The hits of the page, and whether there are more. `lacking` are the vectors that not all
    /// documents have.
    async fn page(
        &mut self,
        texts: &[Text],
        lacking: Option<&Embedding>,
    ) -> Result<(Vec<Hit>, bool), SearchError> {
        let mut lists = Vec::new();
        for text in texts {
            if !text.words.is_empty() && self.query.mode != Mode::Vector {
                let list = self.by_words(&text.words).await?;
                if let (Some(embedding), Some(_)) = (lacking, &text.vector) {
                    lists.push(self.stand_in(embedding, &list).await?);
                }
                lists.push(list);
            }
            if let Some(vector) = &text.vector {
                lists.push(self.by_vector(vector).await?);
            }
        }
        let mut fused = fuse(&lists);
        fused.retain(|(_, score)| *score >= self.query.score_min);
        fused.truncate(usize::try_from(WINDOW).unwrap_or(usize::MAX));
        let (from, to) = page(self.query, fused.len());
        let words = texts.iter().flat_map(|text| &text.words).cloned().collect();
        let hits = self.hits(fused.get(from..to).unwrap_or_default(), words).await?;
        Ok((hits, to < fused.len()))
    }

    async fn by_words(&mut self, words: &[String]) -> Result<List, SearchError> {
        let Query { selection, weights, .. } = self.query;
        let matches = self.snapshot.find_words(self.scope, words, selection, WINDOW).await?;
        let words = words.to_vec();
        let ranked = blocking(move || rank(&words, &matches)).await?;
        for it in &ranked {
            let coverage = self.known.coverage.entry(it.key).or_default();
            *coverage = coverage.max(it.coverage);
        }
        Ok(List::by_words(&ranked, weights.keyword))
    }

    /// A list in place of that by vectors, with what has none where it is by its words.
    async fn stand_in(
        &mut self,
        embedding: &Embedding,
        by_words: &List,
    ) -> Result<List, SearchError> {
        let keys: Vec<ChunkKey> = by_words.keys().collect();
        let without = self.snapshot.without_vectors(self.scope, embedding, &keys).await?;
        Ok(by_words.stand_in(&without.into_iter().collect(), self.query.weights.vector))
    }

    async fn by_vector(&mut self, vector: &[f32]) -> Result<List, SearchError> {
        let Some(model) = self.model else { return Ok(List::by_vectors(&[], 0.0)) };
        let Query { selection, weights, .. } = self.query;
        let near = self.snapshot.find_near(self.scope, model, vector, selection, WINDOW).await?;
        for it in &near {
            let similarity = self.known.similarity.entry(it.key).or_insert(it.similarity);
            *similarity = similarity.max(it.similarity);
        }
        Ok(List::by_vectors(&near, weights.vector))
    }

    /// The chunks of a page.
    async fn hits(
        &mut self,
        page: &[(ChunkKey, f32)],
        words: Vec<String>,
    ) -> Result<Vec<Hit>, SearchError> {
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<ChunkKey> = page.iter().map(|(key, _)| *key).collect();
        let loaded = self.snapshot.load(self.scope, &keys).await?;
        let mut loaded = blocking(move || highlighted(loaded, &words)).await?;
        let known = &self.known;
        let hits = page.iter().filter_map(|(key, score)| {
            let (StoredChunk { id, key, document, filename, attributes, chunk }, highlights) =
                loaded.remove(key)?;
            let similarity = known.similarity.get(&key).copied();
            let coverage = known.coverage.get(&key).copied();
            let score = *score;
            let hit = Hit {
                id,
                key,
                document,
                filename,
                attributes,
                chunk,
                score,
                similarity,
                coverage,
                highlights,
            };
            Some(hit)
        });
        Ok(hits.collect())
    }
}

fn highlighted(
    chunks: Vec<StoredChunk>,
    words: &[String],
) -> HashMap<ChunkKey, (StoredChunk, Vec<Span>)> {
    let with_highlights = chunks.into_iter().map(|chunk| {
        let highlights = highlights(&chunk.chunk.text, words);
        (chunk.key, (chunk, highlights))
    });
    with_highlights.collect()
}

/// The words of a text that are searched and highlighted.
fn words_of(text: &str) -> Vec<String> {
    let mut words = query_words(text);
    words.truncate(WORDS_MAX);
    words
}

/// From where to where a page goes of a list so long.
fn page(query: &Query, length: usize) -> (usize, usize) {
    let bound = |place: u32| usize::try_from(place).unwrap_or(usize::MAX).min(length);
    (bound(query.offset), bound(query.offset.saturating_add(query.limit)))
}
