use std::sync::Arc;

use alula::testing::TestClient;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use serde_json::{Value, json};

use my_app::{
    dependencies::{User, current_user, model},
    error::Error,
    services::Model,
};

use crate::test_app;

/// A model that says what the test wants.
struct Scripted(&'static [&'static str]);

impl Model for Scripted {
    fn answer(&self, _: String) -> Result<BoxStream<'static, String>, Error> {
        match self.0 {
            [] => Err(Error::ModelBusy),
            words => Ok(stream::iter(words).map(|word| (*word).to_owned()).boxed()),
        }
    }
}

async fn client(words: &'static [&'static str]) -> TestClient {
    test_app()
        .override_dependency::<current_user>(|| User { key: 0 })
        .override_dependency::<model>(|| Arc::new(Scripted(words)) as Arc<dyn Model>)
        .client()
        .await
}

#[tokio::test]
async fn an_answer_at_once() {
    let client = client(&["Hello, ", "you"]).await;
    let response = client.post("/chat").json(&json!({"message": "Hi"})).await;
    assert_eq!(response.json::<Value>(), json!({"response": "Hello, you"}));
}

#[tokio::test]
async fn an_answer_as_it_is_written() {
    let client = client(&["Hello, ", "you"]).await;
    let response = client.post("/chat/stream").json(&json!({"message": "Hi"})).await;
    let expected = "data: {\"token\":\"Hello, \"}\n\ndata: {\"token\":\"you\"}\n\ndata: [DONE]\n\n";
    assert_eq!(response.text(), expected);
}

#[tokio::test]
async fn a_busy_model() {
    let client = client(&[]).await;
    let response = client.post("/chat").json(&json!({"message": "Hi"})).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
}
