//! `alula doctor` finds what would keep the server from working.

use std::net::TcpListener;

use alula_llm::testing::{FakeProvider, Fault};
use serde_json::Value;

use crate::{
    process::{Ended, NOBODY, Start, alula},
    upstream::{Upstream, answer},
};

fn doctor(options: &[&str]) -> Start {
    // A free port, as nobody listens on none.
    alula(&[&["doctor", "--port", "0"], options].concat())
}

/// What it says of one thing: the status and the message.
#[track_caller]
fn of(ended: &Ended, name: &str) -> (String, String) {
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    let check = found.unwrap_or_else(|| panic!("nothing of {name} in {report}"));
    let text = |field: &str| check[field].as_str().unwrap().to_owned();
    (text("status"), text("message"))
}

#[test]
fn all_is_well_with_a_server_that_can_start() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/alula.db", folder.path().display());
    let check = || doctor(&["--json"]).within(folder.path()).env("DATABASE_URL", &database);
    let ended = check().env("ALULA_CONNECTIONS_MAX", "1").env("ALULA_ATTEMPS", "1").end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (status, message) = of(&ended, "database");
    assert_eq!((&*status, &*message), ("ok", "it will be made at the first start"));
    assert_eq!(of(&ended, "providers").0, "warn", "a demo is no model");
    assert_eq!(of(&ended, "open files").0, "ok");
    assert!(ended.stdout.contains("nothing reads ALULA_ATTEMPS"), "{}", ended.stdout);
    // It has changed nothing.
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    let made = alula(&["keys", "create", "--name", "x"]).env("DATABASE_URL", &database).end();
    assert_eq!(made.code, Some(0), "{made:?}");
    let ended = check().end();
    let (status, message) = of(&ended, "database");
    assert_eq!(status, "ok");
    assert!(message.ends_with("its tables are up to date"), "{message}");
    assert_eq!(of(&ended, "access").1, "requests need a key");
}

#[test]
fn all_mistakes_are_told_at_once_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("alula.toml"), "[modles]\n").unwrap();
    let ended = alula(&["doctor", "--port", &port])
        .within(folder.path())
        .env("ALULA_ATTEMPTS", "many")
        .env("ALULA_LOG", "loud")
        .end();
    assert_eq!((ended.code, &*ended.stderr), (Some(1), "alula: 3 checks failed\n"));
    for text in ["ALULA_ATTEMPTS=many", "ALULA_LOG=loud", "alula.toml: line 1", "somebody listens"]
    {
        assert!(ended.stdout.contains(text), "no {text} in {}", ended.stdout);
    }
    let advices = ended.stdout.matches("-> ").count();
    assert_eq!(advices, 4, "{}", ended.stdout);
    let unreachable = "postgres://user:canary@127.0.0.1:1/db";
    let ended = doctor(&["--json"]).env("DATABASE_URL", unreachable).end();
    assert_eq!((ended.code, &*of(&ended, "database").0), (Some(1), "fail"));
    assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_asked_whether_they_take_the_key() {
    for (head, status) in [
        ("200 OK", "ok"),
        ("401 Unauthorized", "fail"),
        ("404 Not Found", "warn"),
        ("500 Broken", "warn"),
    ] {
        let upstream = Upstream::start();
        let url = upstream.url();
        let asking = tokio::task::spawn_blocking(move || {
            doctor(&["--json"]).env("OPENAI_API_KEY", "sk-canary").env("OPENAI_BASE_URL", url).end()
        });
        let call = upstream.bare_call().await;
        assert!(call.head.starts_with("GET /v1/models HTTP/1.1\r\n"), "{}", call.head);
        assert!(call.head.contains("authorization: Bearer sk-canary\r\n"), "{}", call.head);
        call.answer(&answer(head, "{\"data\": []}")).await;
        let ended = asking.await.unwrap();
        assert_eq!(of(&ended, "openai").0, status, "{ended:?}");
        assert_eq!(ended.code, Some(i32::from(status == "fail")), "{ended:?}");
        assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
    }
    let nobody = doctor(&["--json"]).env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", NOBODY);
    assert_eq!(of(&nobody.end(), "openai").0, "fail");
    let offline = doctor(&["--json", "--offline"]);
    let offline = offline.env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", NOBODY).end();
    assert_eq!(of(&offline, "providers"), ("ok".to_owned(), "openai (not asked)".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_of_documents_makes_a_vector() {
    for (is_good, status) in [(true, "ok"), (false, "fail")] {
        let fake = FakeProvider::start().await;
        match is_good {
            true => fake.turn().embeds([[0.5, 0.5, 0.0]]),
            false => fake.turn().then(Fault::Status(404)),
        };
        let url = fake.url();
        let asking = tokio::task::spawn_blocking(move || {
            let check = doctor(&["--json"]).env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", url);
            check.env("ALULA_EMBEDDING_MODEL", "e").end()
        });
        let ended = asking.await.unwrap();
        let (found, message) = of(&ended, "documents");
        assert_eq!(found, status, "{ended:?}");
        assert!(
            !is_good || message.starts_with("openai/e makes vectors of 3 numbers"),
            "{message}"
        );
        fake.finish();
    }
    let ended = doctor(&["--json", "--offline"]).end();
    assert!(of(&ended, "documents").1.starts_with("searched by words"), "{ended:?}");
}

#[test]
fn a_server_that_would_let_everybody_in_does_not_pass() {
    let ended = alula(&["doctor", "--json", "--host", "0.0.0.0", "--port", "0"]).end();
    assert_eq!((ended.code, &*of(&ended, "access").0), (Some(1), "fail"));
    let open = ["doctor", "--json", "--host", "0.0.0.0", "--port", "0", "--allow-unauthenticated"];
    let ended = alula(&open).end();
    assert_eq!((ended.code, &*of(&ended, "access").0), (Some(0), "warn"));
}
