//! Against a real Redis.

mod concurrency;
mod outage;
mod processes;
mod schedules;
mod scripts;
mod server;
mod tls;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

use self::server::Server;
use super::{
    super::{
        breaker::Breaker,
        limiter::{Limiter, NoTurn},
    },
    Redis,
};
use crate::{BreakerPolicy, BreakerState, RateLimit, resilience::Sharing};

/// Redis as one of several processes would have it.
fn sharing(server: &Server) -> Sharing {
    // Far longer than by default, as the machine may be busy with other tests.
    Redis::new(&server.url()).unwrap().timeout(Duration::from_secs(5)).open()
}

fn limiter(server: &Server, limit: RateLimit) -> Limiter {
    Limiter::new(limit, Some(sharing(server).of("limit:test")))
}

fn breaker(server: &Server, policy: BreakerPolicy) -> Arc<Breaker> {
    Arc::new(Breaker::new(policy, Some(sharing(server).of("breaker:test"))))
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_limit_is_that_of_all_processes() {
    let Some(server) = Server::start() else { return };
    let limit = RateLimit::default().requests(3).tokens(1_000);
    let [one, two] = [limiter(&server, limit), limiter(&server, limit)];
    for limiter in [&one, &two, &one] {
        limiter.reserve(100).await.unwrap().turn().await;
    }
    for limiter in [&one, &two] {
        let NoTurn::After(wait, _) = limiter.reserve(1).await.unwrap_err() else { panic!() };
        assert!((58..=61).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(limiter.reserve(1_001).await.unwrap_err(), NoTurn::TooLarge);
    }
}

#[tokio::test]
async fn what_one_process_used_less_or_gave_back_is_room_for_another() {
    let Some(server) = Server::start() else { return };
    let limit = RateLimit::default().tokens(1_000).wait_max(Duration::from_secs(100));
    let [one, two] = [limiter(&server, limit), limiter(&server, limit.wait_max(Duration::ZERO))];
    let mut first = one.reserve(900).await.unwrap();
    first.turn().await;
    let waiting = one.reserve(1_000).await.unwrap();
    assert!(matches!(two.reserve(200).await, Err(NoTurn::After(..))));
    first.settle(100);
    drop(waiting);
    until("there is no room", async || {
        let Ok(mut turn) = two.reserve(900).await else { return false };
        turn.turn().await;
        true
    })
    .await;
    assert!(two.reserve(1).await.is_err());
}

/// Who leaves while Redis thinks has booked nothing.
#[tokio::test]
async fn a_turn_that_nobody_waits_for_is_given_back() {
    let Some(server) = Server::start() else { return };
    let limiter = limiter(&server, RateLimit::default().requests(1));
    drop(limiter.reserve(1).await.unwrap());
    let mut redis = server.connect().await;
    redis::cmd("CLIENT").arg("PAUSE").arg(1_000).exec_async(&mut redis).await.unwrap();
    let left = tokio::time::timeout(Duration::from_millis(100), limiter.reserve(1)).await;
    assert!(left.is_err(), "Redis was not paused");
    until("the turn is lost", async || limiter.reserve(1).await.is_ok()).await;
}

#[tokio::test]
async fn a_breaker_is_that_of_all_processes() {
    let Some(server) = Server::start() else { return };
    let pause = Duration::from_millis(500);
    let policy = BreakerPolicy { failures: 3, pause, pause_max: Duration::from_secs(60) };
    let [one, two] = [breaker(&server, policy), breaker(&server, policy)];
    // A success in between begins the count anew.
    for breaker in [&one, &two] {
        breaker.admit().await.unwrap().failed();
    }
    two.admit().await.unwrap().succeeded();
    for breaker in [&one, &one, &one] {
        breaker.admit().await.unwrap().failed();
    }
    until("it did not open", async || two.admit().await.is_err()).await;
    assert_eq!(two.state(), BreakerState::Open);

    for failed in [1, 2] {
        sleep(pause * failed).await;
        let calls = join_all((0..20).flat_map(|_| [one.admit(), two.admit()])).await;
        let mut probes: Vec<_> = calls.into_iter().filter_map(Result::ok).collect();
        assert_eq!(probes.len(), 1, "after {failed} failures");
        probes.remove(0).failed();
        let left = one.admit().await.unwrap_err();
        assert!(left <= pause * failed * 2, "{left:?}");
    }

    sleep(pause * 4).await;
    // One that gives up makes room for the next one.
    drop(one.admit().await.unwrap());
    until("nobody may try again", async || match two.admit().await {
        Ok(probe) if probe.is_probe() => {
            probe.succeeded();
            true
        }
        _ => false,
    })
    .await;
    until("it did not close", async || {
        let calls = join_all((0..20).flat_map(|_| [one.admit(), two.admit()])).await;
        calls.iter().all(Result::is_ok)
    })
    .await;
    assert_eq!([one.state(), two.state()], [BreakerState::Closed; 2]);
}

async fn keys(redis: &mut MultiplexedConnection) -> Vec<(String, i64)> {
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(redis).await.unwrap();
    let mut found = Vec::new();
    for key in keys {
        let left = redis::cmd("PTTL").arg(&key).query_async(redis).await.unwrap();
        found.push((key, left));
    }
    found.sort();
    found
}

#[tokio::test]
async fn nothing_lives_for_ever_nor_ends_too_early() {
    let Some(server) = Server::start() else { return };
    let mut redis = server.connect().await;
    let limit = RateLimit::default().requests(1).wait_max(Duration::from_secs(100));
    let limiter = limiter(&server, limit);
    let breaker = breaker(&server, BreakerPolicy::default());
    breaker.admit().await.unwrap().failed();
    let mut first = limiter.reserve(1).await.unwrap();
    first.turn().await;
    let second = limiter.reserve(1).await.unwrap();
    let state = keys(&mut redis).await;
    let [_, (failures, failures_left), (turns, turns_left)] = &state[..] else {
        panic!("{state:?}")
    };
    assert_eq!([failures.as_str(), turns], ["alula:breaker:test", "alula:limit:test"]);
    // The second turn is a minute ahead, and counts for another one.
    assert!((120_000..125_000).contains(turns_left), "{state:?}");
    assert!((86_000_000..=86_400_000).contains(failures_left), "{state:?}");
    drop(second);
    breaker.admit().await.unwrap().succeeded();
    until("a closed breaker is nothing to keep", async || {
        keys(&mut redis).await.iter().all(|(key, left)| !key.contains("breaker") && *left > 0)
    })
    .await;
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_loaded_again() {
    let Some(server) = Server::start() else { return };
    let limiter = limiter(&server, RateLimit::default().requests(2));
    limiter.reserve(1).await.unwrap().turn().await;
    let mut redis = server.connect().await;
    redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut redis).await.unwrap();
    limiter.reserve(1).await.unwrap().turn().await;
    let sharing = sharing(&server);
    let other = Limiter::new(RateLimit::default().requests(2), Some(sharing.of("limit:test")));
    assert!(other.reserve(1).await.is_err(), "it was booked elsewhere");
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_costs_nothing() {
    let Some(server) = Server::start() else { return };
    let sharing = sharing(&server);
    let limiter = Limiter::new(RateLimit::default().requests(2), Some(sharing.of("limit:test")));
    limiter.reserve(1).await.unwrap().turn().await;
    let mut redis = server.connect().await;
    redis::cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .exec_async(&mut redis)
        .await
        .unwrap();
    limiter.reserve(1).await.unwrap().turn().await;
    assert!(matches!(limiter.reserve(1).await, Err(NoTurn::After(..))));
    assert!(!sharing.state().is_away);
}
