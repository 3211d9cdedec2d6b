//! The one model of requests, answers and stream events that every provider speaks.
//!
//! It loses nothing: what a provider sends and the model does not name stays in an `extra` map,
//! or in an opaque variant, and is written back where it was. Extra fields belong to one wire
//! format, so each container says in `origin` whose they are; a provider of another format
//! does not send them.

mod accumulator;
mod count;
mod embed;
mod event;
pub(crate) mod fields;
mod media;
mod message;
mod part;
mod request;
mod response;
mod tool;
mod vectors;

use std::{error::Error as StdError, fmt};

use bytes::Bytes;
use futures_util::Stream;
use serde_json::Value;

use crate::{
    ChatStream, Error, Result,
    providers::{StreamOptions, StreamWriter, anthropic, cohere, gemini, openai, openai_responses},
};

pub use accumulator::Accumulator;
pub(crate) use accumulator::merge_fields;
pub use count::TokenCount;
pub use embed::{
    EmbedContent, EmbedInput, EmbedProtocol, EmbedRequest, EmbedResponse, Encoding, Purpose,
};
pub use event::ChatEvent;
pub use media::{Media, Source};
pub use message::{Message, Role};
pub use part::{Citation, Part, Reasoning, RedactedReasoning, Refusal, Text, ToolCall, ToolResult};
pub use request::{ChatRequest, ResponseFormat, Thinking};
pub use response::{ChatResponse, Choice, StopReason, Usage};
pub use tool::{FunctionTool, Tool, ToolChoice};
pub use vectors::Vectors;

/// Fields that the model does not name, as JSON.
pub type Extra = serde_json::Map<String, Value>;

/// A wire format, named after the API that made it.
///
/// ```
/// use alula_llm::model::Protocol;
/// use serde_json::json;
///
/// let body = json!({"model": "x", "messages": [{"role": "user", "content": "Hi"}]});
/// let request = Protocol::OpenAiChat.request_from_json(body)?;
/// let body = Protocol::GeminiGenerate.request_to_json(&request, false)?;
/// assert_eq!(body["contents"][0]["parts"][0]["text"], "Hi");
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// OpenAI's `/v1/chat/completions`, and everything compatible with it.
    OpenAiChat,
    /// Anthropic's `/v1/messages`.
    AnthropicMessages,
    /// OpenAI's `/v1/responses`, and everything compatible with it.
    OpenAiResponses,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    GeminiGenerate,
    /// Cohere's `/v2/chat`.
    CohereChat,
}

impl Protocol {
    /// Reads a request that is written in this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the body is no such
    /// request; the message says where.
    pub fn request_from_json(self, body: Value) -> Result<ChatRequest> {
        match self {
            Self::OpenAiChat => openai::request_from_json(body),
            Self::AnthropicMessages => anthropic::request_from_json(body),
            Self::OpenAiResponses => openai_responses::request_from_json(body),
            Self::GeminiGenerate => gemini::request_from_json(body),
            Self::CohereChat => cohere::request_from_json(body),
        }
    }

    /// Writes a request in this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the format cannot say
    /// what the request asks for.
    pub fn request_to_json(self, request: &ChatRequest, stream: bool) -> Result<Value> {
        match self {
            Self::OpenAiChat => openai::request_to_json(request, stream),
            Self::AnthropicMessages => anthropic::request_to_json(request, stream),
            Self::OpenAiResponses => openai_responses::request_to_json(request, stream),
            Self::GeminiGenerate => gemini::request_to_json(request, stream),
            Self::CohereChat => cohere::request_to_json(request, stream),
        }
    }

    /// Reads an answer that is written in this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the body is no such answer.
    pub fn response_from_json(self, body: Value) -> Result<ChatResponse> {
        match self {
            Self::OpenAiChat => openai::response_from_json(body),
            Self::AnthropicMessages => anthropic::response_from_json(body),
            Self::OpenAiResponses => openai_responses::response_from_json(body),
            Self::GeminiGenerate => gemini::response_from_json(body),
            Self::CohereChat => cohere::response_from_json(body),
        }
    }

    /// Writes an answer in this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the answer holds what
    /// the format cannot say.
    pub fn response_to_json(self, response: &ChatResponse) -> Result<Value> {
        match self {
            Self::OpenAiChat => openai::response_to_json(response),
            Self::AnthropicMessages => anthropic::response_to_json(response),
            Self::OpenAiResponses => openai_responses::response_to_json(response),
            Self::GeminiGenerate => gemini::response_to_json(response),
            Self::CohereChat => cohere::response_to_json(response),
        }
    }

    /// Decodes the bytes of a streamed answer in this format, from wherever they come.
    pub fn decode_stream<E: StdError + Send + Sync + 'static>(
        self,
        bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> ChatStream {
        match self {
            Self::OpenAiChat => openai::decode_stream(bytes),
            Self::AnthropicMessages => anthropic::decode_stream(bytes),
            Self::OpenAiResponses => openai_responses::decode_stream(bytes),
            Self::GeminiGenerate => gemini::decode_stream(bytes),
            Self::CohereChat => cohere::decode_stream(bytes),
        }
    }

    /// Starts to write a streamed answer in this format.
    pub fn stream_writer(self, options: StreamOptions) -> StreamWriter {
        StreamWriter::of(self, options)
    }

    /// Writes an error in this format, as a server tells it to its own client: the HTTP status
    /// and the body.
    ///
    /// See [`Error::public_status`] for who is told what. How long to wait is in
    /// [`Error::retry_after`].
    pub fn error_to_json(self, error: &Error) -> (u16, Value) {
        match self {
            Self::OpenAiChat | Self::OpenAiResponses => openai::error_to_json(error),
            Self::AnthropicMessages => anthropic::error_to_json(error),
            Self::GeminiGenerate => gemini::error_to_json(error),
            Self::CohereChat => cohere::error_to_json(error),
        }
    }

    /// The field of a request that must hold the conversation, if there is one.
    pub(crate) fn messages_field(self) -> Option<&'static str> {
        match self {
            Self::OpenAiChat | Self::AnthropicMessages | Self::CohereChat => Some("messages"),
            Self::OpenAiResponses => None,
            Self::GeminiGenerate => Some("contents"),
        }
    }

    /// Whether fields of `origin` may be sent in this format; those written by hand always may.
    pub(crate) fn accepts(self, origin: Option<Self>) -> bool {
        origin.is_none_or(|origin| origin == self)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenAiChat => "OpenAI chat completions",
            Self::AnthropicMessages => "Anthropic messages",
            Self::OpenAiResponses => "OpenAI responses",
            Self::GeminiGenerate => "Gemini generateContent",
            Self::CohereChat => "Cohere chat",
        })
    }
}
