//! Streams are read as they come; one that is cut is an error.

use alula_llm::{Accumulator, ChatEvent, ChatResponse, Error, ErrorKind};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use crate::{
    recordings::{Kind, each},
    responses::usage,
};

async fn events(kind: Kind, chunks: Vec<Bytes>) -> Vec<Result<ChatEvent, Error>> {
    kind.read_stream(chunks).collect().await
}

fn recorded_streams(check: impl Fn(Kind, &alula_llm::testing::Interaction, &str)) {
    each(|kind, call| {
        if call.is_stream() {
            check(kind, call, std::str::from_utf8(&call.body).unwrap());
        }
    });
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// That it adds up to what the stream spells out is part of `alula_llm::testing::check`.
#[test]
fn the_answer_of_a_recorded_stream_is_understood() {
    recorded_streams(|kind, call, _| {
        let answer = block_on(kind.read_stream(vec![call.body.clone()]).accumulate()).unwrap();
        let written = kind.write_response(&answer).unwrap();
        usage(kind, answer.usage.as_ref().unwrap(), &written["usage"]);
        assert_eq!(
            kind.read_response(written).unwrap().text(),
            answer.text(),
            "{}",
            call.file.display()
        );
    });
}

#[test]
fn a_recorded_stream_cut_anywhere_is_an_error() {
    recorded_streams(|kind, call, text| {
        let end = match kind {
            Kind::OpenAi => text.find("\"finish_reason\":\"").unwrap(),
            Kind::Anthropic => text.find("event: message_stop").unwrap(),
        };
        let step = (end / 50).max(1);
        for cut in (0..end).step_by(step) {
            let items = block_on(events(kind, vec![call.body.slice(..cut)]));
            let error = items.last().unwrap().as_ref().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Stream { .. }), "cut at {cut}");
            assert!(items.iter().rev().skip(1).all(Result::is_ok));
        }
    });
}

fn decode(kind: Kind, text: &str) -> Vec<Result<ChatEvent, Error>> {
    block_on(events(kind, vec![text.to_owned().into()]))
}

fn accumulate(kind: Kind, text: &str) -> ChatResponse {
    let mut answer = Accumulator::new();
    decode(kind, text).into_iter().for_each(|event| answer.push(event.unwrap()));
    answer.finish()
}

fn chunk(delta: Value) -> String {
    let chunk = json!({"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta}]});
    format!("data: {chunk}\n\n")
}

const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

#[test]
fn a_finished_answer_needs_no_done() {
    let answer = accumulate(Kind::OpenAi, &(chunk(json!({"content": "a"})) + STOP));
    assert_eq!(answer.text(), "a");
    let answer =
        accumulate(Kind::OpenAi, &(chunk(json!({"content": "a"})) + STOP + "data: [DONE]"));
    assert_eq!(answer.text(), "a");
    let answer = accumulate(Kind::OpenAi, &(chunk(json!({"content": "a"})) + "data: [DONE]\n\n"));
    assert_eq!(answer.text(), "a");
}

#[test]
fn nothing_after_done_is_read() {
    let text =
        chunk(json!({"content": "a"})) + "data: [DONE]\n\n" + &chunk(json!({"content": "b"}));
    assert_eq!(accumulate(Kind::OpenAi, &text).text(), "a");
}

#[test]
fn one_malformed_event_is_one_error() {
    let text =
        chunk(json!({"content": "a"})) + "data: {\"cho\n\n" + &chunk(json!({"content": "b"}));
    let items = decode(Kind::OpenAi, &(text + STOP));
    let errors: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].kind(), &ErrorKind::Decode);
    let texts = items.iter().filter(|item| matches!(item, Ok(ChatEvent::Text { .. })));
    assert_eq!(texts.count(), 2);
}

#[test]
fn an_error_inside_a_stream_ends_it() {
    let openai = chunk(json!({"content": "a"}))
        + "event: error\ndata: {\"error\":{\"message\":\"no\",\"code\":\"rate_limit_exceeded\"}}\n\n"
        + STOP;
    let anthropic = "event: error\ndata: {\"type\":\"error\",\"error\":\
                     {\"type\":\"overloaded_error\",\"message\":\"no\"}}\n\n";
    let rate = ErrorKind::RateLimited { retry_after: None };
    let overloaded = ErrorKind::Overloaded { retry_after: None };
    for (kind, text, expected) in
        [(Kind::OpenAi, &*openai, rate), (Kind::Anthropic, anthropic, overloaded)]
    {
        let items = decode(kind, text);
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert_eq!((error.kind(), error.message()), (&expected, "no"));
    }
}

