//! Tools, and the rule on how to call them.

use serde_json::{Map, Value};

use super::{part::Origin, request::invalid, schema::to_json_schema};
use crate::{
    ChatRequest, Result, Tool,
    model::{
        FunctionTool, Protocol, ToolChoice,
        fields::{Fields, object},
    },
};

const PROTOCOL: Protocol = Protocol::GeminiGenerate;

/// The field of the schema that is written, in JSON Schema, and its other spelling.
const SCHEMA: &str = "parametersJsonSchema";
const SCHEMA_SPELLED: &str = "parameters_json_schema";
/// The field of the schema in the API's own dialect.
const SCHEMA_OLD: &str = "parameters";

/// Takes the tools. Where they are grouped or spelled in a way that is not written here, they stay
/// in the request too, so that they can be sent as they were.
pub(super) fn take_tools(body: &mut Map<String, Value>) -> Vec<Tool> {
    let Some(list) = body.take_array("tools") else { return Vec::new() };
    let tools = tools_from_json(&list);
    let list = Value::Array(list);
    if tools.is_empty() || tools_to_json(&tools, Origin::Here).ok().as_ref() != Some(&list) {
        body.insert("tools".to_owned(), list);
    }
    tools
}

fn tools_from_json(list: &[Value]) -> Vec<Tool> {
    let mut tools = Vec::new();
    for entry in list {
        let functions = entry.get("functionDeclarations").and_then(Value::as_array);
        let functions: Option<Vec<Tool>> =
            functions.and_then(|list| list.iter().map(function_from_json).collect());
        match (functions, entry) {
            (Some(functions), Value::Object(fields)) => {
                tools.extend(functions);
                let mut others = fields.clone();
                others.shift_remove("functionDeclarations");
                if !others.is_empty() {
                    tools.push(Tool::Other(Value::Object(others)));
                }
            }
            _ => tools.push(Tool::Other(entry.clone())),
        }
    }
    tools
}

fn function_from_json(value: &Value) -> Option<Tool> {
    let mut extra = value.as_object()?.clone();
    let name = extra.take_string("name")?;
    let json_schema =
        [SCHEMA, SCHEMA_SPELLED].into_iter().find_map(|name| extra.shift_remove(name));
    let parameters = json_schema
        .or_else(|| extra.shift_remove(SCHEMA_OLD).map(|schema| to_json_schema(&schema)));
    Some(Tool::Function(FunctionTool {
        name,
        description: extra.take_string("description"),
        parameters,
        strict: None,
        extra,
    }))
}

/// Writes the tools into a body that has the extra fields of the request already.
pub(super) fn put_tools(body: &mut Map<String, Value>, request: &ChatRequest) -> Result<()> {
    let origin = Origin::of(request.origin);
    let is_source = match body.get("tools") {
        Some(Value::Array(source)) => tools_from_json(source) == request.tools,
        // What is no list is for the provider to judge.
        Some(_) => request.tools.is_empty(),
        None => false,
    };
    if is_source {
        return Ok(());
    }
    body.shift_remove("tools");
    if !request.tools.is_empty() {
        body.insert("tools".to_owned(), tools_to_json(&request.tools, origin)?);
    }
    Ok(())
}

/// The functions in one group, where the first of them stands, and the other tools.
fn tools_to_json(tools: &[Tool], origin: Origin) -> Result<Value> {
    let mut functions = tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) => Some(function_to_json(function, origin)),
        Tool::Other(_) => None,
    });
    let mut list = Vec::new();
    for tool in tools {
        match tool {
            Tool::Function(_) => {
                let group: Vec<Value> = functions.by_ref().collect();
                if !group.is_empty() {
                    list.push(object([("functionDeclarations", group.into())]).into());
                }
            }
            Tool::Other(tool) if origin.is_own() => list.push(tool.clone()),
            Tool::Other(tool) => {
                return Err(invalid(format!("tools: {PROTOCOL} has no tool like {tool}")));
            }
        }
    }
    Ok(Value::Array(list))
}

fn function_to_json(function: &FunctionTool, origin: Origin) -> Value {
    let mut fields = object([("name", function.name.as_str().into())]);
    fields.put("description", function.description.as_deref());
    fields.put(SCHEMA, function.parameters.clone());
    if origin.is_own() {
        fields.fill(&function.extra);
    }
    Value::Object(fields)
}

pub(super) fn take_tool_choice(body: &mut Map<String, Value>) -> Option<ToolChoice> {
    let rule = body.take_within("toolConfig", |it| it.take_object("functionCallingConfig"))??;
    let mode = rule.get("mode").and_then(Value::as_str).unwrap_or_default();
    let names = rule.get("allowedFunctionNames").and_then(Value::as_array).map(Vec::as_slice);
    Some(match (mode, names, rule.len()) {
        ("AUTO", None, 1) => ToolChoice::Auto,
        ("NONE", None, 1) => ToolChoice::None,
        ("ANY", None, 1) => ToolChoice::Required,
        ("ANY", Some([Value::String(name)]), 2) => ToolChoice::Function(name.clone()),
        _ => ToolChoice::Other(Value::Object(rule)),
    })
}

pub(super) fn put_tool_choice(body: &mut Map<String, Value>, request: &ChatRequest) -> Result<()> {
    let mode = |mode: &str| object([("mode", mode.into())]);
    let rule = match &request.tool_choice {
        None => return Ok(()),
        Some(ToolChoice::Auto) => mode("AUTO"),
        Some(ToolChoice::None) => mode("NONE"),
        Some(ToolChoice::Required) => mode("ANY"),
        Some(ToolChoice::Function(name)) => {
            let mut rule = mode("ANY");
            rule.put("allowedFunctionNames", Some(vec![name.as_str()]));
            rule
        }
        Some(ToolChoice::Other(Value::Object(rule))) if PROTOCOL.accepts(request.origin) => {
            rule.clone()
        }
        Some(ToolChoice::Other(rule)) => {
            return Err(invalid(format!("tool_choice: {PROTOCOL} has no {rule}")));
        }
    };
    body.insert("toolConfig".to_owned(), object([("functionCallingConfig", rule.into())]).into());
    Ok(())
}
