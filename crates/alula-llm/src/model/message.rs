use serde_json::Value;

use super::{Extra, Media, Protocol};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// Whether a single text is written as a bare string where the format knows both forms.
    pub plain: bool,
    /// Whose wire format `extra` and the opaque parts follow; `None` for any.
    pub origin: Option<Protocol>,
    /// Other fields.
    pub extra: Extra,
}

/// Who speaks in a [`Message`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, as OpenAI's newer models call them.
    Developer,
    /// The person, or the program that asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// A role that the model does not know.
    Other(String),
}

/// A piece of a [`Message`].
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
#[derive(Debug, Clone, PartialEq)]
pub struct Citation(pub Value);

/// A call to a tool.
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolResult {
    /// The id of the call.
    pub id: String,
    /// The result.
    pub parts: Vec<Part>,
    /// Whether a single text is written as a bare string; see [`Message::plain`].
    pub plain: bool,
    /// Whether the tool failed.
    pub is_error: Option<bool>,
    /// Other fields.
    pub extra: Extra,
}

/// The model's reasoning.
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RedactedReasoning {
    /// The sealed reasoning.
    pub data: String,
    /// Other fields.
    pub extra: Extra,
}

/// A refusal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refusal {
    /// Why.
    pub text: String,
    /// Other fields.
    pub extra: Extra,
}

impl Message {
    /// A message of these parts.
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts, plain: true, origin: None, extra: Extra::new() }
    }

    /// Instructions to the model.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, vec![Part::text(text)])
    }

    /// The person's words.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, vec![Part::text(text)])
    }

    /// The model's words, of an earlier turn.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, vec![Part::text(text)])
    }

    /// What a tool answered to the call with this id.
    pub fn tool_result(id: impl Into<String>, text: impl Into<String>) -> Self {
        let result = ToolResult {
            id: id.into(),
            parts: vec![Part::text(text)],
            plain: true,
            ..ToolResult::default()
        };
        Self::new(Role::Tool, vec![Part::ToolResult(result)])
    }

    /// All text of the message, joined.
    pub fn text(&self) -> String {
        self.texts().map(|text| text.text.as_str()).collect()
    }

    /// The reasoning of the message, joined.
    pub fn reasoning(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Reasoning(reasoning) => Some(reasoning.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The tools that the model wants to be called.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }

    /// The sources of the text, in order.
    pub fn citations(&self) -> impl Iterator<Item = &Citation> {
        self.texts().flat_map(|text| &text.citations)
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        })
    }
}

impl Part {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), ..Text::default() })
    }
}

impl Role {
    /// The name in JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Other(name) => name,
        }
    }

    /// Whether the message instructs the model.
    pub fn is_system(&self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

impl From<String> for Role {
    fn from(name: String) -> Self {
        match name.as_str() {
            "system" => Self::System,
            "developer" => Self::Developer,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" => Self::Tool,
            _ => Self::Other(name),
        }
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
