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
    info: Map<String, Value>,
    pub(crate) servers: Vec<Value>,
    pub(crate) external_docs: Option<Value>,
    pub(crate) tags: Vec<Tag>,
    paths: Map<String, Value>,
    webhooks: Map<String, Value>,
}

impl Document {
    pub(crate) fn new(title: String, version: String) -> Self {
        let info = [("title".to_owned(), title.into()), ("version".to_owned(), version.into())];
        Self {
            info: Map::from_iter(info),
            servers: Vec::new(),
            external_docs: None,
            tags: Vec::new(),
            paths: Map::new(),
            webhooks: Map::new(),
        }
    }

    /// Says something about the API.
    pub(crate) fn about(&mut self, what: &str, value: impl Into<Value>) {
        self.info.insert(what.to_owned(), value.into());
    }

    /// What is said about the API.
    #[cfg(feature = "mcp")]
    pub(crate) fn info(&self, what: &str) -> Option<&str> {
        self.info.get(what)?.as_str()
    }

    /// Says where an application is that is mounted in another one, unless it knows better.
    pub(crate) fn mounted_at(&mut self, prefix: &str) {
        if self.servers.is_empty() {
            self.servers.push(json!({ "url": prefix }));
        }
    }

    /// Adds an operation at a path as axum writes it.
    pub(crate) fn add(&mut self, path: &str, method: &str, operation: Map<String, Value>) {
        insert(&mut self.paths, path.replace("{*", "{"), method, operation);
    }

    /// Adds a request that the server sends; says whether it is the first of its name and method.
    pub(crate) fn add_webhook(
        &mut self,
        name: String,
        method: &str,
        operation: Map<String, Value>,
    ) -> bool {
        insert(&mut self.webhooks, name, method, operation)
    }

    /// The finished document.
    pub(crate) fn finish(self, components: Components, security_schemes: Schemes) -> Value {
        // Both may refer to schemas, which get their final names here.
        let has_webhooks = !self.webhooks.is_empty();
        let mut operations = json!([self.paths, self.webhooks]);
        let mut schemas = components.finish(&mut operations);
        schemas.extend(error_schemas(&operations));
        let mut take = |index| operations.get_mut(index).map(Value::take).unwrap_or_default();
        let (paths, webhooks) = (take(0), take(1));
        let mut components = json!({ "schemas": schemas });
        let security_schemes = security_schemes.into_objects();
        if let (Some(components), false) = (components.as_object_mut(), security_schemes.is_empty())
        {
            components.insert("securitySchemes".to_owned(), security_schemes.into());
        }
        let mut document = Map::new();
        let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
        add("openapi", "3.1.0".into());
        add("info", self.info.into());
        if !self.servers.is_empty() {
            add("servers", self.servers.into());
        }
        add("paths", paths);
        if has_webhooks {
            add("webhooks", webhooks);
        }
        add("components", components);
        if !self.tags.is_empty() {
            let tag = |tag: Tag| json!({ "name": tag.name, "description": tag.description });
            add("tags", self.tags.into_iter().map(tag).collect());
        }
        if let Some(external_docs) = self.external_docs {
            add("externalDocs", external_docs);
        }
        document.into()
    }
}

/// Adds an operation to the path item of a name; says whether it is the first of its method.
pub(crate) fn insert(
    items: &mut Map<String, Value>,
    name: String,
    method: &str,
    operation: Map<String, Value>,
) -> bool {
    let item = items.entry(name).or_insert_with(|| json!({}));
    let known = item
        .as_object_mut()
        .and_then(|item| item.insert(method.to_ascii_lowercase(), operation.into()));
    known.is_none()
}

/// The schemas of errors in FastAPI's form, as far as operations name them; the first two are
/// FastAPI's own.
fn error_schemas(paths: &Value) -> Map<String, Value> {
    let text = paths.to_string();
    let is_used = |name: &str| text.contains(&format!("\"#/components/schemas/{name}\""));
    let (validation, other) = (is_used("HTTPValidationError"), is_used("HTTPError"));
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
            "properties": {
                "detail": { "title": "Detail" },
                "code": {
                    "title": "Code",
                    "description": "The name of the error for programs, if it has one.",
                    "type": "string",
                },
            },
            "required": ["detail"],
        },
    });
    match schemas {
        Value::Object(mut schemas) => {
            schemas.retain(|name, _| if name == "HTTPError" { other } else { validation });
            schemas
        }
        _ => Map::new(),
    }
}
