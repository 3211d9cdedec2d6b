//! A table of settings.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::plan::{Parts, Setting, settings};

/// Lists inside lists are described this deep.
const DEPTH_MAX: usize = 4;

/// The settings of a root schema as a table in Markdown.
pub(super) fn reference(root: &Value, prefix: &str) -> String {
    let mut table = "| variable | type | default | description |\n|---|---|---|---|\n".to_owned();
    let settings = settings(root, prefix);
    for setting in settings.iter().filter(|setting| !setting.has_fields) {
        let names: Vec<_> = setting.variables.iter().map(|name| format!("`{name}`")).collect();
        let parts = Parts::of(root, &setting.schemas);
        let cells = [
            names.join(" or "),
            if setting.secret {
                format!("{}, secret", types(root, &parts, 0))
            } else {
                types(root, &parts, 0)
            },
            default(setting, &settings),
            parts.maps().find_map(|map| text(map, "description")).unwrap_or_default().to_owned(),
        ];
        // A `String` takes everything.
        let _ = writeln!(table, "| {} |", cells.map(|cell| one_line(&cell)).join(" | "));
    }
    table
}

/// What a setting takes, in words.
fn types(root: &Value, parts: &Parts<'_>, depth: usize) -> String {
    let mut words: Vec<String> = Vec::new();
    for map in parts.maps() {
        let values = map.get("enum").and_then(Value::as_array).into_iter().flatten();
        let values = map.get("const").into_iter().chain(values).filter(|value| !value.is_null());
        let mut found: Vec<String> = values.map(code).collect();
        if found.is_empty() {
            found = type_names(map).map(|name| of_type(name, map, root, depth)).collect();
        }
        words.extend(found.into_iter().filter(|word| !words.contains(word)).collect::<Vec<_>>());
    }
    if words.is_empty() { "anything".to_owned() } else { words.join(" or ") }
}

fn type_names(map: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let names = match map.get("type") {
        Some(Value::Array(names)) => names.as_slice(),
        Some(name) => std::slice::from_ref(name),
        None => &[],
    };
    names.iter().filter_map(Value::as_str).filter(|name| *name != "null")
}

fn of_type(name: &str, map: &Map<String, Value>, root: &Value, depth: usize) -> String {
    let inner = |keyword| match map.get(keyword).filter(|_| depth < DEPTH_MAX) {
        Some(schema) => types(root, &Parts::of(root, &[schema]), depth + 1),
        None => "anything".to_owned(),
    };
    match name {
        "array" => {
            format!("list of {}{}", inner("items"), range(map, "minItems", "maxItems", " items"))
        }
        "object" => format!("map of {}", inner("additionalProperties")),
        "integer" | "number" => format!("{name}{}", range(map, "minimum", "maximum", "")),
        "string" => {
            let format = text(map, "format").filter(|format| *format != "password");
            let format = format.map(|format| format!(" ({format})")).unwrap_or_default();
            let pattern = text(map, "pattern").map(|it| format!(", matching `{it}`"));
            let length = range(map, "minLength", "maxLength", " characters");
            format!("string{format}{length}{}", pattern.unwrap_or_default())
        }
        other => other.to_owned(),
    }
}

fn range(map: &Map<String, Value>, min: &str, max: &str, unit: &str) -> String {
    match (map.get(min), map.get(max)) {
        (Some(min), Some(max)) => format!(", {min} to {max}{unit}"),
        (Some(min), None) => format!(", {min} or more{unit}"),
        (None, Some(max)) => format!(", at most {max}{unit}"),
        (None, None) => String::new(),
    }
}

/// The default of a setting, or of the struct that it is in.
fn default(setting: &Setting<'_>, all: &[Setting<'_>]) -> String {
    let own = setting.schemas.iter().find_map(|schema| schema.get("default"));
    let inherited = || {
        // The closest struct that has a default says it for all its fields.
        (1..setting.path.len()).rev().find_map(|depth| {
            let (parent, rest) = setting.path.split_at_checked(depth)?;
            let parent = all.iter().find(|it| it.path == parent)?;
            let default = parent.schemas.iter().find_map(|schema| schema.get("default"))?;
            rest.iter().try_fold(default, |value, key| value.get(key))
        })
    };
    match own.or_else(inherited) {
        Some(Value::Null) => "not set".to_owned(),
        Some(value) => code(value),
        None if setting.required => "required".to_owned(),
        None => "not set".to_owned(),
    }
}

fn code(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn text<'m>(map: &'m Map<String, Value>, keyword: &str) -> Option<&'m str> {
    map.get(keyword).and_then(Value::as_str)
}

/// A text as a cell of a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::settings::{Loader, Secret};

    #[expect(dead_code, reason = "only its schema matters")]
    #[derive(Deserialize, JsonSchema)]
    struct Example {
        /// Where it listens |
        /// for requests.
        #[serde(default = "port")]
        #[schemars(range(min = 1))]
        port: u16,
        /// The key of the provider.
        #[schemars(extend("x-env" = ["OPENAI_API_KEY", "OPENAI_KEY"]), length(min = 1))]
        key: Secret<String>,
        log: Option<Level>,
        #[serde(default)]
        origins: Vec<String>,
        limits: HashMap<String, u32>,
        /// Connections to the database.
        #[serde(default)]
        pool: Pool,
        spare: Option<Pool>,
        #[schemars(length(max = 8), regex(pattern = "^[a-z]+$"))]
        name: String,
        started: Option<uuid::Uuid>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Info,
        Debug,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Pool {
        size_max: u32,
    }

    impl Default for Pool {
        fn default() -> Self {
            Self { size_max: 10 }
        }
    }

    fn port() -> u16 {
        8000
    }

    #[test]
    fn every_setting_has_a_row() {
        let expected = "\
| variable | type | default | description |
|---|---|---|---|
| `APP_PORT` | integer, 1 to 65535 | `8000` | Where it listens \\| for requests. |
| `OPENAI_API_KEY` or `OPENAI_KEY` | string, 1 or more characters, secret | required | The key of the provider. |
| `APP_LOG` | `info` or `debug` | not set |  |
| `APP_ORIGINS` | list of string | `[]` |  |
| `APP_LIMITS` | map of integer, 0 or more | required |  |
| `APP_POOL__SIZE_MAX` | integer, 0 or more | `10` |  |
| `APP_SPARE__SIZE_MAX` | integer, 0 or more | not set |  |
| `APP_NAME` | string, at most 8 characters, matching `^[a-z]+$` | required |  |
| `APP_STARTED` | string (uuid) | not set |  |
";
        assert_eq!(Loader::new().prefix("APP_").reference::<Example>(), expected);
    }
}
