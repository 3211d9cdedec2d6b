//! Inputs that are too deep, too large or too clever.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::schema::Shape;
use crate::schema::walk::DETAILS_MAX;
use crate::validate::Report;

/// Nests `value` in `depth` lists.
fn nested(depth: usize, value: Value) -> Value {
    (0..depth).fold(value, |value, _| json!([value]))
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only read")]
enum Tree {
    Leaf(i32),
    Branch(Vec<Self>),
}

/// Every level may be either list, so that trying both takes 2 to the power of the depth.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only read")]
enum Twin {
    One(Vec<Self>),
    Other(Vec<Self>),
}

/// A union that tries itself on the same value, for ever.
fn endless() -> Value {
    json!({"$ref": "#/$defs/T", "$defs": {
        "T": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/T"}]},
    }})
}

fn explain(schema: &Value, input: &Value) -> Vec<crate::Detail> {
    Shape::compile(schema).explain("body", input, Report::default())
}

#[test]
fn a_value_as_deep_as_parsers_allow_is_walked_on_a_small_stack() {
    // Less than a thread of tokio has.
    let walk = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let tree = schemars::schema_for!(Tree);
        let lists = json!({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]});
        let good = explain(tree.as_value(), &nested(125, json!(1)));
        let bad = explain(&lists, &nested(125, json!("x")));
        (good.len(), bad.len(), bad.last().map(|detail| detail.loc.len()))
    });
    assert_eq!(walk.unwrap().join().unwrap(), (0, 1, Some(126)));
}

#[test]
fn deeper_values_end_with_an_entry_instead_of_the_stack() {
    let lists = json!({"type": "array", "items": {"$ref": "#"}});
    let details = explain(&lists, &nested(1000, json!([])));
    assert_eq!(details.len(), 1);
    assert_eq!(details[0].kind, "too_complex");
}

#[test]
fn a_union_of_itself_ends() {
    let details = explain(&endless(), &json!("x"));
    assert_eq!(details[0].kind, "int_type");
    assert!(details.len() <= DETAILS_MAX);
    assert_eq!(explain(&endless(), &json!(1)), []);
}

#[test]
fn branches_that_multiply_end() {
    let schema = schemars::schema_for!(Twin);
    let details = explain(schema.as_value(), &nested(60, json!("x")));
    assert_eq!(details.len(), DETAILS_MAX);
}

#[test]
fn coercion_inside_nested_unions_takes_no_exponential_time() {
    let shape = Shape::compile(schemars::schema_for!(Tree).as_value());
    let coerced = shape.coerce("body", nested(100, json!("4")), Report::default());
    assert_eq!(coerced, Ok(nested(100, json!(4))));
}

#[test]
fn the_list_of_errors_has_an_end() {
    let schema = json!({"type": "array", "items": {"type": "integer"}});
    let input: Value = (0..1000).map(|at| format!("x{at}")).collect();
    assert_eq!(explain(&schema, &input).len(), DETAILS_MAX);

    // A branch that fills the list does not hide the refusal of the next.
    let schema = json!({"anyOf": [schema, {"type": "array", "items": {"type": "boolean"}}]});
    assert_eq!(explain(&schema, &input).len(), DETAILS_MAX);
}

#[test]
fn answers_do_not_repeat_a_large_body_for_every_missing_field() {
    let names: Vec<String> = (0..50).map(|at| format!("field{at}")).collect();
    let schema = json!({"type": "object", "required": names});
    let details = explain(&schema, &json!({"large": "x".repeat(600_000)}));
    assert_eq!(details.len(), 50);
    assert!(details[0].input.is_object());
    assert!(details[1].input.is_null());
}

#[test]
fn answers_do_not_repeat_a_long_key_for_every_error() {
    let schema = json!({"type": "object", "additionalProperties": {"type": "array", "items": {
        "type": "integer",
    }}});
    let wrong: Value = (0..50).map(|at| format!("x{at}")).collect();
    let details = explain(&schema, &json!({"k".repeat(600_000): wrong}));
    assert_eq!(details.len(), 1);
}

#[test]
fn shapes_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Shape>();
    is_shared::<crate::schema::TextShape>();
}
