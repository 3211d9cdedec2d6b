//! What workers do with jobs, and what becomes of jobs with them.

mod cancel;
mod cron;
mod every_call;
mod failures;
mod faults;
mod faulty;
mod leases;
mod limits;
mod peers;
mod postgres;
mod steps;
mod stop;
mod wake;

use std::{future::Future, sync::Arc, time::Duration};

use alula_jobs::{
    Failure, Handler, Job, JobContext, JobId, NewJob, Queue, Running, Sqlite, Worker, WorkerBuilder,
};
use serde::Serialize;
use tokio::sync::mpsc;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);
/// Shorter than the patience, and long enough for a few turns of its renewal.
const LEASE: Duration = Duration::from_millis(200);

/// An empty queue in memory.
async fn queue() -> Queue {
    Queue::new(Sqlite::in_memory().await.unwrap())
}

/// A worker that hears of nothing but what its own process tells it: it looks once an hour.
fn deaf(queue: &Queue) -> WorkerBuilder {
    Worker::builder(queue).poll(Duration::from_secs(3600))
}

/// A worker that looks often.
fn quick(queue: &Queue) -> WorkerBuilder {
    Worker::builder(queue).poll(Duration::from_millis(5))
}

fn start(builder: WorkerBuilder) -> Running {
    builder.build().unwrap().start().unwrap()
}

/// What comes of a future that must not take for ever.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

/// The job when it has ended.
async fn ended(queue: &Queue, id: JobId) -> Job {
    soon(queue.wait(id)).await.unwrap().unwrap()
}

/// Enqueues a job of one step.
async fn enqueue(queue: &Queue, handler: &Handler, args: impl Serialize) -> JobId {
    let job = NewJob::new(handler.step(), &args).unwrap();
    queue.enqueue(job).await.unwrap().id
}

/// A handler that tells the number of its attempt, and never ends. The second channel is closed when
/// it is dropped.
fn endless(name: &str) -> (Handler, mpsc::Receiver<u32>, mpsc::Receiver<()>) {
    let (begun, has_begun) = mpsc::channel(16);
    let (alive, is_dropped) = mpsc::channel(1);
    // What the handler holds beside its calls must not keep the channel open.
    let alive = Arc::new(std::sync::Mutex::new(Some(alive)));
    let handler = Handler::new(name, move |(): (), job: JobContext| {
        let (begun, alive) = (begun.clone(), alive.lock().unwrap().take());
        async move {
            begun.send(job.attempt()).await?;
            std::future::pending::<()>().await;
            drop(alive);
            Ok::<_, Failure>(())
        }
    });
    (handler, has_begun, is_dropped)
}
