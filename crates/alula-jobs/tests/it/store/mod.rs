//! What holds for every store.

mod batches;
mod claims;
mod ends;
mod lists;
mod lock;
mod maintenance;
mod schema;

use std::{sync::Arc, time::Duration};

use alula_jobs::{
    Job, JobId, JobState, NewJob, Postgres, Sqlite, Step, Store, Timestamp,
    store::{Ask, AskQueue, Claim, Due, End, Next, QueueLimits},
};
use serde_json::value::{RawValue, to_raw_value};

#[expect(dead_code, reason = "others restart it")]
#[path = "../../../../alula-server/tests/support/postgres.rs"]
pub(crate) mod postgres;

/// Runs a test on SQLite in memory, in a file, and on Postgres if there is one.
async fn on_each(test: impl AsyncFn(&dyn Store)) {
    let memory = Sqlite::in_memory().await.unwrap();
    test(&memory).await;
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::open(folder.path().join("jobs.db")).await.unwrap();
    test(&file).await;
    if let Some(postgres) = postgres::Postgres::start() {
        let store = Postgres::open(&postgres.url(), 8).await.unwrap();
        test(&store).await;
        store.close().await;
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const LEASE: Duration = Duration::from_secs(30);

fn later(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn job(name: &str) -> NewJob {
    NewJob::new(Step::new(name), &name).unwrap()
}

fn raw(value: &str) -> Box<RawValue> {
    to_raw_value(value).unwrap()
}

/// Takes as many jobs of the queue `default`, whatever their names in these tests.
async fn claim(store: &dyn Store, worker: &str, count: u32, now: Timestamp) -> Vec<Arc<Claim>> {
    claim_limited(store, worker, count, QueueLimits::default(), now).await
}

/// The names of these tests.
const NAMES: [&str; 5] = ["a", "b", "c", "join", "told"];

/// What there is to do in a queue.
async fn look(store: &dyn Store, queue: &str, now: Timestamp) -> Due {
    store.look(&[queue], &NAMES, now).await.unwrap()
}

async fn claim_limited(
    store: &dyn Store,
    worker: &str,
    count: u32,
    limits: QueueLimits,
    now: Timestamp,
) -> Vec<Arc<Claim>> {
    let queues = [AskQueue { name: "default", count, limits }];
    let ask = Ask { worker, until: now + LEASE, queues: &queues, names: &NAMES };
    store.claim(&ask, now).await.unwrap().into_iter().map(Arc::new).collect()
}

/// Takes the only job there is.
async fn claim_one(store: &dyn Store, now: Timestamp) -> Arc<Claim> {
    let mut claims = claim(store, "w", 10, now).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

fn done(claim: &Arc<Claim>, result: &str) -> End {
    End { claim: claim.clone(), next: Next::Done(raw(result)) }
}

fn retry(claim: &Arc<Claim>, at: Timestamp) -> End {
    End { claim: claim.clone(), next: Next::Retry { at, error: "no".to_owned() } }
}

async fn finish(store: &dyn Store, end: End, now: Timestamp) -> bool {
    store.finish(&[end], now).await.unwrap()[0]
}

/// The state of a job before it was stopped.
async fn cancel(store: &dyn Store, id: JobId) -> Option<JobState> {
    store.cancel(id, NOW).await.unwrap().map(|cancelled| cancelled.before)
}

async fn get(store: &dyn Store, id: JobId) -> Job {
    store.get(id).await.unwrap().unwrap()
}

async fn state(store: &dyn Store, id: JobId) -> JobState {
    get(store, id).await.state
}
