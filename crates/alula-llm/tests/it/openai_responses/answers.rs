//! Answers, in both directions and to other formats.

use std::time::Duration;

use alula_llm::{
    ChatRequest, ChatResponse, Error, ErrorKind, Llm, Media, Message, OpenAiResponses, Part,
    Provider, Role, StopReason, Usage,
    model::{Choice, Protocol},
};
use serde_json::{Value, json};

use crate::server::Server;

const API: Protocol = Protocol::OpenAiResponses;

/// Reads and writes; the JSON must not change.
#[track_caller]
fn check(body: &Value) -> ChatResponse {
    let response = API.response_from_json(body.clone()).unwrap();
    assert_eq!(&API.response_to_json(&response).unwrap(), body);
    response
}

fn answer(output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed",
        "model": "m", "output": output, "error": null, "incomplete_details": null, "usage": null})
}

fn message(content: Value) -> Value {
    json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
        "content": content})
}

fn text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

#[test]
fn items_are_the_parts_of_one_message_in_their_order() {
    let mut body = answer(json!([
        {"id": "rs_1", "type": "reasoning", "encrypted_content": "seal", "summary": [
            {"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "so"}]},
        {"id": "ws_1", "type": "web_search_call", "status": "completed",
            "action": {"type": "search", "query": "q"}},
        message(json!([
            {"type": "output_text", "text": "a", "logprobs": [{"token": "a", "logprob": -1}],
                "annotations": [{"type": "url_citation", "url": "https://x", "title": "t",
                    "start_index": 0, "end_index": 1}]},
            {"type": "output_text", "text": "b", "logprobs": [{"token": "b", "logprob": -2}],
                "annotations": []},
        ])),
        {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1",
            "name": "f", "arguments": "{}"},
        {"id": "rs_2", "type": "reasoning", "summary": []},
    ]));
    body["usage"] = json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2, "new": 1},
        "output_tokens_details": {"reasoning_tokens": 3}, "cost": 0.1});
    let response = check(&body);
    assert_eq!((&*response.id, &*response.model), ("resp_1", "m"));
    let said = response.message().unwrap();
    assert_eq!((said.text(), said.reasoning()), ("ab".to_owned(), "hmso".to_owned()));
    let kinds: Vec<u8> = said
        .parts
        .iter()
        .map(|part| match part {
            Part::Reasoning(_) => b'r',
            Part::Other(_) => b'o',
            Part::Text(_) => b't',
            Part::ToolCall(_) => b'c',
            _ => b'?',
        })
        .collect();
    assert_eq!(String::from_utf8(kinds).unwrap(), "rrottcr");
    let Part::Text(first) = &said.parts[3] else { panic!("{said:?}") };
    assert_eq!(first.extra["item"]["id"], "msg_1");
    let call = response.tool_calls().next().unwrap();
    assert_eq!((&*call.id, &call.extra["id"]), ("call_1", &json!("fc_1")));
    let citation = said.citations().next().unwrap();
    assert_eq!((citation.url(), citation.title()), (Some("https://x"), Some("t")));
    let logprobs = json!({"content": [{"token": "a", "logprob": -1}]});
    assert_eq!(response.choices[0].logprobs, Some(logprobs));
    assert_eq!(response.stop(), Some(&StopReason::ToolCalls));
    let usage = response.usage.unwrap();
    let counts = (usage.cache_read, usage.cache_write, usage.reasoning);
    assert_eq!((usage.input, usage.output, counts), (10, 5, (Some(4), Some(2), Some(3))));
}

#[test]
fn unknown_items_and_contents_survive() {
    check(&answer(json!([
        message(json!([{"type": "output_new", "x": 1}, text("a")])),
        message(json!([text("a"), {"type": "output_new", "x": 1}, {"type": "refusal", "refusal": "no"}])),
        message(json!([text("a"), {"type": "strange"}])),
        message(json!([text("")])),
        message(json!([])),
        message(json!("a text")),
        message(json!(null)),
        {"type": "message", "role": "user", "content": [text("a")]},
        {"type": "function_call", "call_id": 1},
        {"type": "image_generation_call", "id": "ig", "result": "AAAA"},
        {"type": "new_item"},
        "no item",
    ])));
    check(&answer(json!([])));
}

