//! Errors that no schema explains: what only serde, or only the type itself, can tell.

use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::detail::{Detail, Loc};
use super::finding::value_at;
use super::shape::Shape;
use super::words::{self, Words};

/// One entry outside any walk.
pub(super) fn entry(words: Words, place: &'static str, steps: Vec<Loc>, input: Value) -> Detail {
    let mut loc = vec![Loc::from(place)];
    loc.extend(steps);
    let Words { kind, msg, ctx } = words;
    Detail { kind: kind.into(), loc, msg: msg.into_owned(), input, ctx }
}

/// The entry for an error that serde found at `loc`, and that the schema does not know of.
pub(super) fn from_serde(
    shape: &Shape,
    place: &'static str,
    input: &Value,
    loc: Vec<Loc>,
    error: &serde_json::Error,
) -> Detail {
    let value = value_at(input, &loc);
    let text = error.to_string();
    // It often quotes the value.
    let is_secret = shape.secrets().hold(&loc, |name| shape.secrets().has(name));
    let message = if is_secret { "the secret is refused" } else { without_position(&text) };
    let words = match shape.format_at(&loc) {
        Some(format) if value.is_some_and(Value::is_string) => {
            words::format_parsing(format, message)
        }
        _ => words::value_error(message),
    };
    entry(words, place, loc, value.cloned().unwrap_or(Value::Null))
}

/// The entry for a value whose `is_valid` said no, when nothing says why.
pub(super) fn unnamed(place: &'static str, input: Value) -> Detail {
    entry(words::value_error("the value breaks a constraint of its type"), place, vec![], input)
}

/// The message of a `serde_json` error without its line and column.
pub(super) fn without_position(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message)
}

/// The way to where serde stopped.
pub(super) fn steps(path: &Path) -> Vec<Loc> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Loc::Index(*index)),
            Segment::Map { key } => Some(Loc::from(key.clone())),
            Segment::Enum { variant } => Some(Loc::from(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}
