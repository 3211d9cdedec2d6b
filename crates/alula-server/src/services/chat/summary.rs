//! What a model answered, and how.

use alula_llm::{ChatResponse, StopReason, model::Usage as LlmUsage};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::tools::{Made, Wanted},
    documents::{Citation, FromDocuments},
};

/// What a model answered.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChatAnswer {
    /// The text of the answer.
    pub(super) response: String,
    /// How the answer came about.
    #[serde(flatten)]
    pub(super) summary: Summary,
}

impl ChatAnswer {
    /// Whether documents were asked, and have an answer.
    pub(crate) fn is_in_documents(&self) -> bool {
        self.summary.documents.as_ref().is_some_and(|documents| documents.is_in_documents)
    }

    pub(crate) fn text(&self) -> &str {
        &self.response
    }

    /// What it cites of documents, in the order in which it does.
    pub(crate) fn citations(&self) -> &[Citation] {
        self.summary.documents.as_ref().map_or(&[], |documents| &documents.citations)
    }
}

/// The conversation that an answer belongs to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InConversation {
    /// Its id.
    pub(super) conversation_id: String,
    /// How many messages of its history the model did not get, as they did not fit.
    pub(super) history_left_out: usize,
    /// Whether the message and its answer are part of it now. The answer has been paid for, so it
    /// is given also when it cannot be kept.
    pub(super) is_kept: bool,
}

/// How an answer came about.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// The model that answered.
    pub(super) model: String,
    /// All tokens of the call; `null` if the provider did not count them.
    tokens_used: Option<u64>,
    /// The tokens of the call by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    /// Why the model stopped: `end`, `max_tokens`, `tool_calls`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<String>,
    /// The tools that the model wants to be called or, with `mcp_servers`, those that were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
    /// What the model thought before it answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning: String,
    #[serde(flatten)]
    pub(crate) documents: Option<FromDocuments>,
    #[serde(flatten)]
    pub(super) conversation: Option<InConversation>,
}

/// Tokens by kind.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Usage {
    /// Tokens of the prompt.
    input_tokens: u64,
    /// Tokens of the answer.
    output_tokens: u64,
    /// Both together.
    total_tokens: u64,
    /// Tokens of the prompt that came from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_tokens: Option<u64>,
    /// Tokens of the prompt that were put into a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
    /// Tokens of the answer that were reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
}

/// A tool that the model wants to be called or, if it has a `result`, that was.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct ToolCall {
    /// The id that the result must name.
    id: String,
    /// The name of the tool.
    name: String,
    /// The arguments, as the model wrote them: JSON, unless it made a mistake.
    arguments: String,
    /// The MCP server that the tool is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// What the model read of what the tool gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// Whether the tool failed; the result says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_error: Option<bool>,
}

impl From<&Wanted> for ToolCall {
    fn from(wanted: &Wanted) -> Self {
        Self {
            id: wanted.call.id.clone(),
            name: wanted.tool.clone(),
            arguments: wanted.call.arguments.clone(),
            server: wanted.server.as_deref().map(str::to_owned),
            ..Self::default()
        }
    }
}

impl From<&Made> for ToolCall {
    fn from(made: &Made) -> Self {
        Self {
            result: Some(made.result.clone()),
            is_error: Some(made.is_error),
            ..Self::from(&made.wanted)
        }
    }
}

impl From<&LlmUsage> for Usage {
    fn from(usage: &LlmUsage) -> Self {
        Self {
            input_tokens: usage.input,
            output_tokens: usage.output,
            total_tokens: usage.total(),
            cache_read_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write,
            reasoning_tokens: usage.reasoning,
        }
    }
}

impl From<&ChatResponse> for Summary {
    fn from(response: &ChatResponse) -> Self {
        let tool_call = |call: &alula_llm::model::ToolCall| ToolCall {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            ..ToolCall::default()
        };
        Self {
            model: response.model.clone(),
            tokens_used: response.usage.as_ref().map(LlmUsage::total),
            usage: response.usage.as_ref().map(Usage::from),
            stop_reason: response.stop().map(stop_reason),
            tool_calls: response.tool_calls().map(tool_call).collect(),
            reasoning: response.message().map(|message| message.reasoning()).unwrap_or_default(),
            documents: None,
            conversation: None,
        }
    }
}

impl Summary {
    /// The same, with the calls that were made before the answer.
    pub(super) fn after(mut self, made: &[Made]) -> Self {
        let made = made.iter().map(ToolCall::from);
        self.tool_calls = made.chain(self.tool_calls).collect();
        self
    }

    /// That of an answer without a model, which this one would have given.
    pub(super) fn without_call(model: String) -> Self {
        Self {
            model,
            tokens_used: Some(0),
            usage: Some(Usage::from(&LlmUsage::default())),
            stop_reason: Some(stop_reason(&StopReason::End)),
            tool_calls: Vec::new(),
            reasoning: String::new(),
            documents: None,
            conversation: None,
        }
    }
}

fn stop_reason(reason: &StopReason) -> String {
    let text = match reason {
        StopReason::End => "end",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ToolCalls => "tool_calls",
        StopReason::ContentFilter => "content_filter",
        StopReason::Refusal => "refusal",
        StopReason::Pause => "pause",
        StopReason::Other(other) => other,
        _ => "other",
    };
    text.to_owned()
}
