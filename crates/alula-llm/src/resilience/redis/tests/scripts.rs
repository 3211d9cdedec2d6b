//! The scripts against the same in Rust, by a clock that the test sets.

use std::{sync::Arc, time::Duration};

use redis::Value;
use tokio::{sync::oneshot, time::advance};

use super::{
    super::{
        super::{
            breaker::{Admission, Breaker},
            shared::{Booking, Correction, Member, News, Outcome, Ticket, TooLong, Turn, Verdict},
            window::Window,
        },
        job::{Ask, Job, SCRIPTS},
        link::{Connection, load},
    },
    Server,
};
use crate::{BreakerPolicy, BreakerState};

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(15);
/// The key of calls of which there may be only so many.
const CALLS: &str = "calls";

/// A Redis whose scripts look at the time in the key `now`, in seconds.
struct Timed {
    connection: Connection,
    now: u64,
}

impl Timed {
    async fn new(server: &Server) -> Self {
        let scripts =
            SCRIPTS.map(|it| it.replace("redis.call('TIME')", "{redis.call('GET', 'now'), 0}"));
        let mut redis = server.connect().await;
        let hashes = load(&mut redis, scripts).await.unwrap();
        let mut timed = Self { connection: Connection { redis, hashes, lease: LEASE }, now: 0 };
        timed.set(1_000).await;
        timed
    }

    async fn set(&mut self, now: u64) {
        self.now = now;
        let mut set = redis::cmd("SET");
        set.arg("now").arg(now).exec_async(&mut self.connection.redis).await.unwrap();
    }

    async fn run(&mut self, job: Job) -> Option<Job> {
        let answers = self.connection.send(std::slice::from_ref(&job)).await.unwrap();
        let [Ok(answer)] = &answers[..] else { panic!("{answers:?}") };
        assert_ne!(answer, &Value::Nil);
        job.answer(answer)
    }

    async fn reserve(&mut self, key: &str, booking: Booking) -> Result<Turn, TooLong> {
        let (reply, answer) = oneshot::channel();
        self.run(Job::Ask(key.into(), Ask::Turn { booking, reply })).await;
        answer.await.unwrap()
    }

    async fn join(&mut self, number: u64, max: usize) -> bool {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Join { member: member(number), max, reply };
        self.run(Job::Ask(CALLS.into(), ask)).await;
        answer.await.unwrap()
    }

    async fn admit(&mut self, key: &str) -> (Verdict, Option<Job>) {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Admission { ticket: Ticket::new(), reply };
        let next = self.run(Job::Ask(key.into(), ask)).await;
        (answer.await.unwrap(), next)
    }
}

fn member(number: u64) -> Member {
    Member { process: u64::MAX, number }
}

