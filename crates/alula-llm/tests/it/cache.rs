//! Answers that are given again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alula_llm::{
    BreakerPolicy, CachePolicy, ChatEvent, ChatRequest, ChatResponse, ChatStream, Error, ErrorKind,
    Llm, Media, Part, Provider, RelayRequest, Result, RetryPolicy, Route, StopReason, Usage,
    model::{FunctionTool, Protocol},
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// A provider that counts its calls, and does what its model is called.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<AtomicU32>);

impl Counting {
    fn asked(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Text { choice: 0, part: 0, text: text.to_owned() }
}

impl Provider for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        async move { self.stream(request).await?.accumulate().await }.boxed()
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let stop = |reason| {
            let extra = serde_json::Map::new();
            Ok(ChatEvent::Stop { choice: 0, reason, sequence: None, extra })
        };
        let usage = Usage { input: 10, output: 2, ..Usage::default() };
        let mut events =
            vec![Ok(text("number ")), Ok(text(&number.to_string())), Ok(ChatEvent::Usage(usage))];
        let error = |kind| Error::new(kind, "no");
        match request.model.as_str() {
            "fails" => return async move { Err(error(ErrorKind::Auth)) }.boxed(),
            "breaks" => events.push(Err(error(ErrorKind::Stream { events_seen: 3 }))),
            "malformed" => events.extend([Err(error(ErrorKind::Decode)), stop(StopReason::End)]),
            "cut" => events.push(stop(StopReason::MaxTokens)),
            "filtered" => events.push(stop(StopReason::ContentFilter)),
            "large" => events.extend([Ok(text(&"x".repeat(5_000))), stop(StopReason::End)]),
            _ => events.push(stop(StopReason::End)),
        }
        async move { Ok(ChatStream::new(stream::iter(events))) }.boxed()
    }
}

fn llm(policy: CachePolicy) -> (Llm, Counting) {
    let provider = Counting::default();
    // Every call is made, and once.
    let retry = RetryPolicy::default().attempts(1);
    let breaker = BreakerPolicy::default().failures(0);
    let builder = Llm::builder().provider(provider.clone()).cache(policy);
    let llm = builder.retry(retry).breaker(breaker).build().unwrap();
    (llm.scoped("test"), provider)
}

fn ask(model: &str) -> ChatRequest {
    ChatRequest::new(model).user("hi")
}

#[tokio::test]
async fn a_request_that_was_made_before_is_not_made_again() {
    let (llm, provider) = llm(CachePolicy::default());
    let first = llm.chat(ask("m")).await.unwrap();
    let second = llm.chat(ask("m")).await.unwrap();
    assert_eq!((first.text(), first.is_cached), ("number 0".to_owned(), false));
    assert_eq!(second, ChatResponse { is_cached: true, ..first });
    assert_eq!(second.usage.unwrap().input, 10);
    let stats = llm.cache_stats().unwrap();
    assert_eq!((provider.asked(), stats.hits, stats.misses, stats.answers), (1, 1, 1, 1));
}

#[tokio::test]
async fn a_stream_comes_again_in_the_same_pieces() {
    let (llm, provider) = llm(CachePolicy::default());
    let first = llm.stream(ask("m")).await.unwrap();
    assert!(!first.is_cached());
    let first: Vec<_> = first.map(Result::unwrap).collect().await;
    let second = llm.stream(ask("m")).await.unwrap();
    assert!(second.is_cached());
    let second: Vec<_> = second.map(Result::unwrap).collect().await;
    assert_eq!(first, second);
    assert!(llm.stream(ask("m")).await.unwrap().accumulate().await.unwrap().is_cached);
    assert_eq!(provider.asked(), 1);
    // What is not streamed is another call.
    assert!(!llm.chat(ask("m")).await.unwrap().is_cached);
}

#[tokio::test]
async fn what_differs_in_anything_is_another_request() {
    let (llm, provider) = llm(CachePolicy::default());
    let base = || ask("m");
    let picture = |bytes: &'static [u8]| {
        ChatRequest::new("m").user_parts([Part::Image(Media::bytes("image/png", bytes))])
    };
    let requests = [
        base(),
        ask("n"),
        base().user("hi"),
        ChatRequest::new("m").user("hi "),
        ChatRequest::new("m").system("hi"),
        base().temperature(0.0),
        base().temperature(0.5),
        base().max_tokens(5),
        ChatRequest { seed: Some(1), ..base() },
        ChatRequest { seed: Some(2), ..base() },
        ChatRequest { n: Some(2), ..base() },
        ChatRequest { user: Some("a".to_owned()), ..base() },
        base().tool(FunctionTool::new("f", "", serde_json::json!({}))),
        base().extra("service_tier", "flex"),
        picture(b"one"),
        picture(b"two"),
    ];
    for request in &requests {
        assert!(!llm.chat(request.clone()).await.unwrap().is_cached, "{request:?}");
    }
    for request in &requests {
        assert!(llm.chat(request.clone()).await.unwrap().is_cached, "{request:?}");
    }
    assert_eq!(provider.asked() as usize, requests.len());
}

