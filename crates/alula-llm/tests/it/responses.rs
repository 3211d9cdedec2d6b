//! Answers are read without loss, and so that their fields have names.

use alula_llm::{ChatResponse, Part, Usage, testing::Interaction};
use serde_json::{Value, json};

use crate::recordings::{Kind, each};

fn json_answers(check: impl Fn(Kind, &Interaction, Value)) {
    each(|kind, call| {
        if call.status == 200 && !call.is_stream() {
            check(kind, call, serde_json::from_slice(&call.body).unwrap());
        }
    });
}

#[test]
fn recorded_answers_are_understood() {
    json_answers(|kind, call, body| {
        let response = kind.read_response(body.clone()).unwrap();
        let file = call.file.display();
        assert_eq!(response.id, body["id"], "{file}");
        assert_eq!(response.model, body["model"], "{file}");
        assert!(response.stop().is_some(), "{file}");
        match kind {
            Kind::OpenAi => openai(&response, &body["choices"][0]["message"]),
            Kind::Anthropic => anthropic(&response, &body["content"]),
        }
        usage(kind, response.usage.as_ref().unwrap(), &body["usage"]);
        let opaque = response.message().unwrap().parts.iter();
        assert_eq!(opaque.filter(|part| matches!(part, Part::Other(_))).count(), 0, "{file}");
    });
}

fn openai(response: &ChatResponse, message: &Value) {
    assert_eq!(response.text(), message["content"].as_str().unwrap_or_default());
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    let found: Vec<_> = response.tool_calls().collect();
    assert_eq!(found.len(), calls.len());
    for (found, call) in found.iter().zip(&calls) {
        assert_eq!(found.id, call["id"]);
        assert_eq!(found.name, call["function"]["name"]);
        assert_eq!(found.arguments, call["function"]["arguments"]);
    }
}

fn anthropic(response: &ChatResponse, content: &Value) {
    let blocks = |kind: &str| -> Vec<&Value> {
        content.as_array().unwrap().iter().filter(|block| block["type"] == kind).collect()
    };
    let joined = |kind: &str, field: &str| -> String {
        blocks(kind).iter().map(|block| block[field].as_str().unwrap()).collect()
    };
    let message = response.message().unwrap();
    assert_eq!(message.text(), joined("text", "text"));
    assert_eq!(message.reasoning(), joined("thinking", "thinking"));
    let calls = blocks("tool_use");
    let found: Vec<_> = message.tool_calls().collect();
    assert_eq!(found.len(), calls.len());
    for (found, call) in found.iter().zip(calls) {
        assert_eq!(found.id, call["id"]);
        assert_eq!(found.name, call["name"]);
        assert_eq!(found.arguments_json().unwrap(), call["input"]);
    }
}

/// Compares usage with its JSON, which counts the cache in the provider's way.
pub(crate) fn usage(kind: Kind, usage: &Usage, json: &Value) {
    let count = |pointer: &str| json.pointer(pointer).and_then(Value::as_u64);
    match kind {
        Kind::OpenAi => {
            assert_eq!(Some(usage.input), count("/prompt_tokens"));
            assert_eq!(Some(usage.output), count("/completion_tokens"));
            assert_eq!(usage.total, count("/total_tokens"));
            assert_eq!(usage.cache_read, count("/prompt_tokens_details/cached_tokens"));
            assert_eq!(usage.reasoning, count("/completion_tokens_details/reasoning_tokens"));
            assert_eq!(usage.audio_input, count("/prompt_tokens_details/audio_tokens"));
            assert_eq!(usage.audio_output, count("/completion_tokens_details/audio_tokens"));
        }
        Kind::Anthropic => {
            let cached = ["/cache_read_input_tokens", "/cache_creation_input_tokens"];
            let cached = cached.map(|pointer| count(pointer).unwrap_or_default());
            let input = count("/input_tokens").unwrap() + cached.iter().sum::<u64>();
            assert_eq!(usage.input, input);
            assert_eq!(Some(usage.output), count("/output_tokens"));
            assert_eq!(usage.cache_read, count("/cache_read_input_tokens"));
            assert_eq!(usage.cache_write, count("/cache_creation_input_tokens"));
            assert_eq!(usage.reasoning, count("/output_tokens_details/thinking_tokens"));
            assert_eq!(usage.total(), input + usage.output);
        }
    }
}

#[track_caller]
fn check(kind: Kind, body: &Value) -> ChatResponse {
    let response = kind.read_response(body.clone()).unwrap();
    assert_eq!(&kind.write_response(&response).unwrap(), body);
    response
}

#[test]
fn what_the_recordings_lack_survives_too() {
    let response = check(
        Kind::OpenAi,
        &json!({
            "id": "1", "model": "m", "choices": [
                {"index": 0, "message": {
                    "role": "assistant", "content": "a", "x": 1, "audio": {"id": "a"},
                    "annotations": [{"type": "url_citation", "url_citation": {
                        "url": "https://x", "title": "t", "start_index": 0, "end_index": 1}}],
                }, "finish_reason": "strange", "logprobs": {"content": [{"token": "a"}]}, "y": {}},
                {"index": 1, "message": {"role": "assistant", "refusal": "no"},
                    "finish_reason": "content_filter"},
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.1,
                "prompt_tokens_details": {"cached_tokens": 1, "z": 2},
                "completion_tokens_details": null},
            "citations": ["https://x"],
        }),
    );
    let citation = response.message().unwrap().citations().next().unwrap();
    assert_eq!((citation.url(), citation.title()), (Some("https://x"), Some("t")));
    assert_eq!(response.usage.unwrap().total(), 3);

    check(
        Kind::Anthropic,
        &json!({
            "id": "1", "type": "message", "model": "m", "role": "assistant",
            "content": [
                {"type": "text", "text": "a", "citations": [{"url": "https://x", "n": null}]},
                {"type": "redacted_thinking", "data": "x", "y": 1},
                {"type": "web_search_tool_result", "tool_use_id": "1", "content": []},
                {"type": "tool_use", "id": "1", "name": "f", "input": [], "caller": null},
            ],
            "stop_reason": "stop_sequence", "stop_sequence": "END", "container": {"id": "c"},
            "usage": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 7,
                "cache_creation_input_tokens": 1, "server_tool_use": {"web_search_requests": 1}},
        }),
    );
}

/// As Mistral writes them.
#[test]
fn a_tool_call_needs_no_type() {
    let call = json!({"id": "1", "function": {"name": "f", "arguments": "{}"}, "index": 0});
    let message = json!({"role": "assistant", "tool_calls": [call]});
    let response = check(
        Kind::OpenAi,
        &json!({"id": "1", "model": "m", "choices": [{"index": 0, "message": message}]}),
    );
    assert_eq!(response.tool_calls().next().unwrap().name, "f");
}

#[test]
fn json_that_is_no_answer_is_an_error() {
    for kind in [Kind::OpenAi, Kind::Anthropic] {
        for body in [json!({}), json!([]), json!({"choices": [1]}), json!({"content": "a"})] {
            let error = kind.read_response(body.clone()).unwrap_err();
            assert_eq!(error.kind(), &alula_llm::ErrorKind::Decode, "{body}");
        }
    }
}
