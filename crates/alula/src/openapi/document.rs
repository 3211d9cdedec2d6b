//! The document as a whole.

use serde_json::{Map, Value, json};

use super::{components::Components, security::Schemes};

/// A group of operations.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) description: String,
}

/// A document in the making.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<Tag>,
    paths: Map<String, Value>,
}

impl Document {
    pub(crate) fn new(title: String, version: String) -> Self {
        Self { title, version, description: None, tags: Vec::new(), paths: Map::new() }
    }

    /// Adds an operation at a path as axum writes it.
    pub(crate) fn add(&mut self, path: &str, method: &str, operation: Map<String, Value>) {
        let path = path.replace("{*", "{");
        let item = self.paths.entry(path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(method.to_ascii_lowercase(), operation.into());
        }
    }

    /// The finished document.
    pub(crate) fn finish(self, components: Components, security_schemes: Schemes) -> Value {
        let mut info = json!({ "title": self.title, "version": self.version });
        if let (Some(info), Some(description)) = (info.as_object_mut(), self.description) {
            info.insert("description".to_owned(), description.into());
        }
        let mut paths = Value::Object(self.paths);
        let mut schemas = components.finish(&mut paths);
        schemas.extend(error_schemas());
        let mut components = json!({ "schemas": schemas });
        let security_schemes = security_schemes.into_objects();
        if let (Some(components), false) = (components.as_object_mut(), security_schemes.is_empty())
        {
            components.insert("securitySchemes".to_owned(), security_schemes.into());
        }
        let mut document = Map::new();
        document.insert("openapi".to_owned(), "3.1.0".into());
        document.insert("info".to_owned(), info);
        document.insert("paths".to_owned(), paths);
        document.insert("components".to_owned(), components);
        if !self.tags.is_empty() {
            let tag = |tag: Tag| json!({ "name": tag.name, "description": tag.description });
            document.insert("tags".to_owned(), self.tags.into_iter().map(tag).collect());
        }
        document.into()
    }
}

/// The schemas of the errors that the framework itself answers with; the first two are FastAPI's.
fn error_schemas() -> Map<String, Value> {
    let loc = json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] });
    let schemas = json!({
        "HTTPValidationError": {
            "title": "HTTPValidationError",
            "type": "object",
            "properties": {
                "detail": {
                    "title": "Detail",
                    "type": "array",
                    "items": { "$ref": "#/components/schemas/ValidationError" },
                },
            },
        },
        "ValidationError": {
            "title": "ValidationError",
            "type": "object",
            "properties": {
                "loc": { "title": "Location", "type": "array", "items": loc },
                "msg": { "title": "Message", "type": "string" },
                "type": { "title": "Error Type", "type": "string" },
                "input": { "title": "Input" },
                "ctx": { "title": "Context", "type": "object" },
            },
            "required": ["loc", "msg", "type"],
        },
        "HTTPError": {
            "title": "HTTPError",
            "description": "Any error that is not about validation.",
            "type": "object",
            "properties": { "detail": { "title": "Detail" } },
            "required": ["detail"],
        },
    });
    match schemas {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}
