//! The SDKs that applications speak to providers with, as clients, over providers of three
//! protocols.

mod program;
mod recordings;
mod script;

use alula_llm::testing::FakeProvider;
use serde_json::{Value, json};

use self::{
    program::Language,
    script::{chat, check_requests, two_answers},
};
use crate::{
    keys::Store,
    process::{self, Alula, Start, serve},
};

/// A provider of each protocol.
struct Providers {
    openai: FakeProvider,
    anthropic: FakeProvider,
    gemini: FakeProvider,
}

impl Providers {
    async fn start() -> Self {
        Self {
            openai: FakeProvider::start().await,
            anthropic: FakeProvider::start().await,
            gemini: FakeProvider::start().await,
        }
    }

    fn all(&self) -> [&FakeProvider; 3] {
        [&self.openai, &self.anthropic, &self.gemini]
    }

    /// A server in front of them, which leaves trying again to its clients.
    fn serve(&self) -> Start {
        let names = ["OPENAI", "ANTHROPIC", "GEMINI"];
        let start = names.iter().zip(self.all()).fold(serve(), |start, (name, fake)| {
            start
                .env(&format!("{name}_API_KEY"), "sk-test")
                .env(&format!("{name}_BASE_URL"), fake.url())
        });
        start.env("ALULA_ATTEMPTS", "1").env("ALULA_BREAKER_FAILURES", "0")
    }

    /// Runs a program that asks a model of each of them for all that was scripted.
    async fn are_asked_by(self, language: &Language, file: &str, arguments: &[&str]) {
        let alula = self.serve().listen();
        let models = ["openai/m", "anthropic/m", "gemini/m"];
        language.run(file, &alula, &[arguments, &models].concat(), &self.all()).await;
        check_requests(&self);
        self.openai.finish();
        self.anthropic.finish();
        self.gemini.finish();
    }
}

/// Whether a client asks for more than one answer at a time.
#[derive(PartialEq)]
enum Answers {
    One,
    Several,
}

/// The providers for a client of OpenAI, which asks for chats, responses and embeddings.
async fn for_openai(answers: Answers) -> Providers {
    let providers = Providers::start().await;
    for fake in providers.all() {
        chat(fake);
        // Responses.
        fake.turn().says(["Hel", "lo"]).usage(12, 2).times(2);
    }
    if answers == Answers::Several {
        two_answers(&providers);
    }
    for fake in [&providers.openai, &providers.gemini] {
        fake.turn().embeds([[0.5, 0.25], [0.0, 1.0]]).usage(7, 0);
    }
    providers
}

/// The providers for a client of Anthropic.
async fn for_anthropic() -> Providers {
    let providers = Providers::start().await;
    providers.all().into_iter().for_each(chat);
    providers
}

