//! Ten thousand limits at random, each asked for by four processes over one Redis.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::{
    super::super::{limiter::Limiter, window::WINDOW},
    Redis,
    processes::{read, slot, spawn, unix_micros},
    server::{Server, setting},
};
use crate::{RateLimit, resilience::Sharing};

/// The name of the test below, and what makes it one of several processes.
const TEST: &str =
    "resilience::redis::tests::schedules::no_schedule_of_four_processes_is_above_its_limits";
const URL: &str = "ALULA_TEST_REDIS_SCHEDULES_URL";
const NUMBER: &str = "ALULA_TEST_REDIS_SCHEDULES_NUMBER";
const START: &str = "ALULA_TEST_REDIS_SCHEDULES_START";

const PROCESSES: u64 = 4;
const SCHEDULES: u64 = 10_000;
/// A millisecond stands for a second.
const UNIT: Duration = Duration::from_millis(1);
/// How long after one schedule the next one begins, for all processes.
const EVERY: Duration = Duration::from_micros(700);
/// How long the processes have to start, in microseconds.
const BEFORE: u64 = 1_000_000;

/// What a schedule is held to, whoever asks.
fn limit(schedule: u64) -> RateLimit {
    let mut random = Rng::with_seed(schedule);
    let wait_max = UNIT * random.u32(0..120);
    RateLimit::default().requests(random.u64(1..8)).tokens(random.u64(1..1_000)).wait_max(wait_max)
}

#[tokio::test]
async fn no_schedule_of_four_processes_is_above_its_limits() {
    if let Some(url) = setting(URL) {
        return one_of_several(&url.into_string().unwrap()).await;
    }
    let Some(server) = Server::start() else { return };
    let start = unix_micros() + BEFORE;
    let start_one = |number: u64| {
        let number = number.to_string();
        spawn(TEST, &[(URL, server.url()), (NUMBER, number), (START, start.to_string())])
    };
    let mut children: Vec<_> = (0..PROCESSES).map(start_one).collect();
    let readers: Vec<_> = children.iter_mut().map(read).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let calls = readers.into_iter().flat_map(|it| it.join().unwrap());
    check(&calls.collect::<Vec<[u64; 4]>>());
}

/// No window of any schedule has more than its limits; and they were asked for by several processes.
fn check(calls: &[[u64; 4]]) {
    let mut schedules: HashMap<u64, Vec<[u64; 3]>> = HashMap::new();
    for [schedule, rest @ ..] in calls {
        schedules.entry(*schedule).or_default().push(*rest);
    }
    let (mut full, mut shared) = (0, 0);
    for (schedule, calls) in &schedules {
        let RateLimit { requests, tokens, .. } = limit(*schedule);
        let (requests_max, tokens_max) = (requests.unwrap(), tokens.unwrap());
        let mut slots = BTreeMap::<u64, (u64, u64)>::new();
        for [_, slot, tokens] in calls {
            let used = slots.entry(*slot).or_default();
            *used = (used.0 + 1, used.1 + tokens);
        }
        for first in slots.keys() {
            let window = slots.range(first..=&(first + WINDOW)).map(|(_, used)| used);
            let (requests, tokens) = window.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
            assert!(
                requests <= requests_max && tokens <= tokens_max,
                "{schedule}: {requests} of {requests_max}, {tokens} of {tokens_max} from {first} on"
            );
            full += u64::from(requests == requests_max || tokens * 10 >= tokens_max * 9);
        }
        shared += u64::from(calls.iter().any(|[process, ..]| *process != calls[0][0]));
    }
    println!("{} calls, {full} windows full, {shared} schedules shared", calls.len());
    assert!(schedules.len() as u64 > SCHEDULES * 8 / 10, "{} schedules only", schedules.len());
    assert!(full > SCHEDULES / 10 && shared > SCHEDULES / 2, "{full} full, {shared} shared");
}

async fn one_of_several(url: &str) {
    let number = |name| setting(name).unwrap().into_string().unwrap().parse::<u64>().unwrap();
    let (process, start) = (number(NUMBER), number(START));
    // However busy the machine is.
    let sharing = Redis::new(url).unwrap().timeout(Duration::from_secs(60)).open();
    join_all((0..SCHEDULES).map(|it| schedule(&sharing, process, start, it))).await;
    assert!(
        !sharing.state().is_away && sharing.state().asked_in_vain == 0,
        "{:?}",
        sharing.state()
    );
}

/// The calls of one process in a schedule.
async fn schedule(sharing: &Sharing, process: u64, start: u64, schedule: u64) {
    let begins = Duration::from_micros(start.saturating_sub(unix_micros()));
    let schedule_begins = EVERY * u32::try_from(schedule).unwrap();
    sleep(begins + schedule_begins).await;
    let mut random = Rng::with_seed(schedule * PROCESSES + process);
    let shared = sharing.of(&format!("limit:{schedule}"));
    let limiter = Limiter::by_unit(limit(schedule), UNIT, Some(shared));
    let tokens_max = limiter.tokens_max().unwrap();
    let calls =
        (0..random.u8(1..4)).map(|_| call(&limiter, process, schedule, random.fork(), tokens_max));
    join_all(calls.collect::<Vec<_>>()).await;
}

/// A call of a random size, that may be given up, and settled for less.
async fn call(limiter: &Limiter, process: u64, schedule: u64, mut random: Rng, tokens_max: u64) {
    sleep(UNIT * random.u32(0..60)).await;
    let part = tokens_max / random.u64(1..5);
    let tokens = random.u64(0..=part);
    let Ok(mut turn) = limiter.reserve(tokens).await else { return };
    if random.u8(0..8) == 0 {
        return;
    }
    turn.turn().await;
    let used = if random.bool() { random.u64(0..=tokens) } else { tokens };
    let line = format!("call {schedule} {process} {} {used}\n", slot(&turn));
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    turn.settle(used);
}
