//! Unions: which of serde's enum forms, or which plain union, a `oneOf` or `anyOf` is.

use serde_json::{Map, Value};

use super::super::node::{Branch, KeyedRules, Node, TaggedRules};
use super::{Compiler, choice_rules, properties, types};

impl<'s> Compiler<'s> {
    pub(super) fn union(&mut self, keyword: &str, alternatives: &'s [Value]) -> Node {
        let real: Vec<(usize, &'s Value)> =
            alternatives.iter().enumerate().filter(|(_, schema)| !is_null(schema)).collect();
        let nullable = real.len() < alternatives.len();
        let node = match real.as_slice() {
            [] if nullable => return Node::Null,
            [] => Node::Never,
            [(at, schema)] => {
                let id = self.add(&[keyword, &at.to_string()], schema);
                return if nullable { Node::Nullable(id) } else { Node::All(vec![id]) };
            }
            several => self.union_of(keyword, several),
        };
        if nullable { Node::Nullable(self.store(node)) } else { node }
    }

    fn union_of(&mut self, keyword: &str, branches: &[(usize, &'s Value)]) -> Node {
        if let Some(values) = all_values(branches) {
            return Node::Choice(choice_rules(values, false));
        }
        // serde writes its tagged forms as `oneOf`; `anyOf` is an untagged enum.
        if keyword == "oneOf"
            && let Some((tag, values)) = self.tags(branches)
        {
            let expected = quoted(&values);
            let branches = values
                .into_iter()
                .zip(branches)
                .map(|(value, (at, schema))| Branch {
                    label: value.into(),
                    node: self.add(&[keyword, &at.to_string()], schema),
                })
                .collect();
            return Node::Tagged(TaggedRules { tag: tag.into(), branches, expected });
        }
        if keyword == "oneOf"
            && let Some(keyed) = self.keyed(branches)
        {
            return keyed;
        }
        let branches = branches
            .iter()
            .map(|(at, schema)| Branch {
                label: self.label(schema).into(),
                node: self.add(&[keyword, &at.to_string()], schema),
            })
            .collect();
        Node::Union(branches)
    }

    /// A `type` with several names.
    pub(super) fn union_of_types(&mut self, nodes: Vec<(&str, Node)>) -> Node {
        let branches = nodes
            .into_iter()
            .map(|(name, node)| {
                let label = match name {
                    "string" => "str",
                    "integer" => "int",
                    "number" => "float",
                    "boolean" => "bool",
                    "array" => "list[any]",
                    _ => "dict[str,any]",
                };
                Branch { label: label.into(), node: self.store(node) }
            })
            .collect();
        Node::Union(branches)
    }

    /// The property that tells the branches apart, and its value in each: an internally or
    /// adjacently tagged enum.
    fn tags(&self, branches: &[(usize, &'s Value)]) -> Option<(&'s str, Vec<&'s str>)> {
        let candidates: Vec<Vec<(&str, &str)>> =
            branches.iter().map(|(_, schema)| self.constants(schema)).collect();
        let first = candidates.first()?;
        first.iter().find_map(|(tag, _)| {
            let values: Vec<&str> = candidates
                .iter()
                .map(|constants| {
                    constants.iter().find(|(name, _)| name == tag).map(|(_, value)| *value)
                })
                .collect::<Option<_>>()?;
            let distinct = values
                .iter()
                .enumerate()
                .all(|(at, value)| values.iter().position(|other| other == value) == Some(at));
            distinct.then_some((*tag, values))
        })
    }

    /// The required properties of an object that can only have one string as value.
    fn constants(&self, schema: &'s Value) -> Vec<(&'s str, &'s str)> {
        properties(self.root, schema)
            .into_iter()
            .filter(|property| property.required)
            .filter_map(|property| {
                let values = values(property.schema.as_object()?)?;
                match values.as_slice() {
                    [Value::String(value)] => Some((property.name, value.as_str())),
                    _ => None,
                }
            })
            .collect()
    }

    /// An externally tagged enum: bare names, and objects of one key.
    fn keyed(&mut self, branches: &[(usize, &'s Value)]) -> Option<Node> {
        let mut units: Vec<&'s str> = Vec::new();
        let mut variants: Vec<(String, &'s str, &'s Value)> = Vec::new();
        for (at, schema) in branches {
            let map = schema.as_object()?;
            if let Some(names) = values(map) {
                units.extend(names.into_iter().map(Value::as_str).collect::<Option<Vec<_>>>()?);
            } else {
                let (key, content) = only_property(map)?;
                variants.push((at.to_string(), key, content));
            }
        }
        if variants.is_empty() {
            return None;
        }
        let names: Vec<&str> =
            units.iter().copied().chain(variants.iter().map(|(_, key, _)| *key)).collect();
        let expected = quoted(&names);
        let branches = variants
            .into_iter()
            .map(|(at, key, content)| Branch {
                label: key.into(),
                node: self.add(&["oneOf", &at, "properties", key], content),
            })
            .collect();
        let units = units.into_iter().map(Into::into).collect();
        Some(Node::Keyed(KeyedRules { units, branches, expected }))
    }
}

fn is_null(schema: &Value) -> bool {
    schema.as_object().is_some_and(|map| types(map) == ["null"])
}

/// The values of `const` or `enum`.
pub(super) fn values(map: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (map.get("const"), map.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

/// The values of a unit-only enum, whose documented variants are branches of their own.
fn all_values(branches: &[(usize, &Value)]) -> Option<Vec<Value>> {
    let mut all = Vec::new();
    for (_, schema) in branches {
        all.extend(values(schema.as_object()?)?.into_iter().cloned());
    }
    Some(all)
}

/// The key and content of an object schema that has exactly one property, which is required.
fn only_property(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    if map.contains_key("$ref") || map.contains_key("allOf") {
        return None;
    }
    let properties = map.get("properties")?.as_object()?;
    let required = map.get("required")?.as_array()?;
    match (properties.iter().next(), properties.len(), required.as_slice()) {
        (Some((key, content)), 1, [name]) if name == key => Some((key, content)),
        _ => None,
    }
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    quoted.join(", ")
}
