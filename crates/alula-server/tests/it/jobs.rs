//! Answers that come later.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    client::{Answer, http},
    process::{Alula, PATIENCE, serve, serve_openai},
    upstream::{Upstream, answer},
};

const LATER: &str = "respond-async";
const CHAT: &str = "/v1/chat/completions";
const COMPLETION: &str = r#"{"id": "1", "object": "chat.completion", "model": "m-1", "new": 1.0,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}"#;
/// How soon an upstream is stopped when its job is.
const SOON: Duration = Duration::from_secs(1);

fn question() -> Value {
    json!({"message": "Hi"})
}

fn asked() -> Value {
    json!({"model": "openai/m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]})
}

async fn plain(
    alula: &Alula,
    upstream: &Upstream,
    path: &str,
    body: &Value,
    reply: &str,
) -> Answer {
    let answering = async { upstream.call().await.answer(reply).await };
    tokio::join!(answering, alula.post(path, body)).1
}

#[tokio::test]
async fn an_answer_comes_later_and_is_that_of_the_plain_call() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    alula.logged("do not survive a restart");
    let reply = answer("200 OK", COMPLETION);
    for (path, body) in [("/chat", question()), (CHAT, asked())] {
        let at_once = plain(&alula, &upstream, path, &body, &reply).await;
        let accepted = alula.later(path, &body, LATER).await;
        let job = accepted.is(202);
        let url = job["url"].as_str().unwrap();
        assert_eq!(url, format!("/jobs/{}", job["job_id"].as_str().unwrap()));
        assert_eq!((accepted.header("location"), &job["durable"]), (url, &json!(false)));
        assert_eq!(
            (accepted.header("preference-applied"), accepted.header("retry-after")),
            (LATER, "1")
        );
        let call = upstream.call().await;
        let running = alula.get(url).await.is(200);
        assert_eq!((&running["status"], &running["attempts"]), (&json!("running"), &json!(1)));
        assert_eq!(running["progress"], json!({"done": 0, "total": 1}));
        call.answer(&reply).await;
        let done = alula.job_ended(url).await;
        assert_eq!(
            (&done["status"], &done["http_status"], &done["endpoint"]),
            (&json!("succeeded"), &json!(200), &json!(path))
        );
        assert_eq!((&done["result"], &done["error"]), (&at_once.is(200), &Value::Null));
        for moment in ["created_at", "started_at", "finished_at"] {
            assert!(done[moment].as_str().unwrap().ends_with('Z'), "{done}");
        }
        // Byte for byte, as far as it is passed on at all.
        assert!(alula.get(url).await.text.contains(&at_once.text));
    }
}

#[tokio::test]
async fn a_failure_is_that_of_the_plain_call() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url())
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_JOBS_ATTEMPTS", "1")
        .listen();
    let slow = answer("429 Too Many Requests\r\nretry-after: 3", r#"{"error":{"message":"slow"}}"#);
    for (path, body) in [("/chat", question()), (CHAT, asked()), ("/v1/messages", asked())] {
        let at_once = plain(&alula, &upstream, path, &body, &slow).await;
        let url = alula.accepted(path, &body).await;
        upstream.call().await.answer(&slow).await;
        let failed = alula.job_ended(&url).await;
        assert_eq!(
            (&failed["status"], &failed["http_status"]),
            (&json!("failed"), &json!(at_once.status))
        );
        let mut expected = at_once.is(429);
        if path == "/v1/messages" {
            assert_ne!(failed["error"]["request_id"], Value::Null);
            expected["request_id"] = failed["error"]["request_id"].clone();
        }
        assert_eq!((&failed["error"], &failed["result"]), (&expected, &Value::Null), "{path}");
        // Who waits for it gets it whole.
        let waiting = async { upstream.call().await.answer(&slow).await };
        let prefer = "respond-async, wait=60";
        let (answer, ()) = tokio::join!(alula.later(path, &body, prefer), waiting);
        assert_eq!((answer.status, answer.header("retry-after")), (429, "3"));
    }
}

