//! What is left when the store fails: everything.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use alula_jobs::{
    Backoff, Clock, Event, Failure, Filter, Handler, JobContext, JobState, NewJob, Queue, Sqlite,
    Timestamp,
};

use futures_util::future::join_all;

use super::{
    Duration, LEASE, ended, enqueue,
    faulty::{Call, Fault, Faulty},
    quick, soon, start,
};

async fn faulty() -> (Faulty, Queue) {
    let store = Faulty::new(Sqlite::in_memory().await.unwrap());
    (store.clone(), Queue::new(store))
}

/// Each call of a worker fails three times in a row, before or after it was made: all jobs come to
/// their ends, and no step that has succeeded is done again.
#[tokio::test]
async fn nothing_is_lost_whichever_call_fails() {
    let calls = [Call::Look, Call::Claim, Call::Renew, Call::Finish, Call::Promote, Call::Reap];
    let each = calls.map(async |call| {
        tokio::join!(chains_with(call, Fault::Before), chains_with(call, Fault::After))
    });
    join_all(each).await;
}

async fn chains_with(call: Call, fault: Fault) {
    let (store, queue) = faulty().await;
    let renewed = (call == Call::Renew).then(|| store.clone());
    let one = Handler::new("one.v1", move |n: u32, job: JobContext| {
        let renewed = renewed.clone();
        async move {
            if let Some(store) = renewed {
                store.until(Call::Renew, 4).await;
            }
            match n % 5 {
                0 if job.attempt() == 1 => Err(Failure::new("the first is never any good")),
                _ => Ok((n, job.attempt())),
            }
        }
    });
    // Long enough to be scheduled.
    let one = one.backoff(Backoff::new(Duration::from_millis(50), Duration::from_millis(50)));
    let two =
        Handler::new("two.v1", async |(n, _): (u32, u32), _: JobContext| Ok::<_, Failure>(n * 10));
    store.fail(move |made, before| (made == call && before < 3).then_some(fault));
    let worker = start(quick(&queue).lease(LEASE).handlers([one.clone(), two.clone()]));
    let jobs = (0..20).map(|n| NewJob::new(one.step(), &n).unwrap().then(two.step()));
    let enqueued = queue.enqueue_all(jobs.collect()).await.unwrap();
    for (n, enqueued) in enqueued.into_iter().enumerate() {
        let job = ended(&queue, enqueued.id).await;
        assert_eq!(job.state, JobState::Succeeded, "{call:?} {fault:?}: {:?}", job.error);
        assert_eq!(job.result::<usize>().unwrap(), Some(n * 10));
    }
    // What fails before it is made is made in the end.
    soon(store.until(call, if fault == Fault::Before { 4 } else { 1 })).await;
    let stopped = worker.stop(Duration::ZERO).await;
    assert_eq!(stopped.unsaved, 0, "{call:?} {fault:?}");
}

#[tokio::test]
async fn a_lease_lives_through_renewals_that_fail() {
    let (store, queue) = faulty().await;
    let renewed = store.clone();
    let wait = Handler::new("wait.v1", move |(): (), job: JobContext| {
        let store = renewed.clone();
        async move {
            store.until(Call::Renew, 6).await;
            Ok::<_, Failure>(job.attempt())
        }
    });
    store.fail(|call, before| {
        (call == Call::Renew && before.is_multiple_of(2)).then_some(Fault::Before)
    });
    let worker = start(quick(&queue).lease(LEASE * 2).handler(wait.clone()));
    let id = enqueue(&queue, &wait, ()).await;
    assert_eq!(ended(&queue, id).await.result::<u32>().unwrap(), Some(1));
    worker.stop(Duration::ZERO).await;
}

