//! Streams at a time of a key, over several processes.

use std::time::Duration;

use alula_llm::testing::{FakeProvider, Fault};
use futures_util::future::{join, join_all};
use reqwest::Response;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    keyed::{Keyed, Setting, keys, until},
    process::Alula,
    redis::Redis,
};

const PLANS: &str = "
[plans.streams]
requests_per_minute = 10_000
concurrent_streams = 3
";

/// How long a process is believed to send what it has begun.
const LEASE: Duration = Duration::from_secs(1);

/// A provider whose streams begin and do not end.
async fn endless() -> FakeProvider {
    let fake = FakeProvider::start().await;
    fake.always().says(["One", " two", " three", " four"]).then(Fault::StallAfter(3));
    fake
}

/// Two servers that share a Redis.
fn two(setting: &Setting, redis: &Redis) -> (Alula, Alula) {
    let start = || {
        let start = setting.start().env("REDIS_URL", redis.url());
        start
            .env("ALULA_REDIS_LEASE_SECONDS", LEASE.as_secs().to_string())
            // The machine may be busy with other tests.
            .env("ALULA_REDIS_TIMEOUT_SECONDS", "10")
            .listen()
    };
    (start(), start())
}

/// A stream, if there is room for one.
async fn begin(keyed: &Keyed<'_>) -> Option<Response> {
    let body =
        json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    let response = keyed.begin("/v1/chat/completions", &body).await;
    match response.status().as_u16() {
        200 => Some(response),
        429 => {
            assert_eq!(response.headers()["retry-after"], "1");
            None
        }
        status => panic!("{status}: {:?}", response.text().await),
    }
}

/// Those of so many streams at once for which there is room.
async fn begin_at_once(keyed: &Keyed<'_>, count: usize) -> Vec<Response> {
    join_all((0..count).map(|_| begin(keyed))).await.into_iter().flatten().collect()
}

/// A stream, as soon as there is room for one.
async fn begin_soon(keyed: &Keyed<'_>) -> Response {
    let mut begun = None;
    until("there is room", async || {
        begun = begin(keyed).await;
        begun.is_some()
    })
    .await;
    begun.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_the_streams_of_a_key() {
    let Some(redis) = Redis::start() else { return };
    let fake = endless().await;
    let setting = Setting::new(&fake.url(), PLANS);
    let (one, two) = two(&setting, &redis);
    let [key, other] =
        keys(&one, ["a", "b"].map(|name| json!({"name": name, "plan": "streams"}))).await;
    let (on_one, on_two) = (Keyed::new(&one, &key), Keyed::new(&two, &key));
    on_two.is_known().await;
    let (mut on_either, more) = join(begin_at_once(&on_one, 8), begin_at_once(&on_two, 8)).await;
    on_either.extend(more);
    assert_eq!((on_either.len(), fake.request_count()), (3, 3));
    // Another key has streams of its own.
    let others = Keyed::new(&two, &other);
    others.is_known().await;
    assert_eq!(begin_at_once(&others, 4).await.len(), 3);
    // A client that leaves makes room on both.
    for keyed in [&on_one, &on_two, &on_one] {
        on_either.remove(0);
        on_either.push(begin_soon(keyed).await);
    }
    assert!(begin(&on_one).await.is_none() && begin(&on_two).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_of_a_process_that_is_killed_end_with_their_lease() {
    let Some(redis) = Redis::start() else { return };
    let fake = endless().await;
    let setting = Setting::new(&fake.url(), PLANS);
    let (one, two) = two(&setting, &redis);
    let [key] = keys(&one, [json!({"name": "a", "plan": "streams"})]).await;
    let (on_one, on_two) = (Keyed::new(&one, &key), Keyed::new(&two, &key));
    on_two.is_known().await;
    let running = begin_at_once(&on_one, 3).await;
    assert_eq!(running.len(), 3);
    // Longer than the lease: a process that is there keeps them.
    let begun = Instant::now();
    until("a lease has passed", async || {
        assert!(begin(&on_two).await.is_none());
        begun.elapsed() > LEASE * 2
    })
    .await;
    one.signal("KILL");
    let killed = Instant::now();
    let all = [begin_soon(&on_two).await, begin_soon(&on_two).await, begin_soon(&on_two).await];
    assert!(killed.elapsed() < LEASE * 5, "{:?}", killed.elapsed());
    drop((all, running));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_begin_without_redis_count_when_it_is_back() {
    let Some(mut redis) = Redis::start() else { return };
    let fake = endless().await;
    let setting = Setting::new(&fake.url(), PLANS);
    let (one, two) = two(&setting, &redis);
    let [key] = keys(&one, [json!({"name": "a", "plan": "streams"})]).await;
    let (on_one, on_two) = (Keyed::new(&one, &key), Keyed::new(&two, &key));
    on_two.is_known().await;
    let before = begin(&on_one).await.unwrap();
    begin(&on_two).await.unwrap();
    redis.kill();
    // Each process counts its own.
    let meanwhile = begin_at_once(&on_one, 5).await;
    assert_eq!(meanwhile.len(), 2);
    until("its own are over", async || begin_at_once(&on_two, 3).await.len() == 3).await;
    redis.restart();
    for alula in [&one, &two] {
        alula.logged("Redis is back");
    }
    until("those of the other do not count", async || begin(&on_two).await.is_none()).await;
    drop(before);
    let _next = begin_soon(&on_two).await;
    assert!(begin(&on_one).await.is_none());
    drop(meanwhile);
}
