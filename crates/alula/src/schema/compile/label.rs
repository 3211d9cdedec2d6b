//! The names of union branches: pydantic's names of the types.

use serde_json::{Map, Value};

use super::super::words::python_repr;
use super::rules::natural_range;
use super::union::values;
use super::{Compiler, resolve, types};

/// Types nested deeper than this are shown as `any`; recursive types have no end.
const DEPTH_MAX: usize = 6;

impl<'s> Compiler<'s> {
    /// What `loc` shows for a branch: `str`, `list[int]`, `Image`, …
    pub(super) fn label(&self, schema: &'s Value) -> String {
        self.label_at(schema, None, 0)
    }

    fn label_at(&self, schema: &'s Value, name: Option<&str>, depth: usize) -> String {
        let Some(map) = schema.as_object().filter(|_| depth < DEPTH_MAX) else {
            return "any".to_owned();
        };
        if let Some(target) = map.get("$ref").and_then(Value::as_str) {
            let name = target.rsplit('/').next().filter(|name| *name != "#");
            return resolve(self.root, target)
                .map_or_else(|| "any".to_owned(), |schema| self.label_at(schema, name, depth + 1));
        }
        let name = name.or_else(|| map.get("title").and_then(Value::as_str));
        if let Some(values) = values(map) {
            return choice(&values, name);
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(Value::Array(alternatives)) = map.get(keyword) {
                return self.union_label(alternatives, name, depth);
            }
        }
        let types = types(map);
        let label = match types.iter().find(|name| **name != "null") {
            Some(json_type) => self.type_label(json_type, map, name, depth),
            None if types.is_empty() => "any".to_owned(),
            None => return "none".to_owned(),
        };
        if types.contains(&"null") { format!("nullable[{label}]") } else { label }
    }

    fn type_label(
        &self,
        json_type: &str,
        map: &'s Map<String, Value>,
        name: Option<&str>,
        depth: usize,
    ) -> String {
        let inner = |schema: Option<&'s Value>| {
            schema.map_or_else(|| "any".to_owned(), |schema| self.label_at(schema, None, depth + 1))
        };
        match json_type {
            "string" => text(map).to_owned(),
            "integer" if has_own_limits(map) => "constrained-int".to_owned(),
            "integer" => "int".to_owned(),
            "number" if has_own_limits(map) => "constrained-float".to_owned(),
            "number" => "float".to_owned(),
            "boolean" => "bool".to_owned(),
            "array" => match map.get("prefixItems") {
                Some(Value::Array(items)) => {
                    let items: Vec<String> = items.iter().map(|item| inner(Some(item))).collect();
                    format!("tuple[{}]", items.join(", "))
                }
                _ if map.get("uniqueItems") == Some(&Value::Bool(true)) => {
                    format!("set[{}]", inner(map.get("items")))
                }
                _ => format!("list[{}]", inner(map.get("items"))),
            },
            _ if map.contains_key("properties") => name.unwrap_or("object").to_owned(),
            _ => match map.get("patternProperties").and_then(Value::as_object) {
                Some(patterns) => format!("dict[int,{}]", inner(patterns.values().next())),
                None => format!("dict[str,{}]", inner(map.get("additionalProperties"))),
            },
        }
    }

    fn union_label(&self, alternatives: &'s [Value], name: Option<&str>, depth: usize) -> String {
        let null = |schema: &Value| schema.as_object().is_some_and(|map| types(map) == ["null"]);
        let real: Vec<&'s Value> = alternatives.iter().filter(|schema| !null(schema)).collect();
        let label = match (real.as_slice(), name) {
            ([only], _) => self.label_at(only, None, depth + 1),
            (_, Some(name)) => name.to_owned(),
            (several, None) => {
                let labels: Vec<String> =
                    several.iter().map(|schema| self.label_at(schema, None, depth + 1)).collect();
                format!("union[{}]", labels.join(","))
            }
        };
        if real.len() < alternatives.len() { format!("nullable[{label}]") } else { label }
    }
}

fn choice(values: &[&Value], name: Option<&str>) -> String {
    match name {
        Some(name) if values.iter().all(|value| value.is_string()) => format!("str-enum[{name}]"),
        Some(name) if values.iter().all(|value| value.is_i64()) => format!("int-enum[{name}]"),
        Some(name) => format!("enum[{name}]"),
        None => {
            let shown: Vec<String> = values.iter().map(|value| python_repr(value)).collect();
            format!("literal[{}]", shown.join(","))
        }
    }
}

fn text(map: &Map<String, Value>) -> &'static str {
    match map.get("format").and_then(Value::as_str) {
        Some("uuid") => "uuid",
        Some("date-time") => "datetime",
        Some("date") => "date",
        Some("time") => "time",
        Some("uri") => "url",
        _ if ["minLength", "maxLength", "pattern"].iter().any(|key| map.contains_key(*key)) => {
            "constrained-str"
        }
        _ => "str",
    }
}

/// Whether a number has limits besides those of its Rust type.
fn has_own_limits(map: &Map<String, Value>) -> bool {
    let natural = map.get("format").and_then(Value::as_str).and_then(natural_range);
    let differs = |keyword: &str, natural: Option<Value>| {
        map.get(keyword).is_some_and(|limit| Some(limit) != natural.as_ref())
    };
    differs("minimum", natural.map(|(least, _)| Value::from(least)))
        || differs("maximum", natural.map(|(_, most)| Value::from(most)))
        || ["exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
            .iter()
            .any(|keyword| map.contains_key(*keyword))
}
