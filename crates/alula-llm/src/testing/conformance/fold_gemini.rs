//! The answer that a stream of Gemini spells out.

use serde_json::{Map, Value, json};

use super::fold::{append, overlay};

/// What the same call would have answered without a stream.
pub(super) fn gemini(chunks: Vec<Value>) -> Value {
    let mut answer = Map::new();
    let mut candidates: Vec<Map<String, Value>> = Vec::new();
    for chunk in chunks {
        let Value::Object(mut chunk) = chunk else { continue };
        let list = chunk.shift_remove("candidates").unwrap_or_default();
        // Later chunks have no say in who answers.
        let named = ["responseId", "modelVersion"];
        chunk.retain(|name, _| !named.contains(&&**name) || !answer.contains_key(name));
        overlay(&mut answer, chunk);
        for fields in list.as_array().into_iter().flatten() {
            let Value::Object(fields) = fields else { continue };
            let index = fields.get("index").cloned().unwrap_or(json!(0));
            let of = |known: &&mut Map<String, Value>| {
                known.get("index").cloned().unwrap_or(json!(0)) == index
            };
            match candidates.iter_mut().find(of) {
                Some(known) => candidate(known, fields.clone()),
                None => {
                    let content = json!({"role": "model"});
                    let mut new = Map::from_iter([("content".to_owned(), content)]);
                    candidate(&mut new, fields.clone());
                    candidates.push(new);
                }
            }
        }
    }
    if !candidates.is_empty() {
        answer.insert("candidates".to_owned(), json!(candidates));
    }
    Value::Object(answer)
}

fn candidate(known: &mut Map<String, Value>, mut fields: Map<String, Value>) {
    if let Some(Value::Object(mut content)) = fields.shift_remove("content") {
        let pieces = content.shift_remove("parts").unwrap_or_default();
        let Some(Value::Object(known)) = known.get_mut("content") else { return };
        overlay(known, content);
        for piece in pieces.as_array().into_iter().flatten().filter(|piece| !is_blank(piece)) {
            let parts = known.entry("parts").or_insert_with(|| json!([]));
            parts.as_array_mut().into_iter().for_each(|parts| part(parts, piece));
        }
    }
    for (field, lists) in [
        ("logprobsResult", &["topCandidates", "chosenCandidates"][..]),
        ("citationMetadata", &["citationSources", "citations"][..]),
    ] {
        for name in lists {
            gather(known, &mut fields, field, name);
        }
    }
    overlay(known, fields);
}

/// A text that goes on is one part; what is sealed or has other fields is a part of its own.
fn part(parts: &mut Vec<Value>, piece: &Value) {
    match (parts.last_mut(), kind(piece)) {
        (Some(last), Some(is_thought)) if kind(last) == Some(is_thought) => {
            if let Some(text) = last.get_mut("text") {
                append(text, piece.get("text").and_then(Value::as_str).unwrap_or_default());
            }
        }
        _ => parts.push(piece.clone()),
    }
}

/// Whether a part that is nothing but text is a thought.
fn kind(part: &Value) -> Option<bool> {
    let fields = part.as_object()?;
    part.get("text")?.as_str()?;
    match (part.get("thought"), fields.len()) {
        (None, 1) => Some(false),
        (Some(Value::Bool(true)), 2) => Some(true),
        _ => None,
    }
}

fn is_blank(part: &Value) -> bool {
    kind(part).is_some() && part.get("text").is_some_and(|text| text == "")
}

/// Makes a list of the fields the whole list.
fn gather(known: &Map<String, Value>, fields: &mut Map<String, Value>, field: &str, name: &str) {
    let Some(more) = fields.get_mut(field).and_then(|it| it.get_mut(name)?.as_array_mut()) else {
        return;
    };
    let before = known.get(field).and_then(|it| it.get(name)?.as_array());
    let mut all = before.cloned().unwrap_or_default();
    for item in more.drain(..) {
        if field == "logprobsResult" || !all.contains(&item) {
            all.push(item);
        }
    }
    *more = all;
}
