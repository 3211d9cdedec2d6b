//! In which order, how many at once, and how fast.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use alula_jobs::{
    Clock, Failure, Filter, Handler, JobContext, JobId, JobState, NewJob, Queue, QueueLimits, Rate,
    Sqlite, Timestamp, Worker,
};
use tokio::{sync::Barrier, task::yield_now};

use super::{
    Duration, deaf, ended, enqueue,
    faulty::{Call, Faulty},
    queue, quick, soon, start,
};

#[tokio::test]
async fn jobs_of_a_higher_priority_begin_first_and_of_these_the_oldest() {
    let queue = queue().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&order);
    let note = Handler::new("note.v1", move |name: char, _: JobContext| {
        noted.lock().unwrap().push(name);
        async { Ok::<_, Failure>(()) }
    });
    let mut last = None;
    for (name, priority) in [('d', 0), ('a', 9), ('f', -9), ('b', 9), ('e', 0), ('c', 3)] {
        let job = NewJob::new(note.step(), &name).unwrap().priority(priority);
        let id = queue.enqueue(job).await.unwrap().id;
        last = last.or((name == 'f').then_some(id));
    }
    let worker = start(deaf(&queue).handler(note).concurrency("default", 1));
    ended(&queue, last.unwrap()).await;
    assert_eq!(String::from_iter(&*order.lock().unwrap()), "abcdef");
    worker.stop(Duration::ZERO).await;
}

/// A handler that notes how many of its calls there are at once, at most.
fn gauged(queue: &str) -> (Handler, Arc<AtomicU32>) {
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let highest = Arc::clone(&most);
    let handler = Handler::new(format!("{queue}.v1"), move |(): (), _: JobContext| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            for _ in 0..50 {
                yield_now().await;
            }
            now.fetch_sub(1, SeqCst);
            Ok::<_, Failure>(())
        }
    });
    (handler.queue(queue), highest)
}

async fn run_many(queue: &Queue, handler: &Handler, count: usize) {
    let jobs = (0..count).map(|_| NewJob::new(handler.step(), &()).unwrap()).collect();
    for job in queue.enqueue_all(jobs).await.unwrap() {
        assert_eq!(ended(queue, job.id).await.state, JobState::Succeeded);
    }
}

#[tokio::test]
async fn a_queue_has_its_slots_and_fills_them() {
    let queue = queue().await;
    let barrier = Arc::new(Barrier::new(3));
    let meet = Handler::new("meet.v1", move |(): (), _: JobContext| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok::<_, Failure>(())
        }
    });
    let (few, few_most) = gauged("few");
    let worker = start(
        deaf(&queue)
            .handlers([meet.clone(), few.clone()])
            .concurrency("default", 3)
            .concurrency("few", 2),
    );
    // Each of them waits until there are three.
    tokio::join!(run_many(&queue, &meet, 9), run_many(&queue, &few, 20));
    assert_eq!(few_most.load(SeqCst), 2);
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn no_more_run_at_once_over_all_workers_than_may() {
    let queue = queue().await;
    let (handler, most) = gauged("narrow");
    let limits = QueueLimits { running_max: Some(3), rate: None };
    let workers =
        [(); 2].map(|()| start(quick(&queue).handler(handler.clone()).limits("narrow", limits)));
    run_many(&queue, &handler, 60).await;
    assert!((1..=3).contains(&most.load(SeqCst)), "{most:?}");
    for worker in workers {
        worker.stop(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn no_more_begin_in_a_time_than_may() {
    let clock = Clock::manual(Timestamp::from_millis(0));
    let store = Faulty::new(Sqlite::in_memory().await.unwrap());
    let queue = Queue::new(store.clone()).clock(clock.clone());
    let echo = Handler::new("echo.v1", async |(): (), _: JobContext| Ok::<_, Failure>(()));
    let rate = Some(Rate { count: 2, per: Duration::from_secs(1) });
    let limits = QueueLimits { rate, running_max: None };
    let jobs = (0..6).map(|_| NewJob::new(echo.step(), &()).unwrap()).collect();
    queue.enqueue_all(jobs).await.unwrap();
    let worker = start(quick(&queue).handler(echo).limits("default", limits));
    for expected in [2, 3, 4, 6] {
        // Once it was refused twice more, it has taken what it may.
        let calls = store.calls(Call::Finish);
        soon(store.until(Call::Finish, calls.max(1))).await;
        soon(store.until(Call::Claim, store.calls(Call::Claim) + 3)).await;
        let done = Filter { states: &[JobState::Succeeded], ..Filter::default() };
        let queued = Filter { states: &[JobState::Queued], ..Filter::default() };
        let queued = queue.count(&queued).await.unwrap().total();
        assert_eq!(queued, 6 - expected, "{:?}", queue.count(&done).await);
        clock.advance(Duration::from_millis(if expected == 4 { 5_000 } else { 500 }));
    }
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn many_workers_begin_each_job_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let begun = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&begun);
    let note = Handler::new("note.v1", move |(): (), job: JobContext| {
        noted.lock().unwrap().push(job.id());
        async { Ok::<_, Failure>(()) }
    });
    let mut workers = Vec::new();
    for _ in 0..4 {
        let queue = Queue::new(Sqlite::open(&path).await.unwrap());
        workers.push(start(quick(&queue).handler(note.clone())));
    }
    let queue = Queue::new(Sqlite::open(&path).await.unwrap());
    run_many(&queue, &note, 400).await;
    let begun = begun.lock().unwrap().clone();
    assert_eq!(begun.len(), 400);
    assert_eq!(begun.iter().collect::<HashSet<&JobId>>().len(), 400);
    let ids: HashSet<&str> = workers.iter().map(alula_jobs::Running::id).collect();
    assert_eq!(ids.len(), 4, "each has a name of its own");
    for worker in workers {
        worker.stop(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn mistakes_are_told_all_at_once() {
    let queue = queue().await;
    let one = Handler::new("one.v1", async |(): (), _: JobContext| Ok::<_, Failure>(()));
    let job = NewJob::new(one.step(), &()).unwrap();
    let nothing = QueueLimits { running_max: Some(0), rate: None };
    let built = Worker::builder(&queue)
        .handlers([one.clone(), one.clone(), one.timeout(Duration::ZERO)])
        .concurrency("none", 0)
        .limits("shut", nothing)
        .lease(Duration::from_millis(99))
        .poll(Duration::ZERO)
        .schedule("often", "61 * * * *", job.clone())
        .schedule("often", "* * * * *", job)
        .build();
    let error = built.unwrap_err();
    for part in ["`one.v1`", "no time", "`none`", "`shut`", "99ms", "poll", "61 * * * *", "`often`"]
    {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    assert_eq!(error.mistakes().len(), 8, "{error}");
}

#[tokio::test]
async fn a_job_waits_in_the_queue_that_it_names() {
    let queue = queue().await;
    let echo = Handler::new("echo.v1", async |n: u32, _: JobContext| Ok::<_, Failure>(n));
    let elsewhere = NewJob::new(echo.step().queue("elsewhere"), &1).unwrap();
    let id = queue.enqueue(elsewhere).await.unwrap().id;
    let worker = start(deaf(&queue).handler(echo.clone()));
    let here = enqueue(&queue, &echo, 2).await;
    ended(&queue, here).await;
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, JobState::Queued);
    let other = start(deaf(&queue).handler(echo).concurrency("elsewhere", 1));
    assert_eq!(ended(&queue, id).await.state, JobState::Succeeded);
    worker.stop(Duration::ZERO).await;
    other.stop(Duration::ZERO).await;
}
