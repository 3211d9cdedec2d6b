//! Values that are taken out of a recording wherever they are.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde_json::Value;

use super::super::{Arrival, Interaction, pointer};

/// What stands in the place of a value.
const MARK: &str = "***";

/// Adds the texts at these places of the call, and of its answer.
pub(super) fn collect(call: &Interaction, pointers: &[String], values: &mut BTreeSet<String>) {
    if pointers.is_empty() {
        return;
    }
    let mut documents = vec![call.request.clone()];
    match serde_json::from_slice(&call.body) {
        Ok(whole) => documents.push(whole),
        Err(_) => {
            let lines = call.body.split(|byte| *byte == b'\n');
            let events = lines.filter_map(|line| line.strip_prefix(b"data:"));
            documents.extend(events.filter_map(|event| serde_json::from_slice(event).ok()));
        }
    }
    for document in &mut documents {
        for place in pointers {
            pointer::each_parent(document, place, &mut |parent, name| {
                if let Some(value) = pointer::child(parent, name) {
                    add_texts(value, values);
                }
            });
        }
    }
}

fn add_texts(value: &Value, values: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.is_empty() || text == MARK => {}
        Value::String(text) => drop(values.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|it| add_texts(it, values)),
        Value::Object(fields) => fields.values().for_each(|it| add_texts(it, values)),
        _ => {}
    }
}

/// Puts a mark in the place of each of the values.
pub(super) fn redact(call: &mut Interaction, values: &BTreeSet<String>) {
    // What holds another one goes first, or a part of it would stay.
    let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        mark(&mut call.request, value);
        for text in call.query.iter_mut().chain([&mut call.path]) {
            *text = text.replace(value, MARK);
        }
        if let Some(bytes) = &mut call.request_bytes {
            *bytes = replaced(bytes, value, &mut []);
        }
        // In JSON a text may be escaped.
        let escaped = Value::from(value).to_string();
        let escaped = escaped.trim_matches('"');
        call.body = replaced(&call.body, escaped, &mut call.arrivals);
    }
}

fn mark(json: &mut Value, value: &str) {
    match json {
        Value::String(text) if text.contains(value) => *text = text.replace(value, MARK),
        Value::Array(items) => items.iter_mut().for_each(|it| mark(it, value)),
        Value::Object(fields) => fields.values_mut().for_each(|it| mark(it, value)),
        _ => {}
    }
}

/// The bytes with marks; the pieces they came in keep what they held.
fn replaced(bytes: &Bytes, value: &str, arrivals: &mut [Arrival]) -> Bytes {
    let places: Vec<usize> = memmem::find_iter(bytes, value).collect();
    if places.is_empty() {
        return bytes.clone();
    }
    let mut marked = BytesMut::with_capacity(bytes.len());
    let mut from = 0;
    for place in &places {
        marked.extend_from_slice(bytes.get(from..*place).unwrap_or_default());
        marked.extend_from_slice(MARK.as_bytes());
        from = place + value.len();
    }
    marked.extend_from_slice(bytes.get(from..).unwrap_or_default());

    let (mut end, mut previous) = (0, 0);
    for arrival in arrivals {
        end += arrival.bytes;
        let moved = moved(end, &places, value.len());
        arrival.bytes = moved - previous;
        previous = moved;
    }
    marked.freeze()
}

/// Where an offset is after the values, all of one length, have become marks.
fn moved(offset: usize, places: &[usize], length: usize) -> usize {
    let before = places.iter().take_while(|place| **place + length <= offset).count();
    let start = offset - before * length + before * MARK.len();
    match places.get(before) {
        // In the middle of a value: a mark is not cut longer than it is.
        Some(place) if *place < offset => {
            start - (offset - place) + (offset - place).min(MARK.len())
        }
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn recorded(pieces: &[&str]) -> Interaction {
        let arrival = |piece: &&str| Arrival { after: Duration::ZERO, bytes: piece.len() };
        Interaction {
            path: "/v1/users/mallory/chat".to_owned(),
            query: Some("user=mallory".to_owned()),
            request: json!({"user": {"name": "mallory"}, "text": "I am mallory", "n": 1}),
            body: pieces.concat().into(),
            arrivals: pieces.iter().map(arrival).collect(),
            ..Interaction::default()
        }
    }

    fn pieces_of(call: &Interaction) -> Vec<String> {
        let chunks = call.chunks().into_iter();
        chunks.map(|(_, bytes)| String::from_utf8(bytes.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_value_is_replaced_wherever_it_is() {
        let mut call = recorded(&["data: {\"hi\":\"mal", "lory\"}\n", "\nmallory", "!"]);
        let mut values = BTreeSet::new();
        collect(&call, &["/user".to_owned()], &mut values);
        redact(&mut call, &values);
        assert_eq!(call.path, "/v1/users/***/chat");
        assert_eq!(call.query.as_deref(), Some("user=***"));
        assert_eq!(call.request, json!({"user": {"name": "***"}, "text": "I am ***", "n": 1}));
        let pieces = ["data: {\"hi\":\"***", "\"}\n", "\n***", "!"];
        assert_eq!(pieces_of(&call), pieces);
    }

    #[test]
    fn a_piece_that_ends_in_a_value_keeps_what_is_around_it() {
        let body = "mallory, mallorymallory.";
        for at in 0..=body.len() {
            for value in ["mallory", "m", "mallory, mallorymallory."] {
                let (start, end) = body.split_at(at);
                let mut call = recorded(&[start, end]);
                redact(&mut call, &BTreeSet::from([value.to_owned()]));
                assert_eq!(pieces_of(&call).concat(), body.replace(value, MARK), "{at} {value}");
                let whole = |piece: &str| piece.replace(value, MARK);
                let pieces = pieces_of(&call);
                // A cut between values stays where it was.
                if whole(start) + &whole(end) == body.replace(value, MARK) {
                    assert_eq!(pieces.first().map(String::as_str), Some(&*whole(start)));
                }
            }
        }
    }

    #[test]
    fn the_answer_and_its_events_have_values_too() {
        let pointers = ["/*/id".to_owned()];
        for pieces in [
            vec!["{\"a\":{\"id\":\"x\\\"", "y\"}}"],
            vec!["data: {\"a\":{\"id\":\"x\\\"y\"}}\n\n", "data: [DONE]\n\n"],
        ] {
            let mut call = recorded(&pieces);
            let mut values = BTreeSet::new();
            collect(&call, &pointers, &mut values);
            assert_eq!(values, BTreeSet::from(["x\"y".to_owned()]));
            redact(&mut call, &values);
            let text = pieces_of(&call).concat();
            assert!(text.contains("{\"a\":{\"id\":\"***\"}}"), "{text}");
        }
    }
}
