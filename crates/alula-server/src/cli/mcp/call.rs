//! `alula mcp call`: a tool of a server, called by hand.

use std::io::Read as _;

use alula::mcp::client::{CallResult, Tool};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::{Map, Value, json};

use super::{McpError, list::find, target::TargetArgs};
use crate::cli::{say, table::printable};

/// The longest arguments that are read from stdin.
const STDIN_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The tool.
    tool: String,
    /// Its arguments, as name=value: texts as they are, all else as JSON. A name that is there
    /// several times is a list.
    #[arg(value_name = "NAME=VALUE")]
    pairs: Vec<String>,
    /// Its arguments as one JSON object; - reads it from stdin.
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// Print JSON, all that the tool gave.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: CallArgs) -> Result<(), McpError> {
    let CallArgs { target, tool: name, pairs, args, json } = arguments;
    let whole = args.as_deref().map(object).transpose()?.unwrap_or_default();
    let result = target
        .with(async |client| {
            let tools = client.tools().await?;
            let arguments = arguments_of(find(&tools, &name)?, whole, &pairs)?;
            Ok(client.call(&name, arguments).await?)
        })
        .await?;
    match json {
        true => say(&format!("{:#}", json!(result))),
        false => say(&text_of(&result)),
    }
    match result.is_error {
        true => Err(McpError::Failed(name)),
        false => Ok(()),
    }
}

/// The object that a text is.
fn object(text: &str) -> Result<Map<String, Value>, McpError> {
    let mut read = String::new();
    let text = match text {
        "-" => {
            let stdin = std::io::stdin().lock();
            let done = stdin.take(STDIN_BYTES_MAX).read_to_string(&mut read);
            done.map_err(|error| McpError::Mistake(format!("--args -: {error}")))?;
            read.as_str()
        }
        text => text,
    };
    serde_json::from_str(text)
        .map_err(|error| McpError::Mistake(format!("--args: expected a JSON object: {error}")))
}

/// The arguments of a call: the object, and the pairs in place of what it says.
fn arguments_of(
    tool: &Tool,
    mut arguments: Map<String, Value>,
    pairs: &[String],
) -> Result<Value, McpError> {
    let mut given: Map<String, Value> = Map::new();
    for pair in pairs {
        let Some((name, text)) = pair.split_once('=') else {
            return Err(McpError::Mistake(format!("{pair:?}: expected NAME=VALUE")));
        };
        let schema = schema_of(tool, name)?;
        let value = value_of(name, text, schema)?;
        match given.get_mut(name) {
            None => _ = given.insert(name.to_owned(), value),
            Some(Value::Array(values)) => match value {
                Value::Array(more) => values.extend(more),
                value => values.push(value),
            },
            Some(first) => *first = json!([first.clone(), value]),
        }
    }
    arguments.extend(given);
    Ok(arguments.into())
}

/// The schema of an argument; none where the tool takes any.
fn schema_of<'a>(tool: &'a Tool, name: &str) -> Result<Option<&'a Value>, McpError> {
    let schema = &tool.input_schema;
    let known = schema.get("properties").and_then(Value::as_object);
    if let Some(property) = known.and_then(|known| known.get(name)) {
        return Ok(Some(property));
    }
    let takes_any = schema.get("additionalProperties").is_some_and(|any| *any != false)
        || schema.get("patternProperties").is_some()
        || known.is_none();
    if takes_any {
        return Ok(None);
    }
    let names: Vec<_> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(McpError::Mistake(format!("{} has no argument {name:?}; it has {has}", tool.name)))
}

/// A value as people write it: a text as it is, all else as JSON.
fn value_of(name: &str, text: &str, schema: Option<&Value>) -> Result<Value, McpError> {
    let as_json = serde_json::from_str::<Value>(text).ok();
    let kinds = kinds_of(schema);
    if kinds.is_empty() {
        return Ok(as_json.unwrap_or_else(|| text.into()));
    }
    if let Some(value) = as_json.filter(|value| kinds.iter().any(|kind| is_of(value, kind))) {
        // "7" is a text where a text is wanted, with its quotes if they are written.
        if !(value.is_string() && kinds.contains(&"string")) {
            return Ok(value);
        }
    }
    // Lists are written as several pairs, too.
    if kinds.contains(&"array") && !kinds.contains(&"string") {
        let items = schema.and_then(|schema| schema.get("items"));
        return Ok(json!([value_of(name, text, items)?]));
    }
    match kinds.contains(&"string") {
        true => Ok(text.into()),
        false => Err(McpError::Mistake(format!("{name}={text}: expected {}", kinds.join(" or ")))),
    }
}

