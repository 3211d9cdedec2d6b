//! Whether the adapters lose anything of a recorded call.

mod failed;
mod fold;
mod fold_gemini;
mod other;
mod rewrite;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{End, Interaction, diff::differences};
use crate::{Accumulator, ChatEvent, ErrorKind, Result, model::Protocol};

/// What [`check`] found.
///
/// ```
/// use alula_llm::testing::{Cassettes, Outcome, check};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), alula_llm::testing::LoadError> {
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cassettes");
/// for call in Cassettes::load(folder)?.iter() {
///     if let Outcome::Failed(loss) = check(call).await {
///         panic!("{}: {loss}", call.file.display());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing is lost.
    Passed,
    /// No adapter speaks the protocol of this call.
    Skipped,
    /// Something is lost, and this is what.
    Failed(String),
}

/// Puts a recorded call through the adapter of its protocol and looks for losses.
///
/// The request and the answer, read into the model and written again, must be the JSON that they
/// were; only that a stream is asked for its usage may be added, and vectors are no more exact than
/// `f32`. A stream must give the same events whether it comes whole, event by event, byte by byte,
/// with other line ends or without spaces, and the events must add up to the answer that the stream
/// spells out, also after they were written again. One that broke off must end in an error.
/// Of an error the provider's message must be kept; its kind must be one that the status stands for,
/// and the same after the error was written again.
///
/// # Panics
///
/// Outside of a tokio runtime with a timer.
pub async fn check(call: &Interaction) -> Outcome {
    let answer = (200..=299).contains(&call.status).then_some(&*call.body);
    let lossless = if let Some(protocol) = call.protocol() {
        match request(protocol, &call.request) {
            Ok(()) => answer_of(protocol, call).await,
            loss => loss,
        }
    } else if call.is_retrieval() {
        answer_of(Protocol::OpenAiResponses, call).await
    } else if let Some(protocol) = call.embed_protocol() {
        let family = other::family(protocol);
        other::embed(protocol, &call.request, answer).and_then(|()| failed::check(family, call))
    } else if let Some(protocol) = call.count_protocol() {
        other::count(protocol, &call.request, answer).and_then(|()| failed::check(protocol, call))
    } else {
        return Outcome::Skipped;
    };
    match lossless {
        Ok(()) => Outcome::Passed,
        Err(loss) => Outcome::Failed(loss),
    }
}

async fn answer_of(protocol: Protocol, call: &Interaction) -> Result<(), String> {
    if !(200..=299).contains(&call.status) {
        return failed::check(protocol, call);
    }
    if call.end != End::Eof {
        return broken(protocol, call).await;
    }
    if call.is_stream() {
        return events(protocol, &call.body).await;
    }
    match as_events(protocol, &call.body) {
        Some(body) => events(protocol, &body).await,
        None => response(protocol, &call.body),
    }
}

/// An answer that broke off is none, but what came of a stream is read.
async fn broken(protocol: Protocol, call: &Interaction) -> Result<(), String> {
    if !call.is_stream() {
        return match response(protocol, &call.body) {
            Ok(()) => Err("the answer broke off, and is read as a whole one".to_owned()),
            Err(_) => Ok(()),
        };
    }
    match alike(protocol, &call.body).await?.last() {
        Some(Err(error)) if *error.kind() != ErrorKind::Decode => Ok(()),
        _ => Err("the stream broke off, and does not end in an error".to_owned()),
    }
}

/// The events of a stream that Gemini sent as one list, which it does for who does not ask for
/// events.
fn as_events(protocol: Protocol, body: &[u8]) -> Option<Bytes> {
    if protocol != Protocol::GeminiGenerate || !body.trim_ascii_start().starts_with(b"[") {
        return None;
    }
    let chunks: Vec<Value> = serde_json::from_slice(body).ok()?;
    let events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    Some(events.into())
}

