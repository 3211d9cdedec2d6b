//! Whether a stream that is written again is the same answer.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::differences_in;
use crate::{Accumulator, ChatEvent, ChatResponse, StreamOptions, model::Protocol};

/// Writes the events of an answer in its own format and reads them again.
pub(super) async fn check(
    protocol: Protocol,
    events: &[ChatEvent],
    answer: &ChatResponse,
) -> Result<(), String> {
    let written = write(protocol, events)?;
    let again = read(protocol, written).await?;
    if again == *answer {
        return Ok(());
    }
    // What is left to be different is the order of text and calls where the format has no word
    // for it.
    let json = |answer: &ChatResponse| {
        let written = protocol.response_to_json(answer);
        written.map_err(|error| format!("the answer of the written stream: {error}"))
    };
    differences_in("the answer of the written stream", &json(answer)?, &json(&again)?)
}

/// The bytes of each event.
fn write(protocol: Protocol, events: &[ChatEvent]) -> Result<Vec<Bytes>, String> {
    let mut writer = protocol.stream_writer(StreamOptions::default().include_usage(true));
    let mut written = Vec::with_capacity(events.len() + 1);
    for event in events {
        let mut bytes = Vec::new();
        writer.event(event, &mut bytes);
        if !bytes.is_empty() && !bytes.ends_with(b"\n\n") {
            return Err(format!("{event:?} is not written as whole events"));
        }
        written.push(Bytes::from(bytes));
    }
    let mut bytes = Vec::new();
    writer.finish(&mut bytes);
    written.push(Bytes::from(bytes));
    Ok(written)
}

async fn read(protocol: Protocol, written: Vec<Bytes>) -> Result<ChatResponse, String> {
    let bytes = stream::iter(written.into_iter().map(Ok::<_, std::io::Error>));
    let mut events = protocol.decode_stream(bytes);
    let mut answer = Accumulator::new();
    while let Some(event) = events.next().await {
        answer.push(event.map_err(|error| format!("the written stream cannot be read: {error}"))?);
    }
    Ok(answer.finish())
}
