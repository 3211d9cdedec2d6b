//! Taking known fields out of a JSON object, so that what is left is `extra`.
//!
//! A field of another type than expected, `null` included, is left where it is: it survives the
//! way through the model, and the provider is the one to complain.

use serde_json::{Map, Value};

use super::Extra;

pub(crate) trait Fields {
    fn take_string(&mut self, key: &str) -> Option<String>;
    /// Like [`take_string`](Fields::take_string), but leaves an empty text.
    fn take_text(&mut self, key: &str) -> Option<String>;
    fn take_bool(&mut self, key: &str) -> Option<bool>;
    fn take_u64(&mut self, key: &str) -> Option<u64>;
    fn take_i64(&mut self, key: &str) -> Option<i64>;
    fn take_f64(&mut self, key: &str) -> Option<f64>;
    fn take_array(&mut self, key: &str) -> Option<Vec<Value>>;
    fn take_object(&mut self, key: &str) -> Option<Map<String, Value>>;
    /// Takes fields of the object under `key`, and the object too if that empties it.
    fn take_within<T>(
        &mut self,
        key: &str,
        take: impl FnOnce(&mut Map<String, Value>) -> T,
    ) -> Option<T>;
    /// Whether `key` holds exactly this text.
    fn says(&self, key: &str, text: &str) -> bool;
    /// Adds `key` if there is a value.
    fn put(&mut self, key: &str, value: Option<impl Into<Value>>);
    /// Adds the fields of `extra` that are not there, descending into objects.
    fn fill(&mut self, extra: &Extra);
}

macro_rules! take {
    ($map:expr, $key:expr, $pattern:pat => $value:expr) => {{
        let value = match $map.get($key) {
            Some($pattern) => $value,
            _ => return None,
        };
        $map.shift_remove($key);
        value
    }};
}

impl Fields for Map<String, Value> {
    fn take_string(&mut self, key: &str) -> Option<String> {
        if !self.get(key)?.is_string() {
            return None;
        }
        match self.shift_remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn take_text(&mut self, key: &str) -> Option<String> {
        if self.get(key)?.as_str().is_none_or(str::is_empty) {
            return None;
        }
        self.take_string(key)
    }

    fn take_bool(&mut self, key: &str) -> Option<bool> {
        Some(take!(self, key, Value::Bool(value) => *value))
    }

    fn take_u64(&mut self, key: &str) -> Option<u64> {
        Some(take!(self, key, Value::Number(number) => number.as_u64()?))
    }

    fn take_i64(&mut self, key: &str) -> Option<i64> {
        Some(take!(self, key, Value::Number(number) => number.as_i64()?))
    }

    fn take_f64(&mut self, key: &str) -> Option<f64> {
        Some(take!(self, key, Value::Number(number) => number.as_f64()?))
    }

    fn take_array(&mut self, key: &str) -> Option<Vec<Value>> {
        if !self.get(key)?.is_array() {
            return None;
        }
        match self.shift_remove(key) {
            Some(Value::Array(values)) => Some(values),
            _ => None,
        }
    }

    fn take_object(&mut self, key: &str) -> Option<Map<String, Value>> {
        if !self.get(key)?.is_object() {
            return None;
        }
        match self.shift_remove(key) {
            Some(Value::Object(map)) => Some(map),
            _ => None,
        }
    }

    fn take_within<T>(&mut self, key: &str, take: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let inner = self.get_mut(key)?.as_object_mut()?;
        let before = inner.len();
        let taken = take(inner);
        if inner.is_empty() && before > 0 {
            self.shift_remove(key);
        }
        Some(taken)
    }

    fn says(&self, key: &str, text: &str) -> bool {
        self.get(key).and_then(Value::as_str) == Some(text)
    }

    fn put(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.insert(key.to_owned(), value.into());
        }
    }

    fn fill(&mut self, extra: &Extra) {
        for (key, value) in extra {
            match self.get_mut(key) {
                None => {
                    self.insert(key.clone(), value.clone());
                }
                Some(Value::Object(inner)) => {
                    if let Value::Object(more) = value {
                        inner.fill(more);
                    }
                }
                Some(_) => {}
            }
        }
    }
}

/// An object with these entries.
pub(crate) fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn a_field_of_another_type_stays() {
        let mut fields = map(json!({"n": "1", "s": null, "ok": 2}));
        assert_eq!(fields.take_u64("n"), None);
        assert_eq!(fields.take_string("s"), None);
        assert_eq!(fields.take_u64("ok"), Some(2));
        assert_eq!(Value::Object(fields), json!({"n": "1", "s": null}));
    }

    #[test]
    fn an_emptied_object_goes_and_an_empty_one_stays() {
        let mut fields = map(json!({"a": {"x": 1}, "b": {}, "c": {"x": 1, "y": 2}}));
        for key in ["a", "b", "c"] {
            fields.take_within(key, |inner| inner.take_u64("x"));
        }
        assert_eq!(Value::Object(fields), json!({"b": {}, "c": {"y": 2}}));
    }

    #[test]
    fn fill_descends_and_never_replaces() {
        let mut fields = map(json!({"a": {"x": 1}, "b": 2}));
        fields.fill(&map(json!({"a": {"x": 9, "y": 3}, "b": null, "c": 4})));
        assert_eq!(Value::Object(fields), json!({"a": {"x": 1, "y": 3}, "b": 2, "c": 4}));
    }
}
