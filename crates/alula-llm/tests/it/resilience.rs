//! What a caller sees of providers that fail: retries, fallbacks, breakers, limits.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alula_llm::{
    BreakerState, ChatEvent, ChatRequest, ChatResponse, ChatStream, Deadlines, EmbedLimits,
    EmbedRequest, EmbedResponse, Error, ErrorKind, Llm, LlmBuilder, Phase, Provider, RateLimit,
    Result, RetryPolicy, Route, StopReason, Usage,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, future::join_all, stream};
use tokio::time::{Instant, sleep};

/// What a provider of these tests does with a call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Answer(&'static str),
    /// Answers after so many seconds.
    Slow(u64),
    Fail(ErrorKind),
    /// Begins to stream, and breaks off.
    Break,
    Hang,
    /// Streams nothing but a sign of life.
    Nothing,
}

/// A provider that does what it is told, and the last thing for ever.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    name: &'static str,
    acts: Arc<Mutex<VecDeque<Act>>>,
    asked: Arc<AtomicU32>,
}

impl Actor {
    pub(crate) fn new(name: &'static str, acts: impl IntoIterator<Item = Act>) -> Self {
        let acts = Arc::new(Mutex::new(acts.into_iter().collect()));
        Self { name, acts, asked: Arc::default() }
    }

    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    fn next(&self) -> Act {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut acts = self.acts.lock().unwrap();
        if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() }
    }
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Text { choice: 0, part: 0, text: text.to_owned() }
}

fn stop() -> ChatEvent {
    let (reason, sequence) = (StopReason::End, None);
    ChatEvent::Stop { choice: 0, reason, sequence, extra: serde_json::Map::new() }
}

impl Provider for Actor {
    fn name(&self) -> &str {
        self.name
    }

    /// One at a time, so that several are several calls.
    fn embed_limits(&self, _: &str) -> EmbedLimits {
        EmbedLimits::default().inputs(1)
    }

    fn embed<'a>(&'a self, request: &'a EmbedRequest) -> BoxFuture<'a, Result<EmbedResponse>> {
        async move {
            self.chat(&ask()).await?;
            let mut answer = EmbedResponse::default();
            request.inputs.iter().try_for_each(|_| answer.vectors.push(&[1.0]))?;
            Ok(answer)
        }
        .boxed()
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        async move { self.stream(request).await?.accumulate().await }.boxed()
    }

    fn stream<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        let act = self.next();
        async move {
            let answer = match act {
                Act::Answer(answer) => answer,
                Act::Slow(seconds) => {
                    sleep(Duration::from_secs(seconds)).await;
                    "late"
                }
                Act::Fail(kind) => return Err(Error::new(kind, "it was told to")),
                Act::Break => {
                    let error = Error::new(ErrorKind::Stream { events_seen: 1 }, "broken");
                    return Ok(ChatStream::new(stream::iter([Ok(text("half")), Err(error)])));
                }
                Act::Hang => return std::future::pending().await,
                Act::Nothing => return Ok(ChatStream::new(stream::iter([Ok(ChatEvent::Ping)]))),
            };
            let usage = Usage { input: 60, output: 40, ..Usage::default() };
            let events = [text(answer), ChatEvent::Usage(usage), stop()];
            Ok(ChatStream::new(stream::iter(events.map(Ok))))
        }
        .boxed()
    }
}

/// Each call may be tried again as often as its policy says.
pub(crate) fn llm(actors: &[&Actor]) -> LlmBuilder {
    let builder = Llm::builder().retry(RetryPolicy::default().budget(200));
    actors.iter().fold(builder, |builder, actor| builder.provider((*actor).clone()))
}

pub(crate) fn ask() -> ChatRequest {
    ChatRequest::default().user("hi")
}