#[tokio::test]
async fn every_endpoint_can_answer_later() {
    let alula = serve().listen();
    let messages = json!([{"role": "user", "content": "Hi"}]);
    for (path, body) in [
        ("/chat", question()),
        ("/batch", json!([question(), question()])),
        (CHAT, json!({"messages": messages})),
        ("/v1/responses", json!({"input": "Hi"})),
        ("/v1/messages", json!({"max_tokens": 9, "messages": messages})),
        ("/v1/embeddings", json!({"model": "demo", "input": "Hi"})),
    ] {
        let url = alula.accepted(path, &body).await;
        let done = alula.job_ended(&url).await;
        assert_eq!(done["endpoint"], path);
        assert_eq!(done["status"], "succeeded", "{done}");
        let keys =
            |body: &Value| body.as_object().map(|body| body.keys().cloned().collect::<Vec<_>>());
        assert_eq!(keys(&done["result"]), keys(&alula.post(path, &body).await.is(200)));
    }
}

#[tokio::test]
async fn who_waits_a_little_is_answered_at_once_if_there_is_an_answer() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let reply = answer("200 OK", COMPLETION);
    let answering = async { upstream.call().await.answer(&reply).await };
    let body = asked();
    let (in_time, ()) = tokio::join!(alula.later(CHAT, &body, "wait=60, respond-async"), answering);
    assert_eq!((in_time.status, &*in_time.text), (200, COMPLETION));
    assert_eq!(in_time.header("preference-applied"), "wait=60");
    // Nobody answers this one.
    let late = alula.later(CHAT, &body, "respond-async, wait=1").await;
    assert_eq!(late.is(202)["status"], "running");
    assert_eq!(late.header("preference-applied"), "respond-async, wait=1");
    // To wait alone is what everybody does.
    let answering = async {
        let (_late, call) = (upstream.call().await, upstream.call().await);
        call.answer(&reply).await;
    };
    let (plain, ()) = tokio::join!(alula.later(CHAT, &body, "wait=1"), answering);
    assert_eq!((plain.status, plain.header("preference-applied")), (200, ""));
}

#[tokio::test]
async fn what_is_wrong_is_told_before_it_is_accepted() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ANTHROPIC_API_KEY", "k").listen();
    let mut streamed = asked();
    streamed["stream"] = true.into();
    for (path, body, status) in [
        ("/chat", json!({"message": "Hi", "temperature": 9}), 422),
        ("/chat", json!({"options": {"messages": "Hi"}}), 400),
        ("/batch", json!([]), 422),
        (CHAT, json!({"model": 5}), 400),
        (CHAT, streamed.clone(), 400),
        ("/v1/responses", streamed.clone(), 400),
        ("/v1/messages", streamed, 400),
        ("/v1/messages", json!({"model": "openai/m", "messages": "Hi"}), 400),
        ("/v1/embeddings", json!({"model": "openai/m"}), 400),
    ] {
        let answer = alula.later(path, &body, LATER).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        if path.starts_with("/v1") {
            assert_ne!(answer.json()["error"], Value::Null, "{answer:?}");
        }
    }
    let list = alula.get("/jobs").await.is(200);
    assert_eq!(list, json!({"jobs": [], "next": null}));
    assert!(upstream.is_left_alone());
}

