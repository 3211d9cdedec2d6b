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
};
use crate::{Error, ErrorKind, Result, Usage};

/// What is known of a target by the calls before.
#[derive(Debug)]
pub(crate) struct Health {
    breaker: Arc<Breaker>,
    budget: RetryBudget,
}

impl Health {
    pub(crate) fn new(breaker: BreakerPolicy, retry: RetryPolicy) -> Self {
        let breaker = Arc::new(Breaker::new(breaker));
        Self { breaker, budget: RetryBudget::new(retry.budget) }
    }

    /// A call begins, whatever it will take.
    pub(crate) fn begin(&self) {
        self.budget.deposit();
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
    pub(crate) fn new(rate: Option<RateLimit>, at_once: Option<usize>) -> Self {
        let wait_max = rate.unwrap_or_default().wait_max;
        let slots = at_once.map(|calls| {
            let free = Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS)));
            Slots { free, wait_max }
        });
        Self { limiter: rate.map(Limiter::new), slots }
    }

    /// Lets a call through when its turn has come. `tokens` estimates what it will use.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Overloaded`] while the target is left alone or has too many calls already,
    /// [`ErrorKind::RateLimited`] when the turn would come too late.
    pub(crate) async fn admit(
        &self,
        health: &Health,
        tokens: impl FnOnce() -> u64,
    ) -> Result<InFlight> {
        let admission = health.breaker.admit().map_err(|rest| {
            let kind = ErrorKind::Overloaded { retry_after: Some(rest) };
            Error::new(kind, "it failed too often and is left alone for a while")
        })?;
        let reservation = match &self.limiter {
            Some(limiter) => Some(turn(limiter, tokens()).await?),
            None => None,
        };
        let slot = match &self.slots {
            Some(slots) => Some(slots.take().await?),
            None => None,
        };
        Ok(InFlight { admission: Some(admission), reservation, _slot: slot })
    }
}

async fn turn(limiter: &Limiter, tokens: u64) -> Result<Reservation> {
    let reserved = limiter.reserve(tokens);
    let mut reservation = reserved.map_err(|no| {
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

/// A call that was let through, until it is known what became of it.
///
/// Dropping it, as a caller that leaves does, says nothing about the target and counts what was
/// reserved.
#[derive(Debug)]
pub(crate) struct InFlight {
    admission: Option<Admission>,
    reservation: Option<Reservation>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    /// A stream has its first content. That is enough of a sign where everybody waits for one;
    /// else the end of the stream tells.
    pub(crate) fn begun(&mut self) {
        if self.admission.as_ref().is_some_and(Admission::is_probe)
            && let Some(admission) = self.admission.take()
        {
            admission.succeeded();
        }
    }

    /// The call was answered, and cost so much if the provider says so.
    pub(crate) fn succeeded(mut self, usage: Option<&Usage>) {
        if let Some(admission) = self.admission.take() {
            admission.succeeded();
        }
        if let (Some(reservation), Some(usage)) = (self.reservation.take(), usage) {
            reservation.settle(usage.total());
        }
    }

    /// The call failed.
    pub(crate) fn failed(mut self, error: &Error) {
        if let Some(admission) = self.admission.take() {
            match is_trouble(error) {
                true => admission.failed(),
                false => admission.succeeded(),
            }
        }
        // A model that was not asked used nothing; one that was cut off may have.
        let was_asked =
            matches!(error.kind(), ErrorKind::Timeout { .. } | ErrorKind::Stream { .. });
        if let Some(reservation) = self.reservation.take()
            && !was_asked
        {
            reservation.settle(0);
        }
    }
}

/// Whether an error says that the provider is in trouble, and not the request.
fn is_trouble(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Overloaded { .. }
            | ErrorKind::Timeout { .. }
            | ErrorKind::Connect
            | ErrorKind::Stream { .. }
            | ErrorKind::Decode
            | ErrorKind::Unavailable
    )
}
