//! What the OpenAPI document promises.

use std::collections::BTreeMap;

use alula::schema::Shape;
use serde_json::{Value, json};

/// The document, ready to be asked.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    schemas: Value,
    pub(super) security_schemes: BTreeMap<String, Value>,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) parameters: Vec<Parameter>,
    /// Content types and schemas of the request body.
    pub(super) bodies: Vec<(String, Value)>,
    /// Sets of credentials; one of them is enough.
    pub(super) security: Vec<Vec<String>>,
    responses: BTreeMap<String, Response>,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) required: bool,
    pub(super) schema: Value,
}

#[derive(Debug)]
struct Response {
    /// The shape of its JSON, if it has one.
    json: Option<Shape>,
}

impl Document {
    pub(super) fn new(document: &Value) -> Self {
        let schemas = document["components"]["schemas"].clone();
        let operation = |path: &str, method: &str, value: &Value| Operation {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            parameters: list(&value["parameters"]).map(Parameter::new).collect(),
            bodies: entries(&value["requestBody"]["content"])
                .map(|(kind, content)| (kind.clone(), content["schema"].clone()))
                .collect(),
            security: list(&value["security"])
                .map(|set| entries(set).map(|(name, _)| name.clone()).collect())
                .collect(),
            responses: entries(&value["responses"])
                .map(|(status, response)| (status.clone(), Response::new(response, &schemas)))
                .collect(),
        };
        let operations = entries(&document["paths"]).flat_map(|(path, item)| {
            entries(item).map(move |(method, value)| operation(path, method, value))
        });
        Self {
            operations: operations.collect(),
            security_schemes: entries(&document["components"]["securitySchemes"])
                .map(|(name, scheme)| (name.clone(), scheme.clone()))
                .collect(),
            schemas,
        }
    }

    /// A schema without a reference at its top.
    pub(super) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
            Some(name) => self.resolve(&self.schemas[name]),
            None => schema,
        }
    }
}

impl Operation {
    pub(super) fn documents(&self, status: u16) -> bool {
        self.responses.contains_key(&status.to_string())
    }

    /// What a JSON answer has against its schema.
    pub(super) fn mistakes(&self, status: u16, answer: &Value) -> Vec<alula::Detail> {
        let response = self.responses.get(&status.to_string());
        let shape = response.and_then(|response| response.json.as_ref());
        shape.map(|shape| shape.explain("body", answer, Default::default())).unwrap_or_default()
    }
}

impl Parameter {
    fn new(value: &Value) -> Self {
        Self {
            name: value["name"].as_str().unwrap().to_owned(),
            place: value["in"].as_str().unwrap().to_owned(),
            required: value["required"] == true,
            schema: value["schema"].clone(),
        }
    }
}

impl Response {
    fn new(response: &Value, schemas: &Value) -> Self {
        let schema = &response["content"]["application/json"]["schema"];
        let only_json = entries(&response["content"]).count() == 1;
        let json = (schema.is_object() && only_json).then(|| {
            let mut root = schema.clone();
            root["$defs"] = schemas.clone();
            let text = root.to_string().replace("#/components/schemas/", "#/$defs/");
            Shape::compile(&serde_json::from_str(&text).unwrap_or_else(|_| json!({})))
        });
        Self { json }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
