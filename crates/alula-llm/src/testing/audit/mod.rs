//! What a cassette is checked for before it is written and again when it is committed.
//!
//! `cargo xtask tidy` includes this folder as it is, so that there is one list of what a secret
//! looks like and tidy need not build this crate. It may use `serde_json` and `base64`, and nothing
//! of this crate.

mod date;
mod secrets;

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

pub(crate) use self::date::Date;
use self::secrets::Kind;

/// Something in a cassette that nobody else should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Where in the line.
    place: String,
    kind: Kind,
}

impl fmt::Display for Finding {
    /// Says where and what it looks like, and never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind.name())
    }
}

/// Finds the keys, and what looks like a secret, in the lines of a cassette or of any other text.
///
/// Values that the first line lists under `allowed` are none.
pub(crate) fn secrets(text: &str, keys: &[&str]) -> Vec<Finding> {
    let header = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
    let header: Value = header.unwrap_or_default();
    let allowed = header.get("allowed").and_then(Value::as_array).into_iter().flatten();
    let allowed: Vec<&str> = allowed.filter_map(Value::as_str).collect();
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let mut search = Search { line: number, keys, allowed: &allowed, found: &mut found };
        match serde_json::from_str(line) {
            Ok(value) => search.line(&value),
            Err(_) => search.text(line, "the line", false),
        }
    }
    found
}

struct Search<'a> {
    line: usize,
    keys: &'a [&'a str],
    allowed: &'a [&'a str],
    found: &'a mut Vec<Finding>,
}

impl Search<'_> {
    fn line(&mut self, line: &Value) {
        let Some(res) = line.get("res") else { return self.value(line, "", true) };
        let body = body(res.get("chunks"));
        if let Some(headers) = res.get("headers") {
            // Providers name each answer by something random.
            self.value(headers, "/res/headers", false);
        }
        match serde_json::from_str(&body) {
            Ok(value) => self.value(&value, "the body at ", true),
            Err(_) => self.events(&body),
        }
    }

    /// The events of a stream. A secret may be cut in two by them as well.
    fn events(&mut self, body: &str) {
        let mut joined = Vec::new();
        for (line, number) in body.lines().zip(1..) {
            match line.strip_prefix("data:").map(serde_json::from_str::<Value>) {
                Some(Ok(event)) => {
                    self.value(&event, &format!("line {number} of the body at "), true);
                    join(&event, String::new(), &mut joined);
                }
                _ => self.text(line, &format!("line {number} of the body"), true),
            }
        }
        for (pointer, text) in joined {
            self.text(&text, &format!("the body, events together, at {pointer}"), false);
        }
    }

    fn value(&mut self, value: &Value, place: &str, random: bool) {
        match value {
            Value::String(text) => self.text(text, place, random),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &format!("{place}/{index}"), random);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.text(name, &format!("the name of a field in {place}"), false);
                    let random = random && !secrets::is_random_by_nature(name);
                    self.value(value, &format!("{place}/{name}"), random);
                }
            }
            _ => {}
        }
    }

    /// Looks at a text; at what only looks random if `random`.
    fn text(&mut self, text: &str, place: &str, random: bool) {
        if self.keys.iter().any(|key| text.contains(key)) {
            self.add(Kind::Sent, place);
        }
        for (kind, value) in secrets::find(text) {
            if (random || kind != Kind::Random) && !self.allowed.contains(&value) {
                self.add(kind, place);
            }
        }
    }

    /// Names a place once, and without the secret that the name of a field may be.
    fn add(&mut self, kind: Kind, place: &str) {
        let mut shown = place.to_owned();
        let secrets = secrets::find(place).into_iter().map(|(_, secret)| secret);
        for secret in secrets.chain(self.keys.iter().copied()) {
            shown = shown.replace(secret, "***");
        }
        if !self.found.iter().any(|it| it.line == self.line && it.place == shown) {
            self.found.push(Finding { line: self.line, place: shown, kind });
        }
    }
}

