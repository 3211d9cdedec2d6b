//! Values as models write them: numbers as text, lists and objects as text with JSON in it.
//!
//! What is read strictly is tried first, so that a good value costs nothing. Then the schema says
//! what is meant: nothing that may be a text is ever taken for anything else.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    detail::{Detail, Loc},
    json::{self, Refused},
    node::{Node, NodeId, Rest},
    shape::Shape,
    walk::Mode,
};
use crate::validate::Validate;

/// Nodes inside nodes; wrappers of recursive types may form a cycle.
const DEPTH_MAX: usize = 200;

/// Reads an object as `T`, of which `shape` is the schema.
///
/// # Errors
///
/// Every error; the first step of each place is `body`.
pub(crate) fn parse<T>(shape: &Shape, bytes: &[u8]) -> Result<T, Vec<Detail>>
where
    T: DeserializeOwned + Validate,
{
    match serde_json::from_slice::<T>(bytes) {
        Ok(value) if value.is_valid() => Ok(value),
        _ => parse_as_meant(shape, bytes),
    }
}

#[cold]
fn parse_as_meant<T>(shape: &Shape, bytes: &[u8]) -> Result<T, Vec<Detail>>
where
    T: DeserializeOwned + Validate,
{
    let unfolded = serde_json::from_slice(bytes).map(|mut value| {
        unfold(shape, shape.root(), &mut value, 0);
        value.to_string()
    });
    let bytes = unfolded.as_ref().map_or(bytes, |text| text.as_bytes());
    json::parse::<T>(shape, bytes, true).map_err(|refused| match refused {
        Refused::Invalid(details) => details,
        Refused::Syntax(detail) => vec![*detail],
        Refused::NotUtf8 => vec![Detail {
            kind: "json_invalid".into(),
            loc: vec![Loc::from("body")],
            msg: "Input should be UTF-8".to_owned(),
            input: Value::Null,
            ctx: None,
        }],
    })
}

/// The value as it was meant, or where that is not clear as it is.
pub(crate) fn convert(shape: &Shape, mut value: Value) -> Value {
    unfold(shape, shape.root(), &mut value, 0);
    match shape.convert(Mode::Lax, "body", value.clone(), &[]) {
        Ok((converted, _)) => converted,
        Err(_) => value,
    }
}

/// Replaces texts by the lists and objects in them, where these are wanted and texts are not.
fn unfold(shape: &Shape, id: NodeId, value: &mut Value, depth: usize) {
    if depth >= DEPTH_MAX {
        return;
    }
    let depth = depth + 1;
    match shape.node(id) {
        Node::Nullable(inner) => {
            if is_null_text(value) && !takes_text(shape, *inner, depth) {
                *value = Value::Null;
            } else if !value.is_null() {
                unfold(shape, *inner, value, depth);
            }
        }
        Node::When(_, inner) => unfold(shape, *inner, value, depth),
        Node::All(parts) => parts.iter().for_each(|part| unfold(shape, *part, value, depth)),
        Node::Union(branches) if value.is_string() && !takes_text(shape, id, depth) => {
            for branch in branches {
                unfold(shape, branch.node, value, depth);
                if !value.is_string() {
                    return;
                }
            }
        }
        Node::Tagged(rules) => {
            replace(value, Value::is_object);
            let tag = value.get(&*rules.tag).and_then(Value::as_str).map(str::to_owned);
            if let Some(branch) = tag.and_then(|tag| rules.branch(&tag)) {
                unfold(shape, branch.node, value, depth);
            }
        }
        Node::List(rules) => {
            replace(value, Value::is_array);
            let Value::Array(items) = value else { return };
            for (at, item) in items.iter_mut().enumerate() {
                if let Some(node) = rules.prefix.get(at).or(rules.items.as_ref()) {
                    unfold(shape, *node, item, depth);
                }
            }
        }
        Node::Object(rules) => {
            replace(value, Value::is_object);
            let Value::Object(entries) = value else { return };
            for (name, entry) in entries {
                match (rules.field(name), rules.rest) {
                    (Some(field), _) => unfold(shape, field.node, entry, depth),
                    (None, Rest::Each(node)) => unfold(shape, node, entry, depth),
                    (None, Rest::Ignore | Rest::Forbid) => {}
                }
            }
        }
        _ => {}
    }
}

/// Replaces a text by the JSON in it, if that is what is wanted.
fn replace(value: &mut Value, is_wanted: impl Fn(&Value) -> bool) {
    let Value::String(text) = &*value else { return };
    if text.trim_start().starts_with(['[', '{'])
        && let Ok(parsed) = serde_json::from_str::<Value>(text)
        && is_wanted(&parsed)
    {
        *value = parsed;
    }
}

/// How models write that there is nothing.
fn is_null_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| matches!(text, "null" | "None" | ""))
}

/// Whether some text is taken as it is.
fn takes_text(shape: &Shape, id: NodeId, depth: usize) -> bool {
    if depth >= DEPTH_MAX {
        return true;
    }
    let takes = |id: NodeId| takes_text(shape, id, depth + 1);
    match shape.node(id) {
        Node::Any | Node::Text(_) | Node::File | Node::Keyed(_) => true,
        Node::Choice(rules) => rules.values.iter().any(Value::is_string),
        Node::Nullable(inner) | Node::When(_, inner) => takes(*inner),
        Node::Union(branches) => branches.iter().any(|branch| takes(branch.node)),
        Node::All(parts) => parts.iter().all(|part| takes(*part)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, schema_for};
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use alula_macros::Validate;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema, Validate)]
    struct Point {
        x: f64,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema, Validate)]
    #[serde(default)]
    #[derive(Default)]
    struct Search {
        text: String,
        #[schemars(range(max = 10))]
        limit: Option<u32>,
        tags: Vec<String>,
        points: Vec<Point>,
        exact: bool,
    }

    fn parse(value: &Value) -> Result<Search, Vec<Detail>> {
        let shape = Shape::compile(schema_for!(Search).as_value());
        super::parse::<Search>(&shape, value.to_string().as_bytes())
    }

    #[test]
    fn what_models_write_is_taken_for_what_they_mean() {
        let written = json!({
            "text": "[1, 2]",
            "limit": "3",
            "tags": "[\"a\", \"b\"]",
            "points": "[{\"x\": \"1.5\"}]",
            "exact": "true",
        });
        let meant = Search {
            text: "[1, 2]".to_owned(),
            limit: Some(3),
            tags: vec!["a".to_owned(), "b".to_owned()],
            points: vec![Point { x: 1.5 }],
            exact: true,
        };
        assert_eq!(parse(&written), Ok(meant));
        let points = json!({ "points": ["{\"x\": 1}"], "limit": "null" });
        let meant = Search { points: vec![Point { x: 1.0 }], ..Search::default() };
        assert_eq!(parse(&points), Ok(meant));
    }

    #[test]
    fn a_text_stays_a_text() {
        for text in ["12", "null", "{\"x\": 1}", "true"] {
            assert_eq!(parse(&json!({ "text": text })).unwrap().text, text);
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_by_name() {
        let details = parse(&json!({ "limit": "11", "tags": "a", "points": [{}] })).unwrap_err();
        let told: Vec<String> = details
            .iter()
            .map(|detail| {
                let steps: Vec<String> = detail.loc.iter().map(ToString::to_string).collect();
                format!("{}: {}", steps.join("."), detail.kind)
            })
            .collect();
        let expected =
            ["body.limit: less_than_equal", "body.tags: list_type", "body.points.0.x: missing"];
        assert_eq!(told, expected);
    }
}