/// The types that a schema names; none where it names none plainly.
fn kinds_of(schema: Option<&Value>) -> Vec<&str> {
    let Some(schema) = schema else { return Vec::new() };
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => {
            let choices = schema.get("anyOf").or_else(|| schema.get("oneOf"));
            let choices = choices.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            choices.iter().filter_map(|it| it.get("type")?.as_str()).collect()
        }
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

/// What a tool gave, for people.
fn text_of(result: &CallResult) -> String {
    if result.content.is_empty()
        && let Some(value) = &result.structured_content
    {
        return format!("{value:#}");
    }
    let text =
        |part: &Value, pointer: &str| part.pointer(pointer).and_then(Value::as_str).map(printable);
    let parts = result.content.iter().map(|part| {
        let data = text(part, "/data").or_else(|| text(part, "/resource/blob"));
        let kind = text(part, "/type").unwrap_or_default();
        let media = text(part, "/mimeType").or_else(|| text(part, "/resource/mimeType"));
        let whole = text(part, "/text").or_else(|| text(part, "/resource/text"));
        match (whole, data) {
            (Some(text), _) => text,
            (None, Some(data)) => {
                let bytes = STANDARD.decode(data).map_or(0, |bytes| bytes.len());
                format!("[{kind}: {}, {bytes} bytes]", media.unwrap_or_default())
            }
            (None, None) => match text(part, "/uri") {
                Some(uri) => format!("[{kind}: {uri}]"),
                None => format!("[{kind}]"),
            },
        }
    });
    parts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool() -> Tool {
        serde_json::from_value(json!({ "name": "t", "inputSchema": { "properties": {
            "text": { "type": "string" },
            "count": { "type": "integer" },
            "flag": { "type": ["boolean", "null"] },
            "tags": { "type": "array", "items": { "type": "string" } },
            "numbers": { "type": "array", "items": { "type": "number" } },
            "either": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
            "any": {},
        } } }))
        .unwrap()
    }

    fn read(pairs: &[&str]) -> Result<Value, String> {
        let pairs: Vec<String> = pairs.iter().map(|&pair| pair.to_owned()).collect();
        let whole = Map::from_iter([("text".to_owned(), json!("before"))]);
        arguments_of(&tool(), whole, &pairs).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_what_the_tool_takes() {
        assert_eq!(
            read(&["text=7", "count=7", "flag=true", "any={\"a\":1}", "either=x"]),
            Ok(json!({
                "text": "7", "count": 7, "flag": true, "any": { "a": 1 }, "either": "x",
            }))
        );
        assert_eq!(
            read(&["tags=a", "tags=b=c", "numbers=[1,2]", "numbers=3", "either=5", "any=x y"]),
            Ok(json!({
                "text": "before", "tags": ["a", "b=c"], "numbers": [1, 2, 3], "either": 5,
                "any": "x y",
            }))
        );
        assert_eq!(read(&["flag=null", "text="]), Ok(json!({ "text": "", "flag": null })));
    }

    #[test]
    fn what_it_does_not_take_is_named() {
        assert_eq!(read(&["count=1.5"]), Err("count=1.5: expected integer".to_owned()));
        assert_eq!(read(&["flag=yes"]), Err("flag=yes: expected boolean or null".to_owned()));
        assert_eq!(read(&["text"]), Err("\"text\": expected NAME=VALUE".to_owned()));
        assert_eq!(
            read(&["txet=1"]),
            Err("t has no argument \"txet\"; it has text, count, flag, tags, numbers, either, any"
                .to_owned())
        );
        assert!(object("[1]").is_err());
    }

    #[test]
    fn what_is_no_text_is_named() {
        let result: CallResult = serde_json::from_value(json!({ "content": [
            { "type": "text", "text": "a\u{7}" },
            { "type": "image", "data": "AQID", "mimeType": "image/png" },
            { "type": "resource_link", "uri": "docs://7", "name": "x" },
        ] }))
        .unwrap();
        assert_eq!(
            text_of(&result),
            "a\u{fffd}\n[image: image/png, 3 bytes]\n[resource_link: docs://7]"
        );
    }
}
