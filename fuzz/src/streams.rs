//! Streamed answers of providers: where the bytes are split makes no difference, neither to who
//! reads them nor to who passes them on.

use std::convert::Infallible;

use alula_llm::{__fuzz, ChatEvent, Error, ErrorKind, Result, StreamOptions, model::Protocol};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::runtime::{Builder, Runtime};

use crate::answers::PROTOCOLS;

/// The first byte names the protocol, the second says how the rest is split.
pub fn run(data: &[u8]) {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    }
    let [protocol, size, bytes @ ..] = data else { return };
    let protocol = PROTOCOLS[usize::from(*protocol) % PROTOCOLS.len()];
    let size = usize::from(*size) % 16 + 1;
    RUNTIME.with(|runtime| runtime.block_on(check(protocol, bytes, size)));
}

async fn check(protocol: Protocol, bytes: &[u8], size: usize) {
    let whole = read(protocol, bytes, bytes.len()).await;
    assert_eq!(plain(&whole), plain(&read(protocol, bytes, size).await));
    assert_eq!(plain(&whole), plain(&read(protocol, bytes, 1).await));
    for wants_usage in [true, false] {
        let whole = pass(protocol, bytes, bytes.len(), wants_usage).await;
        assert_eq!(whole, pass(protocol, bytes, size, wants_usage).await);
        assert_eq!(whole, pass(protocol, bytes, 1, wants_usage).await);
    }
    let events: Vec<_> = whole.into_iter().flatten().collect();
    for other in PROTOCOLS {
        write(other, &events).await;
    }
}

/// The bytes in pieces of this size.
fn pieces(
    bytes: &[u8],
    size: usize,
) -> impl stream::Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let pieces: Vec<_> = bytes.chunks(size.max(1)).map(Bytes::copy_from_slice).map(Ok).collect();
    stream::iter(pieces)
}

async fn read(protocol: Protocol, bytes: &[u8], size: usize) -> Vec<Result<ChatEvent>> {
    protocol.decode_stream(pieces(bytes, size)).collect().await
}

/// The bytes that were passed on, the events that were seen on the way, and how it ended.
async fn pass(
    protocol: Protocol,
    bytes: &[u8],
    size: usize,
    wants_usage: bool,
) -> (Vec<u8>, Vec<ChatEvent>, Option<String>) {
    let mut stream = __fuzz::pass(protocol, pieces(bytes, size), wants_usage);
    let (mut passed, mut events) = (Vec::new(), Vec::new());
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => {
                passed.extend_from_slice(&chunk.bytes);
                events.extend(chunk.events);
            }
            Err(error) => {
                assert!(!stream.failure(&error).is_empty());
                return (passed, events, Some(said(&error)));
            }
        }
    }
    (passed, events, None)
}

/// Writes the events, and reads what was written.
async fn write(protocol: Protocol, events: &[ChatEvent]) {
    let mut writer = protocol.stream_writer(StreamOptions::default().include_usage(true));
    let mut bytes = Vec::new();
    events.iter().for_each(|event| writer.event(event, &mut bytes));
    writer.finish(&mut bytes);
    for event in read(protocol, &bytes, bytes.len()).await {
        let is_broken = |error: &Error| matches!(error.kind(), ErrorKind::Decode);
        assert!(!event.as_ref().is_err_and(is_broken), "{protocol}: {event:?}");
    }
}

/// What can be compared.
fn plain(events: &[Result<ChatEvent>]) -> Vec<std::result::Result<&ChatEvent, String>> {
    events.iter().map(|event| event.as_ref().map_err(said)).collect()
}

fn said(error: &Error) -> String {
    format!("{:?}: {}", error.kind(), error.message())
}