#[tokio::test]
async fn jobs_are_listed_in_pages_the_last_first() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let mut urls = Vec::new();
    for _ in 0..5 {
        urls.insert(0, alula.accepted("/chat", &question()).await);
    }
    let call = upstream.call().await;
    alula.post(&format!("{}/cancel", urls[0]), &json!({})).await.is(200);
    drop(call);
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = alula.get(&format!("/jobs?limit=2{after}")).await.is(200);
        let jobs = page["jobs"].as_array().unwrap();
        seen.extend(jobs.iter().map(|job| job["url"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, urls);
    let cancelled = alula.get("/jobs?status=cancelled").await.is(200);
    assert_eq!(cancelled["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(cancelled["jobs"][0]["url"], urls[0].as_str());
    for wrong in ["limit=0", "limit=101", "status=lost", "after=x"] {
        alula.get(&format!("/jobs?{wrong}")).await.is(422);
    }
    for wrong in ["/jobs/x", "/jobs/job_00000000000000000000000000000000"] {
        assert_eq!(alula.get(wrong).await.detail(404), "There is no such job");
        assert_eq!(alula.get(&format!("{wrong}/events")).await.status, 404);
    }
}

#[tokio::test]
async fn a_job_can_be_followed_and_found_again() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let url = alula.accepted("/batch", &json!([question(), question()])).await;
    let calls = [upstream.call().await, upstream.call().await];
    let mut stream = alula.follow(&url, None).await;
    let first = stream.next().await.unwrap();
    assert_eq!((&*first.name, &first.json()["status"]), ("status", &json!("running")));
    let [one, two] = calls;
    one.answer(&answer("200 OK", COMPLETION)).await;
    let progress = stream.next().await.unwrap();
    assert_eq!((&*progress.name, &progress.json()["progress"]["done"]), ("progress", &json!(1)));
    drop(stream);
    two.answer(&answer("200 OK", COMPLETION)).await;
    // Who comes back hears only what is new.
    let rest = alula.follow(&url, Some(&progress.id)).await.rest().await;
    let last = rest.last().unwrap();
    assert_eq!((&*last.name, &last.json()["status"]), ("status", &json!("succeeded")));
    assert_eq!(last.json()["result"], Value::Null, "the answer is that of the job itself");
    assert!(rest.iter().all(|event| event.id != progress.id), "{rest:?}");
    // There is nothing more, which ends an `EventSource` for good.
    let events = http().get(alula.url(&format!("{url}/events")));
    let again = Answer::of(events.header("last-event-id", &last.id)).await;
    assert_eq!((again.status, &*again.text), (204, ""));
    // An id of another server is none.
    let anew = alula.follow(&url, Some("4711")).await.rest().await;
    assert_eq!(anew.as_slice(), std::slice::from_ref(last));
}

#[tokio::test]
async fn a_job_is_cancelled_and_done_again() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let url = alula.accepted("/chat", &question()).await;
    let command = async |name: &str| alula.post(&format!("{url}/{name}"), &json!({})).await;
    let call = upstream.call().await;
    assert_eq!(
        command("retry").await.detail(409),
        "The job is running, and not failed or cancelled"
    );
    let start = Instant::now();
    assert_eq!(command("cancel").await.is(200)["status"], "cancelled");
    call.closed().await;
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert_eq!(command("cancel").await.is(200)["status"], "cancelled");
    assert_eq!(command("retry").await.is(202)["status"], "queued");
    upstream.call().await.answer(&answer("200 OK", COMPLETION)).await;
    let done = alula.job_ended(&url).await;
    assert_eq!((&done["status"], &done["attempts"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(command("cancel").await.detail(409), "The job has succeeded");
    command("retry").await.is(409);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_its_job() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let request = http().post(alula.url("/chat")).header("prefer", "respond-async, wait=600");
    #[expect(clippy::disallowed_methods, reason = "the test aborts it")]
    let client = tokio::spawn(request.json(&question()).send());
    let call = upstream.call().await;
    client.abort();
    let jobs = alula.get("/jobs").await.is(200);
    call.answer(&answer("200 OK", COMPLETION)).await;
    let done = alula.job_ended(jobs["jobs"][0]["url"].as_str().unwrap()).await;
    assert_eq!(done["status"], "succeeded");
}

#[tokio::test]
async fn only_so_many_run_and_wait() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url())
        .env("ALULA_JOBS_RUNNING_MAX", "1")
        .env("ALULA_JOBS_QUEUED_MAX", "1")
        .listen();
    let first = alula.accepted("/chat", &question()).await;
    let call = upstream.call().await;
    let second = alula.accepted("/chat", &question()).await;
    let third = alula.later("/chat", &question(), LATER).await;
    assert_eq!(third.detail(503), "Too many jobs wait for their turn");
    assert_ne!(third.header("retry-after"), "");
    assert_eq!(alula.get(&second).await.is(200)["status"], "queued");
    call.answer(&answer("200 OK", COMPLETION)).await;
    alula.job_ended(&first).await;
    upstream.call().await.answer(&answer("200 OK", COMPLETION)).await;
    assert_eq!(alula.job_ended(&second).await["status"], "succeeded");
}

#[tokio::test]
async fn they_are_kept_for_so_long() {
    let alula = serve().env("ALULA_JOBS_KEPT_SECONDS", "0.2").listen();
    let url = alula.accepted("/chat", &question()).await;
    let gone = async { while alula.get(&url).await.status != 404 {} };
    timeout(PATIENCE, gone).await.expect("it is forgotten");
    assert_eq!(alula.get("/jobs").await.is(200)["jobs"], json!([]));
}

#[tokio::test]
async fn those_that_failed_are_kept_for_longer() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_JOBS_KEPT_SECONDS", "0.2").listen();
    let ask = async |status: &str| {
        let url = alula.accepted("/chat", &question()).await;
        upstream.call().await.answer(&answer(status, COMPLETION)).await;
        url
    };
    let failed = ask("400 Bad Request").await;
    let url = ask("200 OK").await;
    let gone = async { while alula.get(&url).await.status != 404 {} };
    timeout(PATIENCE, gone).await.expect("it is forgotten");
    assert_eq!(alula.get(&failed).await.is(200)["status"], "failed");
}

#[tokio::test]
async fn a_running_job_is_finished_before_the_end() {
    let upstream = Upstream::start();
    let mut alula = serve_openai(&upstream.url()).env("ALULA_DRAIN_SECONDS", "600").listen();
    let url = alula.accepted("/chat", &question()).await;
    let (call, mut stream) = tokio::join!(upstream.call(), alula.follow(&url, None));
    assert_eq!(stream.next().await.unwrap().json()["status"], "running");
    alula.signal("TERM");
    alula.logged("draining");
    call.answer(&answer("200 OK", COMPLETION)).await;
    assert_eq!(stream.rest().await.last().unwrap().json()["status"], "succeeded");
    assert_eq!(alula.ended().code(), Some(0));
}

/// What a server has accepted is done by the next one of the same database, if its own end comes
/// too soon: by a stop, or by a crash.
#[tokio::test]
async fn a_job_survives_its_server() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("jobs.db").display());
    let serve = || {
        serve_openai(&upstream.url())
            .env("DATABASE_URL", &database)
            .env("ALULA_JOBS_LEASE_SECONDS", "1")
            .env("ALULA_JOBS_RUNNING_MAX", "1")
            .env("ALULA_DRAIN_SECONDS", "1.2")
            .listen()
    };
    let mut alula = serve();
    let first = alula.accepted("/chat", &question()).await;
    let call = upstream.call().await;
    let second = alula.accepted("/chat", &question()).await;
    alula.signal("TERM");
    call.closed().await;
    assert_eq!(alula.ended().code(), Some(0));
    let mut alula = serve();
    let call = upstream.call().await;
    alula.signal("KILL");
    call.closed().await;
    alula.ended();
    let alula = serve();
    for _ in 0..2 {
        upstream.call().await.answer(&answer("200 OK", COMPLETION)).await;
    }
    let ended = [alula.job_ended(&first).await, alula.job_ended(&second).await];
    let attempts = ended.each_ref().map(|job| job["attempts"].as_u64().unwrap());
    assert_eq!(ended.each_ref().map(|job| &job["status"]), [&json!("succeeded"); 2]);
    // The stop gave the first one back, as if it had not been tried; the crash did not.
    assert_eq!(attempts, [2, 1]);
}

