#[path = "../../models.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::{Value, json};

#[tokio::test]
async fn defaults_fill_what_is_left_out() {
    let client = program::app().client().await;
    let body = json!({ "messages": [{ "role": "user", "content": "Hi" }] });
    let answer = client.post("/chat").json(&body).await;
    assert_eq!(answer.status(), 201);
    let message = json!({ "role": "assistant", "content": "1 messages, None" });
    assert_eq!(answer.json::<Value>(), json!({ "model": "small", "message": message }));
}

#[tokio::test]
async fn every_mistake_is_named_at_once() {
    let client = program::app().client().await;
    let body = json!({
        "messages": [{ "role": "robot", "content": "" }],
        "temperature": 3,
        "mood": "good",
    });
    let refused = client.post("/chat").json(&body).await;
    assert_eq!(refused.status(), 422);
    let body: Value = refused.json();
    let places: Vec<_> = body["detail"].as_array().unwrap().iter().map(|it| &it["loc"]).collect();
    let expected = [
        json!(["body", "messages", 0, "role"]),
        json!(["body", "messages", 0, "content"]),
        json!(["body", "temperature"]),
        json!(["body", "mood"]),
    ];
    assert_eq!(places, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_check_of_your_own_speaks() {
    let client = program::app().client().await;
    let body = json!({ "messages": [{ "role": "user", "content": "Hi" }], "model": "huge" });
    let refused: Value = client.post("/chat").json(&body).await.json();
    let message = "Value error, no such model; there are small and large";
    assert_eq!(refused["detail"][0]["msg"], message);
}