#[tokio::test]
async fn nobody_is_given_the_answers_of_another_scope() {
    let (one, provider) = llm(CachePolicy::default());
    let two = one.scoped("other");
    for llm in [&one, &two] {
        assert!(!llm.chat(ask("m")).await.unwrap().is_cached);
        assert!(llm.chat(ask("m")).await.unwrap().is_cached);
    }
    assert_eq!(provider.asked(), 2);

    // Who names no scope shares nothing, unless that was asked for.
    for (unscoped, asked) in [(false, 3), (true, 1)] {
        let provider = Counting::default();
        let policy = CachePolicy::default().unscoped(unscoped);
        let llm = Llm::builder().provider(provider.clone()).cache(policy).build().unwrap();
        for llm in [&llm, &llm, &llm] {
            llm.chat(ask("m")).await.unwrap();
        }
        assert_eq!(provider.asked(), asked);
        assert!(!llm.scoped("a").chat(ask("m")).await.unwrap().is_cached);
    }
}

#[tokio::test]
async fn what_did_not_come_to_its_end_is_not_kept() {
    for model in ["fails", "breaks", "malformed", "cut", "filtered"] {
        let (llm, provider) = llm(CachePolicy::default());
        for _ in 0..2 {
            let _ = llm.chat(ask(model)).await;
            if let Ok(stream) = llm.stream(ask(model)).await {
                stream.for_each(|_| async {}).await;
            }
        }
        assert_eq!(provider.asked(), 4, "{model}");
    }
    // Nor what was not read to its end.
    let (llm, provider) = llm(CachePolicy::default());
    for _ in 0..2 {
        let mut stream = llm.stream(ask("m")).await.unwrap();
        stream.next().await.unwrap().unwrap();
    }
    assert_eq!((provider.asked(), llm.cache_stats().unwrap().answers), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_a_while() {
    let age_max = Duration::from_secs(60);
    let (llm, provider) = llm(CachePolicy::default().age_max(age_max));
    for (seconds, asked) in [(0, 1), (59, 1), (1, 2), (59, 2)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        llm.chat(ask("m")).await.unwrap();
        assert_eq!(provider.asked(), asked, "{seconds} s later");
    }
}

#[tokio::test]
async fn answers_take_no_more_memory_than_they_may() {
    let (bytes_max, answer_bytes_max) = (100_000, 4_000);
    let (llm, provider) =
        llm(CachePolicy::default().bytes_max(bytes_max).answer_bytes_max(answer_bytes_max));
    for number in 0..1_000 {
        llm.chat(ask(&number.to_string())).await.unwrap();
        llm.stream(ask(&number.to_string())).await.unwrap().for_each(|_| async {}).await;
        assert!(llm.cache_stats().unwrap().bytes <= bytes_max as u64);
    }
    let full = llm.cache_stats().unwrap();
    assert!(full.bytes > bytes_max as u64 / 2 && full.answers > 20, "{full:?}");
    assert_eq!(provider.asked(), 2_000);
    for _ in 0..2 {
        llm.chat(ask("large")).await.unwrap();
        llm.stream(ask("large")).await.unwrap().for_each(|_| async {}).await;
    }
    assert_eq!(provider.asked(), 2_004, "an answer that is too large was kept");
}

#[tokio::test]
async fn what_is_passed_on_comes_again_in_the_same_bytes() {
    let (llm, provider) = llm(CachePolicy::default());
    let request = |body: &'static str| RelayRequest::new(Protocol::OpenAiChat, body).unwrap();
    let body = r#"{"model": "m", "messages": [{"role": "user", "content": "hi"}]}"#;
    let first = llm.relay(request(body)).await.unwrap();
    let second = llm.relay(request(body)).await.unwrap();
    assert_eq!((&first.body, first.is_cached), (&second.body, false));
    assert!(second.is_cached && second.usage == first.usage && second.id == first.id);
    let chunks = async || {
        let stream = llm.relay_stream(request(body)).await.unwrap();
        let is_cached = stream.is_cached();
        (is_cached, stream.map(Result::unwrap).collect::<Vec<_>>().await)
    };
    let (first, second) = (chunks().await, chunks().await);
    assert_eq!((first.0, second.0, first.1), (false, true, second.1));
    assert_eq!(provider.asked(), 2);

    let beta = (HeaderName::from_static("x-beta"), HeaderValue::from_static("1"));
    let header = request(body).with_headers(&HeaderMap::from_iter([beta]));
    assert!(!llm.relay(header).await.unwrap().is_cached);
    let cut = r#"{"model": "cut", "messages": [{"role": "user", "content": "hi"}]}"#;
    for _ in 0..2 {
        assert!(!llm.relay(request(cut)).await.unwrap().is_cached);
        let stream = llm.relay_stream(request(cut)).await.unwrap();
        assert!(!stream.is_cached());
        stream.for_each(|_| async {}).await;
    }
}

/// An answer of the second target is no answer of the first.
#[tokio::test]
async fn each_target_has_its_own_answers() {
    let provider = Counting::default();
    let route = Route::to("counting/fails").fallback("counting/m");
    let llm = Llm::builder().provider(provider.clone()).route("r", route);
    let llm = llm.cache(CachePolicy::default()).build().unwrap().scoped("test");
    for is_cached in [false, true] {
        assert_eq!(llm.chat(ask("r")).await.unwrap().is_cached, is_cached);
    }
    assert!(llm.chat(ask("m")).await.unwrap().is_cached);
    assert_eq!(provider.asked(), 3, "the first target is asked each time");
}
