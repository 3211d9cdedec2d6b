//! Broken JSON against Python's own words and offsets.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{assert_same, fixture};
use crate::schema::Shape;
use crate::schema::json::{Refused, parse};
use crate::schema::python_json::first_error;
use crate::validate::Validate;

#[derive(Deserialize)]
struct Case {
    text: String,
    message: Option<String>,
    /// In characters.
    offset: Option<usize>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(transparent)]
struct Anything(Value);

impl Validate for Anything {
    fn is_valid(&self) -> bool {
        true
    }
}

#[test]
fn the_scanner_agrees_with_python() {
    let cases: Vec<Case> = fixture(include_str!("../../../tests/fixtures/fastapi/syntax.json"));
    assert_same(cases.into_iter().map(|case| {
        let found = first_error(&case.text)
            .map(|error| (error.message.to_owned(), case.text[..error.at].chars().count()));
        let expected = case.message.zip(case.offset);
        (case.text, format!("{expected:?}"), format!("{found:?}"))
    }));
}

fn syntax_error(text: &str) -> Value {
    let shape = Shape::compile(&Value::Bool(true));
    match parse::<Anything>(&shape, text.as_bytes(), false) {
        Err(Refused::Syntax(detail)) => json!(detail),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_only_serde_refuses_is_said_in_its_words() {
    for (text, at, message) in [
        ("[1, NaN]", 4, "expected value"),
        ("\n[\"\u{e9}\", NaN]", 7, "expected value"),
        (r#"["\ud800"]"#, 8, "unexpected end of hex escape"),
        ("[1e999]", 5, "number out of range"),
    ] {
        let detail = syntax_error(text);
        assert_eq!(detail["ctx"]["error"], message, "{text}");
        assert_eq!(detail["loc"], json!(["body", at]), "{text}");
        assert_eq!(detail["input"], json!({}), "{text}");
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(syntax_error(&deep)["ctx"]["error"], "recursion limit exceeded");
}

#[test]
fn a_byte_order_mark_is_not_json() {
    let detail = syntax_error("\u{feff}{}");
    assert_eq!(detail["loc"], json!(["body", 0]));
    assert_eq!(detail["ctx"]["error"], "Expecting value");
}
