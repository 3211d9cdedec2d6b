//! Streams are read as they come; one that is cut is an error.

use alula_llm::{
    Accumulator, ChatEvent, ChatResponse, Error, ErrorKind, Part, StopReason, Usage,
    model::Protocol,
    testing::{Interaction, Outcome, check},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn decode(text: &str) -> Vec<Result<ChatEvent, Error>> {
    let bytes = stream::iter([Ok::<_, std::io::Error>(Bytes::from(text.to_owned()))]);
    block_on(Protocol::GeminiGenerate.decode_stream(bytes).collect())
}

fn recorded(content_type: &str, body: &str) -> Interaction {
    Interaction {
        file: "f.yaml".into(),
        method: "POST".to_owned(),
        host: "x.example".to_owned(),
        path: "/v1beta/models/m:streamGenerateContent".to_owned(),
        query: Some("alt=sse".to_owned()),
        request: json!({"contents": []}),
        status: 200,
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.to_owned().into(),
        ..Interaction::default()
    }
}

/// The answer that a stream adds up to, after a look for losses.
#[track_caller]
pub(super) fn accumulate(text: &str) -> ChatResponse {
    assert_eq!(block_on(check(&recorded("text/event-stream", text))), Outcome::Passed);
    let mut answer = Accumulator::new();
    decode(text).into_iter().for_each(|event| answer.push(event.unwrap()));
    answer.finish()
}

fn chunk(parts: Value, fields: Value) -> String {
    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    candidate.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let chunk = json!({"candidates": [candidate], "responseId": "r", "modelVersion": "m"});
    format!("data: {chunk}\r\n\r\n")
}

fn said(text: &str) -> String {
    chunk(json!([{"text": text}]), json!({}))
}

fn stop() -> String {
    chunk(json!([{"text": "."}]), json!({"finishReason": "STOP"}))
}

#[test]
fn pieces_are_joined_and_sealed_ones_are_not() {
    let thought = |text: &str| chunk(json!([{"text": text, "thought": true}]), json!({}));
    let sealed = chunk(json!([{"text": "c", "thoughtSignature": "x"}]), json!({}));
    let end =
        chunk(json!([{"text": "", "thoughtSignature": "y"}]), json!({"finishReason": "STOP"}));
    let text = thought("a") + &thought("b") + &sealed + &said("d") + &said("") + &said("e") + &end;
    let answer = accumulate(&text);
    let message = answer.message().unwrap();
    assert_eq!((message.reasoning(), message.text()), ("ab".into(), "cde".into()));
    assert_eq!(message.parts.len(), 4);
    assert_eq!((&*answer.id, &*answer.model), ("r", "m"));
}

#[test]
fn calls_and_other_parts_come_whole() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {"a": 1}}});
    let sealed = json!({"functionCall": {"name": "f"}, "thoughtSignature": "x"});
    let code = json!({"executableCode": {"language": "PYTHON", "code": "1"}});
    let text =
        said("a") + &chunk(json!([code, sealed, call("g")]), json!({})) + &said("b") + &stop();
    let answer = accumulate(&text);
    let calls: Vec<_> = answer.tool_calls().map(|it| (&*it.name, &*it.arguments)).collect();
    assert_eq!(calls, [("f", ""), ("g", "{\"a\":1}")]);
    assert_eq!(answer.stop(), Some(&StopReason::ToolCalls));
    assert!(answer.tool_calls().all(|call| !call.id.is_empty()));
    assert!(matches!(answer.message().unwrap().parts[1], Part::Other(_)));
    let indices = decode(&text).into_iter().filter_map(|event| match event.unwrap() {
        ChatEvent::ToolCallStart { index, .. } => Some(index),
        _ => None,
    });
    assert_eq!(indices.collect::<Vec<_>>(), [0, 1]);
}

/// Some models say in every chunk that they have stopped.
#[test]
fn the_stop_comes_once_and_last() {
    let piece = |text: &str| chunk(json!([{"text": text}]), json!({"finishReason": "STOP"}));
    let late = "data: {\"usageMetadata\":{\"promptTokenCount\":2}}\n\n";
    let items = decode(&(piece("a") + &piece("b") + late));
    let stops = items.iter().filter(|item| matches!(item, Ok(ChatEvent::Stop { .. })));
    assert_eq!(stops.count(), 1);
    assert!(matches!(items.last(), Some(Ok(ChatEvent::Stop { reason: StopReason::End, .. }))));
    let done = decode(&(piece("a") + "data: [DONE]\n\n" + &piece("b")));
    assert!(matches!(done.last(), Some(Ok(ChatEvent::Stop { .. }))));
    assert_eq!(accumulate(&(piece("a") + &piece("b"))).text(), "ab");
}

