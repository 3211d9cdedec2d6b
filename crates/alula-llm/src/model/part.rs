use serde_json::Value;

use super::{Extra, Media};

/// A piece of a [`Message`](super::Message).
///
/// ```
/// use alula_llm::{ChatRequest, Media, Part};
///
/// let picture = Media::url("https://example.com/wing.png");
/// let request = ChatRequest::new("gpt-4o")
///     .user_parts([Part::text("Where is the alula?"), Part::Image(picture)]);
/// assert_eq!(request.messages[0].text(), "Where is the alula?");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text(Text),
    /// A picture.
    Image(Media),
    /// A sound.
    Audio(Media),
    /// A document.
    File(Media),
    /// The model wants a tool to be called.
    ToolCall(ToolCall),
    /// What the tool answered.
    ToolResult(ToolResult),
    /// What the model thought before it answered.
    Reasoning(Reasoning),
    /// Reasoning that only the provider can read.
    RedactedReasoning(RedactedReasoning),
    /// The model's own words for why it does not answer.
    Refusal(Refusal),
    /// Anything else, as the provider wrote it: tools that run at the provider, for one.
    Other(Value),
}

/// Text, and what it rests on.
///
/// ```
/// use alula_llm::{ChatRequest, Message, Part, Role, model::{Protocol, Text}};
/// use serde_json::json;
///
/// // Anthropic's mark for a prompt that is cached up to here.
/// let mut rules = Text { text: "Be brief.".to_owned(), ..Text::default() };
/// rules.extra.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
/// let mut message = Message::new(Role::System, vec![Part::Text(rules)]);
/// message.plain = false;
/// let request = ChatRequest::new("claude-sonnet-4-5").message(message).user("What is an alula?");
/// let body = Protocol::AnthropicMessages.request_to_json(&request, false)?;
/// assert_eq!(body["system"][0]["cache_control"]["type"], "ephemeral");
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// The sources of the text.
    pub citations: Vec<Citation>,
    /// Other fields.
    pub extra: Extra,
}

/// A source of a text, as the provider wrote it.
///
/// ```
/// use alula_llm::model::Citation;
/// use serde_json::json;
///
/// let openai = json!({"url_citation": {"url": "https://example.com/wing", "title": "Wings"}});
/// let gemini = json!({"web": {"uri": "https://example.com/wing", "title": "Wings"}});
/// for citation in [openai, gemini].map(Citation) {
///     assert_eq!(citation.url(), Some("https://example.com/wing"));
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Citation(pub Value);

/// A call to a tool.
///
/// ```
/// use alula_llm::{Message, model::ToolCall};
///
/// # let (id, name) = ("call_1".to_owned(), "weather".to_owned());
/// # let arguments = r#"{"city": "Berne"}"#.to_owned();
/// # let call = ToolCall { id, name, arguments, ..ToolCall::default() };
/// fn run(call: &ToolCall) -> Message {
///     let text = match call.arguments_json() {
///         Ok(arguments) if arguments["city"] == "Berne" => "sunny".to_owned(),
///         Ok(_) => "there is no such city".to_owned(),
///         Err(error) => format!("these are no arguments: {error}"),
///     };
///     Message::tool_result(&call.id, text)
/// }
/// assert_eq!(run(&call), Message::tool_result("call_1", "sunny"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolCall {
    /// The id that the result refers to.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them: JSON, unless the model made a mistake.
    pub arguments: String,
    /// Other fields.
    pub extra: Extra,
}

/// The result of a tool call.
///
/// ```
/// use alula_llm::{ChatRequest, Message, Part, Role, model::{Protocol, ToolResult}};
///
/// let mut failed = ToolResult { id: "call_1".to_owned(), ..ToolResult::default() };
/// failed.parts.push(Part::text("there is no such city"));
/// failed.is_error = Some(true);
/// let message = Message::new(Role::Tool, vec![Part::ToolResult(failed)]);
/// let request = ChatRequest::new("claude-sonnet-4-5").message(message);
/// let body = Protocol::AnthropicMessages.request_to_json(&request, false)?;
/// assert_eq!(body["messages"][0]["content"][0]["is_error"], true);
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolResult {
    /// The id of the call.
    pub id: String,
    /// The result.
    pub parts: Vec<Part>,
    /// Whether a single text is written as a bare string; see
    /// [`Message::plain`](super::Message::plain).
    pub plain: bool,
    /// Whether the tool failed.
    pub is_error: Option<bool>,
    /// Other fields.
    pub extra: Extra,
}

