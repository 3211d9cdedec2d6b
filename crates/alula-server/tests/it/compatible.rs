//! Clients of OpenAI and Anthropic: what passes unchanged, and what is translated.

use serde_json::{Value, json};

use crate::{
    client::Answer,
    process::{Alula, serve, serve_openai},
    upstream::{STREAM_END, STREAM_HEAD, Upstream, answer, token},
};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const COMPLETION: &str = r#"{"id": "1", "object": "chat.completion", "model": "m-1", "new": 1.0,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}"#;

fn asked(more: &Value) -> Value {
    let mut body = json!({"model": "openai/m", "max_tokens": 9,
        "messages": [{"role": "user", "content": "a"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The answer to this request, while the provider sends the bytes, each by itself if `split`, and
/// closes the connection.
async fn answered(path: &str, body: &Value, reply: &str, split: bool) -> (Value, Answer) {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_ATTEMPTS", "1").listen();
    let answering = async {
        let mut call = upstream.call().await;
        let sent = call.body.clone();
        if split {
            for byte in reply.as_bytes() {
                call.send_bytes(&[*byte]).await;
            }
            call.answer("").await;
        } else {
            call.answer(reply).await;
        }
        sent
    };
    tokio::join!(answering, alula.post(path, body))
}

/// What a stream becomes on its way; the request asks for one.
async fn streamed(more: Value, stream: &str, split: bool) -> Answer {
    let mut body = asked(&more);
    body["stream"] = true.into();
    answered(CHAT, &body, &format!("{STREAM_HEAD}{stream}"), split).await.1
}

#[tokio::test]
async fn a_request_and_its_answer_pass_as_they_are() {
    let body = asked(&json!({"new_field": {"a": 1}, "temperature": 0.5}));
    let (sent, answer) = answered(CHAT, &body, &answer("200 OK", COMPLETION), false).await;
    let mut expected = body;
    expected["model"] = "m".into();
    assert_eq!(sent, expected);
    assert_eq!((answer.status, answer.text.as_str()), (200, COMPLETION));
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_stream_passes_as_it_is_however_it_is_split_and_spelled() {
    let usage = r#"data: {"id": "1", "choices": [], "usage": {"prompt_tokens": 3}}"#;
    let special = r#"data:{"choices":[{"index":0,"delta":{"content":"é€😀","reasoning_content":"r","new":1}}],"top":2}"#;
    let stream = format!(
        "{special}\n\n: keep-alive\n\ndata: {{oops\n\n{}{usage}\n\ndata: [DONE]\n\n",
        token("b") + STREAM_END.split("data: [DONE]").next().unwrap()
    );
    let wanted = json!({"stream_options": {"include_usage": true}});
    for (stream, split) in [(stream.clone(), true), (stream.replace('\n', "\r\n"), false)] {
        let answer = streamed(wanted.clone(), &stream, split).await;
        assert_eq!(answer.status, 200);
        assert_eq!(lines(&answer.text), lines(&stream));
    }
    // Who did not ask for usage has a stream without it.
    let answer = streamed(json!({}), &stream, false).await;
    assert_eq!(lines(&answer.text), lines(&stream.replace(usage, "")));
}

/// The lines that are not blank.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}

/// Clients of responses go by the numbers of the events.
#[tokio::test]
async fn a_cut_stream_of_responses_fails_under_its_own_id() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let reply = format!("{STREAM_HEAD}{}", token("a"));
    let answering = async { upstream.call().await.answer(&reply).await };
    let body = json!({"model": "openai/m", "input": "a", "stream": true});
    let ((), answer) = tokio::join!(answering, alula.post("/v1/responses", &body));
    let data = answer.text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.failed", "{}", answer.text);
    assert_eq!(last["response"]["id"], events[0]["response"]["id"]);
    let number = |event: &Value| event["sequence_number"].as_u64().unwrap();
    assert!(events.is_sorted_by(|one, next| number(one) + 1 == number(next)), "{events:?}");
}

async fn refused(alula: &Alula, path: &str, body: &str) -> Value {
    alula.post_text(path, body).await.json()
}

#[tokio::test]
async fn mistakes_are_told_in_the_words_of_the_api() {
    let alula = serve().listen();
    for body in ["", "{", "[]", r#"{"model": 5}"#, r#"{"model": "demo"}"#, "\"a\""] {
        let error = refused(&alula, CHAT, body).await;
        assert_eq!(error["error"]["type"], "invalid_request_error", "{body}: {error}");
        assert!(error["error"]["message"].is_string());
        let error = refused(&alula, MESSAGES, body).await;
        assert_eq!(error["type"], "error", "{body}: {error}");
        assert_eq!(error["error"]["type"], "invalid_request_error");
        assert!(error["request_id"].is_string());
    }
}

/// The SDKs of OpenAI show both as fields of their exceptions.
#[tokio::test]
async fn a_mistake_keeps_the_place_and_the_code_that_the_provider_named() {
    let error = r#"{"error": {"message": "no such voice", "type": "invalid_request_error",
        "param": "voice", "code": "unsupported_value"}}"#;
    let (_, answer) =
        answered(CHAT, &asked(&json!({})), &answer("400 Bad Request", error), false).await;
    let expected: Value = serde_json::from_str(error).unwrap();
    assert_eq!(answer.is(400), expected);
}

#[tokio::test]
async fn any_api_speaks_to_any_provider() {
    let reply = answer("200 OK", COMPLETION);
    let body = asked(&json!({"system": "Be brief."}));
    let (sent, answer) = answered(MESSAGES, &body, &reply, false).await;
    assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Be brief."}));
    let message = answer.is(200);
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(message["content"], json!([{"type": "text", "text": "hi"}]));
    assert_eq!(message["stop_reason"], "end_turn");
    assert_eq!(message["usage"]["input_tokens"], 3);

    let input = json!({"model": "openai/m", "input": "a", "instructions": "Be brief."});
    let (sent, answer) = answered("/v1/responses", &input, &reply, false).await;
    assert_eq!(sent["messages"][1]["content"], "a");
    let response = answer.is(200);
    assert_eq!(response["object"], "response");
    assert_eq!(response["output"][0]["content"][0]["text"], "hi");
}

#[tokio::test]
async fn models_have_names() {
    let alula = serve().listen();
    let list = alula.get("/v1/models").await.is(200);
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][0]["id"], "demo/demo");
    assert_eq!(list["data"][0]["owned_by"], "demo");
    assert_eq!(alula.get("/v1/models/demo/demo").await.is(200), list["data"][0]);
    let unknown = alula.get("/v1/models/nobody").await.is(404);
    assert_eq!(unknown["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn texts_become_vectors() {
    let alula = serve().listen();
    let body = json!({"model": "demo", "input": ["a b", "c"], "dimensions": 8});
    let vectors = alula.post("/v1/embeddings", &body).await.is(200);
    assert_eq!(vectors["object"], "list");
    let lengths: Vec<usize> = vectors["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["embedding"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [8, 8]);
    let body = json!({"model": "demo", "input": "a", "encoding_format": "base64"});
    let vectors = alula.post("/v1/embeddings", &body).await.is(200);
    assert!(vectors["data"][0]["embedding"].is_string());
    let nothing = alula.post("/v1/embeddings", &json!({"model": "demo", "input": []})).await;
    assert_eq!(nothing.is(400)["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn tokens_are_counted_before_the_call() {
    let alula = serve().listen();
    let body = json!({"model": "demo", "messages": [{"role": "user", "content": "one two three"}]});
    let count = alula.post("/v1/messages/count_tokens", &body).await.is(200);
    assert!(count["input_tokens"].as_u64().unwrap() >= 3, "{count}");
    let body = json!({"model": "demo", "input": "one two three"});
    let count = alula.post("/v1/responses/input_tokens", &body).await.is(200);
    assert!(count["input_tokens"].as_u64().unwrap() >= 3, "{count}");
    let error = alula.post_text("/v1/messages/count_tokens", "{").await.is(400);
    assert_eq!(error["type"], "error");
}
