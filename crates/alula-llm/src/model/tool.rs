use serde_json::Value;

use super::Extra;

/// Something that the model may call.
///
/// ```
/// use alula_llm::{ChatRequest, Tool, model::{FunctionTool, Protocol}};
/// use serde_json::json;
///
/// let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
/// let request = ChatRequest::new("claude-sonnet-4-5")
///     .user("How is the weather in Berne?")
///     .tool(FunctionTool::new("weather", "The weather in a city.", schema))
///     .tool(Tool::Other(json!({"type": "web_search_20250305", "name": "web_search"})));
/// let body = Protocol::AnthropicMessages.request_to_json(&request, false)?;
/// assert_eq!(body["tools"][1]["name"], "web_search");
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Tool {
    /// A function of yours.
    Function(FunctionTool),
    /// A tool of the provider, such as web search, as the provider documents it.
    Other(Value),
}

/// A function that the model may call.
///
/// ```
/// use alula_llm::{ChatRequest, model::FunctionTool};
/// use serde_json::json;
///
/// let schema = json!({
///     "type": "object",
///     "properties": {"city": {"type": "string"}},
///     "required": ["city"],
///     "additionalProperties": false,
/// });
/// let weather = FunctionTool::new("weather", "The weather in a city.", schema).strict(true);
/// let request = ChatRequest::new("gpt-4o").user("How is Berne?").tool(weather);
/// assert_eq!(request.tools.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionTool {
    /// Its name.
    pub name: String,
    /// When and how to use it.
    pub description: Option<String>,
    /// The JSON schema of its arguments.
    pub parameters: Option<Value>,
    /// Whether the provider must hold the arguments to the schema.
    pub strict: Option<bool>,
    /// Other fields.
    pub extra: Extra,
}

/// Whether and what the model must call.
///
/// ```
/// use alula_llm::{ChatRequest, model::{FunctionTool, Protocol, ToolChoice}};
/// # use serde_json::json;
///
/// # let schema = json!({"type": "object"});
/// # let weather = FunctionTool::new("weather", "The weather in a city.", schema);
/// let request = ChatRequest::new("claude-sonnet-4-5").user("How is Berne?").tool(weather);
/// let request = request.tool_choice(ToolChoice::Function("weather".to_owned()));
/// let body = Protocol::AnthropicMessages.request_to_json(&request, false)?;
/// assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "weather"}));
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// Nothing.
    None,
    /// Some tool.
    Required,
    /// This function.
    Function(String),
    /// Another rule, as the provider documents it.
    Other(Value),
}

impl FunctionTool {
    /// A function with its description and the JSON schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self {
            name: name.into(),
            description: Some(description.into()),
            parameters: Some(parameters),
            strict: None,
            extra: Extra::new(),
        }
    }

    /// Asks the provider to hold the arguments to the schema.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = Some(strict);
        self
    }
}

impl From<FunctionTool> for Tool {
    fn from(tool: FunctionTool) -> Self {
        Self::Function(tool)
    }
}
