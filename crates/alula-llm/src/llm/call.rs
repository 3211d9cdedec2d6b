//! One call, in as many attempts as it takes.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use super::{
    Connected, Inner, Llm,
    along::{self, Along},
    ask::{Ask, Asked},
    not_found,
    route::Target,
};
use crate::{
    BreakerState, Deadlines, Error, ErrorKind, Phase, Provider, Result,
    cache::{Digest, Place},
    deadline::{Watch, within},
    observe::{self, Call},
    resilience::{self, Admission, Gate, InFlight, Passage},
    underway::Underway,
};

/// Makes a call, which is [underway](Underway) once it is answered.
pub(super) async fn run<A: Ask>(llm: &Llm, request: A::Request) -> Result<(A::Answer, Underway)> {
    let call = Call::begin(llm.told(), A::OPERATION, request.model(), A::STREAMS);
    // In a box: each future around it is moved a few times, and would be with all of this.
    match Box::pin(ask::<A>(llm, request, &call)).await {
        Ok(Asking { answer, in_flight, place }) => {
            Ok((answer, Underway { in_flight, place, call }))
        }
        Err(error) => {
            call.failed(&error);
            Err(error)
        }
    }
}

/// What came of asking.
struct Asking<A> {
    answer: A,
    /// Nothing if the answer came from the cache.
    in_flight: Option<InFlight>,
    /// Where the answer is kept.
    place: Option<Place>,
}

/// Asks the targets of the request's model, one after the other, until one answers.
///
/// Each target has [its own time](own_time) once, however often it is asked.
async fn ask<A: Ask>(llm: &Llm, mut request: A::Request, call: &Call) -> Result<Asking<A::Answer>> {
    let inner = &*llm.inner;
    let mut failure = None;
    let ends = Instant::now().checked_add(inner.deadlines.total);
    let mut targets = inner.targets(request.model())?.into_iter();
    while let Some(target) = targets.next() {
        if failure.is_some() && is_over(ends) {
            break;
        }
        request.ask_for(&target.model);
        aim(inner, call, &target, &request);
        let place = match look_up::<A>(llm, &target, &request) {
            Found::Answer(answer) => {
                call.cached();
                return Ok(Asking { answer, in_flight: None, place: None });
            }
            Found::Place(place) => place,
        };
        let deadlines = own_time::<A>(inner, &target, targets.as_slice());
        let attempts = Attempts::new(llm, ends, deadlines, call);
        match attempts.at::<A>(&target, &request).await {
            Ok((answer, in_flight)) => {
                return Ok(Asking { answer, in_flight: Some(in_flight), place });
            }
            Err(error) => failure = Some(passed_on(&target, error)?),
        }
    }
    Err(failure.unwrap_or_else(no_targets))
}

/// Says that a call goes to this target now.
pub(super) fn aim(inner: &Inner, call: &Call, target: &Target, request: &impl Asked) {
    let Some(connected) = inner.providers.get(target.provider) else { return };
    let (provider, server) = (&*connected.provider, connected.server.as_ref());
    let wants_prompt =
        call.target(provider, server, &target.model, &target.health, request.as_chat());
    if let Some(chat) = wants_prompt.then(|| request.read_chat()).flatten() {
        call.prompt(chat);
    }
}

/// The failure of a target, if the next one may do better.
pub(super) fn passed_on(target: &Target, error: Error) -> Result<Error> {
    if !another_may_help(&error) {
        return Err(error);
    }
    tracing::debug!(model = &*target.model, error = error.kind().name(), "a target failed");
    Ok(error)
}

pub(super) fn no_targets() -> Error {
    not_found("the route has no targets".to_owned())
}

/// What there is in the cache.
enum Found<A> {
    Answer(A),
    /// Where the answer is to be kept, if it may be.
    Place(Option<Place>),
}

fn look_up<A: Ask>(llm: &Llm, target: &Target, request: &A::Request) -> Found<A::Answer> {
    let scope = llm.scope.as_deref();
    let cache = llm.inner.cache.as_ref().filter(|cache| cache.serves(scope));
    let Some(cache) = cache else { return Found::Place(None) };
    let mut digest = Digest::new();
    digest.value(&scope).bytes(&target.provider.to_le_bytes());
    if !A::digest(request, &mut digest) {
        return Found::Place(None);
    }
    match cache.find(digest.finish()) {
        Ok(kept) => A::replay(kept).map_or(Found::Place(None), Found::Answer),
        Err(place) => Found::Place(Some(place)),
    }
}

/// Whether a call that failed here may succeed elsewhere.
fn another_may_help(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::InvalidRequest
            | ErrorKind::ContentFiltered
            | ErrorKind::TooLarge
            | ErrorKind::Config
    )
}

/// The deadlines of a target, and its own time among them: to the first token, where the answer
/// streams; else to the whole answer, while one of the others may be asked instead. The last has no
/// time of its own: an answer that comes late is better than none.
pub(super) fn own_time<A: Ask>(
    inner: &Inner,
    target: &Target,
    others: &[Target],
) -> (Deadlines, Option<Duration>) {
    let mut deadlines = inner.deadlines;
    deadlines.answer = target.answer.unwrap_or(deadlines.answer);
    let may_be_asked = |other: &Target| other.health.state() != BreakerState::Open;
    let own = match A::STREAMS {
        true => Some(deadlines.first_token),
        false => others.iter().any(may_be_asked).then_some(deadlines.answer),
    };
    (deadlines, own)
}

