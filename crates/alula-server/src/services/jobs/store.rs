//! The database of jobs.

use std::sync::Arc;

use alula::HttpError;
use alula_jobs::{Postgres, Queue, Sqlite, Store, StoreError};

use crate::db::DatabaseUrl;

/// Connections to Postgres, beside those of requests.
const CONNECTIONS: u32 = 6;
/// Seconds after which a database that is away is asked again by a client.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Opens the jobs of a database. Also, whether they survive this process.
pub(super) async fn open(url: &DatabaseUrl) -> Result<(Arc<dyn Store>, bool), StoreError> {
    Ok(match url {
        DatabaseUrl::Memory => (Arc::new(Sqlite::in_memory().await?), false),
        DatabaseUrl::File(path) => (Arc::new(Sqlite::open(path).await?), true),
        DatabaseUrl::Postgres(url) => {
            (Arc::new(Postgres::open(url.expose(), CONNECTIONS).await?), true)
        }
    })
}

/// The jobs of a database, for who looks after them.
pub(crate) async fn open_queue(url: &DatabaseUrl) -> Result<Queue, StoreError> {
    Ok(Queue::from(open(url).await?.0))
}

/// What a client is told of a store that did not do what it was asked for.
pub(crate) fn failed(error: StoreError) -> HttpError {
    match error {
        error if error.is_temporary() => {
            HttpError::unavailable("The database is away; try again in a moment")
                .retry_after(RETRY_AFTER_SECONDS)
                .because(error)
        }
        StoreError::TooLarge { limit, .. } => {
            HttpError::new(413, format!("The request of a job may have {limit} bytes"))
        }
        StoreError::Taken => HttpError::conflict("Another job of the same key is on its way"),
        error => HttpError::new(500, "Internal Server Error").because(error),
    }
}
