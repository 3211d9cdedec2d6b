#[path = "../../quick_start.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::{Value, json};

#[tokio::test]
async fn a_question_is_answered() {
    let client = program::app().client().await;
    let answer = client.post("/chat").json(&json!({ "message": "Hello" })).await;
    assert_eq!(answer.status(), 200);
    let answer: program::Answer = answer.json();
    assert_eq!(answer.response, "You said: Hello");
}

#[tokio::test]
async fn an_empty_question_is_refused_with_the_reason() {
    let client = program::app().client().await;
    let refused = client.post("/chat").json(&json!({ "message": "" })).await;
    assert_eq!(refused.status(), 422);
    let body: Value = refused.json();
    assert_eq!(body["detail"][0]["loc"], json!(["body", "message"]));
    assert_eq!(body["detail"][0]["type"], "string_too_short");
}

#[tokio::test]
async fn the_documentation_describes_the_question() {
    let client = program::app().client().await;
    assert_eq!(client.get("/docs").await.status(), 200);
    let document: Value = client.get("/openapi.json").await.json();
    assert_eq!(document["paths"]["/chat"]["post"]["summary"], "Ask a question.");
    assert_eq!(document["components"]["schemas"]["Question"]["required"], json!(["message"]));
}
