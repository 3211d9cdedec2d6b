//! Secrets, which no answer repeats.

use std::collections::BTreeSet;

use serde_json::Value;

use super::detail::{Detail, Loc};

/// What stands for a secret where it would show.
pub(crate) const MASK: &str = "…";

/// The fields of a schema that hold secrets, by their names alone: a field of the same name
/// elsewhere in the schema is concealed, too.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    names: BTreeSet<Box<str>>,
    /// Whether the whole value is one.
    is_all: bool,
}

impl Secrets {
    pub(super) fn of(root: &Value) -> Self {
        let mut secrets = Self { names: BTreeSet::new(), is_all: is_secret(root, root) };
        secrets.gather(root, root);
        secrets
    }

    fn gather(&mut self, root: &Value, schema: &Value) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    let secret = properties.iter().filter(|(_, schema)| is_secret(root, schema));
                    self.names.extend(secret.map(|(name, _)| Box::from(name.as_str())));
                }
                map.values().for_each(|inner| self.gather(root, inner));
            }
            Value::Array(items) => items.iter().for_each(|inner| self.gather(root, inner)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether the way to a value leads into a secret.
    pub(super) fn hold(&self, way: &[Loc], is_secret: impl Fn(&str) -> bool) -> bool {
        self.is_all || way.iter().any(|step| matches!(step, Loc::Key(key) if is_secret(key)))
    }

    /// Takes the secrets out of what an answer would repeat.
    #[cold]
    pub(super) fn conceal(
        &self,
        mut details: Vec<Detail>,
        is_secret: impl Fn(&str) -> bool + Copy,
    ) -> Vec<Detail> {
        if !self.is_all && self.names.is_empty() {
            return details;
        }
        for Detail { loc, input, kind, .. } in &mut details {
            // What is missing shows the object that lacks it.
            let end = loc.len().saturating_sub((kind == "missing").into());
            match self.hold(loc.get(1..end).unwrap_or_default(), is_secret) {
                true => mask(input),
                false => conceal_inside(input, is_secret),
            }
        }
        details
    }
}

fn mask(value: &mut Value) {
    if !value.is_null() {
        *value = MASK.into();
    }
}

fn conceal_inside(value: &mut Value, is_secret: impl Fn(&str) -> bool + Copy) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                match is_secret(name) {
                    true => mask(value),
                    false => conceal_inside(value, is_secret),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| conceal_inside(item, is_secret)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a value of a schema, or a part of it that has no name, is a secret: it is only written.
pub(crate) fn is_secret(root: &Value, schema: &Value) -> bool {
    holds_secret(root, schema, &mut Vec::new())
}

/// `seen` are the references that were followed, as types may hold themselves.
fn holds_secret<'r>(root: &'r Value, schema: &'r Value, seen: &mut Vec<&'r str>) -> bool {
    let Some(map) = schema.as_object() else { return false };
    if map.get("writeOnly") == Some(&Value::Bool(true)) {
        return true;
    }
    let reference = map.get("$ref").and_then(Value::as_str).filter(|it| !seen.contains(it));
    seen.extend(reference);
    let target = reference.and_then(|it| root.pointer(it.strip_prefix('#')?));
    let single = ["items", "additionalProperties"].iter().filter_map(|keyword| map.get(*keyword));
    let several = ["allOf", "anyOf", "oneOf", "prefixItems"].iter();
    let several = several.filter_map(|keyword| map.get(*keyword)?.as_array()).flatten();
    target.into_iter().chain(single).chain(several).any(|it| holds_secret(root, it, seen))
}
