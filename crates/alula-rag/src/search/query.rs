//! What is searched for, and how.

use std::{collections::HashMap, sync::Arc};

use alula_llm::model::Purpose;

use super::{
    Filter, Found, Hit, SearchError, SearchMode,
    fuse::{List, fuse},
    query_words,
    rank::{highlights, rank},
};
use crate::{ChunkKey, Embedder, Scope, Store, StoredChunk};

/// How many hits of a search can be turned over, from the first on. It is the same for all pages, so
/// that they are pages of one list.
pub const WINDOW: u32 = 200;
/// How many texts a query may have.
pub const TEXTS_MAX: usize = 8;
/// How many bytes they may have together.
pub const QUERY_BYTES_MAX: usize = 16 << 10;
/// How many words of a text are searched by.
const WORDS_MAX: usize = 32;

/// What to search for.
///
/// ```
/// use alula_rag::search::{Mode, Query};
///
/// let query = Query { limit: 5, mode: Mode::Keyword, ..Query::new("What is an alula?") };
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The question, or several ways to ask it.
    pub texts: Vec<String>,
    /// How many hits, at most.
    pub limit: u32,
    /// How many of the best are left out, as they were on the pages before.
    pub offset: u32,
    /// By what.
    pub mode: Mode,
    /// In which documents.
    pub selection: Selection,
    /// Which [score](Hit::score) a hit has at least.
    pub score_min: f32,
    /// How much words and vectors count.
    pub weights: Weights,
}

/// By what chunks are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// By words and by vectors; by words alone where there are no vectors, or no way to make that
    /// of the query now.
    #[default]
    Auto,
    /// By words.
    Keyword,
    /// By vectors; it fails where that cannot be done.
    Vector,
    /// By words and by vectors; it fails where that cannot be done.
    Hybrid,
}

/// In which documents of a collection is searched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// What their attributes are.
    pub filter: Option<Filter>,
    /// Whether those are among them that are archived.
    pub include_archived: bool,
    /// Which they are; any where this is nothing.
    pub documents: Option<Vec<String>>,
}

/// How much the places in each list count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// By words.
    pub keyword: f32,
    /// By vectors.
    pub vector: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { keyword: 1.0, vector: 1.0 }
    }
}