/// A provider that is out of order for a while costs time, and no job.
#[tokio::test]
async fn a_job_whose_provider_fails_is_tried_again() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_ATTEMPTS", "1").listen();
    let url = alula.accepted("/chat", &question()).await;
    upstream.call().await.answer(&answer("503 Service Unavailable", "{}")).await;
    upstream.call().await.answer(&answer("200 OK", COMPLETION)).await;
    let done = alula.job_ended(&url).await;
    assert_eq!((&done["status"], &done["attempts"]), (&json!("succeeded"), &json!(2)));
    // What is wrong with the request is wrong at each attempt.
    let url = alula.accepted("/chat", &question()).await;
    upstream.call().await.answer(&answer("400 Bad Request", "{}")).await;
    let failed = alula.job_ended(&url).await;
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("failed"), &json!(1)));
    assert!(upstream.is_left_alone());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn workers_of_a_server_do_each_others_jobs() {
    let alula = crate::process::alula(&["serve", "--port", "0", "--workers", "2"]).listen();
    for _ in 0..8 {
        let url = alula.accepted("/chat", &question()).await;
        assert_eq!(alula.job_ended(&url).await["status"], "succeeded");
    }
}

/// A key that is made with another one, or without any as long as there is none.
async fn key(alula: &Alula, by: &str, scope: &str) -> String {
    let body = json!({"name": scope, "scopes": [scope], "plan": "unlimited"});
    let made = Answer::of(http().post(alula.url("/admin/keys")).bearer_auth(by).json(&body)).await;
    made.json()["key"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned()
}

#[tokio::test]
async fn a_job_is_that_of_its_key() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let admin = key(&alula, "", "admin").await;
    let (mine, other) = (key(&alula, &admin, "models").await, key(&alula, &admin, "models").await);
    // The first key is the law within a second.
    let needed = async { while alula.get("/jobs").await.status != 401 {} };
    timeout(PATIENCE, needed).await.expect("a key is needed");
    let asked = http().post(alula.url("/chat")).header("prefer", LATER).json(&question());
    let accepted = Answer::of(asked.bearer_auth(&mine)).await.is(202);
    let url = accepted["url"].as_str().unwrap();
    let _call = upstream.call().await;
    let get = async |key: &str, path: &str| {
        Answer::of(http().get(alula.url(path)).bearer_auth(key)).await
    };
    let post = async |key: &str, path: &str| {
        Answer::of(http().post(alula.url(path)).bearer_auth(key)).await
    };
    for path in [url.to_owned(), format!("{url}/events")] {
        assert_eq!(get(&other, &path).await.detail(404), "There is no such job", "{path}");
    }
    for command in ["cancel", "retry"] {
        post(&other, &format!("{url}/{command}")).await.is(404);
    }
    assert_eq!(get(&other, "/jobs").await.is(200)["jobs"], json!([]));
    assert_eq!(get("", url).await.status, 401);
    assert_eq!(get(&mine, "/jobs").await.is(200)["jobs"][0]["url"], url);
    assert_eq!(get(&mine, url).await.is(200)["status"], "running");
    assert_eq!(post(&mine, &format!("{url}/cancel")).await.is(200)["status"], "cancelled");
}

