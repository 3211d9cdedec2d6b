//! Real processes over one Redis: this test binary, run again.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{
    super::super::{
        limiter::{Limiter, Reservation},
        window::WINDOW,
    },
    Redis,
    server::{Server, setting},
};
use crate::RateLimit;

/// The name of the test below, and what makes it one of several processes.
const TEST: &str = "resilience::redis::tests::processes::limits_hold_for_all_processes";
const URL: &str = "ALULA_TEST_REDIS_URL";

/// About a thirtieth of a second stands for a second, so that a window is over in two.
const UNIT: Duration = Duration::from_micros(33_333);
const REQUESTS: usize = 40;
const TOKENS: u64 = 4_000;
const TASKS: u64 = 4;

/// Four processes with four tasks each ask for far more than there is; one is killed on its way.
#[tokio::test]
async fn limits_hold_for_all_processes() {
    if let Some(url) = setting(URL) {
        return one_of_several(&url.into_string().unwrap()).await;
    }
    let Some(server) = Server::start() else { return };
    let mut children: Vec<_> = (0..4).map(|_| spawn(TEST, &[(URL, server.url())])).collect();
    let readers: Vec<_> = children.iter_mut().map(read).collect();
    sleep(Duration::from_secs(3)).await;
    children[0].kill().unwrap();
    let killed = unix_micros();
    for child in &mut children[1..] {
        assert!(child.wait().unwrap().success());
    }
    children[0].wait().unwrap();
    let told = readers.into_iter().flat_map(|it| it.join().unwrap());
    let calls: Vec<Call> =
        told.map(|[slot, passed, tokens]| Call { slot, passed, tokens }).collect();
    check(&calls);
    let late = calls.iter().filter(|call| call.passed > killed).count();
    assert!(late > REQUESTS / 4, "{late} of {} calls after the kill", calls.len());
    println!("{} calls, {late} of them after the kill", calls.len());
}

/// A call as its process tells of it.
#[derive(Debug)]
struct Call {
    slot: u64,
    /// In microseconds.
    passed: u64,
    tokens: u64,
}

/// No window has more than the limits, and no call passed before its turn.
fn check(calls: &[Call]) {
    let mut slots = BTreeMap::<u64, (usize, u64)>::new();
    for call in calls {
        let turn = u128::from(call.slot) * UNIT.as_nanos() / 1_000;
        assert!(u128::from(call.passed) + 1_000 >= turn, "{call:?} began before {turn}");
        let (requests, tokens) = slots.entry(call.slot).or_default();
        *requests += 1;
        *tokens += call.tokens;
    }
    for first in slots.keys() {
        let window = slots.range(first..=&(first + WINDOW)).map(|(_, used)| used);
        let (requests, tokens) = window.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        assert!(requests <= REQUESTS && tokens <= TOKENS, "{requests}, {tokens} from {first} on");
    }
}

/// Runs a test of this binary as one of several processes.
pub(super) fn spawn(test: &str, variables: &[(&str, String)]) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).envs(variables.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Gathers what a process tells, whole lines only: one that is killed may leave half of one.
pub(super) fn read<const N: usize>(child: &mut Child) -> thread::JoinHandle<Vec<[u64; N]>> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        let (mut calls, mut line) = (Vec::new(), String::new());
        while output.read_line(&mut line).unwrap() > 0 {
            let numbers = line.strip_suffix('\n').and_then(|line| line.strip_prefix("call "));
            if let Some(numbers) = numbers {
                let numbers: Vec<u64> = numbers.split(' ').map(|it| it.parse().unwrap()).collect();
                calls.push(numbers.try_into().unwrap_or_else(|_| panic!("{line}")));
            }
            line.clear();
        }
        calls
    })
}

async fn one_of_several(url: &str) {
    let redis = Redis::new(url).unwrap().timeout(Duration::from_secs(10));
    let wait_max = Duration::from_secs(3);
    let limit = RateLimit::default().requests(REQUESTS as u64).tokens(TOKENS).wait_max(wait_max);
    let sharing = redis.open();
    let limiter = Limiter::by_unit(limit, UNIT, Some(sharing.of("limit:test")));
    let ends = Instant::now() + Duration::from_secs(6);
    join_all((0..TASKS).map(|_| ask(&limiter, ends))).await;
    assert!(!sharing.state().is_away && sharing.state().reports_lost == 0);
}

/// Asks until the time is over: calls of all sizes, some settled, some given up.
async fn ask(limiter: &Limiter, ends: Instant) {
    while Instant::now() < ends {
        let tokens = fastrand::u64(1..300);
        let Ok(mut turn) = limiter.reserve(tokens).await else {
            sleep(Duration::from_millis(fastrand::u64(1..100))).await;
            continue;
        };
        if fastrand::u8(0..5) == 0 {
            drop(turn);
            continue;
        }
        turn.turn().await;
        let (slot, passed) = (slot(&turn), unix_micros());
        let used = if fastrand::bool() { fastrand::u64(0..=tokens) } else { tokens };
        let mut output = std::io::stdout().lock();
        // In one piece, and before it is settled: a process that dies leaves what it reserved.
        output.write_all(format!("call {slot} {passed} {used}\n").as_bytes()).unwrap();
        output.flush().unwrap();
        drop(output);
        turn.settle(used);
    }
}

pub(super) fn slot(turn: &Reservation) -> u64 {
    turn.shared_slot().expect("Redis is there")
}

pub(super) fn unix_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}
