//! Every constraint just inside, at, and just outside its limit.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::LazyLock;

use regex::Regex;
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accepts;
use crate::Validate;

const MOST: usize = 3;
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[a-z]+$").unwrap());

#[derive(Deserialize, JsonSchema, Validate)]
struct Limits {
    #[schemars(range(min = 0.0, max = 2.0))]
    float: Option<f64>,
    #[schemars(range(max = 0.7))]
    single: Option<f32>,
    #[schemars(range(min = -1, max = "MOST"))]
    integer: Option<i32>,
    #[schemars(range(equal = 7))]
    equal: Option<u8>,
    #[schemars(range(min = 0))]
    whole_bound: Option<f64>,
    #[schemars(range(min = 1.5))]
    float_bound: Option<u64>,
    #[schemars(range(max = i64::MAX - 1))]
    wide: Option<i64>,
    #[schemars(range(min = 2))]
    non_zero: Option<NonZeroU32>,
    #[schemars(range(max = 5))]
    number: Option<serde_json::Number>,
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    open: Option<f64>,
    #[schemars(extend("minimum" = -2, "maximum" = 2))]
    closed: Option<i64>,
    #[schemars(extend("multipleOf" = 3))]
    step: Option<i64>,
    #[schemars(extend("multipleOf" = 0.1))]
    fraction: Option<f64>,
    #[schemars(length(min = 2, max = MOST))]
    text: Option<String>,
    #[schemars(length(equal = 2))]
    list: Option<Vec<u8>>,
    #[schemars(length(max = 2), inner(length(min = 1), pattern("^a")))]
    words: Option<Vec<String>>,
    #[schemars(inner(inner(range(min = 0, max = 9))))]
    matrix: Option<Vec<Vec<i8>>>,
    #[schemars(extend("minLength" = 1, "maxLength" = 2, "pattern" = "é"))]
    extended_text: Option<Box<str>>,
    #[schemars(extend("minItems" = 1, "maxItems" = 2, "uniqueItems" = true))]
    extended_list: Option<Vec<String>>,
    #[schemars(extend("minProperties" = 1, "maxProperties" = 2))]
    map: Option<BTreeMap<String, u8>>,
    #[schemars(regex(pattern = r"^\d{3}$"))]
    digits: Option<String>,
    #[schemars(regex(pattern = *WORD))]
    word: Option<String>,
    #[schemars(contains(pattern = "a.b"))]
    contains: Option<String>,
    #[schemars(length(max = 1))]
    set: Option<BTreeSet<u8>>,
    #[schemars(email)]
    email: Option<String>,
}

