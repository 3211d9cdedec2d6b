//! What a queue of others did wrong when it was tried, as a test for each that is not elsewhere.
//!
//! - Started again at once under its name, a worker refused to start, or kept its own jobs from
//!   being found: `a_worker_that_is_started_again_at_once_works_at_once`.
//! - A job that ends its process was begun by every process that followed:
//!   `leases::a_job_of_a_worker_that_is_gone_is_given_up_when_its_attempts_are_spent`.
//! - A job that failed was tried 25 times within 38 ms: `each_failure_is_waited_for_longer`.
//! - A file that another process wrote to for 9 s ended the worker:
//!   `a_worker_waits_for_another_process_that_writes`.
//! - Connections that Postgres ended, which that queue survived:
//!   `connections_that_are_ended_cost_no_job`.
//! - A handler that blocked was done by two workers, and both counted:
//!   `leases::a_worker_whose_runtime_is_blocked_keeps_its_leases`.
//! - Chains whose workers were killed had steps that were done twice:
//!   `chains_whose_workers_are_killed_have_each_step_once`.
//!
//! `cargo xtask chaos` does the same to whole processes.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Instant,
};

use alula_jobs::{
    Backoff, Failure, Filter, Handler, JobContext, JobId, JobState, NewJob, Postgres, Queue, Sqlite,
};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::{Duration, LEASE, ended, endless, enqueue, faulty::Faulty, queue, quick, soon, start};
use crate::store::postgres;

/// Gives back what it is called with.
fn echo() -> Handler {
    Handler::new("echo.v1", async |n: u32, _: JobContext| Ok::<_, Failure>(n))
}

#[tokio::test]
async fn a_worker_that_is_started_again_at_once_works_at_once() {
    let queue = queue().await;
    let (handler, mut begun, _dropped) = endless("endless.v1");
    let worker = || start(quick(&queue).lease(LEASE).handlers([handler.clone(), echo()]));
    let killed = worker();
    enqueue(&queue, &handler, ()).await;
    assert_eq!(soon(begun.recv()).await, Some(1));
    drop(killed);
    let since = Instant::now();
    let again = worker();
    let id = enqueue(&queue, &echo(), 7).await;
    assert_eq!(ended(&queue, id).await.attempts, 1);
    assert_eq!(soon(begun.recv()).await, Some(2), "what it had is tried again");
    assert!(since.elapsed() < LEASE + Duration::from_secs(5));
    again.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn each_failure_is_waited_for_longer() {
    let queue = queue().await;
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let fail = Handler::new("fail.v1", move |(): (), _: JobContext| {
        seen.lock().unwrap().push(Instant::now());
        async { Err::<(), _>(Failure::new("no")) }
    });
    let fail = fail.max_attempts(4).backoff(Backoff::new(Duration::from_millis(50), LEASE * 100));
    let worker = start(quick(&queue).handler(fail.clone()));
    let id = enqueue(&queue, &fail, ()).await;
    let job = ended(&queue, id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 4));
    let pauses: Vec<Duration> =
        times.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Give or take a fifth.
    for (pause, least) in pauses.iter().zip([40, 80, 160]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 3);
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_worker_waits_for_another_process_that_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let queue = Queue::new(Sqlite::open(&path).await.unwrap());
    let jobs = (0..200).map(|n| NewJob::new(echo().step(), &n).unwrap()).collect();
    queue.enqueue_all(jobs).await.unwrap();
    let worker = start(quick(&queue).handler(echo()));
    let mut other = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    // As a process would that knows nothing of others, whatever is written at this moment.
    while sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.is_err() {}
    tokio::time::sleep(Duration::from_secs(1)).await;
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    all_succeed(&queue, 200, 1).await;
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn connections_that_are_ended_cost_no_job() {
    let Some(server) = postgres::Postgres::start() else { return };
    let queue = Queue::new(Postgres::open(&server.url(), 4).await.unwrap());
    let slow = Handler::new("slow.v1", async |n: u32, _: JobContext| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok::<_, Failure>(n)
    });
    let jobs = (0..300).map(|n| NewJob::new(slow.step(), &n).unwrap()).collect();
    queue.enqueue_all(jobs).await.unwrap();
    let worker = start(quick(&queue).lease(LEASE * 5).handler(slow).concurrency("default", 4));
    let mut other = PgConnection::connect(&server.url()).await.unwrap();
    let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE application_name = 'alula jobs'";
    let ending = async {
        let mut connections_ended = 0;
        while connections_ended < 8 {
            let (ended,): (i64,) = sqlx::query_as(end).fetch_one(&mut other).await.unwrap();
            connections_ended += ended;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    soon(ending).await;
    // What was claimed by a connection that was ended before it said so waits for its lease.
    all_succeed(&queue, 300, 8).await;
    worker.stop(Duration::ZERO).await;
}

/// So many jobs have succeeded, each with so many attempts at most.
async fn all_succeed(queue: &Queue, count: u64, attempts_max: u32) {
    let counted = async {
        loop {
            if let Ok(counts) = queue.count(&Filter::default()).await
                && counts.of(JobState::Succeeded) == count
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(counted).await;
    let all = Filter { limit: u32::MAX, ..Filter::default() };
    let jobs = queue.list(&all).await.unwrap();
    assert!(jobs.iter().all(|job| job.attempts <= attempts_max), "{jobs:?}");
}

#[tokio::test]
async fn chains_whose_workers_are_killed_have_each_step_once() {
    const CHAINS: u64 = 100;
    let store = Faulty::new(Sqlite::in_memory().await.unwrap());
    let queue = Queue::new(store.clone());
    let steps = ["one.v1", "two.v1", "three.v1"].map(|name| {
        Handler::new(name, async |n: u32, _: JobContext| {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok::<_, Failure>(n + 1)
        })
        .max_attempts(20)
    });
    let [one, two, three] = steps.each_ref().map(Handler::step);
    let chains = (0..CHAINS).map(|_| {
        let chain = NewJob::new(one.clone(), &0).unwrap();
        chain.then(two.clone()).then(three.clone())
    });
    queue.enqueue_all(chains.collect()).await.unwrap();
    let worker = || start(quick(&queue).lease(LEASE).handlers(steps.clone()));
    for kill in 1..=6 {
        let killed = worker();
        let some = async {
            while store.succeeded().len() < kill * 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon(some).await;
        drop(killed);
    }
    let last = worker();
    all_succeed(&queue, CHAINS, u32::MAX).await;
    last.stop(Duration::ZERO).await;
    // One that was killed may not have learnt that a step of it had succeeded.
    let succeeded = store.succeeded();
    let once: HashSet<(JobId, u32)> = succeeded.iter().copied().collect();
    assert_eq!(once.len(), succeeded.len());
    for job in queue.list_whole(&Filter { limit: 200, ..Filter::default() }).await.unwrap() {
        assert_eq!(job.result::<u32>().unwrap(), Some(3));
    }
}
