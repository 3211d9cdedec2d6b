//! Looking at some fields of a JSON object without reading the others.

use std::{fmt::Write as _, ops::Range};

use super::{json, prompt::Prompt};
use crate::{Error, ErrorKind, Result, model::Protocol, parts::Parts};
use bytes::Bytes;
use serde::de::{Error as _, IgnoredAny};

/// Where the fields stand that decide where a request goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// The value of `model`.
    pub(super) model: Option<Range<usize>>,
    /// The value of `stream_options`.
    pub(super) stream_options: Option<Range<usize>>,
    /// The value of `stream`.
    pub(super) stream: Option<Range<usize>>,
    /// The longest answer, by the names that the protocol has for it; `None` for as long as the
    /// model writes.
    pub(super) max_tokens: Option<u64>,
    /// How many answers there are.
    pub(super) answers: Option<u64>,
    /// How many messages, tools, calls of tools and their results the prompt has, if it is all
    /// text: then it is no larger than its length says.
    pub(super) pieces: Option<u64>,
}

/// The fields that matter, by their places in [`FIELDS`].
type Found = [Option<Range<usize>>; FIELDS.len()];

const FIELDS: [&str; 7] = [
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
];

impl Head {
    /// Finds them in a body, which must be one JSON object from end to end.
    pub(super) fn of(body: &[u8], protocol: Protocol) -> Result<Self> {
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(invalid("the request is not a JSON object".to_owned()));
        }
        let mut found = Found::default();
        let mut doubled = None;
        let mut prompt = Prompt::new(protocol);
        let gone_through = json::object(body, |cursor, name| {
            let field = FIELDS.iter().zip(&mut found).find(|(field, _)| field.as_bytes() == name);
            let Some((field, place)) = field else { return prompt.field(cursor, name) };
            match place.replace(cursor.value()?) {
                None => Some(()),
                Some(_) => {
                    doubled = Some(*field);
                    None
                }
            }
        });
        match (gone_through, doubled) {
            (Some(()), _) => Self::new(body, protocol, found, prompt.pieces()),
            (None, Some(field)) => Err(not_json(&format!("duplicate field `{field}`"))),
            (None, None) => Err(not_json(&mistake(body))),
        }
    }

    fn new(body: &[u8], protocol: Protocol, found: Found, pieces: Option<u64>) -> Result<Self> {
        let [model, stream, stream_options, max_tokens, max_completion, max_output, n] = found;
        let text = |at: &Option<Range<usize>>| body.get(at.clone()?);
        if !matches!(text(&stream), None | Some(b"true" | b"false" | b"null")) {
            return Err(invalid("stream: neither true nor false".to_owned()));
        }
        let longest = match protocol {
            Protocol::OpenAiChat => [text(&max_tokens), text(&max_completion)],
            Protocol::OpenAiResponses => [text(&max_output), None],
            Protocol::AnthropicMessages | Protocol::CohereChat => [text(&max_tokens), None],
            // It is not among the fields of the body.
            Protocol::GeminiGenerate => [None, None],
        };
        // Only one protocol has a name of its own for it here.
        let answers = text(&n).filter(|n| protocol == Protocol::OpenAiChat && *n != b"null");
        let no_number = || invalid("n: not a number of answers".to_owned());
        let answers = answers.map(|n| whole(n).ok_or_else(no_number)).transpose()?;
        let max_tokens = longest_of(longest);
        Ok(Self { model, stream_options, stream, max_tokens, answers, pieces })
    }
}

/// The longest answer. What is called otherwise in the protocol limits nothing: whoever answers
/// ignores it, or never gets it.
fn longest_of(counts: [Option<&[u8]>; 2]) -> Option<u64> {
    let mut longest = None;
    for count in counts.into_iter().flatten().filter(|count| *count != b"null") {
        // Whoever answers may read what is no count here, such as `1e5`.
        let count: u64 = str::from_utf8(count).ok()?.parse().ok()?;
        longest = longest.max(Some(count));
    }
    longest
}

/// A number that counts, however it is written: `2.0` is two.
fn whole(json: &[u8]) -> Option<u64> {
    let json = str::from_utf8(json).ok()?;
    let written_so = || json.parse::<f64>().ok()?.to_string().parse().ok();
    json.parse().ok().or_else(written_so)
}

