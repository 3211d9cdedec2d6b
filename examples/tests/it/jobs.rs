#[path = "../../jobs.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use alula::{
    HttpError,
    jobs::{JobState, Queue, Sqlite},
};
use serde_json::json;

async fn queue() -> Queue {
    Queue::new(Sqlite::in_memory().await.unwrap())
}

#[tokio::test]
async fn a_document_is_embedded_after_the_answer() {
    let client = program::app(queue().await).client().await;
    let document = json!({ "text": "an alula is a small wing" });
    let response = client.post("/documents").json(&document).await;
    assert_eq!(response.status(), 202);
    let id: String = response.json();
    let path = format!("/documents/{id}");
    assert_eq!(client.get(&path).await.json::<String>(), "queued");

    client.jobs().run_all().await;
    assert_eq!(client.get(&path).await.json::<String>(), "succeeded");
    let job = client.jobs().queue().get(id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(job.result::<Vec<usize>>().unwrap(), Some(vec![9, 10]));
}

#[tokio::test]
async fn a_model_that_is_away_is_asked_again_and_the_first_step_is_not_repeated() {
    let app = program::app(queue().await);
    let app = app.override_dependency::<program::model>(|| |_| Err(HttpError::unavailable("away")));
    let client = app.client().await;
    let response = client.post("/documents").json(&json!({ "text": "an alula" })).await;
    client.jobs().run_all().await;
    let id = response.json::<String>().parse().unwrap();
    let job = client.jobs().queue().get(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.steps, job.attempts), (JobState::Failed, (1, 2), 3));
    assert_eq!(job.error.as_deref(), Some("503 Service Unavailable: away"));
}

#[tokio::test]
async fn what_was_never_enqueued_is_not_found() {
    let client = program::app(queue().await).client().await;
    assert_eq!(client.get("/documents/x").await.status(), 404);
}
