//! `/mcp` of `alula serve`.

use alula_llm::testing::FakeProvider;
use reqwest::header::HeaderMap;
use serde_json::json;

use super::{call, names, text};
use crate::{
    client::{Answer, http},
    keyed::{Setting, keys, until},
    keys::{Store, id_of},
    process::{Alula, NOBODY, alula, serve, serve_openai},
};

const PLANS: &str = "[plans.one]\nrequests_per_minute = 1\n";

/// The handshake of older clients; gives the headers of its answer.
async fn handshake(alula: &Alula) -> HeaderMap {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let answer = Answer::of(http().post(alula.url("/mcp")).json(&request)).await;
    let server = answer.is(200)["result"]["serverInfo"].clone();
    assert_eq!(server, json!({ "name": "alula", "version": env!("CARGO_PKG_VERSION") }));
    answer.headers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_asked_as_by_chat() {
    let fake = FakeProvider::start().await;
    fake.turn()
        .expects(json!({
            "model": "gpt-4o-mini",
            "temperature": 0.5,
            "messages": [
                { "role": "system", "content": "Be short." },
                { "role": "user", "content": "What is an alula?" },
            ],
        }))
        .says("A feather.")
        .usage(12, 3);
    let alula = serve_openai(&fake.url()).listen();
    let arguments = json!({
        "message": "What is an alula?",
        "model": "openai/gpt-4o-mini",
        "system_prompt": "Be short.",
        // As models write numbers.
        "temperature": "0.5",
        "max_tokens": 100,
    });
    let answer = alula.ask_mcp("tools/call", &call("run_chat", &arguments)).await;
    assert_eq!(text(&answer), "A feather.");
    let structured = &answer["result"]["structuredContent"];
    assert_eq!(structured["response"], "A feather.");
    assert_eq!(structured["usage"]["input_tokens"], 12);
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_reads_what_is_wrong_with_its_call() {
    let alula = serve().listen();
    let arguments = json!({ "message": "", "temperature": 3 });
    let answer = alula.ask_mcp("tools/call", &call("run_chat", &arguments)).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    for name in ["message", "temperature"] {
        assert!(text(&answer).contains(name), "{name} in {answer}");
    }
    // A provider that is away is told of without what is the operator's own.
    let alula = serve_openai(NOBODY).env("ALULA_ATTEMPTS", "1").listen();
    let answer = alula.ask_mcp("tools/call", &call("run_chat", &json!({ "message": "Hi" }))).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(!text(&answer).is_empty() && !text(&answer).contains("127.0.0.1"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_say_what_to_look_for() {
    let alula = serve().listen();
    let list = alula.ask_mcp("prompts/list", &json!({})).await;
    let prompts = names(&list, "prompts");
    assert!(["code_review", "summarize"].iter().all(|name| prompts.contains(name)), "{prompts:?}");
    let arguments = json!({ "code": "let a = b[0];\n```", "language": "Rust" });
    let params = json!({ "name": "code_review", "arguments": arguments });
    let prompt = alula.ask_mcp("prompts/get", &params).await;
    let said = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    for part in [
        "bugs and errors",
        "performance",
        "security",
        "style and readability",
        "````rust\nlet a = b[0];\n```\n````",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_models_does_not_see_the_tool() {
    let store = Store::file();
    let (models, admin) = (store.key(&[]), store.key(&["--scopes", "admin"]));
    let alula = store.over(serve()).listen();
    let list = json!({});
    let seen = alula.mcp_with(&models, "tools/list", &list).await.is(200);
    assert!(names(&seen, "tools").contains(&"run_chat"), "{seen}");
    let seen = alula.mcp_with(&admin, "tools/list", &list).await.is(200);
    assert_eq!(names(&seen, "tools"), Vec::<&str>::new());
    let chat = call("run_chat", &json!({ "message": "Hi" }));
    let called = alula.mcp_with(&admin, "tools/call", &chat).await.json();
    assert_eq!(called["error"]["message"], "Unknown tool: run_chat");
    for key in ["", "sk-proj-1", &Store::file().key(&[])] {
        let answer = alula.mcp_with(key, "tools/list", &list).await;
        assert_eq!(answer.status, 401, "{key}: {answer:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
    }
    // As clients of Anthropic send it.
    let other = alula.mcp("tools/list", &list).header("x-api-key", &models);
    Answer::of(other).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_limited_and_accounted_for_as_those_of_chat() {
    let fake = FakeProvider::start().await;
    fake.always().says("Hello").usage(1_000, 100);
    let setting = Setting::new(&fake.url(), PLANS);
    let alula = setting.start().listen();
    let admin = json!({ "name": "admin", "scopes": ["models", "admin"] });
    let [key, admin] = keys(&alula, [json!({ "name": "a", "plan": "one" }), admin]).await;
    let chat = call("run_chat", &json!({ "message": "Hi" }));
    let first = alula.mcp_with(&key, "tools/call", &chat).await;
    assert_eq!(text(&first.is(200)), "Hello");
    assert_eq!((first.header("ratelimit-limit"), first.header("ratelimit-remaining")), ("1", "0"));
    let second = alula.mcp_with(&key, "tools/call", &chat).await;
    assert_eq!(second.header("ratelimit-remaining"), "0");
    assert_ne!(second.header("retry-after"), "");
    let second = second.is(200);
    assert_eq!(second["result"]["isError"], true);
    assert!(text(&second).contains("plan \"one\""), "{second}");
    assert_eq!(fake.request_count(), 1);
    let mut rows = json!([]);
    until("the call is in the ledger", async || {
        let calls = alula.with_key(&admin, "GET", "/admin/usage/calls", None).await.is(200);
        rows = calls["data"].clone();
        rows[0].is_object()
    })
    .await;
    assert_eq!(rows[0]["key"], id_of(&key), "{rows}");
    assert_eq!(rows[0]["request_id"], first.header("x-request-id"));
    assert_eq!(rows[0]["cost_micro_usd"], 1_100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_a_request_of_its_key() {
    let setting = Setting::new(NOBODY, PLANS);
    let alula = setting.start().listen();
    let [key] = keys(&alula, [json!({ "name": "a", "plan": "one" })]).await;
    let search = call("search_documents", &json!({ "query": "alula" }));
    let first = alula.mcp_with(&key, "tools/call", &search).await;
    assert_eq!(first.header("ratelimit-remaining"), "0");
    assert_eq!(first.is(200)["result"].get("isError"), None);
    let second = alula.mcp_with(&key, "tools/call", &search).await.is(200);
    assert!(text(&second).contains("plan \"one\""), "{second}");
    // What asks nothing is none.
    let list = call("list_documents", &json!({}));
    let listed = alula.mcp_with(&key, "tools/call", &list).await.is(200);
    assert_eq!(listed["result"].get("isError"), None, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_stay_outside() {
    let own = serve().listen();
    let from = async |alula: &Alula, origin: &str| {
        let request = alula.mcp("tools/list", &json!({})).header("origin", origin);
        Answer::of(request).await.status
    };
    let itself = format!("http://{}", own.address());
    assert_eq!(from(&own, &itself).await, 200);
    assert_eq!(from(&own, "https://evil.example").await, 403);
    let rebound = own.mcp("tools/list", &json!({})).header("host", "evil.example");
    assert_eq!(Answer::of(rebound).await.status, 421);

    let store = Store::file();
    let key = store.key(&[]);
    let origins = "http://localhost:6274,https://app.example";
    let alula = store.over(serve().env("ALULA_MCP_ORIGINS", origins)).listen();
    let with_key = async |origin: &str| {
        let request = alula.mcp("tools/list", &json!({})).bearer_auth(&key);
        Answer::of(request.header("origin", origin)).await.status
    };
    assert_eq!(with_key("https://app.example").await, 200);
    assert_eq!(with_key("https://evil.example").await, 403);
    alula.logged("ALULA_MCP_ORIGINS=https://evil.example");
    // A proxy passes on the name that clients know.
    let named = alula.mcp("tools/list", &json!({})).bearer_auth(&key);
    Answer::of(named.header("host", "api.example")).await.is(200);
    let refused = serve().env("ALULA_MCP_ORIGINS", "app.example").end();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("ALULA_MCP_ORIGINS: app.example"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_of_one_process_has_sessions() {
    let alone = serve().listen();
    assert!(handshake(&alone).await.contains_key("mcp-session-id"));
    #[cfg(target_os = "linux")]
    {
        let several = alula(&["serve", "--port", "0", "--workers", "2"]).listen();
        assert!(!handshake(&several).await.contains_key("mcp-session-id"));
    }
}
