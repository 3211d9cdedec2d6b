//! Searches, as a caller makes them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use alula::{ApiError as _, HttpError};
use alula_llm::{
    Error, ErrorKind, Phase,
    model::{Purpose, Vectors},
};
use alula_rag::{
    EmbedError, Embedder, Scope, StoreError,
    search::{Found, Mode, Query, SearchError, Searcher},
};
use async_trait::async_trait;
use quick_cache::{Weighter, sync::Cache};
use ring::digest::{Context, SHA256};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, timeout},
};

use super::{
    Retrieval,
    embedder::{Charged, NotAdmitted},
};
use crate::{error::CallError, services::admission::Caller};

/// Seconds after which a database that is away is asked again by a client.
const RETRY_AFTER_SECONDS: u64 = 1;
/// How long a search waits for others.
const TURN_MAX: Duration = Duration::from_secs(5);
/// How much later than its model a query is given up.
const SLACK: Duration = Duration::from_millis(500);
/// The memory for vectors of queries, so that the next page of a search needs no call.
const QUERIES_BYTES_MAX: u64 = 8 << 20;
/// About how many these are.
const QUERIES: usize = 1_024;

impl Retrieval {
    /// Finds chunks among the documents of a caller, in one of their collections. The vectors of
    /// the query are made by a call of the caller.
    ///
    /// # Errors
    ///
    /// What the client is to be told instead.
    pub(crate) async fn search(
        &self,
        caller: &Caller,
        collection: &str,
        query: &Query,
    ) -> Result<Found, HttpError> {
        let _running = self.turn().await?;
        let mut searcher = Searcher::new(self.store().clone());
        let (mut lacking, mut made) = (None, None);
        match self.model(&caller.models()) {
            _ if query.mode == Mode::Keyword => {}
            None => {}
            Some(Ok(model)) => {
                let (queries, wait) = (self.0.queries.clone(), self.0.settings.wait);
                let charged = Charged::new(caller.clone(), model);
                let owner = caller.owner().to_owned();
                let embedder = Arc::new(OfQueries { charged, owner, queries, wait });
                searcher = searcher.with_embedder(embedder.clone());
                made = Some(embedder);
            }
            Some(Err(error)) if query.mode == Mode::Auto => lacking = Some(error.into()),
            Some(Err(error)) => return Err(CallError::Provider(error).into_http()),
        }
        let found = searcher.search(Scope::new(caller.owner(), collection), query).await;
        if let (true, Some(embedder)) = (is_of_no_use(&found), made) {
            embedder.forget(&query.texts);
        }
        let mut found = found.map_err(failed)?;
        found.fallback = found.fallback.or(lacking);
        match &found.fallback {
            // That of a key is its own, and told to it.
            None | Some(EmbedError::Refused(_)) => {}
            Some(error) => tracing::warn!(%error, "documents are searched by their words alone"),
        }
        Ok(found)
    }

    /// Waits until there are few enough other searches.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, HttpError> {
        let turn = timeout(TURN_MAX, self.0.searches.acquire()).await;
        let busy = || {
            HttpError::unavailable("Too many searches wait for their turn")
                .retry_after(RETRY_AFTER_SECONDS)
        };
        turn.map_err(|_| busy())?.map_err(|_| busy())
    }
}

/// Whether the vectors of a query were none that it could be searched by.
fn is_of_no_use(found: &Result<Found, SearchError>) -> bool {
    let error = match found {
        Ok(found) => found.fallback.as_ref(),
        Err(SearchError::Embed(error)) => Some(error),
        Err(_) => None,
    };
    matches!(error, Some(EmbedError::Dimensions { .. } | EmbedError::Count { .. }))
}

/// What the client reads of why it was not searched by vectors.
pub(crate) fn reason(error: &EmbedError) -> String {
    match error {
        EmbedError::Model(error) => error.public_message().into_owned(),
        EmbedError::Refused(refusal) => match refusal.downcast_ref::<NotAdmitted>() {
            Some(NotAdmitted(error)) => error.message(),
            None => refusal.to_string(),
        },
        _ => "the embedding model answered something else".to_owned(),
    }
}

/// What a client is told of a search that came to nothing.
fn failed(error: SearchError) -> HttpError {
    match error {
        SearchError::Invalid(reason) => HttpError::new(422, reason),
        SearchError::NoVectors(reason) => HttpError::conflict(reason),
        SearchError::Store(error) => store_failed(error),
        SearchError::Embed(error) => not_embedded(error),
        error => HttpError::internal(error),
    }
}

/// What a client is told for whom no vector could be made.
pub(crate) fn not_embedded(error: EmbedError) -> HttpError {
    match error {
        EmbedError::Model(error) => CallError::Provider(error).into_http(),
        EmbedError::Refused(refusal) => match refusal.downcast::<NotAdmitted>() {
            Ok(refusal) => refusal.0,
            Err(refusal) => HttpError::internal(refusal),
        },
        error => HttpError::new(502, "The embedding model answered something else").because(error),
    }
}

