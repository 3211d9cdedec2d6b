//! Whether there is a place for one more job.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a count is good. Many wait when it takes long, so it is not made for each request.
const FRESH: Duration = Duration::from_secs(1);

/// About how many jobs wait: those that were counted, and those that have come since.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Option<Counted>>);

#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Instant,
    count: u64,
}

impl Waiting {
    /// Whether so many more have a place for certain, without counting. They are taken into account
    /// then.
    pub(super) fn admits(&self, more: u64, max: u64) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *counted {
            Some(counted)
                if counted.at.elapsed() < FRESH && counted.count.saturating_add(more) <= max =>
            {
                counted.count += more;
                true
            }
            _ => false,
        }
    }

    /// Notes what was counted, and whether so many more have a place.
    pub(super) fn counted(&self, count: u64, more: u64, max: u64) -> bool {
        let fits = count.saturating_add(more) <= max;
        let count = if fits { count + more } else { count };
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counted = Some(Counted { at: Instant::now(), count });
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_the_limit_it_is_counted() {
        let waiting = Waiting::default();
        assert!(!waiting.admits(1, 10), "nobody has counted");
        assert!(waiting.counted(7, 1, 10));
        assert!(waiting.admits(2, 10));
        assert!(!waiting.admits(1, 10), "that would be eleven, if none has begun");
        assert!(waiting.counted(3, 1, 10), "but some have");
        assert!(!waiting.counted(10, 1, 10));
    }
}
