//! What the model may call.

use serde_json::{Map, Value};

use super::{PROTOCOL, exact, invalid, own};
use crate::{
    ChatRequest, Result, Tool,
    model::{
        FunctionTool, ToolChoice,
        fields::{Fields, object},
    },
};

pub(super) fn take_tools(body: &mut Map<String, Value>) -> Vec<Tool> {
    // An empty list stays in `extra`, as it is not the same as none.
    if body.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    body.take_array("tools").unwrap_or_default().into_iter().map(tool_from_json).collect()
}

fn tool_from_json(tool: Value) -> Tool {
    match tool {
        Value::Object(mut extra)
            if extra.says("type", "function")
                && extra.get("name").is_some_and(Value::is_string) =>
        {
            extra.shift_remove("type");
            let parameters = extra.get("parameters").is_some_and(|it| !it.is_null());
            Tool::Function(FunctionTool {
                name: extra.take_string("name").unwrap_or_default(),
                description: extra.take_string("description"),
                parameters: parameters.then(|| extra.shift_remove("parameters")).flatten(),
                strict: extra.take_bool("strict"),
                extra,
            })
        }
        tool => Tool::Other(tool),
    }
}

pub(super) fn take_tool_choice(body: &mut Map<String, Value>) -> Option<ToolChoice> {
    let choice = body.get("tool_choice").filter(|choice| !choice.is_null())?;
    let fields = choice.as_object();
    let function = fields.filter(|it| it.says("type", "function") && it.len() == 2);
    let name = function.and_then(|it| it.get("name")).and_then(Value::as_str);
    let parsed = match (choice.as_str(), name) {
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("none"), _) => ToolChoice::None,
        (Some("required"), _) => ToolChoice::Required,
        (None, Some(name)) => ToolChoice::Function(name.to_owned()),
        _ => ToolChoice::Other(choice.clone()),
    };
    body.shift_remove("tool_choice");
    Some(parsed)
}

pub(super) fn put_tools(body: &mut Map<String, Value>, request: &ChatRequest) -> Result<()> {
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| match tool {
            Tool::Function(function) => Ok(function_to_json(function, request)),
            Tool::Other(tool) if own(request.origin) => Ok(tool.clone()),
            Tool::Other(tool) => Err(invalid(format!("tools: {PROTOCOL} has no tool like {tool}"))),
        });
        body.insert("tools".to_owned(), Value::Array(tools.collect::<Result<_>>()?));
    }
    let choice = match &request.tool_choice {
        None => None,
        Some(ToolChoice::Auto) => Some("auto".into()),
        Some(ToolChoice::None) => Some("none".into()),
        Some(ToolChoice::Required) => Some("required".into()),
        Some(ToolChoice::Function(name)) => Some(Value::Object(object([
            ("type", "function".into()),
            ("name", name.as_str().into()),
        ]))),
        Some(ToolChoice::Other(choice)) if own(request.origin) => Some(choice.clone()),
        Some(ToolChoice::Other(choice)) => {
            return Err(invalid(format!("tool_choice: {PROTOCOL} has no {choice}")));
        }
    };
    body.put("tool_choice", choice);
    body.put("parallel_tool_calls", request.parallel_tool_calls);
    Ok(())
}

fn function_to_json(function: &FunctionTool, request: &ChatRequest) -> Value {
    let mut tool = object([("type", "function".into()), ("name", function.name.as_str().into())]);
    tool.put("description", function.description.as_deref());
    tool.put("parameters", function.parameters.clone());
    tool.put("strict", function.strict);
    if own(request.origin) {
        tool.fill(&function.extra);
    }
    if !exact(request.origin) {
        // Both must be there, and a tool is strict unless it says otherwise: for every other
        // provider it is the other way round.
        let empty = object([("type", "object".into()), ("properties", Map::new().into())]);
        tool.entry("parameters").or_insert(Value::Object(empty));
        tool.entry("strict").or_insert(Value::Bool(false));
    }
    Value::Object(tool)
}
