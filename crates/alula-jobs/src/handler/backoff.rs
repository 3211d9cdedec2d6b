use std::time::Duration;

/// By which part a pause may be shorter or longer, so that what failed together does not come back
/// together.
const JITTER: f64 = 0.2;
/// No pause is longer: ten years.
const PAUSE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long to wait before a step is tried again: each time twice as long, give or take a fifth.
///
/// By default 200 ms after the first attempt, and an hour at most.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::Backoff;
///
/// let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// let third = backoff.after(3);
/// assert!(Duration::from_millis(3_200) <= third && third <= Duration::from_millis(4_800));
/// assert!(backoff.after(40) <= Duration::from_secs(72));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Waits so long after the first attempt, and never longer than the second.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// How long to wait after so many attempts, each time a little different.
    pub fn after(&self, attempts: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
        let pause = self.first.saturating_mul(doubled).min(self.max).min(PAUSE_MAX);
        pause.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_maximum_give_or_take_a_fifth() {
        let backoff = Backoff::default();
        for (attempts, millis) in
            [(0, 200), (1, 200), (2, 400), (3, 800), (20, 3_600_000), (u32::MAX, 3_600_000)]
        {
            let pauses: Vec<u128> = (0..100).map(|_| backoff.after(attempts).as_millis()).collect();
            let around = millis * 8 / 10 - 1..=millis * 12 / 10;
            assert!(pauses.iter().all(|pause| around.contains(pause)), "{attempts}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{attempts}: no jitter");
        }
    }
}
