//! `alula mcp list` and `alula mcp inspect`: what a server offers.

use std::fmt::Write as _;

use alula::mcp::{
    Client,
    client::{Prompt, Resource, ResourceTemplate, Tool},
};
use clap::Args;
use serde_json::{Value, json};

use super::{McpError, target::TargetArgs};
use crate::cli::{
    say,
    table::{self, printable},
};

/// How much of a description a table shows.
const DESCRIPTION_CHARS_MAX: usize = 80;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Print JSON, all that the server says.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Only this tool.
    tool: Option<String>,
    /// Print JSON, all that the server says.
    #[arg(long)]
    json: bool,
}

/// What a server offers.
struct Offered {
    tools: Vec<Tool>,
    resources: Vec<Resource>,
    templates: Vec<ResourceTemplate>,
    prompts: Vec<Prompt>,
}

impl Offered {
    async fn by(client: &Client) -> Result<Self, McpError> {
        let (tools, resources, templates, prompts) = tokio::try_join!(
            client.tools(),
            client.resources(),
            client.resource_templates(),
            client.prompts()
        )?;
        Ok(Self { tools, resources, templates, prompts })
    }

    fn to_json(&self) -> Value {
        let Self { tools, resources, templates, prompts } = self;
        json!({
            "tools": tools,
            "resources": resources,
            "resourceTemplates": templates,
            "prompts": prompts,
        })
    }
}

pub(super) async fn list(arguments: ListArgs) -> Result<(), McpError> {
    let ListArgs { target, json } = arguments;
    let offered = target.with(async |client| Offered::by(client).await).await?;
    match json {
        true => say(&format!("{:#}", offered.to_json())),
        false => say(&tables(&offered)),
    }
    Ok(())
}

pub(super) async fn inspect(arguments: InspectArgs) -> Result<(), McpError> {
    let InspectArgs { target, tool, json } = arguments;
    let (server, mut offered) = target
        .with(async |client| Ok((client.server().clone(), Offered::by(client).await?)))
        .await?;
    if let Some(name) = &tool {
        find(&offered.tools, name)?;
        offered.tools.retain(|tool| tool.name == *name);
    }
    match (json, tool) {
        (true, None) => {
            let mut whole = json!({ "server": server });
            if let (Some(whole), Value::Object(lists)) = (whole.as_object_mut(), offered.to_json())
            {
                whole.extend(lists);
            }
            say(&format!("{whole:#}"));
        }
        (true, Some(_)) => say(&format!("{:#}", json!(offered.tools.first()))),
        (false, Some(_)) => say(offered.tools.iter().map(described).collect::<String>().trim_end()),
        (false, None) => {
            let mut text = format!(
                "{} {}, MCP {}\n",
                shown(&server.name),
                shown(&server.version),
                server.protocol
            );
            let names: Vec<_> = server.capabilities.keys().map(|name| shown(name)).collect();
            let _ = writeln!(text, "can do: {}", names.join(", "));
            if let Some(instructions) = &server.instructions {
                let _ = writeln!(text, "\n{}", printable(instructions.trim()));
            }
            let tools = offered.tools.iter().map(|tool| format!("\n{}", described(tool)));
            text.extend(tools);
            offered.tools.clear();
            let rest = tables(&offered);
            if !rest.is_empty() {
                let _ = write!(text, "\n{rest}");
            }
            say(text.trim_end());
        }
    }
    Ok(())
}

/// The tool of this name.
pub(super) fn find<'a>(tools: &'a [Tool], name: &str) -> Result<&'a Tool, McpError> {
    let found = tools.iter().find(|tool| tool.name == name);
    found.ok_or_else(|| {
        let names = tools.iter().map(|tool| tool.name.as_str());
        let nearest = names.min_by_key(|known| strsim::damerau_levenshtein(name, known));
        McpError::Mistake(match nearest {
            Some(nearest) => {
                format!("the server has no tool {name:?}; is it meant to be {nearest:?}?")
            }
            None => format!("the server has no tool {name:?}, nor any other"),
        })
    })
}