fn request(protocol: Protocol, recorded: &Value) -> Result<(), String> {
    let request = protocol.request_from_json(recorded.clone());
    let request = request.map_err(|error| format!("the request cannot be read: {error}"))?;
    let written = protocol.request_to_json(&request, request.stream == Some(true));
    let mut written = written.map_err(|error| format!("the request cannot be written: {error}"))?;
    const USAGE: &str = "stream_options";
    if recorded.get(USAGE).is_none()
        && written.get(USAGE) == Some(&json!({"include_usage": true}))
        && let Some(written) = written.as_object_mut()
    {
        written.shift_remove(USAGE);
    }
    differences_in("the request", recorded, &written)
}

fn response(protocol: Protocol, body: &[u8]) -> Result<(), String> {
    let recorded: Value =
        serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let response = protocol.response_from_json(recorded.clone());
    let response = response.map_err(|error| format!("the answer cannot be read: {error}"))?;
    let written = protocol.response_to_json(&response);
    let written = written.map_err(|error| format!("the answer cannot be written: {error}"))?;
    differences_in("the answer", &recorded, &written)
}

async fn events(protocol: Protocol, body: &Bytes) -> Result<(), String> {
    let whole = alike(protocol, body).await?;
    adds_up(protocol, whole, &String::from_utf8_lossy(body)).await
}

/// The events of a stream, if they are the same however it is cut and spelled.
async fn alike(protocol: Protocol, body: &Bytes) -> Result<Vec<Result<ChatEvent>>, String> {
    let whole = decode(protocol, vec![body.clone()]).await;
    let text =
        std::str::from_utf8(body).map_err(|error| format!("the stream is no text: {error}"))?;
    let by_byte = body.chunks(1).map(Bytes::copy_from_slice);
    let lines = text.replace("\r\n", "\n");
    let with_crlf = lines.replace('\n', "\r\n");
    let bare: String = lines.split_inclusive('\n').map(without_space).collect();
    for (how, chunks) in [
        ("event by event", by_event(text)),
        ("byte by byte", by_byte.collect()),
        ("with CRLF", vec![with_crlf.clone().into()]),
        ("with CRLF, event by event", by_event(&with_crlf)),
        ("without spaces", vec![bare.into()]),
    ] {
        let cut = decode(protocol, chunks).await;
        if let Some(at) = first_difference(&whole, &cut) {
            return Err(format!("read {how}, the stream differs from event {at} on"));
        }
    }
    Ok(whole)
}

/// The events one by one, each with its blank line.
fn by_event(text: &str) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut event = String::new();
    for line in text.split_inclusive('\n') {
        event.push_str(line);
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            events.push(std::mem::take(&mut event).into());
        }
    }
    events.push(event.into());
    events
}

/// A line without the space that may stand after its colon.
fn without_space(line: &str) -> String {
    match line.split_once(": ") {
        Some((name, value)) if !name.contains([' ', ':']) && !value.starts_with(' ') => {
            format!("{name}:{value}")
        }
        _ => line.to_owned(),
    }
}

async fn decode(protocol: Protocol, chunks: Vec<Bytes>) -> Vec<Result<ChatEvent>> {
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    protocol.decode_stream(chunks).collect().await
}

