//! Jobs that are stopped.

use alula_jobs::{Event, Failure, Handler, JobContext, JobState, NewBatch, NewJob, Queue, Sqlite};
use tokio::sync::mpsc;

use super::{Duration, deaf, ended, endless, enqueue, queue, soon, start};

#[tokio::test]
async fn a_handler_in_this_process_is_dropped_at_once() {
    let queue = queue().await;
    let (handler, mut begun, mut dropped) = endless("endless.v1");
    // It would take a third of the lease to hear of it from the store.
    let worker = start(deaf(&queue).lease(Duration::from_secs(3600)).handler(handler.clone()));
    let id = enqueue(&queue, &handler, ()).await;
    assert_eq!(soon(begun.recv()).await, Some(1));
    assert_eq!(queue.cancel(id).await.unwrap(), Some(JobState::Running));
    assert_eq!(soon(dropped.recv()).await, None, "it is dropped");
    assert_eq!(ended(&queue, id).await.state, JobState::Cancelled);
    let stopped = worker.stop(Duration::ZERO).await;
    assert_eq!((stopped.released, stopped.unsaved), (0, 0));
}

#[tokio::test]
async fn the_children_of_a_batch_are_dropped_with_it() {
    let queue = queue().await;
    let (handler, mut begun, mut dropped) = endless("endless.v1");
    let worker = start(deaf(&queue).lease(Duration::from_secs(3600)).handler(handler.clone()));
    let child = NewJob::new(handler.step(), &()).unwrap();
    let id = queue.batch(NewBatch::new(vec![child])).await.unwrap();
    soon(begun.recv()).await;
    assert_eq!(queue.cancel(id).await.unwrap(), Some(JobState::Waiting));
    assert_eq!(soon(dropped.recv()).await, None);
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_handler_in_another_process_is_dropped_when_its_lease_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let theirs = Queue::new(Sqlite::open(&path).await.unwrap());
    let ours = Queue::new(Sqlite::open(&path).await.unwrap());
    let (handler, mut begun, mut dropped) = endless("endless.v1");
    let (lost, mut is_lost) = mpsc::channel(1);
    let lease = Duration::from_millis(300);
    let worker = deaf(&theirs).lease(lease).handler(handler.clone());
    let worker = start(worker.observe(move |event| {
        if let Event::Lost { claim } = event {
            lost.try_send(claim.held.id).unwrap();
        }
    }));
    let id = enqueue(&theirs, &handler, ()).await;
    soon(begun.recv()).await;
    ours.cancel(id).await.unwrap();
    assert_eq!(soon(dropped.recv()).await, None);
    assert_eq!(soon(is_lost.recv()).await, Some(id));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn code_that_blocks_can_see_that_its_job_is_cancelled() {
    let queue = queue().await;
    let (begun, mut has_begun) = mpsc::channel(1);
    let (done, mut is_done) = mpsc::channel(1);
    let block = Handler::new("block.v1", move |(): (), job: JobContext| {
        let (begun, done) = (begun.clone(), done.clone());
        async move {
            tokio::task::spawn_blocking(move || {
                begun.blocking_send(()).unwrap();
                while !job.is_cancelled() {
                    std::thread::yield_now();
                }
                done.blocking_send(()).unwrap();
            });
            std::future::pending::<Result<(), Failure>>().await
        }
    });
    let worker = start(deaf(&queue).lease(Duration::from_secs(3600)).handler(block.clone()));
    let id = enqueue(&queue, &block, ()).await;
    soon(has_begun.recv()).await;
    queue.cancel(id).await.unwrap();
    assert_eq!(soon(is_done.recv()).await, Some(()));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_cancelled_job_can_be_tried_again() {
    let queue = queue().await;
    let echo = Handler::new("echo.v1", async |n: u32, _: JobContext| Ok::<_, Failure>(n));
    let id = enqueue(&queue, &echo, 5).await;
    assert_eq!(queue.cancel(id).await.unwrap(), Some(JobState::Queued));
    let worker = start(deaf(&queue).handler(echo));
    assert_eq!(queue.retry(id).await.unwrap(), Some(JobState::Cancelled));
    assert_eq!(ended(&queue, id).await.result::<u32>().unwrap(), Some(5));
    worker.stop(Duration::ZERO).await;
}
