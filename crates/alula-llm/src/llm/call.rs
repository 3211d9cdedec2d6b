//! One call, in as many attempts as it takes.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};

use super::{Inner, not_found, route::Target};
use crate::{
    ChatEvent, ChatRequest, ChatStream, Deadlines, Error, ErrorKind, Provider, Result, estimate,
    resilience::InFlight,
};

/// Asks the targets of the request's model, one after the other, until one answers.
///
/// Where the answer streams, each target has the time to its first token once, however often it
/// is asked.
pub(super) async fn run<T>(
    inner: &Inner,
    mut request: ChatRequest,
    streams: bool,
    ask: impl AsyncFn(&dyn Provider, &ChatRequest, Deadlines) -> Result<T>,
) -> Result<(T, InFlight)> {
    let mut failure = None;
    let ends = Instant::now().checked_add(inner.deadlines.total);
    for target in inner.targets(&request.model)? {
        request.model.clone_from(&target.model);
        let begins = Instant::now().checked_add(inner.deadlines.first_token).filter(|_| streams);
        let attempts = Attempts { inner, ends, begins, ask: &ask };
        match attempts.at(&target, &request).await {
            Ok(answered) => return Ok(answered),
            Err(error) if !another_may_help(&error) => return Err(error),
            Err(error) => {
                tracing::debug!(model = target.model, %error, "a target failed");
                failure = Some(error);
            }
        }
    }
    Err(failure.unwrap_or_else(|| not_found("the route has no targets".to_owned())))
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
struct Attempts<'a, F> {
    inner: &'a Inner,
    /// When the whole call ends.
    ends: Option<Instant>,
    /// When a stream of the target must have begun.
    begins: Option<Instant>,
    ask: &'a F,
}

impl<F> Attempts<'_, F> {
    /// Asks one target, as often as the policy allows.
    async fn at<T>(&self, target: &Target, request: &ChatRequest) -> Result<(T, InFlight)>
    where
        F: AsyncFn(&dyn Provider, &ChatRequest, Deadlines) -> Result<T>,
    {
        let connected = self.inner.providers.get(target.provider);
        let connected = connected.ok_or_else(|| not_found("no such provider".to_owned()))?;
        let provider = &*connected.provider;
        target.health.begin();
        let mut failure = None;
        for attempt in 2.. {
            let tokens = || estimate::tokens(request);
            let admitted = connected.gate.admit(&target.health, tokens).await;
            let in_flight = match admitted {
                Ok(in_flight) => in_flight,
                // What the provider said is worth more than why it is not asked again.
                Err(refusal) => {
                    return Err(failure.unwrap_or_else(|| refusal.with_provider(provider.name())));
                }
            };
            let error = match (self.ask)(provider, request, self.deadlines()).await {
                Ok(answer) => return Ok((answer, in_flight)),
                Err(error) => error,
            };
            in_flight.failed(&error);
            let wait = self.inner.retry.wait(&error, attempt, fastrand::f64());
            match wait.filter(|wait| self.has_time(*wait)) {
                Some(wait) if target.health.may_retry() => {
                    tracing::debug!(provider = provider.name(), attempt, ?wait, %error, "trying again");
                    sleep(wait).await;
                    failure = Some(error);
                }
                _ => return Err(error),
            }
        }
        Err(failure.unwrap_or_else(|| not_found("no attempt was made".to_owned())))
    }

    /// The deadlines, with what is left of the total and of the wait for the first token.
    fn deadlines(&self) -> Deadlines {
        Deadlines { total: left(self.ends), first_token: left(self.begins), ..self.inner.deadlines }
    }

    fn has_time(&self, wait: Duration) -> bool {
        wait < left(self.ends).min(left(self.begins))
    }
}

fn left(until: Option<Instant>) -> Duration {
    until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
}

/// A stream that tells what became of its call.
pub(super) fn watched(events: ChatStream, mut in_flight: InFlight) -> ChatStream {
    in_flight.begun();
    let state = (events, Some(in_flight), None);
    ChatStream::new(stream::unfold(state, |(mut events, mut in_flight, mut usage)| async {
        let item = events.next().await;
        match &item {
            Some(Ok(ChatEvent::Usage(counted))) => usage = Some(counted.clone()),
            Some(Ok(_)) => {}
            // One malformed event, after which the stream goes on.
            Some(Err(error)) if *error.kind() == ErrorKind::Decode => {}
            Some(Err(error)) => {
                if let Some(in_flight) = in_flight.take() {
                    in_flight.failed(error);
                }
            }
            None => {
                if let Some(in_flight) = in_flight.take() {
                    in_flight.succeeded(usage.as_ref());
                }
            }
        }
        Some((item?, (events, in_flight, usage)))
    }))
}
