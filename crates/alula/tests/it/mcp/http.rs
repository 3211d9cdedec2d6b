//! MCP over HTTP: what is answered how.

use std::{sync::Arc, time::Duration};

use alula::{
    mcp::{Mcp, McpSettings},
    prelude::*,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{legacy, meta, modern};

/// Add.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Repeats an argument in a header.
#[tool]
async fn region(#[schemars(extend("x-mcp-header" = "Region"))] name: String) -> String {
    name
}

struct Held {
    begun: Notify,
    dropped: Arc<Notify>,
}

/// Never ends by itself.
#[tool]
async fn hang(held: State<Held>) {
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let _tell = Tell(held.dropped.clone());
    held.begun.notify_one();
    std::future::pending::<()>().await;
}

fn app() -> App {
    let held = Held { begun: Notify::new(), dropped: Arc::default() };
    App::new("Http", "1.0.0").mcp("/mcp").state(held).tool(add).tool(region).tool(hang)
}

fn sum() -> Value {
    json!({ "name": "add", "arguments": { "a": 1, "b": 2 } })
}

#[tokio::test]
async fn a_call_that_says_nothing_is_answered_in_json() {
    let client = app().client().await;
    let response = modern(&client, "tools/call", &sum()).await;
    assert_eq!(
        (response.status().as_u16(), response.header("content-type")),
        (200, "application/json")
    );
    let answer: Value = response.json();
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(7), &json!("3")));
}

/// Counts down, and says so first if it is to.
#[tool]
async fn count_down(to: i64, says: bool, head: ResponseHead, context: McpContext) -> Result<i64> {
    head.header("x-left", to);
    head.header("content-type", "text/html");
    if says {
        context.progress(1.0, None, "counting").await;
    }
    match to {
        0 => Err(HttpError::too_many_requests("Nothing is left", 7)),
        to => Ok(to),
    }
}

#[tokio::test]
async fn headers_of_a_function_are_those_of_the_answer() {
    let client = app().tool(count_down).client().await;
    let call = |to: i64, says: bool| {
        let mut params = json!({ "name": "count_down", "arguments": { "to": to, "says": says } });
        params["_meta"] = meta();
        params["_meta"]["progressToken"] = json!(1);
        let request = client
            .post("/mcp")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "count_down");
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        request.json(&message)
    };
    let fine = call(3, false).await;
    assert_eq!((fine.header("x-left"), fine.header("content-type")), ("3", "application/json"));
    // That it has failed is for the model to read.
    let failed = call(0, false).await;
    assert_eq!((failed.status().as_u16(), failed.header("retry-after")), (200, "7"));
    assert_eq!(failed.header("x-left"), "0");
    let streamed = call(3, true).await;
    assert_eq!(streamed.header("content-type"), "text/event-stream");
    assert_eq!(streamed.header("x-left"), "3");
}

