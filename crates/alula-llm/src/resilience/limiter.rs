use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    shared::{Booking, Correction, Level, Shared, Turn},
    window::{WINDOW, Window},
};

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
#[non_exhaustive]
pub struct RateLimit {
    /// Requests in a minute (RPM). No limit.
    pub requests: Option<u64>,
    /// Tokens in a minute (TPM), of prompts and answers together. No limit.
    pub tokens: Option<u64>,
    /// The longest wait for a turn. 10 s.
    pub wait_max: Duration,
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

/// Holds calls to a [`RateLimit`]. Clones count together, and with other processes if the state
/// is shared.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// What a window counts by: seconds, but in tests.
    unit: Duration,
    epoch: Instant,
    /// What this process booked. It decides where nothing is shared, or while that is away.
    windows: Mutex<Windows>,
    shared: Option<Shared>,
}

#[derive(Debug)]
struct Windows {
    /// What they hold to, which [may change](Limiter::change).
    limit: RateLimit,
    requests: Option<Window>,
    tokens: Option<Window>,
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTurn {
    /// It would come after so long, which is longer than a call may wait.
    After(Duration, Level),
    /// The call alone needs more tokens than a minute has.
    TooLarge,
}

impl Limiter {
    pub(crate) fn new(limit: RateLimit, shared: Option<Shared>) -> Self {
        Self::by_unit(limit, Duration::from_secs(1), shared)
    }

    pub(super) fn by_unit(limit: RateLimit, unit: Duration, shared: Option<Shared>) -> Self {
        let requests = limit.requests.map(Window::new);
        let windows = Windows { limit, requests, tokens: limit.tokens.map(Window::new) };
        let windows = Mutex::new(windows);
        Self { inner: Arc::new(Inner { unit, epoch: Instant::now(), windows, shared }) }
    }

    /// What it holds to.
    pub(super) fn limit(&self) -> RateLimit {
        self.inner.windows().limit
    }

    /// Holds to another limit from now on. What was booked stays booked.
    pub(super) fn change(&self, limit: RateLimit) {
        let mut windows = self.inner.windows();
        windows.limit = limit;
        Window::change(&mut windows.requests, limit.requests);
        Window::change(&mut windows.tokens, limit.tokens);
    }

    /// The tokens of a minute, if they are limited.
    pub(crate) fn tokens_max(&self) -> Option<u64> {
        self.limit().tokens
    }

    /// How much is used, as far as this process knows.
    pub(super) fn level(&self) -> Level {
        let inner = &*self.inner;
        let now = inner.epoch.elapsed();
        let mut windows = inner.windows();
        windows.forget(inner.second(now));
        inner.level(&windows, now)
    }

    /// Books a request of about so many tokens for the first moment that has room.
    pub(crate) async fn reserve(&self, tokens: u64) -> Result<Reservation, NoTurn> {
        if self.limit().requests == Some(0) {
            return Err(NoTurn::After(self.inner.begin(WINDOW), Level::default()));
        }
        match &self.inner.shared {
            None => self.reserve_here(tokens),
            // In a box, for which who shares nothing needs no room.
            Some(shared) => match Box::pin(self.reserve_in(shared, tokens)).await? {
                Some(reservation) => Ok(reservation),
                None => self.reserve_here(tokens),
            },
        }
    }

    /// Books with this process alone.
    fn reserve_here(&self, tokens: u64) -> Result<Reservation, NoTurn> {
        let inner = &*self.inner;
        let now = inner.epoch.elapsed();
        let mut windows = inner.windows();
        let wait = inner.wait(&mut windows, now, tokens)?;
        if wait > windows.limit.wait_max {
            return Err(NoTurn::After(wait, inner.level(&windows, now)));
        }
        let second = windows.book(inner.second(now), inner.second(now + wait), tokens);
        let level = inner.level(&windows, now);
        drop(windows);
        Ok(self.reservation(now + wait, second, tokens, level))
    }

