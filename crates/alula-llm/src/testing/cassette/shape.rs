//! What two answers to the same question have in common, whatever they say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::Interaction;

/// The types at each place of an answer. Items of a list share a place, and events of a type.
type Shape = BTreeMap<String, BTreeSet<&'static str>>;

/// What of the recorded answer the new one has not, or has otherwise.
///
/// That a field is new is no difference, and null may stand for anything.
pub(super) fn changes(recorded: &Interaction, new: &Interaction) -> Vec<String> {
    let mut changes = Vec::new();
    if recorded.status != new.status {
        changes.push(format!("the status is {}, and was {}", new.status, recorded.status));
    }
    let kind = |call: &Interaction| {
        let kind = call.header("content-type").unwrap_or_default();
        kind.split(';').next().unwrap_or_default().to_owned()
    };
    if kind(recorded) != kind(new) {
        changes.push(format!("it is {:?}, and was {:?}", kind(new), kind(recorded)));
    }
    if recorded.end != new.end {
        changes.push(format!("its end is {:?}, and was {:?}", new.end, recorded.end));
    }
    let (old, new) = (shape(recorded), shape(new));
    for (place, old) in &old {
        match new.get(place) {
            Some(new) if old.is_disjoint(new) && !is_null(old) && !is_null(new) => {
                changes.push(format!("{place} is {}, and was {}", listed(new), listed(old)));
            }
            // What is missing as a whole is named once.
            None if !is_null(old) && has_parent(&new, place) => {
                changes.push(format!("{place} is missing, and was {}", listed(old)));
            }
            _ => {}
        }
    }
    changes
}

fn is_null(types: &BTreeSet<&str>) -> bool {
    types.iter().all(|it| *it == "null")
}

fn listed(types: &BTreeSet<&str>) -> String {
    types.iter().copied().collect::<Vec<_>>().join(" or ")
}

fn has_parent(shape: &Shape, place: &str) -> bool {
    place.rsplit_once('/').is_none_or(|(parent, _)| shape.contains_key(parent))
}

fn shape(call: &Interaction) -> Shape {
    let mut shape = Shape::new();
    if let Ok(whole) = serde_json::from_slice(&call.body) {
        add(&whole, String::new(), &mut shape);
        return shape;
    }
    for line in call.body.split(|byte| *byte == b'\n') {
        let event = line.strip_prefix(b"data:").map(serde_json::from_slice::<Value>);
        if let Some(Ok(event)) = event {
            let kind = event.get("type").and_then(Value::as_str).unwrap_or("event");
            add(&event, kind.to_owned(), &mut shape);
        }
    }
    shape
}

fn add(value: &Value, place: String, shape: &mut Shape) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(items) => {
            items.iter().for_each(|item| add(item, format!("{place}/*"), shape));
            "a list"
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                add(value, format!("{place}/{name}"), shape);
            }
            "an object"
        }
    };
    shape.entry(place).or_default().insert(kind);
}

#[cfg(test)]
mod tests {
    use super::{super::super::End, *};

    fn answer(body: &str) -> Interaction {
        Interaction { status: 200, body: body.to_owned().into(), ..Interaction::default() }
    }

    #[track_caller]
    fn check(recorded: &str, new: &str, expected: &[&str]) {
        assert_eq!(changes(&answer(recorded), &answer(new)), expected);
    }

    #[test]
    fn other_words_and_new_fields_are_no_change() {
        check(
            r#"{"a":{"b":1},"l":[{"x":"1"},{"x":"2"}],"n":null}"#,
            r#"{"a":{"b":2,"c":3},"l":[{"x":""}],"n":"now"}"#,
            &[],
        );
        check(r#"{"a":"text"}"#, r#"{"a":null}"#, &[]);
        check("no JSON", "other text", &[]);
    }

    #[test]
    fn what_is_gone_or_has_another_type_is_named() {
        check(
            r#"{"a":{"b":1},"l":[{"x":"1"}],"u":{"v":{"w":1}}}"#,
            r#"{"a":{"b":"1"},"l":[{}],"u":1}"#,
            &[
                "/a/b is a text, and was a number",
                "/l/*/x is missing, and was a text",
                "/u is a number, and was an object",
                "/u/v is missing, and was an object",
            ],
        );
    }

    #[test]
    fn events_are_compared_by_their_type() {
        check(
            "data: {\"type\":\"start\",\"id\":1}\n\ndata: {\"type\":\"end\",\"id\":\"x\"}\n\n",
            "data: {\"type\":\"start\",\"id\":2}\n\ndata: {\"type\":\"stop\",\"id\":\"x\"}\n\n",
            &["end is missing, and was an object"],
        );
        check(
            "data: {\"d\":{\"text\":\"a\"}}\n\ndata: [DONE]\n\n",
            "data: {\"d\":{}}\n\ndata: [DONE]\n\n",
            &["event/d/text is missing, and was a text"],
        );
    }

    #[test]
    fn status_type_and_end_are_compared() {
        let recorded = answer("");
        let headers = vec![("content-type".to_owned(), "text/html; charset=utf-8".to_owned())];
        let new = Interaction { status: 404, headers, end: End::Reset, ..answer("") };
        assert_eq!(
            changes(&recorded, &new),
            [
                "the status is 404, and was 200",
                "it is \"text/html\", and was \"\"",
                "its end is Reset, and was Eof",
            ]
        );
    }
}
