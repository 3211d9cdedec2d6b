//! Requests, tokens and streams of keys.

use std::time::Duration;

use futures_util::future::join;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    client::Answer,
    keyed::{Keyed, Setting, keys, openai, until},
    postgres::Postgres,
    redis::Redis,
    upstream::{STREAM_HEAD, Upstream, token},
};

const PLANS: &str = "
[plans.two]
requests_per_minute = 2
[plans.tokens]
tokens_per_minute = 2_000
[plans.streams]
concurrent_streams = 2
[plans.many]
requests_per_minute = 30
";

fn hi() -> serde_json::Value {
    json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]})
}

#[track_caller]
fn number(answer: &Answer, name: &str) -> u64 {
    let value = answer.header(name);
    value.parse().unwrap_or_else(|_| panic!("{name}: {value:?} in {answer:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_request_left_is_told_in_the_words_of_each_api() {
    let fake = openai(20).await;
    let setting = Setting::new(&fake.url(), PLANS);
    let alula = setting.start().listen();
    let [key] = keys(&alula, [json!({"name": "a", "plan": "two"})]).await;
    let keyed = Keyed::new(&alula, &key);
    let first = keyed.ask(10).await;
    assert_eq!(first.status, 200);
    let left = ["ratelimit-limit", "ratelimit-remaining", "x-ratelimit-remaining-requests"];
    assert_eq!(left.map(|name| number(&first, name)), [2, 1, 1]);
    assert!((1..=61).contains(&number(&first, "ratelimit-reset")));
    let second = keyed.post("/v1/messages", &hi()).await;
    assert_eq!(second.status, 200);
    assert_eq!(number(&second, "anthropic-ratelimit-requests-remaining"), 0);

    let third = keyed.ask(10).await;
    let detail = third.detail(429);
    assert!(
        detail.starts_with("the plan \"two\" of the key allows 2 requests a minute"),
        "{detail}"
    );
    for name in ["retry-after", "ratelimit-reset"] {
        assert!((1..=61).contains(&number(&third, name)), "{name}");
    }
    assert_eq!(number(&third, "ratelimit-remaining"), 0);
    let of_openai = keyed.post("/v1/chat/completions", &hi()).await;
    assert_eq!(of_openai.is(429)["error"]["code"], "rate_limit_exceeded");
    assert_eq!(number(&of_openai, "x-ratelimit-limit-requests"), 2);
    let of_anthropic = keyed.post("/v1/messages", &hi()).await;
    assert_eq!(of_anthropic.is(429)["error"]["type"], "rate_limit_error");
    assert_eq!(number(&of_anthropic, "anthropic-ratelimit-requests-limit"), 2);
    assert_ne!(of_anthropic.header("retry-after"), "");
    assert_eq!(fake.request_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_count_tokens_is_a_request_too() {
    let fake = openai(20).await;
    let setting = Setting::new(&fake.url(), PLANS);
    let alula = setting.start().listen();
    let [key] = keys(&alula, [json!({"name": "a", "plan": "two"})]).await;
    let keyed = Keyed::new(&alula, &key);
    for status in [200, 200, 429] {
        let counted = keyed.post("/v1/messages/count_tokens", &hi()).await;
        assert_eq!(counted.status, status, "{counted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_taken_by_estimate_and_settled() {
    let fake = openai(100).await;
    let setting = Setting::new(&fake.url(), PLANS);
    let alula = setting.start().listen();
    let [key] = keys(&alula, [json!({"name": "a", "plan": "tokens"})]).await;
    let keyed = Keyed::new(&alula, &key);
    let mut body = hi();
    body["max_tokens"] = json!(1_500);
    for left in [2_000, 1_900, 1_800] {
        let answer = keyed.post("/v1/chat/completions", &body).await;
        assert_eq!(answer.status, 200);
        let taken = left - number(&answer, "x-ratelimit-remaining-tokens");
        assert!((1_500..1_550).contains(&taken), "{taken} of {left}");
    }
    // What a minute has not is no reason to wait.
    body["messages"][0]["content"] = json!("wing ".repeat(3_000));
    let answer = keyed.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.is(400)["error"]["code"], "context_length_exceeded");
    let used_up = json!({"message": "Hi", "max_tokens": 1_690});
    keyed.post("/chat", &used_up).await.is(200);
    let answer = keyed.post("/chat", &used_up).await;
    assert!(answer.detail(429).contains("2000 tokens a minute"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_leaves_makes_room_for_another_stream() {
    let upstream = Upstream::start();
    let setting = Setting::new(&upstream.url(), PLANS);
    let alula = setting.start().listen();
    let [key] = keys(&alula, [json!({"name": "a", "plan": "streams"})]).await;
    let keyed = Keyed::new(&alula, &key);
    let mut body = hi();
    body["stream"] = json!(true);
    let begin = async || {
        let answering = async {
            let mut call = upstream.call().await;
            call.send(&format!("{STREAM_HEAD}{}", token("first"))).await;
            call
        };
        join(answering, keyed.begin("/v1/chat/completions", &body)).await
    };
    let (first, client) = begin().await;
    let (_second, _other) = begin().await;
    assert_eq!(client.status(), 200);
    let refused = keyed.post("/v1/chat/completions", &body).await;
    assert_eq!(refused.is(429)["error"]["code"], "rate_limit_exceeded");
    assert_eq!(refused.header("retry-after"), "1");
    drop(client);
    assert!(first.closed().await < Duration::from_secs(1));
    until("there is room", async || {
        tokio::select! {
            _ = upstream.call() => true,
            refused = keyed.post("/v1/chat/completions", &body) => {
                assert_eq!(refused.status, 429);
                false
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_the_limits_of_a_key() {
    let (Some(postgres), Some(redis)) = (Postgres::start(), Redis::start()) else { return };
    let fake = openai(20).await;
    let setting = Setting::new(&fake.url(), PLANS);
    let start = || {
        let start = setting.start().env("DATABASE_URL", postgres.url());
        start.env("REDIS_URL", redis.url()).listen()
    };
    let (one, two) = (start(), start());
    let [key] = keys(&one, [json!({"name": "a", "plan": "many"})]).await;
    let (on_one, on_two) = (Keyed::new(&one, &key), Keyed::new(&two, &key));
    on_two.is_known().await;
    let (a, b) = join(on_one.ask_at_once(32), on_two.ask_at_once(32)).await;
    assert_eq!(a + b, 30, "{a} and {b}");
    assert_eq!(fake.request_count(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_away_fails_no_call_and_holds_again_when_it_is_back() {
    let (Some(postgres), Some(mut redis)) = (Postgres::start(), Redis::start()) else { return };
    let fake = openai(20).await;
    let setting = Setting::new(&fake.url(), PLANS);
    let start = || {
        let start = setting.start().env("DATABASE_URL", postgres.url());
        start.env("REDIS_URL", redis.url()).listen()
    };
    let (one, two) = (start(), start());
    let [key] = keys(&one, [json!({"name": "a", "plan": "many"})]).await;
    let (on_one, on_two) = (Keyed::new(&one, &key), Keyed::new(&two, &key));
    on_two.is_known().await;
    assert_eq!((on_one.ask_at_once(1).await, on_two.ask_at_once(1).await), (1, 1));
    redis.kill();
    for keyed in [&on_one, &on_two] {
        assert_eq!(keyed.ask_at_once(5).await, 5);
        keyed.alula.logged("Redis is away");
    }
    // Each holds to the limit on its own.
    assert_eq!(on_one.ask_at_once(64).await, 24);
    redis.restart();
    let back = Instant::now();
    for keyed in [&on_one, &on_two] {
        keyed.alula.logged("Redis is back");
    }
    assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    assert_eq!(on_one.ask_at_once(5).await, 0);
    assert_eq!(on_two.ask_at_once(64).await, 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_without_its_redis_and_says_so() {
    let fake = openai(20).await;
    let setting = Setting::new(&fake.url(), PLANS);
    let alula = setting.start().env("REDIS_URL", "redis://:sk-canary@127.0.0.1:1").listen();
    alula.logged("Redis is away: each process has its own limits until it is there");
    let [key] = keys(&alula, [json!({"name": "a", "plan": "two"})]).await;
    assert_eq!(Keyed::new(&alula, &key).ask_at_once(5).await, 2);
    let ended = alula.end();
    assert!(!ended.stderr.contains("sk-canary"), "{ended:?}");
}
