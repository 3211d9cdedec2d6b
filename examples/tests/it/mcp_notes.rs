#[path = "../../mcp_notes.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::json;

#[tokio::test]
async fn an_endpoint_is_a_tool_and_a_tool_has_dependencies() {
    let client = program::app().client().await;
    assert_eq!(client.post("/notes").json("buy milk").await.status(), 201);
    let mcp = client.mcp();
    assert_eq!(mcp.call("keep_note", json!({ "body": "buy bread" })).await.text(), "2");
    let found = mcp.call("find_notes", json!({ "text": "buy", "limit": "1" })).await;
    assert_eq!(found.structured::<serde_json::Value>(), json!({ "result": ["buy milk"] }));
    assert_eq!(found.notifications()[0]["method"], "notifications/progress");
    let empty = mcp.call("find_notes", json!({ "text": "" })).await;
    let text = "Invalid arguments: text: String should have at least 1 character";
    assert_eq!((empty.is_error(), empty.text()), (true, text));
}

#[tokio::test]
async fn the_user_is_asked_before_all_is_gone() {
    let client = program::app().client().await;
    let no = client.mcp().answering(|_, _| json!({ "sure": false }));
    assert_eq!(no.call("clear_notes", json!({})).await.text(), "Nothing was removed");
    let yes = client.mcp().answering(|_, _| json!({ "sure": true }));
    assert_eq!(yes.call("clear_notes", json!({})).await.text(), "All notes are removed");
}
