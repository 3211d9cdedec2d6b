//! `alula mcp list`, `inspect` and `call`.

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::servers::{Notes, Program};
use crate::process::{Ended, NOBODY, alula};

/// Runs a command to its end, beside the servers of the test.
async fn mcp(arguments: &[&str]) -> Ended {
    let start = alula(&[&["mcp"], arguments].concat());
    spawn_blocking(|| start.end()).await.unwrap()
}

#[track_caller]
fn said(ended: &Ended, code: i32) -> &str {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    if code == 0 { &ended.stdout } else { &ended.stderr }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_listed_and_looked_at() {
    let notes = Notes::start().await;
    let listed = mcp(&["list", &notes.url]).await;
    let text = said(&listed, 0);
    for line in [
        "tool     arguments  description",
        "add      a, b       Add two numbers.",
        "notes://all  text/plain  The notes.",
        "explain  word       Explain a word.",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    for protocol in ["2026-07-28", "2025-06-18"] {
        let inspected = mcp(&["inspect", &notes.url, "--protocol", protocol]).await;
        let text = said(&inspected, 0);
        assert!(text.starts_with(&format!("Notes 1.2.3, MCP {protocol}\n")), "{text}");
        assert!(text.contains("  a  integer  The first one."), "{text}");
    }
    let one = mcp(&["inspect", &notes.url, "add", "--json"]).await;
    let one: Value = serde_json::from_str(said(&one, 0)).unwrap();
    assert_eq!((&one["name"], &one["annotations"]["readOnlyHint"]), (&json!("add"), &json!(true)));
    let all = mcp(&["inspect", &notes.url, "--json"]).await;
    let all: Value = serde_json::from_str(said(&all, 0)).unwrap();
    assert_eq!(all["server"]["version"], "1.2.3");
    assert_eq!(all["resources"][0]["uri"], "notes://all");
    notes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_called_and_its_end_is_the_exit_code() {
    let notes = Notes::start().await;
    let url = notes.url.as_str();
    let sum = mcp(&["call", url, "add", "a=1", "b=2"]).await;
    assert_eq!(said(&sum, 0), "3\n");
    let sum = mcp(&["call", url, "add", "--args", "{\"a\": 1, \"b\": 2}", "b=40", "--json"]).await;
    let sum: Value = serde_json::from_str(said(&sum, 0)).unwrap();
    assert_eq!(sum["structuredContent"], json!({ "result": 41 }));
    let header = ["--header", "Authorization: Bearer secret"];
    let token = mcp(&[&["call", url, "token"], &header[..]].concat()).await;
    assert_eq!(said(&token, 0), "secret\n");

    let failed = mcp(&["call", url, "fail"]).await;
    assert_eq!(said(&failed, 1), "alula: the tool fail has failed\n");
    assert_eq!(failed.stdout, "The disk is full\n");
    let stranger = mcp(&["call", url, "token"]).await;
    assert!(said(&stranger, 1).contains("status 401"), "{stranger:?}");
    for (arguments, says) in [
        (&["ad"][..], "is it meant to be \"add\"?"),
        (&["add", "a=x", "b=1"], "a=x: expected integer"),
        (&["add", "c=1"], "add has no argument \"c\"; it has a, b"),
        (&["add", "--args", "[]"], "--args: expected a JSON object"),
        (&["add", "--protocol", "1999-01-01"], "2025-11-25"),
    ] {
        let wrong = mcp(&[&["call", url], arguments].concat()).await;
        let code = if arguments.contains(&"--protocol") { 1 } else { 2 };
        assert!(said(&wrong, code).contains(says), "{wrong:?}");
    }
    notes.stop().await;
    let nobody = mcp(&["list", &format!("{NOBODY}/mcp")]).await;
    assert!(
        said(&nobody, 1).starts_with("alula: the MCP server cannot be reached: "),
        "{nobody:?}"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_named_by_its_command_line_or_by_the_file() {
    let program = Program::new();
    let line = program.command_line();
    let called = mcp(&["call", &line, "env", "--env", "OWN=x"]).await;
    assert_eq!(said(&called, 0), "key= own=x home=set\n");
    assert_eq!(program.log(), "start\nend\n");

    let file = program.file(&format!("{}env = {{ OWN = \"y\" }}\n", program.table("notes")));
    let config = ["--config", file.to_str().unwrap()];
    let called = mcp(&[&["call", "notes", "env"], &config[..]].concat()).await;
    assert_eq!(said(&called, 0), "key= own=y home=set\n");
    let file = program.file(&format!("{}urll = 1\n", program.table("notes")));
    let config = ["--config", file.to_str().unwrap()];
    let wrong = mcp(&[&["list", "notes"], &config[..]].concat()).await;
    assert!(said(&wrong, 2).contains("alula.toml: line "), "{wrong:?}");

    let missing = mcp(&["list", "no-such-program at all"]).await;
    assert!(said(&missing, 1).contains("`no-such-program` cannot be started"), "{missing:?}");
    let odd = mcp(&["list", "'open"]).await;
    assert!(said(&odd, 2).contains("is no command line"), "{odd:?}");
}
