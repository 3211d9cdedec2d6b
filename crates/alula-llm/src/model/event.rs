use serde_json::Value;

use super::{Citation, Extra, Part, Protocol, StopReason, Usage};

/// A piece of an answer that is still being written.
///
/// `choice` numbers the answer, where several were asked for. `part` numbers the piece of the
/// message that a delta belongs to: deltas of the same number are joined.
///
/// ```
/// use alula_llm::{ChatEvent, ChatRequest, Llm, testing::FakeProvider};
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().says(["A ", "feather."]).usage(9, 3);
/// # let llm = Llm::builder().provider(fake.openai()).build()?;
/// let mut events = llm.stream(ChatRequest::new("gpt-4o").user("What is an alula?")).await?;
/// let (mut text, mut tokens) = (String::new(), 0);
/// while let Some(event) = events.next().await {
///     match event? {
///         ChatEvent::Text { text: more, .. } => text.push_str(&more),
///         ChatEvent::Usage(usage) => tokens = usage.total(),
///         _ => {}
///     }
/// }
/// assert_eq!((text.as_str(), tokens), ("A feather.", 12));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// The answer begins. Providers say so before all content, but other events may come first,
    /// and a stream without this one is an answer too.
    Start {
        /// The provider's id of the answer.
        id: String,
        /// The model that answers.
        model: String,
        /// Whose wire format the extra fields follow.
        origin: Option<Protocol>,
        /// Other fields.
        extra: Extra,
    },
    /// More text.
    Text {
        /// The answer.
        choice: u32,
        /// The part of the message.
        part: u32,
        /// The text to add.
        text: String,
    },
    /// More reasoning.
    Reasoning {
        /// The answer.
        choice: u32,
        /// The part of the message.
        part: u32,
        /// The text to add.
        text: String,
        /// See [`Reasoning::field`](super::Reasoning::field).
        field: Option<String>,
    },
    /// More of the seal of the reasoning.
    Signature {
        /// The answer.
        choice: u32,
        /// The part of the message.
        part: u32,
        /// The text to add.
        signature: String,
    },
    /// More of a refusal.
    Refusal {
        /// The answer.
        choice: u32,
        /// The part of the message.
        part: u32,
        /// The text to add.
        text: String,
    },
    /// A tool call begins.
    ToolCallStart {
        /// The answer.
        choice: u32,
        /// The part of the message.
        part: u32,
        /// The number of the call, from 0.
        index: u32,
        /// The id that the result refers to.
        id: String,
        /// The tool's name.
        name: String,
        /// Other fields.
        extra: Extra,
    },
    /// More of the arguments of a tool call.
    ToolCallArguments {
        /// The answer.
        choice: u32,
        /// The part of the message.
        part: u32,
        /// The number of the call, from 0.
        index: u32,
        /// The text to add.
        arguments: String,
    },
    /// A source of the text of this part.
    Citation {
        /// The answer.
        choice: u32,
        /// The part of the message.
        part: u32,
        /// The source.
        citation: Citation,
    },
    /// A part that is whole at once: sealed reasoning, a tool that ran at the provider, or a call
    /// to a tool that takes text.
    Part {
        /// The answer.
        choice: u32,
        /// The part of the message.
        part: u32,
        /// The part itself.
        content: Part,
    },
    /// More probabilities of tokens, as the provider wrote them.
    Logprobs {
        /// The answer.
        choice: u32,
        /// What to add.
        logprobs: Value,
    },
    /// Fields that the model does not name.
    Extra {
        /// The answer whose message they belong to, or `None` for the whole response.
        choice: Option<u32>,
        /// The part of the message, or `None` for the message itself.
        part: Option<u32>,
        /// The fields.
        fields: Extra,
    },
    /// Fields that the model does not name, beside the message of an answer.
    ChoiceExtra {
        /// The answer.
        choice: u32,
        /// The fields.
        fields: Extra,
    },
    /// What the call has cost so far; a later event replaces an earlier one.
    Usage(Usage),
    /// An answer has ended: no content of this `choice` follows. Others may still go on, and
    /// usage and extra fields may come after it.
    Stop {
        /// The answer.
        choice: u32,
        /// Why.
        reason: StopReason,
        /// The stop text that came up.
        sequence: Option<String>,
        /// Other fields.
        extra: Extra,
    },
    /// An event that the model does not know, as the provider wrote it.
    Other(Value),
    /// The provider is alive and has nothing to show: a ping, a comment, an empty delta.
    Ping,
}

impl ChatEvent {
    /// Whether this is a piece of the answer, which ends the wait for the first token.
    ///
    /// Pings, the start and usage are not. Neither is [`Stop`](Self::Stop), although no content
    /// of its answer comes after it.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text { text, .. } | Self::Reasoning { text, .. } | Self::Refusal { text, .. } => {
                !text.is_empty()
            }
            Self::Signature { .. }
            | Self::ToolCallStart { .. }
            | Self::ToolCallArguments { .. }
            | Self::Citation { .. }
            | Self::Part { .. } => true,
            _ => false,
        }
    }
}
