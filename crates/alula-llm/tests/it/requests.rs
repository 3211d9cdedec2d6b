//! Requests are read without loss, and so that their fields have names.

use alula_llm::{
    ChatRequest, Message, Part, Role,
    model::{Protocol, Text},
    testing::canonical,
};
use serde_json::{Value, json};

use crate::recordings::{Kind, each};

#[test]
fn recorded_requests_are_understood() {
    const UNNAMED: [&str; 5] =
        ["stream_options", "web_search_options", "mcp_servers", "allowed_domains", "max_tokens"];
    each(|kind, call| {
        let request = kind.read_request(call.request.clone()).unwrap();
        assert_eq!(request.stream == Some(true), call.is_stream(), "{}", call.file.display());
        for name in request.extra.keys() {
            assert!(UNNAMED.contains(&name.as_str()), "{name} in {}", call.file.display());
        }
        for message in &request.messages {
            let opaque = message.parts.iter().any(|part| matches!(part, Part::Other(_)));
            assert!(!opaque, "{message:?}");
            assert!(matches!(
                message.role,
                Role::System | Role::User | Role::Assistant | Role::Tool
            ));
        }
    });
}

/// Reads and writes; the JSON must not change.
#[track_caller]
fn check(kind: Kind, fields: Value, messages: Value) {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": messages});
    let map = body.as_object_mut().unwrap();
    map.extend(fields.as_object().unwrap().clone());
    let request = kind.read_request(body.clone()).unwrap();
    let written = kind.write_request(&request, false).unwrap();
    assert_eq!(canonical(&written), canonical(&body));
}

#[test]
fn openai_requests_survive_with_every_field() {
    check(
        Kind::OpenAi,
        json!({
            "temperature": 0, "top_p": 0.5, "stop": ["a", "b"], "seed": -1, "n": 2,
            "presence_penalty": 0.1, "frequency_penalty": -0.1, "logprobs": true,
            "top_logprobs": 3, "reasoning_effort": "low", "user": "u", "metadata": {"k": "v"},
            "parallel_tool_calls": false, "store": true, "audio": {"voice": "alloy"},
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "tools": [
                {"type": "function", "function": {"name": "f", "x": 1}, "cache_control": {}},
                {"type": "custom", "custom": {"name": "c"}},
            ],
            "response_format": {"type": "json_object"},
        }),
        json!([
            {"role": "developer", "content": [{"type": "text", "text": "a", "x": 1}]},
            {"role": "user", "name": "bob", "content": [
                {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "file", "file": {"file_data": "AAAA"}},
                {"type": "new_kind", "x": [1]},
                "not an object",
            ]},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{oops"}},
                {"id": "2", "type": "custom", "custom": {"name": "c", "input": "x"}},
                {"id": "3", "function": {"name": "f", "arguments": "{}"}, "index": 2},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "r"}]},
            {"role": "assistant", "reasoning": "hm", "refusal": "no", "content": ""},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"role": "assistant", "content": [], "function_call": {"name": "f"}},
            {"role": "critic", "content": "x"},
        ]),
    );
    let format = json!({"type": "json_schema", "json_schema": {
        "name": "n", "schema": {"type": "object"}, "strict": null, "description": "d",
    }});
    check(Kind::OpenAi, json!({"response_format": format, "tools": []}), json!([]));
    check(Kind::OpenAi, json!({"response_format": {"type": "grammar", "x": 1}}), json!([]));
    check(Kind::OpenAi, json!({"temperature": "hot", "n": null, "user": 3}), json!([]));
}

#[test]
fn anthropic_requests_survive_with_every_field() {
    check(
        Kind::Anthropic,
        json!({
            "temperature": 1, "top_k": 5, "stop_sequences": ["a"], "metadata": {"user_id": "u"},
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
            "tools": [
                {"type": "custom", "name": "f", "input_schema": {}, "cache_control": {}},
                {"type": "bash_20250124", "name": "bash"},
            ],
            "container": "c", "service_tier": "auto",
        }),
        json!([
            {"role": "user", "content": "plain"},
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "url", "url": "https://x"}},
                {"type": "image", "source": {
                    "type": "base64", "media_type": "image/webp", "data": "AAAA"}},
                {"type": "document", "title": "t", "context": "c", "citations": {"enabled": true},
                    "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                {"type": "document", "source": {"type": "content", "content": []}},
                {"type": "document", "source": {"type": "file", "file_id": "f"}},
                {"type": "tool_result", "tool_use_id": "1"},
                {"type": "tool_result", "tool_use_id": "2", "content": [], "is_error": true},
                {"type": "tool_result", "tool_use_id": "3", "content": [
                    {"type": "text", "text": "r"},
                    {"type": "image", "source": {"type": "url", "url": "https://x"}},
                    {"type": "search_result", "x": 1},
                ]},
                {"type": "new_kind", "x": [1]},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xx"},
                {"type": "text", "text": "t", "citations": [{"type": "char_location"}]},
                {"type": "text", "text": "t", "citations": null},
                {"type": "tool_use", "id": "1", "name": "f", "input": {"a": [1.5, "x"]}},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            ]},
            {"role": "assistant", "content": []},
        ]),
    );
    check(Kind::Anthropic, json!({"thinking": {"type": "adaptive", "display": "x"}}), json!([]));
    check(Kind::Anthropic, json!({"tool_choice": {"type": "auto", "x": 1}}), json!([]));
}

#[test]
fn a_request_without_messages_is_refused_with_the_place() {
    for kind in [Kind::OpenAi, Kind::Anthropic] {
        for (body, message) in [
            (json!([]), "the request is not a JSON object"),
            (json!({"messages": []}), "model: a name is missing"),
            (json!({"model": "m"}), "messages: a list is missing"),
            (
                json!({"model": "m", "messages": [{"role": "user", "content": "a"}, 1]}),
                "messages[1]: no object with a role",
            ),
        ] {
            assert_eq!(kind.read_request(body).unwrap_err().message(), message);
        }
    }
}

#[test]
fn a_stream_asks_for_its_usage() {
    let request = ChatRequest::new("m").user("hi");
    let body = Kind::OpenAi.write_request(&request, true).unwrap();
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    let body = Kind::OpenAi.write_request(&request, false).unwrap();
    assert_eq!(body, json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}));
    let body = Kind::Anthropic.write_request(&request, true).unwrap();
    assert_eq!(body["stream"], true);
}

/// Fields that somebody wrote beside a text by hand, such as a mark for the provider's cache.
#[test]
fn fields_beside_a_single_text_are_sent() {
    let text = Text {
        text: "long".to_owned(),
        citations: Vec::new(),
        extra: object(json!({"cache_control": {"type": "ephemeral"}})),
    };
    let message = |role| Message::new(role, vec![Part::Text(text.clone())]);
    let mut request = ChatRequest::new("m").message(message(Role::System));
    request = request.message(message(Role::User));
    let mark = json!({"type": "ephemeral"});
    for (protocol, pointer) in [
        (Protocol::AnthropicMessages, "/system/0/cache_control"),
        (Protocol::AnthropicMessages, "/messages/0/content/0/cache_control"),
        (Protocol::OpenAiChat, "/messages/1/content/0/cache_control"),
        (Protocol::OpenAiResponses, "/input/0/content/0/cache_control"),
        (Protocol::CohereChat, "/messages/1/content/0/cache_control"),
    ] {
        let body = protocol.request_to_json(&request, false).unwrap();
        assert_eq!(body.pointer(pointer), Some(&mark), "{protocol}: {body}");
    }
}

fn object(value: Value) -> alula_llm::model::Extra {
    value.as_object().unwrap().clone()
}
