use std::fmt;

use serde_json::{Map, Value};

/// One place where two JSON documents differ.
///
/// ```
/// use alula_llm::testing::{Cassettes, Interaction};
/// use serde_json::json;
///
/// let mut cassettes = Cassettes::default();
/// let (method, path) = ("POST".to_owned(), "/v1/embeddings".to_owned());
/// let request = json!({"model": "m", "input": "Hi", "dimensions": 256});
/// cassettes.add(Interaction { method, path, request, ..Interaction::default() });
///
/// let body = json!({"model": "m", "input": "Hi", "dimensions": 512});
/// let miss = cassettes.find("POST", "/v1/embeddings", &body).unwrap_err();
/// assert_eq!(miss.differences[0].pointer, "/dimensions");
/// assert_eq!(miss.differences[0].to_string(), "/dimensions: expected 256, got 512");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where, as a JSON pointer; empty for the whole document.
    pub pointer: String,
    /// What is expected there; `None` for nothing.
    pub expected: Option<Value>,
    /// What is there; `None` for nothing.
    pub got: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        let (expected, got) = (excerpt(self.expected.as_ref()), excerpt(self.got.as_ref()));
        write!(f, "{pointer}: expected {expected}, got {got}")
    }
}

fn excerpt(value: Option<&Value>) -> String {
    const CHARS_MAX: usize = 80;
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// JSON that is the same for equal documents: keys sorted, `1.0` written as `1`.
///
/// ```
/// use alula_llm::testing::canonical;
/// use serde_json::json;
///
/// assert_eq!(canonical(&json!({"b": 1.0, "a": []})), r#"{"a":[],"b":1}"#);
/// ```
pub fn canonical(value: &Value) -> String {
    normal(value).to_string()
}

pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| (key.clone(), normal(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(normal).collect()),
        Value::Number(number) if number.is_f64() => {
            // Whole numbers print without a fraction; the parse gives an integer where one fits.
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            let integer = whole.and_then(|float| format!("{float:.0}").parse::<i64>().ok());
            integer.map_or_else(|| value.clone(), Value::from)
        }
        other => other.clone(),
    }
}

/// Where `got` differs from `expected`; stops after `max` places.
pub(super) fn differences(expected: &Value, got: &Value, max: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(expected), Some(got), max, &mut found);
    found
}

/// Where `got` does not hold what is expected. It may hold more fields in its objects, but no more
/// entries in its lists; a field that is expected to be `null` may be absent.
pub(super) fn missing(expected: &Value, got: &Value, max: usize) -> Vec<Difference> {
    differences(expected, &asked_for(expected, got), max)
}

/// What of `got` is named by what is expected.
fn asked_for(expected: &Value, got: &Value) -> Value {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let named = expected.iter().filter_map(|(key, expected)| match got.get(key) {
                Some(got) => Some((key.clone(), asked_for(expected, got))),
                None => expected.is_null().then(|| (key.clone(), Value::Null)),
            });
            Value::Object(named.collect())
        }
        (Value::Array(expected), Value::Array(got)) => {
            let named = got.iter().enumerate().map(|(index, got)| {
                expected.get(index).map_or_else(|| got.clone(), |it| asked_for(it, got))
            });
            Value::Array(named.collect())
        }
        (_, got) => got.clone(),
    }
}

/// The differences, each on a line of its own.
pub(super) fn listed(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("\n  {difference}")).collect()
}

fn compare(
    pointer: String,
    expected: Option<&Value>,
    got: Option<&Value>,
    max: usize,
    found: &mut Vec<Difference>,
) {
    if found.len() >= max {
        return;
    }
    match (expected, got) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                let name = key.replace('~', "~0").replace('/', "~1");
                compare(format!("{pointer}/{name}"), a.get(key), b.get(key), max, found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                let pointer = format!("{pointer}/{index}");
                compare(pointer, a.get(index), b.get(index), max, found);
            }
        }
        (Some(a), Some(b)) if a == b || normal(a) == normal(b) => {}
        (expected, got) => {
            let (expected, got) = (expected.cloned(), got.cloned());
            found.push(Difference { pointer, expected, got });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_named() {
        let expected = json!({"a/b": 1, "l": [1, {"x": "old"}], "gone": true, "same": 1});
        let got = json!({"l": [1, {"x": "new"}, 3], "a/b": 2, "same": 1.0});
        let found = differences(&expected, &got, 10);
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "/a~1b: expected 1, got 2",
                "/l/1/x: expected \"old\", got \"new\"",
                "/l/2: expected nothing, got 3",
                "/gone: expected true, got nothing",
            ]
        );
        assert_eq!(differences(&expected, &got, 2).len(), 2);
    }

    #[test]
    fn what_is_not_expected_may_be_there_but_not_in_lists() {
        let got = json!({"model": "m", "n": 1.0, "messages": [{"role": "user", "content": "hi"}]});
        for expected in
            [json!({}), json!({"n": 1, "stream": null}), json!({"messages": [{"content": "hi"}]})]
        {
            assert_eq!(missing(&expected, &got, 10), [], "{expected}");
        }
        let expected = json!({"model": null, "top_p": 1, "messages": []});
        assert_eq!(
            listed(&missing(&expected, &got, 10)),
            "\n  /model: expected null, got \"m\"\n  /top_p: expected 1, got nothing\
             \n  /messages/0: expected nothing, got {\"role\":\"user\",\"content\":\"hi\"}"
        );
    }

    #[test]
    fn canonical_json_keeps_what_matters() {
        assert_eq!(canonical(&json!([1.5, -0.0, 1e300, "1.0"])), r#"[1.5,0,1e+300,"1.0"]"#);
    }
}