fn invalid(reason: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, reason)
}

fn not_json(mistake: &str) -> Error {
    invalid(format!("the request is not JSON: {mistake}"))
}

/// What is wrong with an object that is none, and where.
fn mistake(body: &[u8]) -> String {
    // Nothing is kept of it, however much it is.
    match serde_json::from_slice::<IgnoredAny>(body) {
        Err(error) => error.to_string(),
        Ok(_) => "a part of it is none".to_owned(),
    }
}

/// Values to put in the place of others, and fields to add.
#[derive(Debug, Default)]
pub(super) struct Edits {
    replaced: Vec<(Range<usize>, String)>,
    /// What is put in front of the fields that are there, with commas in between.
    added: String,
}

impl Edits {
    /// Puts the value of a field in: in the place of the one that is there, or in front of all
    /// fields of the object.
    pub(super) fn set(&mut self, name: &str, at: Option<&Range<usize>>, value: &str) {
        match at {
            Some(at) => self.replaced.push((at.clone(), value.to_owned())),
            None => {
                let comma = if self.added.is_empty() { "" } else { "," };
                // Writing to a text does not fail.
                let _ = write!(self.added, "{comma}\"{name}\":{value}");
            }
        }
    }

    /// The body as it is, or in parts with the edits between them.
    pub(super) fn apply(mut self, body: &Bytes) -> Parts {
        if !self.added.is_empty() {
            let start = body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
            let rest = body.get(start..).unwrap_or_default().trim_ascii_start();
            if rest.first() != Some(&b'}') {
                self.added.push(',');
            }
            self.replaced.push((start..start, self.added));
        }
        self.replaced.sort_by_key(|(range, _)| range.start);
        let mut edited = Parts::with_capacity(2 * self.replaced.len() + 1);
        let part = |range: Range<usize>| body.slice_ref(body.get(range).unwrap_or_default());
        let mut passed = 0;
        for (range, text) in self.replaced {
            edited.push(part(passed..range.start));
            edited.push(text.into());
            passed = range.end;
        }
        edited.push(part(passed..body.len()));
        edited
    }
}

/// Shows the name and the JSON of each field of a JSON object to `field`. Of what that does not
/// read only the end is looked for, so that what is wrong within it, such as text that is no UTF-8,
/// is not seen.
///
/// # Errors
///
/// What is not one JSON object from end to end, and what `field` fails with.
pub(crate) fn fields(
    body: &[u8],
    mut field: impl FnMut(&[u8], &[u8]) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    let mut broken = None;
    let gone_through = json::object(body, |cursor, name| {
        let value = cursor.value()?;
        field(name, cursor.text(value)).map_err(|error| broken = Some(error)).ok()
    });
    match (gone_through, broken) {
        (_, Some(error)) => Err(error),
        (Some(()), None) => Ok(()),
        // Who reads all of it knows what is wrong.
        (None, None) => match serde_json::from_slice::<IgnoredAny>(body) {
            Err(error) => Err(error),
            Ok(_) => Err(serde_json::Error::custom("it is no JSON object")),
        },
    }
}

