//! What stays of an [`Llm`] whose place another one takes.

use std::time::Duration;

use alula_llm::{
    BreakerPolicy, BreakerState, ErrorKind, Llm, OpenAi, RateLimit, Route, testing::FakeProvider,
};
use tokio::{task::JoinSet, time::advance};

use crate::resilience::{Act, Actor, ask, llm};

const AT_ONCE: Duration = Duration::ZERO;

fn at_most(requests: u64) -> RateLimit {
    RateLimit::default().requests(requests).wait_max(AT_ONCE)
}

async fn kind_of_refusal(llm: &Llm) -> ErrorKind {
    llm.chat(ask()).await.unwrap_err().kind().clone()
}

#[tokio::test(start_paused = true)]
async fn a_breaker_stays_open() {
    let actor = Actor::new("a", [Act::Fail(ErrorKind::Connect)]);
    let policy = BreakerPolicy::default().failures(1);
    let judged = |policy| llm(&[&actor]).default_model("a/m").breaker(policy);
    let before = judged(policy).build().unwrap();
    assert_eq!(kind_of_refusal(&before).await, ErrorKind::Connect);
    let after = judged(policy).carry_over(&before).build().unwrap();
    let asked = actor.asked();
    assert!(matches!(kind_of_refusal(&after).await, ErrorKind::Overloaded { .. }));
    assert_eq!(actor.asked(), asked);
    let target = &after.statuses()[0].targets[0];
    assert_eq!((target.breaker, target.recent.failed), (BreakerState::Open, 1));
    // Another policy judges anew, and so does one that carries nothing over.
    let strict = judged(policy.failures(2)).carry_over(&after);
    for llm in [strict.build().unwrap(), judged(policy).build().unwrap()] {
        assert_eq!(llm.statuses()[0].targets[0].breaker, BreakerState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_called_counts_in_the_limits_that_follow() {
    let actor = Actor::new("a", [Act::Answer("yes")]);
    let limited = |requests| llm(&[&actor]).default_model("a/m").rate_limit("a", at_most(requests));
    let before = limited(2).build().unwrap();
    before.chat(ask()).await.unwrap();
    before.chat(ask()).await.unwrap();
    let after = limited(3).carry_over(&before).build().unwrap();
    after.chat(ask()).await.unwrap();
    assert!(matches!(kind_of_refusal(&after).await, ErrorKind::RateLimited { .. }));
    // Whoever still has the one before goes by the new limit, and counts in it.
    advance(Duration::from_secs(62)).await;
    after.chat(ask()).await.unwrap();
    before.chat(ask()).await.unwrap();
    before.chat(ask()).await.unwrap();
    assert!(matches!(kind_of_refusal(&before).await, ErrorKind::RateLimited { .. }));
}

#[tokio::test(start_paused = true)]
async fn calls_on_their_way_hold_the_places_that_follow() {
    let actor = Actor::new("a", [Act::Slow(5), Act::Answer("yes")]);
    let with = |calls| {
        let builder = llm(&[&actor]).default_model("a/m").concurrency("a", calls);
        builder.rate_limit("a", at_most(100))
    };
    let before = with(2).build().unwrap();
    let mut slow = JoinSet::new();
    slow.spawn({
        let before = before.clone();
        async move { before.chat(ask()).await }
    });
    advance(Duration::from_secs(1)).await;
    // A set-up that is refused changes nothing.
    with(1).route("x", Route::default()).carry_over(&before).build().unwrap_err();
    before.chat(ask()).await.unwrap();
    let after = with(1).carry_over(&before).build().unwrap();
    assert!(matches!(kind_of_refusal(&after).await, ErrorKind::Overloaded { .. }));
    advance(Duration::from_secs(5)).await;
    assert_eq!(slow.join_next().await.unwrap().unwrap().unwrap().text(), "late");
    after.chat(ask()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_target_has_limits_of_its_own_which_stay_with_its_route() {
    let (one, two) = (Actor::new("a", [Act::Answer("a")]), Actor::new("b", [Act::Answer("b")]));
    let routed = |requests| {
        let route = Route::to("a/m").rate_limit("a/m", at_most(requests)).fallback("b/m");
        let other = Route::to("a/m").fallback("b/m");
        llm(&[&one, &two]).route("fast", route).route("other", other).default_model("fast")
    };
    let before = routed(1).build().unwrap();
    let mut said = Vec::new();
    for _ in 0..2 {
        said.push(before.chat(ask()).await.unwrap().text());
    }
    let after = routed(2).carry_over(&before).build().unwrap();
    for _ in 0..2 {
        said.push(after.chat(ask()).await.unwrap().text());
    }
    assert_eq!(said, ["a", "b", "a", "b"]);
    // The other route is not limited.
    let mut request = ask();
    request.model = "other".to_owned();
    assert_eq!(after.chat(request).await.unwrap().text(), "a");
    let routes = after.routes();
    let target = &routes[0].targets[0];
    assert_eq!((target.model.as_str(), target.weight), ("a/m", 1));
    assert_eq!(target.rate_limit, Some(at_most(2)));
    assert_eq!(routes[1].targets[0].rate_limit, None);
}

/// Who waits at the provider after its turn at the target has come, and leaves, was not there.
#[tokio::test(start_paused = true)]
async fn who_is_refused_by_the_provider_takes_nothing_from_the_target() {
    let actor = Actor::new("a", [Act::Answer("yes")]);
    let route = Route::to("a/m").rate_limit("a/m", at_most(2)).concurrency("a/m", 1);
    let limited = llm(&[&actor]).route("fast", route).rate_limit("a", at_most(1));
    let llm = limited.default_model("fast").build().unwrap();
    let mut other = ask();
    other.model = "a/other".to_owned();
    llm.chat(other).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(kind_of_refusal(&llm).await, ErrorKind::RateLimited { .. }));
    }
    advance(Duration::from_secs(62)).await;
    llm.chat(ask()).await.unwrap();
    advance(Duration::from_secs(1)).await;
    // Of the two of its minute, only one is taken.
    assert!(matches!(kind_of_refusal(&llm).await, ErrorKind::RateLimited { .. }));
}

#[tokio::test]
async fn connections_stay_open_and_another_address_is_another_provider() {
    let (fake, elsewhere) = (FakeProvider::start().await, FakeProvider::start().await);
    fake.always().says("here");
    elsewhere.always().says("there");
    let at = |url: &str| {
        let provider = OpenAi::compatible("x", format!("{url}/v1"));
        Llm::builder().provider(provider).rate_limit("x", at_most(2)).default_model("x/m")
    };
    let mut llm = at(&fake.url()).build().unwrap();
    for _ in 0..2 {
        llm.chat(ask()).await.unwrap();
        llm = at(&fake.url()).carry_over(&llm).build().unwrap();
    }
    assert_eq!(fake.connection_count(), 1);
    assert!(matches!(kind_of_refusal(&llm).await, ErrorKind::RateLimited { .. }));
    let llm = at(&elsewhere.url()).carry_over(&llm).build().unwrap();
    assert_eq!(llm.chat(ask()).await.unwrap().text(), "there");
    assert_eq!(llm.statuses()[0].base_url, Some(format!("{}/v1", elsewhere.url())));
}