/// A key that is revoked while its job waits opens nothing when the turn of the job has come.
#[tokio::test]
async fn a_job_of_a_revoked_key_is_not_done() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_JOBS_RUNNING_MAX", "1").listen();
    let admin = key(&alula, "", "admin").await;
    let [mine, other] = [key(&alula, &admin, "models").await, key(&alula, &admin, "models").await];
    let first = http().post(alula.url("/chat")).header("prefer", LATER).json(&question());
    Answer::of(first.bearer_auth(&other)).await.is(202);
    let running = upstream.call().await;
    // Its client waits, and hears of the end when its key opens nothing any more.
    let waits = http().post(alula.url(CHAT)).header("prefer", "respond-async, wait=60");
    let waits = waits.bearer_auth(&mine).json(&asked());
    let revoked = async {
        let jobs = async || {
            let list = http().get(alula.url("/jobs?status=queued")).bearer_auth(&mine);
            Answer::of(list).await.is(200)["jobs"].as_array().unwrap().len()
        };
        let queued = async { while jobs().await == 0 {} };
        timeout(PATIENCE, queued).await.expect("it is queued");
        let id = mine.strip_prefix("sk-alula-").unwrap().split('-').next().unwrap();
        let revoke = http().delete(alula.url(&format!("/admin/keys/{id}")));
        assert!(Answer::of(revoke.bearer_auth(&admin)).await.status < 300);
        let models = async || {
            Answer::of(http().get(alula.url("/v1/models")).bearer_auth(&mine)).await.status
        };
        let gone = async { while models().await != 401 {} };
        timeout(PATIENCE, gone).await.expect("the key opens nothing");
        running.answer(&answer("200 OK", COMPLETION)).await;
    };
    let (failed, ()) = tokio::join!(Answer::of(waits), revoked);
    let failed = failed.is(401);
    assert_eq!(failed["error"]["message"], "This key is revoked");
    assert!(upstream.is_left_alone());
}

/// The commands of a page of the book, and what it shows behind each. Returns how many there are.
pub(crate) async fn commands_are_true(page: &str) -> usize {
    let alula = serve().listen();
    let commands: Vec<&str> = page.split("$ curl -i localhost:8000").skip(1).collect();
    for command in &commands {
        let mut lines = command.lines();
        let (command, status) = (lines.next().unwrap(), lines.next().unwrap());
        let quoted: Vec<&str> = command.split('\'').skip(1).step_by(2).collect();
        let (body, headers) = quoted.split_last().unwrap();
        let path = command.split(' ').next().unwrap();
        let request = headers.iter().fold(http().post(alula.url(path)), |request, header| {
            let (name, value) = header.split_once(": ").unwrap();
            request.header(name, value)
        });
        let answer = Answer::of(request.body((*body).to_owned())).await;
        assert!(status.starts_with(&format!("HTTP/1.1 {} ", answer.status)), "{command}");
        for line in lines.take_while(|line| !line.is_empty() && *line != "```") {
            let (name, value) = line.split_once(": ").unwrap();
            let is_id = name == "location";
            assert!(is_id || answer.header(name) == value, "{line} in {answer:?}");
        }
    }
    commands.len()
}

#[tokio::test]
async fn the_page_of_the_book_is_true() {
    let page = include_str!("../../../../docs/how-to/long-calls.md");
    assert_eq!(commands_are_true(page).await, 4);
}
