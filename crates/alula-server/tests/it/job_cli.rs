//! `alula jobs`: looking after jobs, whoever does them.

use std::{sync::Arc, time::Duration};

use alula_jobs::{
    Backoff, Failure, Filter, Handler, Job, JobContext, JobId, JobState, NewBatch, NewJob,
    Postgres, Queue, Running, Sqlite, Step, Worker,
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    database::on_each,
    process::{Ended, PATIENCE, Start, alula},
};

const CANARY: &str = "prompt-canary";
const NOBODY: &str = "job_00000000000000000000000000000000";

async fn open(database: &str) -> Queue {
    match database.strip_prefix("sqlite://") {
        Some(path) => Queue::new(Sqlite::open(path).await.unwrap()),
        None => Queue::new(Postgres::open(database, 4).await.unwrap()),
    }
}

fn start(database: &str, arguments: &[&str]) -> Start {
    alula(&[&["jobs"], arguments].concat()).env("DATABASE_URL", database)
}

fn run(database: &str, arguments: &[&str]) -> Ended {
    start(database, arguments).end()
}

/// What a command prints that ends well.
fn printed(database: &str, arguments: &[&str]) -> String {
    let ended = run(database, arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.stdout
}

/// Why a command did not do all.
fn refused(database: &str, arguments: &[&str]) -> Ended {
    let ended = run(database, arguments);
    assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
    ended
}

/// The ids at the beginning of lines.
fn ids(table: &str) -> Vec<JobId> {
    table.lines().skip(1).map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

fn job(args: &(impl Serialize + ?Sized)) -> NewJob {
    NewJob::new(Step::new("work.v1").max_attempts(1), args).unwrap()
}

async fn enqueue(queue: &Queue, job: NewJob) -> JobId {
    queue.enqueue(job).await.unwrap().id
}

async fn state(queue: &Queue, id: JobId) -> JobState {
    get(queue, id).await.state
}

async fn get(queue: &Queue, id: JobId) -> Job {
    queue.get(id).await.unwrap().unwrap()
}

/// Does jobs that are let through: those of `"fail"` fail for good.
fn work(queue: &Queue, gate: &Arc<Semaphore>) -> Running {
    let gate = Arc::clone(gate);
    let handler = Handler::new("work.v1", move |args: Value, _: JobContext| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            match args == "fail" {
                true => Err(Failure::terminal("the pipe\u{1b}[2J is blocked\nsecond line")),
                false => Ok(args),
            }
        }
    });
    let handler = handler.backoff(Backoff::new(Duration::ZERO, Duration::ZERO));
    Worker::builder(queue).handler(handler).build().unwrap().start().unwrap()
}

