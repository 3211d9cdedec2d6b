//! Steps, and what follows them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use alula_jobs::{
    Backoff, Ended, Event, Failure, Filter, Handler, JobContext, JobState, NewBatch, NewJob,
    Output, Step, StoreError,
};

use tokio::sync::mpsc;

use super::{Duration, deaf, ended, enqueue, queue, soon, start};

#[tokio::test]
async fn a_job_succeeds_with_the_result_of_its_handler() {
    let queue = queue().await;
    let double = Handler::new("double.v1", async |n: u64, job: JobContext| {
        assert_eq!((job.attempt(), job.max_attempts(), job.step_number()), (1, 5, 0));
        assert_eq!(job.owner(), Some("anna"));
        Ok::<_, Failure>(n * 2)
    });
    let worker = start(deaf(&queue).handler(double.clone()));
    let job = NewJob::new(double.step(), &21).unwrap().owner("anna");
    let id = queue.enqueue(job).await.unwrap().id;
    let job = ended(&queue, id).await;
    assert_eq!((job.state, job.attempts, job.steps), (JobState::Succeeded, 1, (1, 1)));
    assert_eq!(job.result::<u64>().unwrap(), Some(42));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_failure_in_step_two_never_repeats_step_one() {
    let queue = queue().await;
    let calls = Arc::new([const { AtomicU32::new(0) }; 2]);
    let (one, two) = (Arc::clone(&calls), Arc::clone(&calls));
    let chunk = Handler::new("chunk.v1", move |text: String, _: JobContext| {
        one[0].fetch_add(1, SeqCst);
        async move { Ok::<_, Failure>(text.len()) }
    });
    let embed = Handler::new("embed.v1", move |chunks: usize, job: JobContext| {
        two[1].fetch_add(1, SeqCst);
        async move {
            match job.attempt() {
                attempt @ 1..3 => Err(Failure::new(format!("attempt {attempt}"))),
                _ => Ok((chunks, job.step_number())),
            }
        }
    });
    let embed = embed.backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(1)));
    let job = NewJob::new(chunk.step(), "four").unwrap().then(embed.step());
    let worker = start(deaf(&queue).handlers([chunk, embed]));
    let id = queue.enqueue(job).await.unwrap().id;
    let job = ended(&queue, id).await;
    assert_eq!((job.state, job.attempts, job.steps), (JobState::Succeeded, 3, (2, 2)));
    assert_eq!(job.result::<(usize, u32)>().unwrap(), Some((4, 1)));
    assert_eq!([calls[0].load(SeqCst), calls[1].load(SeqCst)], [1, 3]);
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_step_follows_its_children_however_they_ended() {
    let queue = queue().await;
    let page = Handler::new("page.v1", async |page: u32, job: JobContext| {
        assert!(job.parent().is_some());
        if page == 2 { Err(Failure::terminal("it is blank")) } else { Ok(page) }
    });
    let page_step = page.step();
    let split = Handler::new("split.v1", move |pages: Vec<u32>, _: JobContext| {
        let children = pages.iter().map(|page| NewJob::new(page_step.clone(), page));
        let children = children.collect::<Result<Vec<_>, _>>();
        async move { Ok::<_, Failure>(Output::children(&pages.len(), children?)?) }
    });
    let join = Handler::new("join.v1", async |pages: u64, job: JobContext| {
        let children = Filter { parent: Some(job.id()), ..Filter::default() };
        let counts = job.queue().count(&children).await?;
        Ok::<_, Failure>((pages, counts.of(JobState::Succeeded), counts.of(JobState::Failed)))
    });
    let of = |pages: &[u32]| NewJob::new(split.step(), pages).unwrap().then(join.step());
    let (three, none) = (of(&[1, 2, 3]), of(&[]));
    let worker = start(deaf(&queue).handlers([page, split, join]));
    for (job, expected) in [(three, (3, 2, 1)), (none, (0, 0, 0))] {
        let id = queue.enqueue(job).await.unwrap().id;
        let job = ended(&queue, id).await;
        assert_eq!(job.result::<(u64, u64, u64)>().unwrap(), Some(expected), "{:?}", job.error);
    }
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_batch_waits_for_its_children_and_calls_what_follows() {
    let queue = queue().await;
    let item = Handler::new("item.v1", async |n: u32, _: JobContext| Ok::<_, Failure>(n));
    let all = Handler::new("all.v1", async |word: String, job: JobContext| {
        let children = Filter { parent: Some(job.id()), ..Filter::default() };
        Ok::<_, Failure>((word, job.queue().count(&children).await?.ended()))
    });
    let children = (0..100).map(|n| NewJob::new(item.step(), &n).unwrap()).collect();
    let batch = NewBatch::new(children).then(all.step(), "done").unwrap();
    let worker = start(deaf(&queue).handlers([item, all]));
    let id = queue.batch(batch).await.unwrap();
    let job = ended(&queue, id).await;
    assert_eq!(job.result::<(String, u64)>().unwrap(), Some(("done".to_owned(), 100)));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn what_follows_the_end_of_a_job_begins_without_a_look_once_an_hour() {
    let queue = queue().await;
    let (told, mut heard) = mpsc::channel(16);
    let tell = Handler::new("tell.v1", move |ended: Ended, _: JobContext| {
        let told = told.clone();
        async move { Ok::<_, Failure>(told.send((ended.job, ended.state)).await?) }
    });
    let fail = Handler::new("fail.v1", async |(): (), _: JobContext| {
        Err::<(), _>(Failure::terminal("no"))
    });
    let of = |step| NewJob::new(step, &()).unwrap().on_end(tell.step(), &"why").unwrap();
    let (failed, cancelled) = (of(fail.step()), of(Step::new("nobody.v1")));
    let worker = start(deaf(&queue).handlers([fail, tell.clone()]));
    let failed = queue.enqueue(failed).await.unwrap().id;
    assert_eq!(soon(heard.recv()).await, Some((failed, JobState::Failed)));
    let cancelled = queue.enqueue(cancelled).await.unwrap().id;
    queue.cancel(cancelled).await.unwrap();
    assert_eq!(soon(heard.recv()).await, Some((cancelled, JobState::Cancelled)));
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn progress_is_seen_while_a_step_runs() {
    let queue = queue().await;
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Arc::new(Mutex::new(Some(gone)));
    let count = Handler::new("count.v1", move |(): (), job: JobContext| {
        let gone = gone.lock().unwrap().take();
        async move {
            (0..=10_000).for_each(|n| job.progress(n, 10_000, "counting"));
            gone.unwrap().await?;
            Ok::<_, Failure>(())
        }
    });
    let id = enqueue(&queue, &count, ()).await;
    let mut watch = queue.watch(id);
    let worker = start(deaf(&queue).lease(Duration::from_millis(300)).handler(count));
    let progress = loop {
        let job = soon(watch.next()).await.unwrap().unwrap();
        if let Some(progress) = job.progress {
            break progress;
        }
    };
    assert_eq!((progress.done, progress.total), (10_000, Some(10_000)), "the last of them");
    assert_eq!(progress.message.as_deref(), Some("counting"));
    go.send(()).unwrap();
    while soon(watch.next()).await.unwrap().is_some() {}
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, JobState::Succeeded);
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_a_result_too() {
    let queue = queue().await.args_bytes_max(10);
    let repeat =
        Handler::new("repeat.v1", async |n: usize, _: JobContext| Ok::<_, Failure>("x".repeat(n)));
    for (text, fits) in [("x".repeat(8), true), ("x".repeat(9), false)] {
        let job = NewJob::new(repeat.step(), &text).unwrap();
        let enqueued = queue.enqueue(job.clone()).await;
        let too_large =
            |error: &StoreError| matches!(error, StoreError::TooLarge { bytes: 11, limit: 10, .. });
        assert_eq!(enqueued.is_ok(), fits);
        assert!(enqueued.err().is_none_or(|error| too_large(&error)));
        let batch = queue.batch(NewBatch::new(vec![job])).await;
        assert_eq!(batch.is_ok(), fits);
    }
    let worker = start(deaf(&queue).handler(repeat.clone()));
    for (n, state) in [(8, JobState::Succeeded), (9, JobState::Failed)] {
        let id = enqueue(&queue, &repeat, n).await;
        let job = ended(&queue, id).await;
        assert_eq!((job.state, job.attempts), (state, 1), "{:?}", job.error);
    }
    worker.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn events_tell_what_happens_and_who_hears_them_cannot_end_the_worker() {
    let queue = queue().await;
    let fail =
        Handler::new("fail.v1", async |(): (), _: JobContext| Err::<(), _>(Failure::new("no")));
    let fail = fail
        .max_attempts(2)
        .backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(1)));
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let worker = start(deaf(&queue).handler(fail.clone()).observe(move |event| {
        tell.lock().unwrap().push(match event {
            Event::Claimed { claim, .. } => format!("{} claimed", claim.attempt),
            Event::Ended { claim, outcome, .. } => {
                format!("{} {}", claim.attempt, outcome.as_str())
            }
            other => format!("{other:?}"),
        });
        panic!("this is nobody's fault but mine");
    }));
    let id = enqueue(&queue, &fail, ()).await;
    ended(&queue, id).await;
    worker.stop(Duration::ZERO).await;
    let told = told.lock().unwrap();
    assert_eq!(*told, ["1 claimed", "1 retried", "2 claimed", "2 failed"]);
}
