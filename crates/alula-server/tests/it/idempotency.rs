//! `Idempotency-Key`: what is asked again is answered again, and executed once.

mod killed;

use std::time::{Duration, Instant};

use alula_llm::testing::{FakeProvider, Fault};
use futures_util::future::join_all;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    client::{Answer, http},
    keyed::until,
    postgres::Postgres,
    process::{Alula, PATIENCE, Start, serve_openai},
    upstream::{STREAM_END, STREAM_HEAD, Upstream, answer, token},
};

const HELLO: &str = r#"{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}"#;

/// Posts with the header.
async fn ask(alula: &Alula, path: &str, key: &str, body: &Value) -> Answer {
    let request = http().post(alula.url(path)).header("idempotency-key", key);
    Answer::of(request.json(body)).await
}

/// A request on its way.
struct Sending(JoinSet<reqwest::Result<Response>>);

impl Sending {
    fn to(alula: &Alula, path: &str, key: &str) -> Self {
        let request = http().post(alula.url(path)).header("idempotency-key", key);
        Self::of(request.json(&question()))
    }

    fn of(request: RequestBuilder) -> Self {
        let mut set = JoinSet::new();
        set.spawn(request.send());
        Self(set)
    }

    async fn sent(mut self) -> reqwest::Result<Response> {
        self.0.join_next().await.unwrap().unwrap()
    }
}

fn question() -> Value {
    json!({"message": "Hi"})
}

