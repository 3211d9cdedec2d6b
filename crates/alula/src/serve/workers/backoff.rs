//! How long to wait before a worker is started again.

use std::time::Duration;

/// A worker that lived this long was well: what ended it is new.
const WELL: Duration = Duration::from_secs(10);

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The early deaths of one worker in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    early_deaths: u32,
}

impl Backoff {
    /// The pause after a worker that lived this long.
    ///
    /// One death is answered at once. A worker that dies as soon as it is started would only burn
    /// the processor that the others need.
    pub(super) fn pause_after(&mut self, lived: Duration) -> Duration {
        if lived >= WELL {
            self.early_deaths = 0;
            return Duration::ZERO;
        }
        let before = self.early_deaths;
        self.early_deaths = before.saturating_add(1);
        match before.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                PAUSE_MIN.saturating_mul(2_u32.saturating_pow(doublings)).min(PAUSE_MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_deaths_in_a_row_make_the_pauses_longer() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> =
            (0..12).map(|_| backoff.pause_after(Duration::ZERO).as_millis()).collect();
        assert_eq!(
            pauses,
            [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]
        );
    }

    #[test]
    fn a_worker_that_lived_is_started_at_once() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.pause_after(Duration::ZERO);
        }
        assert_eq!(backoff.pause_after(WELL), Duration::ZERO);
        assert_eq!(backoff.pause_after(Duration::ZERO), Duration::ZERO);
    }
}