pub(crate) const DOWN: Act = Act::Fail(ErrorKind::Unavailable);

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again() {
    let actor = Actor::new("a", [DOWN, Act::Fail(ErrorKind::Connect), Act::Answer("yes")]);
    let llm = llm(&[&actor]).default_model("a/m").build().unwrap();
    assert_eq!(llm.chat(ask()).await.unwrap().text(), "yes");
    assert_eq!(actor.asked(), 3);

    for kind in [ErrorKind::InvalidRequest, ErrorKind::Auth, ErrorKind::ContentFiltered] {
        let actor = Actor::new("a", [Act::Fail(kind.clone()), Act::Answer("yes")]);
        let llm = self::llm(&[&actor]).default_model("a/m").build().unwrap();
        assert_eq!(llm.chat(ask()).await.unwrap_err().kind(), &kind);
        assert_eq!(actor.asked(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_as_long_as_the_provider_asks() {
    let limited = ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(2)) };
    let actor = Actor::new("a", [Act::Fail(limited), Act::Answer("yes")]);
    let llm = llm(&[&actor]).default_model("a/m").build().unwrap();
    let started = Instant::now();
    llm.chat(ask()).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_multiplied() {
    let actor = Actor::new("a", [DOWN]);
    // Without a breaker, which would spare the provider far more.
    let breaker = alula_llm::BreakerPolicy::default().failures(0);
    let builder = llm(&[&actor]).default_model("a/m").breaker(breaker);
    let llm = builder.retry(RetryPolicy::default()).build().unwrap();
    for calls in 1..=1_000 {
        llm.chat(ask()).await.unwrap_err();
        let retries = actor.asked() - calls;
        assert!((1..=(calls / 5).max(1)).contains(&retries), "{retries} of {calls} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_first_piece_nothing_is_tried_again() {
    let actor = Actor::new("a", [Act::Break, Act::Answer("yes")]);
    let llm = llm(&[&actor]).default_model("a/m").build().unwrap();
    let items: Vec<_> = llm.stream(ask()).await.unwrap().collect().await;
    assert_eq!(items[0].as_ref().unwrap(), &text("half"));
    let error = items[1].as_ref().unwrap_err();
    assert_eq!((items.len(), error.kind()), (2, &ErrorKind::Stream { events_seen: 1 }));
    assert_eq!(actor.asked(), 1);
}

fn route() -> Route {
    Route::to("a/m").fallback("b/n")
}

#[tokio::test(start_paused = true)]
async fn the_next_target_is_asked_when_one_fails() {
    for act in [DOWN, Act::Hang, Act::Fail(ErrorKind::Auth), Act::Fail(ErrorKind::QuotaExceeded)] {
        let (a, b) = (Actor::new("a", [act.clone()]), Actor::new("b", [Act::Answer("b")]));
        let llm = llm(&[&a, &b]).route("r", route()).default_model("r").build().unwrap();
        let answer = llm.stream(ask()).await.unwrap().accumulate().await.unwrap();
        assert_eq!(answer.text(), "b", "{act:?}");
    }
    // What is wrong with the request is wrong everywhere.
    let a = Actor::new("a", [Act::Fail(ErrorKind::InvalidRequest)]);
    let b = Actor::new("b", [Act::Answer("b")]);
    let llm = llm(&[&a, &b]).route("r", route()).default_model("r").build().unwrap();
    assert_eq!(llm.chat(ask()).await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
    assert_eq!(b.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_costs_one_first_token() {
    let (a, b) = (Actor::new("a", [DOWN, Act::Hang]), Actor::new("b", [Act::Hang]));
    let llm = llm(&[&a, &b]).route("r", route()).default_model("r").build().unwrap();
    let started = Instant::now();
    let error = llm.stream(ask()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout { phase: Phase::FirstToken });
    assert_eq!(error.provider(), Some("b"));
    assert_eq!(started.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn the_total_holds_for_all_attempts_together() {
    let (a, b) = (Actor::new("a", [Act::Hang]), Actor::new("b", [Act::Hang]));
    let deadlines = Deadlines::default().total(Duration::from_secs(13));
    let builder = llm(&[&a, &b]).route("r", route()).default_model("r").deadlines(deadlines);
    let llm = builder.build().unwrap();
    let started = Instant::now();
    llm.stream(ask()).await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(13));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_fails_is_left_alone_and_comes_back() {
    let down: Vec<Act> = vec![Act::Hang; 3];
    let a = Actor::new("a", down.into_iter().chain([Act::Answer("a")]));
    let b = Actor::new("b", [Act::Answer("b")]);
    let llm = llm(&[&a, &b]).route("r", route()).default_model("r").build().unwrap();
    let answer = async || llm.stream(ask()).await.unwrap().accumulate().await.unwrap().text();
    for _ in 0..3 {
        assert_eq!(answer().await, "b");
    }
    let started = Instant::now();
    for _ in 0..10 {
        assert_eq!(answer().await, "b");
    }
    assert_eq!((a.asked(), started.elapsed()), (3, Duration::ZERO), "it was asked in the pause");
    let state = |name: &str| llm.breakers().find(|(target, _)| target == name).unwrap().1;
    assert_eq!((state("a/m"), state("b/n")), (BreakerState::Open, BreakerState::Closed));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(answer().await, "a");
    assert_eq!(state("a/m"), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn without_another_target_an_open_breaker_says_when_to_come_back() {
    let actor = Actor::new("a", [DOWN]);
    let llm = llm(&[&actor]).default_model("a/m").build().unwrap();
    for _ in 0..3 {
        assert_eq!(llm.chat(ask()).await.unwrap_err().kind(), &ErrorKind::Unavailable);
    }
    let error = llm.chat(ask()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    assert_eq!((error.provider(), actor.asked()), (Some("a"), 9));
}

#[tokio::test(start_paused = true)]
async fn a_limited_provider_is_asked_no_more_than_its_rate() {
    let actor = Actor::new("a", [Act::Answer("yes")]);
    let limit = RateLimit::default().requests(10).wait_max(Duration::from_secs(600));
    let llm = llm(&[&actor]).default_model("a/m").rate_limit("a", limit).build().unwrap();
    let started = Instant::now();
    let calls = (0..25).map(|_| async {
        llm.chat(ask()).await.unwrap();
        started.elapsed().as_secs()
    });
    let mut ended = join_all(calls).await;
    ended.sort_unstable();
    for (first, eleventh) in ended.iter().zip(ended.iter().skip(10)) {
        assert!(eleventh - first >= 60, "{ended:?}");
    }
    assert!(ended[24] <= 122, "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_reserved_by_estimate_and_settled_by_usage() {
    let actor = Actor::new("a", [Act::Answer("yes")]);
    // A call is estimated at 1,000 for its answer and some for its prompt, and uses 100.
    let limit = RateLimit::default().tokens(2_000).wait_max(Duration::ZERO);
    let llm = llm(&[&actor]).default_model("a/m").rate_limit("a", limit).build().unwrap();
    for _ in 0..9 {
        llm.stream(ask()).await.unwrap().accumulate().await.unwrap();
    }
    let open = llm.stream(ask()).await.unwrap();
    let error = llm.chat(ask()).await.unwrap_err();
    assert!(error.retry_after().is_some_and(|wait| wait > Duration::from_secs(50)), "{error:?}");
    drop(open);
    // An answer that may be longer than a minute allows seldom is; a prompt that is does not fit.
    sleep(Duration::from_secs(61)).await;
    llm.chat(ask().max_tokens(5_000)).await.unwrap();
    let large = llm.chat(ask().user("word ".repeat(5_000))).await.unwrap_err();
    assert_eq!(large.kind(), &ErrorKind::ContextTooLong);
    assert!(!large.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn only_so_many_calls_are_on_their_way_at_once() {
    let actor = Actor::new("a", [Act::Slow(1)]);
    let llm = llm(&[&actor]).default_model("a/m").concurrency("a", 2).build().unwrap();
    let started = Instant::now();
    join_all((0..6).map(|_| llm.chat(ask()))).await.into_iter().for_each(|it| drop(it.unwrap()));
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    // A stream keeps its place until it is dropped.
    let (first, _second) = (llm.stream(ask()).await.unwrap(), llm.stream(ask()).await.unwrap());
    let error = llm.stream(ask()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Overloaded { .. }), "{error:?}");
    drop(first);
    llm.stream(ask()).await.unwrap();
}
