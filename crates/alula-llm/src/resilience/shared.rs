//! What breakers and limiters ask of a state that processes have in common.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::BoxFuture;

use super::BreakerPolicy;

/// How it stands with a state of limits and breakers that processes have in common.
///
/// ```
/// use alula_llm::{Demo, Llm};
///
/// # fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).build()?;
/// let health = match llm.shared_state() {
///     None => "each process for itself".to_owned(),
///     Some(state) if state.is_away => format!("away; {} reports lost", state.reports_lost),
///     Some(_) => "shared".to_owned(),
/// };
/// assert_eq!(health, "each process for itself");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedState {
    /// Whether it does not answer, so that this process goes by a state of its own until it does.
    pub is_away: bool,
    /// How many reports of what calls used or of how they ended did not reach it. Each leaves an
    /// estimate in place of the truth for a minute, a failure uncounted, or a call that is over
    /// counted until the end of its lease.
    pub reports_lost: u64,
    /// How many times a call had no answer in time though it was not away, so that its process went
    /// by a state of its own for this once: limits may have let through more.
    pub asked_in_vain: u64,
}

/// A state that processes have in common.
///
/// It answers in a bounded time, or `None`: then a process goes by its own state. What it is told
/// it takes without a wait.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// Books a turn, or says how long the wait would be that is too long.
    fn reserve<'a>(
        &'a self,
        key: &'a Arc<str>,
        booking: Booking,
    ) -> BoxFuture<'a, Option<Result<Turn, TooLong>>>;

    /// Corrects what was booked.
    fn correct(&self, key: &Arc<str>, correction: Correction);

    /// Lets a call through a breaker, or not.
    fn admit<'a>(&'a self, key: &'a Arc<str>) -> BoxFuture<'a, Option<Verdict>>;

    /// Tells a breaker how a call ended.
    fn tell(&self, key: &Arc<str>, news: News);

    /// One that [joins](Self::join) as no other does.
    fn new_member(&self) -> Member;

    /// Lets a member join if there are fewer than so many, or if it has done so already.
    fn join<'a>(
        &'a self,
        key: &'a Arc<str>,
        member: Member,
        max: usize,
    ) -> BoxFuture<'a, Option<bool>>;

    /// Counts a member until it [leaves](Self::leave), whether it could join or found nobody to
    /// ask.
    fn stay(&self, key: &Arc<str>, member: Member);

    /// Counts a member no longer, be it that it has joined or only asked to.
    fn leave(&self, key: &Arc<str>, member: Member);

    /// Whether it may not know all that this process booked within so long.
    fn has_gaps(&self, within: Duration) -> bool;

    fn state(&self) -> SharedState;
}

/// The state of one limiter or breaker in a store.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) key: Arc<str>,
}

/// A store, and what its keys begin with.
#[derive(Debug, Clone)]
pub(crate) struct Sharing {
    store: Arc<dyn Store>,
    prefix: String,
}

impl Sharing {
    #[cfg(feature = "redis")]
    pub(super) fn new(store: Arc<dyn Store>, prefix: String) -> Self {
        Self { store, prefix }
    }

    /// The state of what has this name.
    pub(crate) fn of(&self, name: &str) -> Shared {
        Shared { store: self.store.clone(), key: format!("{}:{name}", self.prefix).into() }
    }

    pub(crate) fn state(&self) -> SharedState {
        self.store.state()
    }
}

/// A turn to be booked.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "read by stores"))]
pub(super) struct Booking {
    pub(super) requests_max: Option<u64>,
    pub(super) tokens_max: Option<u64>,
    pub(super) tokens: u64,
    /// The shortest wait.
    pub(super) wait_min: Duration,
    /// The longest wait.
    pub(super) wait_max: Duration,
    /// The unit of windows, of which they have [`WINDOW`](super::window::WINDOW).
    pub(super) unit: Duration,
}

/// A turn that was booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) wait: Duration,
    /// Where in the store's window it is.
    pub(super) slot: u64,
    /// How much is used with it.
    pub(super) level: Level,
}

/// The wait for a turn, which is too long, and how much is used without it.
pub(super) type TooLong = (Duration, Level);

/// How much of the last minute's worth is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(super) requests: u64,
    pub(super) tokens: u64,
    /// Until the first of it is over.
    pub(super) more_after: Duration,
    /// Until all of it is over.
    pub(super) all_after: Duration,
}

/// What was booked for a slot, and what it was in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Correction {
    pub(super) slot: u64,
    pub(super) booked: u64,
    /// `None` if the call was not made at all.
    pub(super) used: Option<u64>,
    /// The unit of windows.
    pub(super) unit: Duration,
}

/// What a breaker says to a call.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "made by stores"))]
pub(super) enum Verdict {
    /// It goes through, after so many failures in a row.
    Closed { failures: u32 },
    /// It is the one that tries; `pause` is the one before.
    Probe { pause: Duration, ticket: Ticket },
    /// It does not, nor any other for so long.
    Open { left: Duration, pause: Duration },
}

/// The right to be the one that tries. The store keeps it for as long as somebody holds this.
#[derive(Debug, Clone)]
pub(super) struct Ticket(Arc<u64>);

#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "used by stores"))]
impl Ticket {
    pub(super) fn new() -> Self {
        Self(Arc::new(fastrand::u64(..)))
    }

    pub(super) fn number(&self) -> u64 {
        *self.0
    }

    pub(super) fn downgrade(&self) -> Weak<u64> {
        Arc::downgrade(&self.0)
    }
}

/// One of those of which there may be only so many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Member {
    /// The process that it is of, of which no other has the number.
    pub(super) process: u64,
    /// Which of its process it is.
    pub(super) number: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "read by stores"))]
pub(super) struct News {
    pub(super) outcome: Outcome,
    /// Of a call that tried.
    pub(super) ticket: Option<u64>,
    pub(super) policy: BreakerPolicy,
}

impl News {
    /// The caller of a call that was to try has left before it began.
    #[cfg(feature = "redis")]
    pub(super) fn left(ticket: &Ticket) -> Self {
        // A call that only made room opens nothing.
        let policy = BreakerPolicy::default();
        Self { outcome: Outcome::Left, ticket: Some(ticket.number()), policy }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    Failed,
    /// Its caller left.
    Left,
}
