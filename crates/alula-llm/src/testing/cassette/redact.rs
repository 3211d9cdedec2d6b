//! Values that are taken out of a recording wherever they are.

use std::{collections::BTreeSet, mem, ops::Range};

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::{
    super::{Arrival, Interaction, audit, diff::normal, pointer},
    spelling::{Read, find, json, percent, plain},
};

/// What stands in the place of a value.
const MARK: &str = "***";

/// Adds the texts at these places of the call, and of its answer.
pub(super) fn collect(call: &Interaction, pointers: &[String], values: &mut BTreeSet<String>) {
    if pointers.is_empty() {
        return;
    }
    let answers = documents(&call.body).into_iter().map(|(_, document)| document);
    for mut document in answers.chain([call.request.clone()]) {
        for place in pointers {
            pointer::each_parent(&mut document, place, &mut |parent, name| {
                if let Some(value) = pointer::child(parent, name) {
                    add_texts(value, values);
                }
            });
        }
    }
}

/// The JSON of a body and where it is: the whole of it, or its events.
fn documents(body: &[u8]) -> Vec<(Range<usize>, Value)> {
    if let Ok(whole) = serde_json::from_slice(body) {
        return vec![(0..body.len(), whole)];
    }
    let (mut found, mut end) = (Vec::new(), 0);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let event = line.strip_prefix(b"data:").unwrap_or(line);
        // A number or a word is as well a text that is no JSON.
        if let Ok(document @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(event) {
            found.push((end - event.len()..end, document));
        }
    }
    found
}

fn add_texts(value: &Value, values: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if MARK.contains(text) => {}
        Value::String(text) => drop(values.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|it| add_texts(it, values)),
        Value::Object(fields) => fields.values().for_each(|it| add_texts(it, values)),
        _ => {}
    }
}

/// Puts a mark in the place of each of the values.
pub(super) fn redact(call: &mut Interaction, values: &BTreeSet<String>) {
    let mut spelled: Vec<String> = values.iter().cloned().collect();
    // A text may be JSON itself, such as the arguments of a tool.
    spelled.extend(values.iter().map(|it| escaped(it)).filter(|it| !values.contains(it)));
    let values = &spelled[..];

    mark(&mut call.request, values);
    for text in call.query.iter_mut().chain([&mut call.path]) {
        mark_text(text, values, &[percent, plain]);
    }
    for (_, value) in &mut call.headers {
        mark_text(value, values, &[plain, json]);
    }
    // They are kept in small letters.
    let lower: Vec<String> = values.iter().map(|value| value.to_ascii_lowercase()).collect();
    for (_, value) in &mut call.request_headers {
        mark_text(value, &lower, &[plain]);
    }
    if let Some(bytes) = &mut call.request_bytes {
        *bytes = replaced(bytes, &places(bytes, values), &mut []);
    }
    call.body = replaced(&call.body, &places(&call.body, values), &mut call.arrivals);
}

/// The text as it is within the quotes of JSON.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let text = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    text.unwrap_or_default().to_owned()
}

fn mark(json: &mut Value, values: &[String]) {
    match json {
        Value::String(text) => mark_text(text, values, &[plain]),
        Value::Array(items) => items.iter_mut().for_each(|it| mark(it, values)),
        Value::Object(fields) => {
            let marked = mem::take(fields).into_iter().map(|(mut name, mut value)| {
                mark_text(&mut name, values, &[plain]);
                mark(&mut value, values);
                (name, value)
            });
            *fields = marked.collect();
        }
        _ => {}
    }
}

fn mark_text(text: &mut String, values: &[String], ways: &[Read]) {
    let mut places = Vec::new();
    find(text.as_bytes(), 0..text.len(), values, ways, &mut places);
    for place in places.into_iter().rev() {
        text.replace_range(place, MARK);
    }
}

/// Where the values are in a body. Of JSON that is within its strings, so that it stays JSON.
fn places(body: &[u8], values: &[String]) -> Vec<Range<usize>> {
    let (mut places, mut from) = (Vec::new(), 0);
    let between: &[Read] = &[plain, json];
    for (document, _) in documents(body) {
        find(body, from..document.start, values, between, &mut places);
        for string in strings(body, document.clone()) {
            find(body, string, values, &[json], &mut places);
        }
        from = document.end;
    }
    find(body, from..body.len(), values, between, &mut places);
    places
}

