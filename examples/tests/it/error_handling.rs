#[path = "../../error_handling.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::{Value, json};

async fn ask(message: &str) -> (u16, String, String) {
    let client = program::app().client().await;
    let answer = client.post("/chat").json(&json!({ "message": message })).await;
    let retry_after = answer.header("retry-after").to_owned();
    (answer.status().as_u16(), retry_after, answer.text().to_owned())
}

#[tokio::test]
async fn each_error_has_its_status_and_its_words() {
    let (status, retry_after, body) = ask("again").await;
    assert_eq!((status, retry_after.as_str()), (429, "30"));
    assert_eq!(body, r#"{"detail":"Wait 30 seconds"}"#);
    let (status, _, body) = ask(&"word ".repeat(51)).await;
    assert_eq!((status, body.as_str()), (413, r#"{"detail":"51 words are more than 50"}"#));
    assert_eq!(ask("Hello you").await, (200, String::new(), "2".to_owned()));
}

#[tokio::test]
async fn the_cause_stays_in_the_log() {
    let (status, _, body) = ask("broken").await;
    assert_eq!((status, body.as_str()), (502, r#"{"detail":"The model did not answer"}"#));
}

#[tokio::test]
async fn a_handler_answers_a_foreign_error() {
    let client = program::app().client().await;
    assert_eq!(client.post("/count").json("1,2,3").await.json::<usize>(), 3);
    assert_eq!(client.post("/count").json("1,x").await.status(), 400);
}

#[tokio::test]
async fn the_statuses_are_documented() {
    let document = program::app().openapi().unwrap();
    let responses = &document["paths"]["/chat"]["post"]["responses"];
    for status in ["200", "413", "422", "429", "502"] {
        assert_ne!(responses[status], Value::Null, "{status}");
    }
}