/// Asks until the first request with the key is over.
async fn until_answered(alula: &Alula, path: &str, key: &str) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask(alula, path, key, &question()).await;
        if answer.status != 409 {
            return answer;
        }
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
        assert!(Instant::now() < deadline, "the request still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_equal_requests_are_one_call() {
    let provider = FakeProvider::start().await;
    provider.always().says("Hello");
    let alula = serve_openai(&provider.url()).listen();
    let all = (0..64).map(|_| until_answered(&alula, "/chat", "one"));
    let answers = join_all(all).await;
    assert_eq!(provider.request_count(), 1);
    assert!(answers.iter().all(|answer| answer.text == answers[0].text), "{answers:?}");
    assert_eq!(answers[0].is(200)["response"], "Hello");
    assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
    // Without the header each request is one of its own.
    alula.post("/chat", &question()).await.is(200);
    alula.post("/chat", &question()).await.is(200);
    assert_eq!(provider.request_count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_for_one_request() {
    let provider = FakeProvider::start().await;
    provider.always().says("Hello");
    let alula = serve_openai(&provider.url()).listen();
    ask(&alula, "/chat", "k", &question()).await.is(200);
    let other = ask(&alula, "/chat", "k", &json!({"message": "Hi!"})).await;
    assert!(other.detail(422).contains("another request"), "{other:?}");
    let elsewhere = ask(&alula, "/chat/stream", "k", &question()).await;
    assert!(elsewhere.detail(422).contains("another request"), "{elsewhere:?}");
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    let openai = ask(&alula, "/v1/chat/completions", "k", &chat).await.is(422);
    assert!(openai["error"]["message"].as_str().unwrap().contains("another request"));
    for (name, value) in [("prefer", "respond-async"), ("anthropic-beta", "files")] {
        let request = http().post(alula.url("/chat")).header("idempotency-key", "k");
        let other = Answer::of(request.header(name, value).json(&question())).await;
        assert!(other.detail(422).contains("another request"), "{name}: {other:?}");
    }
    let long = "k".repeat(256);
    for key in ["", &long] {
        let refused = ask(&alula, "/chat", key, &question()).await;
        assert!(refused.detail(400).contains("1 to 255"), "{refused:?}");
    }
    ask(&alula, "/chat", &long[1..], &question()).await.is(200);
    assert_eq!(provider.request_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_was_executed_is_kept_and_a_refusal_is_not() {
    let provider = FakeProvider::start().await;
    let alula = serve_openai(&provider.url()).env("ALULA_ATTEMPTS", "1").listen();
    // What is not valid is never executed.
    let invalid = json!({"message": "Hi", "temperature": 9});
    assert_eq!(ask(&alula, "/chat", "k", &invalid).await.status, 422);
    provider.turn().then(Fault::Status(429));
    assert_eq!(ask(&alula, "/chat", "k", &question()).await.status, 429);
    provider.turn().then(Fault::Status(400));
    let first = ask(&alula, "/chat", "k", &question()).await;
    let again = ask(&alula, "/chat", "k", &question()).await;
    assert_eq!(first.status, 400);
    assert_eq!((again.status, &again.text), (400, &first.text));
    assert!(is_replayed(&again) && !is_replayed(&first));
    provider.turn().then(Fault::Status(500));
    let first = ask(&alula, "/chat", "l", &question()).await;
    let again = ask(&alula, "/chat", "l", &question()).await;
    assert!(first.status >= 500, "{first:?}");
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(provider.request_count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_finished_without_its_client_and_given_again() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let sending = Sending::to(&alula, "/chat/stream", "s");
    let mut call = upstream.call().await;
    call.send(&format!("{STREAM_HEAD}{}", token("first"))).await;
    let mut response = sending.sent().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    assert_eq!(ask(&alula, "/chat/stream", "s", &question()).await.status, 409);
    drop(response);
    call.answer(&format!("{}{STREAM_END}", token("second"))).await;
    let again = until_answered(&alula, "/chat/stream", "s").await;
    assert!(is_replayed(&again));
    assert!(again.header("content-type").starts_with("text/event-stream"), "{again:?}");
    let data: Vec<String> = again.events().into_iter().map(|event| event.data).collect();
    assert_eq!(data[..2], [r#"{"token":"first"}"#, r#"{"token":"second"}"#]);
    assert_eq!(data.last().unwrap(), "[DONE]");
    assert!(upstream.is_left_alone());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_not_executed_again() {
    let provider = FakeProvider::start().await;
    provider.always().says("Hello");
    let start = serve_openai(&provider.url()).env("ALULA_IDEMPOTENCY_BYTES_MAX", "10");
    let alula = start.listen();
    assert_eq!(ask(&alula, "/chat", "k", &question()).await.is(200)["response"], "Hello");
    let again = ask(&alula, "/chat", "k", &question()).await;
    assert!(again.detail(410).contains("too large"), "{again:?}");
    assert_eq!(provider.request_count(), 1);
}

/// Posts with the header and asks for the answer later.
async fn ask_later(alula: &Alula, key: &str) -> Answer {
    let request = http().post(alula.url("/chat")).header("idempotency-key", key);
    Answer::of(request.header("prefer", "respond-async").json(&question())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_gone_is_made_again() {
    let provider = FakeProvider::start().await;
    provider.always().says("Hello");
    let dir = TempDir::new().unwrap();
    let database = format!("sqlite://{}", dir.path().join("alula.db").display());
    let alula = over(&database, &provider.url()).listen();
    let accepted = ask_later(&alula, "j").await;
    let url = accepted.is(202)["url"].as_str().unwrap().to_owned();
    alula.job_ended(&url).await;
    let again = ask_later(&alula, "j").await;
    assert_eq!((again.status, &again.text), (202, &accepted.text));
    assert!(is_replayed(&again));
    assert_eq!(provider.request_count(), 1);
    alula.end();

    // The next process knows the key and the job, as long as it is kept.
    let alula = over(&database, &provider.url()).listen();
    let again = ask_later(&alula, "j").await;
    assert_eq!((is_replayed(&again), &again.text), (true, &accepted.text));
    alula.end();
    let kept = over(&database, &provider.url()).env("ALULA_JOBS_KEPT_SECONDS", "0.2");
    let alula = kept.listen();
    let gone = async { while alula.get(&url).await.status != 404 {} };
    timeout(PATIENCE, gone).await.expect("it is forgotten");
    alula.end();

    let alula = over(&database, &provider.url()).listen();
    let anew = ask_later(&alula, "j").await;
    assert!(!is_replayed(&anew), "{anew:?}");
    let other = anew.is(202)["url"].as_str().unwrap().to_owned();
    assert_ne!(other, url);
    assert_eq!(alula.job_ended(&other).await["result"]["response"], "Hello");
    let again = ask_later(&alula, "j").await;
    assert_eq!((is_replayed(&again), &again.text), (true, &anew.text));
    assert_eq!(provider.request_count(), 2);
}

/// How long a process is believed to execute a request of which nothing is heard: longer than it
/// takes on a busy machine to ask once more.
const LEASE: Duration = Duration::from_secs(5);

/// A server over a database that others use, too.
fn over(database: &str, upstream: &str) -> Start {
    let lease = LEASE.as_secs().to_string();
    let start = serve_openai(upstream).env("DATABASE_URL", database);
    start.env("ALULA_IDEMPOTENCY_LEASE_SECONDS", lease)
}

/// Two processes over one database: one call, and the answer of one is that of the other. One that
/// is killed within the call loses it after its lease, one that is killed after it loses nothing.
async fn processes_share(database: &str) {
    let upstream = Upstream::start();
    let (one, two) =
        (over(database, &upstream.url()).listen(), over(database, &upstream.url()).listen());
    let first = Sending::to(&one, "/chat", "a");
    let call = upstream.call().await;
    assert_eq!(ask(&two, "/chat", "a", &question()).await.status, 409);
    call.answer(&answer("200 OK", HELLO)).await;
    assert_eq!(first.sent().await.unwrap().status().as_u16(), 200);
    let again = ask(&two, "/chat", "a", &question()).await;
    assert!(is_replayed(&again));
    assert_eq!(again.is(200)["response"], "Hello");

    // Killed while the provider works: nothing is known of the answer.
    let lost = Sending::to(&one, "/chat", "b");
    let call = upstream.call().await;
    one.signal("KILL");
    assert!(lost.sent().await.is_err());
    drop(call);
    assert_eq!(ask(&two, "/chat", "b", &question()).await.status, 409);
    let (call, next) = tokio::join!(
        async { upstream.call().await.answer(&answer("200 OK", HELLO)).await },
        until_answered(&two, "/chat", "b")
    );
    let () = call;
    assert!(!is_replayed(&next));
    assert_eq!(next.is(200)["response"], "Hello");

    // Killed after it has answered: the answer is there, and the lease was renewed meanwhile.
    let three = over(database, &upstream.url()).listen();
    let slow = Sending::to(&two, "/chat", "c");
    let call = upstream.call().await;
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(ask(&three, "/chat", "c", &question()).await.status, 409);
    call.answer(&answer("200 OK", HELLO)).await;
    slow.sent().await.unwrap();
    two.signal("KILL");
    assert!(is_replayed(&ask(&three, "/chat", "c", &question()).await));
    for key in ["a", "b"] {
        assert!(is_replayed(&ask(&three, "/chat", key, &question()).await), "{key}");
    }
    assert!(upstream.is_left_alone());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_over_one_file_share_what_is_known() {
    let dir = TempDir::new().unwrap();
    processes_share(&format!("sqlite://{}", dir.path().join("alula.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_over_one_postgres_share_what_is_known() {
    let Some(postgres) = Postgres::start() else { return };
    processes_share(&postgres.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_nothing_is_executed() {
    let Some(mut postgres) = Postgres::start() else { return };
    let upstream = Upstream::start();
    let alula = over(&postgres.url(), &upstream.url()).listen();
    alula.logged("serving on");
    postgres.kill();
    let refused = ask(&alula, "/chat", "k", &question()).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(upstream.is_left_alone());
}

/// A key that was made is noticed within a second.
async fn until_keys_are_needed(alula: &Alula) {
    let deadline = Instant::now() + PATIENCE;
    while alula.get("/v1/models").await.status != 401 {
        assert!(Instant::now() < deadline, "no key is needed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Callers cannot see each other's answers, whatever keys they choose.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_of_another_caller_is_another_one() {
    let provider = FakeProvider::start().await;
    provider.always().says("Hello");
    let alula = serve_openai(&provider.url()).listen();
    let made = async |name: &str, key: Option<&str>| {
        let mut request = http().post(alula.url("/admin/keys"));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let body = json!({"name": name, "scopes": ["models", "admin"]});
        let answer = Answer::of(request.json(&body)).await;
        answer.json()["key"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    };
    let one = made("one", None).await;
    let two = made("two", Some(&one)).await;
    until_keys_are_needed(&alula).await;
    let with = async |key: &str| {
        let request = http().post(alula.url("/chat")).header("idempotency-key", "same");
        Answer::of(request.bearer_auth(key).json(&question())).await
    };
    let first = [with(&one).await, with(&two).await];
    assert!(!first.iter().any(is_replayed));
    assert_eq!(provider.request_count(), 2);
    let again = [with(&one).await, with(&two).await];
    assert!(again.iter().all(is_replayed));
    assert_eq!(provider.request_count(), 2);
    // Who has no key gets nothing of what was kept.
    let refused = ask(&alula, "/chat", "same", &question()).await;
    assert_eq!(refused.status, 401);
}