/// The body of an answer from its chunks.
fn body(chunks: Option<&Value>) -> String {
    let chunks = chunks.and_then(Value::as_array).into_iter().flatten();
    let mut body = Vec::new();
    let texts = chunks.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    for text in texts {
        match text.strip_prefix("b64:").map(|data| STANDARD.decode(data)) {
            Some(Ok(bytes)) => body.extend_from_slice(&bytes),
            _ => body.extend_from_slice(text.as_bytes()),
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// Appends each text of an event to those of the same place.
pub(crate) fn join(value: &Value, pointer: String, joined: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => match joined.iter_mut().find(|(known, _)| *known == pointer) {
            Some((_, known)) => known.push_str(text),
            None => joined.push((pointer, text.clone())),
        },
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                join(item, format!("{pointer}/{index}"), joined);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                join(value, format!("{pointer}/{name}"), joined);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKS: &str = r#"{"cassette":1,"allowed":["ALLOWED"]}
{"res":{"headers":[["x-request-id","RANDOM"]],"chunks":CHUNKS}}"#;

    fn key() -> String {
        format!("sk-{}", "a1".repeat(12))
    }

    fn random() -> String {
        "Zx9Qw7Rt5Yp3Lk1Jh8Gf6Ds4Aa2Mn0BvXc".to_owned()
    }

    /// Where secrets are found in an answer of these chunks.
    fn found(chunks: &[&str], allowed: &str) -> Vec<String> {
        let chunks: Vec<(u64, &str)> = chunks.iter().map(|chunk| (0, *chunk)).collect();
        let chunks = serde_json::to_string(&chunks).unwrap();
        let text = CHUNKS.replace("CHUNKS", &chunks).replace("ALLOWED", allowed);
        secrets(&text.replace("RANDOM", &random()), &[]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_secret_in_pieces_is_a_secret() {
        let key = key();
        let place = "a key of OpenAI or alike";
        let event = |text: &str| format!("data: {{\"d\":[{{\"text\":\"{text}\"}}]}}\n\n");
        for at in 1..key.len() {
            let (start, end) = key.split_at(at);
            assert_eq!(
                found(&[&format!("{{\"a\":\"{start}"), &format!("{end}\"}}")], ""),
                [format!("the body at /a: {place}")]
            );
            let together = format!("the body, events together, at /d/0/text: {place}");
            let found = found(&[&event(start), &event(end)], "");
            assert_eq!(found.last(), Some(&together), "{found:?}");
        }
        assert_eq!(found(&[": ", &key], ""), [format!("line 1 of the body: {place}")]);
        let base64 = format!("b64:{}", STANDARD.encode(&key));
        assert_eq!(found(&[&base64], ""), [format!("line 1 of the body: {place}")]);
    }

    #[test]
    fn what_is_allowed_or_random_by_nature_is_no_secret() {
        let key = key();
        assert!(found(&[&key], &key).is_empty());
        let random = random();
        let body = |field: &str| format!("{{\"{field}\":\"{random}\"}}");
        for field in ["id", "call_id", "signature", "thoughtSignature", "obfuscation"] {
            assert!(found(&[&body(field)], "").is_empty(), "{field}");
        }
        assert_eq!(found(&[&body("content")], "").len(), 1);
        assert_eq!(found(&[&body("idea")], "").len(), 1);
    }

    #[test]
    fn every_line_is_read_and_the_secret_is_not_told() {
        let key = key();
        let text =
            format!("{{\"cassette\":1}}\n{{\"req\":{{\"{key}\":\"plain-key\"}}}}\nx: {key}\n");
        let found = secrets(&text, &["plain-key"]);
        let told: Vec<_> = found.iter().map(|it| format!("{}: {it}", it.line)).collect();
        assert_eq!(
            told,
            [
                "2: the name of a field in /req: a key of OpenAI or alike".to_owned(),
                "2: /req/***: a key that a client sent".to_owned(),
                "3: the line: a key of OpenAI or alike".to_owned(),
            ]
        );
    }
}
