#[path = "../../mcp_hello.rs"]
#[expect(dead_code, reason = "its main function serves until its input ends")]
mod program;

use alula::{Shutdown, mcp::Client};
use serde_json::json;
use tokio::io::{duplex, split};

#[tokio::test]
async fn a_program_that_starts_it_finds_the_function() {
    let (ours, theirs) = duplex(4096);
    let (input, output) = split(theirs);
    let served = program::app().serve_stdio_on(input, output, Shutdown::new());
    let used = async {
        let (input, output) = split(ours);
        let client = Client::over(input, output).connect().await.unwrap();
        assert_eq!(client.server().name, "Demo");
        let tools = client.tools().await.unwrap();
        assert_eq!(tools[0].description.as_deref(), Some("Add two numbers."));
        let sum = client.call("add", json!({ "a": 1, "b": 2 })).await.unwrap();
        client.close().await;
        sum.text()
    };
    let (served, sum) = tokio::join!(served, used);
    served.unwrap();
    assert_eq!(sum, "3");
}
