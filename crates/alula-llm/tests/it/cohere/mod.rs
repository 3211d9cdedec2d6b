//! Cohere's chat, which the recordings hold little of.

mod answers;

use alula_llm::{
    ChatRequest, Cohere, ErrorKind, Media, Message, Part, Role,
    model::{FunctionTool, Protocol, Thinking, ToolChoice, ToolResult},
    providers::cohere,
    testing::canonical,
};
use serde_json::{Value, json};

fn write(request: &ChatRequest) -> Value {
    Cohere::new("k").request_json(request, false).unwrap()
}

/// Reads and writes; the JSON must not change.
#[track_caller]
fn same(fields: Value, messages: Value) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": messages});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let request = cohere::request_from_json(body.clone()).unwrap();
    assert_eq!(canonical(&write(&request)), canonical(&body));
    request
}

#[test]
fn requests_survive_with_every_field() {
    let tool = json!({"type": "function", "function": {
        "name": "f", "description": "d", "parameters": {"type": "object"}}});
    let request = same(
        json!({
            "temperature": 0.3, "p": 0.5, "k": 10, "max_tokens": 9, "stop_sequences": ["a"],
            "seed": 1, "presence_penalty": 0.1, "frequency_penalty": 0.2, "logprobs": true,
            "thinking": {"type": "enabled", "token_budget": 100}, "strict_tools": true,
            "tools": [tool, tool], "tool_choice": "REQUIRED", "safety_mode": "STRICT",
            "citation_options": {"mode": "FAST"}, "priority": 1, "stream": false,
            "documents": ["a", {"id": "1", "data": {"text": "b"}}],
            "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
        }),
        json!([
            {"role": "system", "content": [{"type": "text", "text": "s"}]},
            {"role": "user", "content": [
                {"type": "text", "text": "u"},
                {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "new_kind", "x": 1},
            ]},
            {"role": "assistant", "tool_plan": "I will.", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": [
                {"type": "document", "document": {"id": "d", "data": {"text": "r"}}},
                {"type": "document", "document": {"data": "r"}},
                {"type": "text", "text": "r"}]},
            {"role": "tool", "tool_call_id": "1", "content": "r"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                "citations": [{"start": 0, "end": 1, "text": "a", "content_index": 1,
                    "sources": [{"type": "tool", "id": "1:0"}], "type": "TEXT_CONTENT"},
                    {"start": 0, "end": 1, "text": "b", "content_index": 2}]},
            {"role": "assistant", "content": "c", "citations": []},
            {"role": "assistant", "content": []},
        ]),
    );
    assert_eq!((request.top_p, request.top_k), (Some(0.5), Some(10)));
    assert_eq!(request.thinking, Some(Thinking::Budget(100)));
    assert_eq!(request.stop, ["a"]);
    assert_eq!(request.messages[2].reasoning(), "I will.");
    let Part::Text(text) = &request.messages[5].parts[2] else { panic!() };
    assert_eq!(text.citations.len(), 1);
    for fields in [
        json!({"response_format": {"type": "json_object", "schema": {"type": "object"}}}),
        json!({"response_format": {"type": "json_object"}}),
        json!({"response_format": {"type": "text"}}),
        json!({"response_format": {"type": "grammar", "x": 1}}),
        json!({"thinking": {"type": "enabled"}, "tool_choice": "SOME", "strict_tools": true}),
        json!({"thinking": {"type": "disabled"}, "tool_choice": "NONE", "tools": []}),
        json!({"thinking": {"type": "enabled", "x": 1}, "stop_sequences": []}),
        json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true}}],
            "strict_tools": false, "temperature": "hot", "n": null}),
    ] {
        same(fields, json!([]));
    }
    for body in [json!([]), json!({"messages": []}), json!({"model": "m"})] {
        let error = cohere::request_from_json(body).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    }
}

#[test]
fn a_request_made_by_hand_says_all_it_can() {
    let tool = |name: &str| FunctionTool::new(name, "d", json!({"type": "object"})).strict(true);
    let mut report = Media::bytes("text/markdown", "# r");
    report = report.name("R");
    let image = Part::Image(Media::bytes("image/png", b"abc"));
    let result = ToolResult {
        id: "1".to_owned(),
        parts: vec![Part::File(Media::text("r"))],
        ..ToolResult::default()
    };
    let mut request = ChatRequest::new("m")
        .message(Message::new(Role::Developer, vec![Part::text("s")]))
        .user_parts([Part::text("u"), image, Part::File(report)])
        .message(Message::new(Role::Tool, vec![Part::ToolResult(result)]))
        .tool(tool("f"))
        .tool(tool("g"))
        .tool_choice(ToolChoice::Function("g".to_owned()))
        .extra("safety_mode", "OFF")
        .stop("END");
    request.reasoning_effort = Some("high".to_owned());
    request.top_p = Some(0.5);
    request.top_k = Some(3);
    assert_eq!(
        write(&request),
        json!({
            "model": "m", "p": 0.5, "k": 3, "stop_sequences": ["END"], "safety_mode": "OFF",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "u"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,YWJj"}}]},
                {"role": "tool", "tool_call_id": "1", "content": [
                    {"type": "document", "document": {"data": {"text": "r"}}}]},
            ],
            "documents": [{"data": {"text": "# r", "title": "R"}}],
            "tools": [{"type": "function", "function": {
                "name": "g", "description": "d", "parameters": {"type": "object"}}}],
            "strict_tools": true, "tool_choice": "REQUIRED",
            "thinking": {"type": "enabled"},
        })
    );
}

