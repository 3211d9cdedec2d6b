//! The hook hears of every call, once.

use std::time::Duration;

use alula_llm::{
    BreakerPolicy, CachePolicy, ChatRequest, Demo, EmbedRequest, ErrorKind, Llm, OpenAi, Outcome,
    Prices, RelayRequest, RetryPolicy, Route, StopReason, model::Protocol,
};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{
    Scripted, Step, Told, answer, builder, failure, prices, request, start, stop, text, usage,
};
use crate::server::Server;

const UNAVAILABLE: ErrorKind = ErrorKind::Unavailable;

#[tokio::test(start_paused = true)]
async fn an_answer_is_told_with_its_cost() {
    let told = Told::default();
    let llm = builder(&told, [answer()]).build().unwrap();
    llm.chat(request()).await.unwrap();
    let record = told.only();
    assert_eq!((record.operation, record.streamed), ("chat", false));
    assert_eq!((&*record.asked, record.attempts), ("one/large", 1));
    assert_eq!(record.provider.as_deref(), Some("one"));
    assert_eq!(record.model.as_deref(), Some("large"));
    assert_eq!(record.answered_by.as_deref(), Some("large-2026-01-01"));
    assert_eq!(record.id.as_deref(), Some("id-1"));
    assert_eq!(record.stops, [StopReason::End]);
    assert_eq!(record.outcome, Outcome::Answered);
    assert_eq!((record.first_token, record.total), (None, Duration::from_secs(2)));
    // 90 tokens at $10, 10 at $1, 20 at $20.
    assert_eq!(record.cost.unwrap().total().get(), 900 + 10 + 400);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_told_when_it_ends() {
    let told = Told::default();
    let llm = builder(&told, [answer()]).build().unwrap();
    let mut events = llm.stream(request()).await.unwrap();
    while let Some(event) = events.next().await {
        event.unwrap();
        assert!(told.0.lock().unwrap().is_empty(), "told too early");
    }
    drop(events);
    let record = told.only();
    assert!(record.streamed);
    assert_eq!(record.first_token, Some(Duration::from_secs(1)));
    assert_eq!(record.per_piece, Some(Duration::from_millis(500)));
    assert_eq!((record.total, record.outcome), (Duration::from_secs(2), Outcome::Answered));
    assert_eq!(record.stops, [StopReason::End]);
    assert_eq!(record.answered_by.as_deref(), Some("large-2026-01-01"));
    assert_eq!(record.usage.unwrap().output, 20);
    assert_eq!(record.cost.unwrap().total().get(), 1_310);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_is_told_with_what_it_used() {
    let told = Told::default();
    let steps = vec![start(), usage(100, 1), text("a"), text("b"), stop(), usage(100, 9)];
    let llm = builder(&told, [steps]).build().unwrap();
    let mut events = llm.stream(request()).await.unwrap();
    for _ in 0..3 {
        events.next().await.unwrap().unwrap();
    }
    drop(events);
    let record = told.only();
    assert_eq!(record.outcome, Outcome::Abandoned);
    assert_eq!(record.usage.unwrap().output, 1);
    assert_eq!(record.cost.unwrap().total().get(), 900 + 10 + 20);
    assert!(record.stops.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_never_read_is_told() {
    let told = Told::default();
    let llm = builder(&told, [answer()]).build().unwrap();
    drop(llm.stream(request()).await.unwrap());
    let record = told.only();
    assert_eq!((record.outcome, record.per_piece), (Outcome::Abandoned, None));
    assert_eq!(record.first_token, Some(Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_leaves_is_told() {
    for streams in [false, true] {
        let told = Told::default();
        let llm = builder(&told, [vec![Step::Wait(Duration::from_secs(60))]]).build().unwrap();
        let patience = Duration::from_millis(300);
        let gave_up = match streams {
            true => timeout(patience, llm.stream(request())).await.is_err(),
            false => timeout(patience, llm.chat(request())).await.is_err(),
        };
        assert!(gave_up);
        let record = told.only();
        assert_eq!((record.outcome, record.attempts), (Outcome::Abandoned, 1));
        assert_eq!((record.total, record.usage), (patience, None));
    }
}

/// Many a reader stops at a malformed event, after which the stream could be read on.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_left_at_a_malformed_event_has_failed() {
    let told = Told::default();
    let steps = vec![start(), usage(100, 1), text("a"), Step::Fail(ErrorKind::Decode), text("b")];
    let llm = builder(&told, [steps.clone(), steps]).build().unwrap();
    llm.stream(request()).await.unwrap().accumulate().await.unwrap_err();
    let record = told.only();
    assert_eq!(record.outcome, Outcome::Failed(ErrorKind::Decode));
    assert_eq!(record.usage.unwrap().input, 100);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_is_told_with_what_it_used() {
    let told = Told::default();
    let kind = ErrorKind::Stream { events_seen: 2 };
    let steps = vec![start(), usage(100, 1), text("a"), Step::Fail(kind.clone())];
    let llm = builder(&told, [steps]).build().unwrap();
    let events = llm.stream(request()).await.unwrap().collect::<Vec<_>>().await;
    assert!(events.last().unwrap().is_err());
    let record = told.only();
    assert_eq!(record.outcome, Outcome::Failed(kind));
    assert_eq!(record.usage.unwrap().input, 100);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_told_together() {
    let told = Told::default();
    let one = [failure(UNAVAILABLE), failure(ErrorKind::Connect), failure(UNAVAILABLE)];
    let llm = builder(&told, one).provider(Scripted::new("two", [answer()]));
    let route = Route::to("one/large").fallback("two/other");
    // One call alone may be tried again as often as it is allowed to.
    let llm = llm.retry(RetryPolicy::default().budget(200));
    let llm = llm.route("best", route).build().unwrap();
    llm.chat(ChatRequest::new("best").user("hi")).await.unwrap();
    let record = told.only();
    assert_eq!(record.asked, "best");
    assert_eq!(record.provider.as_deref(), Some("two"));
    assert_eq!(record.model.as_deref(), Some("other"));
    assert_eq!(record.attempts, 1 + RetryPolicy::default().attempts);
    assert_eq!(record.refusals, 1, "of the connection");
    assert_eq!((record.outcome, record.cost), (Outcome::Answered, None));
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_with_their_kind() {
    let told = Told::default();
    let llm = builder(&told, [failure(ErrorKind::InvalidRequest)]).build().unwrap();
    llm.chat(request()).await.unwrap_err();
    let record = told.only();
    assert_eq!(record.outcome, Outcome::Failed(ErrorKind::InvalidRequest));
    assert_eq!((record.attempts, record.usage, record.cost), (1, None, None));
}

#[tokio::test(start_paused = true)]
async fn calls_that_reach_nobody_are_told() {
    let told = Told::default();
    let llm = builder(&told, []).provider(Demo::new()).build().unwrap();
    llm.stream(ChatRequest::new("nobody/knows")).await.unwrap_err();
    let record = told.only();
    assert_eq!(record.outcome, Outcome::Failed(ErrorKind::NotFound));
    assert_eq!((record.provider, record.attempts), (None, 0));

    // An open breaker lets nobody through.
    let told = Told::default();
    let breaker = BreakerPolicy::default().failures(1);
    let retry = RetryPolicy::default().attempts(1);
    let llm = builder(&told, [failure(UNAVAILABLE)]).breaker(breaker).retry(retry);
    let llm = llm.build().unwrap();
    for _ in 0..2 {
        llm.chat(request()).await.unwrap_err();
    }
    let records = told.0.lock().unwrap();
    let seen: Vec<_> = records.iter().map(|it| (it.attempts, it.provider.as_deref())).collect();
    assert_eq!(seen, [(1, Some("one")), (0, Some("one"))]);
    assert!(matches!(records[1].outcome, Outcome::Failed(ErrorKind::Overloaded { .. })));
}

#[tokio::test]
async fn calls_that_are_passed_on_are_told() {
    const BODY: &str = r#"{"id": "x", "model": "gpt-5-mini-2025-08-07", "service_tier": "flex",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "canary-answer"}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}"#;
    let ask = || {
        let body = r#"{"model": "openai/gpt-5-mini", "messages": []}"#;
        RelayRequest::new(Protocol::OpenAiChat, body).unwrap()
    };
    let server = Server::answer("200 OK", BODY).await;
    let told = Told::default();
    let openai = OpenAi::new("sk-canary").base_url(server.url());
    let llm = Llm::builder().provider(openai).on_call(told.hook()).build().unwrap();
    llm.relay(ask()).await.unwrap();
    let record = told.only();
    assert_eq!(record.answered_by.as_deref(), Some("gpt-5-mini-2025-08-07"));
    assert_eq!(record.service_tier.as_deref(), Some("flex"));
    // Half of $0.25 and $2.
    assert_eq!(record.cost.unwrap().total().get(), 125 + 100);

    // Translated, as a stream.
    let told = Told::default();
    let llm = Llm::builder().provider(Demo::new()).on_call(told.hook()).prices(prices());
    let llm = llm.build().unwrap();
    let stream = llm.relay_stream(ask().with_model("demo/demo")).await.unwrap();
    let chunks = stream.collect::<Vec<_>>().await;
    assert!(chunks.iter().all(Result::is_ok));
    let record = told.only();
    assert_eq!((record.streamed, &record.outcome), (true, &Outcome::Answered));
    assert_eq!(record.answered_by.as_deref(), Some("demo"));
    assert!(record.usage.is_some());
}

#[tokio::test]
async fn a_program_says_what_its_own_servers_cost() {
    let told = Told::default();
    let free = "[[provider]]\nname = 'demo'\nas_of = '2026-11-01'\nsource = 'it runs here'\n\
                prices = [{ models = ['*'], free = true }]";
    let llm = Llm::builder().provider(Demo::new()).on_call(told.hook());
    let llm = llm.prices(Prices::builtin().with_toml(free).unwrap()).build().unwrap();
    llm.chat(ChatRequest::new("demo").user("hi")).await.unwrap();
    assert_eq!(told.only().cost.unwrap().total().get(), 0);
}

#[tokio::test]
async fn other_kinds_of_calls_are_told_as_what_they_are() {
    let told = Told::default();
    let price = "[[provider]]\nname = 'demo'\nas_of = '2026-11-01'\nsource = 'these tests'\n\
                 prices = [{ models = ['*'], input = 1_000_000, request = 100 }]";
    let llm = Llm::builder().provider(Demo::new()).on_call(told.hook());
    let llm = llm.prices(Prices::from_toml(price).unwrap()).build().unwrap();
    let texts = EmbedRequest::new("demo").texts(["two words", "and three words"]);
    llm.embed(texts).await.unwrap();
    llm.count_tokens(ChatRequest::new("demo").user("hi")).await.unwrap();
    llm.embed(EmbedRequest::new("demo")).await.unwrap_err();
    let records = told.0.lock().unwrap();
    let seen = records.iter().map(|it| (it.operation, it.cost.map(|cost| cost.total().get())));
    let expected = [("embeddings", Some(105)), ("count_tokens", None), ("embeddings", None)];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert_eq!(records[2].outcome, Outcome::Failed(ErrorKind::InvalidRequest));
}

#[tokio::test]
async fn vectors_from_several_calls_are_one_call() {
    let told = Told::default();
    let llm = Llm::builder().provider(Demo::new()).on_call(told.hook()).build().unwrap();
    let texts = EmbedRequest::new("demo").texts((0..5_000).map(|it| format!("text {it}")));
    let count = llm.embed(texts).await.unwrap().vectors.len();
    let record = told.only();
    assert_eq!((count, record.usage.unwrap().input), (5_000, 10_000));
    assert!(record.attempts >= 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_kept_costs_nothing() {
    for streams in [false, true] {
        let (told, policy) = (Told::default(), CachePolicy::default());
        let llm = builder(&told, [answer()]).cache(policy).build().unwrap();
        let llm = llm.scoped("tenant 7");
        for _ in 0..2 {
            let answer = match streams {
                true => llm.stream(request()).await.unwrap().accumulate().await.unwrap(),
                false => llm.chat(request()).await.unwrap(),
            };
            assert_eq!(answer.text(), "canary-answer");
        }
        let records = told.0.lock().unwrap();
        let seen: Vec<_> = records
            .iter()
            .map(|it| (it.is_cached, it.attempts, it.cost.unwrap().total().get()))
            .collect();
        assert_eq!(seen, [(false, 1, 1_310), (true, 0, 0)]);
        assert_eq!((&records[1].usage, records[1].provider.as_deref()), (&None, Some("one")));
        assert_eq!(records[1].outcome, Outcome::Answered);
        assert_eq!(records[1].scope.as_deref(), Some("tenant 7"));
    }
}
