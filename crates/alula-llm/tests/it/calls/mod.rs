//! What is told of calls: to a hook, as spans, and as measurements.

mod content;
mod records;
#[cfg(feature = "otel")]
mod telemetry;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use alula_llm::{
    CallRecord, ChatEvent, ChatRequest, ChatResponse, ChatStream, Error, ErrorKind, LlmBuilder,
    Prices, Provider, Result, StopReason, Usage,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::time::sleep;

/// A step of a stream.
#[derive(Debug, Clone)]
enum Step {
    Event(Box<ChatEvent>),
    Wait(Duration),
    Fail(ErrorKind),
}

/// A provider that answers with what it is given, call by call.
#[derive(Debug)]
struct Scripted {
    name: &'static str,
    calls: Mutex<VecDeque<Vec<Step>>>,
}

impl Scripted {
    fn new(name: &'static str, calls: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self { name, calls: Mutex::new(calls.into_iter().collect()) }
    }
}

impl Provider for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn base_url(&self) -> Option<&str> {
        Some("https://api.example.com/v1")
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        async move { self.stream(request).await?.accumulate().await }.boxed()
    }

    fn stream<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        let steps = self.calls.lock().unwrap().pop_front().unwrap();
        let events = stream::iter(steps).filter_map(|step| async {
            match step {
                Step::Event(event) => Some(Ok(*event)),
                Step::Fail(kind) => Some(Err(Error::new(kind, "it was told to"))),
                Step::Wait(wait) => {
                    sleep(wait).await;
                    None
                }
            }
        });
        async move { Ok(ChatStream::new(events)) }.boxed()
    }
}

fn event(event: ChatEvent) -> Step {
    Step::Event(Box::new(event))
}

fn start() -> Step {
    event(ChatEvent::Start {
        id: "id-1".to_owned(),
        model: "large-2026-01-01".to_owned(),
        origin: None,
        extra: serde_json::Map::new(),
    })
}

fn text(text: &str) -> Step {
    event(ChatEvent::Text { choice: 0, part: 0, text: text.to_owned() })
}

fn stop() -> Step {
    event(ChatEvent::Stop {
        choice: 0,
        reason: StopReason::End,
        sequence: None,
        extra: serde_json::Map::new(),
    })
}

fn usage(input: u64, output: u64) -> Step {
    let usage = Usage { input, output, cache_read: Some(10), ..Usage::default() };
    event(ChatEvent::Usage(usage))
}

/// A whole answer: a second to its first token, and half of one between the others.
fn answer() -> Vec<Step> {
    let pause = Step::Wait(Duration::from_millis(500));
    vec![
        start(),
        Step::Wait(Duration::from_secs(1)),
        text("canary-"),
        pause.clone(),
        text("ans"),
        pause,
        text("wer"),
        stop(),
        usage(100, 20),
    ]
}

fn failure(kind: ErrorKind) -> Vec<Step> {
    vec![Step::Fail(kind)]
}

/// Ten and twenty dollars for a million tokens, cached ones one.
fn prices() -> Prices {
    Prices::from_toml(
        "[[provider]]\nname = 'one'\nas_of = '2026-11-01'\nsource = 'these tests'\nprices = [\
         { models = ['large'], input = 10_000_000, cache_read = 1_000_000, output = 20_000_000 },\
         ]",
    )
    .unwrap()
}

/// What has been told of calls.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Vec<CallRecord>>>);

impl Told {
    fn hook(&self) -> impl Fn(&CallRecord) + Send + Sync + 'static {
        let told = self.0.clone();
        move |record| told.lock().unwrap().push(record.clone())
    }

    /// The only record.
    #[track_caller]
    fn only(&self) -> CallRecord {
        let records = self.0.lock().unwrap();
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].clone()
    }
}

fn builder(told: &Told, calls: impl IntoIterator<Item = Vec<Step>>) -> LlmBuilder {
    let builder = alula_llm::Llm::builder().provider(Scripted::new("one", calls));
    builder.prices(prices()).on_call(told.hook())
}

fn request() -> ChatRequest {
    ChatRequest::new("one/large").user("canary-prompt")
}