fn open_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_what_they_are() {
    on_each(async |database| {
        let queue = open(database).await;
        let none = run(database, &["list"]);
        assert_eq!((none.code, &*none.stdout), (Some(0), ""));
        assert_eq!(printed(database, &["list", "--json"]), "[]\n");
        let request = Step::new("request.v1").queue("requests");
        let request = NewJob::new(request, &json!({})).unwrap().label("/chat");
        let request = enqueue(&queue, request.owner("k1")).await;
        let two = [enqueue(&queue, job(&1)).await, enqueue(&queue, job(&2)).await];
        let batch = NewBatch::new(vec![job(&3), job(&4)]);
        let batch_id = queue.batch(batch.clone()).await.unwrap();
        queue.cancel(two[0]).await.unwrap();

        let table = printed(database, &["list"]);
        assert_eq!(ids(&table), [batch_id, two[1], two[0], request]);
        let lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["ID", "NAME", "QUEUE", "STATUS", "ATTEMPTS", "AGE", "ERROR"]);
        assert_eq!(lines[1][1..4], ["batch", "default", "waiting"]);
        assert_eq!(lines[3][1..5], ["work.v1", "default", "cancelled", "0/1"]);
        assert_eq!(lines[4][1..4], ["/chat", "requests", "queued"]);
        let batch_text = batch_id.to_string();
        for (arguments, expected) in [
            (&["--status", "cancelled,waiting"][..], vec![batch_id, two[0]]),
            (&["--queue", "requests"], vec![request]),
            (&["--owner", "k1"], vec![request]),
            (&["--parent", &batch_text], vec![batch.children()[1].id(), batch.children()[0].id()]),
            (&["--after", &batch_text, "--limit", "1"], vec![two[1]]),
        ] {
            assert_eq!(ids(&printed(database, &[&["list"], arguments].concat())), expected);
        }
        // A page says where the next one begins.
        let page = run(database, &["list", "--limit", "2"]);
        assert!(page.stderr.contains(&format!("--after {}", two[1])), "{page:?}");
        let json: Value = serde_json::from_str(&printed(database, &["list", "--json"])).unwrap();
        assert_eq!(json[3]["id"], request.to_string());
        assert_eq!((&json[3]["label"], &json[3]["owner"]), (&json!("/chat"), &json!("k1")));
        assert!(json[3]["created_at"].as_str().unwrap().ends_with('Z'), "{json}");
        queue.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_wrote_is_shown_only_if_it_is_wanted() {
    on_each(async |database| {
        let queue = open(database).await;
        let worker = work(&queue, &open_gate());
        let id = enqueue(&queue, job(&json!({"text": CANARY}))).await;
        assert_eq!(queue.wait(id).await.unwrap().unwrap().state, JobState::Succeeded);
        let failed = enqueue(&queue, job("fail")).await;
        queue.wait(failed).await.unwrap();
        let (id, failed) = (id.to_string(), failed.to_string());
        for format in [&[][..], &["--json"]] {
            let show = |more: &[&str]| printed(database, &[&["show", &id], more, format].concat());
            assert!(!show(&[]).contains(CANARY));
            assert_eq!(show(&["--args"]).matches(CANARY).count(), 1);
            assert_eq!(show(&["--args", "--result"]).matches(CANARY).count(), 2);
            assert!(show(&[]).contains("succeeded"));
        }
        // An error is whole here, a line in a list, and nowhere paints over the terminal.
        let shown = printed(database, &["show", &failed]);
        let blocked = "the pipe\u{fffd}[2J is blocked";
        assert!(shown.ends_with(&format!("error\n  {blocked}\n  second line\n")), "{shown}");
        let listed = printed(database, &["list", "--status", "failed"]);
        assert!(listed.ends_with(&format!("{blocked}\n")), "{listed}");
        worker.stop(Duration::ZERO).await;
        queue.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_done_again_one_by_one_or_all_at_once() {
    on_each(async |database| {
        let queue = open(database).await;
        let worker = work(&queue, &open_gate());
        let fail = || job("fail");
        // More than are read at a time, and one in a batch.
        queue.enqueue_all((0..205).map(|_| fail()).collect()).await.unwrap();
        let batch = queue.batch(NewBatch::new(vec![fail(), job(&1)])).await.unwrap();
        let other =
            enqueue(&queue, NewJob::new(Step::new("work.v1").queue("other"), "fail").unwrap());
        let (other, done) = (other.await, enqueue(&queue, job(&1)).await);
        for id in [batch, done] {
            assert_eq!(queue.wait(id).await.unwrap().unwrap().state, JobState::Succeeded);
        }
        let all = Filter { with_children: true, ..Filter::default() };
        let failed = async { while queue.count(&all).await.unwrap().of(JobState::Failed) < 206 {} };
        timeout(PATIENCE, failed).await.expect("all have failed");
        worker.stop(PATIENCE).await;
        queue.cancel(other).await.unwrap();

        let again = printed(database, &["retry", "--failed", "--queue", "default"]);
        assert_eq!(again, "Queued 206 failed jobs again.\n");
        assert_eq!(queue.count(&all).await.unwrap().of(JobState::Queued), 206);
        assert_eq!(printed(database, &["retry", "--failed"]), "Queued 0 failed jobs again.\n");
        let (other_text, done_text) = (other.to_string(), done.to_string());
        let some = refused(database, &["retry", &done_text, &other_text, NOBODY]);
        assert_eq!(some.stdout, format!("Queued {other} again.\n"));
        let why = [
            format!("there is no job {NOBODY}"),
            format!("alula: {done} is succeeded, and not failed or cancelled"),
        ];
        assert_eq!(some.stderr.lines().collect::<Vec<_>>(), why);
        assert_eq!(state(&queue, other).await, JobState::Queued);
        let twice = refused(database, &["retry", &other_text]);
        assert!(twice.stderr.contains("is queued, and not failed or cancelled"), "{twice:?}");
        queue.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_ended_is_stopped() {
    on_each(async |database| {
        let queue = open(database).await;
        let children = vec![job(&1), job(&2)];
        let child = children[0].id();
        let batch = queue.batch(NewBatch::new(children)).await.unwrap();
        let text = batch.to_string();
        assert_eq!(printed(database, &["cancel", &text]), format!("Cancelled {batch}.\n"));
        assert_eq!(state(&queue, child).await, JobState::Cancelled);
        assert_eq!(
            printed(database, &["cancel", &text]),
            format!("{batch} was cancelled before.\n")
        );
        // Its parts begin again with it.
        assert_eq!(printed(database, &["retry", &text]), format!("Queued {batch} again.\n"));
        assert_eq!(state(&queue, child).await, JobState::Queued);
        let worker = work(&queue, &open_gate());
        queue.wait(batch).await.unwrap();
        worker.stop(PATIENCE).await;
        let late = refused(database, &["cancel", &text, NOBODY]);
        let why = [format!("there is no job {NOBODY}"), format!("alula: {batch} has succeeded")];
        assert_eq!(late.stderr.lines().collect::<Vec<_>>(), why);
        refused(database, &["retry", &text]);
        queue.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_watched_to_its_end() {
    on_each(async |database| {
        let queue = open(database).await;
        let gate = Arc::new(Semaphore::new(0));
        let worker = work(&queue, &gate);
        let children = (0..20).map(|number| job(&number)).collect();
        let batch = queue.batch(NewBatch::new(children)).await.unwrap();
        let watch = start(database, &["watch", &batch.to_string()]).spawn();
        let sees = |line: &'static str| move |text: &str| text.starts_with(line).then_some(());
        watch.prints(PATIENCE, sees("waiting  0/20 0%\n"));
        gate.add_permits(20);
        let ended = watch.end_after_signal();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains("\nsucceeded  20/20 100%  in "), "{ended:?}");

        let failing = enqueue(&queue, job("fail")).await;
        let watch = start(database, &["watch", &failing.to_string()]).spawn();
        watch.prints(PATIENCE, |text| text.contains("running\n").then_some(()));
        gate.add_permits(1);
        let ended = watch.end_after_signal();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("has failed: the pipe"), "{ended:?}");
        let cancelled = enqueue(&queue, job(&1).delay(PATIENCE)).await;
        queue.cancel(cancelled).await.unwrap();
        let ended = refused(database, &["watch", &cancelled.to_string()]);
        assert!(ended.stderr.contains("was cancelled"), "{ended:?}");
        worker.stop(PATIENCE).await;
        queue.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_watched_until_somebody_has_seen_enough() {
    on_each(async |database| {
        let queue = open(database).await;
        enqueue(&queue, job(&1)).await;
        enqueue(&queue, job(&1).delay(PATIENCE)).await;
        let watch = start(database, &["watch"]).spawn();
        let row = watch.prints(PATIENCE, |text| {
            let row = text.lines().nth(1).filter(|_| text.ends_with('\n'))?;
            Some(row.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        });
        assert_eq!(row[..6], ["default", "1", "1", "0", "0", "0"]);
        watch.signal("INT");
        assert_eq!(watch.end_after_signal().code, Some(0));
        queue.close().await;
    })
    .await;
}

#[test]
fn what_cannot_be_meant_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    for arguments in [
        &["show", "x"][..],
        &["list", "--status", "lost"],
        &["list", "--limit", "0"],
        &["retry"],
        &["retry", NOBODY, "--failed"],
        &["retry", NOBODY, "--queue", "q"],
        &["cancel"],
        &["watch", "job_1"],
    ] {
        assert_eq!(run(&database, arguments).code, Some(2), "{arguments:?}");
    }
    for command in ["show", "retry", "cancel", "watch"] {
        let ended = refused(&database, &[command, NOBODY]);
        assert!(ended.stderr.contains(&format!("there is no job {NOBODY}")), "{ended:?}");
    }
    let memory = alula(&["jobs", "list"]).end();
    assert_eq!(memory.code, Some(2), "{memory:?}");
    assert!(memory.stderr.contains("DATABASE_URL is in memory"), "{memory:?}");
}
