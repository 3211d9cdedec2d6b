//! Answers of providers that speak another protocol than the client.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{RelayChunk, RelayRequest, RelayResponse, RelayStream};
use crate::{
    ChatResponse, ChatStream, Error, ErrorKind, Result, StreamOptions,
    model::{Protocol, fields::Fields},
};

/// Writes an answer in the protocol of its request.
pub(crate) fn response(request: &RelayRequest, answer: ChatResponse) -> Result<RelayResponse> {
    let protocol = request.protocol();
    let mut body = protocol.response_to_json(&answer).map_err(|error| {
        let message = format!("the answer cannot be written as {protocol}: {}", error.message());
        Error::new(ErrorKind::Decode, message)
    })?;
    let time = match protocol {
        Protocol::OpenAiChat => Some("created"),
        Protocol::OpenAiResponses => Some("created_at"),
        _ => None,
    };
    if let (Some(name), Some(body)) = (time, body.as_object_mut()) {
        body.entry(name).or_insert_with(now);
    }
    let ChatResponse { id, model, usage, mut extra, .. } = answer;
    let service_tier = extra.take_string("service_tier");
    let body = body.to_string().into();
    Ok(RelayResponse { body, id, model, usage, service_tier, is_cached: false })
}

/// The seconds since 1970.
fn now() -> Value {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().into()
}

fn options(request: &RelayRequest) -> StreamOptions {
    let options =
        StreamOptions::default().include_usage(request.wants_usage()).model(request.model());
    match (request.protocol(), request.chat()) {
        // It tells the tokens of the prompt first, and others count them last.
        (Protocol::AnthropicMessages, Ok(chat)) => options.input_tokens(chat.estimate_tokens()),
        _ => options,
    }
}

/// Writes the events of an answer in the protocol of its request.
pub(crate) fn stream(request: &RelayRequest, events: ChatStream) -> RelayStream {
    let writer = request.protocol().stream_writer(options(request));
    RelayStream::new(stream::unfold((events, Some(writer)), |(mut events, writer)| async {
        let mut writer = writer?;
        let mut bytes = Vec::new();
        loop {
            match events.next().await {
                Some(Ok(event)) => {
                    writer.event(&event, &mut bytes);
                    let chunk = RelayChunk::new(bytes, vec![event]);
                    return Some((Ok(chunk), (events, Some(writer))));
                }
                // One malformed event of the provider; there are no bytes of it to pass on.
                Some(Err(error)) if *error.kind() == ErrorKind::Decode => {}
                Some(Err(error)) => return Some((Err(error), (events, None))),
                None => {
                    writer.finish(&mut bytes);
                    let chunk = RelayChunk::new(bytes, Vec::new());
                    return Some((Ok(chunk), (events, None)));
                }
            }
        }
    }))
}
