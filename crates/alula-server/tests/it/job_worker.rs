//! `alula worker`: a process that does jobs, and nothing else.

use std::{fs, time::Duration};

use serde_json::json;

use crate::{
    database::on_each,
    process::{Alula, PATIENCE, Start, alula, serve, serve_openai},
    upstream::{Upstream, answer},
};

const COMPLETION: &str = r#"{"choices": [{"index": 0, "finish_reason": "stop",
    "message": {"role": "assistant", "content": "hi"}}]}"#;

/// A server that leaves its jobs to others.
fn idle(upstream: &Upstream, database: &str) -> Alula {
    let server = serve_openai(&upstream.url()).env("DATABASE_URL", database);
    server.env("ALULA_JOBS_RUNNING_MAX", "0").listen()
}

fn worker(upstream: &Upstream, database: &str) -> Start {
    let worker = alula(&["worker", "--port", "0"]).env("DATABASE_URL", database);
    // As in an environment that it shares with a server.
    let worker = worker.env("ALULA_PORT", "1").env("ALULA_JOBS_LEASE_SECONDS", "600");
    worker.env("OPENAI_API_KEY", "sk-test").env("OPENAI_BASE_URL", upstream.url())
}

#[tokio::test]
async fn a_worker_answers_what_a_server_leaves_to_it() {
    on_each(async |database| {
        let upstream = Upstream::start();
        let server = idle(&upstream, database);
        let url = server.accepted("/chat", &json!({"message": "Hi"})).await;
        assert_eq!(server.get(&url).await.is(200)["status"], "queued");
        assert!(upstream.is_left_alone());
        let mut worker = worker(&upstream, database).listen();
        upstream.call().await.answer(&answer("200 OK", COMPLETION)).await;
        let done = server.job_ended(&url).await;
        assert_eq!(
            (&done["status"], &done["result"]["response"]),
            (&json!("succeeded"), &json!("hi"))
        );
        // It says how it is, and no more.
        worker.get("/health/live").await.is(200);
        assert_eq!(worker.get("/health/ready").await.is(200)["status"], "healthy");
        let metrics = worker.get("/metrics").await;
        assert!(metrics.text.contains(r#"alula_job_run_seconds_count{queue="requests""#));
        assert!(metrics.text.contains(r#"provider="openai""#), "{}", metrics.text);
        worker.get("/jobs").await.is(404);
        worker.post("/chat", &json!({"message": "Hi"})).await.is(404);
        worker.signal("TERM");
        assert_eq!(worker.ended().code(), Some(0));
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_stops_finishes_what_it_can_and_gives_back_the_rest() {
    on_each(async |database| {
        let upstream = Upstream::start();
        let server = idle(&upstream, database);
        let body = json!({"message": "Hi"});
        let first = server.accepted("/chat", &body).await;
        let mut one = worker(&upstream, database)
            .env("ALULA_JOBS_RUNNING_MAX", "1")
            .env("ALULA_DRAIN_SECONDS", "600")
            .listen();
        let call = upstream.call().await;
        let second = server.accepted("/chat", &body).await;
        one.signal("TERM");
        one.logged("draining");
        call.answer(&answer("200 OK", COMPLETION)).await;
        assert_eq!(server.job_ended(&first).await["status"], "succeeded");
        assert_eq!(one.ended().code(), Some(0));
        assert_eq!(server.get(&second).await.is(200)["status"], "queued", "nothing new is taken");

        let mut two = worker(&upstream, database).env("ALULA_DRAIN_SECONDS", "0.3").listen();
        let call = upstream.call().await;
        two.signal("TERM");
        call.closed().await;
        assert_eq!(two.ended().code(), Some(0));
        // Its lease would last for ten minutes.
        let given_back = server.get(&second).await.is(200);
        assert_eq!((&given_back["status"], &given_back["attempts"]), (&json!("queued"), &json!(0)));
        let _three = worker(&upstream, database).listen();
        upstream.call().await.answer(&answer("200 OK", COMPLETION)).await;
        assert_eq!(server.job_ended(&second).await["attempts"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_worker_without_a_port_works_and_ends_alike() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let server = serve().env("DATABASE_URL", &database).env("ALULA_JOBS_RUNNING_MAX", "0").listen();
    let url = server.accepted("/chat", &json!({"message": "Hi"})).await;
    let mut worker = alula(&["worker", "--jobs-running-max", "3"])
        .env("DATABASE_URL", &database)
        .env("ALULA_JOBS_RUNNING_MAX", "0")
        .spawn();
    worker.prints(PATIENCE, |text| text.contains(" does jobs, 3 at a time\n").then_some(()));
    assert_eq!(server.job_ended(&url).await["status"], "succeeded");
    worker.signal("TERM");
    assert_eq!(worker.ended().code(), Some(0));
    assert_eq!(worker.count_logged("listen"), 0);
    assert_eq!(worker.count_logged("serving on"), 0);
}

#[test]
fn a_worker_that_could_do_nothing_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let file = || alula(&["worker"]).env("DATABASE_URL", &database);
    for (start, reason) in [
        (alula(&["worker"]), "DATABASE_URL is in memory"),
        (file().env("ALULA_JOBS_RUNNING_MAX", "0"), "ALULA_JOBS_RUNNING_MAX is 0"),
        (file().env("ALULA_JOBS_RUNNING_MAX", "many"), "--jobs-running-max"),
        (file().env("ALULA_WORKER_PORT", "0").env("ALULA_HOST", "0.0.0.0"), "need no key"),
    ] {
        let ended = start.end();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(reason), "{ended:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_worker_reads_its_configuration_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let path = folder.path().join("alula.toml");
    let write = |name: &str| {
        let new = folder.path().join("new");
        fs::write(&new, format!("[models.{name}]\ntargets = [\"demo/{name}\"]\n")).unwrap();
        fs::rename(new, &path).unwrap();
    };
    write("one");
    let start = |arguments: &[&str]| {
        let start = alula(&[arguments, &["--config", path.to_str().unwrap()]].concat());
        start.env("DATABASE_URL", &database)
    };
    let server = start(&["serve", "--port", "0"]).env("ALULA_JOBS_RUNNING_MAX", "0").listen();
    let worker = start(&["worker", "--port", "0"]).listen();
    write("two");
    server.logged("the configuration was read again");
    worker.logged("the configuration was read again");
    let url = server.accepted("/chat", &json!({"message": "Hi", "model": "two"})).await;
    assert_eq!(server.job_ended(&url).await["status"], "succeeded");
    worker.signal("HUP");
    let twice = async {
        while worker.count_logged("the configuration was read again") < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, twice).await.expect("it is read at SIGHUP");
}
