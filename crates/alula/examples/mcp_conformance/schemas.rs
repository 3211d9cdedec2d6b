//! Tools whose schemas are odd.

use std::borrow::Cow;

use alula::{mcp::Arguments, prelude::*};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

pub(super) fn add(app: App) -> App {
    app.tool(json_schema_2020_12_tool).tool(test_header_tool)
}

/// Any object, of a schema that was written by hand.
#[derive(Deserialize)]
struct Contact(Map<String, Value>);

impl JsonSchema for Contact {
    fn schema_name() -> Cow<'static, str> {
        "Contact".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": {
                        "street": { "type": "string" },
                        "city": { "type": "string" },
                    },
                },
            },
            "properties": {
                "name": { "type": "string" },
                "address": { "$ref": "#/$defs/address" },
                "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                "phone": { "type": "string" },
                "email": { "type": "string" },
            },
            "allOf": [
                { "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] },
            ],
            "if": {
                "properties": { "contactMethod": { "const": "phone" } },
                "required": ["contactMethod"],
            },
            "then": { "required": ["phone"] },
            "else": { "required": ["email"] },
            "additionalProperties": false,
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl Validate for Contact {
    fn is_valid(&self) -> bool {
        true
    }
}

/// Tool with JSON Schema 2020-12 features
#[tool]
async fn json_schema_2020_12_tool(Arguments(contact): Arguments<Contact>) -> String {
    format!("{} fields", contact.0.len())
}

/// Repeats arguments in headers.
#[tool]
async fn test_header_tool(
    /// Where.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
    /// How often.
    #[schemars(extend("x-mcp-header" = "Count"))]
    count: Option<i32>,
) -> String {
    format!("{region}: {count:?}")
}
