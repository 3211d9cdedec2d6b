use std::{cell::LazyCell, sync::Arc};

use super::{
    BreakerPolicy, BreakerState, RateLimit, RecentCalls, RetryPolicy,
    breaker::{Admission, Breaker},
    limiter::{Limiter, NoTurn, Reservation},
    retry::RetryBudget,
    shared::Shared,
    slots::{Slot, Slots},
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

    pub(crate) fn recent(&self) -> RecentCalls {
        self.breaker.recent()
    }
}

/// Where every call to a provider passes, or to a target of a route.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    rate: Option<(RateLimit, Limiter)>,
    slots: Option<Slots>,
}

impl Gate {
    /// A rate is that of all processes if its state is shared; `at_once` is of this one. The calls
    /// that have passed the gate `before` count here, too.
    pub(crate) fn new(
        rate: Option<RateLimit>,
        at_once: Option<usize>,
        shared: Option<Shared>,
        before: Option<&Self>,
    ) -> Self {
        let wait_max = rate.unwrap_or_default().wait_max;
        let slots = at_once.map(|calls| match before.and_then(|it| it.slots.as_ref()) {
            Some(slots) => slots.followed_by(calls, wait_max),
            None => Slots::new(calls, wait_max),
        });
        let rate = rate.map(|rate| match before.and_then(|it| it.rate.as_ref()) {
            Some((_, limiter)) => (rate, limiter.clone()),
            None => (rate, Limiter::new(rate, shared)),
        });
        Self { rate, slots }
    }

    /// Has what it shares with the gate before go by its own limits.
    pub(crate) fn put_in_force(&self) {
        if let Some((rate, limiter)) = &self.rate
            && limiter.limit() != *rate
        {
            limiter.change(*rate);
        }
        if let Some(slots) = &self.slots {
            slots.put_in_force();
        }
    }

    pub(crate) fn rate(&self) -> Option<RateLimit> {
        self.rate.as_ref().map(|(rate, _)| *rate)
    }

    pub(crate) fn at_once(&self) -> Option<usize> {
        self.slots.as_ref().map(Slots::calls)
    }
}

/// Lets an attempt through the gates on its way when its turn has come.
///
/// # Errors
///
/// [`ErrorKind::Overloaded`] when there are too many calls already,
/// [`ErrorKind::RateLimited`] when the turn would come too late,
/// [`ErrorKind::ContextTooLong`] when no minute has room for the prompt.
pub(crate) async fn pass(
    gates: [Option<&Gate>; GATES],
    tokens: impl FnOnce() -> Tokens,
) -> Result<Passage> {
    let tokens = LazyCell::new(tokens);
    let mut passage = Passage::default();
    for (gate, (reservation, slot)) in gates.into_iter().zip(passage.parts()) {
        let Some(gate) = gate else { continue };
        // Whoever waited for a slot after its turn would come at another time than it booked.
        if let Some(slots) = &gate.slots {
            *slot = Some(slots.take().await?);
        }
        if let Some((_, limiter)) = &gate.rate {
            *reservation = Some(turn(limiter, *tokens).await?);
        }
    }
    // Who did not come through all of them has used nothing.
    passage.reservations.iter_mut().flatten().for_each(Reservation::begin);
    Ok(passage)
}

async fn turn(limiter: &Limiter, tokens: Tokens) -> Result<Reservation> {
    let reserved = limiter.reserve(tokens.within(limiter.tokens_max())).await;
    let reservation = reserved.map_err(|no| match no {
        NoTurn::After(wait, _) => {
            let kind = ErrorKind::RateLimited { retry_after: Some(wait) };
            Error::new(kind, "its limit of requests or tokens is reached")
        }
        NoTurn::TooLarge => {
            let message = "the prompt has more tokens than its limit lets through in a minute";
            Error::new(ErrorKind::ContextTooLong, message)
        }
    })?;
    reservation.wait().await;
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

/// The gates on the way of an attempt: of the route's target, and of the provider.
const GATES: usize = 2;

/// An attempt on its way. Whoever drops it counts what was reserved.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    reservations: [Option<Reservation>; GATES],
    slots: [Option<Slot>; GATES],
}

impl Passage {
    /// What it has of each gate.
    fn parts(&mut self) -> impl Iterator<Item = (&mut Option<Reservation>, &mut Option<Slot>)> {
        self.reservations.iter_mut().zip(&mut self.slots)
    }

    /// Settles what the call used, if that is known; else the estimate stands.
    pub(crate) fn used(self, tokens: Option<u64>) {
        let Some(tokens) = tokens else { return };
        self.reservations.into_iter().flatten().for_each(|it| it.settle(tokens));
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
