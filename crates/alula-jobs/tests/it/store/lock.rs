//! Several processes that write to one file of SQLite.

use std::time::Duration;

use alula_jobs::{Sqlite, Store as _};
use sqlx::{Connection as _, SqliteConnection};
use tokio::time::timeout;

use super::{NOW, claim, done, finish, job};

#[tokio::test]
async fn a_call_waits_for_another_process_that_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let mut other = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();

    let jobs = [job("a")];
    let mut enqueue = store.enqueue(&jobs, NOW);
    // Longer than SQLite itself waits.
    let waited = timeout(Duration::from_millis(50), &mut enqueue).await;
    assert!(waited.is_err(), "it wrote while another one did: {waited:?}");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert!(enqueue.await.unwrap()[0].is_new);
}

/// What is refused is undone, and what comes after it is not a part of it.
#[tokio::test]
async fn a_call_that_fails_leaves_no_transaction_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let mut other = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    // As if a program of tomorrow had been here.
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON jobs WHEN new.name = 'b' \
                  BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    sqlx::raw_sql(broken).execute(&mut other).await.unwrap();

    let error = store.enqueue(&[job("a"), job("b")], NOW).await.unwrap_err();
    assert!(!error.is_temporary(), "{error}");
    assert_eq!(claim(&store, "w", 10, NOW).await.len(), 0);
    store.enqueue(&[job("a")], NOW).await.unwrap();
    let taken = claim(&store, "w", 10, NOW).await;
    assert_eq!(taken.len(), 1);
    assert!(finish(&store, done(&taken[0], "yes"), NOW).await);
}
