//! Waves of failures, thousands of calls long, by a clock that is not waited for.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use alula_llm::{
    BreakerPolicy, BreakerState, ChatEvent, ChatRequest, ChatResponse, ChatStream, Error,
    ErrorKind, Llm, LlmBuilder, Provider, Result, RetryPolicy, Route,
};
use fastrand::Rng;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, future::join_all, stream};
use tokio::time::{Instant, sleep};

/// A provider of whose calls some percent fail, each in its own way.
#[derive(Debug, Clone)]
struct Wavy {
    name: &'static str,
    percent: Arc<AtomicU8>,
    /// Whether all failures are those of a provider that is down.
    is_down: bool,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    random: Rng,
    asked: Vec<Instant>,
    /// Calls that had a piece of their answer.
    begun: HashSet<String>,
    /// Calls that were asked again after that.
    asked_again: u32,
    broken: u32,
}

/// What becomes of one call.
enum Fate {
    Answer,
    Fail(ErrorKind),
    /// It begins, and breaks off.
    Break,
    Hang,
}

impl Wavy {
    fn new(name: &'static str, percent: u8, seed: u64) -> Self {
        let (random, begun) = (Rng::with_seed(seed), HashSet::new());
        let shared = Shared { random, asked: Vec::new(), begun, asked_again: 0, broken: 0 };
        let percent = Arc::new(AtomicU8::new(percent));
        Self { name, percent, is_down: false, shared: Arc::new(Mutex::new(shared)) }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    fn set(&self, percent: u8) {
        self.percent.store(percent, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.shared().asked.len()
    }

    fn fate(&self, request: &ChatRequest, streams: bool) -> Fate {
        let id = request.messages[0].text();
        let mut shared = self.shared();
        shared.asked.push(Instant::now());
        shared.asked_again += u32::from(shared.begun.contains(&id));
        let fate = match shared.random.u8(0..100) < self.percent.load(Ordering::Relaxed) {
            false => Fate::Answer,
            true if self.is_down => Fate::Fail(ErrorKind::Unavailable),
            true => match shared.random.u8(0..6) {
                0 => Fate::Fail(ErrorKind::RateLimited { retry_after: None }),
                1 => Fate::Fail(ErrorKind::Connect),
                2 => {
                    Fate::Fail(ErrorKind::Overloaded { retry_after: Some(Duration::from_secs(1)) })
                }
                3 if streams => Fate::Hang,
                4 if streams => Fate::Break,
                _ => Fate::Fail(ErrorKind::Unavailable),
            },
        };
        if matches!(fate, Fate::Answer | Fate::Break) {
            shared.begun.insert(id);
        }
        shared.broken += u32::from(matches!(fate, Fate::Break));
        fate
    }
}

fn text() -> ChatEvent {
    ChatEvent::Text { choice: 0, part: 0, text: "piece".to_owned() }
}

impl Provider for Wavy {
    fn name(&self) -> &str {
        self.name
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        let fate = self.fate(request, false);
        async {
            sleep(Duration::from_millis(200)).await;
            match fate {
                Fate::Fail(kind) => Err(Error::new(kind, "a wave")),
                _ => Ok(ChatResponse::default()),
            }
        }
        .boxed()
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        let fate = self.fate(request, true);
        async {
            sleep(Duration::from_millis(200)).await;
            let end = match fate {
                Fate::Answer => Ok(text()),
                Fate::Break => Err(Error::new(ErrorKind::Stream { events_seen: 1 }, "a wave")),
                Fate::Fail(kind) => return Err(Error::new(kind, "a wave")),
                Fate::Hang => std::future::pending().await,
            };
            Ok(ChatStream::new(stream::iter([Ok(text()), end])))
        }
        .boxed()
    }
}

fn llm(provider: &Wavy) -> LlmBuilder {
    Llm::builder().provider(provider.clone()).default_model("a/m")
}

/// Makes so many calls, 20 a second, streams and others; how many had the whole answer.
async fn call(llm: &Llm, calls: u32) -> u32 {
    let call = async |number: u32| {
        sleep(Duration::from_millis(50) * number).await;
        let request = ChatRequest::default().user(number.to_string());
        if number.is_multiple_of(2) {
            return llm.chat(request).await.is_ok();
        }
        let Ok(stream) = llm.stream(request).await else { return false };
        stream.all(|item| async move { item.is_ok() }).await
    };
    let answered = join_all((0..calls).map(call)).await;
    answered.into_iter().map(u32::from).sum()
}

const SEEDS: std::ops::Range<u64> = 0..3;

#[tokio::test(start_paused = true)]
async fn no_wave_is_multiplied_nor_an_answer_begun_twice() {
    const CALLS: u32 = 1_000;
    for percent in (0..=100).step_by(10) {
        for (seed, failures) in SEEDS.flat_map(|seed| [(seed, 0), (seed, 3)]) {
            let place = format!("{percent} %, seed {seed}, breaker at {failures}");
            let provider = Wavy::new("a", percent, seed);
            let breaker = BreakerPolicy::default().failures(failures);
            let llm = llm(&provider).breaker(breaker).build().unwrap();
            let answered = call(&llm, CALLS).await;
            let asked = provider.asked();
            assert!(asked * 10 <= CALLS as usize * 12, "{place}: asked {asked} times");
            assert_eq!(provider.shared().asked_again, 0, "{place}");
            match (percent, failures) {
                (0, _) => assert_eq!((answered, asked), (CALLS, CALLS as usize), "{place}"),
                (100, 0) => assert_eq!(answered, 0, "{place}"),
                // Nobody was spared by accident.
                (_, 0) => assert!(asked > CALLS as usize && answered > 0, "{place}"),
                (100, _) => assert!(asked < CALLS as usize / 2, "{place}: asked {asked} times"),
                _ => {}
            }
        }
    }
}

/// Only a stream that breaks off after its first piece is a call that failed.
#[tokio::test(start_paused = true)]
async fn a_healthy_target_takes_over_whatever_becomes_of_the_first() {
    const CALLS: u32 = 400;
    for percent in (0..=100).step_by(20) {
        for seed in SEEDS {
            let (one, two) = (Wavy::new("a", percent, seed), Wavy::new("b", 0, seed));
            let builder = llm(&one).provider(two.clone()).default_model("r");
            let llm = builder.route("r", Route::to("a/m").fallback("b/n")).build().unwrap();
            let answered = call(&llm, CALLS).await;
            let broken = one.shared().broken;
            assert_eq!(answered + broken, CALLS, "{percent} %, seed {seed}");
            assert_eq!(one.shared().asked_again + two.shared().asked_again, 0);
            assert!(percent > 0 || two.asked() == 0, "the second was asked for nothing");
        }
    }
}

/// Many callers at once, for minutes: three failures, then one call after each rest; and soon
/// after the provider is well again, all calls.
#[tokio::test(start_paused = true)]
async fn one_call_tries_a_target_after_each_rest() {
    for outage in [1, 12, 40, 100, 300] {
        let provider = Wavy { is_down: true, ..Wavy::new("a", 100, 0) };
        let once = RetryPolicy::default().attempts(1);
        let policy = BreakerPolicy::default();
        let llm = llm(&provider).retry(once).build().unwrap();
        for _ in 0..policy.failures {
            assert!(llm.breakers().all(|(_, state)| state == BreakerState::Closed));
            llm.chat(ChatRequest::default().user("first")).await.unwrap_err();
        }
        let (opened, first) = (Instant::now(), provider.asked());
        let crowd = async |seconds: u64| {
            for tick in 0..seconds * 4 {
                let ask = async |caller: u32| {
                    let id = format!("{tick} {caller}");
                    llm.chat(ChatRequest::default().user(id)).await.is_ok()
                };
                let answers = join_all((0..16).map(ask));
                let ((), answers) = tokio::join!(sleep(Duration::from_millis(250)), answers);
                if answers.iter().all(|is_ok| *is_ok) {
                    return;
                }
            }
        };
        crowd(outage).await;
        let (mut rest, mut from) = (policy.pause, opened);
        for tried in &provider.shared().asked[first..] {
            let after = *tried - from;
            assert!(after >= rest, "tried after {after:?} of {rest:?}");
            assert!(after < rest + Duration::from_secs(1), "not tried for {after:?} of {rest:?}");
            (from, rest) = (*tried + Duration::from_millis(200), policy.pause_max.min(rest * 2));
        }
        provider.set(0);
        let well = Instant::now();
        crowd(600).await;
        assert!(well.elapsed() < policy.pause_max + Duration::from_secs(1), "{:?}", well.elapsed());
        assert!(llm.breakers().all(|(_, state)| state == BreakerState::Closed));
    }
}
