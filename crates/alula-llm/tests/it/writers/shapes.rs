//! The events of each format, one by one.

use alula_llm::{
    ChatEvent, Part, StopReason, Usage,
    model::{Citation, Extra, Protocol, RedactedReasoning},
};
use serde_json::{Value, json};

use super::{arguments, call, data, options, start, text, write};

fn thinks(part: u32, text: &str) -> ChatEvent {
    ChatEvent::Reasoning { choice: 0, part, text: text.to_owned(), field: None }
}

fn stop(reason: StopReason) -> ChatEvent {
    ChatEvent::Stop { choice: 0, reason, sequence: None, extra: Extra::new() }
}

fn used(input: u64, output: u64) -> ChatEvent {
    ChatEvent::Usage(Usage { input, output, ..Usage::default() })
}

/// An answer of another provider: two calls written at once, and its usage after its end.
fn answer() -> Vec<ChatEvent> {
    vec![
        start(Some(Protocol::OpenAiChat), json!({"system_fingerprint": "f"})),
        thinks(0, "hm"),
        text(1, "Hel"),
        text(1, "lo"),
        call(2, 0, "f"),
        call(3, 1, "g"),
        arguments(2, 0, "{\"a\""),
        arguments(3, 1, "{}"),
        arguments(2, 0, ":1}"),
        stop(StopReason::ToolCalls),
        used(3, 2),
    ]
}

#[track_caller]
fn check(protocol: Protocol, events: &[ChatEvent], expected: &[Value]) {
    let written = data(&write(protocol, options(), events));
    for (written, expected) in written.iter().zip(expected) {
        assert_eq!(written, expected);
    }
    assert_eq!(written.len(), expected.len(), "{written:?}");
}

#[test]
fn anthropic() {
    let begins = |index: u32, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: u32, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let ends = |index: u32| json!({"type": "content_block_stop", "index": index});
    let tool = |name: &str| json!({"type": "tool_use", "id": format!("call_{name}"), "name": name, "input": {}});
    let input = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
    check(
        Protocol::AnthropicMessages,
        &answer(),
        &[
            json!({"type": "message_start", "message": {"id": "a", "type": "message",
                "role": "assistant", "model": "m-1", "content": [], "stop_reason": null,
                "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": 0}}}),
            begins(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
            ends(0),
            begins(1, json!({"type": "text", "text": ""})),
            delta(1, json!({"type": "text_delta", "text": "Hel"})),
            delta(1, json!({"type": "text_delta", "text": "lo"})),
            ends(1),
            begins(2, tool("f")),
            delta(2, input("{\"a\"")),
            delta(2, input(":1}")),
            ends(2),
            begins(3, tool("g")),
            delta(3, input("{}")),
            ends(3),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use",
                "stop_sequence": null}, "usage": {"input_tokens": 3, "output_tokens": 2}}),
            json!({"type": "message_stop"}),
        ],
    );
}

#[test]
fn anthropic_begins_with_what_is_known_of_the_prompt() {
    let api = Protocol::AnthropicMessages;
    let first = |events: &[ChatEvent]| {
        let written = data(&write(api, options().input_tokens(9), events));
        written[0]["message"]["usage"]["input_tokens"].clone()
    };
    assert_eq!(first(&answer()), 9, "an estimate is better than nothing");
    assert_eq!(first(&[start(None, json!({})), used(3, 0), text(0, "a")]), 3);
}

#[test]
fn anthropic_gets_blocks_that_are_whole_at_once() {
    let part = |part, content| ChatEvent::Part { choice: 0, part, content };
    let redacted = RedactedReasoning { data: "x".to_owned(), extra: Extra::new() };
    let asked = json!({"type": "server_tool_use", "id": "s", "name": "web", "input": {"q": 1}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []});
    let events = [
        start(Some(Protocol::AnthropicMessages), json!({})),
        part(0, Part::RedactedReasoning(redacted)),
        part(1, Part::Other(asked)),
        part(2, Part::Other(found.clone())),
    ];
    let written = data(&write(Protocol::AnthropicMessages, options(), &events));
    let blocks: Vec<_> = written.iter().filter_map(|it| it.get("content_block")).collect();
    assert_eq!(blocks[0], &json!({"type": "redacted_thinking", "data": "x"}));
    assert_eq!(blocks[1]["input"], json!({}));
    assert_eq!(blocks[2], &found);
    let input = written.iter().find_map(|it| it.pointer("/delta/partial_json"));
    assert_eq!(input, Some(&json!("{\"q\":1}")));
}

