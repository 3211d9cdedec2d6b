//! Calls that are no chats: embeddings, and counts of tokens.

use serde_json::Value;

use super::differences_in;
use crate::model::{EmbedProtocol, Protocol};

/// Whose errors are those of a call for vectors.
pub(super) fn family(protocol: EmbedProtocol) -> Protocol {
    match protocol {
        EmbedProtocol::Gemini | EmbedProtocol::Vertex => Protocol::GeminiGenerate,
        EmbedProtocol::Cohere => Protocol::CohereChat,
        EmbedProtocol::OpenAi => Protocol::OpenAiChat,
    }
}

/// The request and the answer of a call for vectors.
pub(super) fn embed(
    protocol: EmbedProtocol,
    request: &Value,
    answer: Option<&[u8]>,
) -> Result<(), String> {
    let read = protocol.request_from_json(request.clone());
    let read = read.map_err(|error| format!("the request cannot be read: {error}"))?;
    let written = protocol.request_to_json(&read);
    let written = written.map_err(|error| format!("the request cannot be written: {error}"))?;
    differences_in("the request", request, &written)?;
    let Some(answer) = answer else { return Ok(()) };
    let read = protocol.response_from_slice(answer);
    let read = read.map_err(|error| format!("the answer cannot be read: {error}"))?;
    if read.vectors.is_empty() {
        return Err("the answer has no vectors".to_owned());
    }
    let written = protocol.response_to_vec(&read);
    let written = written.map_err(|error| format!("the answer cannot be written: {error}"))?;
    differences_in("the answer", &rounded(json(answer)?), &rounded(json(&written)?))
}

/// The request and the answer of a call that counts tokens.
pub(super) fn count(
    protocol: Protocol,
    request: &Value,
    answer: Option<&[u8]>,
) -> Result<(), String> {
    let read = protocol.count_request_from_json(request.clone());
    let read = read.map_err(|error| format!("the request cannot be read: {error}"))?;
    let written = protocol.count_request_to_json(&read);
    let written = written.map_err(|error| format!("the request cannot be written: {error}"))?;
    differences_in("the request", request, &written)?;
    let Some(answer) = answer else { return Ok(()) };
    let answer = json(answer)?;
    let read = protocol.count_from_json(answer.clone());
    let read = read.map_err(|error| format!("the answer cannot be read: {error}"))?;
    let written = protocol.count_to_json(&read);
    let written = written.map_err(|error| format!("the answer cannot be written: {error}"))?;
    differences_in("the answer", &answer, &written)
}

fn json(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))
}

/// The same with the numbers of vectors as exact as a vector holds them.
fn rounded(value: Value) -> Value {
    match value {
        Value::Array(list) if list.iter().all(Value::is_number) => {
            let number = |value: Value| match serde_json::from_value::<f32>(value) {
                Ok(number) => Value::from(number),
                Err(_) => Value::Null,
            };
            list.into_iter().map(number).collect()
        }
        Value::Array(list) => list.into_iter().map(rounded).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, rounded(value))).collect(),
        other => other,
    }
}