#[test]
fn a_conversation_comes_from_the_other_formats() {
    let openai = json!({
        "model": "m", "max_completion_tokens": 9, "reasoning_effort": "none",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "tool_choice": "auto", "stream_options": {"include_usage": true},
        "messages": [
            {"role": "developer", "content": "s"},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "1", "content": "r"},
        ],
    });
    let request = Protocol::OpenAiChat.request_from_json(openai).unwrap();
    let call = json!({"id": "1", "type": "function",
        "function": {"name": "f", "arguments": "{}"}});
    let expected = json!({
        "model": "m", "max_tokens": 9, "thinking": {"type": "disabled"}, "stream": true,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "r"},
        ],
    });
    assert_eq!(Cohere::new("k").request_json(&request, true).unwrap(), expected);

    let anthropic = json!({
        "model": "m", "max_tokens": 9, "system": "s", "top_k": 5,
        "thinking": {"type": "enabled", "budget_tokens": 20},
        "messages": [
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "is_error": true,
                    "content": [{"type": "text", "text": "r"}]},
                {"type": "text", "text": "and?"}]},
        ],
    });
    let request = Protocol::AnthropicMessages.request_from_json(anthropic).unwrap();
    let expected = json!({
        "model": "m", "max_tokens": 9, "k": 5,
        "thinking": {"type": "enabled", "token_budget": 20},
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "r"}]},
            {"role": "user", "content": [{"type": "text", "text": "and?"}]},
        ],
    });
    assert_eq!(write(&request), expected);
}

#[test]
fn a_conversation_goes_on_elsewhere() {
    let body = json!({
        "model": "m", "p": 0.5, "strict_tools": true, "safety_mode": "STRICT",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "messages": [
            {"role": "assistant", "tool_plan": "I will.", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "null"}}]},
            {"role": "tool", "tool_call_id": "1", "content": [
                {"type": "document", "document": {"id": "d", "data": {"t": 20}}}]},
            {"role": "assistant", "content": [{"type": "text", "text": "20"}],
                "citations": [{"start": 0, "end": 2, "text": "20", "sources": []}]},
        ],
    });
    let request = cohere::request_from_json(body).unwrap();
    let written = Protocol::OpenAiChat.request_to_json(&request, false).unwrap();
    assert_eq!(written["tools"][0]["function"]["strict"], true);
    assert_eq!(
        written["messages"][1],
        json!({"role": "tool", "tool_call_id": "1", "content": "{\"t\":20}"})
    );
    assert_eq!(written["messages"][2], json!({"role": "assistant", "content": "20"}));
    let written = Protocol::AnthropicMessages.request_to_json(&request, false).unwrap();
    assert_eq!(written["messages"][0]["content"][0]["input"], json!({}));
    assert_eq!(written["top_p"], 0.5);
}

#[test]
fn what_cannot_be_said_is_refused_and_not_dropped() {
    let parts = |part: Part| ChatRequest::new("m").user_parts([part]);
    let mut two = ChatRequest::new("m").user("q");
    two.n = Some(2);
    let choice = ToolChoice::Function("f".to_owned());
    let image = ToolResult { parts: vec![], ..ToolResult::default() };
    let nested = ToolResult { parts: vec![Part::ToolResult(image)], ..ToolResult::default() };
    for (request, message) in [
        (parts(Part::Audio(Media::bytes("audio/wav", b"x"))), "takes no sound"),
        (parts(Part::File(Media::bytes("application/pdf", b"x"))), "documents of text only"),
        (parts(Part::File(Media::url("https://x/a.txt"))), "takes a document as bytes"),
        (parts(Part::Image(Media::file("f"))), "takes an image by URL or as bytes"),
        (parts(Part::ToolResult(nested)), "can only hold text and documents"),
        (two, "gives one answer"),
        (ChatRequest::new("m").tool_choice(choice), "there is no function \"f\""),
    ] {
        let error = Cohere::new("k").request_json(&request, false).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
        assert!(error.message().contains(message), "{error}");
    }
}
