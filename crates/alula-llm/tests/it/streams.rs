//! A recorded stream gives the same events however it is cut, and the answer it spells out.

use alula_llm::{Accumulator, ChatEvent, ChatResponse, Error, ErrorKind};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use crate::{
    recordings::{Kind, assert_same_json, each},
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

#[test]
fn recorded_streams_give_the_same_events_however_they_are_cut() {
    recorded_streams(|kind, call, text| {
        let whole = block_on(events(kind, vec![call.body.clone()]));
        let whole: Vec<ChatEvent> = whole.into_iter().map(Result::unwrap).collect();
        let by_event: Vec<Bytes> =
            text.split_inclusive("\n\n").map(|event| event.to_owned().into()).collect();
        let by_byte: Vec<Bytes> = call.body.chunks(1).map(Bytes::copy_from_slice).collect();
        let crlf: Bytes = text.replace('\n', "\r\n").into();
        for chunks in [by_event, by_byte, vec![crlf]] {
            let cut = block_on(events(kind, chunks));
            let cut: Vec<ChatEvent> = cut.into_iter().map(Result::unwrap).collect();
            assert!(cut == whole, "{}", call.file.display());
        }
    });
}

#[test]
fn recorded_streams_add_up_to_the_answer() {
    recorded_streams(|kind, call, text| {
        let answer = block_on(kind.read_stream(vec![call.body.clone()]).accumulate()).unwrap();
        let expected = match kind {
            Kind::OpenAi => fold_openai(text),
            Kind::Anthropic => fold_anthropic(text),
        };
        usage(kind, answer.usage.as_ref().unwrap(), &expected["usage"]);
        assert_same_json(&kind.write_response(&answer).unwrap(), &expected, call);
        assert_eq!(
            kind.read_response(expected).unwrap().text(),
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

/// The JSON of each event, apart from the end.
fn raw_events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn append(slot: &mut Value, text: &Value) {
    let joined = slot.as_str().unwrap_or_default().to_owned() + text.as_str().unwrap();
    *slot = joined.into();
}

/// The answer without streaming, put together by other means than those that are tested.
fn fold_openai(text: &str) -> Value {
    let mut answer = json!({});
    let mut message = json!({"role": "assistant"});
    let mut finish = Value::Null;
    for mut chunk in raw_events(text) {
        let choices = chunk["choices"].take();
        for (name, value) in chunk.as_object().unwrap() {
            if !value.is_null() && name != "obfuscation" {
                answer[name] = value.clone();
            }
        }
        for choice in choices.as_array().unwrap() {
            let delta = &choice["delta"];
            if delta["content"].as_str().is_some_and(|content| !content.is_empty()) {
                append(&mut message["content"], &delta["content"]);
            }
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                if call.get("id").is_some() {
                    let mut call = call.clone();
                    call.as_object_mut().unwrap().remove("index");
                    let calls = message.as_object_mut().unwrap().entry("tool_calls");
                    calls.or_insert(json!([])).as_array_mut().unwrap().push(call);
                } else {
                    let slot = &mut message["tool_calls"][index]["function"]["arguments"];
                    append(slot, &call["function"]["arguments"]);
                }
            }
            if !choice["finish_reason"].is_null() {
                finish = choice["finish_reason"].clone();
            }
        }
    }
    answer["object"] = "chat.completion".into();
    answer["choices"] = json!([{"index": 0, "message": message, "finish_reason": finish}]);
    answer
}

fn fold_anthropic(text: &str) -> Value {
    let mut message = json!({});
    let mut blocks: Vec<Value> = Vec::new();
    let mut inputs: Vec<String> = Vec::new();
    for event in raw_events(text) {
        let delta = &event["delta"];
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => match delta["type"].as_str().unwrap() {
                "text_delta" => append(&mut blocks.last_mut().unwrap()["text"], &delta["text"]),
                "thinking_delta" => {
                    append(&mut blocks.last_mut().unwrap()["thinking"], &delta["thinking"]);
                }
                "signature_delta" => {
                    append(&mut blocks.last_mut().unwrap()["signature"], &delta["signature"]);
                }
                "citations_delta" => {
                    let list = &mut blocks.last_mut().unwrap()["citations"];
                    list.as_array_mut().unwrap().push(delta["citation"].clone());
                }
                "input_json_delta" => {
                    inputs.last_mut().unwrap().push_str(delta["partial_json"].as_str().unwrap());
                }
                other => panic!("{other}"),
            },
            "message_delta" => {
                let overlay = |target: &mut Value, source: &Value| {
                    let source = source.as_object().unwrap().clone();
                    target.as_object_mut().unwrap().extend(source);
                };
                overlay(&mut message, delta);
                overlay(&mut message["usage"], &event["usage"]);
            }
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(inputs) {
        if !input.is_empty() {
            block["input"] = serde_json::from_str(&input).unwrap();
        }
    }
    message["content"] = blocks.into();
    message
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
