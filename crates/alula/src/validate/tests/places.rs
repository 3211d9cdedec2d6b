//! Custom checks: when they run, and the place that their failures name.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{failures, read};
use crate::{Report, Validate};

fn odd(number: &u8) -> Result<(), String> {
    if number % 2 == 1 { Ok(()) } else { Err(format!("{number} is even")) }
}

fn lowercase(text: &str) -> Result<(), &'static str> {
    if text.chars().any(char::is_uppercase) { Err("uppercase") } else { Ok(()) }
}

/// A number whose check fails for even ones, below 10.
#[derive(Deserialize, JsonSchema, Validate, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Odd(
    #[validate(custom = odd)]
    #[schemars(range(max = 9))]
    u8,
);

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct Request {
    max_tokens: Odd,
    #[serde(rename(serialize = "output", deserialize = "input"))]
    text: Vec<Odd>,
    r#type: Option<Odd>,
    by_name: BTreeMap<String, Odd>,
    #[serde(flatten)]
    more: More,
    pair: (u8, Odd),
    bag: HashSet<Odd>,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct More {
    extra: Odd,
}

#[test]
fn a_place_is_named_as_the_json_names_it() {
    let request: Request = read(json!({
        "maxTokens": 2, "input": [1, 4], "type": 6, "byName": { "a b": 8 }, "extra": 2,
        "pair": [0, 4], "bag": [6],
    }));
    assert!(!request.is_valid());
    assert_eq!(
        failures(&request),
        [
            "maxTokens: 2 is even",
            "input.1: 4 is even",
            "type: 6 is even",
            "byName.a b: 8 is even",
            "extra: 2 is even",
            "pair.1: 4 is even",
            "bag: 6 is even",
        ]
    );
}

#[test]
fn a_valid_value_reports_nothing() {
    let request: Request = read(json!({
        "maxTokens": 1, "input": [], "type": null, "byName": {}, "extra": 1, "pair": [0, 1],
        "bag": [],
    }));
    assert!(request.is_valid());
    assert!(failures(&request).is_empty());
}

macro_rules! tagged {
    ($name:ident, $(#[$attr:meta])*) => {
        #[derive(Deserialize, JsonSchema, Validate)]
        #[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
        $(#[$attr])*
        enum $name {
            #[serde(rename = "img")]
            Image { top_left: Odd },
            #[serde(rename_all = "UPPERCASE")]
            Loud { top_left: Odd },
            OneField(More),
        }
    };
}

tagged!(External,);
tagged!(Internal, #[serde(tag = "kind")]);
tagged!(Adjacent, #[serde(tag = "kind", content = "data")]);
tagged!(Untagged, #[serde(untagged)]);

#[test]
fn an_external_tag_is_a_step() {
    assert_eq!(
        failures(&read::<Vec<External>>(json!([
            { "img": { "topLeft": 2 } }, { "loud": { "TOP_LEFT": 4 } },
            { "one_field": { "extra": 6 } },
        ]))),
        ["0.img.topLeft: 2 is even", "1.loud.TOP_LEFT: 4 is even", "2.one_field.extra: 6 is even"]
    );
}

#[test]
fn an_internal_tag_is_named_but_is_no_step_in_the_json() {
    assert_eq!(
        failures(&read::<Vec<Internal>>(json!([
            { "kind": "img", "topLeft": 2 }, { "kind": "loud", "TOP_LEFT": 4 },
            { "kind": "one_field", "extra": 6 },
        ]))),
        [
            "0.(img).topLeft: 2 is even",
            "1.(loud).TOP_LEFT: 4 is even",
            "2.(one_field).extra: 6 is even",
        ]
    );
}

#[test]
fn an_adjacent_tag_is_followed_by_the_content() {
    assert_eq!(
        failures(&read::<Vec<Adjacent>>(json!([
            { "kind": "img", "data": { "topLeft": 2 } },
            { "kind": "one_field", "data": { "extra": 6 } },
        ]))),
        ["0.(img).data.topLeft: 2 is even", "1.(one_field).data.extra: 6 is even"]
    );
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(tag = "kind", content = "data")]
enum Partly {
    Tagged(Odd),
    #[serde(untagged)]
    Plain(Odd),
}

#[test]
fn a_variant_without_a_tag_has_no_content_either() {
    let partly: Vec<Partly> = read(json!([{ "kind": "Tagged", "data": 2 }, 4]));
    assert_eq!(failures(&partly), ["0.(Tagged).data: 2 is even", "1.(Plain): 4 is even"]);
}

#[test]
fn an_untagged_variant_is_named_all_the_same() {
    assert_eq!(
        failures(&read::<Vec<Untagged>>(json!([{ "topLeft": 2 }, { "extra": 6 }]))),
        ["0.(img).topLeft: 2 is even", "1.(one_field).extra: 6 is even"]
    );
}

#[derive(Deserialize, JsonSchema, Validate)]
enum Tuple {
    Two(u8, Odd),
    #[serde(untagged)]
    Bare(u8, u8, Odd),
}

#[test]
fn the_fields_of_a_tuple_are_numbered() {
    let tuples: Vec<Tuple> = read(json!([{ "Two": [0, 2] }, [0, 0, 4]]));
    assert_eq!(failures(&tuples), ["0.Two.1: 2 is even", "1.(Bare).2: 4 is even"]);
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Pair(u8, #[serde(skip)] Hidden, Odd);

#[derive(Default)]
struct Hidden;

#[derive(Deserialize, JsonSchema, Validate, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
enum Level {
    VeryHigh,
}

#[test]
fn an_index_counts_what_the_json_shows() {
    let pair: Pair = read(json!([0, 2]));
    assert_eq!(failures(&pair), ["1: 2 is even"]);
    let Pair(0, Hidden, _) = pair else { panic!("serde fills in the default") };
}

#[test]
fn a_key_is_named_as_the_json_names_it() {
    let levels: BTreeMap<Level, Odd> = read(json!({ "very-high": 2 }));
    assert_eq!(failures(&levels), ["very-high: 2 is even"]);
    let numbers: BTreeMap<u16, Odd> = read(json!({ "404": 2 }));
    assert_eq!(failures(&numbers), ["404: 2 is even"]);
    let odd: BTreeMap<Odd, u8> = read(json!({ "2": 1 }));
    assert_eq!(failures(&odd), ["2: 2 is even"]);
}

#[derive(Deserialize, JsonSchema, Validate)]
#[validate(custom = Window::ordered)]
struct Window {
    #[validate(custom = odd)]
    from: u8,
    #[schemars(range(max = 9))]
    to: u8,
    #[validate(custom = lowercase, custom = short)]
    label: Option<String>,
}

fn short(text: &str) -> Result<(), &'static str> {
    if text.len() > 3 { Err("long") } else { Ok(()) }
}

impl Window {
    fn ordered(&self) -> Result<(), &'static str> {
        if self.from <= self.to { Ok(()) } else { Err("not ordered") }
    }
}

fn window(from: u8, to: u8, label: Option<&str>) -> (bool, Vec<String>) {
    let window = Window { from, to, label: label.map(str::to_owned) };
    (window.is_valid(), failures(&window))
}

#[test]
fn the_whole_is_checked_once_its_fields_are_valid() {
    assert_eq!(window(1, 2, None), (true, vec![]));
    assert_eq!(window(3, 2, None), (false, vec![": not ordered".to_owned()]));
    assert_eq!(window(4, 2, None), (false, vec!["from: 4 is even".to_owned()]));
    // Only the schema has something to say about `to`.
    assert_eq!(window(11, 10, None), (false, vec![]));
}

#[test]
fn every_check_of_a_field_speaks_and_none_is_asked_about_nothing() {
    assert_eq!(window(1, 2, Some("a")), (true, vec![]));
    let both = vec!["label: uppercase".to_owned(), "label: long".to_owned()];
    assert_eq!(window(1, 2, Some("LOUD")), (false, both));
}

#[test]
fn a_check_is_not_asked_about_a_field_that_breaks_its_constraint() {
    let number: Odd = read(json!(10));
    assert!(!number.is_valid());
    assert!(failures(&number).is_empty());
}

/// A type of another crate.
struct Foreign(u8);

fn odd_inside(foreign: &Foreign) -> Result<(), String> {
    odd(&foreign.0)
}

#[derive(Validate)]
struct Skipping {
    #[validate(skip, custom = odd_inside)]
    foreign: Foreign,
}

#[test]
fn a_type_that_is_not_asked_can_still_be_checked_from_outside() {
    assert!(Skipping { foreign: Foreign(1) }.is_valid());
    let skipping = Skipping { foreign: Foreign(2) };
    assert!(!skipping.is_valid());
    assert_eq!(failures(&skipping), ["foreign: 2 is even"]);
}

#[test]
fn a_report_returns_to_where_it_was() {
    let mut report = Report::default();
    report.at("items", |report| report.visit(3, &Odd(2)));
    report.check(Err("whole"));
    let places: Vec<_> = report.into_failures().iter().map(|failure| failure.place.len()).collect();
    assert_eq!(places, [2, 0]);
}
