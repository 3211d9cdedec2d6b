//! Streams add up to the answer that the same call gives without one.

use alula_llm::{
    Accumulator, ChatEvent, ChatResponse, Error, ErrorKind, StopReason, model::Protocol,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

const API: Protocol = Protocol::OpenAiResponses;

pub(super) async fn decode(events: &[Value]) -> Vec<Result<ChatEvent, Error>> {
    let mut text = String::new();
    for event in events {
        let kind = event["type"].as_str().unwrap_or_default();
        text += &format!("event: {kind}\ndata: {event}\n\n");
    }
    let bytes = stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
    API.decode_stream(bytes).collect().await
}

fn accumulate(items: Vec<Result<ChatEvent, Error>>) -> ChatResponse {
    let mut answer = Accumulator::new();
    items.into_iter().for_each(|event| answer.push(event.unwrap()));
    answer.finish()
}

fn response(status: &str, output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m",
        "output": output, "error": null, "incomplete_details": null, "tools": [{"type": "mcp"}],
        "reasoning": {"effort": "low", "summary": null}, "usage": null})
}

fn created() -> Value {
    json!({"type": "response.created", "response": response("in_progress", json!([]))})
}

fn completed(output: Value) -> Value {
    let mut response = response("completed", output);
    response["usage"] = json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3});
    json!({"type": "response.completed", "response": response})
}

fn added(index: u32, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u32, item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn delta(kind: &str, index: u32, entry: u32, text: &str) -> Value {
    json!({"type": format!("response.{kind}.delta"), "output_index": index, "delta": text,
        "content_index": entry, "summary_index": entry, "obfuscation": "xxxx"})
}

fn with_logprobs(mut event: Value) -> Value {
    event["logprobs"] = json!([{"token": event["delta"]}]);
    event
}

fn message(status: &str, content: Value) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": status,
        "phase": "final_answer", "content": content})
}

fn output() -> [Value; 5] {
    let citation = json!({"type": "url_citation", "url": "https://x", "title": "t"});
    [
        json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "seal", "summary": [
            {"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "so"}],
            "content": [{"type": "reasoning_text", "text": "raw"}]}),
        json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}),
        message(
            "completed",
            json!([
                {"type": "output_text", "text": "hello", "annotations": [citation],
                    "logprobs": [{"token": "hel"}, {"token": "lo"}]},
                {"type": "refusal", "refusal": "no"},
                {"type": "output_text", "text": "b", "annotations": [],
                    "logprobs": [{"token": "b"}]},
            ]),
        ),
        json!({"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f",
            "arguments": "{\"a\":1}", "status": "completed"}),
        json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "c",
            "input": "xy"}),
    ]
}

fn begun_call() -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "",
        "status": "in_progress"})
}

