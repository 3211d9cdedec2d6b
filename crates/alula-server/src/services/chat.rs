//! Chat as applications know it, over the model of `alula-llm`.

use alula::{Result, Scope, Validate};
use alula_llm::{
    Accumulator, ChatEvent, ChatResponse, ChatStream, Llm, Part, StopReason,
    model::Usage as LlmUsage,
};
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    admission::{Asking, Caller},
    conversations::{Conversations, Recording},
};
use crate::error::CallError;

/// A question to a model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "message": "What is an alula?" }]))]
#[validate(custom = has_a_message)]
#[validate(custom = a_conversation_has_a_message)]
pub(crate) struct ChatRequest {
    /// What to say to the model. Needed unless `options` has `messages` (Gemini: `contents`).
    #[serde(default)]
    #[schemars(length(min = 1, max = 1_000_000))]
    message: Option<String>,
    /// The model, perhaps as `provider/model`; the server's default if absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    model: Option<String>,
    /// Sampling temperature.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
    /// The longest answer, in tokens.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_tokens: Option<u64>,
    /// Instructions for the model.
    #[serde(default)]
    #[schemars(length(max = 1_000_000))]
    system_prompt: Option<String>,
    /// The conversation to go on with; see `POST /conversations`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    conversation_id: Option<String>,
    /// Fields of the provider's own API that go with the question as they are, such as `tools`,
    /// `tool_choice`, or `messages` for a whole conversation.
    #[serde(default)]
    options: Map<String, Value>,
    /// Where to send a webhook when the answer is there. Only `POST /chat` has it, and only with
    /// `Prefer: respond-async`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2048))]
    callback_url: Option<String>,
}

fn has_a_message(request: &ChatRequest) -> Result<(), &'static str> {
    let whole =
        ["messages", "contents", "input"].iter().any(|name| request.options.contains_key(*name));
    match request.message.is_some() || whole {
        true => Ok(()),
        false => Err("there is neither a message nor options.messages"),
    }
}

/// What a conversation keeps are texts, so all else would be forgotten by the next message.
fn a_conversation_has_a_message(request: &ChatRequest) -> Result<(), &'static str> {
    let names = ["messages", "contents", "input", "tools"];
    let has_other = names.iter().any(|name| request.options.contains_key(*name));
    match request.conversation_id.is_some() && (has_other || request.message.is_none()) {
        true => {
            Err("a conversation goes on with a message, without options.messages or options.tools")
        }
        false => Ok(()),
    }
}

impl ChatRequest {
    /// The next message of a conversation.
    pub(crate) fn in_conversation(
        id: String,
        message: String,
        model: Option<String>,
        temperature: Option<f64>,
        max_tokens: Option<u64>,
    ) -> Self {
        Self {
            message: Some(message),
            model,
            temperature,
            max_tokens,
            system_prompt: None,
            conversation_id: Some(id),
            options: Map::new(),
            callback_url: None,
        }
    }

    /// Where to send a webhook.
    pub(crate) fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }

    /// The request in the model of `alula-llm`.
    fn into_llm(self, llm: &Llm) -> Result<alula_llm::ChatRequest, CallError> {
        let model = self.model.unwrap_or_default();
        let mut request = llm.request_from_json(&model, self.options)?;
        if let Some(prompt) = self.system_prompt {
            request.messages.insert(0, alula_llm::Message::system(prompt));
        }
        if let Some(message) = self.message {
            request = request.user(message);
        }
        request.temperature = self.temperature.or(request.temperature);
        request.max_tokens = self.max_tokens.or(request.max_tokens);
        Ok(request)
    }
}

/// What a model answered.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChatAnswer {
    /// The text of the answer.
    response: String,
    /// How the answer came about.
    #[serde(flatten)]
    summary: Summary,
}

/// The conversation that an answer belongs to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InConversation {
    /// Its id.
    conversation_id: String,
    /// How many messages of its history the model did not get, as they did not fit.
    history_left_out: usize,
    /// Whether the message and its answer are part of it now. The answer has been paid for, so it
    /// is given also when it cannot be kept.
    is_kept: bool,
}

/// How an answer came about.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// The model that answered.
    model: String,
    /// All tokens of the call; `null` if the provider did not count them.
    tokens_used: Option<u64>,
    /// The tokens of the call by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    /// Why the model stopped: `end`, `max_tokens`, `tool_calls`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<String>,
    /// The tools that the model wants to be called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
    /// What the model thought before it answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning: String,
    #[serde(flatten)]
    conversation: Option<InConversation>,
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