#[tokio::test]
async fn headers_say_what_the_request_says() {
    let client = app().client().await;
    let call = || {
        let message = json!({
            "jsonrpc": "2.0", "id": "x", "method": "tools/call",
            "params": { "name": "add", "arguments": { "a": 1, "b": 2 }, "_meta": meta() },
        });
        client.post("/mcp").header("mcp-protocol-version", "2026-07-28").json(&message)
    };
    let with =
        |method: &str, name: &str| call().header("mcp-method", method).header("mcp-name", name);
    assert_eq!(with("tools/call", "add").await.status(), 200);
    assert_eq!(with("tools/call", "=?base64?YWRk?=").await.status(), 200);
    for request in [
        call(),
        call().header("mcp-method", "tools/call"),
        with("tools/list", "add"),
        with("tools/call", "sub"),
        with("TOOLS/CALL", "add"),
        with("tools/call", "=?base64?!?="),
    ] {
        let response = request.await;
        let error: Value = response.json();
        assert_eq!((response.status().as_u16(), &error["error"]["code"]), (400, &json!(-32020)));
        assert_eq!(error["id"], "x");
    }
    let region = json!({ "name": "region", "arguments": { "name": "west" } });
    let with = |region_header: &str| {
        modern(&client, "tools/call", &region).header("mcp-param-region", region_header)
    };
    assert_eq!(with("west").await.status(), 200);
    assert_eq!(with("east").await.status(), 400);
    assert_eq!(modern(&client, "tools/call", &region).await.status(), 400);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_has_a_status() {
    let client = app().client().await;
    let error = |response: &alula::testing::TestResponse| {
        let error: Value = response.json();
        (response.status().as_u16(), error["error"]["code"].as_i64().unwrap_or_default())
    };
    assert_eq!(error(&modern(&client, "tools/sing", &json!({})).await), (404, -32601));
    assert_eq!(error(&modern(&client, "initialize", &json!({})).await), (404, -32601));
    assert_eq!(error(&legacy(&client, None, "tools/sing", &json!({})).await), (200, -32601));
    let post = |body: &'static str| client.post("/mcp").body("application/json", body);
    assert_eq!(error(&post("{").await), (400, -32700));
    assert_eq!(error(&post("[]").await), (400, -32600));
    assert_eq!(error(&post("{\"jsonrpc\":\"2.0\"}").await), (400, -32600));
    let version = |version: &str| {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        client.post("/mcp").header("mcp-protocol-version", version).json(&list)
    };
    assert_eq!(error(&version("2026-07-28").await), (400, -32602));
    assert_eq!(error(&version("1999-01-01").await), (400, -32022));
    assert_eq!(client.post("/mcp").body("text/plain", "{}").await.status(), 415);
    let html = modern(&client, "tools/list", &json!({}));
    let mut request = html.header("accept", "text/html");
    request = request.header("x-unused", "1");
    assert_eq!(request.await.status(), 200, "it accepts JSON, too");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    assert_eq!(client.post("/mcp").header("accept", "text/html").json(&list).await.status(), 406);
    assert_eq!(client.get("/mcp").await.status(), 405);
    assert_eq!(client.delete("/mcp").await.status(), 405);
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(client.post("/mcp").json(&notification).await.status(), 202);
}

#[tokio::test]
async fn a_message_has_a_limit() {
    let app = app().mcp_settings(McpSettings::new().max_message(1_000));
    let client = app.client().await;
    let long = json!({ "name": "add", "arguments": { "a": "x".repeat(2_000) } });
    assert_eq!(modern(&client, "tools/call", &long).await.status(), 413);
    assert_eq!(modern(&client, "tools/call", &sum()).await.status(), 200);
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let settings = McpSettings::new()
        .allowed_hosts(["mcp.example.com"])
        .allowed_origins(["https://app.example.com"]);
    let app = app().server("https://public.example.com/v1", "").mcp_settings(settings);
    let client = app.client().await;
    let list = || modern(&client, "tools/list", &json!({}));
    for host in ["localhost:8000", "127.0.0.1", "[::1]:1", "mcp.example.com", "public.example.com"]
    {
        assert_eq!(list().header("host", host).await.status(), 200, "{host}");
    }
    assert_eq!(list().header("host", "evil.example").await.status(), 403);
    // It does not come from this machine, where a browser might be.
    let far = list().header("host", "evil.example").from_address([192, 0, 2, 1]);
    assert_eq!(far.await.status(), 200);
    // A page does, to whose name this machine was given; it says so itself.
    let rebound = list().header("host", "evil.example").header("origin", "http://evil.example");
    assert_eq!(rebound.from_address([172, 17, 0, 1]).await.status(), 403);
    let own = list().header("host", "mcp.example.com").header("origin", "https://mcp.example.com");
    assert_eq!(own.from_address([172, 17, 0, 1]).await.status(), 200);
    let from = |origin: &str| list().header("host", "localhost:8000").header("origin", origin);
    assert_eq!(from("http://localhost:8000").await.status(), 200);
    assert_eq!(from("https://app.example.com").await.status(), 200);
    for origin in ["https://evil.example", "http://localhost:9000", "null"] {
        assert_eq!(from(origin).await.status(), 403, "{origin}");
    }
}

/// Says that something is new.
#[tool]
async fn change(mcp: Mcp) {
    mcp.tools_changed();
    mcp.prompts_changed();
    mcp.resource_updated("a://b");
    mcp.resource_updated("a://c");
}

/// A resource.
#[resource("a://b")]
async fn watched() -> &'static str {
    "b"
}

fn data(event: &[u8]) -> Value {
    let text = std::str::from_utf8(event).unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.unwrap_or_else(|| panic!("no data in {text:?}"))).unwrap()
}

#[tokio::test]
async fn who_listens_is_told_what_it_wants_to_know() {
    let client = app().tool(change).resource(watched).client().await;
    let wanted = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["a://b"],
    });
    let params = json!({ "notifications": wanted });
    let mut stream = modern(&client, "subscriptions/listen", &params).stream().await;
    let acknowledged = data(&stream.next().await.unwrap());
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    // There are no prompts.
    let honored = json!({ "toolsListChanged": true, "resourceSubscriptions": ["a://b"] });
    assert_eq!(acknowledged["params"]["notifications"], honored);
    client.mcp().call("change", json!({})).await;
    let subscription = json!({ "io.modelcontextprotocol/subscriptionId": 7 });
    let change = data(&stream.next().await.unwrap());
    assert_eq!(change["method"], "notifications/tools/list_changed");
    assert_eq!(change["params"], json!({ "_meta": subscription }));
    let update = data(&stream.next().await.unwrap());
    assert_eq!(update["params"], json!({ "_meta": subscription, "uri": "a://b" }));
}

#[tokio::test]
async fn what_is_turned_off_is_gone() {
    /// Turns a tool off and on.
    #[tool]
    async fn turn(on: bool, mcp: Mcp) {
        if on { mcp.enable_tool("add") } else { mcp.disable_tool("add") }
    }
    let client = app().tool(turn).client().await;
    let mcp = client.mcp();
    for (on, count) in [(false, 3), (true, 4)] {
        mcp.call("turn", json!({ "on": on })).await;
        assert_eq!(mcp.tools().await.len(), count);
        assert_eq!(mcp.try_request("tools/call", sum()).await.is_ok(), on);
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call() {
    let app = app();
    let dropped = Arc::new(Notify::new());
    let held = Held { begun: Notify::new(), dropped: dropped.clone() };
    let client = app.state(held).client().await;
    let hang = json!({ "name": "hang" });
    let call = modern(&client, "tools/call", &hang).stream();
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    tokio::time::timeout(Duration::from_secs(5), dropped.notified()).await.unwrap();
}
