//! Structs, enums, generics and the types of the standard library, nested.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accepts;
use crate::Validate;

/// Accepts one to nine.
#[derive(Deserialize, JsonSchema, Validate, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Digit(#[schemars(range(min = 1, max = 9))] u8);

#[test]
fn nested_values_are_checked_wherever_they_are() {
    fn check<T: serde::de::DeserializeOwned + Validate>(wrap: impl Fn(u8) -> Value) {
        assert!(accepts::<T>(wrap(9)), "{}", std::any::type_name::<T>());
        assert!(!accepts::<T>(wrap(10)), "{}", std::any::type_name::<T>());
    }
    check::<Digit>(|n| json!(n));
    check::<Option<Digit>>(|n| json!(n));
    check::<Box<Digit>>(|n| json!(n));
    check::<Cow<'_, Digit>>(|n| json!(n));
    check::<Vec<Digit>>(|n| json!([1, n]));
    check::<VecDeque<Digit>>(|n| json!([1, n]));
    check::<Box<[Digit]>>(|n| json!([1, n]));
    check::<[Digit; 2]>(|n| json!([1, n]));
    check::<std::collections::BTreeSet<Digit>>(|n| json!([1, n]));
    check::<std::collections::HashSet<Digit>>(|n| json!([1, n]));
    check::<BTreeMap<String, Digit>>(|n| json!({ "a": 1, "b": n }));
    check::<HashMap<u8, Vec<Digit>>>(|n| json!({ "1": [], "2": [n] }));
    check::<(u8, Digit)>(|n| json!([0, n]));
    check::<(Digit, u8)>(|n| json!([n, 0]));
    check::<Result<Digit, String>>(|n| json!({ "Ok": n }));
    check::<std::ops::Range<Digit>>(|n| json!({ "start": 1, "end": n }));
    check::<Vec<Option<Vec<(Digit,)>>>>(|n| json!([null, [[n]]]));
    assert!(!Arc::new(Digit(0)).is_valid());
}

/// A key with a pattern, which the document shows as `patternProperties`.
#[derive(Deserialize, JsonSchema, Validate, PartialEq, Eq, PartialOrd, Ord)]
struct Label(#[schemars(pattern("^[a-z]+$"))] String);

#[test]
fn keys_are_checked_too() {
    assert!(accepts::<BTreeMap<Label, u8>>(json!({ "a": 1 })));
    assert!(!accepts::<BTreeMap<Label, u8>>(json!({ "A": 1 })));
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text {
        #[schemars(length(min = 1))]
        text: String,
    },
    Digit(Box<Wrapped>),
    Stop,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Wrapped {
    digit: Digit,
}

#[test]
fn the_fields_of_every_variant_are_checked() {
    assert!(accepts::<Part>(json!({ "type": "text", "text": "a" })));
    assert!(!accepts::<Part>(json!({ "type": "text", "text": "" })));
    assert!(accepts::<Part>(json!({ "type": "digit", "digit": 1 })));
    assert!(!accepts::<Part>(json!({ "type": "digit", "digit": 0 })));
    assert!(accepts::<Part>(json!({ "type": "stop" })));
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Tree {
    #[schemars(range(max = 3))]
    depth: u8,
    #[serde(default)]
    #[schemars(length(max = 2))]
    children: Vec<Self>,
}

#[test]
fn a_recursive_type_is_checked_to_its_leaves() {
    let tree = |leaf| json!({ "depth": 0, "children": [{ "depth": 1 }, { "depth": leaf }] });
    assert!(accepts::<Tree>(tree(3)));
    assert!(!accepts::<Tree>(tree(4)));
}

trait Source {
    type Row;
}

struct Numbers;

impl Source for Numbers {
    type Row = Digit;
}

#[derive(Validate)]
struct Page<T, S: Source, M> {
    #[schemars(length(max = 2))]
    items: Vec<T>,
    next: Option<S::Row>,
    marker: PhantomData<M>,
}

#[test]
fn a_generic_type_asks_what_it_is_made_of() {
    /// Implements nothing: a marker has nothing to check.
    struct Marker;
    let page = |items, next| Page::<_, Numbers, Marker> { items, next, marker: PhantomData };
    assert!(page(vec![Digit(1)], None).is_valid());
    assert!(!page(vec![Digit(0)], None).is_valid());
    assert!(!page(vec![Digit(1)], Some(Digit(0))).is_valid());
    assert!(!page(vec![Digit(1), Digit(1), Digit(1)], None).is_valid());
}

#[derive(Validate)]
struct Borrowed<'a, const N: usize> {
    #[schemars(length(max = N))]
    text: &'a str,
    digits: [&'a Digit; N],
}

#[test]
fn lifetimes_and_const_parameters_are_kept() {
    let digit = Digit(1);
    assert!(Borrowed { text: "ab", digits: [&digit, &digit] }.is_valid());
    assert!(!Borrowed { text: "abc", digits: [&digit, &digit] }.is_valid());
    assert!(!Borrowed { text: "", digits: [&Digit(0)] }.is_valid());
}

/// A type of another crate.
#[derive(Deserialize, JsonSchema, Default)]
struct Foreign;

#[derive(Deserialize, JsonSchema, Validate)]
struct Skips {
    #[validate(skip)]
    foreign: Foreign,
    #[serde(skip)]
    internal: Foreign,
    #[validate(skip)]
    #[schemars(length(max = 1))]
    foreigners: Vec<Foreign>,
    #[serde(skip_deserializing)]
    #[schemars(range(min = 1))]
    made_here: u8,
}

#[test]
fn a_skipped_type_is_not_asked_but_its_field_is_still_limited() {
    assert!(accepts::<Skips>(json!({ "foreign": null, "foreigners": [null] })));
    assert!(!accepts::<Skips>(json!({ "foreign": null, "foreigners": [null, null] })));
    let skips: Skips = super::read(json!({ "foreign": null, "foreigners": [] }));
    let Skips { foreign: Foreign, internal: Foreign, made_here: 0, .. } = skips else {
        panic!("serde fills in the defaults");
    };
}

#[derive(Deserialize, JsonSchema, Validate)]
#[schemars(extend("maxLength" = 3, "x-order" = 1), title = "A name")]
#[serde(transparent)]
struct Name {
    #[schemars(length(min = 1))]
    name: String,
}

#[test]
fn constraints_on_a_newtype_join_those_of_its_field() {
    assert!(!accepts::<Name>(json!("")));
    assert!(accepts::<Name>(json!("abc")));
    assert!(!accepts::<Name>(json!("abcd")));
}

#[derive(Validate)]
enum Never {}

#[derive(Validate)]
struct Unit;

#[test]
fn types_without_fields_are_valid() {
    assert!(Unit.is_valid());
    assert!(None::<Never>.is_valid());
}