    /// Books with all processes, and notes it here; nothing if the shared state is away.
    async fn reserve_in(
        &self,
        shared: &Shared,
        tokens: u64,
    ) -> Result<Option<Reservation>, NoTurn> {
        let inner = &*self.inner;
        let RateLimit { requests: requests_max, tokens: tokens_max, wait_max } = self.limit();
        if tokens_max.is_some_and(|max| tokens > max) {
            return Err(NoTurn::TooLarge);
        }
        // What was booked while the shared state was away is known here only.
        let has_gaps = shared.store.has_gaps(inner.begin(WINDOW + 1));
        let wait_min = match has_gaps {
            true => inner.wait(&mut inner.windows(), inner.epoch.elapsed(), tokens)?,
            false => Duration::ZERO,
        };
        let unit = inner.unit;
        let booking = Booking { requests_max, tokens_max, tokens, wait_min, wait_max, unit };
        let Some(turn) = shared.store.reserve(&shared.key, booking).await else { return Ok(None) };
        let turn = turn.map_err(|(wait, level)| NoTurn::After(wait, level))?;
        let now = inner.epoch.elapsed();
        let mut windows = inner.windows();
        // Others may have booked here meanwhile what the shared state does not know.
        let wait_min = match has_gaps {
            true => inner.wait(&mut windows, now, tokens)?,
            false => Duration::ZERO,
        };
        if wait_min > wait_max {
            drop(windows);
            let given_back = Correction { slot: turn.slot, booked: tokens, used: None, unit };
            shared.store.correct(&shared.key, given_back);
            return Err(NoTurn::After(wait_min, turn.level));
        }
        let at = now + turn.wait.max(wait_min);
        let second = windows.book(inner.second(now), inner.second(at), tokens);
        drop(windows);
        let mut reservation = self.reservation(at, second, tokens, turn.level);
        reservation.turn = Some(turn);
        Ok(Some(reservation))
    }

    fn reservation(&self, at: Duration, second: u64, tokens: u64, level: Level) -> Reservation {
        let (limiter, at) = (self.clone(), self.inner.epoch + at);
        Reservation { limiter, at, second, turn: None, tokens, level, has_begun: false }
    }
}

impl Inner {
    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it is until there is room.
    fn wait(&self, windows: &mut Windows, now: Duration, tokens: u64) -> Result<Duration, NoTurn> {
        let this = self.second(now);
        let mut second = this;
        // The later of the two turns has room in both windows, as nothing is booked after it.
        for (window, amount) in windows.amounts(tokens) {
            second = second.max(window.earliest(this, second, amount).ok_or(NoTurn::TooLarge)?);
        }
        Ok(self.begin(second).saturating_sub(now))
    }

    /// How much is used.
    fn level(&self, windows: &Windows, now: Duration) -> Level {
        let windows = [windows.requests.as_ref(), windows.tokens.as_ref()];
        let [requests, tokens] = windows.map(|window| window.map_or(0, Window::used));
        let known = || windows.iter().flatten();
        let ends = |second: u64| self.begin(second + WINDOW + 1).saturating_sub(now);
        let first = known().filter_map(|window| window.first()).min();
        let last = known().filter_map(|window| window.last()).max();
        let [more_after, all_after] =
            [first, last].map(|second| second.map_or(Duration::ZERO, ends));
        Level { requests, tokens, more_after, all_after }
    }

    /// When a second, or whatever the window counts by, begins.
    fn begin(&self, second: u64) -> Duration {
        Duration::from_nanos(self.unit_nanos().saturating_mul(second))
    }

    /// Which second, or whatever the window counts by, it is.
    fn second(&self, at: Duration) -> u64 {
        u64::try_from(at.as_nanos()).unwrap_or(u64::MAX) / self.unit_nanos()
    }