/// Every delta there is, two items at once.
pub(super) fn whole() -> Vec<Value> {
    let [reasoning, search, said, call, custom] = output();
    let annotation = json!({"type": "response.output_text.annotation.added", "output_index": 2,
        "content_index": 0, "annotation_index": 0,
        "annotation": said["content"][0]["annotations"][0]});
    let begins = |index: u32, kind: &str| {
        json!({"type": "response.content_part.added", "output_index": 2, "content_index": index,
            "part": {"type": kind, "text": "", "annotations": [], "logprobs": []}})
    };
    let summary = json!({"type": "response.reasoning_summary_part.added", "output_index": 0,
        "summary_index": 1, "part": {"type": "summary_text", "text": ""}});
    vec![
        created(),
        json!({"type": "response.in_progress", "response": response("in_progress", json!([]))}),
        added(
            0,
            json!({"type": "reasoning", "id": "rs_1", "summary": [],
            "encrypted_content": "early"}),
        ),
        json!({"type": "response.reasoning_summary_part.added", "output_index": 0,
            "summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
        delta("reasoning_summary_text", 0, 0, "h"),
        delta("reasoning_summary_text", 0, 0, "m"),
        summary,
        delta("reasoning_summary_text", 0, 1, "so"),
        delta("reasoning_text", 0, 0, "raw"),
        done(0, &reasoning),
        added(1, json!({"type": "web_search_call", "id": "ws_1", "status": "in_progress"})),
        json!({"type": "response.web_search_call.searching", "output_index": 1}),
        added(2, message("in_progress", json!([]))),
        begins(0, "output_text"),
        with_logprobs(delta("output_text", 2, 0, "hel")),
        done(1, &search),
        with_logprobs(delta("output_text", 2, 0, "lo")),
        annotation,
        json!({"type": "response.output_text.done", "output_index": 2, "content_index": 0,
            "text": "hello"}),
        added(3, begun_call()),
        delta("refusal", 2, 1, "no"),
        delta("function_call_arguments", 3, 0, "{\"a\""),
        begins(2, "output_text"),
        with_logprobs(delta("output_text", 2, 2, "b")),
        delta("function_call_arguments", 3, 0, ":1}"),
        done(3, &call),
        done(2, &said),
        added(4, json!({"type": "custom_tool_call", "id": "ct_1", "input": ""})),
        delta("custom_tool_call_input", 4, 0, "xy"),
        done(4, &custom),
        completed(json!(output())),
    ]
}

#[tokio::test]
async fn a_stream_adds_up_to_the_answer() {
    let items = decode(&whole()).await;
    let expected = API.response_from_json(whole().pop().unwrap()["response"].take()).unwrap();
    let answer = accumulate(items);
    assert_eq!(answer, expected);
    assert_eq!(answer.stop(), Some(&StopReason::ToolCalls));
    assert_eq!(API.response_to_json(&answer).unwrap()["output"], json!(output()));
}

#[tokio::test]
async fn what_comes_is_passed_on_at_once() {
    let events: Vec<_> = decode(&whole()).await.into_iter().map(Result::unwrap).collect();
    assert!(matches!(&events[0], ChatEvent::Start { id, model, origin, .. }
        if id == "resp_1" && model == "m" && *origin == Some(API)));
    let texts: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            ChatEvent::Text { text, .. } | ChatEvent::Refusal { text, .. } => Some(text.as_str()),
            ChatEvent::Reasoning { text, .. } => Some(text),
            ChatEvent::ToolCallArguments { arguments, .. } => Some(arguments),
            _ => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    assert_eq!(texts, ["h", "m", "so", "raw", "hel", "lo", "no", "{\"a\"", "b", ":1}"]);
    let begun = json!({"id": "msg_1", "type": "message", "status": "in_progress",
        "phase": "final_answer"});
    let phase = events.iter().position(|event| {
        matches!(event, ChatEvent::Extra { fields, .. }
        if fields.get("item") == Some(&begun))
    });
    let text = events.iter().position(|event| {
        matches!(event, ChatEvent::Text { text, .. }
        if text == "hel")
    });
    assert!(phase.unwrap() < text.unwrap());
    let progress: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            ChatEvent::Other(event) => event["type"].as_str(),
            _ => None,
        })
        .collect();
    assert_eq!(
        progress,
        ["response.web_search_call.searching", "response.custom_tool_call_input.delta"]
    );
    assert!(matches!(events.last(), Some(ChatEvent::Stop { choice: 0, .. })));
    assert!(
        events.iter().any(|event| matches!(event, ChatEvent::Usage(usage) if usage.input == 1))
    );
}

/// `OpenAI` leaves the bytes of the tokens out until the item is whole.
#[tokio::test]
async fn the_probabilities_of_the_whole_item_count() {
    let content = |text: &str, logprobs: Value| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs});
    let full = json!([{"token": "a", "bytes": [97]}]);
    for (whole, expected) in [(full.clone(), full), (json!([]), json!([{"token": "a"}]))] {
        let said = message("completed", json!([content("a", whole)]));
        let events = [
            created(),
            with_logprobs(delta("output_text", 0, 0, "a")),
            done(0, &said),
            completed(json!([])),
        ];
        let answer = accumulate(decode(&events).await);
        assert_eq!(answer.choices[0].logprobs, Some(json!({"content": expected})));
        // Without the item there is only what came.
        let answer = accumulate(decode(&[&events[..2], &events[3..]].concat()).await);
        let came = json!([{"token": "a"}]);
        assert_eq!(answer.choices[0].logprobs, Some(json!({"content": came})));
    }
}

