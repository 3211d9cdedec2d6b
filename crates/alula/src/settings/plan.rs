//! The settings that a type has, with the names of their variables.

use serde_json::{Map, Value};

use crate::schema::is_secret;

/// References behind references, and lists inside lists, are followed this deep.
const DEPTH_MAX: usize = 16;

/// Between the names of a struct and of its field.
pub(super) const NESTED: &str = "__";

/// One setting: a field, or a field of a field.
#[derive(Debug)]
pub(super) struct Setting<'s> {
    /// The keys that lead to it.
    pub(super) path: Vec<&'s str>,
    /// Its variables; the first is the usual one.
    pub(super) variables: Vec<String>,
    /// The schema as written; several where the branches of a union have a field of one name.
    pub(super) schemas: Vec<&'s Value>,
    /// Whether there is no default, neither for it nor for a struct that it is in.
    pub(super) required: bool,
    pub(super) takes: Takes,
    /// Whether its value, or a part of it, is a secret.
    pub(super) secret: bool,
    /// Whether it is a struct, whose fields follow as settings of their own.
    pub(super) has_fields: bool,
}

/// What kinds of values a setting takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Takes {
    pub(super) scalar: bool,
    pub(super) list: bool,
    pub(super) object: bool,
}

impl Takes {
    pub(super) const ANYTHING: Self = Self { scalar: true, list: true, object: true };
}

/// The settings of a root schema, each struct before its fields.
pub(super) fn settings<'s>(root: &'s Value, prefix: &str) -> Vec<Setting<'s>> {
    let mut planner = Planner { root, open: vec!["#"], settings: Vec::new() };
    let whole = Parts::of(root, &[root]);
    planner.add(&whole, &Parent { path: &[], prefixes: &[prefix.to_owned()], required: true });
    planner.settings
}

struct Planner<'s> {
    root: &'s Value,
    /// The references that lead to the current struct: a struct inside itself has no end.
    open: Vec<&'s str>,
    settings: Vec<Setting<'s>>,
}

/// The struct whose fields are planned.
struct Parent<'p, 's> {
    path: &'p [&'s str],
    /// What the names of its variables begin with.
    prefixes: &'p [String],
    required: bool,
}

impl<'s> Planner<'s> {
    fn add(&mut self, of: &Parts<'s>, parent: &Parent<'_, 's>) {
        for field in of.fields() {
            let parts = Parts::of(self.root, &field.schemas);
            let path = [parent.path, &[field.name]].concat();
            let variables = field.variables(parent.prefixes);
            let prefixes: Vec<_> = variables.iter().map(|it| format!("{it}{NESTED}")).collect();
            let required = parent.required && field.required;
            let at = self.settings.len();
            self.settings.push(Setting {
                path: path.clone(),
                variables,
                required,
                takes: parts.takes(),
                secret: field.schemas.iter().any(|schema| is_secret(self.root, schema)),
                has_fields: false,
                schemas: field.schemas,
            });
            if parts.references.iter().any(|reference| self.open.contains(reference)) {
                continue;
            }
            let depth = self.open.len();
            self.open.extend(&parts.references);
            self.add(&parts, &Parent { path: &path, prefixes: &prefixes, required });
            self.open.truncate(depth);
            let has_fields = self.settings.len() > at + 1;
            if let Some(setting) = self.settings.get_mut(at) {
                setting.has_fields = has_fields;
            }
        }
    }
}

/// The parts of a schema that speak about the same value, behind references and in unions.
#[derive(Debug, Default)]
pub(super) struct Parts<'s> {
    /// Each with whether it is one of several.
    maps: Vec<(&'s Map<String, Value>, bool)>,
    references: Vec<&'s str>,
}

impl<'s> Parts<'s> {
    pub(super) fn of(root: &'s Value, schemas: &[&'s Value]) -> Self {
        let mut parts = Self::default();
        for schema in schemas {
            parts.gather(root, schema, schemas.len() > 1, 0);
        }
        parts
    }

    pub(super) fn maps(&self) -> impl Iterator<Item = &'s Map<String, Value>> {
        self.maps.iter().map(|(map, _)| *map)
    }

    fn gather(&mut self, root: &'s Value, schema: &'s Value, in_union: bool, depth: usize) {
        let Some(map) = schema.as_object().filter(|_| depth < DEPTH_MAX) else { return };
        self.maps.push((map, in_union));
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            self.references.push(reference);
            if let Some(schema) = reference.strip_prefix('#').and_then(|it| root.pointer(it)) {
                self.gather(root, schema, in_union, depth + 1);
            }
        }
        for (keyword, is_union) in [("allOf", false), ("anyOf", true), ("oneOf", true)] {
            for schema in map.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                self.gather(root, schema, in_union || is_union, depth + 1);
            }
        }
    }

    /// The fields in their order.
    fn fields(&self) -> Vec<Field<'s>> {
        let mut fields: Vec<Field<'s>> = Vec::new();
        for (map, in_union) in &self.maps {
            let Some(Value::Object(properties)) = map.get("properties") else { continue };
            let listed = map.get("required").and_then(Value::as_array);
            for (name, schema) in properties {
                let required =
                    !in_union && listed.is_some_and(|names| names.iter().any(|it| it == name));
                match fields.iter_mut().find(|field| field.name == name) {
                    Some(field) => field.schemas.push(schema),
                    None => fields.push(Field { name, required, schemas: vec![schema] }),
                }
            }
        }
        fields
    }

    fn takes(&self) -> Takes {
        let mut takes = Takes::default();
        for map in self.maps() {
            let names = match map.get("type") {
                Some(Value::Array(names)) => names.as_slice(),
                Some(name) => std::slice::from_ref(name),
                None => &[],
            };
            for name in names.iter().filter_map(Value::as_str) {
                match name {
                    "array" => takes.list = true,
                    "object" => takes.object = true,
                    "null" => {}
                    _ => takes.scalar = true,
                }
            }
            takes.scalar |= map.contains_key("const") || map.contains_key("enum");
            takes.object |= map.contains_key("properties");
        }
        match takes == Takes::default() {
            // No type at all is any type.
            true => Takes::ANYTHING,
            false => takes,
        }
    }
}

