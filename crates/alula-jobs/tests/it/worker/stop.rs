//! Workers that stop.

use std::sync::Arc;

use alula_jobs::{Failure, Handler, JobContext, JobState};
use tokio::sync::{Notify, mpsc};

use super::{Duration, PATIENCE, deaf, ended, endless, enqueue, queue, quick, soon, start};

#[tokio::test]
async fn what_is_not_done_by_the_deadline_is_given_back_and_not_counted() {
    let queue = queue().await;
    let (handler, mut begun, mut dropped) = endless("endless.v1");
    let worker = start(deaf(&queue).handler(handler.clone()));
    let id = enqueue(&queue, &handler, ()).await;
    soon(begun.recv()).await;
    let stopped = soon(worker.stop(Duration::from_millis(20))).await;
    assert_eq!((stopped.released, stopped.unsaved), (1, 0));
    assert_eq!(soon(dropped.recv()).await, None);
    let job = queue.get(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Queued, 0));
    // The next worker need not wait for the lease.
    let next = start(deaf(&queue).handler(handler));
    assert_eq!(soon(begun.recv()).await, Some(1));
    next.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn handlers_finish_and_nothing_new_begins() {
    let queue = queue().await;
    let (begun, mut has_begun) = mpsc::channel(16);
    let go = Arc::new(Notify::new());
    let going = Arc::clone(&go);
    let wait = Handler::new("wait.v1", move |n: u32, _: JobContext| {
        let (begun, go) = (begun.clone(), Arc::clone(&going));
        async move {
            begun.send(n).await?;
            go.notified().await;
            Ok::<_, Failure>(n)
        }
    });
    let worker = start(quick(&queue).handler(wait.clone()).concurrency("default", 1));
    let first = enqueue(&queue, &wait, 1).await;
    let second = enqueue(&queue, &wait, 2).await;
    assert_eq!(soon(has_begun.recv()).await, Some(1));
    let going = async {
        // It is asked to stop before the handler may go on.
        tokio::task::yield_now().await;
        go.notify_one();
    };
    let (stopped, ()) = tokio::join!(biased; worker.stop(PATIENCE), going);
    assert_eq!((stopped.released, stopped.unsaved), (0, 0));
    assert_eq!(queue.get(first).await.unwrap().unwrap().state, JobState::Succeeded);
    let job = queue.get(second).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Queued, 0));
    assert!(has_begun.is_empty());
}

#[tokio::test]
async fn a_worker_that_is_dropped_leaves_its_handlers_to_their_leases() {
    let queue = queue().await;
    let (handler, mut begun, mut dropped) = endless("endless.v1");
    let worker = start(deaf(&queue).lease(Duration::from_millis(200)).handler(handler.clone()));
    let id = enqueue(&queue, &handler, ()).await;
    soon(begun.recv()).await;
    drop(worker);
    assert_eq!(soon(dropped.recv()).await, None);
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, JobState::Running);
    let next = start(quick(&queue).handler(handler));
    assert_eq!(soon(begun.recv()).await, Some(2), "the lease has run out");
    next.stop(Duration::ZERO).await;
    assert_eq!(queue.cancel(id).await.unwrap(), Some(JobState::Queued));
    assert_eq!(ended(&queue, id).await.attempts, 1, "the attempt of the drop was one");
}
