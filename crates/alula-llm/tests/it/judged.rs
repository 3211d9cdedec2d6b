//! What counts for and against a provider, and against the limits of one's own.

use std::time::Duration;

use alula_llm::{
    BreakerState, ChatEvent, Deadlines, EmbedRequest, ErrorKind, Llm, Phase, RateLimit,
    RelayRequest, Route, model::Protocol,
};
use futures_util::{StreamExt, future::join_all};
use tokio::time::{Instant, sleep};

use crate::resilience::{Act, Actor, DOWN, ask, llm};

const SECOND: Duration = Duration::from_secs(1);

fn state(llm: &Llm) -> BreakerState {
    llm.breakers().find(|(target, _)| target == "a/m").unwrap().1
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_says_nothing_about_the_provider() {
    let actor = Actor::new("a", [Act::Slow(100), Act::Answer("yes")]);
    let llm = llm(&[&actor]).default_model("a/m").concurrency("a", 1).build().unwrap();
    let waiting = async {
        sleep(SECOND).await;
        for error in join_all((0..5).map(|_| llm.chat(ask()))).await {
            let error = error.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Overloaded { .. }), "{error:?}");
        }
    };
    let (first, ()) = tokio::join!(llm.chat(ask()), waiting);
    first.unwrap();
    assert_eq!(state(&llm), BreakerState::Closed);
    assert_eq!(llm.chat(ask()).await.unwrap().text(), "yes");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_ones_own_does_not_close_a_breaker() {
    let actor = Actor::new("a", (0..9).map(|_| DOWN).chain([Act::Answer("yes")]));
    // Three calls of three attempts each.
    let limit = RateLimit::default().requests(9).wait_max(Duration::ZERO);
    let llm = llm(&[&actor]).default_model("a/m").rate_limit("a", limit).build().unwrap();
    for _ in 0..3 {
        llm.chat(ask()).await.unwrap_err();
    }
    assert_eq!(state(&llm), BreakerState::Open);
    sleep(6 * SECOND).await;
    let refused = llm.chat(ask()).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::RateLimited { .. }), "{refused:?}");
    assert_ne!(state(&llm), BreakerState::Closed);
    sleep(61 * SECOND).await;
    llm.chat(ask()).await.unwrap();
    assert_eq!(state(&llm), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn several_calls_for_vectors_are_one_probe() {
    let actor = Actor::new("a", (0..9).map(|_| DOWN).chain([Act::Answer("yes")]));
    let llm = llm(&[&actor]).default_model("a/m").build().unwrap();
    for _ in 0..3 {
        llm.chat(ask()).await.unwrap_err();
    }
    assert_eq!(state(&llm), BreakerState::Open);
    sleep(6 * SECOND).await;
    let request = EmbedRequest::default().texts(["a", "b", "c"]);
    assert_eq!(llm.embed(request).await.unwrap().vectors.len(), 3);
    assert_eq!(state(&llm), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_turn_is_not_the_providers() {
    let actor = Actor::new("a", [Act::Slow(9), Act::Slow(8)]);
    let builder = llm(&[&actor]).default_model("a/m").concurrency("a", 1);
    let llm = builder.build().unwrap();
    let started = Instant::now();
    let answer = async || llm.stream(ask()).await.unwrap().accumulate().await.unwrap();
    // The second waits for 9 seconds, and then 8 for its first token, of which it has 10.
    tokio::join!(answer(), answer());
    assert_eq!(started.elapsed(), 17 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_turn_ends_with_the_call() {
    let actor = Actor::new("a", [Act::Slow(60)]);
    let deadlines = Deadlines::default().total(5 * SECOND);
    let llm = llm(&[&actor]).default_model("a/m").concurrency("a", 1).deadlines(deadlines);
    let llm = llm.build().unwrap();
    let started = Instant::now();
    let late = async {
        sleep(SECOND).await;
        let error = llm.chat(ask()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Timeout { phase: Phase::Total });
        assert_eq!(started.elapsed(), 6 * SECOND);
    };
    // The first gives its place up only when its own time is over, at the fifth second.
    let holder = async {
        let stream = llm.stream(ask()).await;
        sleep(20 * SECOND).await;
        drop(stream);
    };
    tokio::select! {
        () = late => {}
        () = holder => panic!("nobody waits that long"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_uses_up_no_rate() {
    let actor = Actor::new("a", [Act::Answer("yes")]);
    let limit = RateLimit::default().requests(5).wait_max(SECOND);
    let llm = llm(&[&actor]).default_model("a/m").rate_limit("a", limit).concurrency("a", 1);
    let llm = llm.build().unwrap();
    let held = llm.stream(ask()).await.unwrap();
    for _ in 0..10 {
        llm.chat(ask()).await.unwrap_err();
    }
    drop(held);
    let started = Instant::now();
    for _ in 0..4 {
        llm.chat(ask()).await.unwrap();
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_stream_has_used_what_is_known() {
    let actor = Actor::new("a", [Act::Answer("yes")]);
    // A call is estimated at more than 1,000, and uses 100.
    let limit = RateLimit::default().tokens(2_000).wait_max(Duration::ZERO);
    let llm = llm(&[&actor]).default_model("a/m").rate_limit("a", limit).build().unwrap();
    for _ in 0..9 {
        let mut stream = llm.stream(ask()).await.unwrap();
        while let Some(event) = stream.next().await {
            if matches!(event.unwrap(), ChatEvent::Usage(_)) {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_an_answer_is_an_error() {
    let empty = Actor::new("a", [Act::Nothing]);
    let other = Actor::new("b", [Act::Answer("yes")]);
    let route = Route::to("a/m").fallback("b/m");
    let llm = llm(&[&empty, &other]).route("r", route).default_model("r").build().unwrap();
    let answer = llm.stream(ask()).await.unwrap().accumulate().await.unwrap();
    assert_eq!(answer.text(), "yes");
}

/// Whoever would be asked when the time is over is not asked at all.
#[tokio::test(start_paused = true)]
async fn no_target_pays_for_the_time_of_another() {
    let (slow, fine) = (Actor::new("a", [Act::Hang]), Actor::new("b", [Act::Answer("yes")]));
    // Less than a target has for its answer.
    let deadlines = Deadlines::default().total(5 * SECOND);
    let route = Route::to("a/m").fallback("b/m");
    let llm = llm(&[&slow, &fine]).route("r", route).default_model("r").deadlines(deadlines);
    let llm = llm.build().unwrap();
    for _ in 0..4 {
        let error = llm.chat(ask()).await.unwrap_err();
        assert_eq!(error.provider(), Some("a"), "{error}");
        sleep(61 * SECOND).await;
    }
    assert_eq!(fine.asked(), 0);
}

fn two_silent_ones(route: Route) -> (Actor, Actor, Llm) {
    let (silent, fine) = (Actor::new("a", [Act::Hang]), Actor::new("b", [Act::Answer("yes")]));
    let llm = llm(&[&silent, &fine]).route("r", route).default_model("r").build().unwrap();
    (silent, fine, llm)
}

/// Whole answers and vectors, and what is relayed.
#[tokio::test(start_paused = true)]
async fn a_silent_provider_costs_a_whole_call_only_its_own_time() {
    let (silent, _, llm) = two_silent_ones(Route::to("a/m").fallback("b/m"));
    let started = Instant::now();
    assert_eq!(llm.chat(ask()).await.unwrap().text(), "yes");
    assert_eq!(started.elapsed(), 120 * SECOND);
    let vectors = llm.embed(EmbedRequest::default().texts(["a"; 9])).await.unwrap().vectors;
    assert_eq!((vectors.len(), started.elapsed()), (9, 240 * SECOND));
    assert_eq!(state(&llm), BreakerState::Closed);
    let body = r#"{"model": "r", "messages": [{"role": "user", "content": "hi"}]}"#;
    let request = RelayRequest::new(Protocol::OpenAiChat, body).unwrap();
    llm.relay(request.clone()).await.unwrap();
    assert_eq!(started.elapsed(), 360 * SECOND);
    // Three times in a row no answer came, so that nobody waits for the fourth.
    assert_eq!(state(&llm), BreakerState::Open);
    let asked = silent.asked();
    llm.relay(request).await.unwrap();
    assert_eq!((silent.asked(), started.elapsed()), (asked, 360 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_route_may_set_the_time_of_its_targets() {
    let route = Route::to("a/m").fallback("b/m").answer(7 * SECOND);
    let (_, _, llm) = two_silent_ones(route);
    assert_eq!(llm.routes()[0].answer, Some(7 * SECOND));
    let started = Instant::now();
    llm.chat(ask()).await.unwrap();
    assert_eq!(started.elapsed(), 7 * SECOND);
}

/// A late answer is better than none.
#[tokio::test(start_paused = true)]
async fn a_target_beside_which_nobody_can_be_asked_has_all_the_time() {
    let slow = Actor::new("a", [Act::Slow(300)]);
    let down = Actor::new("b", [DOWN]);
    let route = Route::to("a/m").fallback("b/m");
    let llm = llm(&[&slow, &down]).route("r", route).default_model("r").build().unwrap();
    let to = |model: &str| {
        let mut request = ask();
        model.clone_into(&mut request.model);
        llm.chat(request)
    };
    assert_eq!(to("a/m").await.unwrap().text(), "late", "it is alone");
    let error = to("r").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable, "it is the other's");
    for _ in 0..2 {
        to("b/m").await.unwrap_err();
    }
    assert_eq!(to("r").await.unwrap().text(), "late");
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_which_nothing_is_heard_makes_room_for_another() {
    let acts = (0..9).map(|_| DOWN).chain([Act::Slow(300), Act::Answer("yes")]);
    let actor = Actor::new("a", acts);
    let llm = llm(&[&actor]).default_model("a/m").build().unwrap();
    for _ in 0..3 {
        llm.chat(ask()).await.unwrap_err();
    }
    sleep(6 * SECOND).await;
    let next = async {
        sleep(30 * SECOND).await;
        let error = llm.chat(ask()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Overloaded { .. }), "{error:?}");
        sleep(31 * SECOND).await;
        llm.chat(ask()).await.unwrap();
        assert_eq!(state(&llm), BreakerState::Closed);
    };
    let (probe, ()) = tokio::join!(llm.chat(ask()), next);
    probe.unwrap();
}

#[test]
fn a_target_that_is_written_wrong_is_no_other_providers() {
    let (a, b) = (Actor::new("a", [DOWN]), Actor::new("b", [DOWN]));
    let builder = llm(&[&a, &b]).default_model("a/m").route("r", Route::to("c/m"));
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound);
    assert!(error.message().contains("\"c/m\"") && error.message().contains("\"r\""), "{error}");
}

/// What is refused before it is sent uses up no tokens.
#[tokio::test(start_paused = true)]
async fn what_is_not_sent_has_used_nothing() {
    let invalid = Act::Fail(ErrorKind::InvalidRequest);
    let actor = Actor::new("a", (0..5).map(|_| invalid.clone()).chain([Act::Answer("yes")]));
    let limit = RateLimit::default().tokens(2_000).wait_max(Duration::ZERO);
    let llm = llm(&[&actor]).default_model("a/m").rate_limit("a", limit).build().unwrap();
    for _ in 0..5 {
        let error = llm.chat(ask()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    }
    llm.chat(ask()).await.unwrap();
}