/// The first place where two lists of events differ.
fn first_difference(a: &[Result<ChatEvent>], b: &[Result<ChatEvent>]) -> Option<usize> {
    let same = |pair: (&Result<ChatEvent>, &Result<ChatEvent>)| match pair {
        (Ok(a), Ok(b)) => a == b,
        (Err(a), Err(b)) => a.kind() == b.kind() && a.message() == b.message(),
        _ => false,
    };
    let differs = a.iter().zip(b).position(|pair| !same(pair));
    differs.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

/// Folds the events and compares the answer with the one that the text spells out.
async fn adds_up(
    protocol: Protocol,
    events: Vec<Result<ChatEvent>>,
    text: &str,
) -> Result<(), String> {
    let recorded = fold::events(text)?;
    let mut answer = Accumulator::new();
    let mut known = Vec::with_capacity(events.len());
    for event in events {
        match event {
            Ok(event) => {
                answer.push(event.clone());
                known.push(event);
            }
            Err(error) => {
                return match fold::error(&recorded) {
                    Some(recorded) => failed::event(protocol, recorded, &error),
                    None => Err(format!("the stream cannot be read: {error}")),
                };
            }
        }
    }
    let answer = answer.finish();
    let written = protocol.response_to_json(&answer);
    let written = written.map_err(|error| format!("the answer cannot be written: {error}"))?;
    let expected = match protocol {
        Protocol::OpenAiChat => fold::openai(recorded),
        Protocol::AnthropicMessages => fold::anthropic(recorded),
        Protocol::OpenAiResponses => fold::responses(recorded),
        Protocol::GeminiGenerate => fold_gemini::gemini(recorded),
        Protocol::CohereChat => fold::cohere(recorded),
    };
    differences_in("the answer of the stream", &expected, &written)?;
    rewrite::check(protocol, &known, &answer).await
}

fn differences_in(what: &str, recorded: &Value, written: &Value) -> Result<(), String> {
    const NAMED: usize = 3;
    let found = differences(recorded, written, NAMED + 1);
    if found.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = found.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if found.len() > NAMED { "; and more" } else { "" };
    Err(format!("{what} differs at {}{more}", named.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(request: Value, content_type: &str, body: impl Into<Bytes>) -> Interaction {
        Interaction {
            file: "f.yaml".into(),
            method: "POST".to_owned(),
            host: "x.example".to_owned(),
            path: "/v1/chat/completions".to_owned(),
            query: None,
            request,
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
            ..Interaction::default()
        }
    }

    fn asked() -> Value {
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    }

    const ANSWER: &str = r#"{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#;
    const STREAM: &str = "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n\
        data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
        data: [DONE]\n\n";

    /// With unknown fields wherever a stream may have them.
    const ANTHROPIC_STREAM: &str = concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"1\",\"type\":\"message\",",
        "\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":",
        "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\",\"new\":1}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":",
        "{\"type\":\"signature_delta\",\"signature\":\"s\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":",
        "{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":",
        "{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"container\":{\"id\":\"c\"}},",
        "\"usage\":{\"output_tokens\":1}}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"late\":1},",
        "\"usage\":{\"output_tokens\":2},\"context_management\":{\"applied_edits\":[1]}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    );

    #[tokio::test]
    async fn a_call_without_loss_passes() {
        assert_eq!(check(&call(asked(), "application/json", ANSWER)).await, Outcome::Passed);
        let mut request = asked();
        request["stream"] = true.into();
        assert_eq!(check(&call(request, "text/event-stream", STREAM)).await, Outcome::Passed);
    }

    #[tokio::test]
    async fn a_call_that_no_adapter_speaks_is_skipped() {
        let mut call = call(asked(), "application/json", ANSWER);
        call.path = "/v1/rerank".to_owned();
        assert_eq!(check(&call).await, Outcome::Skipped);
    }

    #[track_caller]
    fn reason(outcome: Outcome) -> String {
        let Outcome::Failed(reason) = outcome else { panic!("{outcome:?}") };
        reason
    }

    #[tokio::test]
    async fn a_loss_is_named() {
        let no_model = call(json!({"messages": []}), "application/json", ANSWER);
        assert!(reason(check(&no_model).await).starts_with("the request cannot be read"));
        let no_choices = call(asked(), "application/json", "{}");
        assert!(reason(check(&no_choices).await).starts_with("the answer cannot be read"));
        let cut = STREAM
            .split("data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},")
            .next();
        let cut = call(asked(), "text/event-stream", cut.unwrap().to_owned());
        assert!(reason(check(&cut).await).starts_with("the stream cannot be read"));
        // A delta that the adapter does not know has no place in the answer.
        let mut request = asked();
        request["max_tokens"] = 9.into();
        let mut lossy = call(request, "text/event-stream", ANTHROPIC_STREAM);
        lossy.path = "/v1/messages".to_owned();
        assert_eq!(check(&lossy).await, Outcome::Passed);
        lossy.body = ANTHROPIC_STREAM.replace("text_delta", "new_delta").into();
        let reason = reason(check(&lossy).await);
        assert!(reason.starts_with("the answer of the stream differs at /content/1"), "{reason}");
    }

    #[tokio::test]
    async fn a_custom_tool_call_in_pieces_passes() {
        let piece = |call: Value| {
            let choice = json!({"index": 0, "delta": {"tool_calls": [call]}});
            format!("data: {}\n\n", json!({"id": "1", "model": "m", "choices": [choice]}))
        };
        let custom = json!({"index": 0, "id": "a", "type": "custom",
            "custom": {"name": "c", "input": "x"}});
        let more = json!({"index": 0, "custom": {"input": "y"}, "new": 1});
        let body = piece(custom) + &piece(more) + STREAM;
        assert_eq!(check(&call(asked(), "text/event-stream", body)).await, Outcome::Passed);
    }

    #[tokio::test]
    async fn unknown_fields_of_a_choice_pass() {
        let report = |field: &str, level: &str| {
            let results = json!({"hate": {field: level}});
            let choice = json!({"index": 0, "delta": {}, "finish_reason": null,
                "content_filter_results": results});
            format!("data: {}\n\n", json!({"id": "1", "model": "m", "choices": [choice]}))
        };
        let stream = STREAM.replace("[DONE]", "{}").replace("data: {}\n\n", "");
        let stop = "\"finish_reason\":\"stop\"";
        let stream = stream.replace(stop, &format!("{stop},\"content_filter_results\":{{}}"));
        let body = report("severity", "low") + &stream + &report("filtered", "no");
        assert_eq!(check(&call(asked(), "text/event-stream", body)).await, Outcome::Passed);
    }

    #[tokio::test]
    async fn a_stream_that_broke_off_ends_in_an_error() {
        let mut broken = call(asked(), "text/event-stream", STREAM);
        broken.end = End::Reset;
        let whole = reason(check(&broken).await);
        assert!(whole.ends_with("does not end in an error"), "{whole}");
        broken.body = STREAM.split_inclusive("\n\n").next().unwrap().into();
        assert_eq!(check(&broken).await, Outcome::Passed);
    }

    #[tokio::test]
    async fn other_spellings_of_a_stream_pass() {
        let asked = || {
            let mut request = asked();
            request["stream"] = true.into();
            request
        };
        for body in [STREAM.replace('\n', "\r\n"), STREAM.replace("data: ", "data:")] {
            let found = check(&call(asked(), "text/event-stream", body)).await;
            assert_eq!(found, Outcome::Passed);
        }
        assert_eq!(by_event("data: a\r\n\r\ndata: b\n\n").len(), 3);
        assert_eq!(without_space("data: {\"a\": 1}\n"), "data:{\"a\": 1}\n");
    }

    /// Each choice is put together by itself, in whatever order their pieces come.
    #[tokio::test]
    async fn several_choices_pass() {
        let piece = |index: u32, text: &str| {
            let choice = json!({"index": index, "delta": {"content": text}});
            format!("data: {}\n\n", json!({"id": "1", "model": "m", "choices": [choice]}))
        };
        let stop = |index: u32| {
            let choice = json!({"index": index, "delta": {}, "finish_reason": "stop"});
            format!("data: {}\n\n", json!({"id": "1", "model": "m", "choices": [choice]}))
        };
        let said = piece(1, "b") + &piece(0, "a") + &piece(1, "d") + &piece(0, "c");
        let body = said + &stop(1) + &stop(0) + "data: [DONE]\n\n";
        let mut request = asked();
        (request["stream"], request["n"]) = (true.into(), 2.into());
        assert_eq!(check(&call(request, "text/event-stream", body)).await, Outcome::Passed);
    }

    /// A kept answer is an answer, though nothing is asked for it.
    #[tokio::test]
    async fn an_answer_that_is_fetched_is_checked() {
        let body =
            r#"{"id":"resp_1","object":"response","status":"completed","model":"m","output":[]}"#;
        let mut fetched = call(Value::Null, "application/json", body);
        (fetched.method, fetched.path) = ("GET".to_owned(), "/v1/responses/resp_1".to_owned());
        assert_eq!(check(&fetched).await, Outcome::Passed);
        fetched.body = "{}".into();
        assert!(matches!(check(&fetched).await, Outcome::Failed(_)));
        fetched.path = "/v1/files/file-1".to_owned();
        assert_eq!(check(&fetched).await, Outcome::Skipped);
    }
}
