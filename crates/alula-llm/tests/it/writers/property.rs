//! Whatever the events, the stream can be read and holds all that was said.

use std::mem;

use alula_llm::{
    ChatEvent, ChatResponse, Error, ErrorKind, Part, StopReason, Usage,
    model::{Citation, Extra, Protocol, RedactedReasoning, ToolCall},
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};

use super::{PROTOCOLS, options, read, read_events, write};

fn place() -> impl Strategy<Value = (u32, u32)> {
    (prop_oneof![4 => Just(0_u32), 1 => Just(1)], prop_oneof![0..4_u32, Just(1024), Just(1500)])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zé\u{1f600}\"\\\\\n\r {}:]{1,6}"]
}

fn extra() -> impl Strategy<Value = Extra> {
    let value = prop_oneof![Just(json!(1)), Just(json!([1])), Just(json!({"z": "é"}))];
    vec((prop_oneof![Just("x"), Just("y"), Just("item")], value), 0..2).prop_map(|fields| {
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    })
}

fn origin() -> impl Strategy<Value = Option<Protocol>> {
    option::of(proptest::sample::select(PROTOCOLS.to_vec()))
}

fn content() -> impl Strategy<Value = Part> {
    prop_oneof![
        text().prop_map(Part::text),
        (text(), text()).prop_map(|(name, arguments)| Part::ToolCall(ToolCall {
            name,
            arguments,
            ..ToolCall::default()
        })),
        Just(Part::RedactedReasoning(RedactedReasoning {
            data: "d".to_owned(),
            extra: Extra::new()
        })),
        Just(Part::Other(json!({"type": "server_tool_use", "id": "s", "input": {"q": 1}}))),
        Just(Part::Other(
            json!({"type": "custom", "id": "c", "custom": {"name": "n", "input": "i"}})
        )),
        Just(Part::Other(Value::Null)),
    ]
}

fn said() -> impl Strategy<Value = ChatEvent> {
    let field = option::of(prop_oneof![
        Just("reasoning"),
        Just("thinking"),
        Just("content"),
        Just("tool_plan")
    ]);
    let json = prop_oneof![Just("{}"), Just("{\"a\":"), Just("1}"), Just("null"), Just("")];
    prop_oneof![
        4 => (place(), text()).prop_map(|((choice, part), text)| ChatEvent::Text { choice, part, text }),
        2 => (place(), text(), field).prop_map(|((choice, part), text, field)| {
            ChatEvent::Reasoning { choice, part, text, field: field.map(str::to_owned) }
        }),
        1 => place().prop_map(|(choice, part)| {
            ChatEvent::Signature { choice, part, signature: "s".to_owned() }
        }),
        1 => (place(), text()).prop_map(|((choice, part), text)| {
            ChatEvent::Refusal { choice, part, text }
        }),
        3 => (place(), extra()).prop_map(|((choice, part), extra)| {
            let (id, name) = (format!("id{part}"), "f".to_owned());
            ChatEvent::ToolCallStart { choice, part, index: 0, id, name, extra }
        }),
        4 => (place(), json).prop_map(|((choice, part), json)| {
            ChatEvent::ToolCallArguments { choice, part, index: 0, arguments: json.to_owned() }
        }),
        1 => place().prop_map(|(choice, part)| {
            ChatEvent::Citation { choice, part, citation: Citation(json!({"url": "u"})) }
        }),
        1 => (place(), content()).prop_map(|((choice, part), content)| {
            ChatEvent::Part { choice, part, content }
        }),
    ]
}

fn told() -> impl Strategy<Value = ChatEvent> {
    prop_oneof![
        (origin(), extra()).prop_map(|(origin, extra)| {
            ChatEvent::Start { id: "a".to_owned(), model: String::new(), origin, extra }
        }),
        (option::of(place()), any::<bool>(), extra()).prop_map(|(place, whole, fields)| {
            let part = place.map(|it| it.1).filter(|_| !whole);
            ChatEvent::Extra { choice: place.map(|it| it.0), part, fields }
        }),
        (place(), extra())
            .prop_map(|((choice, _), fields)| ChatEvent::ChoiceExtra { choice, fields }),
        place().prop_map(|(choice, _)| {
            ChatEvent::Logprobs { choice, logprobs: json!({"content": [{"token": "t"}]}) }
        }),
        (0..9_u64).prop_map(|input| ChatEvent::Usage(Usage { input, ..Usage::default() })),
        (place(), extra()).prop_map(|((choice, _), extra)| {
            ChatEvent::Stop { choice, reason: StopReason::End, sequence: None, extra }
        }),
        Just(ChatEvent::Ping),
        Just(ChatEvent::Other(json!({"type": "x"}))),
    ]
}