/// Those that count tokens.
fn count(providers: &Providers) {
    providers.anthropic.turn().counts(21);
    providers.gemini.turn().counts(22);
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_for_python_needs_no_change() {
    let Some(python) = Language::python("openai") else { return };
    for_openai(Answers::Several).await.are_asked_by(&python, "asks_openai.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_for_node_needs_no_change() {
    let Some(node) = Language::node() else { return };
    for_openai(Answers::Several).await.are_asked_by(&node, "asks_openai.mjs", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_for_python_needs_no_change() {
    let Some(python) = Language::python("anthropic") else { return };
    let providers = for_anthropic().await;
    count(&providers);
    providers.are_asked_by(&python, "asks_anthropic.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_for_node_needs_no_change() {
    let Some(node) = Language::node() else { return };
    let providers = for_anthropic().await;
    count(&providers);
    providers.are_asked_by(&node, "asks_anthropic.mjs", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_needs_no_change() {
    let Some(python) = Language::python("langchain_openai") else { return };
    for_openai(Answers::Several).await.are_asked_by(&python, "asks_langchain.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ai_sdk_needs_no_change() {
    let Some(node) = Language::node() else { return };
    for_openai(Answers::One).await.are_asked_by(&node, "asks_vercel.mjs", &["openai"]).await;
    for_anthropic().await.are_asked_by(&node, "asks_vercel.mjs", &["anthropic"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_the_server_to_clients_of_python() {
    let Some(python) = Language::python("langchain_openai") else { return };
    let providers = Providers::start().await;
    keys_are_shown(&python, "keys.py", &providers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_the_server_to_clients_of_node() {
    let Some(node) = Language::node() else { return };
    let providers = Providers::start().await;
    keys_are_shown(&node, "keys.mjs", &providers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_for_python_keeps_files_and_searches_vector_stores() {
    let Some(python) = Language::python("openai") else { return };
    files_are_kept(&python, "asks_files.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_for_node_keeps_files_and_searches_vector_stores() {
    let Some(node) = Language::node() else { return };
    files_are_kept(&node, "asks_files.mjs").await;
}

/// Runs a program that keeps files with its key.
async fn files_are_kept(language: &Language, file: &str) {
    let store = Store::file();
    let key = store.key(&[]);
    let alula = store.over(serve()).listen();
    language.run(file, &alula, &[&key], &[]).await;
}

/// Runs a program that shows a key, and one that is none.
async fn keys_are_shown(language: &Language, file: &str, providers: &Providers) {
    providers.openai.always().says("Hello").usage(12, 1);
    let store = Store::file();
    let key = store.key(&[]);
    let alula = store.over(providers.serve()).listen();
    language.run(file, &alula, &[&key], &[]).await;
}

/// The metrics are what Prometheus reads, of one process and of several.
#[tokio::test(flavor = "multi_thread")]
async fn the_parsers_of_prometheus_read_the_metrics() {
    let Some(python) = Language::python("prometheus_client") else { return };
    let dir = tempfile::tempdir().unwrap();
    for workers in ["1", "2"] {
        let alula = process::alula(&["serve", "--port", "0", "--workers", workers])
            .env("DATABASE_URL", format!("sqlite://{}/{workers}.db", dir.path().display()))
            .env("TMPDIR", dir.path())
            .listen();
        alula.post("/chat", &json!({"message": "Hi"})).await.is(200);
        python.run("reads_metrics.py", &alula, &[workers], &[]).await;
    }
}

/// A program of the README, for a server elsewhere.
fn program_of_the_readme(number: usize, alula: &Alula) -> String {
    let readme = include_str!("../../../../../README.md");
    let program = readme.split("```python\n").nth(number).and_then(|rest| rest.split("```").next());
    program.unwrap().replace("http://localhost:8000", &alula.url(""))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_of_the_readme_runs() {
    let Some(python) = Language::python("openai") else { return };
    let alula = serve().listen();
    let said = python.run_text(&program_of_the_readme(1, &alula)).await;
    assert!(said.contains("demo"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_about_vector_stores_runs() {
    let Some(python) = Language::python("openai") else { return };
    let page = include_str!("../../../../../docs/how-to/vector-stores.md");
    let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let alula = serve().listen();
    let program = program.unwrap().replace("http://localhost:8000", &alula.url(""));
    let said = python.run_text(&program).await;
    assert!(said.contains("fly slowly"), "{said}");
}

/// Its five minutes: a key, a stream, and what it has used.
#[tokio::test(flavor = "multi_thread")]
async fn the_five_minutes_of_the_readme_end_with_a_line_of_usage() {
    let Some(python) = Language::python("openai") else { return };
    let store = Store::file();
    let alula = store.over(serve()).listen();
    let key = store.key(&["--plan", "pro", "--budget-usd-per-day", "5"]);
    let program = program_of_the_readme(2, &alula);
    let program = program.replace("os.environ[\"ALULA_KEY\"]", &format!("{key:?}"));
    let said = python.run_text(&program).await;
    assert!(said.contains("demo"), "{said}");
    assert_eq!(alula.end().code, Some(0));
    let usage = store.over(process::alula(&["usage", "--by", "key,model", "--json"])).end();
    let line = usage.stdout.lines().next().unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["model"], &line["calls"]), (&"demo".into(), &1.into()), "{line}");
}