#[test]
fn what_stands_beside_the_content_is_kept() {
    let ratings = json!([{"category": "c", "probability": "LOW"}]);
    let quote = |uri: &str| json!({"citationSources": [{"uri": uri, "endIndex": 1}]});
    let token = |token: &str| json!({"chosenCandidates": [{"token": token}]});
    let first = json!({"safetyRatings": ratings, "citationMetadata": quote("https://a"),
        "logprobsResult": token("a")});
    let second = json!({"safetyRatings": ratings, "citationMetadata": quote("https://b"),
        "logprobsResult": token("b"), "finishReason": "RECITATION", "finishMessage": "no",
        "groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://c"}}]}});
    let text = chunk(json!([{"text": "a"}]), first) + &chunk(json!([{"text": "b"}]), second);
    let answer = accumulate(&text);
    assert_eq!(answer.stop(), Some(&StopReason::ContentFilter));
    let urls: Vec<_> = answer.message().unwrap().citations().map(|it| it.url().unwrap()).collect();
    assert_eq!(urls, ["https://a", "https://b", "https://c"]);
    let extra = &answer.choices[0].extra;
    assert_eq!(extra["safetyRatings"], ratings);
    assert_eq!(
        (&extra["finishReason"], &extra["finishMessage"]),
        (&json!("RECITATION"), &json!("no"))
    );
    let tokens = json!({"chosenCandidates": [{"token": "a"}, {"token": "b"}]});
    assert_eq!(answer.choices[0].logprobs, Some(tokens));
}

#[test]
fn counts_grow_and_the_last_ones_hold() {
    let counted = |usage: Value| {
        let mut chunk = json!({"candidates": [{"content": {"parts": [{"text": "a"}]}}]});
        chunk["usageMetadata"] = usage;
        chunk["candidates"][0]["finishReason"] = "STOP".into();
        format!("data: {chunk}\n\n")
    };
    let text = counted(json!({"promptTokenCount": 3, "totalTokenCount": 3}))
        + &counted(json!({"promptTokenCount": 3, "candidatesTokenCount": 2,
            "thoughtsTokenCount": 4, "totalTokenCount": 9}));
    let usage = accumulate(&text).usage.unwrap();
    let expected =
        Usage { input: 3, output: 6, total: Some(9), reasoning: Some(4), ..Usage::default() };
    assert_eq!(usage, expected);
}

#[test]
fn several_answers_are_kept_apart() {
    let piece = |index: u32, text: &str| {
        chunk(json!([{"text": text}]), json!({"index": index, "finishReason": "STOP"}))
    };
    let answer = accumulate(&(piece(0, "a") + &piece(1, "b") + &piece(0, "A")));
    let texts: Vec<_> = answer.choices.iter().map(|choice| choice.message.text()).collect();
    assert_eq!(texts, ["aA", "b"]);
}

/// Without `alt=sse` the API sends the same chunks as one list.
#[test]
fn a_recorded_list_is_checked_as_a_stream() {
    let whole = said("a") + &stop();
    let chunks: Vec<&str> = whole.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let list = |chunks: &[&str]| recorded("application/json", &format!("[{}]", chunks.join(",")));
    assert_eq!(block_on(check(&list(&chunks))), Outcome::Passed);
    assert!(matches!(block_on(check(&list(&chunks[..1]))), Outcome::Failed(_)));
}

#[test]
fn a_blocked_prompt_ends_the_stream() {
    let text = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"responseId\":\"r\"}\n\n";
    let answer = accumulate(text);
    assert_eq!(answer.stop(), Some(&StopReason::ContentFilter));
    assert_eq!(answer.extra["promptFeedback"]["blockReason"], "SAFETY");
}

#[test]
fn a_stream_without_its_end_is_an_error() {
    let whole = said("a") + &said("b") + &stop();
    let end = whole.rfind("\"finishReason\"").unwrap();
    for cut in 0..end {
        let items = decode(&whole[..cut]);
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Stream { .. }), "cut at {cut}");
        assert!(!items.iter().any(|item| matches!(item, Ok(ChatEvent::Stop { .. }))));
    }
}

#[test]
fn an_error_inside_a_stream_ends_it() {
    let error = json!({"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}});
    let items = decode(&(said("a") + &format!("data: {error}\n\n") + &stop()));
    let error = items.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Overloaded { retry_after: None });
    assert_eq!((error.message(), error.status()), ("no", Some(503)));
}

#[test]
fn what_is_no_chunk_is_passed_on_or_told() {
    let items =
        decode(&("data: {\"new\":1}\n\ndata: {\"can\n\n".to_owned() + &said("a") + &stop()));
    assert!(matches!(&items[0], Ok(ChatEvent::Other(value)) if *value == json!({"new": 1})));
    assert_eq!(items[1].as_ref().unwrap_err().kind(), &ErrorKind::Decode);
    assert!(items[2..].iter().all(Result::is_ok));
}
