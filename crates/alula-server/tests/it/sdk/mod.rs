//! The official SDKs as clients, over providers of both protocols.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use alula_llm::{
    ErrorKind,
    testing::{FakeProvider, Fault},
};
use serde_json::json;

use crate::process::{Alula, serve};

/// A server whose OpenAI and Anthropic are fakes, and which leaves trying again to its clients.
fn alula(openai: &FakeProvider, anthropic: &FakeProvider) -> Alula {
    let upstreams = [("OPENAI", openai), ("ANTHROPIC", anthropic)];
    let start = upstreams.iter().fold(serve(), |start, (name, fake)| {
        start
            .env(&format!("{name}_API_KEY"), "sk-test")
            .env(&format!("{name}_BASE_URL"), fake.url())
    });
    start.env("ALULA_ATTEMPTS", "1").env("ALULA_BREAKER_FAILURES", "0").listen()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_openai_need_no_change() {
    let Some(python) = python("openai") else { return };
    let (openai, anthropic) = (FakeProvider::start().await, FakeProvider::start().await);
    for fake in [&openai, &anthropic] {
        fake.turn().says(["Hel", "lo"]).usage(12, 2).times(2);
        fake.turn().calls_tool("weather", json!({"city": "Bern"}));
        fake.turn().says("Sunny.");
        fake.turn().says(r#"{"name": "Kea", "wings": 2}"#);
        fake.turn().says(["Hel", "lo"]).usage(12, 2).times(2);
        fake.turn().then(Fault::RetryAfter(429, Duration::from_secs(7)));
        fake.turn().then(Fault::Error(ErrorKind::ContextTooLong));
        fake.turn().then(Fault::Status(503)).times(2);
        fake.turn().says("Hello");
        fake.turn().says(["Hel", "lo"]).then(Fault::ErrorAfter(1, ErrorKind::Unavailable));
    }
    anthropic.turn().then(Fault::Stall);
    openai.turn().embeds([[0.5, 0.25], [0.0, 1.0]]).usage(7, 0);
    let alula = alula(&openai, &anthropic);
    judge(python, "asks_openai.py", &alula).await;
    openai.finish();
    anthropic.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_anthropic_need_no_change() {
    let Some(python) = python("anthropic") else { return };
    let (openai, anthropic) = (FakeProvider::start().await, FakeProvider::start().await);
    for fake in [&openai, &anthropic] {
        fake.turn().says(["Hel", "lo"]).usage(12, 2).times(2);
        fake.turn().calls_tool("weather", json!({"city": "Bern"}));
        fake.turn().says("Sunny.");
        fake.turn().then(Fault::RetryAfter(429, Duration::from_secs(7)));
        fake.turn().then(Fault::Error(ErrorKind::ContextTooLong));
        fake.turn().then(Fault::Status(503));
        fake.turn().says(["Hel", "lo"]).then(Fault::ErrorAfter(1, ErrorKind::Unavailable));
    }
    anthropic.turn().counts(21);
    let alula = alula(&openai, &anthropic);
    judge(python, "asks_anthropic.py", &alula).await;
    openai.finish();
    anthropic.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_of_the_readme_runs() {
    let Some(python) = python("openai") else { return };
    let readme = include_str!("../../../../../README.md");
    let program = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let alula = serve().listen();
    let program = program.unwrap().replace("http://localhost:8000", &alula.url(""));
    let mut command = Command::new(python);
    command.args(["-c", &program]).env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("demo"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a program that asks a model of each provider and checks what it reads.
async fn judge(python: PathBuf, program: &str, alula: &Alula) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sdk").join(program);
    let mut command = Command::new(python);
    command.arg(program).arg(alula.url("")).args(["openai/m", "anthropic/m"]);
    command.env("NO_PROXY", "127.0.0.1");
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
