#[path = "../../mcp.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use alula::Shutdown;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex, split};

#[tokio::test]
async fn a_model_calls_reads_and_is_prompted() {
    let client = program::app().client().await;
    let mcp = client.mcp();
    let sum = mcp.call("add", json!({ "a": 1, "b": "2" })).await;
    assert_eq!((sum.text(), sum.structured::<Value>()), ("3", json!({ "result": 3 })));
    assert_eq!(mcp.read("greeting://Ada").await.text(), "Hello, Ada!");
    let review = mcp.prompt("review", json!({ "code": "x = 1", "language": "Python" })).await;
    assert!(review.text().starts_with("Review Python code for bugs"), "{}", review.text());
    assert_eq!(program::add(1, 2).await, 3);
}

#[tokio::test]
async fn a_program_that_starts_it_speaks_over_its_input_and_output() {
    let (ours, theirs) = duplex(4096);
    let (input, output) = split(theirs);
    let served = program::app().serve_stdio_on(input, output, Shutdown::new());
    let asked = async {
        let (output, mut input) = split(ours);
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
        let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        input.write_all(format!("{hello}\n").as_bytes()).await.unwrap();
        let line = BufReader::new(output).lines().next_line().await.unwrap().unwrap();
        input.shutdown().await.unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let (served, answer) = tokio::join!(served, asked);
    served.unwrap();
    assert_eq!(answer["result"]["serverInfo"], json!({ "name": "Calculator", "version": "1.0.0" }));
}
