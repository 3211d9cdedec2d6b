use alula_jobs::{
    NewBatch, StoreError,
    store::{Filter, Retention},
};

use super::*;

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn what_ended_long_ago_is_forgotten_with_its_children() {
    on_each(async |store| {
        let batch = NewBatch::new(vec![job("a"), job("a")]);
        store.enqueue_batch(&batch, NOW).await.unwrap();
        let (failed, open) = (job("b"), job("c").delay(Duration::from_secs(99 * DAY)));
        store.enqueue(&[failed.clone(), open.clone()], NOW).await.unwrap();
        for claim in claim(store, "w", 9, NOW).await {
            let next = match claim.step.name.as_str() {
                "b" => Next::Fail { error: "no".to_owned(), result: None },
                _ => Next::Done(raw("x")),
            };
            finish(store, End { claim, next }, NOW).await;
        }
        let retention = Retention::default();
        assert_eq!(store.sweep(&retention, 100, later(DAY)).await.unwrap(), 0);
        assert_eq!(sweep_all(store, later(DAY + 1)).await, [1, 2]);
        assert!(store.get(batch.id()).await.unwrap().is_none());
        let children = Filter { parent: Some(batch.id()), limit: 9, ..Filter::default() };
        assert!(store.list(&children).await.unwrap().is_empty());
        assert_eq!(state(store, failed.id()).await, JobState::Failed);
        assert_eq!(store.sweep(&retention, 100, later(7 * DAY + 1)).await.unwrap(), 1);
        assert_eq!(state(store, open.id()).await, JobState::Scheduled);
    })
    .await;
}

/// How many are forgotten at each call, until there are none.
async fn sweep_all(store: &dyn Store, now: Timestamp) -> Vec<u64> {
    let mut swept = Vec::new();
    loop {
        match store.sweep(&Retention::default(), 10, now).await.unwrap() {
            0 => return swept,
            count => swept.push(count),
        }
    }
}

#[tokio::test]
async fn the_children_of_what_is_forgotten_are_forgotten_in_pieces() {
    on_each(async |store| {
        let batch = NewBatch::new((0..25).map(|_| job("a")).collect());
        store.enqueue_batch(&batch, NOW).await.unwrap();
        let [parent, child] = [job("b").then(Step::new("join")), job("c")];
        store.enqueue(std::slice::from_ref(&parent), NOW).await.unwrap();
        for claim in claim(store, "w", 99, NOW).await {
            let next = match claim.step.name.as_str() {
                "b" => Next::Children { result: raw("x"), children: vec![child.clone()] },
                // It is forgotten with its batch, though what failed is kept for longer.
                _ => Next::Fail { error: "no".to_owned(), result: None },
            };
            finish(store, End { claim, next }, NOW).await;
        }
        assert_eq!(sweep_all(store, later(3 * DAY)).await, [1, 10, 10, 5]);
        // What is not forgotten keeps its children.
        let claim = claim_one(store, later(DAY)).await;
        finish(store, done(&claim, "x"), later(DAY)).await;
        let claim = claim_one(store, later(3 * DAY)).await;
        assert_eq!(claim.held.id, parent.id());
        assert_eq!(sweep_all(store, later(9 * DAY)).await, [0; 0]);
        finish(store, done(&claim, "x"), later(9 * DAY)).await;
        assert_eq!(sweep_all(store, later(11 * DAY)).await, [1, 1]);
    })
    .await;
}