/// What the attempts at a target have in common.
pub(super) struct Attempts<'a> {
    inner: &'a Inner,
    along: Option<&'a Along>,
    deadlines: Deadlines,
    /// When the whole call ends.
    ends: Option<Instant>,
    /// How long the target may take to begin its answer, or to give all of it.
    own: Option<Duration>,
    call: &'a Call,
}

/// Why no attempt succeeded.
pub(super) struct Failed {
    pub(super) error: Error,
    /// Whether the target was asked at all. Who was not says nothing about it.
    pub(super) was_asked: bool,
}

impl Failed {
    /// Tells the breaker of the target.
    pub(super) fn tell(self, admission: Admission) -> Error {
        if self.was_asked {
            resilience::tell(admission, &self.error);
        }
        self.error
    }
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        llm: &'a Llm,
        ends: Option<Instant>,
        (deadlines, own): (Deadlines, Option<Duration>),
        call: &'a Call,
    ) -> Self {
        Self { inner: &llm.inner, along: llm.along.as_ref(), deadlines, ends, own, call }
    }

    /// Asks one target, as often as the policy allows. For the breaker that is one call.
    async fn at<A: Ask>(
        &self,
        target: &Target,
        request: &A::Request,
    ) -> Result<(A::Answer, InFlight)> {
        let admission = self.admit(target).await?;
        match self.again::<A>(target, request).await {
            Ok((answer, passage)) => Ok((answer, InFlight::new(admission, passage))),
            Err(failed) => Err(failed.tell(admission)),
        }
    }

    pub(super) async fn admit(&self, target: &Target) -> Result<Admission> {
        let connected = self.connected(target)?;
        target.health.admit().await.map_err(|error| {
            self.call.passed_over();
            error.with_provider(connected.provider.name())
        })
    }

    fn connected(&self, target: &Target) -> Result<&'a Connected> {
        let connected = self.inner.providers.get(target.provider);
        connected.ok_or_else(|| not_found("no such provider".to_owned()))
    }

    /// Asks a target that was [admitted](Self::admit).
    pub(super) async fn again<A: Ask>(
        &self,
        target: &Target,
        request: &A::Request,
    ) -> Result<(A::Answer, Passage), Failed> {
        let not_asked = |error| Failed { error, was_asked: false };
        let connected = self.connected(target).map_err(not_asked)?;
        let (provider, health) = (&*connected.provider, &target.health);
        let mut until = self.own.and_then(|own| Instant::now().checked_add(own));
        let mut failure = None;
        let mut attempt = 1;
        loop {
            let span = self.call.attempt(provider, request.model(), health);
            let gates = [target.gate.as_deref(), Some(&connected.gate)];
            let asked = self.once::<A>(provider, gates, request, &mut until);
            let (passage, error) = match asked.instrument(span.clone()).await {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            observe::attempt_failed(&span, &error);
            let Some(passage) = passage else {
                // Who had no turn this time has heard of the target before, or not at all.
                return Err(match failure {
                    Some(error) => Failed { error, was_asked: true },
                    None => not_asked(error),
                });
            };
            passage.failed(&error);
            attempt += 1;
            let wait = self.inner.retry.wait(&error, attempt, fastrand::f64());
            match wait.filter(|wait| *wait < left(self.ends).min(left(until))) {
                Some(wait) if health.may_retry() => {
                    let (provider, kind) = (provider.name(), error.kind().name());
                    tracing::debug!(provider, attempt, ?wait, error = kind, "trying again");
                    failure = Some(error);
                    sleep(wait).await;
                }
                _ => return Err(Failed { error, was_asked: true }),
            }
        }
    }

    /// Asks once, when the turn has come. Who was asked and failed gives its passage back.
    async fn once<A: Ask>(
        &self,
        provider: &dyn Provider,
        gates: [Option<&Gate>; 2],
        request: &A::Request,
        until: &mut Option<Instant>,
    ) -> Result<(A::Answer, Passage), (Option<Passage>, Error)> {
        let came = Instant::now();
        let missed = || self.deadlines.missed_total();
        let at = self.ends.map(|ends| (ends, Phase::Total));
        // Pinned where they are made, these futures are not moved by what goes around them.
        let turn = match within(at, pin!(resilience::pass(gates, || request.tokens()))).await {
            Ok(Ok(passage)) if is_over(self.ends) => {
                passage.used(Some(0));
                Err(missed())
            }
            Ok(turn) => turn,
            Err(_) => Err(missed()),
        };
        let passage = turn.map_err(|error| (None, error.with_provider(provider.name())))?;
        // The wait for a turn is not the provider's.
        *until = until.and_then(|until| until.checked_add(came.elapsed()));
        self.call.asked();
        let headers = self.along.map(Along::headers).unwrap_or_default();
        let watch = self.watch(*until);
        match along::sending(headers, pin!(A::ask(provider, request, watch))).await {
            Ok(answer) => Ok((answer, passage)),
            Err(error) => {
                self.call.attempt_failed(&error);
                Err((Some(passage), error))
            }
        }
    }

    fn watch(&self, until: Option<Instant>) -> Watch {
        let own = until.map(|until| until.saturating_duration_since(Instant::now()));
        Watch::new(self.deadlines, self.ends, own)
    }
}

/// Whether there is no time left to ask anybody.
pub(super) fn is_over(ends: Option<Instant>) -> bool {
    left(ends).is_zero()
}

fn left(until: Option<Instant>) -> Duration {
    until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
}
