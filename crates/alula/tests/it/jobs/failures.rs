//! Which failures are tried again, and what is kept of them.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use alula::{
    jobs::{Failure, JobState},
    prelude::*,
};

use super::{get, queue};

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Page {
    #[schemars(range(min = 1))]
    number: u32,
    #[schemars(length(max = 3))]
    words: Vec<String>,
}

#[derive(Default)]
struct Calls(AtomicU32);

#[job]
async fn read(_page: Page, calls: State<Calls>) {
    calls.0.fetch_add(1, Relaxed);
}

#[tokio::test]
async fn arguments_that_break_a_constraint_fail_at_once_and_say_where() {
    let calls = Arc::new(Calls::default());
    let app = App::new("Pages", "1").shared_state(calls.clone()).jobs(queue().await).job(read);
    let client = app.client().await;
    let page = Page { number: 0, words: vec![String::new(); 4] };
    let id = client.jobs().enqueue(read, page).await.unwrap().id;
    client.jobs().run_all().await;
    let job = get(&client, id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    let error = job.summary.error.unwrap();
    for expected in [
        "422 Unprocessable Entity: args.number: Input should be greater than or equal to 1",
        "args.words: List should have at most 3 items after validation, not 4",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(calls.0.load(Relaxed), 0);
}

#[job(max_attempts = 3)]
async fn answer(status: u16, calls: State<Calls>) -> Result<()> {
    calls.0.fetch_add(1, Relaxed);
    Err(HttpError::new(status, "no").because("the disk is on fire"))
}

#[tokio::test]
async fn what_the_caller_has_done_wrong_is_not_tried_again() {
    for (status, attempts) in
        [(400, 1), (404, 1), (422, 1), (408, 3), (425, 3), (429, 3), (500, 3), (503, 3)]
    {
        let calls = Arc::new(Calls::default());
        let app = App::new("Answers", "1").shared_state(calls.clone()).jobs(queue().await);
        let client = app.job(answer).client().await;
        let id = client.jobs().enqueue(answer, status).await.unwrap().id;
        client.jobs().run_all().await;
        let job = get(&client, id).await;
        assert_eq!((job.state, calls.0.load(Relaxed)), (JobState::Failed, attempts), "{status}");
        assert_eq!(job.summary.error.unwrap(), "the disk is on fire", "{status}");
    }
}

#[derive(Debug, ApiError)]
enum Refusal {
    #[api(status = 429, detail = "Slow down", retry_after = 3600)]
    Busy,
}

#[job]
async fn slow(_: (), job: JobContext) -> Result<u32, Refusal> {
    if job.attempt() == 1 { Err(Refusal::Busy) } else { Ok(job.attempt()) }
}

#[tokio::test]
async fn an_error_that_says_when_to_come_again_is_heeded() {
    let client = App::new("Slow", "1").jobs(queue().await).job(slow).client().await;
    let jobs = client.jobs();
    let id = jobs.enqueue(slow, ()).await.unwrap().id;
    jobs.run_due().await;
    let job = get(&client, id).await;
    assert_eq!(job.error.as_deref(), Some("429 Too Many Requests: Slow down"));
    let pause = job.run_at - jobs.queue().time().now();
    assert_eq!(pause.as_secs(), 3600);
    jobs.run_all().await;
    assert_eq!(get(&client, id).await.result::<u32>().unwrap(), Some(2));
}

#[job]
async fn fail(kind: String) -> Result<(), Failure> {
    let number: i32 =
        kind.parse().map_err(|_| Failure::terminal("no number").result(&1).unwrap())?;
    Err(Failure::new(format!("{number} is never right")))
}

#[tokio::test]
async fn a_failure_says_itself_what_follows() {
    let client = App::new("Failures", "1").jobs(queue().await).job(fail).client().await;
    for (kind, attempts, error) in [("x", 1, "no number"), ("7", 5, "7 is never right")] {
        let id = client.jobs().enqueue(fail, kind.to_owned()).await.unwrap().id;
        client.jobs().run_all().await;
        let job = get(&client, id).await;
        assert_eq!((job.attempts, job.error.as_deref()), (attempts, Some(error)));
        assert_eq!(job.result::<u32>().unwrap(), (kind == "x").then_some(1));
    }
}

#[job(max_attempts = 2)]
async fn panics(message: String) {
    panic!("{message}");
}

#[tokio::test]
async fn a_panic_is_a_failure() {
    let client = App::new("Panics", "1").jobs(queue().await).job(panics).client().await;
    let id = client.jobs().enqueue(panics, "the wing".to_owned()).await.unwrap().id;
    client.jobs().run_all().await;
    let job = get(&client, id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 2));
    assert_eq!(job.error.as_deref(), Some("it panicked: the wing"));
}
