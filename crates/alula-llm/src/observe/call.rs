use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use tracing::Span;

use super::{CallRecord, Listener, Observer, Outcome, Server, Told, content, pieces::Pieces, span};
use crate::{
    Accumulator, ChatEvent, ChatRequest, ChatResponse, Cost, Error, Provider, Usage,
    resilience::Health,
};

/// A call that is watched until it is known what became of it, and told then, once. Dropping it
/// says that its caller has left.
#[derive(Debug)]
pub(crate) struct Call(Option<Box<Watch>>);

#[derive(Debug)]
struct Watch {
    observer: Arc<Observer>,
    listener: Option<Listener>,
    begun: Instant,
    /// Attempts of one call may run side by side.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    record: CallRecord,
    /// There is none before it is known who is asked first.
    span: Span,
    server: Option<Server>,
    /// Of the target.
    health: Option<Arc<Health>>,
    pieces: Pieces,
    /// What has been streamed, if it is to be recorded.
    streamed: Option<Box<Accumulator>>,
    #[cfg(feature = "otel")]
    attributes: Vec<opentelemetry::KeyValue>,
}

/// What a whole answer says of itself.
pub(crate) trait Answered {
    /// What the limits of the provider count.
    fn usage(&self) -> Option<&Usage>;

    fn note(&self, record: &mut CallRecord);

    /// The answer in our own model, where it is that.
    fn chat(&self) -> Option<&ChatResponse> {
        None
    }
}

impl Call {
    /// Begins to watch a call for the model that its caller names, if anybody listens.
    pub(crate) fn begin(
        told: Told<'_>,
        operation: &'static str,
        asked: &str,
        streams: bool,
    ) -> Self {
        let Told { observer, scope, listener } = told;
        if listener.is_none() && !observer.has_listeners() && !span::is_wanted() {
            return Self(None);
        }
        let state = State {
            record: CallRecord::new(operation, asked, streams, scope.cloned()),
            span: Span::none(),
            server: None,
            health: None,
            pieces: Pieces::default(),
            streamed: None,
            #[cfg(feature = "otel")]
            attributes: Vec::new(),
        };
        Self(Some(Box::new(Watch {
            observer: observer.clone(),
            listener: listener.cloned(),
            begun: Instant::now(),
            state: Mutex::new(state),
        })))
    }

    /// The call goes to this target now. Returns whether the [prompt](Self::prompt) is to be
    /// recorded.
    pub(crate) fn target(
        &self,
        provider: &dyn Provider,
        server: Option<&Server>,
        model: &str,
        health: &Arc<Health>,
        request: Option<&ChatRequest>,
    ) -> bool {
        let Some(watch) = &self.0 else { return false };
        let state = &mut *watch.lock();
        watch.observer.measure_breaker(state);
        state.health = Some(health.clone());
        let is_first = state.record.provider.is_none();
        state.record.provider = Some(provider.name().to_owned());
        state.record.model = Some(model.to_owned());
        state.server = server.cloned();
        if is_first {
            state.span = span::of_call(&state.record, request);
        }
        is_first && watch.wants_content(state)
    }

    pub(crate) fn prompt(&self, request: &ChatRequest) {
        if let Some(watch) = &self.0 {
            watch.lock().span.record("gen_ai.input.messages", content::input(&request.messages));
        }
    }

    /// The breaker of the target is open, so that it is not asked.
    pub(crate) fn passed_over(&self) {
        let Some(watch) = &self.0 else { return };
        let record = &mut watch.lock().record;
        if let (Some(provider), Some(model)) = (&record.provider, &record.model) {
            record.passed_over.push(format!("{provider}/{model}"));
        }
    }

    /// The span of the next attempt at the target.
    pub(crate) fn attempt(&self, provider: &dyn Provider, model: &str, health: &Health) -> Span {
        let Some(watch) = &self.0 else { return Span::none() };
        let State { record, span, server, .. } = &*watch.lock();
        let number = record.attempts.saturating_add(1);
        span::of_attempt(span, provider.name(), model, server.as_ref(), health.state(), number)
    }

    /// The provider is asked.
    pub(crate) fn asked(&self) {
        if let Some(watch) = &self.0 {
            let attempts = &mut watch.lock().record.attempts;
            *attempts = attempts.saturating_add(1);
        }
    }

    /// The provider that was asked last has failed before its answer.
    pub(crate) fn attempt_failed(&self, error: &Error) {
        if let Some(watch) = self.0.as_ref().filter(|_| error.kind().is_refusal()) {
            let refusals = &mut watch.lock().record.refusals;
            *refusals = refusals.saturating_add(1);
        }
    }

