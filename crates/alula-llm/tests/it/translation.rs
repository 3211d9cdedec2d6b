//! What was said in one protocol, said in the other.

use alula_llm::{
    ChatRequest, ErrorKind, Media, Message, Part, Role,
    model::{FunctionTool, ToolChoice},
};
use serde_json::{Value, json};

use crate::recordings::Kind;

#[test]
fn a_conversation_with_tools_goes_from_openai_to_anthropic() {
    let body = json!({
        "model": "m", "max_tokens": 9, "parallel_tool_calls": false, "store": true,
        "tools": [{"type": "function", "function": {
            "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}}],
        "tool_choice": "required",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [
                {"type": "text", "text": "u"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": null, "refusal": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "2", "type": "function", "function": {"name": "f", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": "r1"},
            {"role": "tool", "tool_call_id": "2", "content": "r2"},
        ],
    });
    let request = Kind::OpenAi.read_request(body).unwrap();
    let expected = json!({
        "model": "m", "max_tokens": 9, "system": "s",
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"},
            "strict": true}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "u"},
                {"type": "image", "source": {
                    "type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "2", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "r1"},
                {"type": "tool_result", "tool_use_id": "2", "content": "r2"},
            ]},
        ],
    });
    assert_eq!(Kind::Anthropic.write_request(&request, false).unwrap(), expected);
}

#[test]
fn a_conversation_with_tools_goes_from_anthropic_to_openai() {
    let body = json!({
        "model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "s"}], "top_k": 5,
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": {}}],
        "tool_choice": {"type": "tool", "name": "f"},
        "messages": [
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "text", "text": "t", "cache_control": {}},
                {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}, "caller": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "r1"},
                {"type": "text", "text": "and?"},
            ]},
        ],
    });
    let request = Kind::Anthropic.read_request(body).unwrap();
    let function = json!({"name": "f", "arguments": "{\"a\":1}"});
    let expected = json!({
        "model": "m", "max_completion_tokens": 9,
        "tools": [{"type": "function", "function": {
            "name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "assistant", "content": "t",
                "tool_calls": [{"id": "1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "1", "content": "r1"},
            {"role": "user", "content": "and?"},
        ],
    });
    assert_eq!(Kind::OpenAi.write_request(&request, false).unwrap(), expected);
}

/// Chat completions take only text from tools: pictures and files become the user's.
#[test]
fn what_a_tool_shows_is_shown_by_the_user() {
    let image = |url: &str| json!({"type": "image", "source": {"type": "url", "url": url}});
    let result = |id: &str, content: Value| json!({"type": "tool_result", "tool_use_id": id, "content": content});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [
        result("1", json!([{"type": "text", "text": "r"}, image("https://x/1")])),
        result("2", json!([image("https://x/2"), {"type": "search_result", "title": "t"}])),
        {"type": "text", "text": "and?"},
    ]}]});
    let shown = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let expected = json!([
        {"role": "tool", "tool_call_id": "1", "content": "r"},
        {"role": "tool", "tool_call_id": "2", "content": "The result is in the next message."},
        {"role": "user", "content": [shown("https://x/1"), shown("https://x/2")]},
        {"role": "user", "content": "and?"},
    ]);
    let request = Kind::Anthropic.read_request(body).unwrap();
    assert_eq!(Kind::OpenAi.write_request(&request, false).unwrap()["messages"], expected);

    // A server that takes them gets what was written for it.
    let own = json!([{"role": "tool", "tool_call_id": "1", "content": [shown("https://x/1")]}]);
    let request = Kind::OpenAi.read_request(json!({"model": "m", "messages": own})).unwrap();
    assert_eq!(Kind::OpenAi.write_request(&request, false).unwrap()["messages"], own);
}

/// An answer of one provider can be sent back to another: nothing it does not know goes along.
#[test]
fn an_answer_goes_on_with_another_provider() {
    let answer = json!({"id": "1", "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "x"},
            {"type": "text", "text": "a", "citations": [
                {"type": "web_search_result_location", "url": "https://x", "title": "t"}]},
            {"type": "text", "text": "b"},
        ],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 1, "cache_read_input_tokens": 4, "output_tokens": 2}});
    let response = Kind::Anthropic.read_response(answer).unwrap();
    let written = Kind::OpenAi.write_response(&response).unwrap();
    assert_eq!(
        written,
        json!({"id": "1", "model": "m", "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "content": "ab", "reasoning_content": "hm", "annotations": [
                    {"type": "url_citation", "url_citation": {
                        "start_index": 0, "end_index": 1, "url": "https://x", "title": "t"}}]}}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 4}}})
    );
    let message = response.choices[0].message.clone();
    let request = ChatRequest::new("m").user("q").message(message).user("go on");
    let body = Kind::OpenAi.write_request(&request, false).unwrap();
    let texts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert_eq!(body["messages"][1]["content"], texts);
}

