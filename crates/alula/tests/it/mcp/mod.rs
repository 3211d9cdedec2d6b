//! Functions with `#[tool]`, `#[resource]` and `#[prompt]`, in an application.

mod access;
mod asking;
#[cfg(feature = "mcp-client")]
mod client;
mod endpoints;
mod http;
mod prompts;
mod resources;
mod sessions;
mod start_up;
mod stdio;
mod tools;

use alula::testing::{TestClient, TestRequest};
use serde_json::{Value, json};

/// A request of the newest revision over HTTP.
fn modern<'a>(client: &'a TestClient, method: &str, params: &Value) -> TestRequest<'a> {
    let mut params = params.clone();
    params["_meta"] = meta();
    let name = params.get("name").or(params.get("uri")).and_then(Value::as_str);
    let request = client
        .post("/mcp")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    let request = match name {
        Some(name) => request.header("mcp-name", name),
        None => request,
    };
    request.json(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A request of a revision with a handshake over HTTP.
fn legacy<'a>(
    client: &'a TestClient,
    session: Option<&str>,
    method: &str,
    params: &Value,
) -> TestRequest<'a> {
    let request = client.post("/mcp").header("accept", "application/json, text/event-stream");
    let request = match session {
        Some(session) => {
            request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25")
        }
        None => request,
    };
    request.json(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
}

/// The handshake; gives the session.
async fn initialize(client: &TestClient, capabilities: Value) -> String {
    let info = json!({ "name": "test", "version": "1" });
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info,
    });
    let response = legacy(client, None, "initialize", &params).await;
    assert_eq!(response.status(), 200);
    let session = response.header("mcp-session-id").to_owned();
    assert_eq!(session.len(), 32);
    session
}
