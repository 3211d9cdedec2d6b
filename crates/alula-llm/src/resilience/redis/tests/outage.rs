//! A Redis that goes and comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture, future::join_all};
use tracing::{Level, Metadata, Subscriber, span};

use super::{
    super::{
        super::{breaker::Breaker, limiter::Limiter},
        JOBS_MAX,
    },
    Redis, Server, sharing, until,
};
use crate::{
    BreakerPolicy, BreakerState, ChatRequest, ChatResponse, ChatStream, Error, ErrorKind, Llm,
    Provider, RateLimit, Result, RetryPolicy, resilience::Sharing,
};

/// Answers, or not, as its model is called.
#[derive(Debug)]
struct Fake;

impl Provider for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        let answer = match request.model.as_str() {
            "up" => Ok(ChatResponse::default()),
            _ => Err(Error::new(ErrorKind::Unavailable, "down")),
        };
        async { answer }.boxed()
    }

    fn stream<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        async { Err(Error::new(ErrorKind::InvalidRequest, "no streams")) }.boxed()
    }
}

fn llm(server: &Server, requests: u64) -> Llm {
    let redis = Redis::new(&server.url()).unwrap().timeout(TIMEOUT);
    let limit = RateLimit::default().requests(requests).wait_max(Duration::ZERO);
    let builder = Llm::builder().provider(Fake).shared_state(redis).rate_limit("fake", limit);
    builder.retry(RetryPolicy { attempts: 1, ..RetryPolicy::default() }).build().unwrap()
}

/// Far longer than by default, as the machine may be busy with other tests.
const TIMEOUT: Duration = Duration::from_secs(5);

fn up() -> ChatRequest {
    ChatRequest::new("up").user("hi")
}

/// Counts warnings and what is said at the level of information.
#[derive(Debug, Clone, Default)]
struct Log {
    warnings: Arc<AtomicU32>,
    infos: Arc<AtomicU32>,
}

