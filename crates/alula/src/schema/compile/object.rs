//! Objects: their properties gathered from `$ref` and `allOf`, which is how serde's flattened
//! structs and newtype variants look.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::node::{Field, Node, NodeId, ObjectRules, Rest};
use super::rules::count;
use super::{Compiler, is_annotation, resolve, types};

type Schema = Map<String, Value>;

/// `$ref` and `allOf` are followed this deep; more is a cycle.
const DEPTH_MAX: usize = 16;

/// A property of an object schema, with the schema as written.
#[derive(Debug, Clone, Copy)]
pub(in crate::schema) struct Property<'s> {
    pub(in crate::schema) name: &'s str,
    pub(in crate::schema) required: bool,
    pub(in crate::schema) schema: &'s Value,
}

/// The properties of an object schema, those of its `$ref` and `allOf` included, in order.
pub(in crate::schema) fn properties<'s>(root: &'s Value, schema: &'s Value) -> Vec<Property<'s>> {
    let mut objects = Vec::new();
    if let Some(map) = schema.as_object() {
        gather(root, map, &mut objects, 0);
    }
    merged_properties(&objects)
}

/// Splits a schema into the object schemas that merge into one, and the rest of its
/// `$ref` and `allOf`, each with its place.
pub(super) fn parts<'s>(
    root: &'s Value,
    map: &'s Schema,
) -> (Vec<&'s Schema>, Vec<(String, &'s Value)>) {
    let mut objects = Vec::new();
    if speaks_of_objects(map) {
        objects.push(map);
    }
    let mut others = Vec::new();
    let mut member = |step: String, written: &'s Value, objects: &mut Vec<&'s Schema>| {
        let mut gathered = Vec::new();
        let merges = !objects.is_empty() || map.contains_key("allOf");
        if merges && written.as_object().is_some_and(|map| gather(root, map, &mut gathered, 0)) {
            objects.append(&mut gathered);
        } else {
            others.push((step, written));
        }
    };
    if let Some(target) = map.get("$ref").and_then(Value::as_str) {
        match resolve(root, target) {
            Some(schema) => member("$ref".to_owned(), schema, &mut objects),
            None => return (objects, others),
        }
    }
    if let Some(Value::Array(schemas)) = map.get("allOf") {
        for (at, schema) in schemas.iter().enumerate() {
            member(format!("allOf/{at}"), schema, &mut objects);
        }
    }
    (objects, others)
}

/// Collects the object schemas that `map` consists of; whether it consists of nothing else.
fn gather<'s>(
    root: &'s Value,
    map: &'s Schema,
    objects: &mut Vec<&'s Schema>,
    depth: usize,
) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    let own = speaks_of_objects(map);
    if own {
        objects.push(map);
    }
    let mut pure = map.keys().all(|keyword| {
        is_annotation(keyword)
            || is_object_keyword(keyword)
            || matches!(&**keyword, "type" | "$ref" | "allOf")
    }) && types(map).iter().all(|name| *name == "object");
    let mut found = own;
    let target = map.get("$ref").and_then(Value::as_str);
    let members = map.get("allOf").and_then(Value::as_array).into_iter().flatten();
    for schema in target.and_then(|target| resolve(root, target)).into_iter().chain(members) {
        pure &= schema.as_object().is_some_and(|map| gather(root, map, objects, depth + 1));
        found = true;
    }
    pure && found
}

fn speaks_of_objects(map: &Schema) -> bool {
    map.keys().any(|keyword| is_object_keyword(keyword)) || types(map).contains(&"object")
}

fn is_object_keyword(keyword: &str) -> bool {
    matches!(
        keyword,
        "properties"
            | "required"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "patternProperties"
            | "propertyNames"
            | "minProperties"
            | "maxProperties"
    )
}

fn merged_properties<'s>(objects: &[&'s Schema]) -> Vec<Property<'s>> {
    let required = |name: &str| {
        objects.iter().any(|object| match object.get("required") {
            Some(Value::Array(names)) => names.iter().any(|required| required == name),
            _ => false,
        })
    };
    let mut merged: Vec<Property<'s>> = Vec::new();
    for object in objects {
        let Some(Value::Object(written)) = object.get("properties") else { continue };
        for (name, schema) in written {
            if !merged.iter().any(|property| property.name == name) {
                merged.push(Property { name, required: required(name), schema });
            }
        }
    }
    merged
}

impl<'s> Compiler<'s> {
    /// One node for all the object schemas that say something about the same object.
    pub(super) fn object(&mut self, objects: &[&'s Schema]) -> Node {
        let mut rules = ObjectRules {
            fields: Vec::new(),
            index: HashMap::new(),
            patterns: Vec::new(),
            names: None,
            rest: Rest::Ignore,
            min: objects.iter().filter_map(|map| count(map, "minProperties")).max(),
            max: objects.iter().filter_map(|map| count(map, "maxProperties")).min(),
        };
        for property in merged_properties(objects) {
            let node = self.add(&["properties", property.name], property.schema);
            let name: Box<str> = property.name.into();
            rules.index.insert(name.clone(), rules.fields.len());
            rules.fields.push(Field { name, node, required: property.required });
        }
        self.required_without_property(objects, &mut rules);
        for object in objects {
            if let Some(Value::Object(patterns)) = object.get("patternProperties") {
                for (pattern, schema) in patterns {
                    let node = self.add(&["patternProperties", pattern], schema);
                    rules.patterns.extend(self.regex(pattern).map(|regex| (regex, node)));
                }
            }
            if let Some(names) = object.get("propertyNames") {
                rules.names = Some(self.add(&["propertyNames"], names));
            }
        }
        rules.rest = self.rest(objects);
        Node::Object(rules)
    }

    /// `required` may name what `properties` does not describe.
    fn required_without_property(&mut self, objects: &[&'s Schema], rules: &mut ObjectRules) {
        for object in objects {
            let Some(Value::Array(names)) = object.get("required") else { continue };
            for name in names.iter().filter_map(Value::as_str) {
                if !rules.index.contains_key(name) {
                    let node = self.store(Node::Any);
                    rules.index.insert(name.into(), rules.fields.len());
                    rules.fields.push(Field { name: name.into(), node, required: true });
                }
            }
        }
    }

    fn rest(&mut self, objects: &[&'s Schema]) -> Rest {
        let written = ["additionalProperties", "unevaluatedProperties"]
            .into_iter()
            .find_map(|keyword| Some((keyword, objects.iter().find_map(|map| map.get(keyword))?)));
        match written {
            None => Rest::Ignore,
            Some((_, Value::Bool(false))) => Rest::Forbid,
            Some((keyword, schema)) => {
                let id: NodeId = self.add(&[keyword], schema);
                Rest::Each(id)
            }
        }
    }
}
