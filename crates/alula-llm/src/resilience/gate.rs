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
        self.budget.deposit();
        self.breaker.admit().await.map_err(|rest| {
            let kind = ErrorKind::Overloaded { retry_after: Some(rest) };
            Error::new(kind, "it failed too often and is left alone for a while")
        })
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

    /// Lets an attempt through when its turn has come. `tokens` estimates what it will use.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Overloaded`] when there are too many calls already,
    /// [`ErrorKind::RateLimited`] when the turn would come too late.
    pub(crate) async fn pass(&self, tokens: impl FnOnce() -> u64) -> Result<Passage> {
        let reservation = match &self.limiter {
            Some(limiter) => Some(turn(limiter, tokens()).await?),
            None => None,
        };
        let slot = match &self.slots {
            Some(slots) => Some(slots.take().await?),
            None => None,
        };
        Ok(Passage { reservation, _slot: slot })
    }
}

async fn turn(limiter: &Limiter, tokens: u64) -> Result<Reservation> {
    let mut reservation = limiter.reserve(tokens).await.map_err(|no| {
        let (retry_after, message) = match no {
            NoTurn::After(wait) => (Some(wait), "its limit of requests or tokens is reached"),
            NoTurn::TooLarge => (None, "the call needs more tokens than the limit of a minute"),
        };
        Error::new(ErrorKind::RateLimited { retry_after }, message)
    })?;
    reservation.turn().await;
    Ok(reservation)
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
    fn used(self, tokens: Option<u64>) {
        if let (Some(reservation), Some(tokens)) = (self.reservation, tokens) {
            reservation.settle(tokens);
        }
    }

    /// A model that was not asked used nothing; one that was cut off may have.
    pub(crate) fn failed(self, error: &Error) {
        let was_asked =
            matches!(error.kind(), ErrorKind::Timeout { .. } | ErrorKind::Stream { .. });
        self.used((!was_asked).then_some(0));
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

    /// The answer broke off.
    pub(crate) fn failed(self, error: &Error) {
        if let Some(admission) = self.admission {
            tell(admission, error);
        }
        self.passage.failed(error);
    }
}

/// Tells the breaker of a target how a call to it failed.
pub(crate) fn tell(admission: Admission, error: &Error) {
    match is_trouble(error) {
        true => admission.failed(),
        false => admission.succeeded(),
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