#[test]
fn cohere() {
    let told = |kind: &str, index: u32, message: Value| json!({"type": kind, "index": index, "delta": {"message": message}});
    let ends = |kind: &str, index: u32| json!({"type": kind, "index": index});
    let tool = |name: &str| {
        json!({"tool_calls": {"id": format!("call_{name}"), "type": "function",
            "function": {"name": name, "arguments": ""}}})
    };
    let more = |json: &str| json!({"tool_calls": {"function": {"arguments": json}}});
    let counts = json!({"input_tokens": 3, "output_tokens": 2});
    check(
        Protocol::CohereChat,
        &answer(),
        &[
            json!({"type": "message-start", "id": "a", "delta": {"message": {"role": "assistant",
                "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}),
            told("content-start", 0, json!({"content": {"type": "thinking", "thinking": ""}})),
            told("content-delta", 0, json!({"content": {"thinking": "hm"}})),
            ends("content-end", 0),
            told("content-start", 1, json!({"content": {"type": "text", "text": ""}})),
            told("content-delta", 1, json!({"content": {"text": "Hel"}})),
            told("content-delta", 1, json!({"content": {"text": "lo"}})),
            ends("content-end", 1),
            told("tool-call-start", 0, tool("f")),
            told("tool-call-delta", 0, more("{\"a\"")),
            told("tool-call-delta", 0, more(":1}")),
            ends("tool-call-end", 0),
            told("tool-call-start", 1, tool("g")),
            told("tool-call-delta", 1, more("{}")),
            ends("tool-call-end", 1),
            json!({"type": "message-end", "id": "a", "delta": {"finish_reason": "TOOL_CALL",
                "usage": {"billed_units": counts, "tokens": counts}}}),
        ],
    );
}

#[test]
fn gemini() {
    let chunk = |part: Value| {
        json!({"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}],
            "modelVersion": "m-1", "responseId": "a"})
    };
    let called = |name: &str, args: Value| json!({"functionCall": {"id": format!("call_{name}"), "name": name, "args": args}});
    check(
        Protocol::GeminiGenerate,
        &answer(),
        &[
            chunk(json!({"text": "hm", "thought": true})),
            chunk(json!({"text": "Hel"})),
            chunk(json!({"text": "lo"})),
            chunk(called("f", json!({"a": 1}))),
            chunk(called("g", json!({}))),
            json!({"candidates": [{"finishReason": "STOP", "index": 0}],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2,
                    "totalTokenCount": 5},
                "modelVersion": "m-1", "responseId": "a"}),
        ],
    );
}

#[test]
fn gemini_has_a_word_for_a_call_that_is_no_json() {
    let events = [call(0, 0, "f"), arguments(0, 0, "{oops")];
    let written = data(&write(Protocol::GeminiGenerate, options(), &events));
    assert_eq!(written.len(), 1);
    assert_eq!(written[0]["candidates"][0]["finishReason"], "MALFORMED_FUNCTION_CALL");
}

#[test]
fn responses() {
    let mut events = answer();
    let source = Citation(json!({"url": "https://x", "title": "t"}));
    events.insert(4, ChatEvent::Citation { choice: 0, part: 1, citation: source });
    let written = data(&write(Protocol::OpenAiResponses, options(), &events));
    let numbers: Vec<_> = written.iter().map(|it| it["sequence_number"].as_u64()).collect();
    assert!(numbers.iter().enumerate().all(|(at, number)| *number == u64::try_from(at).ok()));
    let told = |event: &Value| {
        let kind = event["type"].as_str().unwrap().trim_start_matches("response.").to_owned();
        match event.get("output_index") {
            Some(index) => format!("{index} {kind}"),
            None => kind,
        }
    };
    let expected = "created, in_progress, \
        0 output_item.added, 0 reasoning_summary_part.added, 0 reasoning_summary_text.delta, \
        0 reasoning_summary_text.done, 0 reasoning_summary_part.done, 0 output_item.done, \
        1 output_item.added, 1 content_part.added, 1 output_text.delta, 1 output_text.delta, \
        1 output_text.annotation.added, 1 output_text.done, 1 content_part.done, \
        1 output_item.done, \
        2 output_item.added, 2 function_call_arguments.delta, 2 function_call_arguments.delta, \
        2 function_call_arguments.done, 2 output_item.done, \
        3 output_item.added, 3 function_call_arguments.delta, 3 function_call_arguments.done, \
        3 output_item.done, completed";
    assert_eq!(written.iter().map(told).collect::<Vec<_>>().join(", "), expected);
    let annotation = written.iter().find_map(|it| it.get("annotation")).unwrap();
    assert_eq!((&annotation["start_index"], &annotation["end_index"]), (&json!(0), &json!(5)));

    // What comes in pieces, what its end says, and what the whole answer says, are the same.
    let last = &written.last().unwrap()["response"];
    let done: Vec<_> =
        written.iter().filter(|it| it["type"] == "response.output_item.done").collect();
    for (item, event) in last["output"].as_array().unwrap().iter().zip(&done) {
        assert_eq!(item, &event["item"]);
        assert_eq!(
            item["id"],
            written
                .iter()
                .find(|it| it["type"] == "response.output_item.added"
                    && it["output_index"] == event["output_index"])
                .unwrap()["item"]["id"]
        );
    }
    assert_eq!(last["output"].as_array().unwrap().len(), 4);
    assert_eq!((&last["status"], &last["created_at"]), (&json!("completed"), &json!(7)));
    assert_eq!(last["usage"]["total_tokens"], 5);
    assert_eq!(last["output"][2]["arguments"], "{\"a\":1}");
}

#[test]
fn several_answers_are_written_where_there_can_be_several() {
    let other = |text: &str| ChatEvent::Text { choice: 1, part: 0, text: text.to_owned() };
    let events = [start(None, json!({})), text(0, "a"), other("b"), text(0, "c")];
    for (protocol, at) in [
        (Protocol::OpenAiChat, "/delta/content"),
        (Protocol::GeminiGenerate, "/content/parts/0/text"),
    ] {
        let written = data(&write(protocol, options(), &events));
        let name = if protocol == Protocol::OpenAiChat { "choices" } else { "candidates" };
        let said = written.iter().filter_map(|chunk| {
            let choice = &chunk[name][0];
            let text = choice.pointer(at)?.as_str().filter(|text| !text.is_empty())?;
            Some(format!("{}{text}", choice["index"]))
        });
        assert_eq!(said.collect::<Vec<_>>(), ["0a", "1b", "0c"], "{protocol}");
    }
}
