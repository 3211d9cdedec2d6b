use super::{Citation, Extra, Part, Protocol, Text, ToolCall, ToolResult};

/// One turn of a conversation.
///
/// ```
/// use alula_llm::{ChatRequest, Message};
///
/// // A conversation that was kept, and goes on.
/// let mut messages = vec![Message::system("Answer in one sentence.")];
/// messages.push(Message::user("What is an alula?"));
/// messages.push(Message::assistant("A small feather."));
/// let request = ChatRequest { messages, ..ChatRequest::new("gpt-4o") }.user("Where is it?");
/// assert_eq!(request.messages[3].text(), "Where is it?");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// Whether a single text is written as a bare string where the format knows both forms. A bare
    /// string has no room for the extra fields of the text, which are left out.
    pub plain: bool,
    /// Whose wire format `extra` and the opaque parts follow; `None` for any.
    pub origin: Option<Protocol>,
    /// Other fields.
    pub extra: Extra,
}

/// Who speaks in a [`Message`].
///
/// ```
/// use alula_llm::{ChatRequest, Role};
///
/// let request = ChatRequest::new("gpt-4o").system("Be brief.").user("What is an alula?");
/// let asked = request.messages.iter().filter(|message| message.role == Role::User).count();
/// assert_eq!(asked, 1);
/// assert!(Role::Developer.is_system());
/// ```
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
