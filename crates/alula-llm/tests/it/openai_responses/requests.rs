//! Requests, in both directions and from other formats.

use alula_llm::{
    ChatRequest, ErrorKind, Media, Message, OpenAiResponses, Part, Role, Tool,
    model::{FunctionTool, Protocol, Reasoning, ResponseFormat, Source, Thinking, ToolChoice},
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

fn by_hand() -> ChatRequest {
    let mut request = ChatRequest::new("gpt-5")
        .system("s1")
        .message(Message::new(Role::Developer, vec![Part::text("s2")]))
        .user_parts([
            Part::text("u"),
            Part::Image(Media::url("https://x/a.png")),
            Part::Image(Media::bytes("image/png", b"\0\0\0")),
            Part::File(Media::url("https://x/a.pdf")),
            Part::File(Media::text("doc").name("a.txt")),
            Part::Audio(Media::bytes("audio/mpeg", b"\0\0\0")),
        ])
        .message(Message::new(
            Role::Assistant,
            vec![
                Part::Reasoning(Reasoning {
                    text: "hm".to_owned(),
                    signature: Some("seal".to_owned()),
                    ..Reasoning::default()
                }),
                Part::text("a"),
                Part::ToolCall(alula_llm::model::ToolCall {
                    id: "1".to_owned(),
                    name: "f".to_owned(),
                    ..Default::default()
                }),
            ],
        ))
        .message(Message::tool_result("1", "r"))
        .system("later")
        .tool(FunctionTool::new("f", "d", json!({"type": "object"})))
        .tool_choice(ToolChoice::Function("f".to_owned()))
        .json_schema("n", json!({"type": "object"}))
        .temperature(0.5)
        .max_tokens(99)
        .extra("store", false);
    request.logprobs = Some(true);
    request.top_logprobs = Some(2);
    request.reasoning_effort = Some("low".to_owned());
    request.parallel_tool_calls = Some(false);
    request.user = Some("u".to_owned());
    request
}

#[test]
fn a_request_made_by_hand_is_said_in_full() {
    let expected = json!({
        "model": "gpt-5", "instructions": "s1\n\ns2", "max_output_tokens": 99, "temperature": 0.5,
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "u"},
                {"type": "input_image", "image_url": "https://x/a.png"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
                {"type": "input_file", "file_url": "https://x/a.pdf"},
                {"type": "input_file", "file_data": "data:text/plain;base64,ZG9j",
                    "filename": "a.txt"},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            ]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "seal"},
            {"role": "assistant", "content": "a"},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "r"},
            {"role": "system", "content": "later"},
        ],
        "tools": [{"type": "function", "name": "f", "description": "d",
            "parameters": {"type": "object"}, "strict": false}],
        "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": false,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"},
            "strict": true}},
        "reasoning": {"effort": "low"}, "top_logprobs": 2, "user": "u", "store": false,
        "include": ["message.output_text.logprobs"],
    });
    assert_eq!(write(&by_hand()), expected);
    let mut streamed = expected;
    streamed["stream"] = true.into();
    assert_eq!(API.request_to_json(&by_hand(), true).unwrap(), streamed);
}

#[test]
fn a_conversation_comes_from_chat_completions() {
    let body = json!({
        "model": "m", "max_completion_tokens": 9, "reasoning_effort": "low", "stop": ["x"],
        "service_tier": "flex", "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "u"}], "name": "bob"},
            {"role": "assistant", "content": "a", "reasoning_content": "hm", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "2", "type": "function", "function": {"name": "f", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "1", "content": "r1"},
            {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "r2"}]},
            {"role": "assistant", "content": null, "refusal": "no"},
        ],
    });
    let request = Protocol::OpenAiChat.request_from_json(body).unwrap();
    assert_eq!(
        write(&request),
        json!({
            "model": "m", "instructions": "s", "max_output_tokens": 9,
            "reasoning": {"effort": "low"}, "text": {"format": {"type": "json_object"}},
            "tools": [{"type": "function", "name": "f", "strict": false,
                "parameters": {"type": "object", "properties": {}}}],
            "input": [
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": "a"},
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": "r1"},
                {"type": "function_call_output", "call_id": "2", "output": "r2"},
                {"type": "message", "role": "assistant",
                    "content": [{"type": "refusal", "refusal": "no"}]},
            ],
        })
    );
}

