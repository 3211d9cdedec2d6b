use std::time::Duration;

use tokio::time::Instant;

/// The rhythm of a stream.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    first: Option<Instant>,
    last: Option<Instant>,
    /// How many came after the first.
    more: u32,
    /// Whether the first was given out.
    has_begun: bool,
}

impl Pieces {
    /// The first content came at this time.
    pub(super) fn since(first: Instant) -> Self {
        Self { first: Some(first), last: Some(first), ..Self::default() }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The time between this piece of content and the one before.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        if !self.has_begun {
            self.has_begun = true;
            return None;
        }
        let before = self.last.replace(now)?;
        self.more = self.more.saturating_add(1);
        Some(now.saturating_duration_since(before))
    }

    /// The time between two pieces, on average.
    pub(super) fn average(&self) -> Option<Duration> {
        self.last?.saturating_duration_since(self.first?).checked_div(self.more)
    }
}