/// `vLLM` counts deltas where the number of the entry should be.
#[tokio::test]
async fn deltas_that_are_counted_are_of_one_entry() {
    let thought = json!({"type": "reasoning", "id": "rs", "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}]});
    let said =
        message("completed", json!([{"type": "output_text", "text": "ab", "annotations": []}]));
    let part = json!({"type": "response.reasoning_part.added", "output_index": 0,
        "content_index": 0, "part": {"type": "reasoning_text", "text": ""}});
    let events = [
        created(),
        part,
        delta("reasoning_text", 0, 36, "h"),
        delta("reasoning_text", 0, 37_000, "m"),
        done(0, &thought),
        delta("output_text", 1, 38, "a"),
        delta("output_text", 1, u32::MAX, "b"),
        done(1, &said),
        completed(json!([])),
    ];
    let answer = accumulate(decode(&events).await);
    assert_eq!(API.response_to_json(&answer).unwrap()["output"], json!([thought, said]));
}

/// Servers that are compatible leave events out.
#[tokio::test]
async fn what_no_delta_told_comes_with_the_item_or_the_answer() {
    let [reasoning, search, said, call, custom] = output();
    let items = [&reasoning, &search, &said, &call, &custom];
    let expected = accumulate(decode(&whole()).await);
    let only_done: Vec<Value> =
        items.iter().enumerate().map(|(n, item)| done(n.try_into().unwrap(), item)).collect();
    let begin = |rest: &[Value], output: Value| {
        let mut events = vec![created()];
        events.extend_from_slice(rest);
        events.push(completed(output));
        events
    };
    let partly = [
        added(2, message("in_progress", json!([]))),
        delta("output_text", 2, 0, "hel"),
        added(3, begun_call()),
        delta("function_call_arguments", 3, 0, "{"),
    ];
    for events in [
        begin(&[], json!(output())),
        begin(&only_done, json!([])),
        begin(&only_done, json!(output())),
        begin(&partly, json!(output())),
        vec![completed(json!(output()))],
    ] {
        assert_eq!(accumulate(decode(&events).await), expected);
    }
}

#[tokio::test]
async fn reasoning_without_a_summary_keeps_its_last_seal_of_the_item() {
    let item = |seal: &str| {
        json!({"type": "reasoning", "id": "rs", "summary": [], "content": [],
        "encrypted_content": seal})
    };
    let events =
        [created(), added(0, item("1")), done(0, &item("2")), completed(json!([item("3")]))];
    let answer = accumulate(decode(&events).await);
    let written = API.response_to_json(&answer).unwrap();
    assert_eq!(written["output"], json!([item("2")]));
}

#[tokio::test]
async fn an_item_that_was_begun_and_never_ended_is_kept() {
    let item = json!({"type": "web_search_call", "id": "ws"});
    let answer =
        accumulate(decode(&[created(), added(0, item.clone()), completed(json!([]))]).await);
    assert_eq!(API.response_to_json(&answer).unwrap()["output"], json!([item]));
}

#[tokio::test]
async fn an_answer_may_be_incomplete() {
    let mut last = response("incomplete", json!([]));
    last["incomplete_details"] = json!({"reason": "max_output_tokens"});
    let end = json!({"type": "response.incomplete", "response": last});
    let answer = accumulate(decode(&[created(), end]).await);
    assert_eq!(answer.stop(), Some(&StopReason::MaxTokens));
    assert_eq!(API.response_to_json(&answer).unwrap(), last);
}

#[tokio::test]
async fn a_stream_that_is_cut_is_an_error() {
    let events = whole();
    for cut in 0..events.len() - 1 {
        let mut items = decode(&events[..cut]).await;
        let error = items.pop().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Stream { .. }), "cut at {cut}");
        assert!(items.iter().all(Result::is_ok));
    }
    let bytes = stream::iter([Ok::<_, std::io::Error>(Bytes::from("data: [DONE]\n\n"))]);
    let items: Vec<_> = API.decode_stream(bytes).collect().await;
    assert!(matches!(items.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Stream { .. }));
}

