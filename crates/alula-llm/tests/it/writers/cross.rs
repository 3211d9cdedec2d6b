//! What one format said, said in another.

use alula_llm::{
    ChatEvent, ChatResponse, Part, StopReason,
    model::{Choice, Protocol},
    testing::{Cassettes, Interaction},
};
use futures_util::{TryStreamExt, stream};
use serde_json::Value;

use super::{PROTOCOLS, options, read, write};
use crate::recordings;

/// Every recorded answer, streamed or not, is the same in each format as far as it goes: the text,
/// the calls, why it ended and what it cost.
#[tokio::test]
async fn recorded_answers_are_the_same_in_every_format() {
    let Some(root) = recordings::root() else { return };
    let (mut streamed, mut whole) = (0, 0);
    for call in Cassettes::load(root).unwrap().iter() {
        let Some((from, events, answer)) = answer_of(call).await else { continue };
        *if call.is_stream() { &mut streamed } else { &mut whole } += 1;
        for to in PROTOCOLS {
            let what = format!("{}: {from} as {to}", call.file.display());
            let written = write(to, options(), &events);
            let got = read(to, &written).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            same(&got, &answer, to, &what);
            // Whole answers are written by other code.
            if let Ok(json) = to.response_to_json(&answer) {
                same_as_whole(&got, &to.response_from_json(json).unwrap(), &what);
            }
        }
    }
    assert!(streamed >= 25 && whole >= 70, "{streamed} streams and {whole} whole answers only");
}

/// The answer of a recorded call and its events.
async fn answer_of(call: &Interaction) -> Option<(Protocol, Vec<ChatEvent>, ChatResponse)> {
    let from = call.protocol().filter(|_| call.status == 200)?;
    if call.is_stream() {
        let bytes = stream::iter([Ok::<_, std::io::Error>(call.body.clone())]);
        let events: Vec<_> = from.decode_stream(bytes).try_collect().await.ok()?;
        let answer = read(from, std::str::from_utf8(&call.body).unwrap()).await.unwrap();
        return Some((from, events, answer));
    }
    let body: Value = serde_json::from_slice(&call.body).ok()?;
    let answer = from.response_from_json(body).ok()?;
    Some((from, events_of(&answer), answer))
}

/// The events of a whole answer.
fn events_of(answer: &ChatResponse) -> Vec<ChatEvent> {
    let ChatResponse { id, model, origin, extra, choices, usage, is_cached: _ } = answer.clone();
    let mut events = vec![ChatEvent::Start { id, model, origin, extra }];
    for Choice { index: choice, message, stop, logprobs, extra, .. } in choices {
        for (part, content) in message.parts.into_iter().enumerate() {
            // Where items are numbered by their parts, each part is one.
            let part = u32::try_from(part).unwrap() * 1024;
            events.push(ChatEvent::Part { choice, part, content });
        }
        events.extend(logprobs.map(|logprobs| ChatEvent::Logprobs { choice, logprobs }));
        let sequence = None;
        events.extend(stop.map(|reason| ChatEvent::Stop { choice, reason, sequence, extra }));
    }
    events.extend(usage.map(ChatEvent::Usage));
    events
}

#[track_caller]
fn same(got: &ChatResponse, expected: &ChatResponse, format: Protocol, what: &str) {
    assert_eq!(got.text(), expected.text(), "{what}");
    let calls = |answer: &ChatResponse| -> Vec<_> {
        let json = |call: &alula_llm::model::ToolCall| {
            (call.id.clone(), call.name.clone(), call.arguments_json().unwrap())
        };
        answer.tool_calls().map(json).collect()
    };
    assert_eq!(calls(got), calls(expected), "{what}");
    let usage =
        |answer: &ChatResponse| answer.usage.as_ref().map(|it| (it.input, it.output, it.total()));
    assert_eq!(usage(got).unwrap_or_default(), usage(expected).unwrap_or_default(), "{what}");
    if let Some(stop) = expected.stop() {
        assert_eq!(got.stop(), Some(&told(stop, expected, format)), "{what}");
    }
}

/// What a format makes of a reason to stop.
fn told(stop: &StopReason, answer: &ChatResponse, format: Protocol) -> StopReason {
    use Protocol::{AnthropicMessages, CohereChat, GeminiGenerate, OpenAiChat, OpenAiResponses};

    if answer.origin == Some(format) {
        return stop.clone();
    }
    let calls = answer.tool_calls().next().is_some();
    match (stop, format) {
        (
            StopReason::End | StopReason::StopSequence | StopReason::Pause,
            GeminiGenerate | OpenAiResponses,
        ) if calls => StopReason::ToolCalls,
        (StopReason::StopSequence, OpenAiChat | GeminiGenerate | OpenAiResponses) => {
            StopReason::End
        }
        (StopReason::Pause, OpenAiChat | OpenAiResponses | CohereChat) => StopReason::End,
        (StopReason::ToolCalls, GeminiGenerate | OpenAiResponses) if !calls => StopReason::End,
        (StopReason::Refusal, OpenAiChat | GeminiGenerate | OpenAiResponses) => {
            StopReason::ContentFilter
        }
        (StopReason::ContentFilter, AnthropicMessages) => StopReason::Refusal,
        (stop, _) => stop.clone(),
    }
}

#[track_caller]
fn same_as_whole(got: &ChatResponse, whole: &ChatResponse, what: &str) {
    assert_eq!(got.stop(), whole.stop(), "{what}");
    let message = |answer: &ChatResponse| answer.message().cloned();
    let (Some(got), Some(whole)) = (message(got), message(whole)) else { return };
    assert_eq!(got.reasoning(), whole.reasoning(), "{what}");
    let citations = |message: &alula_llm::Message| message.citations().cloned().collect::<Vec<_>>();
    assert_eq!(citations(&got), citations(&whole), "{what}");
    let opaque = |message: &alula_llm::Message| {
        message.parts.iter().filter(|part| matches!(part, Part::Other(_))).count()
    };
    assert_eq!(opaque(&got), opaque(&whole), "{what}");
}