#[test]
fn the_reason_to_stop_is_known() {
    let status = |status: &str, details: Value| {
        let mut body = answer(json!([message(json!([text("a")]))]));
        body["status"] = status.into();
        body["incomplete_details"] = details;
        body
    };
    let with = |items: Value| answer(items);
    let call = |kind: &str| json!({"type": kind, "call_id": "1"});
    let other = |reason: &str| Some(StopReason::Other(reason.to_owned()));
    let mut no_status = answer(json!([]));
    no_status.as_object_mut().unwrap().shift_remove("status");
    for (body, stop) in [
        (status("completed", json!(null)), Some(StopReason::End)),
        (status("incomplete", json!({"reason": "max_output_tokens"})), Some(StopReason::MaxTokens)),
        (
            status("incomplete", json!({"reason": "content_filter"})),
            Some(StopReason::ContentFilter),
        ),
        (status("incomplete", json!({"reason": "new"})), other("new")),
        (status("incomplete", json!(null)), other("incomplete")),
        (status("cancelled", json!(null)), other("cancelled")),
        (status("in_progress", json!(null)), None),
        (status("queued", json!(null)), None),
        (with(json!([call("function_call")])), Some(StopReason::ToolCalls)),
        (with(json!([call("custom_tool_call")])), Some(StopReason::ToolCalls)),
        (with(json!([call("shell_call"), call("shell_call_output")])), Some(StopReason::End)),
        (with(json!([{"type": "web_search_call", "id": "1"}])), Some(StopReason::End)),
        (no_status, Some(StopReason::End)),
    ] {
        assert_eq!(check(&body).stop(), stop.as_ref(), "{body}");
    }
}

/// The server offers this API to every provider.
#[test]
fn an_answer_of_another_provider_is_said_in_full() {
    let body = json!({"id": "1", "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "x"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "a", "citations": [
                {"type": "web_search_result_location", "url": "https://x", "title": "t"}]},
            {"type": "text", "text": "b"},
            {"type": "tool_use", "id": "toolu", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 1, "cache_read_input_tokens": 4, "output_tokens": 2}});
    let response = Protocol::AnthropicMessages.response_from_json(body).unwrap();
    let expected = json!({
        "id": "1", "object": "response", "model": "m", "status": "completed", "error": null,
        "incomplete_details": null, "metadata": {}, "parallel_tool_calls": true,
        "tool_choice": "auto", "tools": [],
        "output": [
            {"type": "reasoning", "id": "rs_1_0",
                "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "id": "msg_1_1", "status": "completed", "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "a", "annotations": [
                        {"type": "url_citation", "url": "https://x", "title": "t",
                            "start_index": 0, "end_index": 1}]},
                    {"type": "output_text", "text": "b", "annotations": []}]},
            {"type": "function_call", "id": "fc_1_2", "status": "completed", "call_id": "toolu",
                "name": "f", "arguments": "{\"a\":1}"},
        ],
        "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 7},
    });
    assert_eq!(API.response_to_json(&response).unwrap(), expected);
    // Who sends it back in a request does not lose what was said.
    let input = json!({"model": "m", "input": expected["output"]});
    let request = API.request_from_json(input).unwrap();
    let back = Protocol::AnthropicMessages.request_to_json(&request, false).unwrap();
    let content = &back["messages"][0]["content"];
    assert_eq!(
        content[2],
        json!({"type": "tool_use", "id": "toolu", "name": "f", "input": {"a": 1}})
    );

    let cut = json!({"id": "1", "model": "m", "choices": [{"index": 0, "finish_reason": "length",
        "message": {"role": "assistant", "content": "a", "refusal": null},
        "logprobs": {"content": [{"token": "a"}]}}]});
    let response = Protocol::OpenAiChat.response_from_json(cut).unwrap();
    let written = API.response_to_json(&response).unwrap();
    assert_eq!(written["status"], "incomplete");
    assert_eq!(written["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(written["output"][0]["content"][0]["logprobs"], json!([{"token": "a"}]));
}

#[test]
fn a_picture_is_the_result_of_a_tool() {
    let mut response = ChatResponse { id: "1".to_owned(), ..ChatResponse::default() };
    let picture = Part::Image(Media::bytes("image/png", b"\0\0\0"));
    let sound = Part::Audio(Media::bytes("audio/wav", b"\0\0\0"));
    let message = |part| Message::new(Role::Assistant, vec![Part::text("a"), part]);
    response.choices.push(Choice::new(0, message(picture)));
    let written = API.response_to_json(&response).unwrap();
    let expected = json!({"type": "image_generation_call", "id": "ig_1_1", "status": "completed",
        "result": "AAAA"});
    assert_eq!(written["output"][1], expected);
    response.choices = vec![Choice::new(0, message(sound))];
    let error = API.response_to_json(&response).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
}

#[test]
fn an_answer_goes_to_the_other_formats() {
    let mut body = answer(json!([
        {"id": "rs_1", "type": "reasoning", "encrypted_content": "seal", "summary": [
            {"type": "summary_text", "text": "hm"}]},
        {"id": "ws_1", "type": "web_search_call"},
        message(json!([{"type": "output_text", "text": "abc", "logprobs": [{"token": "a"}],
            "annotations": [{"type": "url_citation", "url": "https://x", "title": "t",
                "start_index": 1, "end_index": 2}]}])),
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc"},
    ]));
    body["usage"] = json!({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 2, "total_tokens": 7});
    let response = check(&body);
    let chat = Protocol::OpenAiChat.response_to_json(&response).unwrap();
    assert_eq!(
        chat,
        json!({"id": "resp_1", "model": "m", "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": "tool_calls",
                "logprobs": {"content": [{"token": "a"}]},
                "message": {"role": "assistant", "content": "abc", "reasoning_content": "hm",
                    "annotations": [{"type": "url_citation", "url_citation": {
                        "start_index": 1, "end_index": 2, "url": "https://x", "title": "t"}}],
                    "tool_calls": [{"id": "c", "type": "function",
                        "function": {"name": "f", "arguments": "{}"}}]}}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 4}}})
    );
    let anthropic = Protocol::AnthropicMessages.response_to_json(&response).unwrap();
    assert_eq!(
        anthropic["content"],
        json!([{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "abc"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {}}])
    );
    assert_eq!(anthropic["usage"]["input_tokens"], 1);
}

