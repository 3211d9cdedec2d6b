//! JSON of a schema from providers that have no such thing: as the arguments of a tool.
//!
//! The tool is the only one, and the model must call it; its arguments are the text of the answer.
//! Beside the caller's own tools the model must call one of all of them: it calls the caller's as
//! long as it needs to, and then this one. Where the caller demands a call of one of its own tools,
//! that turn has no answer yet, and this tool is not offered.

mod answer;

use std::borrow::Cow;

use super::vector::invalid;
use crate::{
    ChatRequest, Result, Tool,
    model::{Extra, FunctionTool, ResponseFormat, ToolChoice},
};

pub(super) use answer::{stream, whole};

/// What the tool is called where the schema has no name.
const NAME: &str = "answer";
const NAME_CHARS_MAX: usize = 64;
const DESCRIPTION: &str = "Gives the final answer. Call this once, when you know the answer, and \
                           write no other text.";

/// Whether the form of an answer is that of a tool's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByTool {
    /// It has a form of its own.
    No,
    /// The model must call the tool.
    Forced,
    /// The model is asked to call the tool: it cannot be made to while it thinks.
    Asked,
}

impl ByTool {
    /// By a tool if it is so, which the model can be made to call unless it thinks.
    pub(super) fn when(by_tool: bool, thinks: bool) -> Self {
        match (by_tool, thinks) {
            (false, _) => Self::No,
            (true, false) => Self::Forced,
            (true, true) => Self::Asked,
        }
    }
}

/// Whether an answer has to be JSON of a schema.
pub(super) fn is_wanted(request: &ChatRequest) -> bool {
    matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. }))
}

/// Whether the caller has tools of its own.
pub(super) fn has_tools(request: &ChatRequest) -> bool {
    !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None)
}

/// The request as it is sent: with the tool in place of the form of the answer.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the schema is not one of
/// an object, as arguments always are.
pub(super) fn sent(request: &ChatRequest, by_tool: ByTool) -> Result<Cow<'_, ChatRequest>> {
    let Some(ResponseFormat::JsonSchema { schema, .. }) = &request.response_format else {
        return Ok(Cow::Borrowed(request));
    };
    if by_tool == ByTool::No {
        return Ok(Cow::Borrowed(request));
    }
    if schema.get("type").is_some_and(|kind| kind != "object") {
        return Err(invalid(
            "response_format: the answer is given by a tool here, so that its schema must be that \
             of an object",
        ));
    }
    let mut sent = request.clone();
    sent.response_format = None;
    let Some(name) = tool(request) else { return Ok(Cow::Owned(sent)) };
    sent.tool_choice = Some(match by_tool {
        ByTool::Forced if has_tools(request) => ToolChoice::Required,
        ByTool::Forced => ToolChoice::Function(name.clone()),
        ByTool::Asked | ByTool::No => ToolChoice::Auto,
    });
    sent.tools.push(Tool::Function(FunctionTool {
        name,
        description: Some(DESCRIPTION.to_owned()),
        parameters: Some(schema.clone()),
        strict: None,
        extra: Extra::new(),
    }));
    Ok(Cow::Owned(sent))
}

/// The tool whose arguments are the answer, if there is one.
pub(super) fn tool_of(request: &ChatRequest, by_tool: ByTool) -> Option<String> {
    if by_tool == ByTool::No { None } else { tool(request) }
}

/// The name of the tool that gives the answer, unless this turn can have none.
fn tool(request: &ChatRequest) -> Option<String> {
    let Some(ResponseFormat::JsonSchema { name, .. }) = &request.response_format else {
        return None;
    };
    match request.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => {}
        Some(_) => return None,
    }
    let known = |c: &char| c.is_ascii_alphanumeric() || "_-".contains(*c);
    let name: String =
        name.iter().flat_map(|name| name.chars()).filter(known).take(NAME_CHARS_MAX).collect();
    let mut name = if name.is_empty() { NAME.to_owned() } else { name };
    let is_taken = |name: &str| {
        request.tools.iter().any(|it| matches!(it, Tool::Function(it) if it.name == name))
    };
    while is_taken(&name) {
        name.truncate(NAME_CHARS_MAX - 1);
        name.insert(0, '_');
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;

    fn request() -> ChatRequest {
        ChatRequest::new("m").user("hi").json_schema("my city!", json!({"type": "object"}))
    }

    fn own(name: &str) -> FunctionTool {
        FunctionTool::new(name, "", json!({"type": "object"}))
    }

    #[track_caller]
    fn check(request: &ChatRequest, by_tool: ByTool, tools: &[&str], choice: Option<&ToolChoice>) {
        let sent = sent(request, by_tool).unwrap();
        let name = |tool: &Tool| match tool {
            Tool::Function(function) => function.name.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(sent.tools.iter().map(name).collect::<Vec<_>>(), tools);
        assert_eq!(sent.tool_choice.as_ref(), choice);
        assert_eq!(sent.response_format.is_some(), by_tool == ByTool::No);
    }

    #[test]
    fn the_tool_stands_beside_the_callers() {
        let named = ToolChoice::Function("mycity".to_owned());
        check(&request(), ByTool::No, &[], None);
        check(&request(), ByTool::Forced, &["mycity"], Some(&named));
        check(&request(), ByTool::Asked, &["mycity"], Some(&ToolChoice::Auto));
        let with_own = request().tool(own("f"));
        check(&with_own, ByTool::Forced, &["f", "mycity"], Some(&ToolChoice::Required));
        let no_call = with_own.clone().tool_choice(ToolChoice::None);
        check(&no_call, ByTool::Forced, &["f", "mycity"], Some(&named));
        for demanded in [ToolChoice::Required, ToolChoice::Function("f".to_owned())] {
            let demanding = with_own.clone().tool_choice(demanded.clone());
            check(&demanding, ByTool::Forced, &["f"], Some(&demanded));
        }
    }

    #[test]
    fn its_name_is_one_that_is_free() {
        let taken = request().tool(own("mycity")).tool(own("_mycity"));
        assert_eq!(tool(&taken).as_deref(), Some("__mycity"));
        let long = "x".repeat(99);
        let long = ChatRequest::new("m").json_schema(long, json!({})).tool(own(&"x".repeat(64)));
        assert_eq!(tool(&long).unwrap(), format!("_{}", "x".repeat(63)));
        let nameless = ChatRequest::new("m").json_schema("…", json!({}));
        assert_eq!(tool(&nameless).as_deref(), Some("answer"));
    }

    #[test]
    fn only_an_object_can_be_arguments() {
        let list = ChatRequest::new("m").json_schema("a", json!({"type": "array"}));
        assert!(sent(&list, ByTool::No).is_ok());
        let error = sent(&list, ByTool::Forced).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    }
}
