//! From a JSON Schema to nodes: references resolved, patterns compiled, unions told apart.

mod label;
mod object;
mod rules;
mod union;

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::node::{ChoiceRules, JsonType, Node, NodeId};
use super::text::FILE_KEYWORD;
use super::words::one_of;

pub(super) use object::properties;
pub(crate) use rules::natural_range;
pub(super) use rules::{integer_value, whole};

/// What compiling gives.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
    pub(super) warnings: Vec<String>,
}

pub(super) fn compile(root: &Value) -> Compiled {
    let mut compiler = Compiler {
        root,
        nodes: Vec::new(),
        references: HashMap::new(),
        at: "#".to_owned(),
        warnings: Vec::new(),
    };
    let root = compiler.reference("#");
    Compiled { nodes: compiler.nodes, root, warnings: compiler.warnings }
}

struct Compiler<'s> {
    root: &'s Value,
    nodes: Vec<Node>,
    /// Nodes of `$ref` targets; an entry exists before its node does, so that cycles end.
    references: HashMap<&'s str, NodeId>,
    /// Where in the schema the compiler is, for warnings.
    at: String,
    warnings: Vec<String>,
}

impl<'s> Compiler<'s> {
    /// Compiles a part of the schema that lies `steps` below the current one.
    fn add(&mut self, steps: &[&str], schema: &'s Value) -> NodeId {
        let depth = self.at.len();
        for step in steps {
            self.at.push('/');
            self.at.push_str(step);
        }
        let id = match plain_reference(schema) {
            Some(target) => self.reference(target),
            None => {
                let node = self.node(schema);
                self.store(node)
            }
        };
        self.at.truncate(depth);
        id
    }

