//! From chat events to the bytes of a streamed answer.

mod order;

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use crate::{
    ChatEvent, Error, Part,
    model::{Protocol, Reasoning, Refusal, Text, ToolCall},
    providers::{anthropic, cohere, gemini, openai, openai_responses},
};

pub(super) use order::{Order, choice_of};

/// What a client wants of a streamed answer, and what to say where the answer itself does not.
///
/// ```
/// use alula_llm::{StreamOptions, model::Protocol};
///
/// let options = StreamOptions::default().include_usage(true);
/// let writer = Protocol::OpenAiChat.stream_writer(options);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StreamOptions {
    /// Whether the client asked for usage, where the format leaves the choice (OpenAI's
    /// `stream_options.include_usage`); the other formats always tell it.
    pub include_usage: bool,
    /// The id of an answer that has none; random if there is none here either.
    pub id: Option<String>,
    /// The model of an answer that names none.
    pub model: Option<String>,
    /// When the answer began, in seconds since 1970; now if it is not given.
    pub created: Option<u64>,
    /// The tokens of the prompt, perhaps estimated, for formats that state them before the
    /// provider has counted.
    pub input_tokens: Option<u64>,
}

/// Writes the events of an answer as the server-sent events of one wire format.
///
/// What a call appends are whole server-sent events, none or several, so that each can be sent at
/// once.
///
/// # What a format cannot say
///
/// An answer of the same format loses nothing. Of one from another format, text, tool calls with
/// their ids, reasoning, the reason to stop and the tokens are the same in all of them, and so
/// are sources with an address, apart from Anthropic and Cohere. What has no word is left out:
///
/// | format | left out, or said otherwise |
/// |---|---|
/// | all | unknown fields, seals of reasoning, tools that ran at the provider, and the stop text that came up, which only Anthropic tells |
/// | `OpenAiChat` | pictures; [`Pause`](crate::StopReason::Pause) is an end |
/// | `AnthropicMessages` | all answers but the first, probabilities, sources; a refusal is text |
/// | `OpenAiResponses` | all answers but the first; a picture is a generated one |
/// | `GeminiGenerate` | probabilities; a refusal is text; a call whose arguments are no JSON object ends the answer as `MALFORMED_FUNCTION_CALL` |
/// | `CohereChat` | all answers but the first, the model's name, probabilities, sources, pictures; a refusal is text |
///
/// Formats that say a call in one go get calls that were written at once one after the other.
/// Gemini's clients take no comments, so that [`Ping`](ChatEvent::Ping) is nothing there.
///
/// ```
/// use alula_llm::{ChatEvent, StreamOptions, model::Protocol};
///
/// let mut writer = Protocol::OpenAiChat.stream_writer(StreamOptions::default());
/// let mut bytes = Vec::new();
/// writer.event(&ChatEvent::Text { choice: 0, part: 0, text: "Hi".to_owned() }, &mut bytes);
/// writer.finish(&mut bytes);
/// assert!(bytes.ends_with(b"data: [DONE]\n\n"));
/// ```
#[derive(Debug)]
pub struct StreamWriter {
    writer: Box<dyn Writer>,
    ended: bool,
}

/// How one protocol writes a stream.
///
/// Of whole parts, only those come that have no events of their own.
pub(super) trait Writer: fmt::Debug + Send + Sync {
    fn event(&mut self, event: &ChatEvent, out: &mut Vec<u8>);
    fn error(&mut self, error: &Error, out: &mut Vec<u8>);
    fn finish(&mut self, out: &mut Vec<u8>);

    /// Gives the next event this number, where events have one.
    fn number(&mut self, next: u64) {
        let _ = next;
    }
}

impl StreamOptions {
    /// Sets whether the client asked for usage.
    #[must_use]
    pub fn include_usage(mut self, include_usage: bool) -> Self {
        self.include_usage = include_usage;
        self
    }

    /// Sets the id of an answer that has none.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the model of an answer that names none.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets when the answer began, in seconds since 1970.
    #[must_use]
    pub fn created(mut self, seconds: u64) -> Self {
        self.created = Some(seconds);
        self
    }

    /// Sets the tokens of the prompt, perhaps estimated.
    #[must_use]
    pub fn input_tokens(mut self, tokens: u64) -> Self {
        self.input_tokens = Some(tokens);
        self
    }

