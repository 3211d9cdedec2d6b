//! No row is lost: at the end, while the database is away, and by several processes.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use alula_llm::testing::FakeProvider;
use futures_util::future::join_all;
use serde_json::Value;
use tempfile::TempDir;

use super::{CHAT, MODEL, messages, question, serve_fake};
use crate::{
    client::{Answer, http},
    postgres::Postgres,
    process::{Alula, Start, alula},
};

async fn provider() -> FakeProvider {
    let fake = FakeProvider::start().await;
    fake.always().says(["He", "llo"]).usage(1_000, 100);
    fake
}

/// A server that keeps its rows here.
fn serve_at(fake: &FakeProvider, database: &str, dir: &Path) -> Start {
    serve_fake(fake).env("DATABASE_URL", database).env("ALULA_USAGE_SPILL_DIR", dir)
}

fn sqlite(dir: &TempDir) -> String {
    format!("sqlite://{}", dir.path().join("alula.db").display())
}

/// How many calls the database has, once the server has ended.
fn count(database: &str) -> u64 {
    let usage = alula(&["usage", "--by", "operation", "--json"]).env("DATABASE_URL", database);
    let ended = usage.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line: Value = serde_json::from_str(ended.stdout.trim()).unwrap_or_default();
    line["calls"].as_u64().unwrap_or_default()
}

/// The files in which rows wait.
fn waiting(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|name| name.to_string_lossy().starts_with("usage-spill-")).count()
}

async fn ask(alula: &Alula, calls: usize) {
    for _ in 0..calls {
        alula.post("/chat", &question(MODEL)).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_under_load_writes_every_row() {
    let dir = TempDir::new().unwrap();
    let fake = provider().await;
    let server = serve_at(&fake, &sqlite(&dir), dir.path()).listen();
    let answered = AtomicUsize::new(0);
    let client = http();
    let clients = (0..16).map(|number| {
        let (client, answered, server) = (&client, &answered, &server);
        async move {
            // Until the server is gone.
            loop {
                let request = client.post(server.url(CHAT)).json(&messages(MODEL, number % 2 == 0));
                let Ok(response) = request.send().await else { return };
                if response.status() != 200 || response.text().await.is_err() {
                    return;
                }
                if answered.fetch_add(1, SeqCst) == 200 {
                    server.signal("TERM");
                }
            }
        }
    });
    join_all(clients).await;
    let ended = server.end_after_signal();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let rows = count(&sqlite(&dir));
    assert!(rows > 200, "{rows}");
    assert_eq!(rows, fake.request_count() as u64, "{ended:?}");
    assert_eq!(waiting(dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_wait_for_a_database_that_is_away() {
    let Some(mut postgres) = Postgres::start() else { return };
    let dir = TempDir::new().unwrap();
    let fake = provider().await;
    let server = serve_at(&fake, &postgres.url(), dir.path()).listen();
    ask(&server, 3).await;
    server.calls(3).await;
    postgres.kill();
    ask(&server, 5).await;
    server.logged("the database takes no usage");
    ask(&server, 5).await;
    assert_eq!(server.get("/admin/usage").await.status, 503);
    postgres.restart();
    assert_eq!(server.calls(13).await.len(), fake.request_count());
    server.logged("all usage that waited is in the database");
    ask(&server, 1).await;
    server.calls(14).await;
    assert_eq!(waiting(dir.path()), 0);
    let ended = server.end();
    assert!(!ended.stderr.contains("missing in the ledger"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_are_written_by_the_next_start() {
    let Some(mut postgres) = Postgres::start() else { return };
    let dir = TempDir::new().unwrap();
    let fake = provider().await;
    let stopped = serve_at(&fake, &postgres.url(), dir.path()).listen();
    let killed = serve_at(&fake, &postgres.url(), dir.path()).listen();
    // They have started when they answer.
    ask(&stopped, 1).await;
    ask(&killed, 1).await;
    stopped.calls(2).await;
    postgres.kill();
    for server in [&stopped, &killed] {
        ask(server, 4).await;
        server.logged("the database takes no usage");
    }
    let ended = stopped.end();
    assert!(ended.stderr.contains("usage waits for the next start"), "{ended:?}");
    // Without a chance to do anything.
    drop(killed);
    assert_eq!(waiting(dir.path()), 2);
    postgres.restart();
    let next = serve_at(&fake, &postgres.url(), dir.path()).listen();
    next.calls(10).await;
    next.end();
    assert_eq!(waiting(dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_database() {
    let postgres = Postgres::start();
    let dir = TempDir::new().unwrap();
    let databases = [Some(sqlite(&dir)), postgres.as_ref().map(Postgres::url)];
    for database in databases.into_iter().flatten() {
        let fake = provider().await;
        let servers = [(); 2].map(|()| serve_at(&fake, &database, dir.path()).listen());
        let client = http();
        let asked = servers.iter().flat_map(|server| {
            let ask = || Answer::of(client.post(server.url("/chat")).json(&question(MODEL)));
            (0..50).map(|_| ask()).collect::<Vec<_>>()
        });
        for answer in join_all(asked).await {
            answer.is(200);
        }
        // Each sees the rows of both.
        for server in &servers {
            server.calls(100).await;
        }
        for server in servers {
            let ended = server.end();
            assert!(!ended.stderr.contains("services::usage"), "{ended:?}");
        }
    }
}

/// What comes too fast for a queue that is too short is counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_said() {
    let fake = provider().await;
    let server = serve_fake(&fake).env("ALULA_USAGE_QUEUE", "1").listen();
    let client = http();
    let asked =
        (0..50).map(|_| Answer::of(client.post(server.url("/chat")).json(&question(MODEL))));
    join_all(asked).await;
    server.logged("calls are missing in the ledger");
    tokio::time::timeout(Duration::from_secs(30), ask(&server, 1)).await.unwrap();
}
