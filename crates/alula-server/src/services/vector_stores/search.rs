//! Searching a store.

use std::time::Duration;

use alula::Result;
use alula_rag::search::{Found, Query};

use super::VectorStores;
use crate::{db::VectorStoreRow, error::wrong, services::admission::Caller, time::Timestamp};

/// How exactly it is known when a store was last searched.
const NOTED: Duration = Duration::from_secs(60);

impl VectorStores {
    /// Finds chunks of the files of one of the caller's stores.
    ///
    /// # Errors
    ///
    /// 404 for no store, 400 for a query that is none, and what stands in the way of its vector.
    pub(crate) async fn search(&self, caller: &Caller, id: &str, query: &Query) -> Result<Found> {
        let store = self.open(caller.owner(), id).await?;
        let found = self.0.retrieval.search(caller, id, query).await;
        let found = found.map_err(|error| match error.status().as_u16() {
            422 => wrong("query", error.message()),
            _ => error,
        })?;
        self.note_use(&store).await;
        Ok(found)
    }

    /// A search is not lost because nobody can note it.
    async fn note_use(&self, store: &VectorStoreRow) {
        let now = Timestamp::now();
        let since = now.as_millis().saturating_sub(store.active_at.as_millis());
        if u128::try_from(since).is_ok_and(|since| since < NOTED.as_millis()) {
            return;
        }
        if let Err(error) = self.0.db.use_vector_store(&store.id, now).await {
            tracing::warn!(%error, store = store.id, "the use of a vector store was not noted");
        }
    }
}