/// The model's reasoning.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, Part, testing::FakeProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().thinks("A bird's thumb.").seals("c2VhbA==").says("A feather.");
/// # let llm = Llm::builder().provider(fake.anthropic()).build()?;
/// let answer = llm.chat(ChatRequest::new("claude-sonnet-4-5").user("What is an alula?")).await?;
/// let message = answer.message().expect("an answer");
/// let Part::Reasoning(reasoning) = &message.parts[0] else { panic!("no reasoning") };
/// assert_eq!(reasoning.text, "A bird's thumb.");
/// assert!(reasoning.signature.is_some()); // so the message can go back as it is
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reasoning {
    /// The reasoning, or a summary of it.
    pub text: String,
    /// The provider's seal, without which it does not take the reasoning back.
    pub signature: Option<String>,
    /// The name of the field it came in, where providers differ (`reasoning`); `None` for the
    /// usual one.
    pub field: Option<String>,
    /// Other fields.
    pub extra: Extra,
}

/// Reasoning in a form that only the provider can read.
///
/// ```
/// use alula_llm::{ChatRequest, Message, Part, Role, model::{Protocol, RedactedReasoning}};
///
/// // It is of no use but to go back to its provider with the message that it came in.
/// let sealed = RedactedReasoning { data: "EmwKAhgB…".to_owned(), ..RedactedReasoning::default() };
/// let parts = vec![Part::RedactedReasoning(sealed), Part::text("A feather.")];
/// let mut message = Message::new(Role::Assistant, parts);
/// message.origin = Some(Protocol::AnthropicMessages);
/// let request = ChatRequest::new("claude-sonnet-4-5").message(message).user("Where is it?");
/// let body = Protocol::AnthropicMessages.request_to_json(&request, false)?;
/// assert_eq!(body["messages"][0]["content"][0]["type"], "redacted_thinking");
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RedactedReasoning {
    /// The sealed reasoning.
    pub data: String,
    /// Other fields.
    pub extra: Extra,
}

/// A refusal.
///
/// ```
/// use alula_llm::{Message, Part, Role, model::Refusal};
///
/// # let refusal = Refusal { text: "I cannot help with that.".to_owned(), ..Refusal::default() };
/// # let message = Message::new(Role::Assistant, vec![Part::Refusal(refusal)]);
/// let refused = message.parts.iter().find_map(|part| match part {
///     Part::Refusal(Refusal { text, .. }) => Some(text.as_str()),
///     _ => None,
/// });
/// assert_eq!(refused, Some("I cannot help with that."));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refusal {
    /// Why.
    pub text: String,
    /// Other fields.
    pub extra: Extra,
}

impl Part {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), ..Text::default() })
    }
}

impl Citation {
    /// The address of the source.
    pub fn url(&self) -> Option<&str> {
        self.field("url").or_else(|| self.field("uri"))
    }

    /// The title of the source.
    pub fn title(&self) -> Option<&str> {
        self.field("title").or_else(|| self.field("document_title"))
    }

    /// The words of the source that are quoted.
    pub fn cited_text(&self) -> Option<&str> {
        self.field("cited_text").or_else(|| self.0.get("retrievedContext")?.get("text")?.as_str())
    }

    /// OpenAI nests the fields in `url_citation`, Gemini in the place it searched, Anthropic does
    /// not, and Cohere has them in the documents that it names.
    fn field(&self, name: &str) -> Option<&str> {
        const NESTS: [&str; 4] = ["url_citation", "web", "retrievedContext", "maps"];
        let nested = NESTS.iter().find_map(|nest| self.0.get(nest)?.get(name));
        let first = || self.0.get("sources")?.get(0)?.get("document")?.get(name);
        nested.or_else(|| self.0.get(name)).or_else(first)?.as_str()
    }
}

impl ToolCall {
    /// The arguments as JSON; none at all are an empty object, and so is the `null` that Cohere's
    /// models write for them.
    ///
    /// # Errors
    ///
    /// When the model wrote something that is not JSON.
    pub fn arguments_json(&self) -> serde_json::Result<Value> {
        if matches!(self.arguments.trim(), "" | "null") {
            return Ok(Value::Object(Extra::new()));
        }
        serde_json::from_str(&self.arguments)
    }
}
