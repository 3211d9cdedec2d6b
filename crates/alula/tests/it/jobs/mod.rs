//! Functions with `#[job]`, in an application.

#![expect(clippy::too_many_arguments, reason = "a test has one input of each kind")]

mod enqueue;
mod failures;
mod inputs;
mod start_up;
mod worker;

use alula::jobs::{Job, JobId, Queue, Sqlite};
use alula::testing::TestClient;

async fn queue() -> Queue {
    Queue::new(Sqlite::in_memory().await.unwrap())
}

async fn get(client: &TestClient, id: JobId) -> Job {
    client.jobs().queue().get(id).await.unwrap().unwrap()
}