#[derive(Debug)]
struct Field<'s> {
    name: &'s str,
    required: bool,
    schemas: Vec<&'s Value>,
}

impl Field<'_> {
    /// The names in `x-env`, or those that follow from the prefixes and the field's own name.
    fn variables(&self, prefixes: &[String]) -> Vec<String> {
        let named = self.schemas.iter().find_map(|schema| match schema.get("x-env")? {
            Value::Array(names) => Some(names.as_slice()),
            name => Some(std::slice::from_ref(name)),
        });
        let named: Vec<String> =
            named.unwrap_or_default().iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if !named.is_empty() {
            return named;
        }
        let own = self.name.replace(['-', '.', ' '], "_").to_uppercase();
        prefixes.iter().map(|prefix| format!("{prefix}{own}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use schemars::JsonSchema;

    use super::*;
    use crate::settings::Secret;

    #[expect(dead_code, reason = "only its schema matters")]
    #[derive(JsonSchema)]
    struct Example {
        port: u16,
        #[serde(default)]
        origins: Vec<String>,
        pool: Option<Pool>,
        #[schemars(extend("x-env" = ["OPENAI_API_KEY", "OPENAI_KEY"]))]
        key: Secret<String>,
        spare_keys: Vec<Secret<String>>,
        limits: HashMap<String, u32>,
        #[serde(flatten)]
        more: More,
        tree: Tree,
        anything: Value,
    }

    #[expect(dead_code, reason = "only its schema matters")]
    #[derive(JsonSchema)]
    struct Pool {
        #[serde(rename = "size-max")]
        size_max: u32,
    }

    #[expect(dead_code, reason = "only its schema matters")]
    #[derive(JsonSchema)]
    struct More {
        store: Store,
    }

    #[expect(dead_code, reason = "only its schema matters")]
    #[derive(JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Store {
        Memory { entries: u32 },
        File { path: String },
    }

    #[expect(dead_code, reason = "only its schema matters")]
    #[derive(JsonSchema)]
    struct Tree {
        name: String,
        left: Option<Box<Self>>,
    }

    #[test]
    fn every_field_has_its_variable() {
        let schema = schemars::schema_for!(Example);
        let settings = settings(schema.as_value(), "APP_");
        let names: Vec<String> = settings
            .iter()
            .map(|it| format!("{} {}", it.path.join("."), it.variables.join(" ")))
            .collect();
        assert_eq!(
            names,
            [
                "port APP_PORT",
                "origins APP_ORIGINS",
                "pool APP_POOL",
                "pool.size-max APP_POOL__SIZE_MAX",
                "key OPENAI_API_KEY OPENAI_KEY",
                "spare_keys APP_SPARE_KEYS",
                "limits APP_LIMITS",
                "store APP_STORE",
                "store.kind APP_STORE__KIND",
                "store.entries APP_STORE__ENTRIES",
                "store.path APP_STORE__PATH",
                "tree APP_TREE",
                "tree.name APP_TREE__NAME",
                "tree.left APP_TREE__LEFT",
                "anything APP_ANYTHING",
            ]
        );
        let secret: Vec<_> = settings.iter().filter(|it| it.secret).map(|it| it.path[0]).collect();
        assert_eq!(secret, ["key", "spare_keys"]);
        let required: Vec<_> =
            settings.iter().filter(|it| it.required).map(|it| it.path.join(".")).collect();
        let expected =
            ["port", "key", "spare_keys", "limits", "store", "tree", "tree.name", "anything"];
        assert_eq!(required, expected);
    }

    #[test]
    fn what_a_setting_takes() {
        let schema = schemars::schema_for!(Example);
        let settings = settings(schema.as_value(), "");
        let takes = |path: &[&str]| {
            let takes = settings.iter().find(|it| it.path == path).unwrap().takes;
            (takes.scalar, takes.list, takes.object)
        };
        assert_eq!(takes(&["port"]), (true, false, false));
        assert_eq!(takes(&["origins"]), (false, true, false));
        assert_eq!(takes(&["pool"]), (false, false, true));
        assert_eq!(takes(&["limits"]), (false, false, true));
        assert_eq!(takes(&["store"]), (false, false, true));
        assert_eq!(takes(&["store", "kind"]), (true, false, false));
        assert_eq!(takes(&["anything"]), (true, true, true));
    }
}
