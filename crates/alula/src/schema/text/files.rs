//! Files among the texts of a form.
//!
//! Nothing here knows what a file is: it stands for its position among the pairs. On the happy
//! path serde is handed the position; in the object that is walked a file is its description with
//! the position beside it, so that no text of a client can pass for a file.

use std::fmt;

use serde_json::{Map, Value};

/// What a type asks serde for when it wants a file: a newtype of this name, or, where serde has
/// buffered the value, a map with this key. Its content is the position.
pub(crate) const FILE: &str = "$alula::file";

/// The keyword by which the schema of a file is known from that of a text. No document shows it.
pub(crate) const FILE_KEYWORD: &str = "x-alula-file";

/// Which pairs are files.
pub(crate) trait Files: fmt::Debug {
    /// Whether the pair at this position is a file.
    fn is_file(&self, at: usize) -> bool;

    /// Whether the file is what a browser sends where none was chosen: no name and no content.
    fn is_blank(&self, at: usize) -> bool;

    /// What an error shows of the file.
    fn describe(&self, at: usize) -> Map<String, Value>;
}

/// No pair is a file.
#[derive(Debug)]
pub(super) struct NoFiles;

impl Files for NoFiles {
    fn is_file(&self, _: usize) -> bool {
        false
    }

    fn is_blank(&self, _: usize) -> bool {
        false
    }

    fn describe(&self, _: usize) -> Map<String, Value> {
        Map::new()
    }
}

/// A file as the walked object holds it.
pub(super) fn to_value(files: &dyn Files, at: usize) -> Value {
    let mut file = files.describe(at);
    file.insert(FILE.to_owned(), at.into());
    Value::Object(file)
}

/// Whether a value of the walked object is a file.
pub(in crate::schema) fn is_file(value: &Value) -> bool {
    value.get(FILE).is_some_and(Value::is_number)
}

/// Leaves only the description of each file, for an answer.
pub(super) fn hide_positions(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            if entries.get(FILE).is_some_and(Value::is_number) {
                entries.shift_remove(FILE);
            } else {
                entries.values_mut().for_each(hide_positions);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_positions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