impl Log {
    fn counts(&self) -> (u32, u32) {
        (self.warnings.load(Ordering::Relaxed), self.infos.load(Ordering::Relaxed))
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("alula_llm")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        match *event.metadata().level() {
            Level::WARN | Level::ERROR => _ = self.warnings.fetch_add(1, Ordering::Relaxed),
            Level::INFO => _ = self.infos.fetch_add(1, Ordering::Relaxed),
            _ => {}
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn calls_go_on_without_redis_and_are_shared_again_with_it() {
    let Some(mut server) = Server::start() else { return };
    let log = Log::default();
    let _log = tracing::subscriber::set_default(log.clone());
    let [one, two] = [llm(&server, 1_000), llm(&server, 1_000)];
    let is_away = |llm: &Llm| llm.shared_state().unwrap().is_away;
    for llm in [&one, &two] {
        llm.chat(up()).await.unwrap();
        assert!(!is_away(llm));
    }

    server.kill();
    let started = Instant::now();
    for llm in [&one, &two] {
        for answer in join_all((0..50).map(|_| llm.chat(up()))).await {
            answer.unwrap();
        }
        for _ in 0..50 {
            llm.chat(up()).await.unwrap();
        }
        assert!(is_away(llm));
    }
    // A refused connection is seen at once.
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    assert_eq!(log.counts(), (2, 0), "one warning of each");

    server.restart();
    until("it did not come back", async || !is_away(&one) && !is_away(&two)).await;
    assert_eq!(log.counts(), (2, 2), "one word of each");
    let down = || ChatRequest::new("down").user("hi");
    for _ in 0..3 {
        one.chat(down()).await.unwrap_err();
    }
    let is_left_alone = async || {
        let error = two.chat(down()).await.unwrap_err();
        matches!(error.kind(), ErrorKind::Overloaded { .. })
    };
    until("the breaker is not shared", is_left_alone).await;
    let mut states = two.breakers();
    assert!(states.any(|(model, state)| model.ends_with("/down") && state == BreakerState::Open));
    // The other models of the provider go on.
    two.chat(up()).await.unwrap();
    assert_eq!(log.counts(), (2, 2));
}

/// What a process has used itself it knows in any case.
#[tokio::test]
async fn a_process_holds_to_the_limit_through_an_outage() {
    let Some(mut server) = Server::start() else { return };
    let [one, two] = [llm(&server, 5), llm(&server, 5)];
    for llm in [&one, &one, &two] {
        llm.chat(up()).await.unwrap();
    }
    server.kill();
    for _ in 0..3 {
        one.chat(up()).await.unwrap();
    }
    let is_limited = async |llm: &Llm| {
        let error = llm.chat(up()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RateLimited { .. }), "{error}");
    };
    is_limited(&one).await;
    // The new Redis knows of nothing.
    server.restart();
    until("it did not come back", async || !one.shared_state().unwrap().is_away).await;
    is_limited(&one).await;
    for _ in 0..4 {
        two.chat(up()).await.unwrap();
    }
    is_limited(&two).await;
}

/// What there is no room to report is not forgotten silently; the rest waits for Redis.
#[tokio::test]
async fn reports_that_find_no_room_are_counted() {
    let Some(mut server) = Server::start() else { return };
    let sharing = sharing(&server);
    let limit = RateLimit::default().tokens(1_000_000);
    let limiter = Limiter::new(limit, Some(sharing.of("limit:test")));
    let mut turns = Vec::new();
    for _ in 0..JOBS_MAX + 500 {
        turns.push(limiter.reserve(10).await.unwrap());
    }
    server.kill();
    turns.into_iter().for_each(|turn| turn.settle(5));
    assert_eq!(sharing.state().reports_lost, 500);
    until("nobody saw it go", async || sharing.state().is_away).await;
    server.restart();
    until("it did not come back", async || !sharing.state().is_away).await;
    limiter.reserve(10).await.unwrap();
    // Those that were on their way may have arrived or not.
    assert!((500..700).contains(&sharing.state().reports_lost), "{:?}", sharing.state());
}

/// However many ask at once, a Redis that answers is what they go by.
#[tokio::test]
async fn a_crowd_waits_for_its_turn_at_redis() {
    let Some(server) = Server::start() else { return };
    let limit = RateLimit::default().requests(2_500).wait_max(Duration::ZERO);
    let processes = [sharing(&server), sharing(&server)];
    let limiters = processes.clone().map(|it| Limiter::new(limit, Some(it.of("limit:test"))));
    // Nobody answers before all of them have asked.
    let crowd = limiters.iter().flat_map(|limiter| (0..2 * JOBS_MAX).map(|_| limiter.reserve(0)));
    let turns: Vec<_> = join_all(crowd).await.into_iter().flatten().collect();
    assert_eq!(turns.len(), 2_500);
    for process in processes {
        assert_eq!((process.state().asked_in_vain, process.state().reports_lost), (0, 0));
    }
    turns.into_iter().for_each(|turn| turn.keep());
}

/// Who finds no answer in time is counted, and said of.
#[tokio::test]
async fn a_redis_that_does_not_keep_up_is_told_of() {
    let Some(server) = Server::start() else { return };
    let log = Log::default();
    let _log = tracing::subscriber::set_default(log.clone());
    let redis = Redis::new(&server.url()).unwrap().timeout(Duration::from_millis(100));
    let sharing = redis.open();
    let limiter = Limiter::new(RateLimit::default().requests(9), Some(sharing.of("limit:test")));
    until("it has begun", async || {
        limiter.reserve(0).await.is_ok_and(|it| it.shared_slot().is_some())
    })
    .await;
    let (before, warnings) = (sharing.state().asked_in_vain, log.counts().0);
    let mut redis = server.connect().await;
    redis::cmd("CLIENT").arg("PAUSE").arg(2_000).exec_async(&mut redis).await.unwrap();
    let alone = limiter.reserve(0).await.unwrap();
    assert_eq!(alone.shared_slot(), None);
    assert_eq!(sharing.state().asked_in_vain, before + 1);
    assert!(log.counts().0 > warnings || !(before + 1).is_power_of_two());
}

/// A Redis that takes connections and says nothing costs each call its timeout at first, and then
/// nothing.
#[tokio::test]
async fn a_silent_redis_is_not_waited_for_again_and_again() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let redis = Redis::new(&url).unwrap().timeout(Duration::from_millis(50));
    let llm = Llm::builder().provider(Fake).shared_state(redis).build().unwrap();
    let started = Instant::now();
    for _ in 0..200 {
        llm.chat(up()).await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(llm.shared_state().unwrap().is_away);
}

/// A key that holds something else is not shared; the others are none the worse for it.
#[tokio::test]
async fn a_key_that_is_spoilt_spoils_no_other() {
    let Some(server) = Server::start() else { return };
    let log = Log::default();
    let _log = tracing::subscriber::set_default(log.clone());
    let (sharing, elsewhere) = (sharing(&server), sharing(&server));
    let breaker = |sharing: &Sharing, name| {
        let policy = BreakerPolicy { failures: 3, ..BreakerPolicy::default() };
        Arc::new(Breaker::new(policy, Some(sharing.of(name))))
    };
    let [bad, good] = ["bad", "good"].map(|name| breaker(&sharing, name));
    let other = breaker(&elsewhere, "good");
    let mut redis = server.connect().await;
    redis::cmd("SET").arg("alula:bad").arg("x").exec_async(&mut redis).await.unwrap();
    for _ in 0..3 {
        let (bad, good) = tokio::join!(bad.admit(), good.admit());
        bad.unwrap().failed();
        good.unwrap().failed();
    }
    until("it was not told", async || other.admit().await.is_err()).await;
    until("none was lost", async || sharing.state().reports_lost == 3).await;
    assert!(bad.admit().await.is_err(), "it still counts on its own");
    assert!(!sharing.state().is_away);
    assert_eq!(log.counts(), (1, 0), "one warning");
}

#[tokio::test]
async fn a_redis_that_takes_nothing_more_is_away() {
    let Some(server) = Server::start() else { return };
    let sharing = sharing(&server);
    let limiter = Limiter::new(RateLimit::default().requests(9), Some(sharing.of("limit:test")));
    limiter.reserve(1).await.unwrap().turn().await;
    let mut redis = server.connect().await;
    let mut replica_of = async |host: &str, port: &str| {
        let mut command = redis::cmd("REPLICAOF");
        command.arg(host).arg(port).exec_async(&mut redis).await.unwrap();
    };
    replica_of("127.0.0.1", "1").await;
    limiter.reserve(1).await.unwrap().turn().await;
    until("it can still be written to", async || sharing.state().is_away).await;
    replica_of("NO", "ONE").await;
    until("it did not come back", async || !sharing.state().is_away).await;
}
