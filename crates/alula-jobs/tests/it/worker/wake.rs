//! That nobody waits for a look at the store who need not.

use alula_jobs::{Backoff, Failure, Handler, JobContext, JobState, NewJob, Queue, Sqlite};
use futures_util::TryStreamExt as _;

use super::{Duration, deaf, ended, enqueue, queue, quick, soon, start};

fn echo() -> Handler {
    Handler::new("echo.v1", async |n: u32, _: JobContext| Ok::<_, Failure>(n))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_enqueued_here_begins_at_once_every_time() {
    let queue = queue().await;
    let worker = start(deaf(&queue).handler(echo()).concurrency("default", 2));
    let one_by_one = async {
        for n in 0..100 {
            let id = enqueue(&queue, &echo(), n).await;
            assert_eq!(ended(&queue, id).await.result::<u32>().unwrap(), Some(n));
        }
    };
    let many_at_once = async {
        for _ in 0..10 {
            let jobs = (0..50).map(|n| NewJob::new(echo().step(), &n).unwrap()).collect();
            let enqueued = queue.enqueue_all(jobs).await.unwrap();
            for one in enqueued {
                assert_eq!(ended(&queue, one.id).await.state, JobState::Succeeded);
            }
        }
    };
    tokio::join!(one_by_one, many_at_once);
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn what_is_due_here_begins_when_it_is_due() {
    let queue = queue().await;
    let pause = Duration::from_millis(30);
    let fail = Handler::new("fail.v1", async |(): (), job: JobContext| match job.attempt() {
        3 => Ok(()),
        attempt => Err(Failure::new(format!("attempt {attempt}"))),
    });
    let fail = fail.backoff(Backoff::new(pause, pause));
    let worker = start(deaf(&queue).handlers([echo(), fail.clone()]));
    let late = NewJob::new(echo().step(), &1).unwrap().delay(pause);
    let late = queue.enqueue(late).await.unwrap().id;
    let retried = enqueue(&queue, &fail, ()).await;
    for id in [late, retried] {
        let job = ended(&queue, id).await;
        assert_eq!(job.state, JobState::Succeeded);
        assert!(job.started_at.unwrap() - job.created_at >= pause, "{job:?}");
    }
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn what_another_process_does_is_found_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let theirs = Queue::new(Sqlite::open(&path).await.unwrap());
    let ours = Queue::new(Sqlite::open(&path).await.unwrap());
    let ours = ours.watch_interval(Duration::from_millis(5));
    let worker = start(quick(&theirs).handler(echo()));
    let id = enqueue(&ours, &echo(), 7).await;
    let seen = ours.watch(id).into_stream().map_ok(|job| job.state);
    let seen: Vec<JobState> = soon(seen.try_collect()).await.unwrap();
    assert_eq!(seen.last(), Some(&JobState::Succeeded));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_job_that_is_not_there_is_not_waited_for() {
    let queue = queue().await;
    let id = alula_jobs::JobId::new();
    assert!(soon(queue.wait(id)).await.unwrap().is_none());
    assert_eq!(queue.cancel(id).await.unwrap(), None);
    assert_eq!(queue.retry(id).await.unwrap(), None);
}
