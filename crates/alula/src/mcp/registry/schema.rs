//! Schemas that every client can read, and what is wrong with those that are not.
//!
//! Clients hand schemas to providers of models, some of which refuse what JSON Schema allows. What
//! schemars writes is made plain: no `$ref` where it can be avoided, no `["string", "null"]` for a
//! field that may be left out, no `format: int64`.

use serde_json::{Map, Value, json};

/// How deep references are written out; recursive types keep theirs.
const DEPTH_MAX: usize = 32;

/// A schema that says the same in plainer words.
///
/// One that names its dialect was written by hand, and stays as it is.
pub(crate) fn tidy(mut root: Value) -> Value {
    if root.get("$schema").is_some() {
        return root;
    }
    let definitions = match root.as_object_mut().and_then(|root| root.remove("$defs")) {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    };
    let mut tidy = Tidy { definitions, open: Vec::new(), kept: Map::new() };
    let mut schema = tidy.schema(root);
    if let (Some(schema), false) = (schema.as_object_mut(), tidy.kept.is_empty()) {
        schema.insert("$defs".to_owned(), tidy.kept.into());
    }
    schema
}

/// The schema of the arguments of a tool, which are an object whatever else they are.
pub(crate) fn of_arguments(schema: Value) -> Value {
    let mut schema = tidy(schema);
    if let Some(map) = schema.as_object_mut() {
        // The name of a type says nothing to a model.
        map.remove("title");
        map.entry("type").or_insert_with(|| "object".into());
        if map.get("type") == Some(&Value::from("object")) {
            map.entry("properties").or_insert_with(|| json!({}));
        }
    }
    schema
}

/// The schema of an object with a `result`.
pub(crate) fn wrapped(mut schema: Value) -> Value {
    let definitions = schema.as_object_mut().and_then(|schema| schema.remove_entry("$defs"));
    let mut wrapped =
        json!({ "type": "object", "properties": { "result": schema }, "required": ["result"] });
    if let Some(map) = wrapped.as_object_mut() {
        map.extend(definitions);
    }
    wrapped
}

/// Whether every value fits.
pub(crate) fn is_anything(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.keys().all(|key| key == "title" || key == "description"),
        other => *other == Value::Bool(true),
    }
}

struct Tidy {
    definitions: Map<String, Value>,
    /// Those that are being written out.
    open: Vec<String>,
    /// Those that hold themselves, which only a reference can say.
    kept: Map<String, Value>,
}

impl Tidy {
    fn schema(&mut self, schema: Value) -> Value {
        let Value::Object(mut map) = schema else { return schema };
        if let Some(name) = reference(&map) {
            map.remove("$ref");
            return self.written_out(name, map);
        }
        forget_format(&mut map);
        let optional = optional_properties(&map);
        for (keyword, value) in &mut map {
            let value_here = value.take();
            *value = match keyword.as_str() {
                "properties" | "patternProperties" => self.each_named(value_here, &optional),
                "items"
                | "additionalProperties"
                | "not"
                | "contains"
                | "propertyNames"
                | "if"
                | "then"
                | "else" => self.schema(value_here),
                "anyOf" | "oneOf" | "allOf" | "prefixItems" => self.each(value_here),
                _ => value_here,
            };
        }
        Value::Object(map)
    }

    /// The definition in place of a reference, with what stood beside that.
    fn written_out(&mut self, name: String, beside: Map<String, Value>) -> Value {
        let recursive = self.open.contains(&name) || self.open.len() >= DEPTH_MAX;
        if recursive || self.kept.contains_key(&name) {
            self.keep(&name);
            let mut map = beside;
            map.insert("$ref".to_owned(), format!("#/$defs/{name}").into());
            return Value::Object(map);
        }
        let Some(definition) = self.definitions.get(&name).cloned() else {
            return Value::Object(beside);
        };
        self.open.push(name);
        let mut schema = self.schema(definition);
        self.open.pop();
        if let Some(schema) = schema.as_object_mut() {
            schema.extend(beside);
        }
        schema
    }

    fn keep(&mut self, name: &str) {
        if self.kept.contains_key(name) {
            return;
        }
        // There before it is made, so that it refers to itself.
        self.kept.insert(name.to_owned(), json!({}));
        let Some(definition) = self.definitions.get(name).cloned() else { return };
        let open = std::mem::take(&mut self.open);
        let schema = self.schema(definition);
        self.open = open;
        self.kept.insert(name.to_owned(), schema);
    }

    fn each_named(&mut self, value: Value, optional: &[String]) -> Value {
        let Value::Object(map) = value else { return value };
        let named = map.into_iter().map(|(name, schema)| {
            let mut schema = self.schema(schema);
            if optional.contains(&name) {
                forget_null(&mut schema);
            }
            (name, schema)
        });
        Value::Object(named.collect())
    }

