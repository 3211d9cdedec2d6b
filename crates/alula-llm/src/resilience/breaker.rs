use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    recent::{Recent, RecentCalls},
    shared::{News, Outcome, Shared, Ticket, Verdict},
};

/// When a target that fails is left alone.
///
/// After [`failures`](Self::failures) failed calls in a row, each with all its attempts, the
/// breaker opens: calls go to the next target at once, or fail at once. After a pause one call is let through to try; if it succeeds
/// the breaker closes, and if it fails the next pause is twice as long.
///
/// Failures are timeouts, broken connections, and what providers say when they are the ones in
/// trouble (5xx, 529). A request that is refused as it is, or for its rate, is none: whoever
/// refuses works.
///
/// ```
/// use std::time::Duration;
///
/// use alula_llm::BreakerPolicy;
///
/// let policy = BreakerPolicy::default().failures(5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// Failures in a row that open the breaker; 0 never does. 3.
    pub failures: u32,
    /// The first pause. 5 s.
    pub pause: Duration,
    /// The longest pause. 60 s.
    pub pause_max: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { failures: 3, pause: Duration::from_secs(5), pause_max: Duration::from_secs(60) }
    }
}

impl BreakerPolicy {
    /// Sets how many failures in a row open the breaker.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// Sets the first pause.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Sets the longest pause.
    #[must_use]
    pub fn pause_max(mut self, pause_max: Duration) -> Self {
        self.pause_max = pause_max;
        self
    }
}

/// What a breaker does with calls.
///
/// ```
/// use alula_llm::{BreakerState, Demo, Llm};
///
/// # fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).default_model("demo/demo").build()?;
/// let healthy = llm.breakers().filter(|(_, state)| *state == BreakerState::Closed);
/// assert_eq!(healthy.map(|(target, _)| target).collect::<Vec<_>>(), ["demo/demo"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// They go through.
    Closed,
    /// They do not.
    Open,
    /// One goes through, to see what becomes of it.
    HalfOpen,
}

/// The breaker of one target.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    known: Mutex<Known>,
    shared: Option<Shared>,
}

