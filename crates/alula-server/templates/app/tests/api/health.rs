use serde_json::{Value, json};

use crate::test_app;

#[tokio::test]
async fn it_is_healthy_and_needs_no_key() {
    let response = test_app().client().await.get("/health").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("x-response-time"));
    assert_eq!(response.json::<Value>(), json!({"status": "healthy"}));
}
