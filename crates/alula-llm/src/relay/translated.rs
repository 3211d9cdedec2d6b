//! Answers of providers that speak another protocol than the client.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{RelayChunk, RelayRequest, RelayResponse, RelayStream, ending::lock};
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
    let protocol = request.protocol();
    let writer = Arc::new(Mutex::new(protocol.stream_writer(options(request))));
    let writing = Some((events, writer.clone()));
    let chunks = stream::unfold(writing, |writing| async {
        let (mut events, writer) = writing?;
        let mut bytes = Vec::new();
        loop {
            match events.next().await {
                Some(Ok(event)) => {
                    lock(&writer, |writer| writer.event(&event, &mut bytes));
                    let chunk = RelayChunk::new(bytes, vec![event]);
                    return Some((Ok(chunk), Some((events, writer))));
                }
                // One malformed event of the provider; there are no bytes of it to pass on.
                Some(Err(error)) if *error.kind() == ErrorKind::Decode => {}
                Some(Err(error)) => return Some((Err(error), None)),
                None => {
                    lock(&writer, |writer| writer.finish(&mut bytes));
                    return Some((Ok(RelayChunk::new(bytes, Vec::new())), None));
                }
            }
        }
    });
    RelayStream::new(chunks).with_protocol(protocol).written(writer)
}
