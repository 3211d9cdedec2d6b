//! Values of every type against pydantic, whose own JSON Schema of the type is compiled.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{assert_same, fixture};
use crate::schema::Shape;
use crate::validate::Report;

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Written with the first value of a type.
    schema: Option<Value>,
    input: Value,
    ok: Option<Value>,
    errors: Option<Value>,
}

/// Formats that pydantic parses into objects, which it then writes in its own way.
const OBJECTS: [&str; 9] =
    ["uuid", "datetime", "date", "time", "url", "email", "ipv4", "ipv6", "ip"];

/// JSON does not tell 2.0 from 2.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(entries) => {
            entries.into_iter().map(|(key, value)| (key, plain(value))).collect()
        }
        other => other,
    }
}

#[test]
fn every_type_is_read_as_pydantic_reads_it() {
    let cases: Vec<Case> = fixture(include_str!("../../../tests/fixtures/fastapi/values.json"));
    let mut shape = Shape::compile(&Value::Bool(true));
    assert_same(cases.into_iter().map(|case| {
        if let Some(schema) = &case.schema {
            shape = Shape::compile(schema);
            assert_eq!(shape.warnings(), [""; 0], "{}", case.name);
        }
        let found = match shape.coerce("", case.input.clone(), Report::default()) {
            Ok(_) if OBJECTS.contains(&case.name.as_str()) => json!("ok"),
            Ok(value) => json!({"ok": plain(value)}),
            Err(details) => {
                for detail in &details {
                    let pointer: String = detail
                        .loc
                        .iter()
                        .skip(1)
                        .map(|step| format!("/{}", json!(step).to_string().trim_matches('"')))
                        .collect();
                    let shown = case.input.pointer(&pointer).unwrap_or(&detail.input);
                    assert_eq!(*shown, detail.input, "{} {}", case.name, case.input);
                }
                let mut errors = json!(details);
                for error in errors.as_array_mut().unwrap() {
                    error.as_object_mut().unwrap().shift_remove("input");
                    error["loc"].as_array_mut().unwrap().remove(0);
                }
                json!({"errors": errors})
            }
        };
        let expected = match case.errors {
            Some(errors) => json!({"errors": errors}),
            None if OBJECTS.contains(&case.name.as_str()) => json!("ok"),
            None => json!({"ok": plain(json!(case.ok))}),
        };
        (format!("{} {}", case.name, case.input), expected.to_string(), found.to_string())
    }));
}
