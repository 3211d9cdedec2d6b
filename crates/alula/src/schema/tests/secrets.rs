//! Secrets are not repeated.

use std::{borrow::Cow, collections::HashMap};

use alula::{Secret, Validate};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::schema::{Detail, Names, Shape, TextShape, json as body};

#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct Login {
    user: String,
    #[schemars(length(min = 8))]
    x_password: Secret<String>,
    #[serde(default)]
    keys: Vec<Secret<u8>>,
    #[serde(default)]
    by_name: HashMap<String, Token>,
    spare: Option<Secret<Picky>>,
}

/// A secret behind a reference.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct Token(Secret<u8>);

/// Of which only the type knows what is wrong, and quotes it.
#[derive(Debug, JsonSchema, Validate)]
struct Picky(String);

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("`{text}` is not good enough")))
    }
}

/// The inputs of the details; nothing in them may hold a canary.
#[track_caller]
fn inputs(details: &[Detail]) -> Value {
    let text = serde_json::to_string(details).unwrap();
    assert!(!text.contains("canary") && !text.contains("777"), "{text}");
    details.iter().map(|detail| detail.input.clone()).collect()
}

#[test]
fn a_body_is_told_what_is_wrong_without_its_secrets() {
    let shape = Shape::compile(schemars::schema_for!(Login).as_value());
    for (text, expected) in [
        (json!({"user": "a", "x_password": "canary"}), json!(["…"])),
        (json!({"user": 1, "x_password": ["canary"]}), json!([1, "…"])),
        (
            json!({"x_password": "canary-canary", "keys": [1, 777], "by_name": {"a": 777}}),
            json!([{"x_password": "…", "keys": "…", "by_name": "…"}, "…", "…"]),
        ),
        (json!({"user": "a"}), json!([{"user": "a"}])),
        (json!({"user": "a", "x_password": null}), json!([null])),
        (json!({"user": "a", "x_password": "canary-canary", "spare": "canary"}), json!(["…"])),
    ] {
        for lax in [false, true] {
            let refused = body::parse::<Login>(&shape, text.to_string().as_bytes(), lax);
            let Err(body::Refused::Invalid(details)) = refused else { panic!("{refused:?}") };
            assert_eq!(inputs(&details), expected, "{text}");
        }
    }
}

#[test]
fn a_value_that_is_a_secret_as_a_whole_is_not_shown() {
    let shape = Shape::compile(schemars::schema_for!(Vec<Secret<u8>>).as_value());
    let Err(body::Refused::Invalid(details)) =
        body::parse::<Vec<Secret<u8>>>(&shape, b"[777]", false)
    else {
        panic!("taken");
    };
    assert_eq!(inputs(&details), json!(["…"]));
}

#[test]
fn forms_and_headers_are_told_what_is_wrong_without_their_secrets() {
    let root = schemars::schema_for!(Login);
    let details = |names, pairs: &[(&'static str, &'static str)]| {
        let pair = |(name, text): &(&'static str, &'static str)| {
            (Cow::Borrowed(*name), Cow::Borrowed(*text))
        };
        let pairs: Vec<_> = pairs.iter().map(pair).collect();
        let shape = TextShape::new(root.as_value(), names);
        inputs(&shape.parse::<Login>("body", &pairs).unwrap_err())
    };
    assert_eq!(
        details(Names::Form, &[("x_password", "canary")]),
        json!([{"x_password": "…"}, "…"])
    );
    let headers = [("user", "a"), ("x-password", "canary"), ("keys", "777")];
    assert_eq!(details(Names::Header, &headers), json!(["…", "…"]));
}