/// Requests, tokens, corrections and time at random: script and window agree on each turn.
#[tokio::test]
async fn turns_are_those_of_the_window() {
    let Some(server) = Server::start() else { return };
    let mut redis = Timed::new(&server).await;
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (requests, tokens) = (random.u64(1..20), random.u64(1..2_000));
        let mut windows = [Window::new(requests), Window::new(tokens)];
        let key = format!("limit:{seed}");
        let mut booked = Vec::new();
        for step in 0..60 {
            let place = format!("seed {seed}, step {step}");
            if random.bool() {
                redis.set(redis.now + random.u64(0..15)).await;
            }
            let (now, amount) = (redis.now, random.u64(0..=tokens));
            let wait_min =
                Duration::from_secs(if random.u8(0..5) == 0 { random.u64(0..9) } else { 0 });
            let mut second = now + wait_min.as_secs();
            for (window, amount) in windows.iter_mut().zip([1, amount]) {
                second = second.max(window.earliest(now, second, amount).unwrap());
            }
            let wait_max = Duration::from_secs(random.u64(0..150));
            let wait = Duration::from_secs(second - now);
            let booking = Booking {
                requests_max: Some(requests),
                tokens_max: Some(tokens),
                tokens: amount,
                wait_min,
                wait_max,
                unit: SECOND,
            };
            let turn = redis.reserve(&key, booking).await;
            let level = if wait > wait_max {
                let (refused, level) = turn.unwrap_err();
                assert_eq!(refused, wait, "{place}");
                level
            } else {
                windows[0].book(second, 1);
                windows[1].book(second, amount);
                booked.push((second, amount));
                let turn = turn.unwrap();
                assert_eq!((turn.wait, turn.slot), (wait, second), "{place}");
                turn.level
            };
            let used = windows.each_ref().map(Window::used);
            assert_eq!([level.requests, level.tokens], used, "{place}");
            let last = windows.iter().filter_map(Window::last).max();
            let left = last.map_or(0, |last| last + 61 - now);
            assert_eq!(level.all_after, Duration::from_secs(left), "{place}");
            if random.u8(0..3) == 0 && !booked.is_empty() {
                let (slot, amount) = booked.swap_remove(random.usize(0..booked.len()));
                let used = random.bool().then(|| random.u64(1..=tokens));
                // A request that is gone takes its place with it only if it was the last one.
                windows[0].correct(now, slot, 1, u64::from(used.is_some()));
                windows[1].correct(now, slot, amount, used.unwrap_or(0));
                redis
                    .run(Job::Correct(
                        key.as_str().into(),
                        Correction { slot, booked: amount, used, unit: SECOND },
                    ))
                    .await;
            }
        }
    }
}