/// Field, value, and whether it keeps the constraint.
type Case = (&'static str, Value, bool);

fn numbers() -> Vec<Case> {
    vec![
        ("float", json!(-0.1), false),
        ("float", json!(0.0), true),
        ("float", json!(2), true),
        ("float", json!(2.000_000_1), false),
        ("single", json!(0.7), true),
        ("single", json!(0.700_001), false),
        ("integer", json!(-2), false),
        ("integer", json!(-1), true),
        ("integer", json!(3), true),
        ("integer", json!(4), false),
        ("equal", json!(6), false),
        ("equal", json!(7), true),
        ("equal", json!(8), false),
        ("whole_bound", json!(-0.0001), false),
        ("whole_bound", json!(0), true),
        ("float_bound", json!(1), false),
        ("float_bound", json!(2), true),
        ("wide", json!(i64::MAX - 2), true),
        ("wide", json!(i64::MAX - 1), true),
        ("wide", json!(i64::MAX), false),
        ("non_zero", json!(1), false),
        ("non_zero", json!(2), true),
        ("number", json!(5), true),
        ("number", json!(5.5), false),
        ("number", json!(-7), true),
        ("open", json!(0), false),
        ("open", json!(1e-9), true),
        ("open", json!(0.999), true),
        ("open", json!(1), false),
        ("closed", json!(-3), false),
        ("closed", json!(-2), true),
        ("closed", json!(2), true),
        ("closed", json!(3), false),
        ("step", json!(-6), true),
        ("step", json!(0), true),
        ("step", json!(7), false),
        ("step", json!(9_007_199_254_740_993_i64), true),
        ("step", json!(9_007_199_254_740_994_i64), false),
        ("fraction", json!(0.3), true),
        ("fraction", json!(0.35), false),
    ]
}

fn texts_and_lists() -> Vec<Case> {
    vec![
        ("text", json!("é"), false),
        ("text", json!("éé"), true),
        ("text", json!("ééé"), true),
        ("text", json!("éééé"), false),
        ("list", json!([1]), false),
        ("list", json!([1, 2]), true),
        ("list", json!([1, 2, 3]), false),
        ("words", json!([]), true),
        ("words", json!(["a", "ab"]), true),
        ("words", json!(["a", ""]), false),
        ("words", json!(["a", "b"]), false),
        ("words", json!(["a", "a", "a"]), false),
        ("matrix", json!([[0, 9], []]), true),
        ("matrix", json!([[0], [10]]), false),
        ("matrix", json!([[-1]]), false),
        ("extended_text", json!("é"), true),
        ("extended_text", json!("ée"), true),
        ("extended_text", json!("ee"), false),
        ("extended_text", json!("éee"), false),
        ("extended_text", json!(""), false),
        ("extended_list", json!([]), false),
        ("extended_list", json!(["a"]), true),
        ("extended_list", json!(["a", "b"]), true),
        ("extended_list", json!(["a", "a"]), false),
        ("extended_list", json!(["a", "b", "c"]), false),
        ("map", json!({}), false),
        ("map", json!({"a": 1}), true),
        ("map", json!({"a": 1, "b": 2}), true),
        ("map", json!({"a": 1, "b": 2, "c": 3}), false),
        ("digits", json!("12"), false),
        ("digits", json!("123"), true),
        ("digits", json!("1234"), false),
        ("word", json!("abc"), true),
        ("word", json!("abc1"), false),
        ("contains", json!("xa.bx"), true),
        ("contains", json!("axb"), false),
        ("set", json!([1]), true),
        ("set", json!([1, 2]), false),
        ("email", json!("nobody"), false),
        ("email", json!("ada@example.com"), true),
    ]
}

#[test]
fn each_constraint_holds_up_to_its_limit_and_not_beyond() {
    for (field, value, expected) in numbers().into_iter().chain(texts_and_lists()) {
        let case = format!("{field} = {value}");
        assert_eq!(accepts::<Limits>(json!({ field: value })), expected, "{case}");
    }
}

#[test]
fn what_is_absent_keeps_every_constraint() {
    assert!(accepts::<Limits>(json!({})));
}

#[test]
fn each_constraint_is_one_that_the_document_shows() {
    let schema = schema_for!(Limits);
    let shown = |field: &str, keyword: &str| {
        let pointer = format!("/properties/{field}/{keyword}");
        schema.pointer(&pointer).cloned().unwrap_or_default()
    };
    assert_eq!(shown("float", "maximum"), json!(2.0));
    assert_eq!(shown("integer", "maximum"), json!(MOST));
    assert_eq!(shown("equal", "minimum"), json!(7));
    assert_eq!(shown("equal", "maximum"), json!(7));
    assert_eq!(shown("open", "exclusiveMinimum"), json!(0));
    assert_eq!(shown("number", "maximum"), json!(5));
    assert_eq!(shown("text", "maxLength"), json!(MOST));
    assert_eq!(shown("list", "minItems"), json!(2));
    assert_eq!(shown("words", "items/minLength"), json!(1));
    assert_eq!(shown("words", "items/pattern"), json!("^a"));
    assert_eq!(shown("matrix", "items/items/maximum"), json!(9));
    assert_eq!(shown("word", "pattern"), json!("^[a-z]+$"));
    assert_eq!(shown("contains", "pattern"), json!(r"a\.b"));
    assert_eq!(shown("set", "maxItems"), json!(1));
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Required {
    #[schemars(required, range(min = 1))]
    limit: Option<u8>,
}

#[test]
fn a_required_option_has_to_be_there() {
    assert!(!accepts::<Required>(json!({})));
    assert!(!accepts::<Required>(json!({ "limit": null })));
    assert!(!accepts::<Required>(json!({ "limit": 0 })));
    assert!(accepts::<Required>(json!({ "limit": 1 })));
}

#[test]
fn not_a_number_keeps_no_bound() {
    let limits = |float| Limits { float: Some(float), ..super::read(json!({})) };
    assert!(limits(1.0).is_valid());
    assert!(!limits(f64::NAN).is_valid());
    assert!(!limits(f64::INFINITY).is_valid());
}

fn broken() -> &'static str {
    "("
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Broken {
    #[schemars(pattern(broken()))]
    text: String,
}

#[test]
fn a_computed_pattern_that_is_broken_refuses_every_text() {
    assert!(!accepts::<Broken>(json!({ "text": "(" })));
    assert!(!accepts::<Broken>(json!({ "text": "" })));
}
