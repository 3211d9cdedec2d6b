//! What jobs ask for beside their arguments.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use alula::{
    Outcome,
    jobs::{JobContext, JobState},
    prelude::*,
};

use super::{get, queue};

/// What has happened, in order.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(Debug)]
struct Connection(u32);

/// A new number for each attempt.
#[dependency]
async fn connection(log: State<Log>, scope: Scope, opened: State<AtomicU32>) -> Connection {
    let log = log.into_inner();
    scope.on_exit(|outcome| async move {
        // As a commit would, it takes more than one step.
        tokio::task::yield_now().await;
        log.add(format!("exit {outcome:?}"));
    });
    Connection(opened.fetch_add(1, Relaxed))
}

#[dependency]
async fn vectors(connection: Depends<connection>) -> u32 {
    connection.0
}

#[job(max_attempts = 2)]
async fn embed(
    how: String,
    vectors: Depends<vectors>,
    connection: Depends<connection>,
    tasks: BackgroundTasks,
    id: RequestId,
    log: State<Log>,
    job: JobContext,
) -> Result<(u32, u32)> {
    assert_eq!(id.as_str(), job.id().to_string());
    let noted = log.clone();
    tasks.add(async move { noted.add("task") });
    log.add("body");
    match how.as_str() {
        "fail" => Err(HttpError::bad_request("no")),
        "panic" => panic!("no"),
        _ => Ok((*vectors, connection.0)),
    }
}

fn app(log: &Arc<Log>) -> App {
    App::new("Embed", "1").shared_state(log.clone()).state(AtomicU32::new(7)).job(embed)
}

#[tokio::test]
async fn a_dependency_is_resolved_once_and_its_exit_knows_the_outcome() {
    let log = Arc::<Log>::default();
    let client = app(&log).jobs(queue().await).client().await;
    let first = client.jobs().enqueue(embed, String::new()).await.unwrap().id;
    client.jobs().run_all().await;
    assert_eq!(get(&client, first).await.result::<(u32, u32)>().unwrap(), Some((7, 7)));
    assert_eq!(log.take(), ["body", "task", "exit Ok"]);

    client.jobs().enqueue(embed, "fail".to_owned()).await.unwrap();
    client.jobs().run_all().await;
    assert_eq!(log.take(), ["body", "exit Error(500)"]);

    client.jobs().enqueue(embed, "panic".to_owned()).await.unwrap();
    client.jobs().run_all().await;
    assert_eq!(log.take(), ["body", "exit Panicked", "body", "exit Panicked"]);
}

#[tokio::test]
async fn an_exit_has_run_before_the_next_step_begins() {
    #[job]
    async fn first(_: (), _connection: Depends<connection>) {}
    #[job]
    async fn second(_: (), log: State<Log>) {
        log.add("second");
    }
    let log = Arc::<Log>::default();
    let app = app(&log).jobs(queue().await).job(first).job(second);
    let client = app.client().await;
    client.jobs().enqueue(first, ()).then(second).await.unwrap();
    client.jobs().run_all().await;
    assert_eq!(log.take(), ["exit Ok", "second"]);
}

#[tokio::test]
async fn a_test_replaces_what_a_dependency_depends_on() {
    #[dependency]
    async fn other() -> Connection {
        Connection(40)
    }
    let log = Arc::<Log>::default();
    let by_value = app(&log).override_dependency::<vectors>(|| 90);
    let by_other = app(&log).override_dependency_with::<connection, other>();
    for (app, expected) in [(by_value, (90, 7)), (by_other, (40, 40))] {
        let client = app.jobs(queue().await).client().await;
        let id = client.jobs().enqueue(embed, String::new()).await.unwrap().id;
        client.jobs().run_all().await;
        assert_eq!(get(&client, id).await.result::<(u32, u32)>().unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn a_dependency_that_fails_is_the_failure_of_the_job() {
    #[dependency]
    async fn missing() -> Result<u32> {
        Err(HttpError::not_found("no such index"))
    }
    #[job]
    async fn index(_: (), _missing: Depends<missing>) {}
    let client = App::new("Index", "1").jobs(queue().await).job(index).client().await;
    let id = client.jobs().enqueue(index, ()).await.unwrap().id;
    client.jobs().run_all().await;
    let job = get(&client, id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    assert_eq!(job.error.as_deref(), Some("404 Not Found: no such index"));
}

#[tokio::test]
async fn a_job_may_need_nothing_that_is_enqueued() {
    #[job]
    async fn tick() -> u32 {
        1
    }
    #[job]
    async fn clean(log: State<Log>, job: JobContext) {
        log.add(job.step().name.clone());
    }
    let log = Arc::<Log>::default();
    let client = app(&log).jobs(queue().await).job(tick).job(clean).client().await;
    client.jobs().enqueue(tick, ()).await.unwrap();
    client.jobs().enqueue(clean, ()).await.unwrap();
    client.jobs().run_all().await;
    assert_eq!(log.take(), ["clean.v1"]);
}

#[tokio::test]
async fn a_unit_test_calls_a_function_with_values_of_its_own() {
    let log = Log::default();
    let job = JobContext::of_no_job(&queue().await);
    let clean = {
        #[job]
        async fn clean(log: State<Log>, job: JobContext) -> u32 {
            log.add(job.step().name.clone());
            job.attempt()
        }
        clean
    };
    let log = State::from(Arc::new(log));
    assert_eq!(clean(log.clone(), job).await, 1);
    assert_eq!(log.take(), [""]);
}

#[tokio::test]
async fn an_exit_of_an_attempt_that_takes_too_long_runs_after_it() {
    #[job(timeout_seconds = 0, name = "stuck")]
    async fn never_begins(_: ()) {}
    #[job(max_attempts = 1)]
    async fn stuck(_: (), _connection: Depends<connection>, stopping: State<tokio::sync::Notify>) {
        stopping.notify_one();
        std::future::pending::<()>().await;
    }
    let mistakes = App::new("x", "1").jobs(queue().await).job(never_begins).openapi();
    let mistakes = mistakes.unwrap_err().to_string();
    assert!(mistakes.contains("jobs: the handler `stuck` has no time"), "{mistakes}");

    let (log, begun) = (Arc::<Log>::default(), Arc::new(tokio::sync::Notify::new()));
    let app = app(&log).shared_state(begun.clone()).jobs(queue().await).job(stuck);
    let client = app.client().await;
    let id = client.jobs().enqueue(stuck, ()).await.unwrap().id;
    let jobs = client.jobs();
    let cancel = async {
        begun.notified().await;
        jobs.queue().cancel(id).await.unwrap();
    };
    tokio::join!(jobs.run_all(), cancel);
    assert_eq!(get(&client, id).await.state, JobState::Cancelled);
    client.shutdown().await;
    assert_eq!(log.take(), [format!("exit {:?}", Outcome::Disconnected)]);
}