/// Where the strings of a JSON document are, without their quotes.
fn strings(body: &[u8], document: Range<usize>) -> Vec<Range<usize>> {
    let (mut found, mut start, mut is_escaped) = (Vec::new(), None, false);
    let bytes = body.iter().enumerate().take(document.end).skip(document.start);
    for (at, byte) in bytes {
        match (start, byte) {
            (None, b'"') => start = Some(at + 1),
            (Some(_), _) if mem::take(&mut is_escaped) => {}
            (Some(_), b'\\') => is_escaped = true,
            (Some(from), b'"') => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// The bytes with marks; the pieces they came in keep what they held.
fn replaced(bytes: &Bytes, places: &[Range<usize>], arrivals: &mut [Arrival]) -> Bytes {
    if places.is_empty() {
        return bytes.clone();
    }
    let mut marked = BytesMut::with_capacity(bytes.len());
    let mut from = 0;
    for place in places {
        marked.extend_from_slice(bytes.get(from..place.start).unwrap_or_default());
        marked.extend_from_slice(MARK.as_bytes());
        from = place.end;
    }
    marked.extend_from_slice(bytes.get(from..).unwrap_or_default());

    let (mut end, mut previous) = (0, 0);
    for arrival in arrivals {
        end += arrival.bytes;
        let moved = moved(end, places);
        arrival.bytes = moved - previous;
        previous = moved;
    }
    marked.freeze()
}

/// Where an offset is after the values have become marks.
fn moved(offset: usize, places: &[Range<usize>]) -> usize {
    let (mut moved, mut from) = (0, 0);
    for place in places.iter().take_while(|place| place.start < offset) {
        // In the middle of a value: a mark is not cut longer than it is.
        let mark =
            if place.end <= offset { MARK.len() } else { MARK.len().min(offset - place.start) };
        moved += place.start - from + mark;
        from = place.end.min(offset);
    }
    moved + offset - from
}

/// Where in a call one of the values can still be read, such as in pieces in several events.
pub(super) fn left(call: &Interaction, values: &BTreeSet<String>) -> Option<String> {
    let mut texts = vec![("its path".to_owned(), call.path.clone())];
    texts.extend(call.query.iter().map(|query| ("its query".to_owned(), query.clone())));
    let headers = call.request_headers.iter().chain(&call.headers);
    texts.extend(headers.map(|(name, value)| (format!("the header {name}"), value.clone())));
    audit::join(&call.request, "the request at ".to_owned(), &mut texts);
    for (_, document) in documents(&call.body) {
        audit::join(&document, "the answer at ".to_owned(), &mut texts);
    }
    let holds = |text: &str| values.iter().any(|value| text.contains(value.as_str()));
    texts.into_iter().find(|(_, text)| holds(text)).map(|(place, _)| place)
}

/// Whether this may be what was recorded, before values were taken out of it.
pub(super) fn fits(recorded: &Value, asked: &Value) -> bool {
    match (recorded, asked) {
        (Value::String(recorded), Value::String(asked)) => text_fits(recorded, asked),
        (Value::Array(recorded), Value::Array(asked)) => {
            recorded.len() == asked.len()
                && recorded.iter().zip(asked).all(|(recorded, asked)| fits(recorded, asked))
        }
        (Value::Object(recorded), Value::Object(asked)) => {
            recorded.len() == asked.len()
                && recorded.iter().all(|(name, value)| {
                    asked.iter().any(|(other, it)| text_fits(name, other) && fits(value, it))
                })
        }
        (recorded, asked) => normal(recorded) == normal(asked),
    }
}

/// Whether the texts are the same but for what is marked.
fn text_fits(recorded: &str, asked: &str) -> bool {
    let Some((first, rest)) = recorded.split_once(MARK) else { return recorded == asked };
    let (between, last) = rest.rsplit_once(MARK).unwrap_or(("", rest));
    let within = asked.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    within.is_some_and(|rest| {
        let mut pieces = between.split(MARK);
        pieces.try_fold(rest, |rest, it| rest.split_once(it).map(|(_, after)| after)).is_some()
    })
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

    /// What a body becomes, of which these are the values.
    #[track_caller]
    fn check(body: &str, values: &[&str], expected: &str) {
        let mut call = recorded(&[body]);
        let values = values.iter().copied().map(str::to_owned).collect();
        redact(&mut call, &values);
        assert_eq!(call.body, expected);
        assert_eq!(left(&call, &values), None);
    }

    #[test]
    fn a_value_is_replaced_however_it_is_spelled() {
        check(r#"{"a":"k\u003d1\u0026 é"}"#, &["k=1& é"], r#"{"a":"***"}"#);
        check(r#"{"a":"\u00e9\ud83d\ude00"}"#, &["é😀"], r#"{"a":"***"}"#);
        check(r#"{"a":"say \"hi\"","b":1}"#, &["say \"hi\""], r#"{"a":"***","b":1}"#);
        check(r#"{"a":"{\"b\":\"x\\\"y\"}"}"#, &["x\"y"], r#"{"a":"{\"b\":\"***\"}"}"#);
        // Broken off in the middle.
        check(r#"{"a":"k\u003d1"#, &["k=1"], r#"{"a":"***"#);
        check("data: {\"a\":\"k\\u003d\"}\n\nk=\n", &["k="], "data: {\"a\":\"***\"}\n\n***\n");
    }

    #[test]
    fn json_stays_json() {
        check(
            r#"{"a":true,"n":"n\n","b":[1,"true"]}"#,
            &["true", "n", "1", ",", "\",\""],
            r#"{"a":true,"***":"***\n","b":[1,"***"]}"#,
        );
        check("{\"a\":\"x\"}\n{\"x\":1}\n1\n", &["x", "1"], "{\"a\":\"***\"}\n{\"***\":1}\n***\n");
    }

    #[test]
    fn headers_names_and_urls_lose_values_too() {
        let mut call = recorded(&["{}"]);
        call.query = Some("a=Mal%20lory&b=Mal+lory".to_owned());
        call.request = json!({"I am Mal lory": 1});
        call.request_headers = vec![("x-beta".to_owned(), "of mal lory".to_owned())];
        call.headers = vec![("x".to_owned(), "Mal lory".to_owned())];
        redact(&mut call, &BTreeSet::from(["Mal lory".to_owned()]));
        assert_eq!(call.query.as_deref(), Some("a=***&b=***"));
        assert_eq!(call.request, json!({"I am ***": 1}));
        assert_eq!(call.request_headers, [("x-beta".to_owned(), "of ***".to_owned())]);
        assert_eq!(call.headers, [("x".to_owned(), "***".to_owned())]);
    }

    #[test]
    fn a_value_in_several_events_is_seen() {
        let values = BTreeSet::from(["mallory".to_owned()]);
        let mut call = recorded(&["data: {\"a\":\"mal\"}\n\n", "data: {\"a\":\"lory\"}\n\n"]);
        redact(&mut call, &values);
        assert_eq!(left(&call, &values).as_deref(), Some("the answer at /a"));
    }

    #[test]
    fn what_was_recorded_fits_without_its_values() {
        for (recorded, asked, expected) in [
            (json!("I am ***, ***!"), json!("I am Eve, Eve!"), true),
            (json!("I am ***, ***!"), json!("I am Eve!"), false),
            (json!("aba***ba"), json!("aba"), false),
            (json!("******"), json!(""), true),
            (json!({"***": [1.0, "***"], "b": null}), json!({"x": [1, "y"], "b": null}), true),
            (json!({"a": "***"}), json!({"a": "x", "b": 1}), false),
            (json!(["***"]), json!([1]), false),
            (json!(["***"]), json!(["a", "b"]), false),
            (json!("x"), json!("xy"), false),
        ] {
            assert_eq!(fits(&recorded, &asked), expected, "{recorded} and {asked}");
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