/// What this process knows.
#[derive(Debug)]
struct Known {
    /// It decides where nothing is shared, or while that is away.
    state: State,
    recent: Recent,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// A probe is on its way; `pause` is the one before. Another may go if nothing is heard of it
    /// until then.
    HalfOpen {
        pause: Duration,
        until: Instant,
    },
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy, shared: Option<Shared>) -> Self {
        let shared = shared.filter(|_| policy.failures != 0);
        let known = Known { state: State::Closed { failures: 0 }, recent: Recent::new() };
        Self { policy, known: Mutex::new(known), shared }
    }

    /// The state, as far as this process has heard.
    pub(crate) fn state(&self) -> BreakerState {
        match self.lock().state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// How the calls of this process went.
    pub(crate) fn recent(&self) -> RecentCalls {
        self.lock().recent.calls()
    }

    /// Lets a call through, or says how long nothing gets through.
    pub(crate) async fn admit(self: &Arc<Self>) -> Result<Admission, Duration> {
        let Some(shared) = &self.shared else { return self.admit_here() };
        match shared.store.admit(&shared.key).await {
            Some(verdict) => self.follow(verdict),
            None => self.admit_here(),
        }
    }

    /// Decides by what this process knows.
    fn admit_here(self: &Arc<Self>) -> Result<Admission, Duration> {
        let state = &mut self.lock().state;
        let now = Instant::now();
        match *state {
            State::Closed { .. } => Ok(self.admission(Probe::No)),
            State::Open { until, pause } | State::HalfOpen { until, pause } if until <= now => {
                *state = self.half_open(pause);
                Ok(self.admission(Probe::Yes { pause, ticket: None }))
            }
            State::Open { until, .. } => Err(until - now),
            // The probe tells; how soon, nobody knows.
            State::HalfOpen { until, pause } => Err(pause.min(until - now)),
        }
    }

    /// Does what was decided for all processes, and remembers it for when it has to decide.
    fn follow(self: &Arc<Self>, verdict: Verdict) -> Result<Admission, Duration> {
        let state = &mut self.lock().state;
        match verdict {
            Verdict::Closed { failures } => {
                *state = State::Closed { failures };
                Ok(self.admission(Probe::No))
            }
            Verdict::Probe { pause, ticket } => {
                *state = self.half_open(pause);
                Ok(self.admission(Probe::Yes { pause, ticket: Some(ticket) }))
            }
            Verdict::Open { left, pause } => {
                // While a call of this process tries, it is the one that tells.
                if !matches!(*state, State::HalfOpen { .. }) {
                    *state = State::Open { until: Instant::now() + left, pause };
                }
                Err(left)
            }
        }
    }

    fn admission(self: &Arc<Self>, probe: Probe) -> Admission {
        Admission { breaker: self.clone(), probe, is_told: false }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn half_open(&self, pause: Duration) -> State {
        State::HalfOpen { pause, until: Instant::now() + self.policy.pause_max }
    }

    fn open(&self, pause: Duration) -> State {
        let pause = pause.min(self.policy.pause_max);
        State::Open { until: Instant::now() + pause, pause }
    }
}

/// Whether a call is the one that tries a target again.
#[derive(Debug)]
enum Probe {
    No,
    Yes {
        pause: Duration,
        /// The right to it, among all processes.
        ticket: Option<Ticket>,
    },
}

/// A call that was let through. Whoever drops it without a word has learned nothing.
#[derive(Debug)]
pub(crate) struct Admission {
    breaker: Arc<Breaker>,
    probe: Probe,
    is_told: bool,
}

impl Admission {
    /// Whether everybody waits for this call to tell.
    pub(crate) fn is_probe(&self) -> bool {
        matches!(self.probe, Probe::Yes { .. })
    }

    /// The target works.
    pub(crate) fn succeeded(mut self) {
        self.is_told = true;
        let mut known = self.breaker.lock();
        known.recent.note(true);
        match (known.state, &self.probe) {
            (State::Closed { .. }, _) | (State::HalfOpen { .. }, Probe::Yes { .. }) => {
                known.state = State::Closed { failures: 0 };
            }
            // A call of before the breaker opened: the probe will tell.
            _ => {}
        }
        drop(known);
        self.tell(Outcome::Succeeded);
    }

    /// The target is in trouble.
    pub(crate) fn failed(mut self) {
        self.is_told = true;
        let breaker = &self.breaker;
        let mut known = breaker.lock();
        known.recent.note(false);
        match (known.state, &self.probe) {
            (State::Closed { failures }, _) => {
                let failures = failures.saturating_add(1);
                let is_enough = breaker.policy.failures != 0 && failures >= breaker.policy.failures;
                known.state = match is_enough {
                    true => breaker.open(breaker.policy.pause),
                    false => State::Closed { failures },
                };
            }
            (State::HalfOpen { .. }, Probe::Yes { pause, .. }) => {
                known.state = breaker.open(pause.saturating_mul(2));
            }
            _ => {}
        }
        drop(known);
        self.tell(Outcome::Failed);
    }

    /// Tells the other processes.
    fn tell(&self, outcome: Outcome) {
        let Some(shared) = &self.breaker.shared else { return };
        let ticket = match &self.probe {
            Probe::No => None,
            Probe::Yes { ticket, .. } => ticket.as_ref().map(Ticket::number),
        };
        shared.store.tell(&shared.key, News { outcome, ticket, policy: self.breaker.policy });
    }
}

impl Drop for Admission {
    /// A probe whose caller left makes room for the next one.
    fn drop(&mut self) {
        let Probe::Yes { pause, .. } = self.probe else { return };
        if self.is_told {
            return;
        }
        let mut known = self.breaker.lock();
        if matches!(known.state, State::HalfOpen { .. }) {
            known.state = State::Open { until: Instant::now(), pause };
        }
        drop(known);
        self.tell(Outcome::Left);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn opened() -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::new(BreakerPolicy::default(), None));
        for _ in 0..3 {
            breaker.admit_here().unwrap().failed();
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_row_open_it() {
        let breaker = Arc::new(Breaker::new(BreakerPolicy::default(), None));
        for _ in 0..10 {
            breaker.admit_here().unwrap().failed();
            breaker.admit_here().unwrap().failed();
            breaker.admit_here().unwrap().succeeded();
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(opened().admit_here().unwrap_err(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_tries_it_again() {
        let breaker = opened();
        advance(Duration::from_secs(5)).await;
        let probe = breaker.admit_here().unwrap();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.admit_here().is_err(), "two calls try at once");
        probe.succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.admit_here().unwrap().failed();
        assert_eq!(breaker.state(), BreakerState::Closed, "it has forgotten the old failures");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_limit() {
        let breaker = opened();
        for seconds in [5, 10, 20, 40, 60, 60] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(breaker.admit_here().unwrap_err(), pause);
            advance(pause).await;
            breaker.admit_here().unwrap().failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn late_news_of_earlier_calls_changes_nothing() {
        let breaker = Arc::new(Breaker::new(BreakerPolicy::default(), None));
        let early: Vec<_> = (0..4).map(|_| breaker.admit_here().unwrap()).collect();
        for _ in 0..3 {
            breaker.admit_here().unwrap().failed();
        }
        for (number, call) in early.into_iter().enumerate() {
            if number % 2 == 0 { call.succeeded() } else { call.failed() }
        }
        assert_eq!(breaker.admit_here().unwrap_err(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_is_followed_by_another() {
        let breaker = opened();
        advance(Duration::from_secs(5)).await;
        drop(breaker.admit_here().unwrap());
        breaker.admit_here().unwrap().succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_number_it_never_opens() {
        let policy = BreakerPolicy { failures: 0, ..BreakerPolicy::default() };
        let breaker = Arc::new(Breaker::new(policy, None));
        for _ in 0..100 {
            breaker.admit_here().unwrap().failed();
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
