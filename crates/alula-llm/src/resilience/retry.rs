use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{Error, ErrorKind};

/// How often a call is tried again at the same target, and when.
///
/// Only what may succeed a moment later is tried again: broken connections, 429, 5xx and 529; and
/// never once the caller has seen a piece of the answer. A deadline that has passed is not waited
/// for twice: the next target is asked. A wait is chosen at random, up to [`backoff`](Self::backoff)
/// doubled for each attempt, so that clients of one outage do not come back together; a provider's
/// `Retry-After` counts instead.
///
/// A budget keeps an outage from being multiplied: a target that fails all the time is asked at most
/// 1.2 times as often as it is called, and by fewer than five calls once more than that; see
/// [`budget`](Self::budget).
///
/// ```
/// use alula_llm::RetryPolicy;
///
/// let never = RetryPolicy::default().attempts(1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How often a target is asked in all; 1 never tries again. 3.
    pub attempts: u32,
    /// The longest wait before the second attempt. 500 ms.
    pub backoff: Duration,
    /// The longest wait before any attempt. 8 s.
    pub backoff_max: Duration,
    /// The longest `Retry-After` that is waited for. 2 s. One that is longer goes to the caller,
    /// who knows better whether to wait, unless another target answers.
    pub retry_after_max: Duration,
    /// How many retries a hundred calls of a target pay for. 10.
    ///
    /// Each target of a process has one retry at the start, and a tenth of one more with every call,
    /// whatever becomes of that. However many of them fail, `n` calls are tried again at most
    /// `1 + n / 10` times; at most ten retries are saved up for a bad moment.
    pub budget: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(8),
            retry_after_max: Duration::from_secs(2),
            budget: 10,
        }
    }
}

impl RetryPolicy {
    /// Sets how often a target is asked in all.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the longest wait before the second attempt.
    #[must_use]
    pub fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the longest wait before any attempt.
    #[must_use]
    pub fn backoff_max(mut self, backoff_max: Duration) -> Self {
        self.backoff_max = backoff_max;
        self
    }

    /// Sets the longest `Retry-After` that is waited for.
    #[must_use]
    pub fn retry_after_max(mut self, retry_after_max: Duration) -> Self {
        self.retry_after_max = retry_after_max;
        self
    }

    /// Sets how many retries a hundred calls of a target pay for.
    #[must_use]
    pub fn budget(mut self, budget: u32) -> Self {
        self.budget = budget;
        self
    }

    /// How long to wait after a failure before attempt number `attempt`, which begins with 2; none
    /// if there is no use in it. `random` is in `0.0..1.0`.
    pub(crate) fn wait(&self, error: &Error, attempt: u32, random: f64) -> Option<Duration> {
        if attempt > self.attempts || !may_pass(error) {
            return None;
        }
        if let Some(asked) = error.retry_after() {
            return (asked <= self.retry_after_max).then_some(asked);
        }
        let doubled =
            self.backoff.saturating_mul(1_u32.checked_shl(attempt - 2).unwrap_or(u32::MAX));
        Some(doubled.min(self.backoff_max).mul_f64(random))
    }
}

/// Whether the same target is worth another try. A deadline that has passed is not waited for
/// twice.
fn may_pass(error: &Error) -> bool {
    error.is_retryable() && !matches!(error.kind(), ErrorKind::Timeout { .. })
}

/// Retries that a target has left. Calls pay in, retries are paid for.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    percent: u32,
    /// In hundredths of a retry.
    left: Mutex<u32>,
}

impl RetryBudget {
    /// What there is at the start: without it, the first calls of a process would never be tried
    /// again.
    const FIRST: u32 = 1;
    /// What there is at most.
    const SAVED_MAX: u32 = 10;

    pub(crate) fn new(percent: u32) -> Self {
        Self { percent, left: Mutex::new(Self::FIRST * 100) }
    }

    /// A call begins.
    pub(crate) fn deposit(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // What one call pays for is there even where that is more than may be saved.
        let most = (Self::SAVED_MAX * 100).max(self.percent);
        *left = left.saturating_add(self.percent).min(most);
    }

    /// Takes a retry, if there is one.
    pub(crate) fn withdraw(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = left.checked_sub(100);
        *left = rest.unwrap_or(*left);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phase;

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "no")
    }

    fn wait(kind: ErrorKind, attempt: u32) -> Option<Duration> {
        RetryPolicy::default().wait(&error(kind), attempt, 0.5)
    }

    #[test]
    fn waits_grow_and_are_half_of_the_longest_on_average() {
        let waits = [2, 3].map(|attempt| wait(ErrorKind::Unavailable, attempt).unwrap());
        assert_eq!(waits, [Duration::from_millis(250), Duration::from_millis(500)]);
        assert_eq!(wait(ErrorKind::Unavailable, 4), None);
        let patient = RetryPolicy { attempts: 99, ..RetryPolicy::default() };
        let late = patient.wait(&error(ErrorKind::Connect), 80, 1.0);
        assert_eq!(late, Some(Duration::from_secs(8)));
    }

    #[test]
    fn a_provider_is_taken_at_its_word_unless_it_asks_for_too_much() {
        let limited =
            |seconds| ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(wait(limited(2), 2), Some(Duration::from_secs(2)));
        assert_eq!(wait(limited(3), 2), None);
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        for kind in [
            ErrorKind::QuotaExceeded,
            ErrorKind::InvalidRequest,
            ErrorKind::Auth,
            ErrorKind::NotFound,
            ErrorKind::ContextTooLong,
            ErrorKind::ContentFiltered,
            ErrorKind::TooLarge,
            ErrorKind::Config,
            ErrorKind::Decode,
            ErrorKind::Timeout { phase: Phase::FirstToken },
        ] {
            assert_eq!(wait(kind.clone(), 2), None, "{kind:?}");
        }
    }

    #[test]
    fn an_outage_is_multiplied_by_no_more_than_a_fifth() {
        let budget = RetryBudget::new(RetryPolicy::default().budget);
        let mut retries = 0;
        for calls in 1..=100_000 {
            budget.deposit();
            retries += u32::from(budget.withdraw()) + u32::from(budget.withdraw());
            assert!(retries <= 1 + calls / 10, "{retries} retries of {calls} calls");
            assert!(retries <= (calls / 5).max(1), "{retries} retries of {calls} calls");
            assert!(retries > 0, "nothing was tried again");
        }
    }

    #[test]
    fn what_was_saved_is_for_a_bad_moment() {
        let budget = RetryBudget::new(RetryPolicy::default().budget);
        (0..1_000).for_each(|_| budget.deposit());
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);
        let nothing = RetryBudget::new(0);
        nothing.deposit();
        assert_eq!((0..100).filter(|_| nothing.withdraw()).count(), 1);
    }
}
