//! The providers' own SDKs read what is written.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use alula_llm::{
    ChatEvent, ErrorKind, Part, StopReason,
    model::{Citation, RedactedReasoning},
    testing::{FakeProvider, Fault},
};
use serde_json::json;

const BIRD: &str = r#"{"name": "Kea", "wings": 2}"#;

#[tokio::test(flavor = "multi_thread")]
async fn openai_reads_its_formats() {
    let Some(python) = python("openai") else { return };
    let fake = FakeProvider::start().await;
    for _ in 0..3 {
        fake.turn().says(["Hel", "lo"]).usage(12, 2);
    }
    for _ in 0..2 {
        fake.turn()
            .says("Let me see.")
            .calls_tool("weather", json!({"city": "Bern"}))
            .calls_tool("time", json!({}));
    }
    fake.turn().says(BIRD).times(2);
    fake.turn().thinks(["Hm, ", "so."]).says("Yes").times(2);
    fake.turn().refuses(["I will ", "not."]);
    for _ in 0..2 {
        cited(&fake);
    }

    fake.turn().says(["Hel", "lo"]).usage(12, 2).times(2);
    fake.turn()
        .thinks("Hm.")
        .says("Let me see.")
        .calls_tool("weather", json!({"city": "Bern"}))
        .calls_tool("time", json!({}));
    for _ in 0..2 {
        cited(&fake);
    }
    fake.turn().says(BIRD).times(2);
    fake.turn().says("Hel").stops(StopReason::MaxTokens);
    fake.turn().says(["Hel", "lo"]).then(Fault::ErrorAfter(1, ErrorKind::Unavailable));

    fake.turn().then(Fault::RetryAfter(429, Duration::from_secs(7)));
    fake.turn().then(Fault::Status(401));
    fake.turn().then(Fault::Status(404));
    fake.turn().then(Fault::Error(ErrorKind::ContextTooLong));
    fake.turn().then(Fault::Status(503));
    fake.turn().then(Fault::Status(429));
    fake.turn().says(["Hel", "lo"]).then(Fault::ErrorAfter(1, ErrorKind::Unavailable));
    judge(python, "reads_openai.py", &fake).await;
    fake.finish();
}

/// An answer with a source.
fn cited(fake: &FakeProvider) {
    let place = json!({"start_index": 0, "end_index": 5, "title": "Birds",
        "url": "https://birds.example"});
    let citation = Citation(json!({"type": "url_citation", "url_citation": place}));
    let turn = fake.turn().says(["Hel", "lo"]);
    turn.event(ChatEvent::Citation { choice: 0, part: 0, citation });
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_reads_its_format() {
    let Some(python) = python("anthropic") else { return };
    let fake = FakeProvider::start().await;
    fake.turn().says(["Hel", "lo"]).usage(12, 2).times(2);
    fake.turn().says(["Hel", "lo"]).then(Fault::Pings);
    for _ in 0..2 {
        fake.turn()
            .thinks("Hm.")
            .seals("seal")
            .says("Let me see.")
            .calls_tool("weather", json!({"city": "Bern"}))
            .calls_tool("time", json!({}));
    }
    fake.turn().says(BIRD).times(2);
    fake.turn().says("Hel").stops(StopReason::MaxTokens);
    fake.turn().says("Hel").stops_at("END");
    for _ in 0..2 {
        let sealed = RedactedReasoning { data: "sealed".to_owned(), ..Default::default() };
        let citation = Citation(json!({"type": "char_location", "cited_text": "Hello",
            "document_index": 0, "document_title": "Birds", "file_id": null,
            "start_char_index": 3, "end_char_index": 8}));
        let turn = fake.turn().shows(Part::RedactedReasoning(sealed)).says(["Hel", "lo"]);
        turn.event(ChatEvent::Citation { choice: 0, part: 1, citation });
    }

    fake.turn().then(Fault::RetryAfter(429, Duration::from_secs(7)));
    fake.turn().then(Fault::Status(401));
    fake.turn().then(Fault::Status(404));
    fake.turn().then(Fault::Error(ErrorKind::ContextTooLong));
    fake.turn().then(Fault::Status(529));
    let overloaded = ErrorKind::Overloaded { retry_after: None };
    fake.turn().says(["Hel", "lo"]).then(Fault::ErrorAfter(1, overloaded));
    judge(python, "reads_anthropic.py", &fake).await;
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn google_reads_its_format() {
    let Some(python) = python("google.genai") else { return };
    let fake = FakeProvider::start().await;
    fake.turn().says(["Hel", "lo"]).usage(12, 2).times(2);
    for _ in 0..2 {
        fake.turn()
            .thinks("Hm.")
            .says("Let me see.")
            .calls_tool("weather", json!({"city": "Bern"}))
            .calls_tool("time", json!({}));
    }
    fake.turn().says(BIRD).times(2);
    fake.turn().says("Hel").stops(StopReason::MaxTokens).then(Fault::Pings);
    fake.turn().embeds([[0.5, -0.25], [1.0, 0.0]]);
    fake.turn().embeds([[0.5, -0.25]]);
    fake.turn().counts(7);

    fake.turn().then(Fault::RetryAfter(429, Duration::from_secs(7)));
    fake.turn().then(Fault::Status(401));
    fake.turn().then(Fault::Error(ErrorKind::ContextTooLong));
    fake.turn().then(Fault::Status(503));
    fake.turn().says(["Hel", "lo"]).then(Fault::ErrorAfter(1, ErrorKind::Unavailable));
    judge(python, "reads_gemini.py", &fake).await;
    fake.finish();
}

/// Runs a program that asks the fake and checks what it reads.
async fn judge(python: PathBuf, program: &'static str, fake: &FakeProvider) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sdk").join(program);
    let mut command = Command::new(python);
    command.arg(program).arg(fake.url()).env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim() == "read", "{said}{complaint}");
}

/// A Python that has this package; without one the test is skipped, unless all have to run.
fn python(package: &str) -> Option<PathBuf> {
    let python = setting("ALULA_TEST_PYTHON").map(PathBuf::from);
    let has_package = |python: &PathBuf| {
        let program = format!("import {package}");
        Command::new(python).args(["-c", &program]).output().is_ok_and(|it| it.status.success())
    };
    let found = python.filter(has_package);
    if found.is_none() {
        let why = format!("no Python with {package}; see ALULA_TEST_PYTHON");
        assert!(setting("ALULA_TEST_REQUIRE").is_none_or(|value| value != "1"), "{why}");
        println!("skipped: {why}");
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
fn setting(name: &str) -> Option<OsString> {
    env::var_os(name)
}