/// A tool that the model wants to be called.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ToolCall {
    /// The id that the result must name.
    id: String,
    /// The name of the tool.
    name: String,
    /// The arguments, as the model wrote them: JSON, unless it made a mistake.
    arguments: String,
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
        };
        Self {
            model: response.model.clone(),
            tokens_used: response.usage.as_ref().map(LlmUsage::total),
            usage: response.usage.as_ref().map(Usage::from),
            stop_reason: response.stop().map(stop_reason),
            tool_calls: response.tool_calls().map(tool_call).collect(),
            reasoning: response.message().map(|message| message.reasoning()).unwrap_or_default(),
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

/// Asks a model and waits for the answer.
pub(crate) async fn ask(
    caller: &Caller,
    conversations: &Conversations,
    request: ChatRequest,
) -> Result<ChatAnswer, CallError> {
    let (request, recording) = prepared(caller, conversations, request).await?;
    let llm = caller.admit(Asking::Chat(&request)).await?;
    let response = llm.chat(request).await?;
    let text = said(&response);
    let mut summary = Summary::from(&response);
    if let Some(recording) = recording {
        recording.push(&text);
        recording.answered_by(&response.model);
        summary.conversation = Some(kept(&recording).await);
    }
    Ok(ChatAnswer { response: text, summary })
}

/// Finds what is wrong with a request without asking a provider.
pub(crate) async fn check(
    caller: &Caller,
    conversations: &Conversations,
    request: ChatRequest,
) -> Result<(), CallError> {
    prepared(caller, conversations, request).await.map(drop)
}

/// The request to make, with the history of its conversation, and where that goes on.
async fn prepared(
    caller: &Caller,
    conversations: &Conversations,
    mut request: ChatRequest,
) -> Result<(alula_llm::ChatRequest, Option<Recording>), CallError> {
    let Some(id) = request.conversation_id.take() else {
        return Ok((request.into_llm(&caller.models())?, None));
    };
    let resumed = conversations.resume(caller.owner(), &id, caller.origin()).await?;
    let conversation = &resumed.conversation;
    request.model = request.model.or_else(|| conversation.model.clone());
    request.system_prompt = request.system_prompt.or_else(|| conversation.system_prompt.clone());
    let question = request.message.clone().unwrap_or_default();
    let mut request = request.into_llm(&caller.models())?;
    let reads = caller.models().input_tokens_max(&request.model)?;
    let recording = resumed.recall(&mut request, question, reads);
    Ok((request, Some(recording)))
}

/// What the model said, be it that it will not.
fn said(response: &ChatResponse) -> String {
    let parts = response.message().into_iter().flat_map(|message| &message.parts);
    let texts = parts.filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        Part::Refusal(refusal) => Some(refusal.text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Keeps a turn, and says so.
async fn kept(recording: &Recording) -> InConversation {
    let is_kept = recording.keep().await;
    InConversation {
        conversation_id: recording.id().to_owned(),
        history_left_out: recording.left_out(),
        is_kept,
    }
}

/// A piece of an answer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// More text.
    Token(String),
    /// More reasoning.
    Reasoning(String),
    /// The end, and what it came to.
    End(Box<Summary>),
}

/// An answer that has begun.
#[derive(Debug)]
pub(crate) struct Answer {
    /// `None` after the end or a failure.
    events: Option<ChatStream>,
    so_far: Accumulator,
    recording: Option<Recording>,
}

impl Answer {
    /// Asks a model and waits for the first content, so that a failure before it is a status and
    /// not a broken stream.
    ///
    /// What there is of an answer that breaks off is kept at the end of the request.
    pub(crate) async fn begin(
        caller: &Caller,
        conversations: &Conversations,
        request: ChatRequest,
        scope: &Scope,
    ) -> Result<Self, CallError> {
        let (request, recording) = prepared(caller, conversations, request).await?;
        let llm = caller.admit(Asking::Stream(&request)).await?;
        let events = llm.stream(request).await?.ready().await?;
        if let Some(recording) = recording.clone() {
            scope.on_exit(move |_| async move { recording.keep_part().await });
        }
        Ok(Self { events: Some(events), so_far: Accumulator::new(), recording })
    }

    /// The next piece; nothing after the end or a failure.
    pub(crate) async fn next(&mut self) -> Option<Result<Piece, CallError>> {
        loop {
            match self.events.as_mut()?.next().await {
                Some(Ok(event)) => {
                    if let Some(piece) = self.take(event) {
                        return Some(Ok(piece));
                    }
                }
                Some(Err(error)) => {
                    self.events = None;
                    return Some(Err(error.into()));
                }
                None => {
                    self.events = None;
                    let mut summary = Summary::from(self.so_far.response());
                    if let Some(recording) = &self.recording {
                        summary.conversation = Some(kept(recording).await);
                    }
                    return Some(Ok(Piece::End(Box::new(summary))));
                }
            }
        }
    }

    /// Notes an event and returns what the client sees of it. Only the first answer is streamed.
    fn take(&mut self, event: ChatEvent) -> Option<Piece> {
        if let (ChatEvent::Start { model, .. }, Some(recording)) = (&event, &self.recording) {
            recording.answered_by(model);
        }
        let piece = match &event {
            ChatEvent::Text { choice: 0, text, .. }
            | ChatEvent::Refusal { choice: 0, text, .. }
                if !text.is_empty() =>
            {
                if let Some(recording) = &self.recording {
                    recording.push(text);
                }
                Some(Piece::Token(text.clone()))
            }
            ChatEvent::Reasoning { choice: 0, text, .. } if !text.is_empty() => {
                Some(Piece::Reasoning(text.clone()))
            }
            _ => None,
        };
        self.so_far.push(event);
        piece
    }
}
