//! `alula mcp`.

use serde_json::{Value, json};

use super::{call, message, names, text};
use crate::{
    keys::Store,
    process::{Alula, PATIENCE, alula},
};

/// The answer to a message.
fn ask(process: &mut Alula, message: &Value) -> Value {
    process.say(&message.to_string());
    process.prints(PATIENCE, |printed| {
        let lines = printed.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}"))
        });
        let whole = printed.ends_with('\n');
        let mut lines: Vec<Value> = if whole { lines.collect() } else { Vec::new() };
        lines.pop().filter(|answer| answer["id"] == message["id"])
    })
}

fn legacy(id: u32, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

#[test]
fn both_eras_are_spoken_and_nothing_else_is_printed() {
    let store = Store::file();
    let mut process = store.over(alula(&["mcp"])).talk();
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let begun = ask(&mut process, &legacy(1, "initialize", &params));
    assert_eq!(begun["result"]["serverInfo"]["name"], "alula");
    let listed = ask(&mut process, &legacy(2, "tools/list", &json!({})));
    assert!(names(&listed, "tools").contains(&"run_chat"), "{listed}");
    let chat = call("run_chat", &json!({ "message": "Hi" }));
    let called = ask(&mut process, &legacy(3, "tools/call", &chat));
    assert!(text(&called).contains("demo"), "{called}");
    let called = ask(&mut process, &message("tools/call", &chat));
    assert_eq!(called["result"]["resultType"], "complete", "{called}");
    let ended = process.hang_up();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.lines().all(|line| line.starts_with("{\"jsonrpc\":")), "{ended:?}");
    // The calls are in the ledger of the database.
    let usage = store.over(alula(&["usage", "--json"])).end();
    assert!(usage.stdout.contains("\"calls\":2"), "{usage:?}");
}

#[test]
fn once_there_are_keys_it_takes_one() {
    let store = Store::file();
    let (models, admin) = (store.key(&[]), store.key(&["--scopes", "admin"]));
    for (arguments, says) in [
        (&["mcp"][..], "say --key"),
        (&["mcp", "--key", "sk-proj-1"], "not a key of this server"),
        (&["mcp", "--key", &Store::file().key(&[])], "unknown"),
    ] {
        let refused = store.over(alula(arguments)).end();
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(says), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
    for (key, sees) in [(models, true), (admin, false)] {
        let mut process = store.over(alula(&["mcp"])).env("ALULA_KEY", &key).talk();
        let listed = ask(&mut process, &message("tools/list", &json!({})));
        assert_eq!(names(&listed, "tools").contains(&"run_chat"), sees, "{listed}");
        assert_eq!(process.hang_up().code, Some(0));
    }
}