/// Servers that are compatible with OpenAI name the event, and put the message anywhere.
#[test]
fn an_error_event_of_any_shape_ends_the_stream() {
    let shapes =
        [r#"{"message":"no"}"#, r#"{"detail":"no"}"#, r#""no""#, "no", r#"{"error":"no"}"#];
    for data in shapes {
        let text = chunk(json!({"content": "a"})) + "event: error\ndata: " + data + "\n\n" + STOP;
        let items = decode(Kind::OpenAi, &text);
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::Unavailable, "no"), "{data}");
    }
}

#[test]
fn comments_pings_and_empty_deltas_are_signs_of_life() {
    let text = ": wait\n\n".to_owned()
        + &chunk(json!({"role": "assistant", "content": ""}))
        + &chunk(json!({"content": ""}))
        + STOP;
    let events: Vec<_> = decode(Kind::OpenAi, &text).into_iter().map(Result::unwrap).collect();
    assert!(matches!(
        events[..],
        [ChatEvent::Ping, ChatEvent::Start { .. }, ChatEvent::Ping, ChatEvent::Stop { .. }]
    ));
    assert!(!events.iter().any(ChatEvent::is_content));
}

#[test]
fn a_failure_before_any_content_is_a_failure_of_the_call() {
    let role = chunk(json!({"role": "assistant"}));
    let content = chunk(json!({"content": "a"}));
    let error = "data: {\"error\":{\"message\":\"no\",\"code\":503}}\n\n";
    let ready = |text: String| block_on(Kind::OpenAi.read_stream(vec![text.into()]).ready());
    let failed = ready(": ping\n".to_owned() + &role + error).unwrap_err();
    assert_eq!(failed.kind(), &ErrorKind::Overloaded { retry_after: None });
    let items: Vec<_> = block_on(ready(role + ": ping\n" + &content + error).unwrap().collect());
    assert!(matches!(items[..], [Ok(ChatEvent::Start { .. }), Ok(ChatEvent::Text { .. }), Err(_)]));
    assert_eq!(block_on(ready(STOP.to_owned()).unwrap().accumulate()).unwrap().text(), "");
}

/// Arguments arrive whole for each dialect of parallel tool calls.
#[test]
fn tool_calls_are_told_apart_in_every_dialect() {
    let call = |fields: Value, arguments: &str| {
        let mut call = json!({"function": {"arguments": arguments}});
        call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        chunk(json!({"tool_calls": [call]}))
    };
    let named = |fields: Value, name: &str| {
        let mut call: Map<String, Value> = fields.as_object().unwrap().clone();
        call.insert("function".to_owned(), json!({"name": name, "arguments": "{"}));
        chunk(json!({"tool_calls": [call]}))
    };
    let dialects = [
        // As OpenAI does it, the deltas of two calls mixed.
        named(json!({"index": 0, "id": "a"}), "f")
            + &named(json!({"index": 1, "id": "b"}), "g")
            + &call(json!({"index": 0}), "}")
            + &call(json!({"index": 1}), "}"),
        // The id in each delta.
        named(json!({"index": 0, "id": "a"}), "f")
            + &call(json!({"index": 0, "id": "a"}), "}")
            + &named(json!({"index": 1, "id": "b"}), "g")
            + &call(json!({"index": 1, "id": "b"}), "}"),
        // Every call has the number 0.
        named(json!({"index": 0, "id": "a"}), "f")
            + &call(json!({"index": 0}), "}")
            + &named(json!({"index": 0, "id": "b"}), "g")
            + &call(json!({"index": 0}), "}"),
        // No numbers.
        named(json!({"id": "a"}), "f")
            + &call(json!({}), "}")
            + &named(json!({"id": "b"}), "g")
            + &call(json!({"id": "b"}), "}"),
    ];
    for text in dialects {
        let answer = accumulate(Kind::OpenAi, &(text.clone() + STOP));
        let calls: Vec<_> = answer
            .tool_calls()
            .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
            .collect();
        assert_eq!(calls, [("a", "f", "{}"), ("b", "g", "{}")], "{text}");
    }
}

