use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::event::{Event, Observer};
use crate::{Backoff, StoreError};

/// How one of the loops of a worker lives through the time when the store cannot be used: it asks
/// again, ever more rarely, and says so once.
#[derive(Debug)]
pub(super) struct Outage {
    doing: &'static str,
    backoff: Backoff,
    observer: Observer,
    /// Since when, and how often it was asked in vain.
    failing: Option<(Instant, u32)>,
}

impl Outage {
    /// Asks again after 100 ms at first, and after `pause_max` at most.
    pub(super) fn new(doing: &'static str, pause_max: Duration, observer: Observer) -> Self {
        let backoff = Backoff::new(pause_max.min(Duration::from_millis(100)), pause_max);
        Self { doing, backoff, observer, failing: None }
    }

    /// The store did what it was asked for.
    pub(super) fn over(&mut self) {
        if let Some((since, failures)) = self.failing.take() {
            let (doing, took) = (self.doing, since.elapsed());
            tracing::info!("{doing} works again, after {took:.1?} and {failures} failures");
        }
    }

    /// It did not; ready when it should be asked again.
    pub(super) async fn wait(&mut self, error: &StoreError) {
        let doing = self.doing;
        self.observer.tell(&Event::StoreFailed { doing, error });
        let (_, failures) = self.failing.get_or_insert_with(|| {
            tracing::error!("{doing} does not work, and is tried until it does: {error}");
            (Instant::now(), 0)
        });
        *failures = failures.saturating_add(1);
        let pause = self.backoff.after(*failures);
        sleep(pause).await;
    }
}
