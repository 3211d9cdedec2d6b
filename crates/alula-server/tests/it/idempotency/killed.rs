//! Processes that are killed within a request: wherever it happens, the next attempt is answered,
//! and from then on always in the same way.
//!
//! The points are those between which something is written or sent: before the claim is written,
//! after it, while the provider works (which is in the module above), within a stream, before the
//! answer is written, and after it.

use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::*;

/// The database that processes share, as seen from beside them.
struct Database {
    url: String,
    _postgres: Option<Postgres>,
    _dir: TempDir,
}

/// Nobody else can write while it is there.
enum Hold {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    /// A file, and a Postgres where there is one.
    fn each() -> impl Iterator<Item = Self> {
        let dir = TempDir::new().unwrap();
        let url = format!("sqlite://{}", dir.path().join("alula.db").display());
        let file = Self { url, _postgres: None, _dir: dir };
        let postgres = Postgres::start().map(|postgres| Self {
            url: postgres.url(),
            _postgres: Some(postgres),
            _dir: TempDir::new().unwrap(),
        });
        [Some(file), postgres].into_iter().flatten()
    }

    /// A server that is believed to execute a request for a second after the last news of it.
    fn serve(&self, upstream: &Upstream) -> Alula {
        let start = serve_openai(&upstream.url()).env("DATABASE_URL", &self.url);
        start.env("ALULA_IDEMPOTENCY_LEASE_SECONDS", "1").listen()
    }

    async fn hold(&self) -> Hold {
        if self.url.starts_with("sqlite:") {
            let mut file = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut file).await.unwrap();
            return Hold::Sqlite(file);
        }
        let mut postgres = PgConnection::connect(&self.url).await.unwrap();
        let lock = "BEGIN; LOCK TABLE idempotency IN EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut postgres).await.unwrap();
        Hold::Postgres(postgres)
    }

    /// How many requests are known, and how many of them were answered.
    async fn known(&self) -> (i64, i64) {
        let count = "SELECT COUNT(*), COUNT(status) FROM idempotency";
        if self.url.starts_with("sqlite:") {
            let mut file = SqliteConnection::connect(&self.url).await.unwrap();
            return sqlx::query_as(count).fetch_one(&mut file).await.unwrap();
        }
        let mut postgres = PgConnection::connect(&self.url).await.unwrap();
        sqlx::query_as(count).fetch_one(&mut postgres).await.unwrap()
    }

    /// As if the process had been killed before the answers were written.
    async fn forget_answers(&self) {
        let forget = "UPDATE idempotency SET status = NULL, headers = NULL, body = NULL, \
                      lease_until = 1";
        if self.url.starts_with("sqlite:") {
            let mut file = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(forget).execute(&mut file).await.unwrap();
            return;
        }
        let mut postgres = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(forget).execute(&mut postgres).await.unwrap();
    }

    async fn until_known(&self, expected: (i64, i64)) {
        until("it is written", async || self.known().await == expected).await;
    }
}