#[tokio::test]
async fn a_failure_ends_the_stream() {
    let mut failed = response("failed", json!([]));
    failed["error"] = json!({"code": "rate_limit_exceeded", "message": "no"});
    failed["usage"] = json!({"input_tokens": 3, "output_tokens": 0});
    let rate = ErrorKind::RateLimited { retry_after: None };
    for (event, kind) in [
        (json!({"type": "response.failed", "response": failed}), &rate),
        (json!({"type": "error", "code": "rate_limit_exceeded", "message": "no"}), &rate),
        (
            json!({"type": "error", "code": null, "message": "no", "param": null}),
            &ErrorKind::Unavailable,
        ),
        (
            json!({"type": "error", "error": {"type": "invalid_request_error",
                "code": "context_length_exceeded", "message": "no"}}),
            &ErrorKind::ContextTooLong,
        ),
    ] {
        let mut items = decode(&[created(), event.clone(), completed(json!([]))]).await;
        let error = items.pop().unwrap().unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, "no"), "{event}");
        assert!(items.iter().all(Result::is_ok));
        let usage = items.iter().any(|it| matches!(it, Ok(ChatEvent::Usage(it)) if it.input == 3));
        assert_eq!(usage, event["type"] == "response.failed");
    }
}

/// Numbers that no item can have, and events that say nothing known, are passed on as they are.
#[tokio::test]
async fn nonsense_is_passed_on_and_harms_nothing() {
    let said =
        message("completed", json!([{"type": "output_text", "text": "a", "annotations": []}]));
    let strange = message("completed", json!([{"type": "strange"}]));
    let nonsense = [
        json!({"type": "response.new_event", "x": 1}),
        json!({"type": "response.output_item.added", "output_index": 0}),
        json!({"type": "response.output_item.done", "output_index": u64::MAX, "item": said}),
        delta("output_text", u32::MAX, 0, "a"),
        json!({"type": "response.content_part.added", "output_index": 1,
            "content_index": u32::MAX, "part": {"type": "output_text"}}),
        delta("function_call_arguments", 7, 0, "a"),
        json!({"type": "response.content_part.added", "output_index": 0}),
        json!({"type": "response.output_text.annotation.added", "output_index": 0}),
        json!([1]),
    ];
    let mut events = vec![created()];
    events.extend_from_slice(&nonsense);
    events.extend([delta("output_text", 1, 0, "a"), done(1, &said), done(1, &said)]);
    events.extend([delta("output_text", 1, 0, "late"), delta("output_text", 2, 0, "x")]);
    events.extend([done(2, &strange), completed(json!([]))]);
    let items = decode(&events).await;
    let others = items.iter().filter(|item| matches!(item, Ok(ChatEvent::Other(_)))).count();
    assert_eq!(others, nonsense.len() + 3);
    let answer = accumulate(items);
    assert_eq!(answer.text(), "ax");
    assert_eq!(API.response_to_json(&answer).unwrap()["output"][0], said);
}

#[tokio::test]
async fn one_malformed_event_is_one_error() {
    let text = format!("data: {{\"type\n\ndata: {}\n\n", completed(json!([])));
    let bytes = stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
    let items: Vec<_> = API.decode_stream(bytes).collect().await;
    let errors: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    assert_eq!((errors.len(), errors[0].kind()), (1, &ErrorKind::Decode));
    assert!(matches!(items.last(), Some(Ok(ChatEvent::Stop { .. }))));
}

#[tokio::test]
async fn items_that_are_counted_otherwise_are_not_said_twice() {
    let message = |id: &str, text: &str| {
        json!({"type": "message", "id": id, "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]})
    };
    let [first, second] = [message("msg_1", "Hello, "), message("msg_2", "bird")];
    let answer = accumulate(
        decode(&[
            created(),
            delta("output_text", 1, 0, "Hello, "),
            done(1, &first),
            done(2, &second),
            completed(json!([first, second])),
        ])
        .await,
    );
    assert_eq!(answer.text(), "Hello, bird");
}
