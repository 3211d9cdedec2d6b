//! Requests are read without loss, and so that their fields have names.

use alula_llm::{
    ChatRequest, ErrorKind, OpenAiResponses, Part, Tool,
    model::{Protocol, ResponseFormat, Source, ToolChoice},
    testing::canonical,
};
use serde_json::{Value, json};

const API: Protocol = Protocol::OpenAiResponses;

fn read(body: Value) -> ChatRequest {
    API.request_from_json(body).unwrap()
}

fn write(request: &ChatRequest) -> Value {
    OpenAiResponses::new("k").request_json(request, false).unwrap()
}

/// Reads and writes; the JSON must not change.
#[track_caller]
fn check(body: Value) -> ChatRequest {
    let request = read(body.clone());
    assert_eq!(canonical(&write(&request)), canonical(&body));
    request
}

fn every_item() -> Value {
    json!([
        {"role": "user", "content": "plain"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
        {"role": "system", "content": "in between", "status": "completed"},
        {"role": "user", "content": [
            {"type": "input_text", "text": "t", "x": 1},
            {"type": "input_image", "image_url": "https://x/a.png", "detail": "low"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "file_id": null},
            {"type": "input_image", "file_id": "file-1", "detail": "auto"},
            {"type": "input_image", "file_id": "file-1", "image_url": "https://x"},
            {"type": "input_file", "file_url": "https://x/a.pdf"},
            {"type": "input_file", "file_id": "file-2", "filename": "a.pdf"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a"},
            {"type": "input_file", "file_data": "AAAA"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "text", "text": "old"},
            {"type": "new_kind", "x": [1]},
            "not an object",
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "seal"},
        {"type": "reasoning", "id": "rs_2", "status": "completed", "encrypted_content": null,
            "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": ""}],
            "content": [{"type": "reasoning_text", "text": "b", "x": 1}]},
        {"type": "reasoning", "id": "rs_3", "summary": [], "content": [
            {"type": "reasoning_text", "text": ""}]},
        {"type": "reasoning", "id": "rs_4"},
        {"type": "reasoning", "id": "rs_5", "summary": [{"type": "new_text", "text": "a"}]},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
            "phase": "commentary", "content": [
                {"type": "output_text", "text": "a", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "no"},
                {"type": "output_text", "text": "b", "annotations": [
                    {"type": "file_citation", "file_id": "f", "index": 1}]},
                {"type": "output_new", "x": 1},
            ]},
        {"type": "message", "role": "assistant", "id": "msg_2", "status": "completed",
            "content": [{"type": "output_text", "text": "c", "annotations": []}]},
        {"type": "message", "role": "assistant", "id": "msg_3", "content": []},
        {"role": "assistant", "content": "plain"},
        {"role": "assistant", "content": [{"type": "input_text", "text": "d"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{oops",
            "id": "fc_1", "status": "completed"},
        {"type": "function_call", "call_id": "2", "name": "f", "arguments": ""},
        {"type": "function_call", "name": "f"},
        {"type": "custom_tool_call", "call_id": "3", "name": "c", "input": "x"},
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}},
        {"type": "item_reference", "id": "msg_9"},
        {"id": "msg_8"},
        {"type": "function_call_output", "call_id": "1", "output": "r", "id": "fo_1"},
        {"type": "function_call_output", "call_id": "2", "output": [
            {"type": "input_text", "text": "r"},
            {"type": "input_image", "image_url": "https://x"}]},
        {"type": "function_call_output", "call_id": "2", "output": []},
        {"type": "function_call_output", "call_id": "2", "output": {"new": 1}},
        {"type": "custom_tool_call_output", "call_id": "3", "output": "y"},
        {"type": "mcp_approval_response", "approval_request_id": "m", "approve": true},
        {"role": "user", "content": []},
        {"role": "user"},
        {"role": "critic", "content": "x"},
        {"type": "new_item", "x": 1},
    ])
}

#[test]
fn requests_survive_with_every_field() {
    check(json!({
        "model": "m", "instructions": "be brief", "input": every_item(),
        "max_output_tokens": 9, "temperature": 0, "top_p": 0.5, "top_logprobs": 3,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"},
            "strict": null, "description": "d"}, "verbosity": "low"},
        "tools": [
            {"type": "function", "name": "f", "description": null, "parameters": null,
                "strict": null, "x": 1},
            {"type": "function", "name": "g", "parameters": {"type": "object"}, "strict": true},
            {"type": "custom", "name": "c", "format": {"type": "text"}},
            {"type": "web_search", "filters": {"allowed_domains": ["x"]}},
        ],
        "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": false,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "store": false, "previous_response_id": "resp_0", "metadata": {"k": "v"}, "user": "u",
        "truncation": "auto", "service_tier": "flex", "background": true, "n": 1,
        "prompt": {"id": "p"}, "conversation": {"id": "c"}, "stream": false,
    }));
    for fields in [
        json!({"input": "just a text"}),
        json!({"input": [], "tools": []}),
        json!({"input": null, "instructions": ""}),
        json!({"previous_response_id": "resp_0"}),
        json!({"input": "a", "instructions": "i", "text": {"format": {"type": "text"}}}),
        json!({"input": "a", "text": {"format": {"type": "grammar", "x": 1}}, "reasoning": {}}),
        json!({"input": "a", "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}),
        json!({"input": "a", "tool_choice": {"type": "function", "name": "f", "x": 1}}),
        json!({"input": "a", "temperature": "hot", "max_output_tokens": null, "model": ""}),
    ] {
        check(fields);
    }
}

#[test]
fn what_the_model_did_in_one_turn_is_one_message() {
    let request = read(json!({"model": "m", "instructions": "i", "input": every_item()}));
    let roles: Vec<&str> = request.messages.iter().map(|it| it.role.as_str()).collect();
    assert_eq!(
        roles,
        [
            "system",
            "user",
            "developer",
            "system",
            "user",
            "assistant",
            "tool",
            "tool",
            "tool",
            "tool",
            "tool",
            "tool",
            "user",
            "user",
            "critic",
            "assistant"
        ]
    );
    let turn = &request.messages[5];
    assert_eq!(turn.text(), "abcplaind");
    assert_eq!(turn.reasoning(), "ab");
    let calls: Vec<_> = turn.tool_calls().map(|it| (&*it.id, &*it.name, &*it.arguments)).collect();
    assert_eq!(calls, [("1", "f", "{oops"), ("2", "f", "")]);
    let Part::Reasoning(first) = &turn.parts[0] else { panic!("{turn:?}") };
    assert_eq!(first.signature.as_deref(), Some("seal"));
    assert_eq!(request.messages[6].parts.len(), 1);
    let media = request.messages[4].parts.iter().filter_map(|part| match part {
        Part::Image(it) | Part::File(it) | Part::Audio(it) => Some(&it.source),
        _ => None,
    });
    assert_eq!(media.filter(|it| matches!(it, Source::File(_))).count(), 2);
}

#[test]
fn fields_have_their_names_in_the_model() {
    let request = read(json!({
        "model": "m", "input": "q", "max_output_tokens": 9, "top_logprobs": 2,
        "include": ["message.output_text.logprobs"], "reasoning": {"effort": "high"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": true}},
        "tools": [{"type": "function", "name": "f", "description": "d", "strict": true,
            "parameters": {"type": "object"}}, {"type": "mcp", "server_label": "s"}],
        "tool_choice": "required", "parallel_tool_calls": true, "stream": true,
    }));
    assert_eq!((request.max_tokens, request.top_logprobs), (Some(9), Some(2)));
    assert_eq!((request.logprobs, request.stream), (Some(true), Some(true)));
    assert_eq!(request.reasoning_effort.as_deref(), Some("high"));
    let Some(ResponseFormat::JsonSchema { name, strict, .. }) = &request.response_format else {
        panic!("{:?}", request.response_format)
    };
    assert_eq!((name.as_deref(), *strict), (Some("n"), Some(true)));
    let [Tool::Function(function), Tool::Other(_)] = &*request.tools else { panic!() };
    assert_eq!((&*function.name, function.strict), ("f", Some(true)));
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    assert_eq!(request.messages, read(json!({"model": "m", "input": "q"})).messages);
}

#[test]
fn json_that_is_no_request_is_refused_with_the_place() {
    for (body, message) in [
        (json!([]), "the request is not a JSON object"),
        (json!({"input": [{"role": "user"}, 1]}), "input[1]: not an object"),
    ] {
        let error = API.request_from_json(body).unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::InvalidRequest, message));
    }
}
