#[path = "../../parameters.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::{Value, json};

#[tokio::test]
async fn text_becomes_types() {
    let client = program::app().client().await;
    let target = "/conversations/7/messages?offset=20&tag=a&tag=b&order=oldest";
    let expected =
        json!({ "id": 7, "offset": 20, "limit": 10, "tag": ["a", "b"], "order": "oldest" });
    assert_eq!(client.get(target).await.json::<Value>(), expected);
}

#[tokio::test]
async fn mistakes_in_path_and_query_come_together() {
    let client = program::app().client().await;
    let refused = client.get("/conversations/seven/messages?limit=0").await;
    assert_eq!(refused.status(), 422);
    let body: Value = refused.json();
    let places: Vec<_> = body["detail"].as_array().unwrap().iter().map(|it| &it["loc"]).collect();
    assert_eq!(places, [&json!(["path", "id"]), &json!(["query", "limit"])]);
}

#[tokio::test]
async fn a_header_is_read_by_the_name_of_its_field() {
    let client = program::app().client().await;
    let answer = client.get("/conversations/7").header("accept-language", "rm").await;
    assert_eq!(answer.json::<String>(), "conversation 7 in rm");
    assert_eq!(client.get("/conversations/7").await.json::<String>(), "conversation 7 in en");
}