    fn unit_nanos(&self) -> u64 {
        u64::try_from(self.unit.as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// Corrects what was booked: so many tokens were used, or the call was not made.
    fn correct(&self, reservation: &Reservation, used: Option<u64>) {
        let &Reservation { second, tokens, turn, .. } = reservation;
        let now = self.second(self.epoch.elapsed());
        let mut windows = self.windows();
        if let Some(window) = &mut windows.tokens {
            window.correct(now, second, tokens, used.unwrap_or_default());
        }
        if let (None, Some(window)) = (used, &mut windows.requests) {
            window.correct(now, second, 1, 0);
        }
        let counts_tokens = windows.tokens.is_some();
        drop(windows);
        let is_news = used.is_none() || counts_tokens && used != Some(tokens);
        if let (Some(shared), Some(Turn { slot, .. }), true) = (&self.shared, turn, is_news) {
            let correction = Correction { slot, booked: tokens, used, unit: self.unit };
            shared.store.correct(&shared.key, correction);
        }
    }
}

impl Windows {
    /// The windows, and how much a call uses of each.
    fn amounts(&mut self, tokens: u64) -> impl Iterator<Item = (&mut Window, u64)> {
        let requests = self.requests.iter_mut().map(|window| (window, 1));
        requests.chain(self.tokens.iter_mut().map(move |window| (window, tokens)))
    }

    /// Forgets what no later second has to look at.
    fn forget(&mut self, now: u64) {
        self.amounts(0).for_each(|(window, _)| window.forget(now));
    }

    /// Books for this second, or a later one that is booked already. Which it is.
    fn book(&mut self, now: u64, second: u64, tokens: u64) -> u64 {
        let windows = self.amounts(tokens);
        let second = windows.filter_map(|(window, _)| window.last()).fold(second, u64::max);
        for (window, amount) in self.amounts(tokens) {
            window.forget(now);
            window.book(second, amount);
        }
        second
    }
}

/// The turn of a call. One that is dropped before it has begun is given back.
#[derive(Debug)]
pub(crate) struct Reservation {
    limiter: Limiter,
    at: Instant,
    second: u64,
    /// Where it is in the shared state.
    turn: Option<Turn>,
    tokens: u64,
    /// How much was used with it.
    level: Level,
    has_begun: bool,
}

impl Reservation {
    /// Waits for the turn.
    pub(crate) async fn wait(&self) {
        if self.at > Instant::now() {
            sleep_until(self.at).await;
        }
    }

    /// The call begins. From now on it counts, whatever becomes of it.
    pub(crate) fn begin(&mut self) {
        self.has_begun = true;
    }

    /// Waits for the turn, and begins.
    #[cfg(test)]
    pub(crate) async fn turn(&mut self) {
        self.wait().await;
        self.begin();
    }

    /// How much was used with it.
    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Where it is in the shared state.
    #[cfg(all(test, feature = "redis"))]
    pub(super) fn shared_slot(&self) -> Option<u64> {
        self.turn.map(|turn| turn.slot)
    }

    #[cfg(test)]
    pub(super) fn second(&self) -> u64 {
        self.second
    }

    /// Says that the call counts as it was booked, whatever becomes of it.
    pub(super) fn keep(mut self) {
        self.has_begun = true;
    }

    /// Says how many tokens the call used in truth.
    pub(crate) fn settle(mut self, tokens: u64) {
        self.limiter.inner.correct(&self, Some(tokens));
        self.has_begun = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.has_begun {
            self.limiter.inner.correct(self, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(requests: u64, tokens: u64) -> Limiter {
        Limiter::new(RateLimit::default().requests(requests).tokens(tokens), None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_but_not_for_long() {
        let limiter = limiter(2, 1_000);
        for _ in 0..2 {
            limiter.reserve(10).await.unwrap().turn().await;
        }
        let Err(NoTurn::After(wait, _)) = limiter.reserve(10).await else {
            panic!("there was a turn")
        };
        assert!(wait > Duration::from_secs(59), "{wait:?}");
        tokio::time::advance(Duration::from_secs(55)).await;
        let started = Instant::now();
        limiter.reserve(10).await.unwrap().turn().await;
        assert_eq!(started.elapsed(), Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_settled() {
        let limiter = limiter(100, 1_000);
        let mut first = limiter.reserve(900).await.unwrap();
        first.turn().await;
        assert!(matches!(limiter.reserve(200).await, Err(NoTurn::After(..))));
        first.settle(100);
        limiter.reserve(200).await.unwrap().turn().await;
        assert_eq!(limiter.reserve(1_001).await.unwrap_err(), NoTurn::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_of_more_than_a_minute_is_settled_all_the_same() {
        let limiter = limiter(100, 1_000);
        let mut long = limiter.reserve(100).await.unwrap();
        long.turn().await;
        tokio::time::advance(Duration::from_secs(300)).await;
        long.settle(900);
        assert!(matches!(limiter.reserve(201).await, Err(NoTurn::After(..))));
        limiter.reserve(200).await.unwrap().turn().await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_before_the_turn_makes_room() {
        let limiter = limiter(1, 1_000);
        let waiting = limiter.reserve(10).await.unwrap();
        assert!(limiter.reserve(10).await.is_err());
        drop(waiting);
        limiter.reserve(10).await.unwrap().turn().await;
        assert!(limiter.reserve(10).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_and_leaves_makes_nobody_forget_what_was_used() {
        let limit = RateLimit::default().requests(2).tokens(1_000);
        let limiter = Limiter::new(limit.wait_max(Duration::from_secs(100)), None);
        limiter.reserve(900).await.unwrap().turn().await;
        let waiting = [limiter.reserve(900).await.unwrap(), limiter.reserve(50).await.unwrap()];
        drop(waiting);
        let started = Instant::now();
        limiter.reserve(900).await.unwrap().turn().await;
        assert_eq!(started.elapsed(), Duration::from_secs(61));
    }

    #[tokio::test(start_paused = true)]
    async fn without_limits_nobody_waits() {
        let limiter = Limiter::new(RateLimit::default(), None);
        for _ in 0..1_000 {
            limiter.reserve(u64::MAX).await.unwrap().turn().await;
        }
    }
}
