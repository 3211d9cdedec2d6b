//! Recorded calls of real providers, read by their SDKs on the other side of the server.

use alula_llm::testing::{Cassettes, Interaction};
use serde_json::{Value, json};

use super::Language;
use crate::{
    process::replay,
    recorded::{expected::Expected, serve_recorded},
    recordings::root,
};

/// Asks all recorded questions, with a program that compares the answers.
async fn are_read(language: &Language, api: &str, folder: &str, at_least: usize) {
    let Some(root) = root() else { return };
    let dir = root.join(folder);
    let cassettes = Cassettes::load(&dir).unwrap();
    let calls: Vec<Value> = cassettes.iter().filter_map(|call| question(api, call)).collect();
    assert!(calls.len() >= at_least, "{folder} has {} calls only", calls.len());
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), Value::Array(calls).to_string()).unwrap();

    let upstream = replay(&dir, &[]).listen();
    let alula = serve_recorded(&upstream);
    let file = match language {
        Language::Python(_) => "reads_recordings.py",
        Language::Node(_) => "reads_recordings.mjs",
    };
    language.run(file, &alula, &[api, list.path().to_str().unwrap()], &[]).await;
}

/// A recorded call, and what the client has to read.
fn question(api: &str, call: &Interaction) -> Option<Value> {
    let asks_for_usage = call.request["stream_options"] == json!({"include_usage": true});
    // Every stream is asked for its usage, which not all recorded clients did.
    if call.protocol().is_none() || api == "openai" && call.is_stream() && !asks_for_usage {
        return None;
    }
    let mut body = call.request.clone();
    body["model"] = format!("{api}/{}", body["model"].as_str()?).into();
    let mut question = json!({"file": call.file, "body": body, "status": call.status});
    if call.status == 200 {
        let Expected { text, calls, .. } = Expected::of(call);
        let calls = calls.into_iter().map(|(_, name, arguments)| json!([name, arguments]));
        question["text"] = text.into();
        question["calls"] = calls.collect();
    }
    Some(question)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_of_python_read_recorded_answers() {
    let Some(python) = Language::python("anthropic") else { return };
    are_read(&python, "openai", "openai-chat", 10).await;
    are_read(&python, "anthropic", "anthropic", 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_of_node_read_recorded_answers() {
    let Some(node) = Language::node() else { return };
    are_read(&node, "openai", "openai-chat", 10).await;
    are_read(&node, "anthropic", "anthropic", 15).await;
}
