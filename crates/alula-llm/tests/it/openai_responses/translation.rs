//! Requests made by hand, and from and to other formats.

use alula_llm::{
    ChatRequest, ErrorKind, Media, Message, OpenAiResponses, Part, Role,
    model::{FunctionTool, Protocol, Reasoning, Thinking, ToolCall, ToolChoice},
};
use serde_json::{Value, json};

const API: Protocol = Protocol::OpenAiResponses;

fn read(body: Value) -> ChatRequest {
    API.request_from_json(body).unwrap()
}

fn write(request: &ChatRequest) -> Value {
    OpenAiResponses::new("k").request_json(request, false).unwrap()
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
                Part::ToolCall(ToolCall {
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
