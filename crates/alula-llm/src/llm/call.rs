//! One call, in as many attempts as it takes.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use super::{
    Connected, Inner, Llm,
    ask::{Ask, Asked},
    not_found,
    route::Target,
    underway::Underway,
};
use crate::{
    Error, ErrorKind, Result,
    cache::{Digest, Place},
    deadline::Watch,
    observe::{self, Call},
    resilience::{self, Health, InFlight, Passage},
};

/// Makes a call, which is [underway](Underway) once it is answered.
pub(super) async fn run<A: Ask>(llm: &Llm, request: A::Request) -> Result<(A::Answer, Underway)> {
    let (observer, scope) = (&llm.inner.observer, llm.scope.as_ref());
    let call = Call::begin(observer, A::OPERATION, request.model(), A::STREAMS, scope);
    match ask::<A>(llm, request, &call).await {
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
/// Where the answer streams, each target has the time to its first token once, however often it
/// is asked.
async fn ask<A: Ask>(llm: &Llm, mut request: A::Request, call: &Call) -> Result<Asking<A::Answer>> {
    let inner = &*llm.inner;
    let mut failure = None;
    let ends = Instant::now().checked_add(inner.deadlines.total);
    for target in inner.targets(request.model())? {
        request.ask_for(&target.model);
        aim(inner, call, &target, &request);
        let place = match look_up::<A>(llm, &target, &request) {
            Found::Answer(answer) => {
                call.cached();
                return Ok(Asking { answer, in_flight: None, place: None });
            }
            Found::Place(place) => place,
        };
        let attempts = Attempts::new(inner, ends, A::STREAMS, call);
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
    let wants_prompt = call.target(provider, server, &target.model, request.as_chat());
    if let Some(chat) = wants_prompt.then(|| request.read_chat()).flatten() {
        call.prompt(chat);
    }
}

/// The failure of a target, if the next one may do better.
pub(super) fn passed_on(target: &Target, error: Error) -> Result<Error> {
    if !another_may_help(&error) {
        return Err(error);
    }
    tracing::debug!(model = target.model, error = error.kind().name(), "a target failed");
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

/// What the attempts of a call have in common.
pub(super) struct Attempts<'a> {
    inner: &'a Inner,
    /// When the whole call ends.
    ends: Option<Instant>,
    /// When a stream of the target must have begun.
    begins: Option<Instant>,
    call: &'a Call,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        ends: Option<Instant>,
        streams: bool,
        call: &'a Call,
    ) -> Self {
        let begins = Instant::now().checked_add(inner.deadlines.first_token).filter(|_| streams);
        Self { inner, ends, begins, call }
    }

    /// Asks one target, as often as the policy allows. For the breaker that is one call.
    pub(super) async fn at<A: Ask>(
        &self,
        target: &Target,
        request: &A::Request,
    ) -> Result<(A::Answer, InFlight)> {
        let connected = self.inner.providers.get(target.provider);
        let connected = connected.ok_or_else(|| not_found("no such provider".to_owned()))?;
        let name = connected.provider.name();
        let admission = target.health.admit().await.map_err(|error| error.with_provider(name))?;
        match self.again::<A>(connected, &target.health, request).await {
            Ok((answer, passage)) => Ok((answer, InFlight::new(admission, passage))),
            Err(error) => {
                resilience::tell(admission, &error);
                Err(error)
            }
        }
    }

    async fn again<A: Ask>(
        &self,
        connected: &Connected,
        health: &Health,
        request: &A::Request,
    ) -> Result<(A::Answer, Passage)> {
        let provider = &*connected.provider;
        let mut attempt = 1;
        loop {
            let span = self.call.attempt(provider, request.model(), health);
            let asked = self.once::<A>(connected, request).instrument(span.clone()).await;
            let (passage, error) = match asked {
                Ok(answered) => return Ok(answered),
                Err(failure) => failure,
            };
            observe::attempt_failed(&span, &error);
            // Who had no turn did not ask.
            let Some(passage) = passage else { return Err(error) };
            passage.failed(&error);
            attempt += 1;
            let wait = self.inner.retry.wait(&error, attempt, fastrand::f64());
            match wait.filter(|wait| self.has_time(*wait)) {
                Some(wait) if health.may_retry() => {
                    let provider = provider.name();
                    let error = error.kind().name();
                    tracing::debug!(provider, attempt, ?wait, error, "trying again");
                    sleep(wait).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Asks once, when the turn has come. Who was asked and failed gives its passage back.
    async fn once<A: Ask>(
        &self,
        connected: &Connected,
        request: &A::Request,
    ) -> Result<(A::Answer, Passage), (Option<Passage>, Error)> {
        let provider = &*connected.provider;
        let turn = connected.gate.pass(|| request.tokens()).await;
        let passage = turn.map_err(|error| (None, error.with_provider(provider.name())))?;
        self.call.asked();
        match A::ask(provider, request, self.watch()).await {
            Ok(answer) => Ok((answer, passage)),
            Err(error) => Err((Some(passage), error)),
        }
    }

    fn watch(&self) -> Watch {
        let first = self.begins.map(|begins| begins.saturating_duration_since(Instant::now()));
        Watch::new(self.inner.deadlines, self.ends, first)
    }

    fn has_time(&self, wait: Duration) -> bool {
        wait < left(self.ends).min(left(self.begins))
    }
}

fn left(until: Option<Instant>) -> Duration {
    until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
}
