use serde_json::json;

use crate::test_app;

#[tokio::test]
async fn only_a_known_key_passes() {
    let client = test_app().client().await;
    let status = |key| client.get("/items").header("x-api-key", key);
    assert_eq!(status("test-key").await.status(), 200);
    assert_eq!(status("another").await.status(), 403);
    assert_eq!(client.get("/items").await.status(), 401);
}

#[tokio::test]
async fn a_missing_key_is_told_before_a_bad_body() {
    let client = test_app().client().await;
    assert_eq!(client.post("/chat").json(&json!({})).await.status(), 401);
}
