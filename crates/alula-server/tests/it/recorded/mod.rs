//! The main job: recorded calls of real providers, through the server and back.

pub(crate) mod expected;

use std::collections::HashMap;

use alula_llm::{
    model::Protocol,
    testing::{Cassettes, Interaction},
};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use self::expected::{Expected, plain_text};
use crate::{
    client::{Answer, Event, joined},
    process::{Alula, replay, serve},
    recordings::root,
};

/// A server whose providers are recordings.
pub(crate) fn serve_recorded(provider: &Alula) -> Alula {
    serve()
        .env("OPENAI_API_KEY", "sk-test")
        .env("OPENAI_BASE_URL", provider.url("/v1"))
        .env("ANTHROPIC_API_KEY", "sk-test")
        .env("ANTHROPIC_BASE_URL", provider.url(""))
        .env("GEMINI_API_KEY", "sk-test")
        .env("GEMINI_BASE_URL", provider.url(""))
        .listen()
}

fn provider(call: &Interaction) -> &'static str {
    match call.protocol().unwrap() {
        Protocol::AnthropicMessages => "anthropic",
        Protocol::GeminiGenerate => "gemini",
        _ => "openai",
    }
}

/// The recorded request as the server takes it: all of it in `options`.
fn question(call: &Interaction) -> Value {
    let mut options = call.request.as_object().unwrap().clone();
    let model = match options.shift_remove("model") {
        Some(model) => model.as_str().unwrap().to_owned(),
        // Gemini has it in the address.
        None => call.path.rsplit('/').next().unwrap().split(':').next().unwrap().to_owned(),
    };
    json!({"model": format!("{}/{model}", provider(call)), "options": options})
}

fn endpoint(call: &Interaction) -> &'static str {
    let streams = call.path.ends_with(":streamGenerateContent");
    if streams || call.request["stream"] == true { "/chat/stream" } else { "/chat" }
}

/// The answer must be the recorded one.
#[track_caller]
fn check(call: &Interaction, answer: &Answer) {
    let file = call.file.display();
    if call.status != 200 {
        let recorded: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(answer.is(call.status)["detail"], recorded["error"]["message"], "{file}");
        return;
    }
    let expected = Expected::of(call);
    assert_eq!(answer.status, 200, "{file}: {answer:?}");
    let got =
        if endpoint(call) == "/chat" { whole(&answer.json()) } else { streamed(&answer.events()) };
    assert_eq!(got, expected, "{file}");
}

fn whole(answer: &Value) -> Expected {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Expected { text: text("response"), reasoning: text("reasoning"), ..summary(answer) }
}

fn streamed(events: &[Event]) -> Expected {
    let (text, end) = joined(events);
    let pieces = &events[..events.len() - 2];
    let thoughts =
        pieces.iter().filter_map(|event| Some(event.json()["reasoning"].as_str()?.to_owned()));
    let reasoning: String = thoughts.collect();
    assert_eq!(end["reasoning"].as_str().unwrap_or_default(), reasoning);
    Expected { text, reasoning, ..summary(&end) }
}

fn summary(answer: &Value) -> Expected {
    let calls = answer["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let text = |name: &str| call[name].as_str().unwrap().to_owned();
        (text("id"), text("name"), serde_json::from_str(&text("arguments")).unwrap())
    });
    assert_eq!(answer["tokens_used"], answer["usage"]["total_tokens"]);
    Expected {
        calls: calls.collect(),
        stop: answer["stop_reason"].as_str().unwrap_or_default().to_owned(),
        usage: answer["usage"].as_object().cloned().unwrap_or_default(),
        ..Expected::default()
    }
}

#[tokio::test]
async fn every_recorded_call_gives_the_recorded_answer() {
    let Some(root) = root() else { return };
    for (folder, at_least) in [("openai-chat", 14), ("anthropic", 17), ("gemini", 19)] {
        let dir = root.join(folder);
        let upstream = replay(&dir, &[]).listen();
        let alula = serve_recorded(&upstream);
        let cassettes = Cassettes::load(&dir).unwrap();
        assert!(cassettes.len() >= at_least, "{folder} has {} calls only", cassettes.len());
        for call in cassettes.iter().filter(|call| call.protocol().is_some()) {
            check(call, &alula.post(endpoint(call), &question(call)).await);
        }
    }
}

/// A request that Alula makes from a plain message is the one that was recorded.
#[tokio::test]
async fn a_plain_message_finds_its_recording() {
    let Some(root) = root() else { return };
    let cassettes = Cassettes::load(&root).unwrap();
    let upstream = replay(&root, &[]).listen();
    let mut servers: HashMap<&str, Alula> = HashMap::new();
    let (mut asked, mut without_options) = (0, 0);
    for call in cassettes.iter() {
        let Some(question) = plain(call) else { continue };
        let alula = servers.entry(&call.path).or_insert_with(|| {
            serve()
                .env("OPENAI_API_KEY", "sk-test")
                .env("OPENAI_BASE_URL", upstream.url(&call.path))
                .env("ANTHROPIC_API_KEY", "sk-test")
                .env("ANTHROPIC_BASE_URL", upstream.url(""))
                .listen()
        });
        check(call, &alula.post(endpoint(call), &question).await);
        asked += 1;
        without_options += usize::from(question.get("options").is_none());
    }
    assert!(
        asked >= 12 && without_options >= 4,
        "{asked} asked, {without_options} without options"
    );
}

/// The request with a `message` instead of `messages`, where one text of the user is all of it.
fn plain(call: &Interaction) -> Option<Value> {
    let protocol = call.protocol()?;
    // The providers that the server is set up with here.
    if !matches!(protocol, Protocol::OpenAiChat | Protocol::AnthropicMessages) {
        return None;
    }
    let mut options: Map<String, Value> = call.request.as_object()?.clone();
    let model = options.shift_remove("model")?;
    let messages = options.shift_remove("messages")?;
    let message = match messages.as_array()?.as_slice() {
        [message] if message["role"] == "user" => plain_text(&message["content"])?,
        _ => return None,
    };
    // Alula asks each stream for its usage, which not all recorded clients did.
    if protocol == Protocol::OpenAiChat
        && options.shift_remove("stream")? == true
        && options.shift_remove("stream_options")? != json!({"include_usage": true})
    {
        return None;
    }
    options.shift_remove("stream");
    // What Alula sends where nothing is said, since Anthropic demands it.
    if protocol == Protocol::AnthropicMessages && options.get("max_tokens")? == 4096 {
        options.shift_remove("max_tokens");
    }
    let model = format!("{}/{}", provider(call), model.as_str()?);
    let mut question = json!({"message": message, "model": model});
    if !options.is_empty() {
        question["options"] = options.into();
    }
    Some(question)
}

#[tokio::test]
async fn two_hundred_clients_at_once_all_get_the_whole_answer() {
    const CLIENTS: usize = 200;
    let Some(root) = root() else { return };
    let dir = root.join("openai-chat");
    let upstream = replay(&dir, &["--delay-ms", "5"]).listen();
    let alula = serve_recorded(&upstream);
    let cassettes = Cassettes::load(&dir).unwrap();
    let streams: Vec<_> = cassettes.iter().filter(|call| call.is_stream()).collect();
    assert!(!streams.is_empty());
    for call in streams {
        let question = question(call);
        let answers = (0..CLIENTS).map(|_| alula.post("/chat/stream", &question));
        for answer in join_all(answers).await {
            check(call, &answer);
        }
    }
}
