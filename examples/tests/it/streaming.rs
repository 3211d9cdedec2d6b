#[path = "../../streaming.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::json;

#[tokio::test]
async fn tokens_come_one_by_one_and_then_the_end() {
    let client = program::app().unwrap().client().await;
    let answer = client.post("/chat/stream").json(&json!({ "message": "Hello" })).await;
    assert_eq!(answer.status(), 200);
    let events = answer.events();
    let (done, tokens) = events.split_last().unwrap();
    assert_eq!(done.data, "[DONE]");
    assert!(tokens.len() > 1);
    assert!(tokens.iter().all(|event| !event.json::<program::Token>().token.is_empty()));
}

#[tokio::test]
async fn lines_of_json() {
    let client = program::app().unwrap().client().await;
    assert_eq!(client.get("/count").await.text(), "0\n1\n2\n");
}
