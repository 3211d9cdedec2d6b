//! Request bodies in JSON.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::detail::{Detail, Loc};
use super::python_json;
use super::shape::Shape;
use super::single::{entry, from_serde, steps, unnamed, without_position};
use super::walk::Mode;
use super::words;
use crate::validate::{Report, Validate};

const PLACE: &str = "body";

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// The body is not text; FastAPI answers 400.
    NotUtf8,
    /// The body is not JSON.
    Syntax(Box<Detail>),
    /// The body is JSON, but not the type; every error.
    Invalid(Vec<Detail>),
}

/// Reads a body as `T`, of which `shape` is the schema.
///
/// A good body is parsed once, straight into `T`. The schema is read only after a refusal, to list
/// every error and to take `4.0` for 4; in `lax` mode also `"4"`, as FastAPI does.
///
/// # Errors
/// [`Refused`] says what is wrong with the body.
///
/// Details differ from FastAPI's in these places:
/// - a custom check needs the typed value, so it is silent while any field has the wrong type;
/// - a custom check inside an untagged enum is reported without the refusals of other branches;
/// - defaults are checked like values of the body, which does not show them;
/// - a repeated key is an error (`value_error`), unless a conversion made a second reading
///   necessary;
/// - dates given as numbers are refused; dates and URLs that only the Rust type refuses are
///   reported with its words;
/// - a repeated item of a set is accepted, as in FastAPI, but listed where something else is wrong;
/// - `NaN`, lone surrogates and more than 128 levels are refused as `json_invalid`;
/// - serde fills a struct inside the body from a list, by position;
/// - keys that `#[serde(alias)]` adds are accepted, but a listing of errors does not know them.
pub fn parse<T>(shape: &Shape, bytes: &[u8], lax: bool) -> Result<T, Refused>
where
    T: DeserializeOwned + Validate,
{
    read_as(shape, bytes, lax).map_err(|refused| match refused {
        Refused::Invalid(details) => Refused::Invalid(shape.conceal(details)),
        other => other,
    })
}

fn read_as<T>(shape: &Shape, bytes: &[u8], lax: bool) -> Result<T, Refused>
where
    T: DeserializeOwned + Validate,
{
    if shape.is_model() && bytes.trim_ascii_start().starts_with(b"[") {
        // serde would fill a struct from a list, by position.
        return recover(shape, bytes, lax);
    }
    match serde_json::from_slice::<T>(bytes) {
        Ok(value) if value.is_valid() => Ok(value),
        Ok(value) => Err(refuse_typed(shape, bytes, lax, &value)),
        Err(_) => recover(shape, bytes, lax),
    }
}

/// The body is a `T` that breaks a constraint.
#[cold]
fn refuse_typed<T: Validate>(shape: &Shape, bytes: &[u8], lax: bool, value: &T) -> Refused {
    match read(bytes) {
        Ok(body) => Refused::Invalid(broken_constraints(shape, &body, &body, lax, value)),
        Err(refused) => refused,
    }
}

/// The body is not a `T`, or not yet.
#[cold]
fn recover<T>(shape: &Shape, bytes: &[u8], lax: bool) -> Result<T, Refused>
where
    T: DeserializeOwned + Validate,
{
    let body = read(bytes)?;
    let converted = shape.convert(mode(lax), PLACE, body.clone(), &[]);
    let (coerced, converted) = converted.map_err(Refused::Invalid)?;
    if lax || converted {
        return match serde_path_to_error::deserialize::<_, T>(&coerced) {
            Ok(value) if value.is_valid() => Ok(value),
            Ok(value) => {
                Err(Refused::Invalid(broken_constraints(shape, &body, &coerced, lax, &value)))
            }
            Err(error) => Err(Refused::Invalid(vec![refused_by_serde(shape, &body, &error)])),
        };
    }
    // From the bytes: a repeated key is no longer visible in the parsed body.
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => Err(Refused::Invalid(vec![unnamed(PLACE, body)])),
        Err(error) => Err(Refused::Invalid(vec![refused_by_serde(shape, &body, &error)])),
    }
}

fn mode(lax: bool) -> Mode {
    if lax { Mode::Lax } else { Mode::Strict }
}

/// The details of a value that its type took but its constraints did not.
fn broken_constraints<T: Validate>(
    shape: &Shape,
    body: &Value,
    coerced: &Value,
    lax: bool,
    value: &T,
) -> Vec<Detail> {
    let mut report = Report::default();
    value.report(&mut report);
    let details = shape.walk(mode(lax), body, &report.into_failures()).details(PLACE);
    if !details.is_empty() {
        return details;
    }
    // What coercion made of the body may break what the body itself did not.
    let details = shape.walk(Mode::Strict, coerced, &[]).details(PLACE);
    if !details.is_empty() {
        return details;
    }
    vec![unnamed(PLACE, body.clone())]
}

/// Parses the body for a listing of its errors.
fn read(bytes: &[u8]) -> Result<Value, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::NotUtf8)?;
    if text.is_empty() {
        return Err(Refused::Invalid(vec![entry(words::MISSING, PLACE, vec![], Value::Null)]));
    }
    serde_json::from_str(text).map_err(|error| Refused::Syntax(Box::new(syntax(text, &error))))
}

/// The entry for a text that is not JSON: Python's message, or serde's where Python has none.
fn syntax(text: &str, error: &serde_json::Error) -> Detail {
    let (message, bytes) = match python_json::first_error(text) {
        Some(error) => (error.message.to_owned(), error.at),
        None => (without_position(&error.to_string()).to_owned(), offset(text, error)),
    };
    let chars = text.get(..bytes).map_or(bytes, |before| before.chars().count());
    Detail {
        kind: "json_invalid".into(),
        loc: vec![Loc::from(PLACE), Loc::Index(chars)],
        msg: "JSON decode error".to_owned(),
        input: json!({}),
        ctx: Some(json!({"error": message})),
    }
}

/// Where in the text serde stopped, in bytes, always at a character.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let start: usize = lines.map(str::len).sum();
    let mut at = (start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn refused_by_serde(
    shape: &Shape,
    body: &Value,
    error: &serde_path_to_error::Error<serde_json::Error>,
) -> Detail {
    from_serde(shape, PLACE, body, steps(error.path()), error.inner())
}
