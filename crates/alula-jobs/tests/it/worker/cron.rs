//! Jobs that are due again and again.

use alula_jobs::{Clock, Failure, Filter, Handler, JobContext, NewJob, Queue, Sqlite, Timestamp};
use tokio::sync::mpsc;

use super::{
    Duration,
    faulty::{Call, Faulty},
    quick, soon, start,
};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_schedule_enqueues_once_over_all_workers_and_makes_up_for_one_time() {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let store = Faulty::new(Sqlite::in_memory().await.unwrap());
    let queue = Queue::new(store.clone()).clock(clock.clone());
    let (ran, mut has_run) = mpsc::channel(16);
    let clean = Handler::new("clean.v1", move |what: String, job: JobContext| {
        let ran = ran.clone();
        async move {
            ran.send((what, job.id())).await?;
            Ok::<_, Failure>(())
        }
    });
    let job = NewJob::new(clean.step(), "old files").unwrap();
    let workers = [(); 3].map(|()| {
        let worker = quick(&queue).lease(HOUR * 24).handler(clean.clone());
        start(worker.schedule("clean", "0 * * * *", job.clone()))
    });
    let mut ids = Vec::new();
    for (round, hours) in [1, 5, 1, 2].into_iter().enumerate() {
        // Each worker has asked when it is due, at first and after each time.
        soon(store.until(Call::Schedule, workers.len())).await;
        clock.advance(HOUR * hours);
        let (what, id) = soon(has_run.recv()).await.unwrap();
        assert_eq!(what, "old files");
        assert!(!ids.contains(&id), "each is a job of its own");
        ids.push(id);
        let all = queue.count(&Filter::default()).await.unwrap().total();
        assert_eq!(all, round as u64 + 1);
    }
    assert!(has_run.is_empty());
    for worker in workers {
        worker.stop(Duration::ZERO).await;
    }
}