    fn store(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// The node of a `$ref`, compiled on first use.
    fn reference(&mut self, target: &'s str) -> NodeId {
        if let Some(id) = self.references.get(target) {
            return *id;
        }
        let id = self.store(Node::Any);
        self.references.insert(target, id);
        let Some(schema) = resolve(self.root, target) else {
            self.warn(&format!("`$ref` to `{target}`, which does not exist"));
            return id;
        };
        let outer = std::mem::replace(&mut self.at, target.to_owned());
        let node = match plain_reference(schema) {
            Some(next) => Node::All(vec![self.reference(next)]),
            None => self.node(schema),
        };
        self.at = outer;
        if let Some(slot) = self.nodes.get_mut(id.0) {
            *slot = node;
        }
        id
    }

    fn warn(&mut self, what: &str) {
        self.warnings.push(format!("{}: {what}", self.at));
    }

    fn node(&mut self, schema: &'s Value) -> Node {
        match schema {
            Value::Bool(false) => Node::Never,
            Value::Object(map) => self.map(map),
            _ => Node::Any,
        }
    }

    fn map(&mut self, map: &'s Map<String, Value>) -> Node {
        self.warn_about_unknown_keywords(map);
        let types = types(map);
        let nullable = types.contains(&"null");
        let types: Vec<&str> = types.into_iter().filter(|name| *name != "null").collect();

        let mut parts = Vec::new();
        let (objects, others) = object::parts(self.root, map);
        if let Some(choice) = choice(map, nullable) {
            parts.push(choice);
        } else if types.is_empty() && nullable {
            return Node::Null;
        } else {
            self.typed(map, &types, &objects, &mut parts);
        }
        for (step, schema) in others {
            let id = self.add(&[&step], schema);
            parts.push(Node::All(vec![id]));
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(Value::Array(alternatives)) = map.get(keyword) {
                parts.push(self.union(keyword, alternatives));
            }
        }
        let node = match parts.len() {
            0 => Node::Any,
            1 => parts.swap_remove(0),
            _ => Node::All(parts.into_iter().map(|part| self.store(part)).collect()),
        };
        if nullable { Node::Nullable(self.store(node)) } else { node }
    }

    /// The nodes of what a schema says by itself about values of its `types`.
    fn typed(
        &mut self,
        map: &'s Map<String, Value>,
        types: &[&str],
        objects: &[&'s Map<String, Value>],
        parts: &mut Vec<Node>,
    ) {
        match types {
            [] => {
                let is_object =
                    objects.iter().any(|object| self::types(object).contains(&"object"));
                if is_object {
                    parts.push(self.object(objects));
                } else {
                    self.untyped(map, objects, parts);
                }
            }
            [name] => parts.extend(self.of_type(name, map, objects)),
            several => {
                let nodes: Vec<(&str, Node)> = several
                    .iter()
                    .filter_map(|name| Some((*name, self.of_type(name, map, objects)?)))
                    .collect();
                parts.push(self.union_of_types(nodes));
            }
        }
    }

    /// Without `type`, a keyword speaks only to values of its own type.
    fn untyped(
        &mut self,
        map: &'s Map<String, Value>,
        objects: &[&'s Map<String, Value>],
        parts: &mut Vec<Node>,
    ) {
        const NUMBER: [&str; 5] =
            ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
        const TEXT: [&str; 3] = ["minLength", "maxLength", "pattern"];
        const LIST: [&str; 5] = ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"];
        let mut when = |json_type, name, objects: &[&'s Map<String, Value>]| {
            if let Some(node) = self.of_type(name, map, objects) {
                let id = self.store(node);
                parts.push(Node::When(json_type, id));
            }
        };
        let has = |keywords: &[&str]| keywords.iter().any(|keyword| map.contains_key(*keyword));
        if has(&NUMBER) {
            when(JsonType::Number, "number", &[]);
        }
        if has(&TEXT) {
            when(JsonType::Text, "string", &[]);
        }
        if has(&LIST) {
            when(JsonType::List, "array", &[]);
        }
        if !objects.is_empty() {
            when(JsonType::Object, "object", objects);
        }
    }

    fn of_type(
        &mut self,
        name: &str,
        map: &'s Map<String, Value>,
        objects: &[&'s Map<String, Value>],
    ) -> Option<Node> {
        Some(match name {
            "null" => Node::Null,
            "boolean" => Node::Bool,
            "integer" => Node::Int(rules::number(map, true)),
            "number" => Node::Float(rules::number(map, false)),
            "string" if map.contains_key(FILE_KEYWORD) => Node::File,
            "string" => Node::Text(self.text(map)),
            "array" => Node::List(self.list(map)),
            "object" => self.object(objects),
            other => {
                self.warn(&format!("type `{other}` is unknown"));
                return None;
            }
        })
    }

    fn warn_about_unknown_keywords(&mut self, map: &Map<String, Value>) {
        for keyword in map.keys() {
            if !is_known(keyword) {
                self.warn(&format!("`{keyword}` is not enforced"));
            }
        }
    }
}

/// What a schema that only points elsewhere points to; annotations beside it do not matter.
fn plain_reference(schema: &Value) -> Option<&str> {
    let map = schema.as_object()?;
    let target = map.get("$ref")?.as_str()?;
    map.keys().all(|keyword| keyword == "$ref" || is_annotation(keyword)).then_some(target)
}

/// The schema at a local reference such as `#/$defs/Item`.
fn resolve<'s>(root: &'s Value, target: &str) -> Option<&'s Value> {
    root.pointer(target.strip_prefix('#')?)
}

/// The entries of `type`, which is a name or a list of names.
fn types(map: &Map<String, Value>) -> Vec<&str> {
    match map.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn choice(map: &Map<String, Value>, nullable: bool) -> Option<Node> {
    let (mut values, literal) = match (map.get("const"), map.get("enum")) {
        (Some(value), _) => (vec![value.clone()], true),
        (None, Some(Value::Array(values))) => (values.clone(), false),
        _ => return None,
    };
    if nullable {
        values.retain(|value| !value.is_null());
    }
    Some(Node::Choice(choice_rules(values, literal)))
}

fn choice_rules(values: Vec<Value>, literal: bool) -> ChoiceRules {
    ChoiceRules { expected: one_of(&values), values, literal }
}

fn is_known(keyword: &str) -> bool {
    is_annotation(keyword)
        || matches!(
            keyword,
            "$ref"
                | "type"
                | "enum"
                | "const"
                | "allOf"
                | "anyOf"
                | "oneOf"
                | "format"
                | "minimum"
                | "maximum"
                | "exclusiveMinimum"
                | "exclusiveMaximum"
                | "multipleOf"
                | "minLength"
                | "maxLength"
                | "pattern"
                | "items"
                | "prefixItems"
                | "minItems"
                | "maxItems"
                | "uniqueItems"
                | "properties"
                | "required"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "patternProperties"
                | "propertyNames"
                | "minProperties"
                | "maxProperties"
        )
}

/// Keywords that describe and never refuse.
fn is_annotation(keyword: &str) -> bool {
    keyword.starts_with("x-")
        || matches!(
            keyword,
            "$schema"
                | "$id"
                | "$anchor"
                | "$comment"
                | "$defs"
                | "definitions"
                | "title"
                | "description"
                | "default"
                | "example"
                | "examples"
                | "deprecated"
                | "readOnly"
                | "writeOnly"
                | "contentEncoding"
                | "contentMediaType"
                | "discriminator"
        )
}
