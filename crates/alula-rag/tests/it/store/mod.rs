//! What holds for every store.

mod again;
mod cache;
mod cancel;
mod delete;
mod filters;
mod index;
mod isolation;
mod partial;
mod pgvector;
mod search;
mod vectors;

use std::sync::Arc;

use alula_llm::model::Purpose;
use alula_rag::{
    Attributes, Chunk, Embedder, EntryRef, Hashing, NewEntry, Scope, Span, SqlStore, Store,
    StoreSettings, VectorIndex,
    search::{Found, Query, Searcher},
};

#[expect(dead_code, reason = "others restart it")]
#[path = "../../../../alula-server/tests/support/postgres.rs"]
mod postgres;

/// Runs a test on SQLite in memory, in a file, and on Postgres without and with pgvector, as far as
/// there is one.
async fn on_each(test: impl AsyncFn(Arc<dyn Store>)) {
    let settings = StoreSettings::default();
    test(Arc::new(SqlStore::in_memory(&settings).await.unwrap())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = SqlStore::open(folder.path().join("rag.db"), &settings).await.unwrap();
    test(Arc::new(file.clone())).await;
    file.close().await;
    let pgvector = postgres_with_pgvector();
    for (server, has_pgvector) in [(postgres::Postgres::start(), false), (pgvector, true)] {
        let Some(server) = server else { continue };
        let store = SqlStore::connect(&server.url(), 4, &settings).await.unwrap();
        let found = matches!(store.vector_index(), VectorIndex::Pgvector(_));
        assert_eq!(found, has_pgvector);
        test(Arc::new(store.clone())).await;
        store.close().await;
    }
}

/// Runs a test with two stores over one database, as two processes have it: over a file, and over
/// Postgres without and with pgvector.
async fn on_two(test: impl AsyncFn(Arc<dyn Store>, Arc<dyn Store>)) {
    let settings = StoreSettings::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rag.db");
    let first = SqlStore::open(&path, &settings).await.unwrap();
    let second = SqlStore::open(&path, &settings).await.unwrap();
    test(Arc::new(first.clone()), Arc::new(second.clone())).await;
    first.close().await;
    second.close().await;
    for server in [postgres::Postgres::start(), postgres_with_pgvector()] {
        let Some(server) = server else { continue };
        let first = SqlStore::connect(&server.url(), 4, &settings).await.unwrap();
        let second = SqlStore::connect(&server.url(), 4, &settings).await.unwrap();
        test(Arc::new(first.clone()), Arc::new(second.clone())).await;
        first.close().await;
        second.close().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
fn postgres_with_pgvector() -> Option<postgres::Postgres> {
    const NAME: &str = "ALULA_TEST_PGVECTOR";
    postgres::Postgres::start_in(std::env::var_os(NAME).map(Into::into), NAME)
}

const MAIN: Scope<'static> = Scope { tenant: "acme", collection: "main" };

fn chunk(ordinal: u32, text: &str) -> Chunk {
    let start = usize::try_from(ordinal).unwrap() * 1_000;
    let span = Span { start, end: start + text.chars().count() };
    let (text, headings) = (text.to_owned(), Vec::new());
    Chunk { ordinal, text, span, page: Some(ordinal + 1), headings, tokens: 5 }
}

fn chunks(texts: &[&str]) -> Vec<Chunk> {
    (0..).zip(texts).map(|(ordinal, text)| chunk(ordinal, text)).collect()
}

async fn put_entry(store: &dyn Store, at: EntryRef<'_>, attributes: &Attributes) {
    let filename = format!("{}.md", at.document);
    let new = NewEntry { at, filename: &filename, attributes, chunking: None };
    store.put_entry(&new).await.unwrap();
}

/// Makes a version of these texts the one that is found, with vectors if there is a model.
async fn index(
    store: &dyn Store,
    at: EntryRef<'_>,
    version: &str,
    texts: &[&str],
    embedder: Option<&dyn Embedder>,
) {
    if store.entry(at).await.unwrap().is_none() {
        put_entry(store, at, &Attributes::default()).await;
    }
    store.put_chunks(at, version, &chunks(texts)).await.unwrap();
    if let Some(embedder) = embedder {
        let vectors = embedder.embed(texts, Purpose::Document).await.unwrap();
        store.put_vectors(at, version, embedder.model(), 0, &vectors).await.unwrap();
    }
    let count = u32::try_from(texts.len()).unwrap();
    let model = embedder.map(Embedder::model);
    store.publish(at, version, count, model).await.unwrap();
}

fn hashing() -> Arc<Hashing> {
    Arc::new(Hashing::new(64))
}

async fn search(store: &Arc<dyn Store>, scope: Scope<'_>, query: &Query) -> Found {
    Searcher::new(store.clone()).search(scope, query).await.unwrap()
}

/// The documents that are found by the words of a text, the best first.
async fn documents(store: &Arc<dyn Store>, scope: Scope<'_>, text: &str) -> Vec<String> {
    let found = search(store, scope, &Query::new(text)).await;
    found.hits.into_iter().map(|hit| hit.document).collect()
}