/// Runs four jobs while the store refuses the first ends, and returns the errors of those that
/// failed.
async fn refused(first: usize) -> Vec<String> {
    let (store, queue) = faulty().await;
    let echo = Handler::new("echo.v1", async |n: u32, _: JobContext| Ok::<_, Failure>(n));
    let jobs = (0..4).map(|n| NewJob::new(echo.step(), &n).unwrap()).collect();
    let ids = queue.enqueue_all(jobs).await.unwrap();
    store.fail(move |call, before| {
        (call == Call::Finish && before < first).then_some(Fault::Refused)
    });
    let worker = start(quick(&queue).handler(echo));
    let mut failed = Vec::new();
    for enqueued in ids {
        failed.extend(ended(&queue, enqueued.id).await.summary.error);
    }
    worker.stop(Duration::ZERO).await;
    failed
}

#[tokio::test]
async fn an_end_that_is_refused_fails_its_job_and_no_other() {
    // All of the batch, then the first one alone.
    let failed = refused(2).await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].starts_with("how it ended could not be kept: "), "{failed:?}");
}

#[tokio::test]
async fn a_store_that_refuses_everything_for_a_while_fails_no_job() {
    assert_eq!(refused(7).await, [""; 0]);
}

#[tokio::test]
async fn an_enqueue_whose_answer_was_lost_is_made_again_and_the_job_is_there_once() {
    let (store, queue) = faulty().await;
    store.fail(|call, before| (call == Call::Enqueue && before == 0).then_some(Fault::After));
    let job = NewJob::new(alula_jobs::Step::new("any.v1"), &()).unwrap();
    let error = queue.enqueue(job.clone()).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    let enqueued = queue.enqueue(job.clone()).await.unwrap();
    assert_eq!((enqueued.id, enqueued.is_new), (job.id(), false));
    assert_eq!(queue.count(&Filter::default()).await.unwrap().total(), 1);
}

#[tokio::test]
async fn a_schedule_fires_once_though_the_store_fails() {
    let clock = Clock::manual(Timestamp::from_millis(0));
    let (store, queue) = faulty().await;
    let queue = queue.clock(clock.clone());
    let tick = Handler::new("tick.v1", async |(): (), _: JobContext| Ok::<_, Failure>(()));
    store.fail(|call, before| match call {
        Call::Schedule | Call::Fire if before == 0 => Some(Fault::Before),
        Call::Schedule | Call::Fire if before == 1 => Some(Fault::After),
        _ => None,
    });
    let job = NewJob::new(tick.step(), &()).unwrap();
    let worker = start(quick(&queue).handler(tick).schedule("tick", "* * * * *", job));
    soon(store.until(Call::Schedule, 3)).await;
    clock.advance(Duration::from_secs(60));
    soon(store.until(Call::Fire, 3)).await;
    soon(store.until(Call::Schedule, 4)).await;
    assert_eq!(queue.count(&Filter::default()).await.unwrap().total(), 1);
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn failures_of_the_store_are_told_and_a_stop_does_not_wait_for_it() {
    let (store, queue) = faulty().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let echo = Handler::new("echo.v1", move |(): (), _: JobContext| {
        count.fetch_add(1, SeqCst);
        async { Ok::<_, Failure>(()) }
    });
    store.fail(|call, _| (call == Call::Finish).then_some(Fault::Before));
    let worker = quick(&queue).flush(LEASE).handler(echo.clone()).observe(move |event| {
        if let Event::StoreFailed { doing, .. } = event {
            tell.lock().unwrap().push(*doing);
        }
    });
    let worker = start(worker);
    let id = enqueue(&queue, &echo, ()).await;
    soon(store.until(Call::Finish, 2)).await;
    let stopped = soon(worker.stop(Duration::ZERO)).await;
    assert_eq!((stopped.released, stopped.unsaved), (0, 1));
    assert_eq!(begun.load(SeqCst), 1);
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, JobState::Running, "it has a lease");
    let told = told.lock().unwrap();
    assert!(told.iter().all(|doing| *doing == "noting how jobs have ended"), "{told:?}");
}