/// A clock that is set back makes nobody wait longer, and lets nobody pass earlier.
#[tokio::test]
async fn a_clock_that_is_set_back_moves_the_window_with_it() {
    let Some(server) = Server::start() else { return };
    let mut redis = Timed::new(&server).await;
    let booking = Booking {
        requests_max: Some(1),
        tokens_max: None,
        tokens: 1,
        wait_min: Duration::ZERO,
        wait_max: 100 * SECOND,
        unit: SECOND,
    };
    redis.reserve("limit", booking).await.unwrap();
    redis.set(400).await;
    assert_eq!(redis.reserve("limit", booking).await.unwrap().wait, 61 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn verdicts_are_those_of_the_breaker() {
    let Some(server) = Server::start() else { return };
    let mut redis = Timed::new(&server).await;
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let policy = BreakerPolicy { failures: random.u32(1..4), ..BreakerPolicy::default() };
        let breaker = Arc::new(Breaker::new(policy, None));
        let key = format!("breaker:{seed}");
        let mut calls: Vec<(Admission, Option<Ticket>, Option<Job>)> = Vec::new();
        for step in 0..100 {
            let place = format!("seed {seed}, step {step}");
            if random.u8(0..3) == 0 {
                let seconds = random.u64(0..8);
                redis.set(redis.now + seconds).await;
                advance(Duration::from_secs(seconds)).await;
                // No lease runs out here.
                for (.., renewal) in &mut calls {
                    if let Some(job) = renewal.take() {
                        *renewal = redis.run(job).await;
                    }
                }
            }
            let (verdict, renewal) = redis.admit(&key).await;
            match (breaker.admit().await, verdict) {
                (Ok(call), Verdict::Closed { .. }) => {
                    assert!(!call.is_probe(), "{place}");
                    calls.push((call, None, renewal));
                }
                (Ok(call), Verdict::Probe { ticket, .. }) => {
                    assert!(call.is_probe(), "{place}");
                    calls.push((call, Some(ticket), renewal));
                }
                (Err(left), Verdict::Open { left: same, .. }) => {
                    // How long a call that tries will take, nobody knows.
                    let is_known = breaker.state() == BreakerState::Open;
                    assert!(!is_known || left == same, "{place}: {left:?}, {same:?}");
                }
                (ours, theirs) => panic!("{place}: {ours:?} here, {theirs:?} there"),
            }
            if !calls.is_empty() && random.u8(0..3) > 0 {
                let (call, ticket, _) = calls.swap_remove(random.usize(0..calls.len()));
                let is_probe = ticket.is_some();
                let outcome = match random.u8(0..5) {
                    0 | 1 => Outcome::Succeeded,
                    2 | 3 => Outcome::Failed,
                    _ if is_probe => Outcome::Left,
                    _ => continue,
                };
                match outcome {
                    Outcome::Succeeded => call.succeeded(),
                    Outcome::Failed => call.failed(),
                    Outcome::Left => drop(call),
                }
                let ticket = ticket.map(|it| it.number());
                redis.run(Job::Tell(key.as_str().into(), News { outcome, ticket, policy })).await;
            }
        }
    }
}

/// A process that dies while it tries makes room for others after a while.
#[tokio::test]
async fn the_right_to_try_runs_out_unless_it_is_renewed() {
    let Some(server) = Server::start() else { return };
    let mut redis = Timed::new(&server).await;
    let policy = BreakerPolicy { failures: 1, ..BreakerPolicy::default() };
    let news = News { outcome: Outcome::Failed, ticket: None, policy };
    redis.run(Job::Tell("breaker".into(), news)).await;
    redis.set(redis.now + policy.pause.as_secs()).await;
    let (verdict, renewal) = redis.admit("breaker").await;
    let Verdict::Probe { ticket, .. } = verdict else { panic!("{verdict:?}") };
    redis.set(redis.now + 10).await;
    let renewal = redis.run(renewal.unwrap()).await.unwrap();
    redis.set(redis.now + LEASE.as_secs() - 1).await;
    assert!(matches!(redis.admit("breaker").await, (Verdict::Open { left: SECOND, .. }, None)));
    redis.set(redis.now + 1).await;
    let (verdict, _) = redis.admit("breaker").await;
    let Verdict::Probe { ticket: next, .. } = verdict else { panic!("{verdict:?}") };
    // The late news of the first one change nothing, nor can it have its right again.
    let ticket = Some(ticket.number());
    let news = News { outcome: Outcome::Succeeded, ticket, policy };
    redis.run(Job::Tell("breaker".into(), news)).await;
    assert!(matches!(redis.admit("breaker").await, (Verdict::Open { .. }, None)));
    assert!(redis.run(renewal).await.is_none());
    let news = News { ticket: Some(next.number()), ..news };
    redis.run(Job::Tell("breaker".into(), news)).await;
    assert!(matches!(redis.admit("breaker").await, (Verdict::Closed { failures: 0 }, None)));
}

#[tokio::test]
async fn calls_count_until_they_leave_or_are_not_heard_of() {
    let Some(server) = Server::start() else { return };
    let mut redis = Timed::new(&server).await;
    assert!(redis.join(1, 2).await && redis.join(2, 2).await && !redis.join(3, 2).await);
    // One that is asked for twice, as the answer was lost, is there once.
    assert!(redis.join(2, 2).await && redis.join(3, 3).await);
    for number in [3, 4] {
        redis.run(Job::Leave(CALLS.into(), member(number))).await;
    }
    assert!(!redis.join(3, 2).await);
    redis.set(redis.now + LEASE.as_secs() - 1).await;
    // Of the first one nothing was heard; the third one began without Redis.
    redis.run(Job::Stay(CALLS.into(), vec![member(2), member(3)])).await;
    assert!(!redis.join(4, 3).await);
    redis.set(redis.now + 1).await;
    assert!(!redis.join(4, 2).await && redis.join(4, 3).await);
    redis.set(redis.now + LEASE.as_secs()).await;
    assert!(redis.join(5, 1).await);
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_no_call_for_longer() {
    let Some(server) = Server::start() else { return };
    let mut redis = Timed::new(&server).await;
    assert!(redis.join(1, 1).await);
    redis.set(redis.now - 500).await;
    assert!(!redis.join(2, 1).await);
    redis.set(redis.now + LEASE.as_secs()).await;
    assert!(redis.join(2, 1).await);
}
