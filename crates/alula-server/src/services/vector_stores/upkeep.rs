//! Removes what is left of stores that nobody finds any more.

use std::time::Duration;

use alula_rag::Scope;
use tokio::time::sleep;

use super::VectorStores;
use crate::{db::DbError, time::Timestamp};

/// How often it is looked for stores that have expired.
const INTERVAL: Duration = Duration::from_secs(30);
/// How long jobs may have gone on that were at files of a store when it was removed. What they have
/// left behind is removed meanwhile, again and again.
const GRACE: Duration = Duration::from_secs(15 * 60);
/// How many stores are looked after at a time.
const STORES: i64 = 100;

impl VectorStores {
    /// Looks after stores, until it is dropped.
    pub(crate) async fn watch(self) {
        loop {
            if let Err(error) = self.look_after().await {
                tracing::warn!(%error, "vector stores are not looked after now");
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = self.0.removed.notified() => {}
            }
        }
    }

    async fn look_after(&self) -> Result<(), DbError> {
        let (db, now) = (&self.0.db, Timestamp::now());
        for store in db.expired_vector_stores(now, STORES).await? {
            if db.hide_vector_store(&store.owner, &store.id, now).await? {
                tracing::info!(store = store.id, "a vector store has expired");
            }
        }
        let grace = i64::try_from(GRACE.as_millis()).unwrap_or(i64::MAX);
        let over = now.as_millis().saturating_sub(grace);
        for (owner, id, hidden) in db.hidden_vector_stores(STORES).await? {
            let indexed = self.0.retrieval.store().delete_collection(Scope::new(&owner, &id)).await;
            match indexed {
                Err(error) => {
                    tracing::warn!(%error, store = id, "what a vector store has indexed is still there");
                }
                Ok(_) if hidden.as_millis() <= over => db.forget_vector_store(&id).await?,
                Ok(_) => {}
            }
        }
        Ok(())
    }
}
