//! The same limits the other way round: what one's own callers may take.

use std::time::Duration;

use super::{
    RateLimit,
    limiter::{Limiter, NoTurn, Reservation},
    shared::Level,
};

/// Holds the calls of one caller to a [`RateLimit`], without a wait: who has no room is told when
/// to come back.
///
/// The limits hold for every 60 seconds, however they lie. Tokens are taken by an estimate before
/// the call and [settled](QuotaTurn::settle) after it. Clones count together; with
/// [`shared`](Self::shared) all processes do.
///
/// ```
/// use alula_llm::{Quota, RateLimit};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let quota = Quota::new(RateLimit::default().requests(2).tokens(10_000));
/// let turn = quota.take(1_500).await.expect("there is room");
/// assert_eq!(turn.level().requests_left(), Some(1));
/// turn.settle(200);
/// let turn = quota.take(9_000).await.expect("there is room");
/// assert_eq!(turn.level().tokens_left(), Some(800));
/// let refused = quota.take(10).await.expect_err("that were three requests");
/// assert!(refused.retry_after.expect("waiting helps").as_secs() <= 61);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Quota {
    limiter: Limiter,
}

/// How much of a [`Quota`] is left.
///
/// ```
/// use alula_llm::{Quota, RateLimit};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let quota = Quota::new(RateLimit::default().requests(60));
/// let turn = quota.take(100).await.expect("there is room");
/// let level = turn.level();
/// assert_eq!((level.requests_max(), level.requests_left()), (Some(60), Some(59)));
/// assert_eq!(level.tokens_left(), None);
/// assert!(level.all_after().as_secs() >= 59);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLevel {
    limit: RateLimit,
    used: Level,
}

/// Why a [`Quota`] has no room.
///
/// ```
/// use alula_llm::{Quota, RateLimit};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let quota = Quota::new(RateLimit::default().tokens(1_000));
/// let refused = quota.take(1_001).await.expect_err("that is more than a minute has");
/// assert_eq!(refused.retry_after, None);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaExceeded {
    /// When there is room; `None` if one call is more than a minute has.
    pub retry_after: Option<Duration>,
    /// What is left; of a call that is too large, as far as this process knows.
    pub level: QuotaLevel,
}

/// A call that a [`Quota`] let through. Dropping it says that the call was not made.
///
/// ```
/// use alula_llm::{Quota, RateLimit};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let quota = Quota::new(RateLimit::default().requests(1));
/// drop(quota.take(0).await.expect("there is room"));
/// quota.take(0).await.expect("there is room still").keep();
/// assert!(quota.take(0).await.is_err());
/// # }
/// ```
#[derive(Debug)]
pub struct QuotaTurn {
    reservation: Reservation,
    level: QuotaLevel,
}

impl Quota {
    /// A quota of this process. Its calls do not wait, whatever the limit says of that.
    pub fn new(limit: RateLimit) -> Self {
        Self { limiter: Limiter::new(at_once(limit), None) }
    }

    /// A quota of all processes that have the same Redis and prefix, by its name. While Redis is
    /// away each process holds to the limit on its own.
    #[cfg(feature = "redis")]
    pub fn shared(limit: RateLimit, redis: &super::Redis, name: &str) -> Self {
        let shared = redis.clone().open().of(&format!("quota:{name}"));
        Self { limiter: Limiter::new(at_once(limit), Some(shared)) }
    }

    /// What it holds to.
    pub fn limit(&self) -> RateLimit {
        self.limiter.limit()
    }

    /// Holds to another limit from now on. What was taken stays taken.
    pub fn change(&self, limit: RateLimit) {
        self.limiter.change(at_once(limit));
    }