/// A table for each kind of thing that there is.
fn tables(offered: &Offered) -> String {
    let cut = |text: Option<&str>| shortened(text.unwrap_or_default());
    let tools = offered
        .tools
        .iter()
        .map(|tool| vec![tool.name.clone(), arguments_of(tool), cut(tool.description.as_deref())]);
    let resources = offered.resources.iter().map(|resource| {
        let kind = resource.mime_type.clone().unwrap_or_default();
        vec![resource.uri.clone(), kind, cut(resource.description.as_deref())]
    });
    let templates = offered.templates.iter().map(|template| {
        let kind = template.mime_type.clone().unwrap_or_default();
        vec![template.uri_template.clone(), kind, cut(template.description.as_deref())]
    });
    let prompts = offered.prompts.iter().map(|prompt| {
        let arguments = prompt.arguments.iter().map(|it| optional(&it.name, it.required));
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        vec![prompt.name.clone(), arguments, cut(prompt.description.as_deref())]
    });
    let parts = [
        with_head(["tool", "arguments", "description"], tools.collect()),
        with_head(["resource", "type", "description"], resources.chain(templates).collect()),
        with_head(["prompt", "arguments", "description"], prompts.collect()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

fn with_head(head: [&str; 3], rows: Vec<Vec<String>>) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let head = head.map(str::to_owned).to_vec();
    Some(table::of_texts(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))
}

/// The names of the arguments; those that need not be there in brackets.
fn arguments_of(tool: &Tool) -> String {
    let names = properties(tool).map(|(name, _, required)| optional(name, required));
    names.collect::<Vec<_>>().join(", ")
}

fn optional(name: &str, is_required: bool) -> String {
    if is_required { name.to_owned() } else { format!("[{name}]") }
}

/// The arguments of a tool, each with its schema and whether it has to be there.
fn properties(tool: &Tool) -> impl Iterator<Item = (&str, &Value, bool)> {
    let required = tool.input_schema.get("required").and_then(Value::as_array);
    let properties = tool.input_schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(move |(name, schema)| {
        let is_required = required.is_some_and(|names| names.iter().any(|it| it == name));
        (name.as_str(), schema, is_required)
    })
}

/// A tool with all that there is to know of it, for people.
fn described(tool: &Tool) -> String {
    let mut text = format!("{}\n", shown(&tool.name));
    for line in tool.description.as_deref().unwrap_or_default().trim().lines() {
        let _ = writeln!(text, "  {}", printable(line));
    }
    let hints = tool.annotations.iter().filter(|(_, value)| **value == true);
    let hints: Vec<_> = hints.map(|(name, _)| shown(name.trim_end_matches("Hint"))).collect();
    if !hints.is_empty() {
        let _ = writeln!(text, "  ({})", hints.join(", "));
    }
    let rows: Vec<Vec<String>> = properties(tool)
        .map(|(name, schema, is_required)| {
            let about = schema.get("description").and_then(Value::as_str);
            let about = shortened(about.unwrap_or_default());
            vec![format!("  {}", optional(name, is_required)), kind(schema), about]
        })
        .collect();
    if !rows.is_empty() {
        let _ = writeln!(text, "{}", table::of_texts(&rows));
    }
    text
}

/// The type of an argument in a word, as its schema has it.
fn kind(schema: &Value) -> String {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let choices = choices.iter().map(ToString::to_string);
        return choices.collect::<Vec<_>>().join("|");
    }
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|")
        }
        _ => "any".to_owned(),
    }
}

/// The first line of a text, shortened.
fn shortened(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(DESCRIPTION_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// What may stand on a line.
fn shown(text: &str) -> String {
    table::clean(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool() -> Tool {
        serde_json::from_value(json!({
            "name": "add", "description": "Add two numbers.\nSlowly.",
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
            "inputSchema": {
                "type": "object", "required": ["a"],
                "properties": {
                    "a": { "type": "integer", "description": "The first one." },
                    "mode": { "enum": ["fast", "slow"] },
                },
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_tool_is_shown_in_a_row_or_in_full() {
        let offered =
            Offered { tools: vec![tool()], resources: vec![], templates: vec![], prompts: vec![] };
        assert_eq!(
            tables(&offered),
            "tool  arguments  description\nadd   a, [mode]  Add two numbers."
        );
        assert_eq!(
            described(&tool()),
            "add\n  Add two numbers.\n  Slowly.\n  (readOnly)\n  a       integer        \
             The first one.\n  [mode]  \"fast\"|\"slow\"\n"
        );
    }

    #[test]
    fn a_name_that_is_nearly_one_is_found() {
        let error = find(&[tool()], "ad").unwrap_err();
        assert_eq!(error.to_string(), "the server has no tool \"ad\"; is it meant to be \"add\"?");
    }
}
