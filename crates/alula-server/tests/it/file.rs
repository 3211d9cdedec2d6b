//! `alula.toml`.

use std::fs;

use alula_llm::testing::{FakeProvider, Fault};
use serde_json::json;
use tempfile::TempDir;

use crate::process::{Start, alula};

/// A server with this file.
fn with_file(text: &str) -> (TempDir, Start) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alula.toml");
    fs::write(&path, text).unwrap();
    let start = alula(&["serve", "--port", "0", "--config", path.to_str().unwrap()]);
    (dir, start)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_has_targets_that_stand_in_for_each_other() {
    let (down, up) = (FakeProvider::start().await, FakeProvider::start().await);
    down.always().then(Fault::Status(503));
    up.always().says("Hello");
    let (_dir, start) = with_file(&format!(
        r#"
        default_model = "fast"
        [providers.one]
        kind = "openai"
        base_url = "{}"
        [providers.two]
        kind = "anthropic"
        base_url = "{}"
        api_key_env = "TWO_KEY"
        requests_per_minute = 100
        concurrent = 4
        [models.fast]
        targets = [{{ model = "one/m", weight = 3 }}]
        fallbacks = ["two/n"]
        "#,
        down.url(),
        up.url()
    ));
    let alula = start.env("TWO_KEY", "sk-two").listen();
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let answer = alula.post("/v1/chat/completions", &body).await.is(200);
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello");
    assert_eq!(up[0].header("x-api-key"), Some("sk-two"));
    let models = alula.get("/v1/models").await.is(200);
    assert_eq!(
        (&models["data"][0]["id"], &models["data"][0]["owned_by"]),
        (&json!("fast"), &json!("one"))
    );
}

#[tokio::test]
async fn a_mistake_is_named_with_its_place() {
    for (text, expected) in [
        ("[providers.x]\nkind = \"openai\"", "providers.x: base_url is missing"),
        ("[providers.x]\nbase_url = \"http://localhost\"", "providers.x: kind is missing"),
        ("[providers.x]\nkind = \"smoke\"\nbase_url = \"http://x\"", "unknown variant"),
        (
            "[providers.x]\nkind = \"openai\"\nbase_url = \"http://x\"\napi_key_env = \"NONE\"",
            "providers.x: api_key_env: there is no variable",
        ),
        ("[models.fast]\ntargets = []", "models.fast: targets is empty"),
        ("[models.fast]\ntargets = [5]", "line 2"),
        ("[models.fast]\ntargets = [\"demo/x\", \"nobody/m\"]", "\"nobody/m\" names none"),
        ("[models.a]\ntargets = [{ model = \"demo/x\", weight = 1, extra = 1 }]", "line 2"),
        ("[providers.demo]\nconcurrent = 0", "line 2"),
        (
            "[models.a]\ntargets = [\"demo/x\"]\nfallbacks = [{ model = \"demo/y\", weight = 2 }]",
            "models.a: demo/y: fallbacks have no weight",
        ),
        (
            "[models.a]\ntargets = [{ model = \"demo/x\", wait_seconds = -1 }]",
            "models.a: demo/x: wait_seconds",
        ),
        (
            "[models.a]\ntargets = [{ model = \"demo/x\", concurrent = 1 }]\n\
             fallbacks = [{ model = \"demo/x\", concurrent = 2 }]",
            "models.a: demo/x: it has limits twice",
        ),
        ("modles = 1", "unknown field `modles`"),
        ("[providers.nobody]\nrequests_per_minute = 5", "\"nobody\", which is no provider"),
    ] {
        let (dir, start) = with_file(text);
        let ended = start.end();
        assert_eq!(ended.code, Some(2), "{text}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{text}: {ended:?}");
        drop(dir);
    }
    let (_dir, start) = with_file("[providers.x]\napi_key = \"sk-canary\"");
    let ended = start.end();
    assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
}