/// A tool that takes text has no arguments: the call is a part of its own, and whole.
#[test]
fn a_custom_tool_call_arrives_whole() {
    let piece = |call: Value| chunk(json!({"tool_calls": [call]}));
    let text = piece(json!({"index": 0, "id": "a", "type": "custom",
        "custom": {"name": "sql", "input": ""}}))
        + &piece(json!({"index": 1, "id": "b", "type": "function",
            "function": {"name": "f", "arguments": "{}"}}))
        + &piece(json!({"index": 0, "custom": {"input": "sel"}}))
        + &piece(json!({"index": 0, "custom": {"input": "ect"}, "seal": "x"}));
    let calls = json!([
        {"id": "a", "type": "custom", "custom": {"name": "sql", "input": "select"}, "seal": "x"},
        {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]);
    for end in [STOP, "data: [DONE]\n\n"] {
        let answer = accumulate(Kind::OpenAi, &(text.clone() + end));
        let written = Kind::OpenAi.write_response(&answer).unwrap();
        assert_eq!(written["choices"][0]["message"]["tool_calls"], calls, "{end}");
    }
}

/// Such as the seals of thoughts that Gemini adds to a call.
#[test]
fn unknown_fields_of_later_pieces_of_a_tool_call_survive() {
    let piece = |call: Value| chunk(json!({"tool_calls": [call]}));
    let text = piece(json!({"index": 0, "id": "a", "type": "function",
        "function": {"name": "f", "arguments": "{"}}))
        + &piece(json!({"index": 0, "id": "", "type": "function",
            "function": {"name": null, "arguments": "}"}, "extra_content": {"seal": "x"}}))
        + STOP;
    let answer = accumulate(Kind::OpenAi, &text);
    let call = answer.tool_calls().next().unwrap();
    assert_eq!(call.arguments, "{}");
    assert_eq!(Value::Object(call.extra.clone()), json!({"extra_content": {"seal": "x"}}));
}

#[test]
fn several_answers_are_kept_apart_and_in_order() {
    let delta = |index: u32, text: &str, stop: Option<&str>| {
        let choice = json!({"index": index, "delta": {"content": text}, "finish_reason": stop,
            "logprobs": {"content": [{"token": text}]}});
        format!("data: {}\n\n", json!({"choices": [choice]}))
    };
    let text = delta(1, "b", None) + &delta(0, "a", Some("stop")) + &delta(1, "B", Some("length"));
    let answer = accumulate(Kind::OpenAi, &text);
    let texts: Vec<_> = answer.choices.iter().map(|choice| choice.message.text()).collect();
    assert_eq!(texts, ["a", "bB"]);
    let tokens = json!({"content": [{"token": "b"}, {"token": "B"}]});
    assert_eq!(answer.choices[1].logprobs, Some(tokens));
    let unfinished = delta(1, "b", None) + &delta(0, "a", Some("stop"));
    assert!(decode(Kind::OpenAi, &unfinished).last().unwrap().is_err());
}

#[test]
fn reasoning_and_unknown_fields_survive() {
    for name in ["reasoning_content", "reasoning"] {
        let text = chunk(json!({name: "hm", "content": null}))
            + &chunk(json!({name: "!", "channel": "analysis"}))
            + &chunk(json!({"content": "a"}))
            + STOP;
        let answer = accumulate(Kind::OpenAi, &text);
        let message = answer.message().unwrap();
        assert_eq!((message.reasoning().as_str(), message.text().as_str()), ("hm!", "a"));
        let json = Kind::OpenAi.write_response(&answer).unwrap();
        assert_eq!(json["choices"][0]["message"][name], "hm!");
        assert_eq!(json["choices"][0]["message"]["channel"], "analysis");
    }
}

#[test]
fn a_tool_call_without_arguments_has_an_empty_object() {
    let text = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":\
                {\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":{}}}\n\n\
                data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
                data: {\"type\":\"message_stop\"}\n\n";
    let answer = accumulate(Kind::Anthropic, text);
    assert_eq!(answer.tool_calls().next().unwrap().arguments, "{}");
}

#[test]
fn unknown_events_are_passed_on() {
    let text = "data: {\"type\":\"new_event\",\"x\":1}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let items = decode(Kind::Anthropic, text);
    let expected = ChatEvent::Other(json!({"type": "new_event", "x": 1}));
    assert!(matches!(&items[0], Ok(event) if *event == expected));
}
