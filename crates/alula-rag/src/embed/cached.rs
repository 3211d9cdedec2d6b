use std::sync::Arc;

use alula_llm::model::{Purpose, Vectors};
use async_trait::async_trait;
use ring::digest::{SHA256, digest};

use super::{EmbedError, Embedder, check};
use crate::store::{Store, hex};

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

    /// What is known of these texts; nothing of each if the store fails.
    async fn known(&self, hashes: &[String]) -> Vec<Option<Vec<f32>>> {
        let known = self.store.cached_vectors(self.model(), hashes).await;
        known.unwrap_or_else(|error| {
            tracing::warn!(%error, "vectors that are kept could not be read");
            vec![None; hashes.len()]
        })
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
        let known = self.known(&hashes).await;
        let (mut new, mut new_hashes) = (Vec::new(), Vec::new());
        for ((text, hash), known) in texts.iter().zip(&hashes).zip(&known) {
            if known.is_none() && !new_hashes.contains(hash) {
                new.push(*text);
                new_hashes.push(hash.clone());
            }
        }
        let made = if new.is_empty() {
            Vectors::new()
        } else {
            let made = self.inner.embed(&new, purpose).await?;
            check(new.len(), self.dimensions(), &made)?;
            self.keep(&new_hashes, &made).await;
            made
        };
        let mut all = Vectors::new();
        for (hash, known) in hashes.iter().zip(&known) {
            let made = || {
                let place = new_hashes.iter().position(|it| it == hash)?;
                made.get(place)
            };
            let vector = known.as_deref().or_else(made);
            let count = || EmbedError::Count { texts: texts.len(), vectors: all.len() };
            let vector = vector.ok_or_else(count)?;
            all.push(vector)?;
        }
        Ok(all)
    }
}
