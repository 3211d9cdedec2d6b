//! The walk and the types agree: nothing to explain means accepted, and the other way around.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::schema::{Shape, walk::Mode};
use crate::validate::Report;

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Inner {
    x: i32,
    y: Option<String>,
    z: bool,
}

#[derive(Deserialize, JsonSchema)]
enum Unit {
    A,
    /// Documented.
    B,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
enum External {
    Stop,
    Newtype(i8),
    Struct { x: u8 },
    Pair(i32, String),
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type")]
#[expect(dead_code, reason = "only read")]
enum Internal {
    Unit,
    Struct { x: u8 },
    Newtype(Inner),
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
#[expect(dead_code, reason = "only read")]
enum Adjacent {
    Unit,
    Newtype(i32),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only read")]
enum Untagged {
    Int(i32),
    Text(String),
    List(Vec<Self>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Strict {
    a: i64,
    #[serde(default)]
    b: u64,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Flat {
    own: i32,
    #[serde(flatten)]
    strict: Inner,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Wide {
    int: i32,
    small: u8,
    wide: u64,
    float: f64,
    flag: bool,
    text: String,
    one: char,
    maybe: Option<i64>,
    list: Vec<Option<i32>>,
    set: BTreeSet<String>,
    map: BTreeMap<String, Inner>,
    by_number: BTreeMap<u32, bool>,
    pair: (i32, String),
    array: [i32; 2],
    unit: Unit,
    external: External,
    internal: Internal,
    adjacent: Option<Adjacent>,
    untagged: Untagged,
    strict: Strict,
    flat: Flat,
    any: Value,
}

/// Values that fit their field, and what else they may be.
fn fields() -> Vec<(&'static str, Vec<Value>)> {
    let inner = json!({"x": 1, "z": true});
    vec![
        ("int", vec![json!(1), json!(-2_147_483_648_i64), json!(2_147_483_648_i64), json!(1.0)]),
        ("small", vec![json!(255), json!(256), json!(-1)]),
        ("wide", vec![json!(u64::MAX), json!(0), json!(1e20)]),
        ("float", vec![json!(1.5), json!(1), json!(u64::MAX)]),
        ("flag", vec![json!(true), json!(1)]),
        ("text", vec![json!(""), json!("x")]),
        ("one", vec![json!("\u{e9}"), json!(""), json!("ab")]),
        ("maybe", vec![json!(null), json!(i64::MIN), json!(u64::MAX)]),
        ("list", vec![json!([1, null]), json!([]), json!([1, "2"])]),
        ("set", vec![json!(["a", "b"]), json!([]), json!(["a", 1])]),
        ("map", vec![json!({"k": inner}), json!({}), json!({"k": {"x": 1}})]),
        ("by_number", vec![json!({"1": true}), json!({"x": true}), json!({"1": 1})]),
        ("pair", vec![json!([1, "a"]), json!([1]), json!([1, "a", 2]), json!(["a", 1])]),
        ("array", vec![json!([1, 2]), json!([1]), json!([1, 2, 3])]),
        ("unit", vec![json!("A"), json!("B"), json!("C")]),
        (
            "external",
            vec![
                json!("Stop"),
                json!({"Newtype": 1}),
                json!({"Struct": {"x": 1}}),
                json!({"Pair": [1, "a"]}),
                json!({"Stop": null}),
                json!("Newtype"),
                json!({"Newtype": 1000}),
                json!({"Newtype": 1, "Stop": null}),
                json!({"Other": 1}),
                json!({}),
            ],
        ),
        (
            "internal",
            vec![
                json!({"type": "Unit"}),
                json!({"type": "Struct", "x": 1}),
                json!({"type": "Newtype", "x": 1, "z": false}),
                json!({"type": "Newtype", "x": 1}),
                json!({"type": "Struct"}),
                json!({"type": "Other"}),
                json!({"x": 1}),
            ],
        ),
        (
            "adjacent",
            vec![
                json!({"t": "Unit"}),
                json!({"t": "Newtype", "c": 1}),
                json!({"t": "Newtype"}),
                json!({"t": "Newtype", "c": "1"}),
            ],
        ),
        ("untagged", vec![json!(1), json!("x"), json!([1, ["x", []]]), json!([1, [true]])]),
        ("strict", vec![json!({"a": 1}), json!({"a": 1, "b": 2}), json!({"a": 1, "c": 2})]),
        ("flat", vec![json!({"own": 1, "x": 1, "z": true}), json!({"own": 1, "z": true})]),
        ("any", vec![json!(null), json!([{}])]),
    ]
}

/// What no field takes; serde fills structs from lists, so the list fits none.
fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(-7)),
        Just(json!(2.5)),
        Just(json!("junk")),
        Just(json!([[{}]])),
        Just(json!({"junk": 1})),
    ]
}

fn entry(name: &'static str, values: Vec<Value>) -> impl Strategy<Value = Option<(String, Value)>> {
    let good = values.first().cloned().unwrap_or_default();
    prop_oneof![
        30 => Just(Some(good)),
        6 => proptest::sample::select(values).prop_map(Some),
        1 => junk().prop_map(Some),
        1 => Just(None),
    ]
    .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
}

fn wide() -> impl Strategy<Value = Value> {
    let entries: Vec<_> =
        fields().into_iter().map(|(name, values)| entry(name, values).boxed()).collect();
    entries.prop_map(|entries| Value::Object(entries.into_iter().flatten().collect()))
}

/// What serde makes of the value; of `4.0` only after it has become 4.
fn typed(shape: &Shape, value: &Value) -> serde_json::Result<Wide> {
    let converted = shape.convert(Mode::Strict, "body", value.clone(), &[]);
    serde_json::from_value(converted.map_or_else(|_| value.clone(), |(value, _)| value))
}

proptest! {
    #[test]
    fn nothing_to_explain_means_accepted(value in wide()) {
        thread_local! {
            static SHAPE: Shape = Shape::compile(schemars::schema_for!(Wide).as_value());
        }
        let typed = SHAPE.with(|shape| typed(shape, &value));
        let details = SHAPE.with(|shape| shape.explain("body", &value, Report::default()));
        prop_assert_eq!(details.is_empty(), typed.is_ok(), "{:?} {:?}", details, typed.err());
    }
}

#[test]
fn every_value_of_every_field_alone() {
    let shape = Shape::compile(schemars::schema_for!(Wide).as_value());
    assert_eq!(shape.warnings(), [""; 0]);
    let good: Value = fields()
        .into_iter()
        .map(|(name, values)| (name.to_owned(), values.into_iter().next().unwrap()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(shape.explain("body", &good, Report::default()), []);
    for (name, values) in fields() {
        for value in values {
            let mut wide = good.clone();
            wide[name] = value.clone();
            let typed = typed(&shape, &wide);
            let details = shape.explain("body", &wide, Report::default());
            assert_eq!(
                details.is_empty(),
                typed.is_ok(),
                "{name} {value}: {details:?} {:?}",
                typed.err()
            );
        }
    }
}
