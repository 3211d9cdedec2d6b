//! MCP over the input and the output of a process.

use std::time::Duration;

use alula::{Shutdown, mcp::McpSettings, prelude::*};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, duplex, split,
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
    let app = App::new("Stdio", "1.0.0").tool(add).tool(greet).tool(whoami).tool(hang);
    let settings = McpSettings::new().stdio_header("authorization", "Bearer me").max_message(2_000);
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
