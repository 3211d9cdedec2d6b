//! Answers of providers that speak another protocol than the client.

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};

use super::{
    RelayChunk, RelayRequest, RelayResponse, RelayStream,
    ending::{SharedWriter, lock},
};
use crate::{
    ChatRequest, ChatResponse, ChatStream, Error, ErrorKind, Result, StreamOptions, Usage,
    model::{Protocol, ResponseFormat, fields::Fields},
};

/// Writes an answer in the protocol of its request.
pub(crate) fn response(request: &RelayRequest, mut answer: ChatResponse) -> Result<RelayResponse> {
    let protocol = request.protocol();
    let is_counted = answer.usage.is_some();
    if !is_counted && protocol == Protocol::AnthropicMessages {
        // Its clients demand a usage. As in a stream, the prompt is estimated.
        let input = request.chat().map_or(0, ChatRequest::estimate_tokens);
        answer.usage = Some(Usage { input, ..Usage::default() });
    }
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
        body.entry(name).or_insert_with(|| StreamOptions::default().created_or_now().into());
    }
    let ChatResponse { id, model, usage, mut extra, .. } = answer;
    let service_tier = extra.take_string("service_tier");
    let usage = usage.filter(|_| is_counted);
    let body = body.to_string().into();
    Ok(RelayResponse { body, id, model, usage, service_tier, is_cached: false })
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
    let is_fragile = request.chat().is_ok_and(is_fragile);
    let translation = Translation { events, writer: writer.clone(), events_seen: 0, is_fragile };
    let chunks = stream::unfold(Some(translation), |translation| async {
        let mut translation = translation?;
        let (chunk, is_last) = translation.next().await;
        Some((chunk, (!is_last).then_some(translation)))
    });
    RelayStream::new(chunks).with_protocol(protocol).written(writer)
}

/// Whether an answer may hold what a program reads, of which no piece may be missing.
fn is_fragile(request: &ChatRequest) -> bool {
    let is_text = matches!(request.response_format, None | Some(ResponseFormat::Text));
    !request.tools.is_empty() || !is_text
}

/// A stream on its way from one protocol to another.
struct Translation {
    events: ChatStream,
    writer: SharedWriter,
    events_seen: u64,
    is_fragile: bool,
}

impl Translation {
    /// The next chunk, and whether it is the last.
    async fn next(&mut self) -> (Result<RelayChunk>, bool) {
        let mut bytes = Vec::new();
        loop {
            match self.events.next().await {
                Some(Ok(event)) => {
                    self.events_seen += 1;
                    lock(&self.writer, |writer| writer.event(&event, &mut bytes));
                    return (Ok(RelayChunk::new(bytes, vec![event])), false);
                }
                // There are no bytes of it to pass on, and nobody knows what it would have said.
                Some(Err(error)) if *error.kind() == ErrorKind::Decode => {
                    tracing::warn!(%error, "a malformed event is missing from a translated stream");
                    if self.is_fragile {
                        return (Err(self.broken(error)), true);
                    }
                }
                Some(Err(error)) => return (Err(error), true),
                None => {
                    lock(&self.writer, |writer| writer.finish(&mut bytes));
                    return (Ok(RelayChunk::new(bytes, Vec::new())), true);
                }
            }
        }
    }

    fn broken(&self, error: Error) -> Error {
        let kind = ErrorKind::Stream { events_seen: self.events_seen };
        let broken =
            Error::new(kind, format!("a piece of the answer is lost: {}", error.message()));
        let broken = match error.provider() {
            Some(provider) => broken.with_provider(provider),
            None => broken,
        };
        broken.with_source(error)
    }
}
