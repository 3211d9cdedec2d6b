use alula_llm::{
    Accumulator, ChatEvent, Error, ErrorKind, StopReason, StreamOptions, Usage,
    model::{Citation, Extra, Protocol},
};
use serde_json::json;

use super::{arguments, call, data, options, read, start, text, write};

const OPENAI: Protocol = Protocol::OpenAiChat;
const OWN: Option<Protocol> = Some(OPENAI);

fn stop(reason: StopReason) -> ChatEvent {
    ChatEvent::Stop { choice: 0, reason, sequence: None, extra: Extra::new() }
}

#[test]
fn a_text_is_written_in_chunks_that_repeat_what_is_known() {
    let usage = ChatEvent::Usage(Usage { input: 3, output: 2, ..Usage::default() });
    let events = [
        start(OWN, json!({"object": "chat.completion", "created": 5, "system_fingerprint": "f"})),
        text(0, "Hél\n"),
        stop(StopReason::End),
        usage,
    ];
    let head = r#"data: {"id":"a","model":"m-1","object":"chat.completion.chunk","created":5,"system_fingerprint":"f","choices":[{"index":0,"delta":"#;
    let expected = [
        format!(r#"{head}{{"role":"assistant","content":""}},"finish_reason":null}}]}}"#),
        format!(r#"{head}{{"content":"Hél\n"}},"finish_reason":null}}]}}"#),
        format!(r#"{head}{{}},"finish_reason":"stop"}}]}}"#),
    ];
    let written = write(OPENAI, StreamOptions::default(), &events);
    assert_eq!(written, format!("{}\n\ndata: [DONE]\n\n", expected.join("\n\n")));
    let chunks = data(&write(OPENAI, options(), &events));
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], json!({"prompt_tokens": 3, "completion_tokens": 2}));
}

#[test]
fn calls_begin_with_their_name_and_are_numbered_anew() {
    let events = [call(4, 7, "f"), call(9, 7, "g"), arguments(9, 7, "{}"), arguments(4, 7, "[]")];
    let chunks = data(&write(OPENAI, options(), &events));
    let calls: Vec<_> =
        chunks.iter().filter_map(|it| it.pointer("/choices/0/delta/tool_calls/0")).collect();
    let new = |index: u32, name: &str| {
        json!({"index": index, "id": format!("call_{name}"), "type": "function",
            "function": {"name": name, "arguments": ""}})
    };
    let more = |index: u32, text: &str| json!({"index": index, "function": {"arguments": text}});
    assert_eq!(calls, [&new(0, "f"), &new(1, "g"), &more(1, "{}"), &more(0, "[]")]);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn a_call_of_another_format_without_arguments_gets_an_empty_object() {
    let events = [start(Some(Protocol::CohereChat), json!({})), call(0, 0, "f")];
    let answer = read(OPENAI, &write(OPENAI, options(), &events)).await.unwrap();
    assert_eq!(answer.tool_calls().next().unwrap().arguments, "{}");
}

#[tokio::test]
async fn sources_of_another_format_get_their_place_in_the_whole_text() {
    let cite =
        |part, citation| ChatEvent::Citation { choice: 0, part, citation: Citation(citation) };
    let events = [
        start(Some(Protocol::AnthropicMessages), json!({})),
        text(0, "né "),
        cite(1, json!({"url": "https://x.example", "title": "t"})),
        text(1, "yes"),
        text(2, "."),
        stop(StopReason::End),
    ];
    let answer = read(OPENAI, &write(OPENAI, options(), &events)).await.unwrap();
    let message = answer.message().unwrap();
    let places: Vec<_> = message.citations().map(|it| it.0["url_citation"].clone()).collect();
    assert_eq!(
        places,
        [json!({"start_index": 3, "end_index": 6, "url": "https://x.example",
        "title": "t"})]
    );
    assert_eq!(answer.text(), "né yes.");
}

/// Mistral's content is a list where the model thinks; the other fields are those of Azure, Groq
/// and Perplexity.
#[tokio::test]
async fn nothing_of_the_format_is_lost() {
    let fields = |value: serde_json::Value| value.as_object().unwrap().clone();
    let thinks = |part, text: &str, field: Option<&str>| ChatEvent::Reasoning {
        choice: 0,
        part,
        text: text.to_owned(),
        field: field.map(str::to_owned),
    };
    let extra = |choice, part, value| ChatEvent::Extra { choice, part, fields: fields(value) };
    let ChatEvent::ToolCallStart { choice, part, index, id, name, .. } = call(4, 0, "f") else {
        return;
    };
    let begins = fields(json!({"function": {"parameters": null}, "x": 1}));
    let events = [
        start(OWN, json!({"object": "chat.completion", "created": 5, "citations": ["u"]})),
        thinks(0, "one", Some("reasoning")),
        thinks(1, "two", Some("thinking")),
        extra(Some(0), Some(1), json!({"closed": true})),
        text(2, "a"),
        extra(Some(0), Some(2), json!({"y": [1]})),
        extra(None, None, json!({"citations": ["v"], "service_tier": "flex"})),
        ChatEvent::Citation { choice: 0, part: 2, citation: Citation(json!({"url": "u"})) },
        ChatEvent::Refusal { choice: 0, part: 3, text: "no".to_owned() },
        ChatEvent::ToolCallStart { choice, part, index, id, name, extra: begins },
        arguments(4, 0, "{}"),
        extra(Some(0), Some(4), json!({"z": {"k": 1}})),
        extra(Some(0), None, json!({"audio": {"id": "s"}})),
        ChatEvent::Logprobs { choice: 0, logprobs: json!({"content": [{"token": "a"}]}) },
        ChatEvent::ChoiceExtra { choice: 0, fields: fields(json!({"filter": {"hate": 0}})) },
        stop(StopReason::ToolCalls),
        extra(None, None, json!({"x_groq": {"id": "g"}})),
    ];
    let mut expected = Accumulator::new();
    events.iter().cloned().for_each(|event| expected.push(event));
    let answer = read(OPENAI, &write(OPENAI, options(), &events)).await.unwrap();
    assert_eq!(answer, expected.finish());
}

#[tokio::test]
async fn what_is_told_last_is_not_lost() {
    let fields = json!({"service_tier": "flex"}).as_object().unwrap().clone();
    let extra = ChatEvent::Extra { choice: None, part: None, fields };
    let events = [start(OWN, json!({})), text(0, "a"), stop(StopReason::End), extra];
    let answer = read(OPENAI, &write(OPENAI, options(), &events)).await.unwrap();
    assert_eq!(answer.extra["service_tier"], "flex");
}

#[test]
fn nothing_follows_an_error() {
    let mut writer = OPENAI.stream_writer(options());
    let mut out = Vec::new();
    writer.event(&text(0, "a"), &mut out);
    out.clear();
    let error = Error::new(ErrorKind::Stream { events_seen: 3 }, "reset by 10.0.0.1");
    writer.error(&error.with_provider("x"), &mut out);
    writer.event(&text(0, "b"), &mut out);
    writer.finish(&mut out);
    let written = String::from_utf8(out).unwrap();
    let message = "x broke off or sent an answer nobody understands";
    assert_eq!(
        data(&written),
        [json!({"error": {"message": message, "type": "server_error",
        "param": null, "code": null}})]
    );
    assert!(!written.contains("[DONE]"));
}
