//! What functions say during a call, and what they ask.

use std::sync::atomic::{AtomicU32, Ordering};

use alula::{
    mcp::{Elicited, Level},
    prelude::*,
    testing::{TestClient, TestRequest},
};
use serde_json::{Value, json};

use super::{initialize, legacy, modern};

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct Person {
    /// What to call you.
    name: String,
    age: Option<u8>,
}

#[derive(Default)]
struct Runs(AtomicU32);

/// Asks twice.
#[tool]
async fn register(context: McpContext, runs: State<Runs>) -> Result<String> {
    runs.0.fetch_add(1, Ordering::Relaxed);
    let Elicited::Accepted(person) = context.elicit::<Person>("Who are you?").await? else {
        return Ok("nobody".to_owned());
    };
    let sure = context.elicit::<Person>("And who else?").key("other").await?;
    let other = sure.accepted().map_or_else(|| "nobody".to_owned(), |other| other.name);
    Ok(format!("{} and {other}", person.name))
}

/// Tells how far it is.
#[tool]
async fn work(context: McpContext) -> u8 {
    context.progress(1.0, 2.0, "half").await;
    context.log(Level::Debug, json!({ "step": 1 })).await;
    context.warning("careful").await;
    1
}

fn app() -> App {
    App::new("Asking", "1.0.0").mcp("/mcp").state(Runs::default()).tool(register).tool(work)
}

#[tokio::test]
async fn a_call_that_asks_runs_again_with_the_answers() {
    let client = app().client().await;
    let mcp = client.mcp().answering(|method, params| {
        assert_eq!((method, &params["mode"]), ("elicitation/create", &json!("form")));
        let schema = &params["requestedSchema"];
        assert_eq!(schema["properties"]["name"]["description"], "What to call you.");
        match params["message"].as_str().unwrap() {
            "Who are you?" => json!({ "name": "Ada" }),
            _ => json!({ "name": "Bob", "age": 7 }),
        }
    });
    assert_eq!(mcp.call("register", json!({})).await.text(), "Ada and Bob");
    let declining = client.mcp().answering(|_, _| json!({ "action": "decline" }));
    assert_eq!(declining.call("register", json!({})).await.text(), "nobody");
}

/// A call of the newest revision by a client that can ask.
fn call<'a>(client: &'a TestClient, more: &Value) -> TestRequest<'a> {
    let mut meta = super::meta();
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
    let mut params = json!({ "name": "register", "arguments": {}, "_meta": meta });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    modern(client, "tools/call", &json!({ "name": "register" })).json(&message)
}

#[tokio::test]
async fn what_the_client_keeps_cannot_be_changed() {
    let client = app().client().await;
    let first: Value = call(&client, &json!({})).await.json();
    assert_eq!(first["result"]["resultType"], "input_required");
    let state = first["result"]["requestState"].as_str().unwrap().to_owned();
    let answers = json!({ "input_1": { "action": "accept", "content": { "name": "Ada" } } });
    let second = json!({ "inputResponses": answers, "requestState": state });
    let second: Value = call(&client, &second).await.json();
    assert!(second["result"]["inputRequests"]["other"].is_object(), "{second}");
    // The first answer is in the state now.
    let state = second["result"]["requestState"].as_str().unwrap();
    let answers = json!({ "other": { "action": "cancel" }, "more": { "action": "accept" } });
    let third = json!({ "inputResponses": answers, "requestState": state });
    let third: Value = call(&client, &third).await.json();
    assert_eq!(third["result"]["content"][0]["text"], "Ada and nobody");

    let changed = json!({ "requestState": format!("A{state}") });
    let refused: Value = call(&client, &changed).await.json();
    assert_eq!(refused["error"]["code"], -32602);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again() {
    let client = app().client().await;
    for answers in [
        json!({ "wrong": { "action": "accept", "content": {} } }),
        json!({ "input_1": { "action": "accept", "content": { "name": 7 } } }),
    ] {
        let asked: Value = call(&client, &json!({ "inputResponses": answers })).await.json();
        assert!(asked["result"]["inputRequests"]["input_1"].is_object(), "{asked}");
    }
    let odd: Value = call(&client, &json!({ "inputResponses": [1] })).await.json();
    assert_eq!(odd["error"]["code"], -32602);
}

#[tokio::test]
async fn a_client_that_cannot_ask_is_told_what_it_lacks() {
    let client = app().client().await;
    let response = modern(&client, "tools/call", &json!({ "name": "register" })).await;
    assert_eq!(response.status(), 400);
    let error = response.json::<Value>()["error"].clone();
    assert_eq!(error["code"], -32021);
    let required = json!({ "requiredCapabilities": { "elicitation": { "form": {} } } });
    assert_eq!(error["data"], required);

    let session = initialize(&client, json!({})).await;
    let call = legacy(&client, Some(&session), "tools/call", &json!({ "name": "register" }));
    let result = call.await.json::<Value>()["result"].clone();
    assert_eq!(result["isError"], true);
}

#[tokio::test]
async fn progress_and_the_log_go_to_who_wants_them() {
    let client = app().client().await;
    let done = client.mcp().call("work", json!({})).await;
    let said: Vec<&Value> = done.notifications().iter().map(|said| &said["params"]).collect();
    let progress = json!({ "progressToken": 1, "progress": 1.0, "total": 2.0, "message": "half" });
    let debug = json!({ "level": "debug", "data": { "step": 1 } });
    let warning = json!({ "level": "warning", "data": "careful" });
    assert_eq!(said, [&progress, &debug, &warning]);

    // Nobody has asked for anything, so there is one answer.
    let response = modern(&client, "tools/call", &json!({ "name": "work" })).await;
    assert_eq!(response.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_session_is_asked_while_the_call_waits() {
    let client = app().client().await;
    let session = initialize(&client, json!({ "elicitation": {} })).await;
    let call = legacy(&client, Some(&session), "tools/call", &json!({ "name": "register" }));
    let mut stream = call.stream().await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    for answer in [
        json!({ "action": "accept", "content": { "name": "Ada" } }),
        json!({ "action": "decline" }),
    ] {
        let event = String::from_utf8(stream.next().await.unwrap().to_vec()).unwrap();
        let data = event.split_once("data: ").unwrap().1.trim();
        let request: Value = serde_json::from_str(data).unwrap();
        assert_eq!(request["method"], "elicitation/create");
        let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": answer });
        let response = client
            .post("/mcp")
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25")
            .json(&answer)
            .await;
        assert_eq!(response.status(), 202);
    }
    let rest = stream.collect().await;
    assert!(rest.text().contains("Ada and nobody"), "{}", rest.text());
}