/// What a client is told of a store that did not do what it was asked for.
pub(crate) fn store_failed(error: StoreError) -> HttpError {
    match error {
        error if error.is_temporary() => {
            HttpError::unavailable("The database is away; try again in a moment")
                .retry_after(RETRY_AFTER_SECONDS)
                .because(error)
        }
        StoreError::Invalid(reason) => HttpError::new(422, reason),
        error => HttpError::internal(error),
    }
}

/// Vectors of queries by hashes of what they were made of.
#[derive(Debug)]
pub(super) struct Queries(Cache<[u8; 32], Arc<[f32]>, Bytes>);

/// How much memory a vector takes.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<[u8; 32], Arc<[f32]>> for Bytes {
    fn weight(&self, key: &[u8; 32], vector: &Arc<[f32]>) -> u64 {
        let bytes = size_of_val(key) + size_of_val(&**vector);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Default for Queries {
    fn default() -> Self {
        Self(Cache::with_weighter(QUERIES, QUERIES_BYTES_MAX, Bytes))
    }
}

/// Makes vectors of queries: in time or not at all, and not again for the next page.
#[derive(Debug)]
struct OfQueries {
    charged: Charged,
    /// Nobody has what another one has paid for, nor can tell from the time what that was.
    owner: String,
    queries: Arc<Queries>,
    wait: Duration,
}

impl OfQueries {
    fn key(&self, text: &str) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        // With their lengths, so that no two lists of texts are the same bytes.
        for text in [self.owner.as_str(), self.charged.model(), text] {
            context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            context.update(text.as_bytes());
        }
        context.finish().as_ref().try_into().unwrap_or_default()
    }

    /// Forgets the vectors of texts, which are of no use: the model is asked for them again.
    fn forget(&self, texts: &[String]) {
        for text in texts {
            self.queries.0.remove(&self.key(text));
        }
    }

    fn late(&self) -> EmbedError {
        let late = ErrorKind::Timeout { phase: Phase::Total };
        Error::new(late, format!("the query was not embedded within {:?}", self.wait)).into()
    }

    /// Vectors of texts, of which each is asked for once, however many searches want it at once.
    async fn all(&self, texts: &[&str], ends: Option<Instant>) -> Result<Vectors, EmbedError> {
        let keys: Vec<_> = texts.iter().map(|text| self.key(text)).collect();
        // In one order everywhere, so that no two wait for each other.
        let wanted: BTreeMap<_, _> = keys.iter().zip(texts).collect();
        let (mut known, mut missing, mut places) = (HashMap::new(), Vec::new(), Vec::new());
        for (key, text) in wanted {
            match self.queries.0.get_value_or_guard_async(key).await {
                Ok(vector) => drop(known.insert(key, vector)),
                Err(place) => {
                    missing.push(*text);
                    places.push((key, place));
                }
            }
        }
        let left = |ends: Instant| ends.saturating_duration_since(Instant::now());
        let left = ends.map_or(Duration::MAX, left);
        // Others have used the time up, for which the model is not to blame.
        if !missing.is_empty() && left < self.wait / 2 {
            return Err(self.late());
        }
        let made = self.charged.query(&missing, left).await?;
        if made.iter().any(|vector| vector.iter().all(|number| *number == 0.0)) {
            let reason = "the embedding model made a vector without a direction";
            return Err(Error::new(ErrorKind::Decode, reason).into());
        }
        for ((key, place), vector) in places.into_iter().zip(made.iter()) {
            let vector: Arc<[f32]> = vector.into();
            // Nobody else has made it meanwhile.
            let _ = place.insert(vector.clone());
            known.insert(key, vector);
        }
        let mut vectors = Vectors::new();
        let pushed =
            keys.iter().filter_map(|key| known.get(key)).try_for_each(|it| vectors.push(it));
        if let Err(error) = pushed {
            // They are of several lengths, and nobody knows which is the right one.
            keys.iter().for_each(|key| drop(self.queries.0.remove(key)));
            return Err(error.into());
        }
        Ok(vectors)
    }
}

#[async_trait]
impl Embedder for OfQueries {
    fn model(&self) -> &str {
        self.charged.model()
    }

    fn dimensions(&self) -> Option<u32> {
        self.charged.dimensions()
    }

    async fn embed(&self, texts: &[&str], _: Purpose) -> Result<Vectors, EmbedError> {
        let ends = Instant::now().checked_add(self.wait);
        // The model has its own end, of which it is told; this one is for the wait for others.
        let made = timeout(self.wait.saturating_add(SLACK), self.all(texts, ends)).await;
        made.unwrap_or_else(|_| Err(self.late()))
    }
}
