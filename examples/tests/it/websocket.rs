#[path = "../../websocket.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::{Value, json};

#[tokio::test]
async fn what_is_said_is_heard() {
    let client = program::app().client().await;
    let mut socket = client.websocket("/rooms/nest").bearer("ada").connect().await.unwrap();
    socket.send_json(&json!({ "text": "Hello" })).await;
    let heard: Value = socket.recv_json().await;
    assert_eq!(heard, json!({ "room": "nest", "from": "ada", "text": "Hello" }));
    assert_eq!(socket.close().await.code, 1000);
}

#[tokio::test]
async fn without_a_token_nothing_opens() {
    let client = program::app().client().await;
    assert_eq!(client.websocket("/rooms/nest").connect().await.unwrap_err().status(), 401);
}
