//! What a turn says, in the words of the protocol that is asked.

use memchr::memmem;
use serde_json::{Value, json};

use super::{
    Fault,
    api::{Api, Asked, Family},
    frames::{self, Frames},
    turn::Written,
};
use crate::{
    Accumulator, ChatEvent, EmbedResponse, Error, ErrorKind, Result, StreamOptions, TokenCount,
    model::{Extra, Protocol, Vectors},
};

/// When all answers were made, in seconds since 1970: tests compare them.
const CREATED: u64 = 1_700_000_000;

/// The body of the answer.
pub(super) fn frames(turn: &Written, asked: &Asked, number: usize) -> Result<Frames> {
    let body = match asked.api {
        Api::Chat(protocol) if asked.stream => {
            return Ok(stream(turn, protocol, asked, number));
        }
        Api::Chat(protocol) => {
            let mut answer = Accumulator::new();
            let events = events(turn, protocol, &asked.model, number);
            events.into_iter().for_each(|(event, _)| answer.push(event));
            protocol.response_to_json(&answer.finish())?
        }
        Api::Embeddings(protocol) => {
            let mut answer = embeddings(turn, &asked.model)?;
            (answer.encoding, answer.single) = (Some(asked.encoding), asked.single);
            return Ok(Frames::whole(protocol.response_to_vec(&answer)?));
        }
        Api::CountTokens(protocol) => {
            protocol.count_to_json(&TokenCount::exact(turn.tokens.unwrap_or_default()))?
        }
    };
    Ok(Frames::json(&body))
}

/// An event of an answer, and whether it ends a piece of the turn.
pub(super) type Piece = (ChatEvent, bool);

/// The events of the answer.
pub(super) fn events(turn: &Written, protocol: Protocol, model: &str, number: usize) -> Vec<Piece> {
    let model = turn.model.as_deref().unwrap_or(model).to_owned();
    let id = format!("fake-{number}");
    let start = ChatEvent::Start { id, model, origin: None, extra: Extra::new() };
    let mut events = vec![(start, false)];
    for piece in &turn.pieces {
        if turn.faults.contains(&Fault::Pings) {
            events.push((ChatEvent::Ping, false));
        }
        // Only with its arguments a call is one.
        events.push((piece.clone(), !matches!(piece, ChatEvent::ToolCallStart { .. })));
    }
    for fault in &turn.faults {
        if let Fault::HugeLine(bytes) = fault {
            let part = turn.parts.saturating_sub(1);
            events.push((ChatEvent::Text { choice: 0, part, text: "x".repeat(*bytes) }, true));
        }
    }
    let (reason, sequence) = turn.stop(protocol);
    events.push((ChatEvent::Stop { choice: 0, reason, sequence, extra: Extra::new() }, false));
    events.extend(turn.usage.clone().map(|usage| (ChatEvent::Usage(usage), false)));
    events
}

fn stream(turn: &Written, protocol: Protocol, asked: &Asked, number: usize) -> Frames {
    let mut options = StreamOptions::default().created(CREATED).include_usage(asked.include_usage);
    options.input_tokens = turn.usage.as_ref().map(|usage| usage.input);
    let mut writer = protocol.stream_writer(options);
    let mut frames = Frames::stream();
    let error = turn.error_after();
    let mut pieces = 0;
    for (event, piece) in events(turn, protocol, &asked.model, number) {
        let begins = matches!(event, ChatEvent::Start { .. });
        if !begins && error.is_some_and(|(after, _)| after == pieces) {
            break;
        }
        let mut bytes = Vec::new();
        writer.event(&event, &mut bytes);
        let empty = turn.faults.contains(&Fault::EmptyChunks).then(|| without_text(&bytes, &event));
        frames.push(bytes, piece);
        frames.push(empty.flatten().unwrap_or_default(), false);
        pieces += usize::from(piece);
    }
    let mut end = Vec::new();
    if let Some((_, kind)) = error {
        writer.error(&known_error(kind.clone(), protocol), &mut end);
    } else if !turn.faults.contains(&Fault::NoDone) {
        writer.finish(&mut end);
    }
    frames.push(end, false);
    frames
}

