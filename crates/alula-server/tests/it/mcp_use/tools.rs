//! Models that use the tools of MCP servers.

use std::fs;

use alula_llm::testing::{FakeProvider, assert_sent};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::servers::{Notes, Program};
use crate::{
    client::{Answer, joined},
    keyed::{Keyed, Setting, keys},
    process::{Alula, NOBODY, Start, alula},
};

/// A server with these MCP servers, whose models are a fake's.
fn serve(file: &str, provider: &FakeProvider) -> (TempDir, Start) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alula.toml");
    fs::write(&path, file).unwrap();
    let start = alula(&["serve", "--port", "0", "--config", path.to_str().unwrap()]);
    let start = start.env("OPENAI_API_KEY", "sk-canary").env("OPENAI_BASE_URL", provider.url());
    (dir, start)
}

fn at(name: &str, url: &str) -> String {
    format!("[mcp_servers.{name}]\nurl = {url:?}\n")
}

fn question() -> Value {
    json!({ "message": "What is 1 + 2?", "mcp_servers": ["notes"] })
}

async fn ask(alula: &Alula) -> Value {
    alula.post("/chat", &question()).await.is(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_calls_tools_and_goes_on_with_what_they_gave() {
    let (notes, fake) = (Notes::start().await, FakeProvider::start().await);
    let (_dir, start) = serve(&at("notes", &notes.url), &fake);
    let alula = start.listen();
    let script = || {
        let turn = fake.turn().calls_tool("notes__add", json!({ "a": 1, "b": 2 }));
        turn.calls_tool("notes__fail", json!({})).usage(100, 10);
        fake.turn().says(["It is ", "3."]).usage(200, 20);
    };
    script();
    let answer = ask(&alula).await;
    assert_eq!((&answer["response"], &answer["tokens_used"]), (&json!("It is 3."), &json!(330)));
    let call = |id: &str, name: &str, arguments: &str| json!({ "id": id, "name": name, "arguments": arguments, "server": "notes" });
    let with = |mut call: Value, result: &str, is_error: bool| {
        call["result"] = result.into();
        call["is_error"] = is_error.into();
        call
    };
    let sum = call("call_1", "add", "{\"a\":1,\"b\":2}");
    let failed = call("call_2", "fail", "{}");
    let made =
        json!([with(sum.clone(), "3", false), with(failed.clone(), "The disk is full", true)]);
    assert_eq!(answer["tool_calls"], made);
    let offered = fake[0].body()["tools"].as_array().unwrap();
    assert_eq!(offered[0]["function"]["name"], "notes__add");
    assert_eq!(offered[0]["function"]["description"], "Add two numbers.");
    assert_sent!(fake[1], { "messages": [
        { "role": "user" },
        { "role": "assistant" },
        { "role": "tool", "tool_call_id": "call_1", "content": "3" },
        { "role": "tool", "tool_call_id": "call_2", "content": "The disk is full" }
    ] });

    script();
    let events = alula.stream(&question()).await.rest().await;
    let (text, summary) = joined(&events);
    assert_eq!((text.as_str(), &summary["tokens_used"]), ("It is 3.", &json!(330)));
    assert_eq!(summary["tool_calls"], made);
    let told: Vec<Value> = events.iter().take(4).map(|event| event.json()).collect();
    let told_call = |call: &Value| json!({ "tool_call": call });
    let told_result = |result: &Value| json!({ "tool_result": result });
    assert_eq!(told[..2], [told_call(&sum), told_call(&failed)]);
    assert_eq!(told[2..], [told_result(&made[0]), told_result(&made[1])]);
    fake.finish();
    notes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_calls_for_ever_is_made_to_answer() {
    let (notes, fake) = (Notes::start().await, FakeProvider::start().await);
    let (_dir, start) = serve(&at("notes", &notes.url), &fake);
    let start = start.env("ALULA_TOOL_ROUNDS_MAX", "3").env("ALULA_TOOL_RESULT_BYTES_MAX", "10");
    let alula = start.env("ALULA_TOOL_CALLS_MAX", "1").listen();
    let call = || fake.turn().calls_tool("notes__letters", json!({ "count": 100 }));
    call().calls_tool("notes__add", json!({}));
    call();
    fake.turn().says("Enough.");
    let answer = ask(&alula).await;
    assert_eq!(answer["response"], "Enough.");
    let results: Vec<_> = answer["tool_calls"].as_array().unwrap().iter().collect();
    assert_eq!(results[0]["result"], "xxxxxxxxxx\n[shortened: the first 10 of 100 bytes]");
    assert_eq!(results[1]["is_error"], true);
    assert!(results[1]["result"].as_str().unwrap().starts_with("Not calle"), "{answer}");
    let choices: Vec<_> = fake.requests().map(|sent| sent.body()["tool_choice"].clone()).collect();
    assert_eq!(choices, [Value::Null, Value::Null, json!("none")]);
    notes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_called_is_told_to_the_model_or_to_the_client() {
    let (notes, fake) = (Notes::start().await, FakeProvider::start().await);
    let file = format!("{}tools = [\"a*\"]\n{}", at("notes", &notes.url), at("away", NOBODY));
    let (_dir, start) = serve(&file, &fake);
    let alula = start.listen();
    // A tool that is not allowed is as good as none, as are arguments that do not fit.
    let turn = fake.turn().calls_tool("notes__letters", json!({ "count": 1 }));
    turn.calls_tool("notes__add", json!({ "a": "x" }));
    fake.turn().says("Sorry.");
    let answer = ask(&alula).await;
    let result = |number: usize| answer["tool_calls"][number]["result"].as_str().unwrap();
    assert_eq!(result(0), "There is no tool \"notes__letters\".");
    assert!(result(1).starts_with("Invalid arguments: a: "), "{answer}");
    assert_eq!(fake[0].body()["tools"].as_array().unwrap().len(), 1);

    let with = |servers: Value| json!({ "message": "Hi", "mcp_servers": servers });
    let unknown = alula.post("/chat", &with(json!(["ntoes"]))).await;
    assert!(unknown.detail(400).contains("there are away, notes"), "{unknown:?}");
    for path in ["/chat", "/chat/stream"] {
        let away = alula.post(path, &with(json!(["notes", "away"]))).await;
        assert_eq!(away.detail(502), "The MCP server \"away\" cannot be used now");
    }
    let mut both = with(json!(["notes"]));
    both["options"] = json!({ "tools": [] });
    assert_eq!(alula.post("/chat", &both).await.status, 422);
    let later = alula.later("/chat", &with(json!(["ntoes"])), "respond-async").await;
    assert_eq!(later.status, 400, "{later:?}");
    fake.finish();
    notes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_needs_the_scope() {
    let (notes, fake) = (Notes::start().await, FakeProvider::start().await);
    let setting = Setting::new(&fake.url(), &at("notes", &notes.url));
    let alula = setting.start().listen();
    let wish = |scopes: &[&str]| json!({ "name": "a", "plan": "unlimited", "scopes": scopes });
    let [with, without] = keys(&alula, [wish(&["models", "tools"]), wish(&["models"])]).await;
    fake.turn().calls_tool("notes__add", json!({ "a": 1, "b": 2 }));
    fake.turn().says("3");
    let answer = Keyed::new(&alula, &with).post("/chat", &question()).await;
    assert_eq!(answer.is(200)["response"], "3");
    for path in ["/chat", "/chat/stream"] {
        let refused = Keyed::new(&alula, &without).post(path, &question()).await;
        assert_eq!(refused.detail(403), "`mcp_servers` takes a key with the scope `tools`");
    }
    fake.finish();
    notes.stop().await;
}

/// Where everybody is answered, nobody acts for the operator: not by what is done later, either.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_key_has_no_tools_called_where_everybody_is_answered() {
    let (notes, fake) = (Notes::start().await, FakeProvider::start().await);
    let (_dir, start) = serve(&at("notes", &notes.url), &fake);
    let alula = start.env("ALULA_ALLOW_UNAUTHENTICATED", "true").listen();
    let refused = |answer: &Answer| {
        assert_eq!(answer.detail(403), "`mcp_servers` takes a key with the scope `tools`");
    };
    refused(&alula.post("/chat", &question()).await);
    refused(&alula.later("/chat", &question(), "respond-async").await);
    refused(&alula.later("/batch", &json!([question()]), "respond-async").await);
    refused(&alula.post("/batches", &json!({ "requests": [question()] })).await);
    let each = alula.post("/batch", &json!([question()])).await.is(200);
    assert_eq!(each[0]["error"]["status"], 403, "{each}");
    assert_eq!(fake.request_count(), 0);
    notes.stop().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_has_logged_is_not_for_who_asks() {
    let (program, fake) = (Program::new(), FakeProvider::start().await);
    let (_dir, start) = serve(&program.table("notes"), &fake);
    let alula = start.listen();
    fake.turn().calls_tool("notes__other", json!({}));
    fake.turn().says("Sorry.");
    let answer = ask(&alula).await;
    let result = answer["tool_calls"][0]["result"].as_str().unwrap();
    assert_eq!(result, "The tool could not be called: the MCP server is gone");
    // It is for the operator.
    alula.logged("the key is sk-canary-of-the-program");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_started_once_and_ends_with_the_server() {
    let (program, fake) = (Program::new(), FakeProvider::start().await);
    let (_dir, start) = serve(&program.table("notes"), &fake);
    let alula = start.env("OWN", "not passed").listen();
    for _ in 0..2 {
        fake.turn().calls_tool("notes__env", json!({}));
        fake.turn().says("Done.");
        let answer = ask(&alula).await;
        assert_eq!(answer["tool_calls"][0]["result"], "key= own= home=set");
    }
    let ended = alula.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(program.log(), "start\nend\n");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn servers_come_and_go_with_the_file() {
    let (notes, fake) = (Notes::start().await, FakeProvider::start().await);
    let (dir, start) = serve("", &fake);
    let alula = start.listen();
    let path = dir.path().join("alula.toml");
    assert_eq!(alula.post("/chat", &question()).await.status, 400);
    fs::write(&path, at("notes", &notes.url)).unwrap();
    alula.signal("HUP");
    alula.logged("mcp servers +notes");
    let both = format!("{}[mcp_servers.two]\nargs = []\n", at("notes", "http://127.0.0.1:1"));
    fs::write(&path, both).unwrap();
    alula.signal("HUP");
    alula.logged("mcp_servers.two: command or url is missing");
    fake.turn().calls_tool("notes__add", json!({ "a": 1, "b": 2 }));
    fake.turn().says("3");
    assert_eq!(ask(&alula).await["response"], "3");
    notes.stop().await;
}