#[tokio::test]
async fn a_sweep_is_done_in_pieces() {
    on_each(async |store| {
        let jobs: Vec<NewJob> = (0..25).map(|_| job("a")).collect();
        store.enqueue(&jobs, NOW).await.unwrap();
        for job in &jobs {
            store.cancel(job.id(), NOW).await.unwrap();
        }
        let mut swept = Vec::new();
        for _ in 0..4 {
            swept.push(store.sweep(&Retention::default(), 10, later(2 * DAY)).await.unwrap());
        }
        assert_eq!(swept, [10, 10, 5, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_schedule_fires_once_whoever_asks() {
    on_each(async |store| {
        let due = store.schedule("nightly", "0 3 * * *", later(60)).await.unwrap();
        assert_eq!(due, later(60));
        // It is known already.
        assert_eq!(store.schedule("nightly", "0 3 * * *", later(99)).await.unwrap(), later(60));
        let jobs: Vec<NewJob> = (0..8).map(|_| job("a")).collect();
        let fires = jobs.iter().map(|job| store.fire("nightly", due, later(120), job, later(60)));
        let fired = futures_util::future::join_all(fires).await;
        let fired: Vec<bool> = fired.into_iter().map(Result::unwrap).collect();
        assert_eq!(fired.iter().filter(|fired| **fired).count(), 1);
        assert_eq!(claim(store, "w", 9, later(60)).await.len(), 1);
        assert_eq!(store.schedule("nightly", "0 3 * * *", later(99)).await.unwrap(), later(120));
        // Another specification is another schedule.
        assert_eq!(store.schedule("nightly", "0 4 * * *", later(99)).await.unwrap(), later(99));
    })
    .await;
}

#[tokio::test]
async fn a_closed_store_says_so() {
    on_each(async |store| {
        let detached = store.detached();
        assert_eq!(detached.reap(NOW).await.unwrap(), 0);
        detached.close().await;
        assert_eq!(store.reap(NOW).await.unwrap(), 0, "the first one is still open");
        store.close().await;
        let refused = store.enqueue(&[job("a")], NOW).await;
        assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_in_a_file_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let job = job("a");
    let store = Sqlite::open(&path).await.unwrap();
    store.enqueue(std::slice::from_ref(&job), NOW).await.unwrap();
    Store::close(&store).await;
    let store = Sqlite::open(&path).await.unwrap();
    assert_eq!(state(&store, job.id()).await, JobState::Queued);
}

/// A worker of another process hears of it without looking all the time.
#[tokio::test]
async fn another_process_hears_of_a_job() {
    let heard = async |store: &dyn Store, other: &dyn Store| {
        let hear = async {
            let found = async || look(store, "default", NOW).await.queued;
            while !found().await {
                store.changed().await;
            }
        };
        let tell = async {
            tokio::task::yield_now().await;
            other.enqueue(&[job("a")], NOW).await.unwrap();
        };
        let both = futures_util::future::join(hear, tell);
        tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let (one, other) = (Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap());
    heard(&one, &other).await;
    if let Some(postgres) = postgres::Postgres::start() {
        let one = Postgres::open(&postgres.url(), 4).await.unwrap();
        let other = Postgres::open(&postgres.url(), 4).await.unwrap();
        heard(&one, &other).await;
    }
}

/// Only another program can have written it.
#[tokio::test]
async fn what_cannot_be_read_stands_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let jobs = [job("a"), job("b")];
    store.enqueue(&jobs, NOW).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let other = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let spoil = sqlx::query("UPDATE jobs SET rest = '{' WHERE name = 'a'");
    assert_eq!(spoil.execute(&other).await.unwrap().rows_affected(), 1);

    assert_eq!(claim_one(&store, NOW).await.held.id, jobs[1].id());
    let given_up = get(&store, jobs[0].id()).await;
    assert_eq!(
        (given_up.state, given_up.error.as_deref()),
        (JobState::Failed, Some("it cannot be read"))
    );
}

/// What follows a job is heard of by other processes.
#[tokio::test]
async fn another_process_hears_of_what_follows_a_job() {
    let Some(postgres) = postgres::Postgres::start() else { return };
    let one = Postgres::open(&postgres.url(), 4).await.unwrap();
    let other = Postgres::open(&postgres.url(), 4).await.unwrap();
    let first = job("a").on_end(Step::new("told"), &1).unwrap();
    other.enqueue(&[first], NOW).await.unwrap();
    let claim = claim_one(&other, NOW).await;
    // It is ready once when it begins to listen.
    one.changed().await;
    let hear = async {
        while !look(&one, "default", NOW).await.queued {
            one.changed().await;
        }
    };
    let both = futures_util::future::join(hear, finish(&other, done(&claim, "x"), NOW));
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
}
