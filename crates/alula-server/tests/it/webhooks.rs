//! The end of a job is told to its callback.

use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use standardwebhooks::Webhook as Verifier;
use tokio::time::timeout;

use crate::{
    process::{Alula, PATIENCE, Start, serve_openai},
    upstream::{Call, Upstream, answer},
};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldw==";
const COMPLETION: &str =
    r#"{"id": "1", "model": "m", "choices": [{"index": 0, "message": {"content": "hi"}}]}"#;

/// A server that may call this machine.
fn telling(upstream: &Upstream) -> Start {
    serve_openai(&upstream.url())
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_JOBS_ATTEMPTS", "1")
        .env("ALULA_WEBHOOK_SECRET", format!("{SECRET} {OLD_SECRET}"))
        .env("ALULA_WEBHOOK_ALLOW", "127.0.0.0/8")
}

fn question(receiver: &Upstream) -> Value {
    json!({"message": "Hi", "callback_url": format!("{}/hooks?key=1", receiver.url())})
}

pub(crate) fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    let mut lines = call.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| *known == name).map(|(_, value)| value).unwrap_or_default()
}

/// Checks a message with a verifier that is not ours, and returns it.
#[track_caller]
pub(crate) fn verified(call: &Call, secret: &str) -> Value {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: HeaderMap = names
        .into_iter()
        .map(|name| (HeaderName::from_static(name), header(call, name).parse().unwrap()))
        .collect();
    let body = serde_json::to_vec(&call.body).unwrap();
    Verifier::new(secret).unwrap().verify(&body, &headers).unwrap();
    call.body.clone()
}

async fn job(alula: &Alula, upstream: &Upstream, receiver: &Upstream, reply: &str) -> String {
    let url = alula.accepted("/chat", &question(receiver)).await;
    upstream.call().await.answer(reply).await;
    url
}

#[tokio::test]
async fn a_good_end_and_a_bad_one_are_told_and_signed() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let alula = telling(&upstream).listen();
    for (reply, kind, status) in [
        (answer("200 OK", COMPLETION), "succeeded", 200),
        (answer("400 Bad Request", r#"{"error": {"message": "no"}}"#), "failed", 400),
    ] {
        let url = job(&alula, &upstream, &receiver, &reply).await;
        let call = receiver.call().await;
        assert!(call.head.starts_with("POST /hooks?key=1 HTTP/1.1\r\n"), "{}", call.head);
        let message = verified(&call, SECRET);
        assert_eq!(verified(&call, OLD_SECRET), message);
        assert_eq!(message["type"], format!("job.{kind}"));
        let job_id = url.strip_prefix("/jobs/").unwrap();
        let expected = json!({"job_id": job_id, "url": url, "status": kind, "http_status": status});
        assert_eq!(message["data"], expected);
        let told = alula.job_ended(&url).await;
        assert_eq!((&told["status"], &told["callback"]), (&json!(kind), &json!("pending")));
        assert_eq!(message["timestamp"], told["finished_at"]);
        call.answer(&answer("200 OK", "{}")).await;
    }
    let log = alula.end();
    assert!(!log.stderr.contains("key=1"), "the address of a receiver is its own: {}", log.stderr);
}

#[tokio::test]
async fn a_receiver_that_fails_is_told_again_with_the_same_id() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let alula = telling(&upstream).listen();
    job(&alula, &upstream, &receiver, &answer("200 OK", COMPLETION)).await;
    let first = receiver.call().await;
    let id = header(&first, "webhook-id").to_owned();
    first.answer(&answer("500 Internal Server Error", "{}")).await;
    let second = receiver.call().await;
    assert_eq!(header(&second, "webhook-id"), id);
    verified(&second, SECRET);
    second.answer(&answer("200 OK", "{}")).await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_no_more() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let alula = telling(&upstream).listen();
    let url = job(&alula, &upstream, &receiver, &answer("200 OK", COMPLETION)).await;
    receiver.call().await.answer(&answer("410 Gone", "{}")).await;
    let told = async { while alula.get(&url).await.is(200)["callback"] != "failed" {} };
    timeout(PATIENCE, told).await.expect("it is given up");
    assert!(receiver.is_left_alone());
}