#[test]
fn a_conversation_comes_from_anthropic() {
    let body = json!({
        "model": "m", "max_tokens": 9, "top_k": 5, "system": [{"type": "text", "text": "s"}],
        "thinking": {"type": "enabled", "budget_tokens": 4000},
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": {}}],
        "messages": [
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "a", "citations": [
                    {"type": "web_search_result_location", "url": "https://x", "title": "t"}]},
                {"type": "text", "text": "b"},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": [
                    {"type": "text", "text": "r"},
                    {"type": "image", "source": {"type": "url", "url": "https://x"}}]},
                {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
            ]},
        ],
    });
    let request = Protocol::AnthropicMessages.request_from_json(body).unwrap();
    assert_eq!(
        write(&request),
        json!({
            "model": "m", "instructions": "s", "max_output_tokens": 9,
            "reasoning": {"effort": "medium"},
            "tools": [{"type": "function", "name": "f", "strict": false,
                "parameters": {"type": "object"}}],
            "input": [
                {"type": "message", "role": "assistant", "content": [
                    {"type": "output_text", "text": "a", "annotations": [
                        {"type": "url_citation", "url": "https://x", "title": "t",
                            "start_index": 0, "end_index": 1}]},
                    {"type": "output_text", "text": "b", "annotations": []}]},
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{\"a\":1}"},
                {"type": "function_call_output", "call_id": "1", "output": [
                    {"type": "input_text", "text": "r"},
                    {"type": "input_image", "image_url": "https://x"}]},
                {"role": "user", "content": [
                    {"type": "input_file", "file_url": "https://x/a.pdf"}]},
            ],
        })
    );
}

#[test]
fn a_conversation_goes_to_the_other_formats() {
    let request = read(json!({
        "model": "m", "instructions": "s", "max_output_tokens": 9, "store": true,
        "reasoning": {"effort": "low", "summary": "auto"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"},
            "strict": true}],
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "u"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
            {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "seal"},
            {"type": "message", "role": "assistant", "id": "msg", "status": "completed",
                "content": [{"type": "output_text", "text": "a", "annotations": []}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}", "id": "fc"},
            {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}", "id": "fc"},
            {"type": "function_call_output", "call_id": "1", "output": "r1"},
            {"type": "function_call_output", "call_id": "2", "output": "r2"},
        ],
    }));
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let chat = Protocol::OpenAiChat.request_to_json(&request, false).unwrap();
    assert_eq!(
        chat["messages"],
        json!([
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "u"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "content": "a", "tool_calls": [call("1"), call("2")]},
            {"role": "tool", "tool_call_id": "1", "content": "r1"},
            {"role": "tool", "tool_call_id": "2", "content": "r2"},
        ])
    );
    assert_eq!((&chat["max_tokens"], &chat["reasoning_effort"]), (&json!(9), &json!("low")));
    let anthropic = Protocol::AnthropicMessages.request_to_json(&request, false).unwrap();
    assert_eq!(anthropic["system"], "s");
    assert_eq!(
        anthropic["messages"][1],
        json!({"role": "assistant", "content": [
            {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "1", "name": "f", "input": {}},
            {"type": "tool_use", "id": "2", "name": "f", "input": {}}]})
    );
    assert_eq!(anthropic["messages"][2]["content"].as_array().unwrap().len(), 2);
}

#[test]
fn a_limit_on_thinking_is_an_effort() {
    for (thinking, effort) in [
        (Thinking::Budget(1024), json!("low")),
        (Thinking::Budget(8192), json!("medium")),
        (Thinking::Budget(u64::MAX), json!("high")),
        (Thinking::Adaptive, Value::Null),
        (Thinking::Disabled, Value::Null),
    ] {
        let mut request = ChatRequest::new("m").user("q");
        request.thinking = Some(thinking);
        assert_eq!(write(&request)["reasoning"]["effort"], effort, "{thinking:?}");
    }
}

#[test]
fn what_cannot_be_said_is_refused_and_not_dropped() {
    let mut two = ChatRequest::new("m").user("q");
    two.n = Some(2);
    let custom = json!({"model": "m", "messages": [], "tools": [{"type": "custom"}]});
    let form = json!({"model": "m", "messages": [], "response_format": {"type": "grammar"}});
    let chat = |body| Protocol::OpenAiChat.request_from_json(body).unwrap();
    let image = vec![Part::Image(Media::url("https://x"))];
    let sound = Part::Audio(Media::url("https://x"));
    for (request, message) in [
        (two, "gives one answer"),
        (chat(custom), "has no tool like"),
        (chat(form), "has no {\"type\":\"grammar\"}"),
        (ChatRequest::new("m").message(Message::new(Role::Assistant, image)), "only be sent back"),
        (ChatRequest::new("m").user_parts([sound]), "must be sent as bytes"),
    ] {
        let error = API.request_to_json(&request, false).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
        assert!(error.message().contains(message), "{error}");
    }
}

/// What is added to a conversation that was read is sent along with it.
#[test]
fn a_conversation_that_was_read_goes_on() {
    let mut request = read(json!({"model": "m", "instructions": "i", "input": "q"}));
    request = request.assistant("a").user("go on").message(Message::system("at the end"));
    assert_eq!(
        write(&request),
        json!({"model": "m", "instructions": "i", "input": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": "go on"},
            {"role": "system", "content": "at the end"}]})
    );
}
