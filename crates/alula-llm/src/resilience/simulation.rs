//! Limits under calls at random, against an oracle that only adds up.

use std::{ops::Range, time::Duration};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    limiter::{Limiter, NoTurn},
    window::WINDOW,
};
use crate::RateLimit;

/// What became of a call that passed.
#[derive(Debug, Clone, Copy)]
struct Call {
    booked: Duration,
    passed: Duration,
    reserved: u64,
    /// When it was settled, and by how much.
    settled: Option<(Duration, u64)>,
}

impl Call {
    /// What it counts when another one passes: what it used, if that was known when the other was
    /// booked, and no more than was reserved for it otherwise.
    fn counts_for(&self, other: &Self) -> u64 {
        match self.settled {
            Some((at, used)) if at <= other.booked => used,
            Some((at, used)) if at <= other.passed => used.min(self.reserved),
            _ => self.reserved,
        }
    }
}

/// For every call that passed, adds up the 60 seconds that end with it.
fn check(calls: &[Call], requests_max: u64, tokens_max: u64) -> Result<bool, String> {
    const MINUTE: Duration = Duration::from_secs(WINDOW);
    let mut is_full = false;
    for last in calls {
        let within = || {
            calls.iter().filter(|it| it.passed <= last.passed && it.passed + MINUTE >= last.passed)
        };
        let requests = within().count() as u64;
        let tokens: u64 = within().map(|it| it.counts_for(last)).sum();
        if requests > requests_max || tokens > tokens_max {
            return Err(format!("{requests} requests, {tokens} tokens up to {:?}", last.passed));
        }
        is_full |= requests == requests_max || tokens * 10 >= tokens_max * 9;
    }
    Ok(is_full)
}

/// A call of a random size at a random time, that may be given up, and settled up or down.
async fn call(
    limiter: &Limiter,
    started: Instant,
    mut random: Rng,
    tokens_max: u64,
) -> Option<Call> {
    // Bursts, and calls on their own.
    let at = if random.bool() { random.u64(0..4) * 20_000 } else { random.u64(0..120_000) };
    sleep(Duration::from_millis(at)).await;
    let part = tokens_max / random.u64(1..10);
    let reserved = random.u64(0..=part);
    let booked = started.elapsed();
    let mut turn = limiter.reserve(reserved).await.ok()?;
    let patience = Duration::from_millis(random.u64(0..60_000));
    if random.u8(0..4) == 0 {
        timeout(patience, turn.turn()).await.ok()?;
    } else {
        turn.turn().await;
    }
    let passed = started.elapsed();
    sleep(Duration::from_millis(random.u64(0..30_000))).await;
    let settled = (random.u8(0..3) > 0).then(|| {
        let used = random.u64(0..=reserved * 3 / 2);
        turn.settle(used);
        (started.elapsed(), used)
    });
    Some(Call { booked, passed, reserved, settled })
}

/// How many tasks have the same limiter.
const TASKS: usize = 64;

/// Runs schedules of a seed each. How many calls got through, and how often the limits were reached.
async fn run(seeds: Range<u64>) -> (usize, u64) {
    let (mut passed, mut full) = (0, 0);
    for seed in seeds {
        let mut random = Rng::with_seed(seed);
        let (requests, tokens) = (random.u64(1..40), random.u64(1..5_000));
        let wait_max = Duration::from_secs(random.u64(0..180));
        let limit = RateLimit::default().requests(requests).tokens(tokens).wait_max(wait_max);
        // Not every clock begins with a second.
        sleep(Duration::from_millis(random.u64(0..1_000))).await;
        let (limiter, started) = (Limiter::new(limit, None), Instant::now());
        sleep(Duration::from_millis(random.u64(0..1_000))).await;
        let calls = (0..TASKS).map(|_| call(&limiter, started, random.fork(), tokens));
        let calls: Vec<Call> = join_all(calls).await.into_iter().flatten().collect();
        match check(&calls, requests, tokens) {
            Ok(is_full) => full += u64::from(is_full),
            Err(what) => panic!("seed {seed}: {what} of {requests} and {tokens}: {calls:#?}"),
        }
        passed += calls.len();
    }
    (passed, full)
}

/// The limits were reached, and calls got through.
fn assert_busy((passed, full): (usize, u64)) {
    assert!(passed > 25_000 && full > 2_500, "{passed} calls, {full} times full");
}

#[tokio::test(start_paused = true)]
async fn no_sixty_seconds_hold_more_than_the_limits() {
    assert_busy(run(0..5_000).await);
}

/// The second half, for a second processor.
#[tokio::test(start_paused = true)]
async fn nor_do_they_in_five_thousand_schedules_more() {
    assert_busy(run(5_000..10_000).await);
}

/// Several threads at once, in a window that takes a third of a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_hold_to_the_limits_together() {
    const UNIT: Duration = Duration::from_millis(5);
    let (requests, tokens) = (100, 10_000);
    let limit = RateLimit::default().requests(requests).tokens(tokens);
    let limiter = Limiter::by_unit(limit.wait_max(20 * UNIT), UNIT, None);
    let mut tasks = JoinSet::new();
    for seed in 0..64 {
        let (limiter, mut random) = (limiter.clone(), Rng::with_seed(seed));
        tasks.spawn(async move {
            let (mut passed, ends) = (Vec::new(), Instant::now() + 250 * UNIT);
            while Instant::now() < ends {
                let reserved = random.u64(0..500);
                match limiter.reserve(reserved).await {
                    Ok(turn) if random.u8(0..4) == 0 => drop(turn),
                    Ok(mut turn) => {
                        turn.turn().await;
                        let used = random.u64(0..=reserved);
                        passed.push((turn.second(), used));
                        turn.settle(used);
                    }
                    Err(NoTurn::After(..)) => sleep(UNIT * random.u32(1..5)).await,
                    Err(NoTurn::TooLarge) => panic!("{reserved} of {tokens}"),
                }
            }
            passed
        });
    }
    let mut passed = tasks.join_all().await.concat();
    passed.sort_unstable();
    for (first, _) in &passed {
        let window = *first..=first + WINDOW;
        let within = || passed.iter().filter(|(second, _)| window.contains(second));
        let used: u64 = within().map(|(_, used)| used).sum();
        let count = within().count() as u64;
        assert!(count <= requests && used <= tokens, "{count}, {used} from {first} on");
    }
    assert!(passed.len() as u64 > requests, "{} calls", passed.len());
}
