//! What a tool is called with, and what it gives.

use std::{collections::BTreeMap, sync::Mutex};

use alula::{
    Outcome,
    mcp::{Access, Arguments, Content},
    prelude::*,
};
use serde_json::{Value, json};

/// Add two numbers.
#[tool(read_only, open_world = false, title = "Sum", tag = "math")]
async fn add(
    /// The first one.
    a: i64,
    /// The second one.
    #[schemars(range(max = 100))]
    b: i64,
) -> i64 {
    a + b
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct Filter {
    tags: Vec<String>,
    limit: Option<u8>,
}

/// Repeats what it is told.
#[tool]
async fn echo(
    text: String,
    filter: Filter,
    #[default(10)] size: u32,
    numbers: Option<Vec<f64>>,
) -> BTreeMap<String, Value> {
    let told = json!({ "text": text, "filter": filter, "size": size, "numbers": numbers });
    serde_json::from_value(told).unwrap()
}

/// Fails in many ways.
#[tool]
async fn fail(how: String) -> Result<String> {
    match how.as_str() {
        "public" => Err(HttpError::conflict("It is taken")),
        "hidden" => Err(std::io::Error::other("disk on fire").into()),
        "panic" => panic!("on purpose"),
        _ => Ok("fine".to_owned()),
    }
}

/// Gives several parts.
#[tool]
async fn parts() -> Result<ToolResult> {
    let image = Content::image([1, 2, 3], "image/png");
    ToolResult::text("see").with(image).structured(&json!({ "count": 2 }))
}

/// Gives nothing.
#[tool]
async fn nothing() {}

#[derive(Deserialize, JsonSchema, Validate)]
struct Greeting {
    name: String,
}

struct Words(&'static str);

#[dependency]
async fn words(state: State<Words>) -> String {
    state.0.to_owned()
}

/// Greets.
#[tool]
async fn greet(Arguments(greeting): Arguments<Greeting>, words: Depends<words>) -> String {
    format!("{}, {}!", *words, greeting.name)
}

fn app() -> App {
    App::new("Tools", "1.2.3")
        .mcp("/mcp")
        .state(Words("Hello"))
        .tool(add)
        .tool(echo)
        .tool(fail)
        .tool(parts)
        .tool(nothing)
        .tool(greet)
}

#[tokio::test]
async fn a_function_stays_a_function() {
    assert_eq!(add(1, 2).await, 3);
}

#[tokio::test]
async fn a_value_is_given_to_models_and_to_programs() {
    let client = app().client().await;
    let sum = client.mcp().call("add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(sum.text(), "3");
    assert_eq!(sum.structured::<Value>(), json!({ "result": 3 }));
    assert_eq!(sum.result()["resultType"], "complete");
    let info = &sum.result()["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(*info, json!({ "name": "Tools", "version": "1.2.3" }));
    let greeting = client.mcp().call("greet", json!({ "name": "Ada" })).await;
    assert_eq!(greeting.text(), "Hello, Ada!");
    let parts = client.mcp().call("parts", json!({})).await;
    assert_eq!(parts.result()["content"][1]["data"], "AQID");
    assert_eq!(parts.structured::<Value>(), json!({ "count": 2 }));
    let nothing = client.mcp().call("nothing", json!({})).await;
    assert_eq!(nothing.result()["content"], json!([]));
}

#[tokio::test]
async fn models_write_values_as_they_like() {
    let client = app().client().await;
    let written = json!({
        "text": "[1]", "filter": "{\"tags\": \"[\\\"a\\\"]\", \"limit\": \"3\"}", "numbers": "[1, \"2.5\"]",
    });
    let told = client.mcp().call("echo", written).await.structured::<Value>();
    let filter = json!({ "tags": ["a"], "limit": 3 });
    let expected = json!({ "text": "[1]", "filter": filter, "size": 10, "numbers": [1.0, 2.5] });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn every_argument_that_does_not_fit_is_named() {
    let client = app().client().await;
    let error = client.mcp().call("add", json!({ "a": "x", "b": 101 })).await;
    assert!(error.is_error());
    assert_eq!(
        error.text(),
        "Invalid arguments: a: Input should be a valid integer, unable to parse string as an \
         integer; b: Input should be less than or equal to 100"
    );
    let error = client.mcp().call("echo", json!({ "text": 1, "filter": { "tags": 2 } })).await;
    assert_eq!(
        error.text(),
        "Invalid arguments: text: Input should be a valid string; filter.tags: Input should be a \
         valid list"
    );
}

#[tokio::test]
async fn errors_are_for_the_model_and_causes_are_not() {
    let client = app().client().await;
    for (how, text) in [
        ("public", "It is taken"),
        ("hidden", "Internal Server Error"),
        ("panic", "Internal Server Error"),
    ] {
        let error = client.mcp().call("fail", json!({ "how": how })).await;
        assert_eq!((error.is_error(), error.text()), (true, text));
    }
    let fine = client.mcp().call("fail", json!({ "how": "not" })).await;
    assert_eq!((fine.is_error(), fine.text()), (false, "fine"));
}

#[tokio::test]
async fn clients_read_what_a_tool_is() {
    let client = app().client().await;
    let tools = client.mcp().tools().await;
    let expected = json!({
        "name": "add",
        "title": "Sum",
        "description": "Add two numbers.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "a": { "type": "integer", "description": "The first one." },
                "b": { "type": "integer", "description": "The second one.", "maximum": 100 },
            },
            "required": ["a", "b"],
        },
        "outputSchema": {
            "type": "object",
            "properties": { "result": { "type": "integer" } },
            "required": ["result"],
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    });
    assert_eq!(tools[0], expected);
    let echo = &tools[1]["inputSchema"];
    assert_eq!(echo["required"], json!(["text", "filter"]));
    assert_eq!(echo["properties"]["size"]["default"], 10);
    let limit = &echo["properties"]["filter"]["properties"]["limit"];
    assert_eq!(*limit, json!({ "type": "integer", "minimum": 0, "maximum": 255 }));
    assert!(tools[4].get("outputSchema").is_none(), "{}", tools[4]);
}

#[tokio::test]
async fn what_does_not_exist_is_an_error_of_the_protocol() {
    let client = app().client().await;
    let mcp = client.mcp();
    let error = mcp.try_request("tools/call", json!({ "name": "sub" })).await.unwrap_err();
    assert_eq!(error, json!({ "code": -32602, "message": "Unknown tool: sub" }));
    for (method, params, code) in [
        ("tools/call", json!({}), -32602),
        ("tools/call", json!({ "name": "add", "arguments": [1] }), -32602),
        ("tools/list", json!({ "cursor": "x" }), -32602),
        ("tools/sing", json!({}), -32601),
        // There are none, so the capability is not there.
        ("prompts/list", json!({}), -32601),
        ("resources/read", json!({ "uri": "a://b" }), -32602),
        ("completion/complete", json!({}), -32601),
    ] {
        let error = mcp.try_request(method, params).await.unwrap_err();
        assert_eq!(error["code"], code, "{method}");
    }
}

#[derive(Default)]
struct Ends(Mutex<Vec<Outcome>>);

/// Notes how each request ends.
#[dependency]
async fn watched(scope: Scope, ends: State<Ends>) -> Access {
    scope.on_exit(move |outcome| async move { ends.0.lock().unwrap().push(outcome) });
    Access::all()
}

#[tokio::test]
async fn exits_of_dependencies_see_how_a_request_ended() {
    let ended = std::sync::Arc::new(Ends::default());
    let app = app().shared_state(ended.clone()).mcp_access::<watched>();
    let client = app.client().await;
    let mcp = client.mcp();
    mcp.tools().await;
    mcp.call("fail", json!({ "how": "not" })).await;
    mcp.call("fail", json!({ "how": "public" })).await;
    mcp.call("fail", json!({ "how": "panic" })).await;
    mcp.try_request("tools/call", json!({ "name": "sub" })).await.unwrap_err();
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    client.post("/mcp").json(&notification).await;
    let conflict = Outcome::Error(http::StatusCode::CONFLICT);
    let bad = Outcome::Error(http::StatusCode::BAD_REQUEST);
    let expected = [Outcome::Ok, Outcome::Ok, conflict, Outcome::Panicked, bad, Outcome::Ok];
    assert_eq!(*ended.0.lock().unwrap(), expected);
}
