//! YAML as `PyYAML` writes it, as JSON.
//!
//! Plain scalars follow YAML 1.1, since that is what decides where `PyYAML` puts quotes: `1e5` is
//! a text there and a number in YAML 1.2.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::{Map, Number, Value};

/// The key of the object that stands for `!!binary`; its value is base64.
pub(super) const BINARY: &str = "!!binary";

/// Parses the first document.
pub(super) fn parse(text: &str) -> Result<Value, ScanError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.event(event);
    }
    Ok(builder.root)
}

#[derive(Default)]
struct Builder {
    root: Value,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
}

/// A collection whose end has not come.
struct Open {
    anchor: usize,
    value: Value,
    key: Option<String>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref());
                self.add(value, anchor);
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.add(value, 0);
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, Value::Array(Vec::new())),
            Event::MappingStart(anchor, _) => self.begin(anchor, Value::Object(Map::new())),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { anchor, value, .. }) = self.open.pop() {
                    self.add(value, anchor);
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, anchor: usize, value: Value) {
        self.open.push(Open { anchor, value, key: None });
    }

    fn add(&mut self, value: Value, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.root = value,
            Some(Open { value: Value::Array(list), .. }) => list.push(value),
            Some(Open { value: Value::Object(map), key, .. }) => match key.take() {
                None => *key = Some(key_text(value)),
                Some(key) => drop(map.insert(key, value)),
            },
            Some(_) => {}
        }
    }
}

fn key_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag.map(|tag| tag.suffix.as_str()) {
        Some("binary") => {
            let data = text.split_whitespace().collect::<String>();
            Value::Object(Map::from_iter([(BINARY.to_owned(), Value::String(data))]))
        }
        Some("str") => text.into(),
        _ if style == ScalarStyle::Plain => plain(text),
        _ => text.into(),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_integer = digits == "0" || !digits.starts_with('0');
    if is_integer && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        let number = text.parse::<i64>().map(Number::from);
        if let Ok(number) = number.or_else(|_| text.parse::<u64>().map(Number::from)) {
            return Value::Number(number);
        }
    }
    // A YAML 1.1 float has a dot.
    let starts = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if starts
        && text.contains('.')
        && let Ok(float) = text.parse::<f64>()
        && let Some(number) = Number::from_f64(float)
    {
        return Value::Number(number);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_mean_what_pyyaml_means() {
        let text = "[1, -2, 0, 1.5, 1.0e+20, 1e5, 007, '1', \"a\\nb\", yes, null, ~, a b, 1.2.3]";
        let value = json!([
            1, -2, 0, 1.5, 1.0e20, "1e5", "007", "1", "a\nb", true, null, null, "a b", "1.2.3"
        ]);
        assert_eq!(parse(text).unwrap(), value);
    }

    #[test]
    fn blocks_anchors_and_bytes_are_read() {
        let text = "a: |+\n  x\n\n  y\n\nb: &id001\n- 1\nc: *id001\nd: !!binary |\n  QU\n  JD\n";
        let value = json!({"a": "x\n\ny\n\n", "b": [1], "c": [1], "d": {"!!binary": "QUJD"}});
        assert_eq!(parse(text).unwrap(), value);
    }

    #[test]
    fn broken_yaml_is_an_error() {
        assert!(parse("a: [1").is_err());
    }
}
