use serde_json::Value;

use crate::client;

#[tokio::test]
async fn every_endpoint_is_documented() {
    let document: Value = client().await.get("/openapi.json").await.json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/health", "/items", "/items/{id}", "/chat", "/chat/stream"]);
    assert_eq!(client().await.get("/docs").await.status(), 200);
}