/// The last server-sent event of a piece, without its text; the protocols do not write one.
fn without_text(bytes: &[u8], piece: &ChatEvent) -> Option<Vec<u8>> {
    let (ChatEvent::Text { text, .. }
    | ChatEvent::Reasoning { text, .. }
    | ChatEvent::Refusal { text, .. }
    | ChatEvent::ToolCallArguments { arguments: text, .. }) = piece
    else {
        return None;
    };
    let text = Value::from(text.as_str()).to_string();
    let last = frames::last_event(bytes);
    let start = memmem::rfind(last, text.as_bytes())?;
    let (before, rest) = last.split_at(start);
    Some([before, b"\"\"", rest.get(text.len()..)?].concat())
}

/// The status and the body by which a fault is an error.
pub(super) fn error(fault: &Fault, asked: &Asked) -> Option<(u16, Value)> {
    let protocol = asked.api.protocol();
    let error = match fault {
        Fault::ErrorAfter(_, kind) if !asked.stream => known_error(kind.clone(), protocol),
        Fault::Redirect(_) => return Some((307, Value::Null)),
        fault => fault.error(protocol)?,
    };
    let (status, body) = protocol.error_to_json(&error);
    let status = match fault {
        Fault::Error(ErrorKind::ContentFiltered) if protocol == Protocol::CohereChat => 498,
        Fault::ErrorInBody(_) | Fault::ErrorAfter(..) => 200,
        _ => error.status().unwrap_or(status),
    };
    Some((status, body))
}

/// An error in words by which the protocol's own users know it, where its code says too little.
pub(super) fn known_error(kind: ErrorKind, protocol: Protocol) -> Error {
    let message = match (&kind, protocol) {
        (ErrorKind::QuotaExceeded, Protocol::GeminiGenerate) => {
            "Your prepayment credits are depleted"
        }
        (ErrorKind::QuotaExceeded, Protocol::CohereChat) => {
            "You are past the limit of 1000 API calls / month"
        }
        (ErrorKind::QuotaExceeded, _) => "You exceeded your current quota",
        (ErrorKind::ContextTooLong, _) => "The prompt does not fit into the context of the model",
        (ErrorKind::ContentFiltered, _) => "The content policy does not allow this",
        (ErrorKind::RateLimited { .. }, _) => "Rate limit reached, try again later",
        (ErrorKind::Overloaded { .. }, _) => "Overloaded",
        (ErrorKind::Auth, _) => "Incorrect API key provided",
        (ErrorKind::NotFound, _) => "The model does not exist",
        (ErrorKind::InvalidRequest, _) => "A field of the request is not valid",
        _ => "The server had an error while it processed the request",
    };
    Error::new(kind, message)
}

/// The vectors of the turn.
pub(super) fn embeddings(turn: &Written, model: &str) -> Result<EmbedResponse> {
    let mut vectors = Vectors::new();
    for vector in turn.embeddings.iter().flatten() {
        vectors.push(vector)?;
    }
    Ok(EmbedResponse {
        model: turn.model.as_deref().unwrap_or(model).to_owned(),
        vectors,
        usage: turn.usage.clone(),
        ..EmbedResponse::default()
    })
}

/// The list of these models.
pub(super) fn models(names: &[String], family: Family) -> Value {
    let list = |entry: fn(&String) -> Value| names.iter().map(entry).collect::<Value>();
    match family {
        Family::OpenAi => json!({
            "object": "list",
            "data": list(|id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "fake"})),
        }),
        Family::Anthropic => json!({
            "data": list(|id| json!({"type": "model", "id": id, "display_name": id})),
            "has_more": false,
            "first_id": names.first(),
            "last_id": names.last(),
        }),
        Family::Gemini => json!({
            "models": list(|id| json!({"name": format!("models/{id}"), "displayName": id})),
        }),
        Family::Ollama => json!({"models": list(|id| json!({"name": id, "model": id}))}),
    }
}
