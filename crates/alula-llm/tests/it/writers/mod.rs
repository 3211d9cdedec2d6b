//! Answers written as streams.

mod cross;
mod errors;
mod openai;
mod property;
mod shapes;

use alula_llm::{ChatEvent, ChatResponse, ChatStream, Error, StreamOptions, model::Protocol};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use serde_json::Value;

pub(crate) const PROTOCOLS: [Protocol; 5] = [
    Protocol::OpenAiChat,
    Protocol::AnthropicMessages,
    Protocol::OpenAiResponses,
    Protocol::GeminiGenerate,
    Protocol::CohereChat,
];

pub(crate) fn options() -> StreamOptions {
    StreamOptions::default().include_usage(true).id("id").model("m").created(7)
}

/// The whole stream that these events make.
pub(crate) fn write(protocol: Protocol, options: StreamOptions, events: &[ChatEvent]) -> String {
    let mut writer = protocol.stream_writer(options);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.event(event, &mut out));
    writer.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// The data of each event.
pub(crate) fn data(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|it| *it != "[DONE]").map(|it| serde_json::from_str(it).unwrap()).collect()
}

pub(crate) async fn read(protocol: Protocol, stream: &str) -> Result<ChatResponse, Error> {
    decode(protocol, stream).accumulate().await
}

pub(crate) async fn read_events(protocol: Protocol, stream: &str) -> Result<Vec<ChatEvent>, Error> {
    decode(protocol, stream).try_collect().await
}

fn decode(protocol: Protocol, stream: &str) -> ChatStream {
    let bytes = Bytes::copy_from_slice(stream.as_bytes());
    protocol.decode_stream(stream::iter([Ok::<_, std::io::Error>(bytes)]))
}

pub(crate) fn start(origin: Option<Protocol>, extra: Value) -> ChatEvent {
    let extra = extra.as_object().unwrap().clone();
    ChatEvent::Start { id: "a".to_owned(), model: "m-1".to_owned(), origin, extra }
}

pub(crate) fn text(part: u32, text: &str) -> ChatEvent {
    ChatEvent::Text { choice: 0, part, text: text.to_owned() }
}

pub(crate) fn call(part: u32, index: u32, name: &str) -> ChatEvent {
    let id = format!("call_{name}");
    let name = name.to_owned();
    ChatEvent::ToolCallStart { choice: 0, part, index, id, name, extra: Default::default() }
}

pub(crate) fn arguments(part: u32, index: u32, arguments: &str) -> ChatEvent {
    ChatEvent::ToolCallArguments { choice: 0, part, index, arguments: arguments.to_owned() }
}
