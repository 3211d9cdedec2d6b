#[path = "../../background_tasks.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::json;

#[tokio::test]
async fn the_cost_is_written_down_after_the_answer() {
    let client = program::app().client().await;
    let question = json!({ "user": "ada", "message": "What is an alula?" });
    assert_eq!(client.post("/chat").json(&question).await.json::<String>(), "4 words received");
    assert_eq!(client.get("/usage").await.json::<usize>(), 4);
}

#[tokio::test]
async fn a_request_that_is_refused_costs_nothing() {
    let client = program::app().client().await;
    assert_eq!(client.post("/chat").json(&json!({ "user": "ada" })).await.status(), 422);
    assert_eq!(client.get("/usage").await.json::<usize>(), 0);
}
