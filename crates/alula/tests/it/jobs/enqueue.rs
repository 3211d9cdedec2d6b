//! How jobs are enqueued, and what their steps are called with.

use std::time::Duration;

use alula::{
    jobs::{Filter, JobState, Output},
    prelude::*,
};
use serde_json::json;

use super::{get, queue};

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Document {
    #[schemars(length(min = 1))]
    text: String,
}

#[job]
async fn split(document: Document) -> Vec<String> {
    document.text.split_whitespace().map(str::to_owned).collect()
}

#[job(queue = "words", max_attempts = 2, version = 3)]
async fn count(words: Vec<String>) -> Result<usize> {
    Ok(words.len())
}

#[post("/documents", status = 202)]
async fn upload(jobs: Jobs, Json(document): Json<Document>) -> Result<Json<String>> {
    let job = jobs.enqueue(split, document).then(count).owner("ada").await?;
    Ok(Json(job.id.to_string()))
}

#[tokio::test]
async fn an_endpoint_enqueues_steps_that_are_done_one_after_the_other() {
    let app = App::new("Words", "1").routes(routes![upload]).jobs(queue().await);
    let client = app.job(split).job(count).client().await;
    let id: String = client.post("/documents").json(&json!({"text": "a wing"})).await.json();
    let id = id.parse().unwrap();
    assert_eq!(get(&client, id).await.state, JobState::Queued, "a test says when it is done");

    client.jobs().run_all().await;
    let job = get(&client, id).await;
    assert_eq!((job.state, job.steps), (JobState::Succeeded, (2, 2)));
    assert_eq!(job.result::<usize>().unwrap(), Some(2));
    assert_eq!((job.step.name.as_str(), job.step.queue.as_str()), ("count.v3", "words"));
    assert_eq!((job.step.max_attempts, job.owner.as_deref()), (2, Some("ada")));
}

#[tokio::test]
async fn a_function_can_be_called_in_a_unit_test() {
    assert_eq!(split(Document { text: "a wing".to_owned() }).await, ["a", "wing"]);
    assert_eq!(count(vec![String::new()]).await, Ok(1));
}

#[tokio::test]
async fn a_delay_is_let_pass_and_a_key_is_there_once() {
    let app = App::new("Words", "1").jobs(queue().await).job(count);
    let client = app.client().await;
    let jobs = client.jobs();
    let enqueue = || jobs.enqueue(count, vec![]).delay(Duration::from_secs(3600)).unique("one");
    let (first, second) = (enqueue().await.unwrap(), enqueue().await.unwrap());
    assert!(first.is_new && !second.is_new);
    assert_eq!(first.id, second.id);

    jobs.run_due().await;
    assert_eq!(get(&client, first.id).await.state, JobState::Scheduled);
    jobs.advance(Duration::from_secs(3599));
    jobs.run_due().await;
    assert_eq!(get(&client, first.id).await.state, JobState::Scheduled);
    jobs.advance(Duration::from_secs(1));
    jobs.run_due().await;
    assert_eq!(get(&client, first.id).await.state, JobState::Succeeded);

    let third = enqueue().await.unwrap();
    assert!(third.is_new, "the first is not on its way any more");
    jobs.run_all().await;
    assert_eq!(get(&client, third.id).await.state, JobState::Succeeded);
}

#[job]
async fn report(title: String, jobs: Jobs, job: JobContext) -> Result<String> {
    let children = Filter { parent: Some(job.id()), ..Filter::default() };
    let done = jobs.queue().count(&children).await?.of(JobState::Succeeded);
    Ok(format!("{title}: {done}"))
}

#[tokio::test]
async fn a_batch_is_followed_when_all_of_it_has_ended() {
    let app = App::new("Words", "1").jobs(queue().await).job(count).job(report);
    let client = app.client().await;
    let lists = (0..20).map(|length| vec![String::new(); length]);
    let jobs = client.jobs();
    let id = jobs.batch(count, lists).then(report, "lists".to_owned()).await.unwrap();
    jobs.run_all().await;
    assert_eq!(get(&client, id).await.result::<String>().unwrap().unwrap(), "lists: 20");
}

#[job]
async fn fan_out(counts: Vec<u32>, jobs: Jobs) -> Result<Output> {
    let child = |count| jobs.enqueue(flaky, count).into_job();
    let children = counts.into_iter().map(child).collect::<Result<Vec<_>>>()?;
    Ok(Output::children(&"sent", children)?)
}

/// Fails at each of its attempts but the last.
#[job]
async fn flaky(number: u32, job: JobContext) -> Result<u32> {
    match job.attempt() < job.max_attempts() {
        true => Err(HttpError::unavailable("not yet")),
        false => Ok(number),
    }
}

#[tokio::test]
async fn children_that_wait_for_their_next_attempt_are_done_too() {
    let app = App::new("Words", "1").jobs(queue().await).job(fan_out).job(flaky);
    let client = app.client().await;
    let id = client.jobs().enqueue(fan_out, vec![1, 2, 3]).await.unwrap().id;
    client.jobs().run_all().await;
    assert_eq!(get(&client, id).await.state, JobState::Succeeded);
    let children = Filter { parent: Some(id), ..Filter::default() };
    let children = client.jobs().queue().list(&children).await.unwrap();
    let ended =
        |job: &alula::jobs::JobSummary| job.state == JobState::Succeeded && job.attempts == 5;
    assert!(children.len() == 3 && children.iter().all(ended), "{children:?}");
}

#[job]
async fn again(left: u32, jobs: Jobs) -> Result<u32> {
    if left > 0 {
        jobs.enqueue(again, left - 1).await?;
    }
    Ok(left)
}

#[tokio::test]
async fn what_jobs_enqueue_is_done_too() {
    let client = App::new("Again", "1").jobs(queue().await).job(again).client().await;
    client.jobs().enqueue(again, 9).await.unwrap();
    client.jobs().run_all().await;
    let counts = client.jobs().queue().count(&Filter::default()).await.unwrap();
    assert_eq!((counts.of(JobState::Succeeded), counts.total()), (10, 10));
}

#[tokio::test]
async fn arguments_that_are_too_large_are_refused_when_they_are_enqueued() {
    let queue = queue().await.args_bytes_max(16);
    let client = App::new("Words", "1").jobs(queue).job(count).client().await;
    let error = client.jobs().enqueue(count, vec!["w".repeat(16)]).await.unwrap_err();
    assert_eq!(error.status(), 500);
    assert!(error.log_message().contains("more than 16"), "{error}");
}

#[tokio::test]
async fn a_store_that_is_closed_is_an_error_of_the_server() {
    let client = App::new("Words", "1").jobs(queue().await).routes(routes![upload]);
    let client = client.job(split).client().await;
    client.jobs().queue().close().await;
    let answer = client.post("/documents").json(&json!({"text": "a"})).await;
    assert_eq!(answer.status(), 500);
}

mod elsewhere {
    use alula::prelude::*;

    #[job]
    pub(super) async fn r#move((from, to): (u8, u8), _: Jobs) -> u8 {
        to - from
    }
}

#[tokio::test]
async fn names_and_patterns_may_be_any() {
    let app = App::new("Moves", "1").jobs(queue().await).job(elsewhere::r#move);
    let client = app.client().await;
    let id = client.jobs().enqueue(elsewhere::r#move, (1, 3)).await.unwrap().id;
    client.jobs().run_all().await;
    let job = get(&client, id).await;
    assert_eq!((job.step.name.as_str(), job.result::<u8>().unwrap()), ("move.v1", Some(2)));
}
