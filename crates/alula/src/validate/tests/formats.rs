//! Formats of text, checked by the derive and explained in FastAPI's words.

use std::collections::HashSet;

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accepts;
use crate::Validate;
use crate::schema::{
    Shape,
    json::{Refused, parse},
};

#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct Formats {
    #[schemars(email)]
    email: Option<String>,
    #[schemars(url)]
    url: Option<String>,
    #[schemars(ip)]
    ip: Option<Box<str>>,
    #[schemars(ipv4)]
    ipv4: Option<String>,
    #[schemars(ipv6)]
    ipv6: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    at: Option<String>,
    #[schemars(inner(email))]
    list: Option<Vec<String>>,
    #[schemars(extend("format" = "color"))]
    unknown: Option<String>,
    #[serde(default)]
    #[schemars(with = "String", extend("format" = "date"))]
    own_reading: Option<u8>,
    #[schemars(email, length(max = 20))]
    short: Option<String>,
}

/// The type and the message of each error.
fn errors<T: serde::de::DeserializeOwned + JsonSchema + Validate>(body: &Value) -> Vec<String> {
    let shape = Shape::compile(schema_for!(T).as_value());
    match parse::<T>(&shape, body.to_string().as_bytes(), false) {
        Ok(_) => Vec::new(),
        Err(Refused::Invalid(details)) => {
            details.into_iter().map(|detail| format!("{}: {}", detail.kind, detail.msg)).collect()
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_text_in_the_wrong_format_is_refused_in_fastapis_words() {
    let cases = [
        (
            "email",
            json!("nobody"),
            "value_error: value is not a valid email address: An email address must have an @-sign.",
        ),
        (
            "url",
            json!("nowhere"),
            "url_parsing: Input should be a valid URL, relative URL without a base",
        ),
        ("ip", json!("1.2.3"), "ip_any_address: value is not a valid IPv4 or IPv6 address"),
        ("ipv4", json!("::1"), "ip_v4_address: Input is not a valid IPv4 address"),
        ("ipv6", json!("1.2.3.4"), "ip_v6_address: Input is not a valid IPv6 address"),
        (
            "at",
            json!("nope"),
            "datetime_from_date_parsing: Input should be a valid datetime or date, input is too short",
        ),
        (
            "list",
            json!(["ada@example.com", "@"]),
            "value_error: value is not a valid email address: There must be something before the @-sign.",
        ),
    ];
    for (field, value, expected) in cases {
        assert_eq!(errors::<Formats>(&json!({ field: value })), [expected], "{field} = {value}");
    }
}

#[test]
fn a_text_in_the_right_format_is_taken() {
    for (field, value) in [
        ("email", json!("ada@example.com")),
        ("url", json!("https://example.com/a?b")),
        ("ip", json!("1.2.3.4")),
        ("ip", json!("::1")),
        ("ipv4", json!("1.2.3.4")),
        ("ipv6", json!("::1")),
        ("at", json!("2026-11-22T10:00:00Z")),
        ("list", json!(["ada@example.com"])),
        ("short", json!("ada@example.com")),
        ("email", Value::Null),
    ] {
        assert!(accepts::<Formats>(json!({ field: value })), "{field} = {value}");
    }
    assert!(!accepts::<Formats>(json!({"short": "ada.lovelace@example.com"})));
}

#[test]
fn a_format_that_is_not_known_or_not_of_the_field_only_describes() {
    assert!(accepts::<Formats>(json!({"unknown": "beige"})));
    assert!(accepts::<Formats>(json!({"own_reading": 7})));
}

#[test]
fn a_set_takes_an_item_twice_and_a_unique_list_does_not() {
    #[derive(Deserialize, JsonSchema, Validate)]
    struct Tags {
        set: HashSet<u8>,
        #[schemars(extend("uniqueItems" = true))]
        list: Vec<u8>,
    }
    let body = json!({"set": [1, 1], "list": [1, 2]});
    assert_eq!(errors::<Tags>(&body), [""; 0]);
    let tags: Tags = super::read(body);
    assert_eq!((tags.set.len(), tags.list.len()), (1, 2));
    assert_eq!(
        errors::<Tags>(&json!({"set": [1], "list": [1, 1]})),
        ["unique_items: Items should be unique"]
    );
}
