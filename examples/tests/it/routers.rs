#[path = "../../routers/main.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::{Value, json};

#[tokio::test]
async fn the_key_is_asked_for_below_v1_only() {
    let client = program::app().client().await;
    assert_eq!(client.get("/health").await.status(), 200);
    for target in ["/v1/documents", "/v1/users/ada"] {
        assert_eq!(client.get(target).await.status(), 401, "{target}");
        assert_eq!(client.get(target).header("x-api-key", "secret").await.status(), 200);
    }
}

#[tokio::test]
async fn a_document_is_created() {
    let client = program::app().client().await;
    let request = client.post("/v1/documents").header("x-api-key", "secret");
    let created = request.json(&json!({ "title": "Wings" })).await;
    assert_eq!((created.status().as_u16(), created.text()), (201, r#"{"title":"Wings"}"#));
}

#[tokio::test]
async fn tags_and_credentials_are_documented() {
    let document = program::app().openapi().unwrap();
    let operation = |path: &str| &document["paths"][path]["get"];
    assert_eq!(operation("/v1/documents")["tags"], json!(["Documents"]));
    assert_eq!(operation("/v1/users/{name}")["security"], json!([{ "APIKeyHeader": [] }]));
    assert_eq!(operation("/health")["security"], Value::Null);
}
