use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    BreakerPolicy, BreakerState, RateLimit, RetryPolicy,
    breaker::{Admission, Breaker},
    limiter::{Limiter, NoTurn, Reservation},
    retry::RetryBudget,
    shared::Shared,
};
use crate::{Error, ErrorKind, Result, Usage};

/// What is known of a target by the calls before.
#[derive(Debug)]
pub(crate) struct Health {
    breaker: Arc<Breaker>,
    budget: RetryBudget,
}

impl Health {
    pub(crate) fn new(breaker: BreakerPolicy, retry: RetryPolicy, shared: Option<Shared>) -> Self {
        let breaker = Arc::new(Breaker::new(breaker, shared));
        Self { breaker, budget: RetryBudget::new(retry.budget) }
    }

    /// Lets a call begin, with as many attempts as it will take.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Overloaded`] while the target is left alone.
    pub(crate) async fn admit(&self) -> Result<Admission> {
        let admission = self.breaker.admit().await.map_err(|rest| {
            let kind = ErrorKind::Overloaded { retry_after: Some(rest) };
            Error::new(kind, "it failed too often and is left alone for a while")
        })?;
        self.budget.deposit();
        Ok(admission)
    }

    /// Takes a retry from the budget, if there is one.
    pub(crate) fn may_retry(&self) -> bool {
        self.budget.withdraw()
    }

    pub(crate) fn state(&self) -> BreakerState {
        self.breaker.state()
    }
}

/// Where every call to a provider passes.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    limiter: Option<Limiter>,
    slots: Option<Slots>,
}

/// How many calls may be on their way at once.
#[derive(Debug)]
struct Slots {
    free: Arc<Semaphore>,
    wait_max: Duration,
}

impl Gate {
    /// A rate is that of all processes if its state is shared; `at_once` is of this one.
    pub(crate) fn new(
        rate: Option<RateLimit>,
        at_once: Option<usize>,
        shared: Option<Shared>,
    ) -> Self {
        let wait_max = rate.unwrap_or_default().wait_max;
        let slots = at_once.map(|calls| {
            let free = Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS)));
            Slots { free, wait_max }
        });
        Self { limiter: rate.map(|rate| Limiter::new(rate, shared)), slots }
    }

    /// Lets an attempt through when its turn has come.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Overloaded`] when there are too many calls already,
    /// [`ErrorKind::RateLimited`] when the turn would come too late,
    /// [`ErrorKind::ContextTooLong`] when no minute has room for the prompt.
    pub(crate) async fn pass(&self, tokens: impl FnOnce() -> Tokens) -> Result<Passage> {
        // Whoever waited for a slot after its turn would come at another time than it booked.
        let slot = match &self.slots {
            Some(slots) => Some(slots.take().await?),
            None => None,
        };
        let reservation = match &self.limiter {
            Some(limiter) => Some(turn(limiter, tokens()).await?),
            None => None,
        };
        Ok(Passage { reservation, _slot: slot })
    }
}

async fn turn(limiter: &Limiter, tokens: Tokens) -> Result<Reservation> {
    let reserved = limiter.reserve(tokens.within(limiter.tokens_max())).await;
    let mut reservation = reserved.map_err(|no| match no {
        NoTurn::After(wait, _) => {
            let kind = ErrorKind::RateLimited { retry_after: Some(wait) };
            Error::new(kind, "its limit of requests or tokens is reached")
        }
        NoTurn::TooLarge => {
            let message = "the prompt has more tokens than its limit lets through in a minute";
            Error::new(ErrorKind::ContextTooLong, message)
        }
    })?;
    reservation.turn().await;
    Ok(reservation)
}

/// About how many tokens a call uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) prompt: u64,
    /// The longest answer, which is seldom that long.
    pub(crate) answer: u64,
}

impl Tokens {
    /// What is reserved where a minute has so many. A minute's worth does for an answer that may
    /// be longer, but not for a prompt.
    pub(crate) fn within(self, max: Option<u64>) -> u64 {
        let all = self.prompt.saturating_add(self.answer);
        all.min(max.unwrap_or(u64::MAX).max(self.prompt))
    }
}

impl Slots {
    async fn take(&self) -> Result<OwnedSemaphorePermit> {
        let taken = timeout(self.wait_max, self.free.clone().acquire_owned()).await;
        taken.ok().and_then(Result::ok).ok_or_else(|| {
            let kind = ErrorKind::Overloaded { retry_after: None };
            Error::new(kind, "it has as many calls as it may at once")
        })
    }
}

/// An attempt on its way. Whoever drops it counts what was reserved.
#[derive(Debug)]
pub(crate) struct Passage {
    reservation: Option<Reservation>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Passage {
    /// Settles what the call used, if that is known; else the estimate stands.
    pub(crate) fn used(self, tokens: Option<u64>) {
        if let (Some(reservation), Some(tokens)) = (self.reservation, tokens) {
            reservation.settle(tokens);
        }
    }

    /// Who never came through, or was refused, used nothing. Else the model may have worked.
    pub(crate) fn failed(self, error: &Error) {
        let is_refusal = error.status().is_some_and(|status| status >= 400);
        let was_not_sent = matches!(
            error.kind(),
            ErrorKind::Connect
                | ErrorKind::InvalidRequest
                | ErrorKind::Unsupported
                | ErrorKind::Config
        );
        self.used((is_refusal || was_not_sent).then_some(0));
    }
}

/// A call that is being answered, until it is known what became of it.
///
/// Dropping it, as a caller that leaves does, says nothing about the target.
#[derive(Debug)]
pub(crate) struct InFlight {
    admission: Option<Admission>,
    passage: Passage,
}

impl InFlight {
    pub(crate) fn new(admission: Admission, passage: Passage) -> Self {
        Self { admission: Some(admission), passage }
    }

    /// A stream has its first content. That is enough of a sign where everybody waits for one;
    /// else the end of the stream tells.
    pub(crate) fn begun(&mut self) {
        if let Some(admission) = self.admission.take_if(|it| it.is_probe()) {
            admission.succeeded();
        }
    }

    /// The call was answered, and cost so much if the provider says so.
    pub(crate) fn succeeded(self, usage: Option<&Usage>) {
        if let Some(admission) = self.admission {
            admission.succeeded();
        }
        self.passage.used(usage.map(Usage::total));
    }

    /// The answer broke off, and cost so much if the provider has said so.
    pub(crate) fn failed(self, error: &Error, usage: Option<&Usage>) {
        if let Some(admission) = self.admission {
            tell(admission, error);
        }
        self.passage.used(usage.map(Usage::total));
    }

    /// The caller left, after the call has cost so much if the provider has said so.
    pub(crate) fn left(self, usage: Option<&Usage>) {
        self.passage.used(usage.map(Usage::total));
    }
}

/// Tells the breaker of a target how a call to it failed, if that says something about it.
pub(crate) fn tell(admission: Admission, error: &Error) {
    if is_trouble(error) {
        admission.failed();
    } else if error.status().is_some() {
        // Whoever refuses works. What has no status may have been refused on this side.
        admission.succeeded();
    }
}

/// Whether an error says that the provider is in trouble, and not the request.
fn is_trouble(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::RateLimited { .. } => false,
        ErrorKind::Decode => true,
        _ => error.is_retryable(),
    }
}