#[tokio::test]
async fn a_job_that_begins_again_is_told_by_its_new_end_alone() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let alula = telling(&upstream).listen();
    let bad = answer("400 Bad Request", r#"{"error": {"message": "no"}}"#);
    let url = job(&alula, &upstream, &receiver, &bad).await;
    let first = receiver.call().await;
    let id = header(&first, "webhook-id").to_owned();
    first.answer(&answer("500 Internal Server Error", "{}")).await;
    alula.post(&format!("{url}/retry"), &json!({})).await.is(202);
    upstream.call().await.answer(&answer("200 OK", COMPLETION)).await;
    let second = receiver.call().await;
    assert_eq!(second.body["type"], "job.succeeded");
    assert_ne!(header(&second, "webhook-id"), id, "it is another message");
    second.answer(&answer("200 OK", "{}")).await;
}

/// The next server tells what the first one did not.
#[tokio::test]
async fn a_webhook_survives_its_server() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("jobs.db").display());
    let start = || {
        telling(&upstream)
            .env("DATABASE_URL", &database)
            .env("ALULA_JOBS_LEASE_SECONDS", "1")
            .listen()
    };
    let mut alula = start();
    job(&alula, &upstream, &receiver, &answer("200 OK", COMPLETION)).await;
    let first = receiver.call().await;
    alula.signal("KILL");
    alula.ended();
    let _alula = start();
    let second = receiver.call().await;
    assert_eq!(header(&second, "webhook-id"), header(&first, "webhook-id"));
    assert_eq!(verified(&second, SECRET), verified(&first, SECRET));
}

#[tokio::test]
async fn a_callback_that_cannot_be_is_refused_at_once() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let refused = async |alula: &Alula, path: &str, body: &Value, prefer: &str| {
        let answer = alula.later(path, body, prefer).await;
        let body = answer.is(422);
        assert_eq!(body["detail"][0]["loc"], json!(["body", "callback_url"]));
        body["detail"][0]["msg"].as_str().unwrap().to_owned()
    };
    let alula = telling(&upstream).listen();
    for (path, body, prefer) in [
        ("/chat", question(&receiver), "wait=1"),
        ("/chat/stream", question(&receiver), "respond-async"),
        ("/batch", json!([question(&receiver)]), "respond-async"),
    ] {
        let why = refused(&alula, path, &body, prefer).await;
        assert_eq!(why, "Value error, it needs `POST /chat` and `Prefer: respond-async`", "{path}");
    }
    for (url, why) in [
        ("ftp://a.example", "a URL begins with http:// or https://"),
        ("http://u:p@a.example", "a URL has no user and no password"),
        ("http://10.0.0.1/", "10.0.0.1 is an address of a private network"),
        ("http://169.254.169.254/", "169.254.169.254 is the address of a cloud's metadata service"),
        ("hooks", "this is no URL such as https://example.com/hooks"),
    ] {
        let body = json!({"message": "Hi", "callback_url": url});
        let told = refused(&alula, "/chat", &body, "respond-async").await;
        assert_eq!(told, format!("Value error, {why}"));
    }
    let without = serve_openai(&upstream.url()).listen();
    let why = refused(&without, "/chat", &question(&receiver), "respond-async").await;
    assert!(why.contains("ALULA_WEBHOOK_SECRET"), "{why}");
    // Without leave, this machine is a private network as well.
    let shut = serve_openai(&upstream.url()).env("ALULA_WEBHOOK_SECRET", SECRET).listen();
    let why = refused(&shut, "/chat", &question(&receiver), "respond-async").await;
    assert!(why.contains("127.0.0.1 is an address of this machine"), "{why}");
    assert!(upstream.is_left_alone() && receiver.is_left_alone());
}

#[test]
fn mistakes_in_the_settings_stop_the_start_without_telling_the_secret() {
    let ended = serve_openai("http://127.0.0.1:1")
        .env("ALULA_WEBHOOK_SECRET", "canary")
        .env("ALULA_WEBHOOK_ALLOW", "10.0.0.0/99")
        .end();
    assert_eq!(ended.code, Some(2));
    for name in ["ALULA_WEBHOOK_SECRET", "ALULA_WEBHOOK_ALLOW: 10.0.0.0/99"] {
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
}

#[tokio::test]
async fn no_log_shows_the_secret() {
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let alula = telling(&upstream).env("ALULA_LOG", "trace").listen();
    job(&alula, &upstream, &receiver, &answer("200 OK", COMPLETION)).await;
    receiver.call().await.answer(&answer("200 OK", "{}")).await;
    let ended = alula.end();
    let text = ended.stdout + &ended.stderr;
    for secret in [SECRET, OLD_SECRET] {
        assert!(!text.contains(secret.strip_prefix("whsec_").unwrap()));
    }
}
