//! Attempts that fail, and when they are made again.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use alula_jobs::{Backoff, Failure, Handler, JobContext, JobState, NewJob, Step};

use super::{Duration, deaf, ended, enqueue, queue, soon, start};

const SHORT: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));

/// A handler that does with each attempt what the function says.
fn trying<R>(attempt: impl Fn(u32) -> R + Copy + Send + Sync + 'static) -> Handler
where
    R: Future<Output = Result<u32, Failure>> + Send + 'static,
{
    Handler::new("try.v1", move |(): (), job: JobContext| attempt(job.attempt()))
        .max_attempts(3)
        .backoff(SHORT)
}

#[tokio::test]
async fn a_job_is_given_up_when_its_attempts_are_spent_and_can_be_tried_again() {
    let queue = queue().await;
    let handler = trying(async |attempt| Err(Failure::new(format!("attempt {attempt}"))));
    let worker = start(deaf(&queue).handler(handler.clone()));
    let id = enqueue(&queue, &handler, ()).await;
    for _ in 0..2 {
        let job = ended(&queue, id).await;
        assert_eq!((job.state, job.attempts), (JobState::Failed, 3));
        assert_eq!(job.error.as_deref(), Some("attempt 3"));
        assert_eq!(queue.retry(id).await.unwrap(), Some(JobState::Failed));
    }
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_terminal_failure_is_the_last_attempt_and_may_have_a_result() {
    let queue = queue().await;
    let handler = trying(async |_| Err(Failure::terminal("no text in it").result(&7)?));
    let worker = start(deaf(&queue).handler(handler.clone()));
    let id = enqueue(&queue, &handler, ()).await;
    let job = ended(&queue, id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    assert_eq!(job.error.as_deref(), Some("no text in it"));
    assert_eq!(job.result::<u32>().unwrap(), Some(7));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn the_next_attempt_is_not_sooner_than_was_asked_for() {
    let queue = queue().await;
    let pause = Duration::from_secs(60);
    let handler = trying(async |_| Err(Failure::new("busy").after(Duration::from_secs(60))));
    let worker = start(deaf(&queue).handler(handler.clone()));
    let id = enqueue(&queue, &handler, ()).await;
    let mut watch = queue.watch(id);
    let job = loop {
        let job = soon(watch.next()).await.unwrap().unwrap();
        if job.state == JobState::Scheduled {
            break job;
        }
    };
    assert_eq!((job.attempts, job.error.as_deref()), (1, Some("busy")));
    assert!(job.run_at - job.started_at.unwrap() >= pause, "{job:?}");
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn what_cannot_be_done_now_is_no_attempt() {
    let queue = queue().await;
    let calls = Arc::new(AtomicU32::new(0));
    let handler = Handler::new("later.v1", move |(): (), job: JobContext| {
        let call = calls.fetch_add(1, SeqCst);
        async move {
            match call {
                0..10 => Err(Failure::later(Duration::from_millis(1))),
                _ => Ok(job.attempt()),
            }
        }
    });
    let worker = start(deaf(&queue).handler(handler.clone()));
    let id = enqueue(&queue, &handler, ()).await;
    let job = ended(&queue, id).await;
    assert_eq!((job.state, job.result::<u32>().unwrap()), (JobState::Succeeded, Some(1)));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_the_worker_lives() {
    let queue = queue().await;
    let late = trying(async |attempt| match attempt {
        1 => panic!("page {attempt} of none"),
        _ => Ok(attempt),
    });
    // It panics before there is a future.
    let early = Handler::new("early.v1", |(): (), job: JobContext| {
        assert_ne!(job.attempt(), 1, "too early");
        async { Ok::<_, Failure>(2) }
    });
    let early = early.backoff(SHORT);
    let worker = start(deaf(&queue).handlers([late.clone(), early.clone()]));
    for handler in [&late, &early] {
        let id = enqueue(&queue, handler, ()).await;
        let job = ended(&queue, id).await;
        assert_eq!((job.state, job.result::<u32>().unwrap()), (JobState::Succeeded, Some(2)));
    }
    let once = late.max_attempts(1);
    let id = enqueue(&queue, &once, ()).await;
    let job = ended(&queue, id).await;
    assert_eq!(job.error.as_deref(), Some("it panicked: page 1 of none"));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_has_failed() {
    let queue = queue().await;
    let handler = trying(async |attempt| match attempt {
        1 => std::future::pending().await,
        _ => Err(Failure::terminal("second")),
    });
    let handler = handler.timeout(Duration::from_millis(20));
    let worker = start(deaf(&queue).handler(handler.clone()));
    let once = enqueue(&queue, &handler.clone().max_attempts(1), ()).await;
    let job = ended(&queue, once).await;
    assert_eq!(job.error.as_deref(), Some("it took longer than 20ms"));
    let id = enqueue(&queue, &handler, ()).await;
    let job = ended(&queue, id).await;
    assert_eq!((job.attempts, job.error.as_deref()), (2, Some("second")));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn arguments_that_cannot_be_read_are_tried_once_and_say_where() {
    let queue = queue().await;
    let sum = Handler::new("sum.v1", async |numbers: Vec<u32>, _: JobContext| {
        Ok::<_, Failure>(numbers.iter().sum::<u32>())
    });
    let worker = start(deaf(&queue).handler(sum.clone()));
    let id = enqueue(&queue, &sum, serde_json::json!([1, -1])).await;
    let job = ended(&queue, id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    let error = job.error.as_ref().unwrap();
    assert!(error.starts_with("the arguments cannot be read at `[1]`: invalid value"), "{error}");
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn steps_without_a_handler_here_are_left_to_other_workers() {
    let queue = queue().await;
    let mine = Handler::new("mine.v1", async |(): (), _: JobContext| Ok::<_, Failure>(1));
    let theirs = Handler::new("theirs.v1", async |(): (), _: JobContext| Ok::<_, Failure>(2));
    let job = NewJob::new(Step::new("theirs.v1"), &()).unwrap().priority(9);
    let other = queue.enqueue(job).await.unwrap().id;
    let here = start(deaf(&queue).handler(mine.clone()));
    let id = enqueue(&queue, &mine, ()).await;
    assert_eq!(ended(&queue, id).await.state, JobState::Succeeded);
    let job = queue.get(other).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Queued, 0));
    let there = start(deaf(&queue).handler(theirs));
    assert_eq!(ended(&queue, other).await.state, JobState::Succeeded);
    here.stop(Duration::ZERO).await;
    there.stop(Duration::ZERO).await;
}
