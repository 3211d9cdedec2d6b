#[path = "../../testing.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use program::{app, current_user, tokens_left};
use serde_json::json;

#[tokio::test]
async fn a_caller_is_replaced() {
    let client = app().override_dependency::<current_user>(|| "test".to_owned()).client().await;
    let answer = client.post("/ask").json(&json!({ "question": "Why?" })).await;
    assert_eq!(answer.json::<String>(), "test: Why?");
}

#[tokio::test]
async fn a_budget_that_is_used_up() {
    let app = app()
        .override_dependency::<current_user>(|| "test".to_owned())
        .override_dependency::<tokens_left>(|| 0);
    let refused = app.client().await.post("/ask").json(&json!({ "question": "Why?" })).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.header("retry-after"), "3600");
}

#[tokio::test]
async fn the_real_dependencies() {
    let client = app().client().await;
    let question = json!({ "question": "Why?" });
    assert_eq!(client.post("/ask").json(&question).await.status(), 401);
    assert_eq!(client.post("/ask").bearer("wrong").json(&question).await.status(), 403);
    assert_eq!(client.post("/ask").bearer("secret").json(&question).await.status(), 200);
}