    /// Takes a request of about so many tokens.
    ///
    /// # Errors
    ///
    /// [`QuotaExceeded`], which says when there is room.
    pub async fn take(&self, tokens: u64) -> Result<QuotaTurn, QuotaExceeded> {
        let limit = self.limit();
        match self.limiter.reserve(tokens).await {
            Ok(reservation) => {
                let level = QuotaLevel { limit, used: reservation.level() };
                Ok(QuotaTurn { reservation, level })
            }
            Err(NoTurn::After(wait, used)) => {
                Err(QuotaExceeded { retry_after: Some(wait), level: QuotaLevel { limit, used } })
            }
            Err(NoTurn::TooLarge) => {
                let level = QuotaLevel { limit, used: self.limiter.level() };
                Err(QuotaExceeded { retry_after: None, level })
            }
        }
    }
}

fn at_once(limit: RateLimit) -> RateLimit {
    limit.wait_max(Duration::ZERO)
}

impl QuotaTurn {
    /// How much is left after it.
    pub fn level(&self) -> QuotaLevel {
        self.level
    }

    /// Says how many tokens the call used in truth.
    pub fn settle(self, tokens: u64) {
        self.reservation.settle(tokens);
    }

    /// Says that the call was made, and that nobody knows what it used: the estimate stands.
    pub fn keep(self) {
        self.reservation.keep();
    }
}

impl QuotaLevel {
    /// The requests of a minute, if they are limited.
    pub fn requests_max(&self) -> Option<u64> {
        self.limit.requests
    }

    /// How many requests of them are left.
    pub fn requests_left(&self) -> Option<u64> {
        Some(self.limit.requests?.saturating_sub(self.used.requests))
    }

    /// The tokens of a minute, if they are limited.
    pub fn tokens_max(&self) -> Option<u64> {
        self.limit.tokens
    }

    /// How many tokens of them are left.
    pub fn tokens_left(&self) -> Option<u64> {
        Some(self.limit.tokens?.saturating_sub(self.used.tokens))
    }

    /// How long it is until more is left.
    pub fn more_after(&self) -> Duration {
        self.used.more_after
    }

    /// How long it is until all of it is left, if nothing is taken meanwhile.
    pub fn all_after(&self) -> Duration {
        self.used.all_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_told_with_each_call() {
        let quota = Quota::new(RateLimit::default().requests(3).tokens(1_000));
        quota.take(600).await.unwrap().keep();
        tokio::time::advance(Duration::from_secs(20)).await;
        let level = quota.take(300).await.unwrap().level();
        assert_eq!((level.requests_left(), level.tokens_left()), (Some(1), Some(100)));
        assert_eq!((level.more_after().as_secs(), level.all_after().as_secs()), (41, 61));
        // That one was not made.
        let refused = quota.take(500).await.unwrap_err();
        assert_eq!(refused.retry_after.unwrap().as_secs(), 41);
        assert_eq!(refused.level.requests_left(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn another_limit_knows_what_was_taken_before() {
        let quota = Quota::new(RateLimit::default().requests(10));
        for _ in 0..4 {
            quota.take(0).await.unwrap().keep();
        }
        quota.change(RateLimit::default().requests(4).tokens(100));
        assert!(quota.take(1).await.unwrap_err().retry_after.is_some());
        quota.change(RateLimit::default().requests(5));
        quota.take(1_000).await.unwrap().keep();
        quota.change(RateLimit::default());
        quota.take(u64::MAX).await.unwrap().keep();
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_too_large_says_what_is_left() {
        let quota = Quota::new(RateLimit::default().requests(3).tokens(1_000));
        quota.take(600).await.unwrap().keep();
        tokio::time::advance(Duration::from_secs(20)).await;
        let level = quota.take(1_001).await.unwrap_err().level;
        assert_eq!((level.requests_left(), level.tokens_left()), (Some(2), Some(400)));
        tokio::time::advance(Duration::from_secs(41)).await;
        assert_eq!(quota.take(1_001).await.unwrap_err().level.tokens_left(), Some(1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_of_nothing_lets_nobody_through() {
        let quota = Quota::new(RateLimit::default().requests(0));
        assert_eq!(quota.take(0).await.unwrap_err().level.requests_left(), Some(0));
    }
}