impl Query {
    /// The first ten hits for a question.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            texts: vec![text.into()],
            limit: 10,
            offset: 0,
            mode: Mode::Auto,
            selection: Selection::default(),
            score_min: 0.0,
            weights: Weights::default(),
        }
    }

    fn check(&self) -> Result<(), SearchError> {
        let invalid = |reason: String| Err(SearchError::Invalid(reason));
        let bytes: usize = self.texts.iter().map(String::len).sum();
        if self.texts.is_empty() || self.texts.len() > TEXTS_MAX {
            return invalid(format!("a query has between 1 and {TEXTS_MAX} texts"));
        }
        if bytes > QUERY_BYTES_MAX {
            return invalid(format!("a query of {bytes} bytes is longer than {QUERY_BYTES_MAX}"));
        }
        if self.limit == 0 || self.offset.saturating_add(self.limit) > WINDOW {
            return invalid(format!("limit is 1 at least, and with the offset {WINDOW} at most"));
        }
        let weights = [self.weights.keyword, self.weights.vector];
        if weights.iter().any(|it| !(0.0..=1e6).contains(it)) || weights == [0.0, 0.0] {
            return invalid("weights are 0 or more, and one of them more than 0".to_owned());
        }
        Ok(())
    }
}

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
    /// # Errors
    ///
    /// When the query is none, or the store fails; when it cannot be searched by vectors and the
    /// mode demands it.
    pub async fn search(&self, scope: Scope<'_>, query: &Query) -> Result<Found, SearchError> {
        query.check()?;
        let (vectors, fallback) = match self.vectors(scope, query).await {
            Ok(vectors) => (vectors, None),
            Err(SearchError::Embed(error)) if query.mode == Mode::Auto => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let mode = match (query.mode, &vectors) {
            (Mode::Vector, _) => SearchMode::Vector,
            (_, Some(_)) => SearchMode::Hybrid,
            (_, None) => SearchMode::Keyword,
        };
        let words: Vec<Vec<String>> = query.texts.iter().map(|text| words_of(text)).collect();
        let mut known = Known::default();
        let mut lists = Vec::new();
        if mode != SearchMode::Vector {
            for words in words.iter().filter(|words| !words.is_empty()) {
                lists.push(self.by_words(scope, query, words, &mut known).await?);
            }
        }
        for vector in vectors.iter().flatten() {
            lists.push(self.by_vector(scope, query, vector, &mut known).await?);
        }
        let mut fused = fuse(&lists);
        fused.retain(|(_, score)| *score >= query.score_min);
        fused.truncate(usize::try_from(WINDOW).unwrap_or(usize::MAX));
        let (from, to) = page(query, fused.len());
        let has_more = to < fused.len();
        let page = fused.get(from..to).unwrap_or_default();
        let hits = self.hits(scope, page, &words.concat(), &known).await?;
        Ok(Found { mode, hits, has_more, fallback })
    }

    /// The vectors of the texts of a query, if it is searched by them.
    async fn vectors(
        &self,
        scope: Scope<'_>,
        query: &Query,
    ) -> Result<Option<Vec<Vec<f32>>>, SearchError> {
        if query.mode == Mode::Keyword {
            return Ok(None);
        }
        let is_needed = query.mode != Mode::Auto;
        let Some(embedder) = &self.embedder else {
            let reason = "there is no embedding model to search by vectors with";
            return if is_needed { Err(SearchError::NoVectors(reason)) } else { Ok(None) };
        };
        if !self.store.has_vectors(scope, embedder.model()).await? {
            let reason = "nothing in the collection has vectors of the embedding model";
            return if is_needed { Err(SearchError::NoVectors(reason)) } else { Ok(None) };
        }
        let texts: Vec<&str> = query.texts.iter().map(String::as_str).collect();
        let vectors = embedder.embed(&texts, Purpose::Query).await?;
        Ok(Some(vectors.iter().map(<[f32]>::to_vec).collect()))
    }

    async fn by_words(
        &self,
        scope: Scope<'_>,
        query: &Query,
        words: &[String],
        known: &mut Known,
    ) -> Result<List, SearchError> {
        let matches = self.store.find_words(scope, words, &query.selection, WINDOW).await?;
        let ranked = rank(words, &matches);
        for it in &ranked {
            let coverage = known.coverage.entry(it.key).or_default();
            *coverage = coverage.max(it.coverage);
        }
        let keys = ranked.iter().map(|it| it.key).collect();
        Ok(List { keys, weight: query.weights.keyword })
    }

    async fn by_vector(
        &self,
        scope: Scope<'_>,
        query: &Query,
        vector: &[f32],
        known: &mut Known,
    ) -> Result<List, SearchError> {
        let Some(embedder) = &self.embedder else {
            return Ok(List { keys: Vec::new(), weight: 0.0 });
        };
        let (model, selection) = (embedder.model(), &query.selection);
        let near = self.store.find_near(scope, model, vector, selection, WINDOW).await?;
        for it in &near {
            let similarity = known.similarity.entry(it.key).or_insert(it.similarity);
            *similarity = similarity.max(it.similarity);
        }
        let keys = near.iter().map(|it| it.key).collect();
        Ok(List { keys, weight: query.weights.vector })
    }

    /// The chunks of a page. One that was removed since it was found is left out.
    async fn hits(
        &self,
        scope: Scope<'_>,
        page: &[(ChunkKey, f32)],
        words: &[String],
        known: &Known,
    ) -> Result<Vec<Hit>, SearchError> {
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<ChunkKey> = page.iter().map(|(key, _)| *key).collect();
        let loaded = self.store.load(scope, &keys).await?;
        let mut loaded: HashMap<ChunkKey, StoredChunk> =
            loaded.into_iter().map(|it| (it.key, it)).collect();
        let hits = page.iter().filter_map(|(key, score)| {
            let StoredChunk { id, key, document, filename, attributes, chunk } =
                loaded.remove(key)?;
            let similarity = known.similarity.get(&key).copied();
            let coverage = known.coverage.get(&key).copied();
            let (highlights, score) = (highlights(&chunk.text, words), *score);
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
