//! Servers whose callers have keys.

use std::{fs, time::Duration};

use alula_llm::testing::FakeProvider;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    client::{Answer, http},
    process::{Alula, PATIENCE, Start, alula},
};

/// How the servers of a test are set up: with plans and prices, and an OpenAI whose model `m` costs
/// a dollar for a million tokens, one way or the other.
pub(crate) struct Setting {
    dir: TempDir,
    openai: String,
}

const PRICES: &str = r#"
default_model = "openai/m"
[[prices]]
name = "openai"
as_of = "2026-11-01"
source = "a test"
prices = [{ models = ["m"], input = 1_000_000, output = 1_000_000 }]
"#;

impl Setting {
    /// With these plans, in TOML.
    pub(crate) fn new(openai: &str, plans: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("alula.toml"), format!("{PRICES}{plans}")).unwrap();
        Self { dir, openai: openai.to_owned() }
    }

    /// A server over a database in a file of its own.
    pub(crate) fn start(&self) -> Start {
        let file = self.dir.path().join("alula.toml");
        let start = alula(&["serve", "--port", "0", "--config", file.to_str().unwrap()]);
        start
            .env("OPENAI_API_KEY", "sk-test")
            .env("OPENAI_BASE_URL", &self.openai)
            .env("DATABASE_URL", self.database())
    }

    /// Where that database is.
    pub(crate) fn database(&self) -> String {
        format!("sqlite://{}", self.dir.path().join("alula.db").display())
    }
}

/// A provider whose answers all have so many tokens, half of them in the prompt.
pub(crate) async fn openai(tokens: u64) -> FakeProvider {
    let fake = FakeProvider::start().await;
    fake.always().says("Hello").usage(tokens / 2, tokens / 2);
    fake
}

/// A key, and what it is used on.
pub(crate) struct Keyed<'a> {
    pub(crate) alula: &'a Alula,
    pub(crate) key: &'a str,
}

/// Makes keys. The first one may do everything, as afterwards nothing goes without one.
pub(crate) async fn keys<const N: usize>(alula: &Alula, wishes: [Value; N]) -> [String; N] {
    let root = make(alula, None, &json!({"name": "root", "scopes": ["admin"]})).await;
    let mut keys = [const { String::new() }; N];
    for (key, wish) in keys.iter_mut().zip(wishes) {
        *key = make(alula, Some(&root), &wish).await;
        Keyed::new(alula, key).is_known().await;
    }
    keys
}

async fn make(alula: &Alula, root: Option<&str>, wish: &Value) -> String {
    let request = http().post(alula.url("/admin/keys")).json(wish);
    let request = match root {
        Some(root) => request.bearer_auth(root),
        None => request,
    };
    Answer::of(request).await.is(201)["key"].as_str().unwrap().to_owned()
}

impl<'a> Keyed<'a> {
    pub(crate) fn new(alula: &'a Alula, key: &'a str) -> Self {
        Self { alula, key }
    }

    /// Waits until the server knows the key, and that it takes one.
    pub(crate) async fn is_known(&self) {
        let url = self.alula.url("/v1/models");
        until("the key is known", async || {
            let without = Answer::of(http().get(&url)).await.status;
            (without, Answer::of(http().get(&url).bearer_auth(self.key)).await.status) == (401, 200)
        })
        .await;
    }

    fn request(&self, path: &str, body: &Value) -> RequestBuilder {
        http().post(self.alula.url(path)).bearer_auth(self.key).json(body)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(path, body)).await
    }

    /// Asks a question whose answer has at most so many tokens.
    pub(crate) async fn ask(&self, max_tokens: u64) -> Answer {
        self.post("/chat", &json!({"message": "Hi", "max_tokens": max_tokens})).await
    }

    /// The head of an answer, whose body is there to be read.
    pub(crate) async fn begin(&self, path: &str, body: &Value) -> Response {
        self.request(path, body).send().await.unwrap()
    }

    /// How many of so many questions at once are answered.
    pub(crate) async fn ask_at_once(&self, count: usize) -> usize {
        let answers = futures_util::future::join_all((0..count).map(|_| self.ask(100))).await;
        let is_answered = |answer: &Answer| match answer.status {
            200 => true,
            429 => false,
            _ => panic!("{answer:?}"),
        };
        answers.iter().filter(|answer| is_answered(answer)).count()
    }
}

/// Asks again and again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
    started.elapsed()
}
