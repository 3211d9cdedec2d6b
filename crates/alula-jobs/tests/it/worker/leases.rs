//! Jobs that are taken from their worker, and those that are not.

use std::{sync::Arc, time::Instant};

use alula_jobs::{
    Event, Failure, Handler, Job, JobContext, JobState, NewJob, Queue, Sqlite, Store,
};
use tokio::{
    runtime,
    sync::{Notify, mpsc},
};

use super::{Duration, LEASE, deaf, ended, endless, enqueue, quick, soon, start};

#[tokio::test]
async fn a_handler_whose_lease_is_lost_is_dropped_and_its_end_does_not_count() {
    let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().await.unwrap());
    let (slow, fast) = (Queue::from(Arc::clone(&store)), Queue::from(Arc::clone(&store)));
    let (handler, mut begun, mut dropped) = endless("step.v1");
    let first = start(deaf(&slow).lease(LEASE * 5).handler(handler.clone()));
    let id = enqueue(&slow, &handler, ()).await;
    assert_eq!(soon(begun.recv()).await, Some(1));
    // As if nobody had renewed it for an hour.
    store.reap(slow.time().now() + Duration::from_secs(3600)).await.unwrap();
    let quicker =
        Handler::new("step.v1", async |(): (), job: JobContext| Ok::<_, Failure>(job.attempt()));
    let second = start(quick(&fast).handler(quicker));
    let job = ended(&fast, id).await;
    assert_eq!((job.attempts, job.result::<u32>().unwrap()), (2, Some(2)));
    // The renewal tells the first one.
    assert_eq!(soon(dropped.recv()).await, None);
    let stopped = first.stop(Duration::ZERO).await;
    assert_eq!((stopped.released, stopped.unsaved), (0, 0));
    assert_eq!(fast.get(id).await.unwrap().unwrap().state, JobState::Succeeded);
    second.stop(Duration::ZERO).await;
}

/// Its worker has not heard yet that the job is no longer its own.
#[tokio::test]
async fn an_end_that_comes_too_late_does_not_count() {
    let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().await.unwrap());
    let (queue, elsewhere) = (Queue::from(Arc::clone(&store)), Queue::from(store));
    let (begun, mut has_begun) = mpsc::channel(1);
    let go = Arc::new(Notify::new());
    let going = Arc::clone(&go);
    let wait = Handler::new("wait.v1", move |(): (), _: JobContext| {
        let (begun, go) = (begun.clone(), Arc::clone(&going));
        async move {
            begun.send(()).await?;
            go.notified().await;
            Ok::<_, Failure>("done")
        }
    });
    let (lost, mut is_lost) = mpsc::channel(16);
    let worker = deaf(&queue).lease(Duration::from_secs(3600)).handler(wait.clone());
    let worker = start(worker.observe(move |event| {
        if let Event::Lost { claim } = event {
            lost.try_send(claim.held.id).unwrap();
        }
    }));
    let id = enqueue(&queue, &wait, ()).await;
    soon(has_begun.recv()).await;
    elsewhere.cancel(id).await.unwrap();
    go.notify_one();
    assert_eq!(soon(is_lost.recv()).await, Some(id));
    let job = queue.get(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.result::<String>().unwrap()), (JobState::Cancelled, None));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_job_of_a_worker_that_is_gone_is_given_up_when_its_attempts_are_spent() {
    let queue = super::queue().await;
    let (handler, mut begun, _dropped) = endless("endless.v1");
    let handler = handler.max_attempts(2);
    let id = enqueue(&queue, &handler, ()).await;
    for attempt in 1..=2 {
        let lease = Duration::from_millis(100);
        let worker = start(quick(&queue).lease(lease).handler(handler.clone()));
        assert_eq!(soon(begun.recv()).await, Some(attempt));
        drop(worker);
    }
    let worker = start(quick(&queue).handler(handler));
    let job = ended(&queue, id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 2));
    worker.stop(Duration::ZERO).await;
}

/// Every thread of a runtime is blocked for several leases, and no other worker gets the jobs.
#[test]
fn a_worker_whose_runtime_is_blocked_keeps_its_leases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let lease = LEASE;
    let (go, gone) = std::sync::mpsc::sync_channel::<()>(0);
    let gone = Arc::new(std::sync::Mutex::new(gone));
    let block = Handler::new("block.v1", move |(): (), job: JobContext| {
        let gone = Arc::clone(&gone);
        async move {
            // This is what no handler should do.
            let _ = gone.lock().unwrap().recv();
            Ok::<_, Failure>(job.attempt())
        }
    });
    let blocked = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let blocked = blocked.unwrap();
    let free = runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let open =
        |runtime: &runtime::Runtime| Queue::new(runtime.block_on(Sqlite::open(&path)).unwrap());
    let (theirs, ours) = (open(&blocked), open(&free));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(free.block_on(enqueue(&ours, &block, ())));
    }
    let at_work = {
        let _inside = blocked.enter();
        start(quick(&theirs).lease(lease).handler(block.clone()))
    };
    free.block_on(async {
        let all = async |is: &dyn Fn(&Job) -> bool| loop {
            let mut jobs = Vec::new();
            for id in &ids {
                jobs.push(ours.get(*id).await.unwrap().unwrap());
            }
            if jobs.iter().all(is) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        soon(all(&|job| job.state == JobState::Running)).await;
        let other = start(quick(&ours).lease(lease).handler(block.clone()));
        let since = Instant::now();
        let later = ours.time().now() + lease * 4;
        soon(all(&|job| job.lease_until.is_some_and(|until| until >= later))).await;
        assert!(since.elapsed() >= lease * 2, "leases ran on while the runtime was blocked");
        soon(all(&|job| job.state == JobState::Running && job.attempts == 1)).await;
        drop(go);
        for id in &ids {
            let job = ended(&ours, *id).await;
            assert_eq!((job.state, job.result::<u32>().unwrap()), (JobState::Succeeded, Some(1)));
        }
        other.stop(Duration::ZERO).await;
    });
    blocked.block_on(at_work.stop(Duration::ZERO));
}

#[tokio::test]
async fn jobs_are_not_taken_before_there_is_a_slot() {
    let queue = super::queue().await;
    let (handler, mut begun, _dropped) = endless("endless.v1");
    let worker = start(quick(&queue).handler(handler.clone()).concurrency("default", 1));
    let jobs = (0..5).map(|_| NewJob::new(handler.step(), &()).unwrap()).collect();
    queue.enqueue_all(jobs).await.unwrap();
    soon(begun.recv()).await;
    let counts = queue.count(&alula_jobs::Filter::default()).await.unwrap();
    assert_eq!((counts.of(JobState::Running), counts.of(JobState::Queued)), (1, 4));
    worker.stop(Duration::ZERO).await;
}