#[test]
fn json_that_is_no_answer_is_an_error() {
    for body in [json!({}), json!([]), json!({"output": "a"}), json!({"choices": []})] {
        assert_eq!(API.response_from_json(body).unwrap_err().kind(), &ErrorKind::Decode);
    }
}

#[tokio::test]
async fn it_answers_over_http() {
    let json = "200 OK\r\ncontent-type: application/json";
    let server =
        Server::answer(json, answer(json!([message(json!([text("hi")]))])).to_string()).await;
    let provider = OpenAiResponses::new("sk-canary").base_url(server.url()).header("x-team", "red");
    let llm = Llm::builder().provider(provider).build().unwrap();
    let answer = llm.chat(ChatRequest::new("openai/m").user("q")).await.unwrap();
    assert_eq!((answer.text(), answer.usage), ("hi".to_owned(), None::<Usage>));
    let options = json!({"store": false}).as_object().unwrap().clone();
    let request = llm.request_from_json("openai/m", options).unwrap();
    llm.chat(request.user("q")).await.unwrap();
    let sent = server.requests();
    assert_eq!(sent[0].line, "POST /v1/responses HTTP/1.1");
    assert_eq!(sent[0].header("authorization"), Some("Bearer sk-canary"));
    assert_eq!(sent[0].header("x-team"), Some("red"));
    let input = json!([{"role": "user", "content": "q"}]);
    assert_eq!(sent[0].body, json!({"model": "m", "input": input}));
    assert_eq!(sent[1].body, json!({"model": "m", "input": input, "store": false}));
}

async fn failure(status: &str, body: &Value) -> Error {
    let head = format!("{status}\r\ncontent-type: application/json\r\nx-request-id: req_1");
    let server = Server::answer(&head, body.to_string()).await;
    let provider = OpenAiResponses::new("sk-canary").base_url(server.url());
    provider.chat(&ChatRequest::new("m").user("q")).await.unwrap_err()
}

#[tokio::test]
async fn errors_have_the_kind_that_says_what_to_do() {
    let error = |code: &str| {
        json!({"error": {"message": "no", "code": code, "param": null,
        "type": "invalid_request_error"}})
    };
    let failed = |code: &str| {
        let mut body = answer(json!([]));
        body["status"] = "failed".into();
        body["error"] = json!({"code": code, "message": "no"});
        body
    };
    let rate = || ErrorKind::RateLimited { retry_after: None };
    for (status, body, kind) in [
        ("400 X", error("decimal_below_min_value"), ErrorKind::InvalidRequest),
        ("400 X", error("context_length_exceeded"), ErrorKind::ContextTooLong),
        ("401 X", error("invalid_api_key"), ErrorKind::Auth),
        ("404 X", error("model_not_found"), ErrorKind::NotFound),
        ("429 X", error("rate_limit_exceeded"), rate()),
        ("429 X", error("insufficient_quota"), ErrorKind::QuotaExceeded),
        ("500 X", error("server_error"), ErrorKind::Unavailable),
        (
            "503 X\r\nretry-after: 2",
            error("server_error"),
            ErrorKind::Overloaded { retry_after: Some(Duration::from_secs(2)) },
        ),
        ("200 OK", failed("server_error"), ErrorKind::Unavailable),
        ("200 OK", failed("rate_limit_exceeded"), rate()),
        ("200 OK", failed("invalid_prompt"), ErrorKind::InvalidRequest),
        ("200 OK", failed("image_content_policy_violation"), ErrorKind::ContentFiltered),
        ("200 OK", failed("failed_to_download_image"), ErrorKind::InvalidRequest),
        ("200 OK", failed("vector_store_timeout"), ErrorKind::Unavailable),
        ("200 OK", failed("new_code"), ErrorKind::Unavailable),
    ] {
        let error = failure(status, &body).await;
        assert_eq!((error.kind(), error.message()), (&kind, "no"), "{body}");
        assert_eq!(error.provider(), Some("openai"));
    }
    let mut silent = failed("");
    silent["error"] = Value::Null;
    let error = failure("200 OK", &silent).await;
    assert_eq!(error.message(), "the provider reported an error");
}