/// Reasoning that was passed on from another provider has no seal, and Anthropic takes none back
/// without one.
#[test]
fn reasoning_without_a_seal_is_shown_and_not_sent_back() {
    let answer = json!({"id": "1", "model": "m", "choices": [{"index": 0, "message": {
        "role": "assistant", "content": "a", "reasoning_content": "hm"}}]});
    let response = Kind::OpenAi.read_response(answer).unwrap();
    let written = Kind::Anthropic.write_response(&response).unwrap();
    let content = json!([{"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "a"}]);
    assert_eq!(written["content"], content);
    let turns = json!([{"role": "user", "content": "q"},
        {"role": "assistant", "content": content}, {"role": "user", "content": "and?"}]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": turns});
    let request = Kind::Anthropic.read_request(body).unwrap();
    let sent = Kind::Anthropic.write_request(&request, false).unwrap();
    assert_eq!(sent["messages"][1]["content"], json!([{"type": "text", "text": "a"}]));
}

#[test]
fn what_cannot_be_said_is_refused_and_not_dropped() {
    let audio = Part::Audio(Media::bytes("audio/wav", b"x"));
    let mut two = ChatRequest::new("m").user("q");
    two.n = Some(2);
    let foreign = json!({"model": "m", "messages": [], "tools": [{"type": "custom"}]});
    let image = Message::new(Role::User, vec![Part::File(Media::url("https://x/a.pdf"))]);
    let form =
        |kind: &str| json!({"model": "m", "messages": [], "response_format": {"type": kind}});
    let [json, grammar] =
        ["json_object", "grammar"].map(|kind| Kind::OpenAi.read_request(form(kind)).unwrap());
    let foreign_form = json!({"model": "m", "messages": [],
        "output_config": {"format": {"type": "regex"}}});
    let regex = Kind::Anthropic.read_request(foreign_form).unwrap();
    for (kind, request, message) in [
        (Kind::Anthropic, json, "has no json_object"),
        (Kind::Anthropic, grammar, "has no {\"type\":\"grammar\"}"),
        (Kind::OpenAi, regex, "has no {\"type\":\"regex\"}"),
        (Kind::Anthropic, ChatRequest::new("m").user_parts([audio]), "takes no sound"),
        (Kind::Anthropic, two, "gives one answer"),
        (Kind::Anthropic, Kind::OpenAi.read_request(foreign).unwrap(), "has no tool like"),
        (Kind::OpenAi, ChatRequest::new("m").message(image), "takes a document as bytes"),
    ] {
        let error = kind.write_request(&request, false).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
        assert!(error.message().contains(message), "{error}");
    }
}

#[test]
fn requests_made_by_hand_are_sent_to_both() {
    let request = ChatRequest::new("m")
        .system("s")
        .user("u")
        .tool(FunctionTool::new("f", "d", json!({"type": "object"})).strict(true))
        .tool_choice(ToolChoice::Auto)
        .json_schema("n", json!({"type": "object"}))
        .stop("END")
        .extra("service_tier", "flex");
    let openai = Kind::OpenAi.write_request(&request, false).unwrap();
    assert_eq!(openai["messages"][0], json!({"role": "system", "content": "s"}));
    assert_eq!(openai["response_format"]["json_schema"]["strict"], true);
    assert_eq!(openai["stop"], json!(["END"]));
    assert_eq!(openai["service_tier"], "flex");
    let anthropic = Kind::Anthropic.write_request(&request, false).unwrap();
    assert_eq!(anthropic["system"], "s");
    assert_eq!(anthropic["output_config"]["format"]["type"], "json_schema");
    assert_eq!(anthropic["stop_sequences"], json!(["END"]));
    assert_eq!(anthropic["service_tier"], "flex");
}
