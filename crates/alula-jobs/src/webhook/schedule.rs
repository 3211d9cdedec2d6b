//! When a message is sent again.

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// How long to wait before each attempt, the first included: the example of the specification, of
/// 75 hours in all.
const STANDARD: [Duration; 10] = [
    Duration::ZERO,
    SECOND.saturating_mul(5),
    SECOND.saturating_mul(5 * 60),
    SECOND.saturating_mul(30 * 60),
    SECOND.saturating_mul(2 * 3600),
    SECOND.saturating_mul(5 * 3600),
    SECOND.saturating_mul(10 * 3600),
    SECOND.saturating_mul(14 * 3600),
    SECOND.saturating_mul(20 * 3600),
    SECOND.saturating_mul(24 * 3600),
];

/// The longest wait that a receiver can ask for.
const RETRY_AFTER_MAX: Duration = SECOND.saturating_mul(24 * 3600);

/// By which part a wait may be shorter or longer, so that what failed together does not come back
/// together.
const JITTER: f64 = 0.2;

/// How long to wait before each attempt. By default that of the specification: ten attempts, at
/// once, after 5 seconds, 5 and 30 minutes, and 2, 5, 10, 14, 20 and 24 hours.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::webhook::Schedule;
///
/// let schedule = Schedule::default().attempts(2);
/// assert_eq!(schedule.wait(0, None), Some(Duration::ZERO));
/// let second = schedule.wait(1, None).unwrap();
/// assert!(Duration::from_secs(4) <= second && second <= Duration::from_secs(6));
/// assert_eq!(schedule.wait(2, None), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Default for Schedule {
    fn default() -> Self {
        Self(STANDARD.to_vec())
    }
}

impl Schedule {
    /// Waits of one's own, the one before the first attempt included.
    pub fn new(waits: impl IntoIterator<Item = Duration>) -> Self {
        Self(waits.into_iter().collect())
    }

    /// Only the first attempts of it.
    #[must_use]
    pub fn attempts(mut self, attempts_max: usize) -> Self {
        self.0.truncate(attempts_max);
        self
    }

    /// How long to wait after so many attempts, each time a little different; nothing if there were
    /// enough. A receiver may ask for a longer wait, up to a day.
    pub fn wait(&self, attempts: usize, retry_after: Option<Duration>) -> Option<Duration> {
        let wait = self.0.get(attempts)?.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0));
        Some(wait.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_those_of_the_specification_give_or_take_a_fifth() {
        let schedule = Schedule::default();
        for (attempts, expected) in STANDARD.into_iter().enumerate() {
            let waits: Vec<_> = (0..200).filter_map(|_| schedule.wait(attempts, None)).collect();
            assert_eq!(waits.len(), 200);
            assert!(
                waits
                    .iter()
                    .all(|wait| { (expected.mul_f64(0.8)..=expected.mul_f64(1.2)).contains(wait) })
            );
            let differ = waits.iter().any(|wait| *wait != waits[0]);
            assert_eq!(differ, attempts > 0, "{attempts}");
        }
        assert_eq!(schedule.wait(STANDARD.len(), None), None);
    }

    #[test]
    fn a_receiver_can_ask_for_a_longer_wait_but_not_for_a_shorter_or_an_endless_one() {
        let wait = |seconds| Schedule::default().wait(1, Some(SECOND.saturating_mul(seconds)));
        assert_eq!(wait(60), Some(SECOND.saturating_mul(60)));
        assert!(wait(1) >= Some(SECOND.saturating_mul(4)));
        assert_eq!(wait(u32::MAX), Some(RETRY_AFTER_MAX));
    }
}
