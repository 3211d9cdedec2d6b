//! `alula ask`.

use alula_llm::testing::{FakeProvider, Fault};
use serde_json::{Value, json};

use super::{Document, WINGS};
use crate::{
    keys::{Store, id_of},
    process::{Ended, Start, alula},
};

/// `alula ask` with these arguments.
fn ask(store: &Store, fake: &FakeProvider, arguments: &[&str]) -> Start {
    let start = alula(&[&["ask"], arguments].concat());
    store.over(start).env("OPENAI_API_KEY", "sk-test").env("OPENAI_BASE_URL", fake.url())
}

/// Runs it where it does not hold up the provider.
async fn ended(start: Start) -> Ended {
    tokio::task::spawn_blocking(|| start.end()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_printed_with_what_it_is_from() {
    let fake = FakeProvider::start().await;
    fake.turn().says(["A feather [", "1]."]).usage(5, 2).times(2);
    let store = Store::file();
    Document::new("wings", WINGS).put(&store, "").await;
    let done = ended(ask(&store, &fake, &["What", "is", "an", "alula?"])).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let expected = format!("A feather [1].\n\n[1] wings.pdf, page 1: Birds\n    {}\n", WINGS[0]);
    assert_eq!(done.stdout, expected);
    let done = ended(ask(&store, &fake, &["--json", "What is an alula?"])).await;
    let json: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(json["citations"][0]["document_id"], "wings", "{json}");
    fake.finish();
    // What it has cost is in the ledger.
    let usage = store.over(alula(&["usage", "--by", "operation", "--json"])).end().stdout;
    let usage: Value = serde_json::from_str(usage.trim()).unwrap();
    assert_eq!((&usage["calls"], &usage["input_tokens"]), (&json!(2), &json!(10)), "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_code_says_whether_there_is_an_answer() {
    let fake = FakeProvider::start().await;
    let store = Store::file();
    Document::new("wings", WINGS).put(&store, "").await;
    let done = ended(ask(&store, &fake, &["Who won the election?"])).await;
    assert_eq!((done.code, &*done.stdout), (Some(3), "The documents do not say.\n"), "{done:?}");
    fake.turn().expects(json!({ "model": "x" })).then(Fault::Status(400));
    let done = ended(ask(&store, &fake, &["--model", "openai/x", "What is an alula?"])).await;
    assert_eq!((done.code, &*done.stdout), (Some(1), ""), "{done:?}");
    let memory = ask(&store, &fake, &["alula?"]).env("DATABASE_URL", "sqlite::memory:");
    let done = ended(memory).await;
    assert_eq!(done.code, Some(2), "{done:?}");
    assert_eq!(ended(ask(&store, &fake, &[])).await.code, Some(2));
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_those_of_a_key() {
    let fake = FakeProvider::start().await;
    fake.turn().says("A feather [1].");
    let store = Store::file();
    let (key, other) = (store.key(&[]), store.key(&[]));
    Document::new("wings", WINGS).put(&store, id_of(&key)).await;
    let question = "What is an alula?";
    let done = ended(ask(&store, &fake, &[question])).await;
    assert_eq!(done.code, Some(2), "{done:?}");
    let done = ended(ask(&store, &fake, &["--key", id_of(&other), question])).await;
    assert_eq!(done.code, Some(3), "{done:?}");
    let done = ended(ask(&store, &fake, &["--key", id_of(&key), question])).await;
    assert!(done.stdout.starts_with("A feather [1]."), "{done:?}");
    let done = ended(ask(&store, &fake, &["--key", "nobody", question])).await;
    assert_eq!((done.code, done.stderr.contains("unknown")), (Some(1), true), "{done:?}");
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_document_nor_a_model_reaches_the_terminal() {
    let fake = FakeProvider::start().await;
    fake.turn().says("\u{1b}[2J\u{9b}31m [1]");
    let store = Store::file();
    Document::new("e\u{1b}]0;evil", &["The alula \u{1b}[8m."]).put(&store, "").await;
    let done = ended(ask(&store, &fake, &["What is an alula?"])).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!done.stdout.contains(['\u{1b}', '\u{9b}']), "{done:?}");
    fake.finish();
}
