//! Custom checks inside enums: the place shows the branch, as FastAPI does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Validate;
use crate::schema::Shape;
use crate::schema::json::{Refused, parse};

fn https(url: &str) -> Result<(), &'static str> {
    if url.starts_with("https:") { Ok(()) } else { Err("not https") }
}

fn square(image: &Image) -> Result<(), &'static str> {
    if image.size.0 == image.size.1 { Ok(()) } else { Err("not square") }
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[validate(custom = square)]
struct Image {
    #[validate(custom = https)]
    url: String,
    #[serde(default)]
    size: (i64, i64),
}

macro_rules! parts {
    ($name:ident, $(#[$attr:meta])*) => {
        #[derive(Debug, Deserialize, JsonSchema, Validate)]
        #[serde(rename_all = "lowercase")]
        $(#[$attr])*
        enum $name {
            Text { text: String },
            Img(Image),
            Link {
                #[validate(custom = https)]
                href: String,
            },
        }
    };
}

parts!(Internal, #[serde(tag = "kind")]);
parts!(Adjacent, #[serde(tag = "kind", content = "data")]);
parts!(External,);
parts!(Untagged, #[serde(untagged)]);

/// The last field is wrong as well, so that the order shows.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct Message<P: Validate> {
    part: P,
    list: Vec<P>,
    map: BTreeMap<String, Option<P>>,
    #[validate(custom = https)]
    last: String,
}

/// `loc: message, input` of each error; the same in strict and lax mode.
fn errors<T: DeserializeOwned + Validate + JsonSchema>(body: &Value) -> Vec<String> {
    let shape = Shape::compile(schemars::schema_for!(T).as_value());
    let read = |lax| match parse::<T>(&shape, body.to_string().as_bytes(), lax) {
        Ok(_) => Vec::new(),
        Err(Refused::Invalid(details)) => details
            .into_iter()
            .map(|detail| format!("{}: {}, {}", json!(detail.loc), detail.msg, detail.input))
            .collect(),
        Err(other) => panic!("{other:?}"),
    };
    let strict: Vec<String> = read(false);
    assert_eq!(strict, read(true), "strict and lax");
    strict
}

/// A message whose every part is `part`.
fn message(part: &Value) -> Value {
    json!({"part": part, "list": [part], "map": {"a": part}, "last": "http:"})
}

/// What a check inside `part` says at each of the places, then that of the last field.
fn expected(steps: &str, message: &str, input: &Value) -> Vec<String> {
    ["\"part\"", "\"list\",0", "\"map\",\"a\""]
        .iter()
        .map(|place| format!("[\"body\",{place}{steps}]: Value error, {message}, {input}"))
        .chain([r#"["body","last"]: Value error, not https, "http:""#.to_owned()])
        .collect()
}

#[test]
fn an_internal_tag_is_shown_before_the_field() {
    let image = json!({"kind": "img", "url": "http:"});
    assert_eq!(
        errors::<Message<Internal>>(&message(&image)),
        expected(r#","img","url""#, "not https", &json!("http:"))
    );
    let link = json!({"kind": "link", "href": "x"});
    assert_eq!(
        errors::<Message<Internal>>(&message(&link)),
        expected(r#","link","href""#, "not https", &json!("x"))
    );
}

#[test]
fn a_check_of_a_variant_as_a_whole_is_at_its_tag() {
    let image = json!({"kind": "img", "url": "https:", "size": [1, 2]});
    assert_eq!(
        errors::<Message<Internal>>(&message(&image)),
        expected(r#","img""#, "not square", &image)
    );
}

#[test]
fn the_content_of_an_adjacent_tag_follows_it() {
    let image = json!({"kind": "img", "data": {"url": "http:"}});
    assert_eq!(
        errors::<Message<Adjacent>>(&message(&image)),
        expected(r#","img","data","url""#, "not https", &json!("http:"))
    );
    let image = json!({"kind": "img", "data": {"url": "https:", "size": [1, 2]}});
    assert_eq!(
        errors::<Message<Adjacent>>(&message(&image)),
        expected(r#","img","data""#, "not square", &image["data"])
    );
}

#[test]
fn an_external_tag_is_a_property() {
    let image = json!({"img": {"url": "http:"}});
    assert_eq!(
        errors::<Message<External>>(&message(&image)),
        expected(r#","img","url""#, "not https", &json!("http:"))
    );
    let image = json!({"img": {"url": "https:", "size": [1, 2]}});
    assert_eq!(
        errors::<Message<External>>(&message(&image)),
        expected(r#","img""#, "not square", &image["img"])
    );
}

#[test]
fn an_untagged_variant_is_shown_by_the_name_of_its_type() {
    let image = json!({"url": "http:"});
    assert_eq!(
        errors::<Message<Untagged>>(&message(&image)),
        expected(r#","Image","url""#, "not https", &json!("http:"))
    );
    let image = json!({"url": "https:", "size": [1, 2]});
    assert_eq!(
        errors::<Message<Untagged>>(&message(&image)),
        expected(r#","Image""#, "not square", &image)
    );
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
enum Stop {
    One(#[validate(custom = https)] String),
    Several(#[validate(custom = few)] Vec<String>),
    /// An enum inside an enum.
    Part(Internal),
}

fn few(list: &[String]) -> Result<(), &'static str> {
    if list.len() < 3 { Ok(()) } else { Err("too many") }
}

#[test]
fn an_untagged_scalar_or_list_is_shown_as_pydantic_names_it() {
    assert_eq!(
        errors::<Message<Stop>>(&message(&json!("x"))),
        expected(r#","str""#, "not https", &json!("x"))
    );
    let list = json!(["a", "b", "c"]);
    assert_eq!(
        errors::<Message<Stop>>(&message(&list)),
        expected(r#","list[str]""#, "too many", &list)
    );
}

#[test]
fn every_branch_on_the_way_is_shown() {
    let image = json!({"kind": "img", "url": "http:"});
    assert_eq!(
        errors::<Message<Stop>>(&message(&image)),
        expected(r#","Internal","img","url""#, "not https", &json!("http:"))
    );
}

/// A check of the enum itself, and one beside a flattened enum.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[validate(custom = no_text)]
enum Strict {
    Text {
        #[validate(custom = https)]
        text: String,
    },
    Img(Image),
}

fn no_text(part: &Strict) -> Result<(), &'static str> {
    if matches!(part, Strict::Text { .. }) { Err("no text") } else { Ok(()) }
}

#[test]
fn a_check_of_the_enum_is_above_its_branches() {
    let text = json!({"kind": "text", "text": "https:"});
    assert_eq!(errors::<Message<Strict>>(&message(&text)), expected("", "no text", &text));
    let text = json!({"kind": "text", "text": "http:"});
    assert_eq!(
        errors::<Message<Strict>>(&message(&text)),
        expected(r#","text","text""#, "not https", &json!("http:"))
    );
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct Flat {
    #[validate(custom = https)]
    first: String,
    #[serde(flatten)]
    part: Internal,
}

#[test]
fn a_flattened_enum_shows_its_tag_too() {
    assert_eq!(
        errors::<Flat>(&json!({"kind": "img", "url": "http:", "first": "x"})),
        [
            r#"["body","first"]: Value error, not https, "x""#,
            r#"["body","img","url"]: Value error, not https, "http:""#,
        ]
    );
}

#[test]
fn a_default_that_the_value_does_not_show_is_still_named() {
    #[derive(Debug, Deserialize, JsonSchema, Validate)]
    struct Defaulted {
        #[serde(default = "plain")]
        #[schemars(skip)]
        part: Internal,
    }
    fn plain() -> Internal {
        Internal::Link { href: "http:".to_owned() }
    }
    assert_eq!(
        errors::<Defaulted>(&json!({})),
        [r#"["body","part","link","href"]: Value error, not https, null"#]
    );
    assert_eq!(
        errors::<Defaulted>(&json!({"part": {"kind": "link", "href": "x"}})),
        [r#"["body","part","link","href"]: Value error, not https, "x""#]
    );
}

#[test]
fn only_the_variant_that_was_taken_speaks() {
    #[derive(Debug, Deserialize, JsonSchema, Validate)]
    struct Late {
        stop: Stop,
    }
    // FastAPI would add that the text is neither a list nor an object.
    assert_eq!(
        errors::<Late>(&json!({"stop": "x"})),
        [r#"["body","stop","str"]: Value error, not https, "x""#]
    );
}

#[test]
fn a_default_that_breaks_a_constraint_is_refused() {
    #[derive(Debug, Deserialize, JsonSchema, Validate)]
    struct Defaulted {
        #[serde(default)]
        #[schemars(range(min = 1))]
        n: u8,
    }
    assert_eq!(
        errors::<Defaulted>(&json!({})),
        [r#"["body"]: Value error, the value breaks a constraint of its type, {}"#]
    );
}