impl Hold {
    async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// Waits for a line of the metrics.
async fn until_counted(alula: &Alula, is_it: impl Fn(&str) -> bool) {
    until("it is counted", async || alula.get("/metrics").await.text.lines().any(&is_it)).await;
}

/// An answer of the provider that says this.
fn saying(text: &str) -> String {
    answer("200 OK", &HELLO.replace("Hello", text))
}

/// The next attempt is executed, and what it says is said again.
async fn is_executed_once_more(alula: &Alula, upstream: &Upstream, path: &str, reply: &str) {
    let executed = async { upstream.call().await.answer(reply).await };
    let ((), next) = tokio::join!(executed, until_answered(alula, path, "k"));
    assert!(!is_replayed(&next), "{next:?}");
    assert_eq!(next.status, 200, "{next:?}");
    let again = ask(alula, path, "k", &question()).await;
    assert_eq!((is_replayed(&again), &again.text), (true, &next.text));
    assert!(upstream.is_left_alone(), "it is executed twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_claim_is_written_nothing_was_begun() {
    for database in Database::each() {
        let upstream = Upstream::start();
        let (one, two) = (database.serve(&upstream), database.serve(&upstream));
        let hold = database.hold().await;
        let lost = Sending::to(&one, "/chat", "k");
        // The other one is that for the metrics.
        until_counted(&one, |line| line == "alula_http_requests_in_flight 2").await;
        one.signal("KILL");
        assert!(lost.sent().await.is_err());
        assert!(upstream.is_left_alone());
        hold.release().await;
        // Nobody has to wait for a lease.
        let executed = async { upstream.call().await.answer(&saying("Hello")).await };
        let question = question();
        let ((), next) = tokio::join!(executed, ask(&two, "/chat", "k", &question));
        assert_eq!((next.status, is_replayed(&next)), (200, false), "{next:?}");
        let again = ask(&two, "/chat", "k", &question).await;
        assert_eq!((is_replayed(&again), &again.text), (true, &next.text));
        assert!(upstream.is_left_alone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_claim_the_next_one_waits_for_its_lease() {
    for database in Database::each() {
        // One that takes no calls.
        let (busy, upstream) = (Upstream::start(), Upstream::start());
        let (one, two) = (database.serve(&busy), database.serve(&upstream));
        let lost = Sending::to(&one, "/chat", "k");
        database.until_known((1, 0)).await;
        one.signal("KILL");
        assert!(lost.sent().await.is_err());
        is_executed_once_more(&two, &upstream, "/chat", &saying("Hello")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_stream_that_broke_off_with_its_process_nothing_is_given_again() {
    for database in Database::each() {
        let upstream = Upstream::start();
        let (one, two) = (database.serve(&upstream), database.serve(&upstream));
        let sending = Sending::to(&one, "/chat/stream", "k");
        let mut call = upstream.call().await;
        call.send(&format!("{STREAM_HEAD}{}", token("lost"))).await;
        let mut begun = sending.sent().await.unwrap();
        assert!(begun.chunk().await.unwrap().is_some());
        one.signal("KILL");
        while let Ok(Some(_)) = begun.chunk().await {}
        let reply = format!("{STREAM_HEAD}{}{STREAM_END}", token("whole"));
        is_executed_once_more(&two, &upstream, "/chat/stream", &reply).await;
        let again = ask(&two, "/chat/stream", "k", &question()).await;
        assert!(!again.text.contains("lost") && again.text.contains("whole"), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_not_written_was_given_to_nobody() {
    for database in Database::each() {
        let upstream = Upstream::start();
        let (one, two) = (database.serve(&upstream), database.serve(&upstream));
        let lost = Sending::to(&one, "/chat", "k");
        let call = upstream.call().await;
        let hold = database.hold().await;
        call.answer(&saying("Lost")).await;
        let is_answered = |line: &str| {
            line.starts_with("alula_llm_calls_total{")
                && line.contains("outcome=\"answered\"")
                && line.ends_with(" 1")
        };
        until_counted(&one, is_answered).await;
        one.signal("KILL");
        assert!(lost.sent().await.is_err(), "the client has what is not kept");
        hold.release().await;
        assert_eq!(database.known().await, (1, 0));
        is_executed_once_more(&two, &upstream, "/chat", &saying("Hello")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_written_is_given_again() {
    for database in Database::each() {
        let upstream = Upstream::start();
        let (one, two) = (database.serve(&upstream), database.serve(&upstream));
        let first = Sending::to(&one, "/chat", "k");
        upstream.call().await.answer(&saying("Hello")).await;
        database.until_known((1, 1)).await;
        one.signal("KILL");
        // The client may have got it or not.
        let seen = match first.sent().await {
            Ok(response) => response.text().await.ok(),
            Err(_) => None,
        };
        let again = ask(&two, "/chat", "k", &question()).await;
        assert_eq!(again.is(200)["response"], "Hello");
        assert!(is_replayed(&again));
        assert!(seen.is_none_or(|seen| seen == again.text));
        assert!(upstream.is_left_alone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_a_job_and_its_answer_nothing_is_enqueued_twice() {
    for database in Database::each() {
        let provider = FakeProvider::start().await;
        provider.always().says("Hello");
        // What was being done when the first one ended is free after a second.
        let serve = || serve_openai(&provider.url()).env("ALULA_JOBS_LEASE_SECONDS", "1");
        let serve = || serve().env("DATABASE_URL", &database.url).listen();
        let batch = json!({"requests": [question(), question()]});
        let one = serve();
        let job = ask_later(&one, "job").await.is(202)["job_id"].clone();
        let many = ask(&one, "/batches", "batch", &batch).await.is(202)["batch_id"].clone();
        one.signal("KILL");
        database.forget_answers().await;
        let two = serve();
        let again = ask_later(&two, "job").await;
        assert_eq!((is_replayed(&again), &again.is(202)["job_id"]), (false, &job));
        let again = ask(&two, "/batches", "batch", &batch).await;
        assert_eq!((is_replayed(&again), &again.is(202)["batch_id"]), (false, &many));
        let view = format!("/batches/{}", many.as_str().unwrap());
        let ended = async || two.get(&view).await.is(200)["status"] == "completed";
        until("the batch has ended", ended).await;
        assert_eq!(two.get(&view).await.is(200)["progress"]["total"], 2);
        let jobs = two.get("/jobs").await;
        assert_eq!(jobs.is(200)["jobs"].as_array().unwrap().len(), 1, "{jobs:?}");
    }
}
