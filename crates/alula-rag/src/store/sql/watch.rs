//! An end to what SQLite reads for too long, or for nobody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sqlx::SqliteConnection;

use crate::store::StoreError;

/// After how many steps of its machine SQLite looks whether it shall go on: some 100 µs.
const STEPS: i32 = 10_000;

/// As long as it is there, and for a time at most, its connection may read. SQLite would go on
/// otherwise when a call is given up.
#[derive(Debug)]
pub(super) struct Watch(Arc<AtomicBool>);

impl Watch {
    pub(super) async fn over(
        conn: &mut SqliteConnection,
        at_most: Duration,
    ) -> Result<Self, StoreError> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (ends, watched) = (Instant::now().checked_add(at_most), is_over.clone());
        let goes_on = move || !watched.load(Relaxed) && ends.is_none_or(|it| Instant::now() < it);
        conn.lock_handle().await?.set_progress_handler(STEPS, goes_on);
        Ok(Self(is_over))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