    fn each(&mut self, value: Value) -> Value {
        let Value::Array(items) = value else { return value };
        Value::Array(items.into_iter().map(|item| self.schema(item)).collect())
    }
}

/// `Page` of `{"$ref": "#/$defs/Page"}`.
fn reference(map: &Map<String, Value>) -> Option<String> {
    let target = map.get("$ref")?.as_str()?;
    Some(target.strip_prefix("#/$defs/")?.to_owned())
}

/// The properties that may be left out: they need not be null as well.
fn optional_properties(map: &Map<String, Value>) -> Vec<String> {
    let required = map.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
    let properties = map.get("properties").and_then(Value::as_object);
    let names = properties.into_iter().flat_map(Map::keys);
    names.filter(|name| !is_required(name)).cloned().collect()
}

/// Removes `null` from what a schema allows. It stays allowed: clients only need not know.
fn forget_null(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some(Value::Array(kinds)) = map.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [one] = kinds.as_slice() {
            let one = one.clone();
            map.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(branches)) = map.get_mut("anyOf") else { return };
    branches.retain(|branch| branch.get("type") != Some(&Value::from("null")));
    if let [Value::Object(_)] = branches.as_slice()
        && let Some(Value::Object(mut only)) = branches.pop()
    {
        map.remove("anyOf");
        // What is said of the field goes before what is said of its type.
        for (keyword, value) in std::mem::take(map) {
            only.insert(keyword, value);
        }
        *map = only;
    }
}

/// Formats of Rust's numbers, which no JSON Schema knows; their limits are there as well.
fn forget_format(map: &mut Map<String, Value>) {
    const NUMBERS: [&str; 14] = [
        "int8", "int16", "int32", "int64", "int128", "int", "uint8", "uint16", "uint32", "uint64",
        "uint128", "uint", "float", "double",
    ];
    let format = map.get("format").and_then(Value::as_str);
    if format.is_some_and(|format| NUMBERS.contains(&format)) {
        map.remove("format");
        // Limits that no double can say confuse more than they tell.
        for keyword in ["minimum", "maximum"] {
            let limit = map.get(keyword).and_then(Value::as_f64);
            if limit.is_some_and(|limit| limit.abs() > 9_007_199_254_740_991.0) {
                map.remove(keyword);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_written_out() {
        let root = json!({
            "type": "object",
            "properties": { "a": { "$ref": "#/$defs/A", "description": "mine" } },
            "required": ["a"],
            "$defs": { "A": { "type": "string", "description": "of A" } },
        });
        let tidy = tidy(root);
        assert_eq!(tidy["properties"]["a"], json!({ "type": "string", "description": "mine" }));
        assert!(tidy.get("$defs").is_none());
    }

    #[test]
    fn a_type_that_holds_itself_keeps_its_reference() {
        let node = json!({
            "type": "object",
            "properties": { "next": { "anyOf": [{ "$ref": "#/$defs/Node" }, { "type": "null" }] } },
        });
        let tidy = tidy(json!({ "$ref": "#/$defs/Node", "$defs": { "Node": node } }));
        assert_eq!(tidy["properties"]["next"], json!({ "$ref": "#/$defs/Node" }));
        assert_eq!(tidy["$defs"]["Node"]["properties"]["next"]["$ref"], "#/$defs/Node");
    }

    #[test]
    fn what_may_be_left_out_need_not_be_null() {
        let tidy = tidy(json!({
            "type": "object",
            "properties": {
                "a": { "type": ["integer", "null"], "format": "uint32", "minimum": 0 },
                "b": { "type": ["string", "null"] },
            },
            "required": ["b"],
        }));
        assert_eq!(tidy["properties"]["a"], json!({ "type": "integer", "minimum": 0 }));
        assert_eq!(tidy["properties"]["b"]["type"], json!(["string", "null"]));
    }

    #[test]
    fn a_schema_that_names_its_dialect_stays() {
        let root = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": { "a": { "$anchor": "x" } },
            "$ref": "#/$defs/a",
        });
        assert_eq!(tidy(root.clone()), root);
    }

    #[test]
    fn a_result_that_is_no_object_becomes_one() {
        let wrapped = wrapped(json!({ "type": "integer", "$defs": { "a": {} } }));
        assert_eq!(wrapped["properties"]["result"], json!({ "type": "integer" }));
        assert_eq!(wrapped["$defs"], json!({ "a": {} }));
        assert!(is_anything(&json!({ "title": "AnyValue" })) && is_anything(&true.into()));
    }
}
