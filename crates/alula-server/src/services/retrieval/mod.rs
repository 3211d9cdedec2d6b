//! Documents that are found: where they are kept, and who makes vectors of them.

mod embedder;
mod filter;
mod place;
mod search;

use std::{sync::Arc, time::Duration};

use alula_llm::Llm;
use alula_rag::{
    Cached, Embedder, SqlStore, Store, StoreError, StoreSettings, answer::PassageLimits,
    search::WINDOW,
};
use tokio::sync::Semaphore;

use self::{
    embedder::{Charged, Model},
    search::Queries,
};
pub(crate) use self::{
    embedder::{NotAdmitted, try_model},
    filter::parsed,
    place::Place,
    search::{not_embedded, reason, store_failed},
};
use super::admission::Caller;
use crate::{config::Config, db::DatabaseUrl};

/// Connections to Postgres, beside those of requests and of jobs.
const CONNECTIONS: u32 = 6;

/// Where documents are that are in no vector store.
pub(crate) const DEFAULT_COLLECTION: &str = "default";
/// The most results of one page, so that the second page of this size ends where the window does.
pub(crate) const LIMIT_MAX: u32 = WINDOW / 2;

/// How documents are searched.
#[derive(Debug, Clone)]
pub(crate) struct RetrievalSettings {
    /// The model that makes vectors, as callers would name it. Without it words alone are searched.
    pub(crate) model: Option<String>,
    /// How many numbers a vector shall have, of a model that can vary that.
    pub(crate) dimensions: Option<u32>,
    /// How long a search waits for the vector of its query.
    pub(crate) wait: Duration,
    /// How many searches run at once; others wait.
    pub(crate) running_max: usize,
    /// How many results one page may have.
    pub(crate) limit_max: u32,
    /// What of the found a model gets to read.
    pub(crate) passages: PassageLimits,
    /// How many bytes of vectors are kept in memory to be scanned.
    pub(crate) vectors_bytes_max: usize,
    /// How many vectors are kept for texts that come again.
    pub(crate) cached_max: u64,
}

impl Default for RetrievalSettings {
    fn default() -> Self {
        let store = StoreSettings::default();
        Self {
            model: None,
            dimensions: None,
            wait: Duration::from_secs(5),
            running_max: 16,
            limit_max: LIMIT_MAX,
            passages: PassageLimits::default(),
            vectors_bytes_max: store.scan_bytes_max,
            cached_max: store.cached_vectors_max,
        }
    }
}

/// The documents of the database. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Retrieval(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    settings: RetrievalSettings,
    queries: Arc<Queries>,
    /// Those that run.
    searches: Semaphore,
}

/// Why there are no documents.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetrievalError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("ALULA_EMBEDDING_MODEL: {0}")]
    Model(alula_llm::Error),
}

impl Retrieval {
    /// Opens the database of documents.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or there is nobody who makes vectors by this name.
    pub(crate) async fn open(config: &Config, llm: &Llm) -> Result<Self, RetrievalError> {
        let settings = config.retrieval.clone();
        if let Some(model) = &settings.model {
            Model::resolve(llm, model, settings.dimensions).map_err(RetrievalError::Model)?;
        }
        let store = open(&config.database, &settings).await?;
        let searches = Semaphore::new(settings.running_max.min(Semaphore::MAX_PERMITS));
        let queries = Arc::default();
        Ok(Self(Arc::new(Inner { store, settings, queries, searches })))
    }

    /// Where documents are kept.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Makes vectors of documents for a caller, whose calls they are: they are let in, held to
    /// limits, charged and noted like any other. Those of texts that have come before are kept.
    ///
    /// It is nothing where no model is named, or nobody serves it any more. Its name is that of the
    /// model that answers, whatever name leads there.
    pub(crate) fn embedder(&self, caller: &Caller) -> Option<Arc<dyn Embedder>> {
        let model = self.model(&caller.models())?;
        let model = model.inspect_err(|error| tracing::warn!(%error, "there are no vectors"));
        let charged = Charged::new(caller.clone(), model.ok()?);
        Some(Arc::new(Cached::new(Arc::new(charged), self.0.store.clone())))
    }

    /// The name of the model that vectors are made by at the moment, for
    /// [`Store::needs_embedding`]; nothing where there is none.
    pub(crate) fn model_name(&self, llm: &Llm) -> Option<String> {
        Some(self.model(llm)?.ok()?.name)
    }

    /// What of the found a model gets to read.
    pub(crate) fn passages(&self) -> &PassageLimits {
        &self.0.settings.passages
    }

    /// The most results of one page.
    pub(crate) fn limit_max(&self) -> u32 {
        self.0.settings.limit_max
    }

    /// Waits for what is being done, and closes the database of documents.
    pub(crate) async fn close(&self) {
        self.0.store.close().await;
    }

    /// The model that makes vectors, if one is named.
    fn model(&self, llm: &Llm) -> Option<Result<Model, alula_llm::Error>> {
        let RetrievalSettings { model, dimensions, .. } = &self.0.settings;
        Some(Model::resolve(llm, model.as_deref()?, *dimensions))
    }
}

async fn open(
    url: &DatabaseUrl,
    settings: &RetrievalSettings,
) -> Result<Arc<dyn Store>, StoreError> {
    let mut limits = StoreSettings::default();
    limits.scan_bytes_max = settings.vectors_bytes_max;
    limits.cached_vectors_max = settings.cached_max;
    Ok(Arc::new(match url {
        DatabaseUrl::Memory => SqlStore::in_memory(&limits).await?,
        DatabaseUrl::File(path) => SqlStore::open(path, &limits).await?,
        DatabaseUrl::Postgres(url) => SqlStore::connect(url.expose(), CONNECTIONS, &limits).await?,
    }))
}
