//! What servers offer and answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A server, by its own account.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServerInfo {
    /// What it calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The revision of the protocol that it is spoken to in.
    pub protocol: &'static str,
    /// How its tools are best used.
    pub instructions: Option<String>,
    /// What it can do: `tools`, `resources`, `prompts`, ….
    pub capabilities: Map<String, Value>,
}

impl ServerInfo {
    pub(super) fn new(protocol: &'static str, result: &Value) -> Self {
        let capabilities = result.get("capabilities").and_then(Value::as_object);
        // In the newest revision it is what an answer says beside its result.
        let newest = "/_meta/io.modelcontextprotocol~1serverInfo";
        let info = result.get("serverInfo").or_else(|| result.pointer(newest));
        let text = |of: Option<&Value>, name| Some(of?.get(name)?.as_str()?.to_owned());
        Self {
            name: text(info, "name").unwrap_or_default(),
            version: text(info, "version").unwrap_or_default(),
            protocol,
            instructions: text(Some(result), "instructions"),
            capabilities: capabilities.cloned().unwrap_or_default(),
        }
    }
}

/// A tool of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tool {
    /// What it is called by.
    pub name: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, for models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments.
    #[serde(default)]
    pub input_schema: Value,
    /// The JSON Schema of its structured result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Hints: `readOnlyHint`, `destructiveHint`, ….
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
    /// Fields that have no place above.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A resource of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Resource {
    /// Its URI.
    pub uri: String,
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Fields that have no place above.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Resources of a server whose URIs are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceTemplate {
    /// Their URIs, as a template (RFC 6570).
    pub uri_template: String,
    /// What they are called.
    #[serde(default)]
    pub name: String,
    /// What they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Their media type, if all have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Fields that have no place above.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a resource, or a part of it, holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceContents {
    /// Its URI.
    pub uri: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its text, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Else its bytes, in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

/// A prompt of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Prompt {
    /// What it is asked for by.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What may be filled in.
    #[serde(default)]
    pub arguments: Vec<PromptArgument>,
    /// Fields that have no place above.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What may be filled into a prompt. All arguments are texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it has to be there.
    #[serde(default)]
    pub required: bool,
}

/// A prompt, filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PromptMessages {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its messages: each a `role` and a `content`.
    #[serde(default)]
    pub messages: Vec<Value>,
}

/// What a tool gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallResult {
    /// Its parts: texts, images, sounds, resources.
    #[serde(default)]
    pub content: Vec<Value>,
    /// The same as a value, if the tool gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// Whether the tool has failed; the texts say why.
    #[serde(default)]
    pub is_error: bool,
    /// Fields that have no place above.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl CallResult {
    /// Its texts, each on lines of its own.
    pub fn text(&self) -> String {
        let of_resource = |part: &Value| part.pointer("/resource/text").cloned();
        let text = |part: &Value| match part.get("type").and_then(Value::as_str) {
            Some("text") => part.get("text").cloned(),
            Some("resource") => of_resource(part),
            _ => None,
        };
        let texts = self.content.iter().filter_map(text);
        let texts: Vec<String> =
            texts.filter_map(|text| text.as_str().map(str::to_owned)).collect();
        texts.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_server_says_of_a_tool_is_lost() {
        let wire = json!({
            "name": "add", "inputSchema": { "type": "object" }, "icons": [{ "src": "a.png" }],
            "annotations": { "readOnlyHint": true }, "_meta": { "x": 1 },
        });
        let tool: Tool = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(tool.annotations["readOnlyHint"], true);
        assert_eq!(serde_json::to_value(&tool).unwrap(), wire);
    }

    #[test]
    fn a_server_says_who_it_is_in_either_place() {
        let info = json!({ "name": "notes", "version": "1" });
        for result in [
            json!({ "serverInfo": info }),
            json!({ "_meta": { "io.modelcontextprotocol/serverInfo": info } }),
        ] {
            let read = ServerInfo::new("x", &result);
            assert_eq!((read.name.as_str(), read.version.as_str()), ("notes", "1"));
        }
    }

    #[test]
    fn a_result_is_its_texts() {
        let result: CallResult = serde_json::from_value(json!({ "content": [
            { "type": "text", "text": "a" },
            { "type": "image", "data": "", "mimeType": "image/png" },
            { "type": "resource", "resource": { "uri": "x://y", "text": "b" } },
        ] }))
        .unwrap();
        assert_eq!((result.text().as_str(), result.is_error), ("a\nb", false));
    }
}