/// Events in any order; but an answer begins once, at most.
fn events() -> impl Strategy<Value = Vec<ChatEvent>> {
    vec(prop_oneof![3 => said(), 1 => told()], 0..24).prop_map(|mut events| {
        let mut has_begun = false;
        events.retain(|event| {
            let begins = matches!(event, ChatEvent::Start { .. });
            !(begins && mem::replace(&mut has_begun, true))
        });
        events
    })
}

/// Everything that was said aloud in the first answer, letter by letter.
fn letters(texts: impl Iterator<Item = String>) -> Vec<char> {
    let mut letters: Vec<char> = texts.flat_map(|text| text.chars().collect::<Vec<_>>()).collect();
    letters.sort_unstable();
    letters
}

fn aloud(event: &ChatEvent) -> Option<String> {
    match event {
        ChatEvent::Text { choice: 0, text, .. } | ChatEvent::Refusal { choice: 0, text, .. } => {
            Some(text.clone())
        }
        ChatEvent::Part { choice: 0, content: Part::Text(text), .. } => Some(text.text.clone()),
        _ => None,
    }
}

fn aloud_in(part: &Part) -> Option<String> {
    match part {
        Part::Text(text) => Some(text.text.clone()),
        Part::Refusal(refusal) => Some(refusal.text.clone()),
        _ => None,
    }
}

fn is_custom_call(event: &ChatEvent) -> bool {
    match event {
        ChatEvent::Part { content: Part::Other(call), .. } => call.get("custom").is_some(),
        _ => false,
    }
}

fn is_empty_reasoning(event: &ChatEvent) -> bool {
    matches!(event, ChatEvent::Reasoning { text, .. } if text.is_empty())
}

proptest! {
    #[test]
    fn any_events_make_a_stream_that_can_be_read(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let expected = letters(events.iter().filter_map(aloud));
        for protocol in PROTOCOLS {
            let written = write(protocol, options(), &events);
            let answer = runtime.block_on(read(protocol, &written));
            prop_assert!(answer.is_ok(), "{protocol}: {:?}\n{written}", answer);
            let answer = answer.unwrap();
            let choice = answer.choices.iter().find(|choice| choice.index == 0);
            let parts = choice.into_iter().flat_map(|choice| &choice.message.parts);
            prop_assert_eq!(letters(parts.filter_map(aloud_in)), expected.clone(), "{}: {}", protocol, written);
        }
    }

    #[test]
    fn what_is_read_is_written_as_it_was(mut events in events()) {
        // A call to a tool that takes text is whole only after calls that began later, and
        // reasoning without a word is an entry of a list only where the provider says so.
        events.retain(|event| !is_custom_call(event) && !is_empty_reasoning(event));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for protocol in PROTOCOLS {
            let written = write(protocol, options(), &events);
            let events = runtime.block_on(read_events(protocol, &written)).unwrap();
            let again = write(protocol, options(), &events);
            let read = |written: &str| runtime.block_on(read(protocol, written)).unwrap();
            let first = read(&written);
            // What begins has an answer, be it an empty one, though the first writing had none.
            if first.choices.is_empty() {
                continue;
            }
            let json = |answer: &ChatResponse| protocol.response_to_json(answer).ok();
            prop_assert_eq!(json(&read(&again)), json(&first), "{}: {}\n{}", protocol, written, again);
        }
    }

    #[test]
    fn a_failure_is_never_the_end_of_an_answer(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for protocol in PROTOCOLS {
            let mut writer = protocol.stream_writer(options());
            let mut out = Vec::new();
            events.iter().for_each(|event| writer.event(event, &mut out));
            writer.error(&Error::new(ErrorKind::Connect, "no"), &mut out);
            let written = String::from_utf8(out).unwrap();
            let answer = runtime.block_on(read(protocol, &written));
            prop_assert!(answer.is_err(), "{protocol}: {written}");
        }
    }
}
