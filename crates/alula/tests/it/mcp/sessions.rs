//! Clients of 2025-11-25 and before, which begin with a handshake.

use std::{sync::Arc, time::Duration};

use alula::{
    mcp::{Access, Mcp, McpSettings},
    prelude::*,
    testing::TestClient,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{initialize, legacy};

/// Add.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Says that something is new.
#[tool]
async fn change(mcp: Mcp, context: McpContext) {
    context.info("changing").await;
    mcp.tools_changed();
    mcp.resource_updated("a://b");
}

/// A resource.
#[resource("a://b")]
async fn watched() -> &'static str {
    "b"
}

struct Begun(Arc<Notify>);

/// Never ends by itself.
#[tool]
async fn hang(begun: State<Begun>) {
    begun.0.notify_one();
    std::future::pending::<()>().await;
}

fn app() -> App {
    let begun = Begun(Arc::default());
    App::new("Sessions", "1.0.0")
        .mcp("/mcp")
        .state(begun)
        .tool(add)
        .tool(change)
        .tool(hang)
        .resource(watched)
}

fn delete<'a>(client: &'a TestClient, session: &str) -> alula::testing::TestRequest<'a> {
    client.delete("/mcp").header("mcp-session-id", session)
}

#[tokio::test]
async fn a_session_is_begun_and_ended() {
    let client = app().client().await;
    let session = initialize(&client, json!({})).await;
    let call = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let answer: Value = legacy(&client, Some(&session), "tools/call", &call).await.json();
    assert_eq!(answer["result"]["content"][0]["text"], "3");
    assert!(answer["result"].get("resultType").is_none(), "{answer}");
    let ping: Value = legacy(&client, Some(&session), "ping", &json!({})).await.json();
    assert_eq!(ping["result"], json!({}));
    assert_eq!(delete(&client, &session).await.status(), 204);
    assert_eq!(delete(&client, &session).await.status(), 404);
    assert_eq!(legacy(&client, Some(&session), "ping", &json!({})).await.status(), 404);
}

#[tokio::test]
async fn the_handshake_says_what_there_is() {
    let client = app().client().await;
    for (wanted, spoken) in [("2025-06-18", "2025-06-18"), ("2026-07-28", "2025-11-25")] {
        let params = json!({ "protocolVersion": wanted, "capabilities": {} });
        let answer: Value = legacy(&client, None, "initialize", &params).await.json();
        assert_eq!(answer["result"]["protocolVersion"], spoken);
        let capabilities = json!({
            "tools": { "listChanged": true },
            "resources": { "subscribe": true, "listChanged": true },
            "logging": {},
        });
        assert_eq!(answer["result"]["capabilities"], capabilities);
        assert_eq!(
            answer["result"]["serverInfo"],
            json!({ "name": "Sessions", "version": "1.0.0" })
        );
    }
    let odd: Value = legacy(&client, None, "initialize", &json!({})).await.json();
    assert_eq!(odd["error"]["code"], -32602);
}

#[tokio::test]
async fn a_session_is_told_of_changes() {
    let client = app().client().await;
    let session = initialize(&client, json!({})).await;
    let request = |method: &str, params: Value| {
        let (client, session, method) = (&client, session.clone(), method.to_owned());
        async move { legacy(client, Some(&session), &method, &params).await }
    };
    let watch = request("resources/subscribe", json!({ "uri": "a://b" })).await;
    assert_eq!(watch.json::<Value>()["result"], json!({}));
    let open =
        client.get("/mcp").header("accept", "text/event-stream").header("mcp-session-id", &session);
    let mut stream = open.stream().await;
    assert_eq!(stream.next().await.unwrap(), ":\n\n");
    request("logging/setLevel", json!({ "level": "error" })).await;
    let call = request("tools/call", json!({ "name": "change" })).await;
    assert_eq!(call.header("content-type"), "application/json", "the log is not wanted");
    for expected in ["tools/list_changed", "resources/updated"] {
        let event = String::from_utf8(stream.next().await.unwrap().to_vec()).unwrap();
        assert!(event.contains(expected), "{event}");
    }
    request("logging/setLevel", json!({ "level": "debug" })).await;
    let call = request("tools/call", json!({ "name": "change" })).await;
    assert_eq!(call.header("content-type"), "text/event-stream");
    assert_eq!(call.events().len(), 2);
}

#[tokio::test]
async fn a_call_can_be_cancelled() {
    let begun = Arc::new(Notify::new());
    let client = app().state(Begun(begun.clone())).client().await;
    let session = initialize(&client, json!({})).await;
    let hanging =
        async { legacy(&client, Some(&session), "tools/call", &json!({ "name": "hang" })).await };
    let cancelling = async {
        begun.notified().await;
        let params = json!({ "requestId": 7, "reason": "enough" });
        let message =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        let request = client.post("/mcp").header("mcp-session-id", &session).json(&message);
        assert_eq!(request.await.status(), 202);
    };
    let both = async { tokio::join!(hanging, cancelling) };
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(5), both).await.unwrap();
    assert_eq!(answer.text(), "");
}

#[tokio::test]
async fn sessions_have_limits_and_may_be_left_out() {
    let few = app().mcp_settings(McpSettings::new().sessions_max(1)).client().await;
    let first = initialize(&few, json!({})).await;
    // Nothing goes on in it, so it makes room.
    let second = initialize(&few, json!({})).await;
    assert_eq!(legacy(&few, Some(&first), "ping", &json!({})).await.status(), 404);
    let open =
        few.get("/mcp").header("accept", "text/event-stream").header("mcp-session-id", &second);
    let _stream = open.stream().await;
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    assert_eq!(legacy(&few, None, "initialize", &params).await.status(), 503);

    let none = app().mcp_settings(McpSettings::new().sessions(false)).client().await;
    let response = legacy(&none, None, "initialize", &params).await;
    assert_eq!((response.status().as_u16(), response.header("mcp-session-id")), (200, ""));
    assert_eq!(response.json::<Value>()["result"]["capabilities"]["tools"], json!({}));
    let call = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let answer: Value = legacy(&none, None, "tools/call", &call).await.json();
    assert_eq!(answer["result"]["structuredContent"], json!({ "result": 3 }));
}

#[tokio::test]
async fn a_session_is_of_no_use_to_others() {
    #[dependency]
    async fn access(token: Bearer) -> Access {
        Access::all().owner(token.into_inner())
    }
    let client = app().mcp_access::<access>().client().await;
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    let response = legacy(&client, None, "initialize", &params).bearer("ada").await;
    let session = response.header("mcp-session-id").to_owned();
    let ping = |token: &str| legacy(&client, Some(&session), "ping", &json!({})).bearer(token);
    assert_eq!(ping("ada").await.status(), 200);
    assert_eq!(ping("eve").await.status(), 404);
}
