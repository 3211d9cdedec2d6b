//! How fast a request body has to come.

use std::time::Duration;

use tokio::time::Instant;

/// The pace of a body, measured over the time in which its client was waited for.
///
/// A server that is busy, and reads late, does not make its client slow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    bytes_per_second_min: u32,
    /// How long a body may be slower than that.
    grace: Duration,
    bytes: u64,
    /// Since when the next piece is waited for.
    waits: Option<Instant>,
    /// How long the pieces before it were waited for.
    waited: Duration,
}

impl Pace {
    pub(crate) fn new(bytes_per_second_min: u32, grace: Duration) -> Self {
        Self { bytes_per_second_min, grace, bytes: 0, waits: None, waited: Duration::ZERO }
    }

    /// The next piece is not there yet.
    pub(super) fn wait(&mut self) {
        self.waits.get_or_insert_with(Instant::now);
    }

    /// The next piece is there; returns whether the body still comes fast enough.
    pub(super) fn keeps_up_with(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let Some(since) = self.waits.take() else { return true };
        self.waited = self.waited.saturating_add(since.elapsed());
        let measured = self.waited.saturating_sub(self.grace).as_secs();
        self.bytes >= measured.saturating_mul(self.bytes_per_second_min.into())
    }
}