/// The text that JSON is, if it is one.
pub(crate) fn text(json: &[u8]) -> serde_json::Result<Option<String>> {
    match json {
        [b'"', text @ .., b'"'] if memchr::memchr(b'\\', text).is_none() => {
            let text = str::from_utf8(text).map_err(serde_json::Error::custom)?;
            Ok(Some(text.to_owned()))
        }
        [b'"', ..] => serde_json::from_slice(json).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn with_model(body: &str, model: &str) -> String {
        let head = Head::of(body.as_bytes(), Protocol::OpenAiChat).unwrap();
        let mut edits = Edits::default();
        edits.set("model", head.model.as_ref(), &json!(model).to_string());
        let body = edits.apply(&Bytes::copy_from_slice(body.as_bytes())).whole();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn only_the_value_of_the_field_changes() {
        for (body, expected) in [
            (
                r#"{"a": 1.0e5, "model" : "x" , "b": []}"#,
                r#"{"a": 1.0e5, "model" : "é\"" , "b": []}"#,
            ),
            (r#"{"o": {"model": "x"}, "model": null}"#, r#"{"o": {"model": "x"}, "model": "é\""}"#),
            (r#"{"m\u006fdel": "x"}"#, r#"{"m\u006fdel": "é\""}"#),
            (r#" { "a": 1}"#, r#" {"model":"é\"", "a": 1}"#),
            ("{ }", r#"{"model":"é\"" }"#),
        ] {
            assert_eq!(with_model(body, "é\""), expected);
        }
    }

    #[test]
    fn several_edits_do_not_disturb_each_other() {
        let body = Bytes::from_static(br#"{"b":1,"a":2}"#);
        let mut edits = Edits::default();
        edits.set("a", Some(&(11..12)), "33");
        edits.set("c", None, "true");
        edits.set("b", Some(&(5..6)), "[]");
        edits.set("d", None, "4");
        assert_eq!(edits.apply(&body).whole(), r#"{"c":true,"d":4,"b":[],"a":33}"#);

        let mut edits = Edits::default();
        edits.set("a", None, "1");
        edits.set("b", None, "2");
        assert_eq!(edits.apply(&Bytes::from_static(b"{ }")).whole(), r#"{"a":1,"b":2 }"#);
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        let doubled = "{\"model\":\"a\",\"model\":\"b\"}";
        // A server that reads it as true would answer with a stream that nobody waits for.
        let odd = ["{\"stream\": 1}", "{\"stream\": \"true\"}"];
        for body in ["", "[1]", "{\"model\":", "{}x", doubled].into_iter().chain(odd) {
            let error = Head::of(body.as_bytes(), Protocol::OpenAiChat).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::InvalidRequest, "{body}");
        }
    }

    #[test]
    fn numbers_are_seen_however_they_are_written() {
        let head =
            |fields: &str| Head::of(format!("{{{fields}}}").as_bytes(), Protocol::OpenAiChat);
        for (fields, longest) in [
            (r#""max_tokens": 5, "max_completion_tokens": null"#, Some(5)),
            (r#""max_tokens": 5, "max_completion_tokens": 9"#, Some(9)),
            (r#""max_tokens": 5, "max_completion_tokens": 1e5"#, None),
            (r#""max_tokens": 100.0"#, None),
            (r#""max_tokens": -1"#, None),
            (r#""max_tokens": "100""#, None),
        ] {
            assert_eq!(head(fields).unwrap().max_tokens, longest, "{fields}");
        }
        for (n, answers) in [("128", 128), ("128.0", 128), ("1.28e2", 128), ("0", 0)] {
            assert_eq!(head(&format!("\"n\": {n}")).unwrap().answers, Some(answers), "{n}");
        }
        assert_eq!(head(r#""n": null"#).unwrap().answers, None);
        for n in ["1.5", "-1", "1e300", "\"2\"", "[]", "true"] {
            let error = head(&format!("\"n\": {n}")).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::InvalidRequest, "{n}");
        }
    }

    #[test]
    fn fields_are_shown_one_by_one() {
        let body = br#"{"id": "1", "choices": [{"id": 2}], "usage": {"a": 1}}"#;
        let mut seen = Vec::new();
        let mut see = |name: &[u8], value: &[u8]| {
            seen.push([name, value].map(|it| String::from_utf8(it.to_vec()).unwrap()));
            Ok(())
        };
        fields(body, &mut see).unwrap();
        let expected = [["id", "\"1\""], ["choices", "[{\"id\": 2}]"], ["usage", "{\"a\": 1}"]];
        assert_eq!(seen, expected);
        for body in ["", "[]", "{} {}", "{\"a\": tru}", "{\"a\""] {
            assert!(fields(body.as_bytes(), |_, _| Ok(())).is_err(), "{body}");
        }
        let error = fields(body, |_, value| serde_json::from_slice(value).map(|_: u8| ()));
        assert!(error.is_err());
    }

    #[test]
    fn texts_are_read_as_serde_reads_them() {
        for json in [r#""a é""#, r#""a\n\u00e9\"""#, r#""""#, "1", "null", "[]", r#""\ud800""#] {
            let expected: serde_json::Result<Value> = serde_json::from_str(json);
            match text(json.as_bytes()) {
                Ok(text) => assert_eq!(text.as_deref(), expected.unwrap().as_str(), "{json}"),
                Err(_) => assert!(expected.is_err(), "{json}"),
            }
        }
        assert!(text(b"\"\xff\"").is_err());
    }
}
