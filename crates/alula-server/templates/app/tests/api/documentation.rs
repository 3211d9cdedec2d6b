use serde_json::Value;

use crate::client;

#[tokio::test]
async fn every_endpoint_is_documented() {
    let document: Value = client().await.get("/openapi.json").await.json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/health", "/items", "/items/{id}", "/chat", "/chat/stream"]);
    let statuses = document["paths"]["/items/{id}"]["get"]["responses"].as_object().unwrap();
    for status in ["200", "401", "404", "422"] {
        assert!(statuses.contains_key(status), "{status}");
    }
    assert_eq!(client().await.get("/docs").await.status(), 200);
}
