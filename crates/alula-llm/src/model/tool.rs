use serde_json::Value;

use super::Extra;

/// Something that the model may call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Tool {
    /// A function of yours.
    Function(FunctionTool),
    /// A tool of the provider, such as web search, as the provider documents it.
    Other(Value),
}

/// A function that the model may call.
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
