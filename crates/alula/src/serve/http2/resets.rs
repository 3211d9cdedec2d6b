//! Clients that ask only to take it back.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Counts the requests of one connection that are reset before they are answered.
///
/// A reset frees the place of its stream at once, so the limit on streams does not limit how much
/// work a client can start (CVE-2023-44487). A client that gives up now and then is none of this.
#[derive(Debug)]
pub(super) struct Resets {
    per_second_max: u32,
    second: Mutex<Second>,
    too_many: AtomicBool,
}

#[derive(Debug)]
struct Second {
    began: Instant,
    resets: u32,
}

impl Resets {
    pub(super) fn new(per_second_max: u32) -> Self {
        let second = Mutex::new(Second { began: Instant::now(), resets: 0 });
        Self { per_second_max, second, too_many: AtomicBool::new(false) }
    }

    /// A request was reset.
    pub(super) fn count(&self) {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.began.elapsed() >= SECOND {
            *second = Second { began: Instant::now(), resets: 0 };
        }
        second.resets = second.resets.saturating_add(1);
        if second.resets > self.per_second_max {
            self.too_many.store(true, Relaxed);
        }
    }

    /// Whether there were too many, ever.
    pub(super) fn are_too_many(&self) -> bool {
        self.too_many.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_many_in_one_second_are_too_many() {
        let resets = Resets::new(3);
        for _ in 0..5 {
            (0..3).for_each(|_| resets.count());
            advance(SECOND).await;
        }
        assert!(!resets.are_too_many());
        (0..4).for_each(|_| resets.count());
        assert!(resets.are_too_many());
    }
}
