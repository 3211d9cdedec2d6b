use serde_json::Value;

use super::{Extra, Message, Protocol, ToolCall};

/// What a model answered.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, StopReason, testing::FakeProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().says("A feather.").usage(9, 3);
/// # let llm = Llm::builder().provider(fake.openai()).build()?;
/// let answer = llm.chat(ChatRequest::new("gpt-4o").user("What is an alula?")).await?;
/// assert_eq!(answer.text(), "A feather.");
/// assert_eq!(answer.stop(), Some(&StopReason::End));
/// assert_eq!(answer.usage.map(|usage| usage.total()), Some(12));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatResponse {
    /// The provider's id of the answer.
    pub id: String,
    /// The model that answered, often more exact than the one asked for.
    pub model: String,
    /// The answers: one, unless several were asked for.
    pub choices: Vec<Choice>,
    /// What it cost in tokens.
    pub usage: Option<Usage>,
    /// Whether it was given before, and cost nothing now; see [`CachePolicy`](crate::CachePolicy).
    pub is_cached: bool,
    /// Whose wire format `extra` follows; `None` for any.
    pub origin: Option<Protocol>,
    /// Other fields.
    pub extra: Extra,
}

/// One answer of a [`ChatResponse`].
///
/// ```
/// use alula_llm::model::Protocol;
/// use serde_json::json;
///
/// // A request with `n: 2` was answered by this.
/// let answer = Protocol::OpenAiChat.response_from_json(json!({"choices": [
///     {"index": 0, "message": {"role": "assistant", "content": "A feather."}},
///     {"index": 1, "message": {"role": "assistant", "content": "A thumb."}},
/// ]}))?;
/// let texts = answer.choices.iter().map(|choice| choice.message.text());
/// assert_eq!(texts.collect::<Vec<_>>(), ["A feather.", "A thumb."]);
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its number, from 0.
    pub index: u32,
    /// What the model said.
    pub message: Message,
    /// Why it stopped.
    pub stop: Option<StopReason>,
    /// The text that ended the answer, when one of [`stop`](super::ChatRequest::stop) did.
    pub stop_sequence: Option<String>,
    /// The probabilities of the tokens, as the provider wrote them.
    pub logprobs: Option<Value>,
    /// Other fields.
    pub extra: Extra,
}

/// Why a model stopped.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, StopReason, testing::FakeProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().says("An alula is").stops(StopReason::MaxTokens);
/// # let llm = Llm::builder().provider(fake.openai()).build()?;
/// let question = ChatRequest::new("gpt-4o").user("What is an alula?").max_tokens(3);
/// let answer = llm.chat(question).await?;
/// let is_whole = matches!(answer.stop(), Some(StopReason::End | StopReason::StopSequence));
/// assert!(!is_whole, "{:?}", answer.stop());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// It had said everything.
    End,
    /// The answer reached its limit of tokens.
    MaxTokens,
    /// A stop text came up.
    StopSequence,
    /// It waits for the results of tools.
    ToolCalls,
    /// A content policy cut the answer off.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The turn is long: send the answer back and it goes on.
    Pause,
    /// Another reason, in the provider's words.
    Other(String),
}

/// What a call cost in tokens.
///
/// The counts mean the same for every provider: `input` holds all tokens of the prompt, those
/// read from and written to a cache included; `output` holds all tokens of the answer,
/// reasoning included. The other counts are parts of these two, each token in the most exact of
/// them as well as in the whole: `cache_write_hour` is part of `cache_write`, and that of `input`.
///
/// ```
/// use alula_llm::model::Protocol;
/// # use serde_json::json;
///
/// // Anthropic counts what came from a cache apart from its `input_tokens`.
/// let answer = Protocol::AnthropicMessages.response_from_json(json!({
///     # "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
///     "content": [{"type": "text", "text": "A feather."}],
///     "usage": {"input_tokens": 20, "cache_read_input_tokens": 1_000, "output_tokens": 4},
/// }))?;
/// let usage = answer.usage.unwrap_or_default();
/// assert_eq!((usage.input, usage.cache_read, usage.total()), (1_020, Some(1_000), 1_024));
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
    /// Both together, if the provider counted them.
    pub total: Option<u64>,
    /// Tokens of the prompt that came from a cache.
    pub cache_read: Option<u64>,
    /// Tokens of the prompt that came from a cache and were sound.
    pub cache_read_audio: Option<u64>,
    /// Tokens of the prompt that were put into a cache.
    pub cache_write: Option<u64>,
    /// Tokens of the prompt that were put into a cache for an hour.
    pub cache_write_hour: Option<u64>,
    /// Tokens of the answer that were reasoning.
    pub reasoning: Option<u64>,
    /// Tokens of the prompt that were sound, those from a cache included.
    pub audio_input: Option<u64>,
    /// Tokens of the answer that were sound.
    pub audio_output: Option<u64>,
    /// Tokens of the prompt that were images, where they are counted apart.
    pub image_input: Option<u64>,
    /// Tokens of the answer that were images.
    pub image_output: Option<u64>,
    /// Searches that the provider made for the answer, where it counts them.
    pub searches: Option<u64>,
    /// Other fields.
    pub extra: Extra,
}

impl ChatResponse {
    /// The first answer.
    pub fn message(&self) -> Option<&Message> {
        self.choices.first().map(|choice| &choice.message)
    }

    /// The text of the first answer; empty if it has none.
    pub fn text(&self) -> String {
        self.message().map(Message::text).unwrap_or_default()
    }

    /// The tools that the first answer calls.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.message().into_iter().flat_map(Message::tool_calls)
    }

    /// Why the first answer ended.
    pub fn stop(&self) -> Option<&StopReason> {
        self.choices.first()?.stop.as_ref()
    }
}

impl Choice {
    /// An answer with this number.
    pub fn new(index: u32, message: Message) -> Self {
        Self {
            index,
            message,
            stop: None,
            stop_sequence: None,
            logprobs: None,
            extra: Extra::new(),
        }
    }
}

impl StopReason {
    /// A short name, in OpenAI's words where it has one.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::End => "stop",
            Self::MaxTokens => "length",
            Self::StopSequence => "stop_sequence",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Pause => "pause",
            Self::Other(reason) => reason,
        }
    }
}

impl Usage {
    /// All tokens, counted by the provider or added up.
    pub fn total(&self) -> u64 {
        self.total.unwrap_or_else(|| self.input.saturating_add(self.output))
    }
}
