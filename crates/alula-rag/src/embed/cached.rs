use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use alula_llm::model::{Purpose, Vectors};
use async_trait::async_trait;
use ring::digest::{SHA256, digest};

use super::{EmbedError, Embedder, check};
use crate::store::{Store, hex};

/// Vectors by the hashes of their texts.
type Known = HashMap<String, Vec<f32>>;

/// Asks a model only for texts of which it has made no vectors before, and keeps these in a store.
///
/// A store that fails is no reason to have no vectors: the model is asked then. Queries are not kept.
///
/// ```
/// use std::sync::Arc;
///
/// use alula_llm::model::Purpose;
/// use alula_rag::{Cached, Embedder, Hashing, SqlStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = Arc::new(SqlStore::in_memory(&Default::default()).await?);
/// let embedder = Cached::new(Arc::new(Hashing::new(64)), store);
/// let vectors = embedder.embed(&["a wing"], Purpose::Document).await?;
/// assert_eq!(vectors.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Cached {
    inner: Arc<dyn Embedder>,
    store: Arc<dyn Store>,
}

impl Cached {
    /// Keeps the vectors of a model in a store.
    pub fn new(inner: Arc<dyn Embedder>, store: Arc<dyn Store>) -> Self {
        Self { inner, store }
    }

    /// What is known of these texts; nothing if the store fails. Vectors of several lengths are of
    /// different times of a model, and of no use.
    async fn known(&self, hashes: &[String]) -> Known {
        let known = self.store.cached_vectors(self.model(), hashes).await;
        let known = known.unwrap_or_else(|error| {
            tracing::warn!(%error, "vectors that are kept could not be read");
            Vec::new()
        });
        let is_whole = |vector: &Vec<f32>| {
            let length = self.dimensions().and_then(|it| usize::try_from(it).ok());
            !vector.is_empty()
                && length.is_none_or(|it| it == vector.len())
                && vector.iter().all(|it| it.is_finite())
        };
        let pairs = hashes.iter().cloned().zip(known);
        let known: Known =
            pairs.filter_map(|(hash, it)| Some((hash, it.filter(is_whole)?))).collect();
        let lengths: HashSet<usize> = known.values().map(Vec::len).collect();
        if lengths.len() > 1 { Known::new() } else { known }
    }

    /// Asks for the vectors that are not known, and keeps them.
    async fn make(
        &self,
        texts: &[&str],
        hashes: &[String],
        known: &Known,
        purpose: Purpose,
    ) -> Result<Option<Vectors>, EmbedError> {
        let places = unknown(hashes, known);
        if places.is_empty() {
            return Ok(None);
        }
        let (mut new, mut new_hashes) = (Vec::new(), Vec::new());
        for (text, hash) in texts.iter().zip(hashes) {
            if places.get(hash.as_str()) == Some(&new.len()) {
                new.push(*text);
                new_hashes.push(hash.clone());
            }
        }
        let made = self.inner.embed(&new, purpose).await?;
        check(new.len(), self.dimensions(), &made)?;
        self.keep(&new_hashes, &made).await;
        Ok(Some(made))
    }

    async fn keep(&self, hashes: &[String], vectors: &Vectors) {
        if let Err(error) = self.store.cache_vectors(self.model(), hashes, vectors).await {
            tracing::warn!(%error, "vectors could not be kept");
        }
    }
}

#[async_trait]
impl Embedder for Cached {
    fn model(&self) -> &str {
        self.inner.model()
    }

    fn dimensions(&self) -> Option<u32> {
        self.inner.dimensions()
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors, EmbedError> {
        if purpose != Purpose::Document {
            return self.inner.embed(texts, purpose).await;
        }
        let hashes: Vec<String> =
            texts.iter().map(|text| hex(digest(&SHA256, text.as_bytes()).as_ref())).collect();
        let mut known = self.known(&hashes).await;
        let made = self.make(texts, &hashes, &known, purpose.clone()).await?;
        let lengths = known.values().map(Vec::len).collect::<HashSet<_>>();
        let made = match made {
            // The model has vectors of another length now: what it has made before is of no use.
            Some(made) if lengths.iter().any(|it| *it != made.dimensions()) => {
                known.clear();
                self.make(texts, &hashes, &known, purpose).await?
            }
            made => made,
        };
        let places = unknown(&hashes, &known);
        let mut all = Vectors::new();
        for hash in &hashes {
            let made = || made.as_ref()?.get(*places.get(hash.as_str())?);
            let vector = known.get(hash).map(Vec::as_slice).or_else(made);
            let count = || EmbedError::Count { texts: texts.len(), vectors: all.len() };
            let vector = vector.ok_or_else(count)?;
            all.push(vector)?;
        }
        Ok(all)
    }
}

/// The texts whose vectors are not known, each once, with their places.
fn unknown<'a>(hashes: &'a [String], known: &Known) -> HashMap<&'a str, usize> {
    let mut places = HashMap::new();
    for hash in hashes.iter().filter(|hash| !known.contains_key(*hash)) {
        let next = places.len();
        places.entry(hash.as_str()).or_insert(next);
    }
    places
}
