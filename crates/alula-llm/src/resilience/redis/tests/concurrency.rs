//! So many calls at a time, of all processes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::{Redis, Server, keys, until};
use crate::{Concurrency, ConcurrencyPermit};

const LEASE: Duration = Duration::from_millis(600);

/// Redis as one of several processes would have it.
fn process(server: &Server) -> Redis {
    Redis::new(&server.url()).unwrap().timeout(Duration::from_secs(5)).lease(LEASE)
}

fn calls(redis: &Redis) -> Concurrency {
    Concurrency::shared(redis, "test")
}

async fn begins(calls: &Concurrency, max: usize) -> ConcurrencyPermit {
    let begun = timeout(Duration::from_secs(10), async {
        loop {
            if let Some(permit) = calls.begin(max).await {
                return permit;
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    begun.await.expect("there is no room")
}

async fn back(redis: &Redis) {
    until("it did not come back", async || !redis.state().is_away).await;
}

#[tokio::test]
async fn there_are_never_more_than_so_many_over_all_processes() {
    let Some(server) = Server::start() else { return };
    let processes = [process(&server), process(&server), process(&server)];
    let all: Vec<_> = processes.iter().map(calls).collect();
    let begun = join_all((0..30).map(|it| all[it % 3].begin(7))).await;
    let mut permits: Vec<_> = begun.into_iter().flatten().collect();
    assert_eq!(permits.len(), 7);
    // Longer than a lease, which is renewed for all of them.
    let started = Instant::now();
    while started.elapsed() < LEASE * 2 {
        for calls in &all {
            assert!(calls.begin(7).await.is_none());
        }
        sleep(LEASE / 10).await;
    }
    permits.pop();
    permits.push(begins(&all[0], 7).await);
    assert!(all[1].begin(7).await.is_none());
    // Another name, and another limit.
    assert!(Concurrency::shared(&processes[0], "other").begin(1).await.is_some());
    assert!(all[2].begin(8).await.is_some());
    permits.clear();
    let mut redis = server.connect().await;
    let is_left = async || keys(&mut redis).await.iter().all(|(key, _)| !key.ends_with("test"));
    until("something is left", is_left).await;
    assert_eq!(processes[0].state().reports_lost, 0);
}

/// It is as if a process were killed: nobody says any more that its calls go on.
#[test]
fn the_calls_of_a_process_that_dies_end_with_their_lease() {
    let Some(server) = Server::start() else { return };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (dead, alive) = (runtime(), runtime());
    let killed = calls(&process(&server));
    let permit = dead.block_on(killed.begin(1)).unwrap();
    drop(dead);
    let died = Instant::now();
    let alive_calls = calls(&process(&server));
    alive.block_on(async {
        assert!(alive_calls.begin(1).await.is_none());
        let _next = begins(&alive_calls, 1).await;
        assert!(died.elapsed() < LEASE * 3, "{:?}", died.elapsed());
    });
    drop(permit);
}

/// Who leaves while Redis thinks has begun nothing.
#[tokio::test]
async fn who_does_not_wait_for_the_answer_takes_no_room() {
    let Some(server) = Server::start() else { return };
    // So long that no end of it makes room.
    let lease = Duration::from_secs(600);
    let [one, two] = [process(&server).lease(lease), process(&server).lease(lease)];
    let [on_one, on_two] = [calls(&one), calls(&two)];
    drop(begins(&on_one, 1).await);
    let mut redis = server.connect().await;
    redis::cmd("CLIENT").arg("PAUSE").arg(500).exec_async(&mut redis).await.unwrap();
    assert!(timeout(Duration::from_millis(100), on_one.begin(1)).await.is_err());
    assert_eq!(on_one.here(), 0);
    drop(begins(&on_two, 1).await);
    assert!(!one.state().is_away);
}

#[tokio::test]
async fn what_begins_without_redis_counts_when_it_is_back() {
    let Some(mut server) = Server::start() else { return };
    let [one, two] = [process(&server), process(&server)];
    let [on_one, on_two] = [calls(&one), calls(&two)];
    let before = on_one.begin(3).await.unwrap();
    let ends_meanwhile = on_two.begin(3).await.unwrap();
    server.kill();
    // Each process for itself.
    let meanwhile = [on_one.begin(3).await.unwrap(), on_one.begin(3).await.unwrap()];
    assert!(one.state().is_away && on_one.begin(3).await.is_none());
    drop((on_two.begin(3).await.unwrap(), ends_meanwhile));
    // The new Redis knows of nothing.
    server.restart();
    back(&one).await;
    back(&two).await;
    assert!(on_two.begin(3).await.is_none());
    drop(before);
    let _next = begins(&on_two, 3).await;
    assert!(on_one.begin(3).await.is_none());
    drop(meanwhile);
}

/// What was over while Redis could not be told makes room when it is back, not a lease later.
#[tokio::test]
async fn what_ends_without_redis_is_told_when_it_is_back() {
    let Some(server) = Server::start() else { return };
    let lease = Duration::from_secs(600);
    let one = process(&server).lease(lease).timeout(Duration::from_millis(200));
    let two = process(&server).lease(lease);
    let [on_one, on_two] = [calls(&one), calls(&two)];
    let [first, _second] = [on_one.begin(2).await.unwrap(), on_one.begin(2).await.unwrap()];
    let mut redis = server.connect().await;
    redis::cmd("CLIENT").arg("PAUSE").arg(1_500).exec_async(&mut redis).await.unwrap();
    drop(first);
    until("nobody saw it go", async || one.state().is_away).await;
    back(&one).await;
    let _next = begins(&on_two, 2).await;
    assert!(on_two.begin(2).await.is_none());
    assert_eq!(one.state().reports_lost, 0);
}

#[tokio::test]
async fn a_redis_that_was_restarted_in_between_is_told_at_once() {
    let Some(mut server) = Server::start() else { return };
    let lease = Duration::from_secs(600);
    let [one, two] = [process(&server).lease(lease), process(&server).lease(lease)];
    let [on_one, on_two] = [calls(&one), calls(&two)];
    let _held = on_one.begin(2).await.unwrap();
    server.kill();
    server.restart();
    drop(begins(&on_one, 2).await);
    assert!(on_two.begin(1).await.is_none());
}