    /// The first content of a stream has come.
    pub(crate) fn streams(&mut self) {
        let Some(watch) = &mut self.0 else { return };
        let now = Instant::now();
        let begun = watch.begun;
        let wants_content = watch.wants_content(&watch.lock());
        let state = watch.state();
        state.record.first_token = Some(now.saturating_duration_since(begun));
        state.pieces = Pieces::since(now);
        state.streamed = wants_content.then(Box::default);
        #[cfg(feature = "otel")]
        {
            state.attributes = super::metrics::attributes(&state.record, state.server.as_ref());
        }
    }

    /// A piece of a stream is given out. `is_content` may be wrong before there was any.
    pub(crate) fn piece(&mut self, events: &[ChatEvent], is_content: bool) {
        let Some(watch) = &mut self.0 else { return };
        let state = watch.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            state.record.note(event);
            if let Some(answer) = &mut state.streamed {
                answer.push(event.clone());
            }
        }
        let is_content = match state.pieces.has_begun() {
            true => is_content,
            false => events.iter().any(ChatEvent::is_content),
        };
        let gap = is_content.then(|| state.pieces.next(Instant::now())).flatten();
        #[cfg(feature = "otel")]
        if let Some(gap) = gap {
            watch.observer.measure_piece(gap, &state.attributes);
        }
        #[cfg(not(feature = "otel"))]
        let _ = gap;
    }

    /// The answer was kept from an earlier call: nobody is asked, and nothing is used.
    pub(crate) fn cached(&self) {
        if let Some(watch) = &self.0 {
            watch.lock().record.is_cached = true;
        }
    }

    /// The whole answer is there.
    pub(crate) fn answered(mut self, answer: &impl Answered) {
        let Some(watch) = &mut self.0 else { return };
        let wants_content = watch.wants_content(&watch.lock());
        let state = watch.state();
        answer.note(&mut state.record);
        if let Some(answer) = answer.chat().filter(|_| wants_content) {
            state.span.record("gen_ai.output.messages", content::output(answer));
        }
        self.finish(Outcome::Answered);
    }

    /// The stream has come to its end.
    pub(crate) fn ended(mut self) {
        self.finish(Outcome::Answered);
    }

    pub(crate) fn failed(mut self, error: &Error) {
        self.finish(Outcome::Failed(error.kind().clone()));
    }

    fn finish(&mut self, outcome: Outcome) {
        let Some(watch) = self.0.take() else { return };
        let Watch { observer, listener, begun, state } = *watch;
        let mut state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = mem::take(&mut state.streamed) {
            state.span.record("gen_ai.output.messages", content::output(&answer.finish()));
        }
        let record = &mut state.record;
        record.outcome = outcome;
        record.total = begun.elapsed();
        record.per_piece = state.pieces.average();
        if record.is_cached {
            record.usage = None;
            record.cost = Some(Cost::default());
        } else {
            record.cost = record.price(&observer.prices);
        }
        if record.provider.is_none() {
            // Nobody was asked.
            state.span = span::of_call(record, None);
        }
        span::finish(&state.span, record, state.server.as_ref());
        observer.measure(record, state.server.as_ref());
        observer.measure_breaker(&state);
        for hook in &observer.hooks {
            hook(&state.record);
        }
        if let Some(listener) = &listener {
            listener.tell(&state.record);
        }
    }
}

impl Observer {
    /// Measures the breaker of the target, if one was asked.
    fn measure_breaker(&self, state: &State) {
        let State { record, health, .. } = state;
        if let (Some(provider), Some(model), Some(health)) =
            (&record.provider, &record.model, health)
        {
            self.measure_target(provider, model, health.state());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.finish(Outcome::Abandoned);
    }
}

impl Watch {
    fn wants_content(&self, state: &State) -> bool {
        self.observer.records_content && !state.span.is_disabled()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&mut self) -> &mut State {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_noted_where_nobody_listens() {
        let begins = |observer: Observer, listener: Option<&Listener>| {
            let told = Told { observer: &Arc::new(observer), scope: None, listener };
            Call::begin(told, "chat", "m", false).0.is_some()
        };
        assert!(!begins(Observer::default(), None));
        assert!(begins(Observer::default(), Some(&Listener::new(|_| {}, None))));
        let mut observer = Observer::default();
        observer.hooks.push(Arc::new(|_| {}));
        assert!(begins(observer, None));
    }
}
