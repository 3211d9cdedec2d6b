use serde_json::Value;

use super::{Extra, Message, Part, Protocol, Role, Tool, ToolChoice};
use crate::{Error, ErrorKind, Result};

/// What to ask a model.
///
/// ```
/// use alula_llm::ChatRequest;
///
/// let request = ChatRequest::new("gpt-4o")
///     .system("Answer in one sentence.")
///     .user("What is an alula?")
///     .temperature(0.2)
///     .max_tokens(100);
/// assert_eq!(request.messages.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    /// The model, perhaps as `provider/model`; empty for the default one.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether and what it must call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several tools in one turn.
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer.
    pub response_format: Option<ResponseFormat>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling: the probability mass to choose from.
    pub top_p: Option<f64>,
    /// How many tokens to choose from.
    pub top_k: Option<u64>,
    /// The longest answer, in tokens, reasoning included.
    pub max_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// For answers that can be repeated.
    pub seed: Option<i64>,
    /// How many answers to give.
    pub n: Option<u64>,
    /// Penalty for tokens that occurred at all.
    pub presence_penalty: Option<f64>,
    /// Penalty for tokens by how often they occurred.
    pub frequency_penalty: Option<f64>,
    /// Whether to return the probabilities of the tokens.
    pub logprobs: Option<bool>,
    /// How many alternatives to return for each token.
    pub top_logprobs: Option<u64>,
    /// How hard to think, in the provider's words: `low`, `medium`, `high`, ….
    pub reasoning_effort: Option<String>,
    /// Whether and how long to think, where that is set in tokens.
    pub thinking: Option<Thinking>,
    /// The end user, for the provider's abuse checks.
    pub user: Option<String>,
    /// Tags that the provider stores with the call.
    pub metadata: Option<Extra>,
    /// Whether the caller asked for a stream. Providers go by the method called.
    pub stream: Option<bool>,
    /// Whose wire format the extra fields, and the opaque tools, follow; `None` for any.
    pub origin: Option<Protocol>,
    /// Other fields.
    pub extra: Extra,
}

/// The form of an answer.
///
/// ```
/// use alula_llm::{ChatRequest, model::{Protocol, ResponseFormat}};
///
/// let mut request = ChatRequest::new("gpt-4o").user("Describe an alula, in JSON.");
/// request.response_format = Some(ResponseFormat::JsonObject);
/// let body = Protocol::OpenAiChat.request_to_json(&request, false)?;
/// assert_eq!(body["response_format"]["type"], "json_object");
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema {
        /// A name for the schema.
        name: Option<String>,
        /// The schema.
        schema: Value,
        /// Whether the provider must hold the answer to it.
        strict: Option<bool>,
        /// Other fields.
        extra: Extra,
    },
    /// Another form, as the provider documents it.
    Other(Value),
}

/// How long to think.
///
/// ```
/// use alula_llm::{ChatRequest, model::{Protocol, Thinking}};
///
/// let mut request = ChatRequest::new("claude-sonnet-4-5").user("Why is 7 prime?").max_tokens(4_096);
/// request.thinking = Some(Thinking::Budget(2_048));
/// let body = Protocol::AnthropicMessages.request_to_json(&request, false)?;
/// assert_eq!(body["thinking"]["budget_tokens"], 2_048);
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Thinking {
    /// Not at all.
    Disabled,
    /// As the model likes.
    Adaptive,
    /// At most this many tokens.
    Budget(u64),
}

/// Fields that stand for a part of the prompt that their provider keeps.
const KEPT_BY_PROVIDER: [&str; 4] =
    ["previous_response_id", "conversation", "prompt", "cachedContent"];

impl ChatRequest {
    /// A request to this model, without messages yet.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Adds instructions.
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.message(Message::system(text))
    }

    /// Adds the person's words.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Message::user(text))
    }

    /// Adds a user message of several parts, such as text and images.
    #[must_use]
    pub fn user_parts(self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.message(Message::new(Role::User, parts.into_iter().collect()))
    }

    /// Adds the model's words of an earlier turn.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.message(Message::assistant(text))
    }

    /// Adds a message.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// Offers a tool.
    #[must_use]
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.tools.push(tool.into());
        self
    }

    /// Sets whether and what the model must call.
    #[must_use]
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = Some(choice);
        self
    }

    /// Asks for JSON of this schema; `name` names it to the provider.
    #[must_use]
    pub fn json_schema(mut self, name: impl Into<String>, schema: Value) -> Self {
        self.response_format = Some(ResponseFormat::JsonSchema {
            name: Some(name.into()),
            schema,
            strict: Some(true),
            extra: Extra::new(),
        });
        self
    }

    /// Sets the sampling temperature.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Limits the answer, in tokens.
    #[must_use]
    pub fn max_tokens(mut self, max_tokens: u64) -> Self {
        self.max_tokens = Some(max_tokens);
        self
    }

    /// Adds a text that ends the answer.
    #[must_use]
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.stop.push(text.into());
        self
    }

    /// Adds a field that the model has no name for.
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// Refuses a request that another format cannot say without losing a part of its prompt.
    pub(crate) fn check_whole(&self, protocol: Protocol) -> Result<()> {
        if protocol.accepts(self.origin) {
            return Ok(());
        }
        let is_set = |name: &&str| self.extra.get(*name).is_some_and(|value| !value.is_null());
        match KEPT_BY_PROVIDER.iter().find(|name| is_set(name)) {
            Some(name) => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("{name}: {protocol} does not have that part of the prompt"),
            )),
            None => Ok(()),
        }
    }
}
