//! MCP over the input and the output of a process.

use std::time::Duration;

use alula::{
    Shutdown,
    mcp::{Completing, Level, McpSettings},
    prelude::*,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, duplex, split},
    sync::Notify,
};

/// Add.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct Name {
    name: String,
}

/// Asks for a name.
#[tool]
async fn greet(context: McpContext) -> Result<String> {
    context.info("asking").await;
    let name = context.elicit::<Name>("Who?").await?;
    Ok(name.accepted().map_or_else(|| "nobody".to_owned(), |name| name.name))
}

/// Says who calls.
#[tool]
async fn whoami(token: Bearer) -> String {
    token.into_inner()
}

/// Never ends by itself.
#[tool]
async fn hang() {
    std::future::pending::<()>().await;
}

struct Process {
    input: tokio::io::WriteHalf<DuplexStream>,
    output: Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    running: tokio::task::JoinHandle<Result<(), alula::StartError>>,
}

fn start() -> Process {
    start_with(McpSettings::new())
}

fn start_with(settings: McpSettings) -> Process {
    let app = App::new("Stdio", "1.0.0")
        .tool(add)
        .tool(greet)
        .tool(whoami)
        .tool(hang)
        .tool(early)
        .prompt(hello);
    let settings = settings.stdio_header("authorization", "Bearer me").max_message(2_000);
    let app = app.mcp_settings(settings);
    let (ours, theirs) = duplex(1_000);
    let (input, output) = split(theirs);
    let shutdown = Shutdown::new();
    let tasks = shutdown.clone();
    let running = tasks.spawn(app.serve_stdio_on(input, output, shutdown));
    let (output, input) = split(ours);
    Process { input, output: BufReader::new(output).lines(), running }
}

impl Process {
    async fn write(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn send(&mut self, message: &Value) {
        self.write(&message.to_string()).await;
    }

    async fn read(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(5), self.output.next_line());
        serde_json::from_str(&line.await.unwrap().unwrap().expect("there is a line")).unwrap()
    }

    async fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        self.read().await
    }

    async fn end(mut self) {
        self.input.shutdown().await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), self.running).await;
        ended.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn both_eras_are_spoken_on_one_line_each() {
    let mut process = start();
    let sum = json!({ "name": "add", "arguments": { "a": 1, "b": 2 } });
    let mut modern = sum.clone();
    modern["_meta"] = super::meta();
    let answer = process.ask(1, "tools/call", modern).await;
    assert_eq!(answer["result"]["resultType"], "complete");
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} } });
    let answer = process.ask(2, "initialize", params).await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "Stdio");
    let answer = process.ask(3, "tools/call", sum).await;
    assert_eq!(answer["result"]["content"][0]["text"], "3");
    let answer = process.ask(4, "tools/call", json!({ "name": "whoami" })).await;
    assert_eq!(answer["result"]["content"][0]["text"], "me");

    let log = process.ask(5, "tools/call", json!({ "name": "greet" })).await;
    assert_eq!(log["method"], "notifications/message");
    let question = process.read().await;
    assert_eq!(question["method"], "elicitation/create");
    let result = json!({ "action": "accept", "content": { "name": "Ada" } });
    process.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })).await;
    assert_eq!(process.read().await["result"]["content"][0]["text"], "Ada");
    process.end().await;
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_server_lives() {
    let mut process = start();
    for (line, code) in [("{", -32700), ("nonsense", -32700), ("[]", -32600), ("{}", -32600)] {
        process.write(line).await;
        let answer = process.read().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(code)));
    }
    process.write("").await;
    process.write(&"x".repeat(3_000)).await;
    assert_eq!(process.read().await["error"]["code"], -32600);
    let answer = process.ask(1, "ping", json!({})).await;
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    process.end().await;
}

#[tokio::test]
async fn answers_come_through_where_all_places_are_taken() {
    let mut process = start_with(McpSettings::new().concurrency_max(1));
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} } });
    process.ask(1, "initialize", params).await;
    let call = |id: u32, name: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name } });
    process.send(&call(2, "greet")).await;
    process.read().await;
    let question = process.read().await;
    assert_eq!(question["method"], "elicitation/create");
    // There is one place only, which the first call has.
    process.send(&call(3, "whoami")).await;
    assert_eq!(process.ask(4, "ping", json!({})).await["id"], 4);
    let result = json!({ "action": "decline" });
    process.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })).await;
    assert_eq!(process.read().await["id"], 2);
    assert_eq!(process.read().await["id"], 3);
    process.end().await;
}

/// Cannot be completed.
#[prompt(complete(name = failing))]
async fn hello(name: String) -> String {
    name
}

async fn failing(_: Completing) -> Vec<String> {
    panic!("on purpose")
}

#[tokio::test]
async fn what_panics_around_a_function_is_answered() {
    let mut process = start();
    let reference = json!({ "type": "ref/prompt", "name": "hello" });
    let params = json!({ "ref": reference, "argument": { "name": "name", "value": "" } });
    let answer = process.ask(1, "completion/complete", params).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32603)));
    assert_eq!(process.ask(2, "ping", json!({})).await["id"], 2);
    process.end().await;
}

/// Something was said too late.
static LATE: Notify = Notify::const_new();

/// Goes on after it has returned.
#[tool]
async fn early(context: McpContext) -> &'static str {
    #[expect(clippy::disallowed_methods, reason = "nobody waits for it")]
    tokio::spawn(async move {
        context.cancelled().await;
        context.log(Level::Error, "too late").await;
        LATE.notify_one();
    });
    "returned"
}

#[tokio::test]
async fn nothing_is_said_of_a_call_after_its_answer() {
    let mut process = start();
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    process.ask(1, "initialize", params).await;
    let answer = process.ask(2, "tools/call", json!({ "name": "early" })).await;
    assert_eq!(answer["result"]["content"][0]["text"], "returned");
    LATE.notified().await;
    assert_eq!(process.ask(3, "ping", json!({})).await["id"], 3);
    process.end().await;
}

#[tokio::test]
async fn a_call_is_cancelled_and_others_go_on() {
    let mut process = start();
    let hang =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "hang" } });
    process.send(&hang).await;
    let answer =
        process.ask(2, "tools/call", json!({ "name": "add", "arguments": { "a": 1, "b": 1 } }));
    assert_eq!(answer.await["id"], 2);
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    process.send(&cancelled).await;
    // It is not answered, and the end does not wait for it.
    process.end().await;
}
