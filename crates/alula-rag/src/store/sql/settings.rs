use std::{thread::available_parallelism, time::Duration};

/// The limits of a store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreSettings {
    /// How many bytes of vectors are kept in memory, where they are scanned; 256 MiB by default,
    /// which is 690,000 vectors of 384 numbers. What has no room is read for each search.
    pub scan_bytes_max: usize,
    /// How many scans run at once, of which each takes a core; as many as there are by default.
    pub scans_max: usize,
    /// How many vectors of texts are kept for texts that come again; 100,000 by default.
    pub cached_vectors_max: u64,
    /// How many candidates pgvector looks at, from 1 to 1,000; 200 by default.
    pub ef_search: u32,
    /// Of how many chunks of a collection pgvector looks at all; of more it asks its index, which
    /// is one of all collections and may miss some. 20,000 by default.
    pub exact_chunks_max: u64,
    /// How long a statement that reads may take, and in Postgres any; 30 seconds by default. A
    /// longer one fails, and may be tried again.
    pub statement_max: Duration,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            scan_bytes_max: 256 << 20,
            scans_max: available_parallelism().map_or(1, usize::from),
            cached_vectors_max: 100_000,
            ef_search: 200,
            exact_chunks_max: 20_000,
            statement_max: Duration::from_secs(30),
        }
    }
}
