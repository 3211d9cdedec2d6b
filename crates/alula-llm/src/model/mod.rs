//! The one model of requests, answers and stream events that every provider speaks.
//!
//! It loses nothing: what a provider sends and the model does not name stays in an `extra` map,
//! or in an opaque variant, and is written back where it was. Extra fields belong to one wire
//! format, so each container says in `origin` whose they are; a provider of another format
//! does not send them.

mod accumulator;
mod event;
pub(crate) mod fields;
mod media;
mod message;
mod request;
mod response;
mod tool;

use std::fmt;

use serde_json::Value;

use crate::{
    Result,
    providers::{anthropic, openai},
};

pub use accumulator::Accumulator;
pub use event::ChatEvent;
pub use media::{Media, Source};
pub use message::{
    Citation, Message, Part, Reasoning, RedactedReasoning, Refusal, Role, Text, ToolCall,
    ToolResult,
};
pub use request::{ChatRequest, ResponseFormat, Thinking};
pub use response::{ChatResponse, Choice, StopReason, Usage};
pub use tool::{FunctionTool, Tool, ToolChoice};

/// Fields that the model does not name, as JSON.
pub type Extra = serde_json::Map<String, Value>;

/// A wire format, named after the API that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// OpenAI's `/v1/chat/completions`, and everything compatible with it.
    OpenAiChat,
    /// Anthropic's `/v1/messages`.
    AnthropicMessages,
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
        })
    }
}
