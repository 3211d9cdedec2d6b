use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::window::Window;

/// How many requests and tokens a provider lets through in a minute.
///
/// The limits hold for every 60 seconds, however they lie. A call that finds no room waits for
/// its turn, first come, first served, but no longer than [`wait_max`](Self::wait_max).
///
/// ```
/// use std::time::Duration;
///
/// use alula_llm::RateLimit;
///
/// let limit = RateLimit::default().requests(500).tokens(200_000).wait_max(Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub(super) requests: Option<u64>,
    pub(super) tokens: Option<u64>,
    pub(super) wait_max: Duration,
}

impl Default for RateLimit {
    /// No limits; and calls would wait for 10 s at most.
    fn default() -> Self {
        Self { requests: None, tokens: None, wait_max: Duration::from_secs(10) }
    }
}

impl RateLimit {
    /// Limits the requests in a minute (RPM).
    #[must_use]
    pub fn requests(mut self, per_minute: u64) -> Self {
        self.requests = Some(per_minute);
        self
    }

    /// Limits the tokens in a minute, of prompts and answers together (TPM).
    #[must_use]
    pub fn tokens(mut self, per_minute: u64) -> Self {
        self.tokens = Some(per_minute);
        self
    }

    /// Sets the longest wait for a turn. After it another target is asked, or the caller is told
    /// when to come back.
    #[must_use]
    pub fn wait_max(mut self, wait: Duration) -> Self {
        self.wait_max = wait;
        self
    }
}

/// Holds calls to a [`RateLimit`]. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: RateLimit,
    epoch: Instant,
    windows: Mutex<Windows>,
}

#[derive(Debug)]
struct Windows {
    requests: Option<Window>,
    tokens: Option<Window>,
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTurn {
    /// It would come after so long, which is longer than a call may wait.
    After(Duration),
    /// The call alone needs more tokens than a minute has.
    TooLarge,
}

impl Limiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let windows = Windows {
            requests: limit.requests.map(Window::new),
            tokens: limit.tokens.map(Window::new),
        };
        let inner = Inner { limit, epoch: Instant::now(), windows: Mutex::new(windows) };
        Self { inner: Arc::new(inner) }
    }

    /// Books a request of about so many tokens for the first moment that has room.
    pub(crate) fn reserve(&self, tokens: u64) -> Result<Reservation, NoTurn> {
        let now = self.inner.epoch.elapsed();
        let mut windows = self.inner.windows();
        let this = now.as_secs();
        let mut second = this;
        // The later of the two turns has room in both windows, as nothing is booked after it.
        for (window, amount) in windows.amounts(tokens) {
            second = second.max(window.earliest(this, second, amount).ok_or(NoTurn::TooLarge)?);
        }
        let at = now.max(Duration::from_secs(second));
        let wait = at.saturating_sub(now);
        if wait > self.inner.limit.wait_max {
            return Err(NoTurn::After(wait));
        }
        for (window, amount) in windows.amounts(tokens) {
            window.book(second, amount);
        }
        drop(windows);
        let at = self.inner.epoch + at;
        Ok(Reservation { limiter: self.clone(), at, second, tokens, has_begun: false })
    }
}

impl Inner {
    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Windows {
    /// The windows, and how much a call uses of each.
    fn amounts(&mut self, tokens: u64) -> impl Iterator<Item = (&mut Window, u64)> {
        let requests = self.requests.iter_mut().map(|window| (window, 1));
        requests.chain(self.tokens.iter_mut().map(move |window| (window, tokens)))
    }
}

/// The turn of a call. One that is dropped before it has begun is given back.
#[derive(Debug)]
pub(crate) struct Reservation {
    limiter: Limiter,
    at: Instant,
    second: u64,
    tokens: u64,
    has_begun: bool,
}

impl Reservation {
    /// Waits for the turn. From then on the call counts, whatever becomes of it.
    pub(crate) async fn turn(&mut self) {
        if self.at > Instant::now() {
            sleep_until(self.at).await;
        }
        self.has_begun = true;
    }

    /// Says how many tokens the call used in truth.
    pub(crate) fn settle(mut self, tokens: u64) {
        if let Some(window) = &mut self.limiter.inner.windows().tokens {
            window.correct(self.second, self.tokens, tokens);
        }
        self.has_begun = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.has_begun {
            for (window, amount) in self.limiter.inner.windows().amounts(self.tokens) {
                window.correct(self.second, amount, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(requests: u64, tokens: u64) -> Limiter {
        Limiter::new(RateLimit::default().requests(requests).tokens(tokens))
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_but_not_for_long() {
        let limiter = limiter(2, 1_000);
        for _ in 0..2 {
            limiter.reserve(10).unwrap().turn().await;
        }
        let Err(NoTurn::After(wait)) = limiter.reserve(10) else { panic!("there was a turn") };
        assert!(wait > Duration::from_secs(59), "{wait:?}");
        tokio::time::advance(Duration::from_secs(55)).await;
        let started = Instant::now();
        limiter.reserve(10).unwrap().turn().await;
        assert_eq!(started.elapsed(), Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_settled() {
        let limiter = limiter(100, 1_000);
        let mut first = limiter.reserve(900).unwrap();
        first.turn().await;
        assert!(matches!(limiter.reserve(200), Err(NoTurn::After(_))));
        first.settle(100);
        limiter.reserve(200).unwrap().turn().await;
        assert_eq!(limiter.reserve(1_001).unwrap_err(), NoTurn::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_before_the_turn_makes_room() {
        let limiter = limiter(1, 1_000);
        let waiting = limiter.reserve(10).unwrap();
        assert!(limiter.reserve(10).is_err());
        drop(waiting);
        limiter.reserve(10).unwrap().turn().await;
        assert!(limiter.reserve(10).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_and_leaves_makes_nobody_forget_what_was_used() {
        let limit = RateLimit::default().requests(2).tokens(1_000);
        let limiter = Limiter::new(limit.wait_max(Duration::from_secs(100)));
        limiter.reserve(900).unwrap().turn().await;
        let waiting = [limiter.reserve(900).unwrap(), limiter.reserve(50).unwrap()];
        drop(waiting);
        let started = Instant::now();
        limiter.reserve(900).unwrap().turn().await;
        assert_eq!(started.elapsed(), Duration::from_secs(61));
    }

    #[tokio::test(start_paused = true)]
    async fn without_limits_nobody_waits() {
        let limiter = Limiter::new(RateLimit::default());
        for _ in 0..1_000 {
            limiter.reserve(u64::MAX).unwrap().turn().await;
        }
    }
}