    /// The id, or a new one with this beginning.
    pub(super) fn id_or_new(&self, prefix: &str) -> String {
        let new = || format!("{prefix}{:032x}", fastrand::u128(..));
        self.id.clone().unwrap_or_else(new)
    }

    pub(crate) fn created_or_now(&self) -> u64 {
        self.created.unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
        })
    }
}

impl StreamWriter {
    pub(crate) fn of(protocol: Protocol, options: StreamOptions) -> Self {
        let writer: Box<dyn Writer> = match protocol {
            Protocol::OpenAiChat => Box::new(openai::Writer::new(options)),
            Protocol::AnthropicMessages => Box::new(anthropic::Writer::new(&options)),
            Protocol::GeminiGenerate => Box::new(gemini::Writer::new(&options)),
            Protocol::CohereChat => Box::new(cohere::Writer::new(&options)),
            Protocol::OpenAiResponses => Box::new(openai_responses::Writer::new(options)),
        };
        Self { writer, ended: false }
    }

    /// One that goes on where somebody else has begun so, and has numbered events up to this one.
    pub(crate) fn going_on(protocol: Protocol, start: Option<&ChatEvent>, next: u64) -> Self {
        let mut writer = Self::of(protocol, StreamOptions::default());
        if let Some(start) = start {
            writer.event(start, &mut Vec::new());
        }
        writer.writer.number(next);
        writer
    }

    /// Writes an event; after the end, nothing.
    pub fn event(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            ChatEvent::Part { choice, part, content } => match pieces(*choice, *part, content) {
                Some(pieces) => pieces.iter().for_each(|event| self.writer.event(event, out)),
                None => self.writer.event(event, out),
            },
            event => self.writer.event(event, out),
        }
    }

    /// Writes a failure that came after the stream began, in the format's own words for it.
    /// Nothing follows, so that the client cannot take the answer for a whole one.
    pub fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        if !self.ended {
            self.writer.error(error, out);
        }
        self.ended = true;
    }

    /// Writes the end of a complete answer.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.ended {
            self.writer.finish(out);
        }
        self.ended = true;
    }
}

/// The events that a whole part stands for; `None` if there are none for it.
fn pieces(choice: u32, part: u32, content: &Part) -> Option<Vec<ChatEvent>> {
    let mut events = Vec::new();
    let extra = match content {
        Part::Text(Text { text, citations, extra }) => {
            events.push(ChatEvent::Text { choice, part, text: text.clone() });
            let citations = citations.iter().cloned();
            events.extend(citations.map(|it| ChatEvent::Citation { choice, part, citation: it }));
            extra
        }
        Part::Reasoning(Reasoning { text, signature, field, extra }) => {
            let (text, field) = (text.clone(), field.clone());
            events.push(ChatEvent::Reasoning { choice, part, text, field });
            let signature = signature.iter().cloned();
            events.extend(signature.map(|it| ChatEvent::Signature { choice, part, signature: it }));
            extra
        }
        Part::Refusal(Refusal { text, extra }) => {
            events.push(ChatEvent::Refusal { choice, part, text: text.clone() });
            extra
        }
        Part::ToolCall(ToolCall { id, name, arguments, extra }) => {
            let index = part;
            let (id, name, extra) = (id.clone(), name.clone(), extra.clone());
            events.push(ChatEvent::ToolCallStart { choice, part, index, id, name, extra });
            let arguments = arguments.clone();
            events.push(ChatEvent::ToolCallArguments { choice, part, index, arguments });
            return Some(events);
        }
        _ => return None,
    };
    if !extra.is_empty() {
        let (choice, part, fields) = (Some(choice), Some(part), extra.clone());
        events.push(ChatEvent::Extra { choice, part, fields });
    }
    Some(events)
}

/// Writes a server-sent event, with a name unless that is empty.
pub(super) fn sse(name: &str, data: &impl Serialize, out: &mut Vec<u8>) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    json(data, out);
    out.extend_from_slice(b"\n\n");
}

/// Writes a comment, which keeps a quiet connection open.
pub(super) fn comment(out: &mut Vec<u8>) {
    out.extend_from_slice(b": ping\n\n");
}

/// Writes JSON, which never has a line break in it.
pub(super) fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    // It cannot fail: a vector takes every byte, and all keys are text.
    let _ = serde_json::to_writer(out, value);
}
