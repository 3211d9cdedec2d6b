//! The answer that a stream spells out, put together by other means than those that are checked.

use serde_json::{Map, Value, json};

/// Fields of a delta whose texts are pieces of one.
const TEXT_FIELDS: [&str; 3] = ["reasoning", "reasoning_content", "refusal"];

/// The JSON of each event, apart from `[DONE]`.
pub(super) fn events(text: &str) -> Result<Vec<Value>, String> {
    let mut events = Vec::new();
    let mut data: Option<String> = None;
    // A blank line more ends the last one.
    for line in text.lines().chain([""]) {
        match (line.strip_prefix("data:"), &mut data) {
            (Some(line), data) => {
                let line = line.strip_prefix(' ').unwrap_or(line);
                match data {
                    Some(data) => *data = format!("{data}\n{line}"),
                    None => *data = Some(line.to_owned()),
                }
            }
            (None, Some(_)) if line.is_empty() => events.extend(data.take()),
            (None, _) => {}
        }
    }
    let json = events.iter().filter(|data| *data != "[DONE]").map(|data| {
        serde_json::from_str(data).map_err(|error| format!("{data} is no JSON: {error}"))
    });
    json.collect()
}

/// The event that reports an error, if one does.
pub(super) fn error(events: &[Value]) -> Option<&Value> {
    let is_error = |event: &&Value| {
        let kind = event.get("type").and_then(Value::as_str);
        matches!(kind, Some("error" | "response.failed"))
    };
    let tells = |event: &Value| {
        ["/error", "/delta/error", "/choices/0/error"]
            .iter()
            .any(|pointer| event.pointer(pointer).is_some())
    };
    let last = events.last().filter(|last| tells(last));
    last.or_else(|| events.iter().find(is_error))
}

/// What the same call would have answered without a stream.
pub(super) fn openai(chunks: Vec<Value>) -> Value {
    let mut answer = Map::new();
    let mut known: Vec<Map<String, Value>> = Vec::new();
    for chunk in chunks {
        let Value::Object(mut chunk) = chunk else { continue };
        let choices = chunk.shift_remove("choices").unwrap_or_default();
        chunk.shift_remove("obfuscation");
        // Some servers give their last chunks another id.
        chunk.retain(|name, _| name != "id" || !answer.contains_key(name));
        overlay(&mut answer, chunk);
        for fields in into_list(choices) {
            let Value::Object(fields) = fields else { continue };
            choice(&mut known, fields);
        }
    }
    if let Some(usage) = answer.get("x_groq").and_then(|groq| groq.get("usage")).cloned() {
        answer.entry("usage").or_insert(usage);
    }
    if let Some(object) = answer.get_mut("object") {
        *object = json!("chat.completion");
    }
    // A stream in which no choice is named has one all the same.
    if known.is_empty() {
        choice(&mut known, Map::new());
    }
    known.sort_by_key(|choice| choice.get("index").and_then(Value::as_u64));
    answer.insert("choices".to_owned(), json!(known));
    Value::Object(answer)
}

/// A piece of a choice, which is the first if it does not say which.
fn choice(known: &mut Vec<Map<String, Value>>, mut fields: Map<String, Value>) {
    let index = fields.get("index").cloned().unwrap_or_else(|| json!(0));
    let at = known.iter().position(|choice| choice.get("index") == Some(&index));
    let at = at.unwrap_or_else(|| {
        let message = json!({"role": "assistant"});
        known.push(Map::from_iter([("index".to_owned(), index), ("message".to_owned(), message)]));
        known.len() - 1
    });
    let Some(choice) = known.get_mut(at) else { return };
    let piece = fields.shift_remove("delta").unwrap_or_default();
    if let Some(message) = choice.get_mut("message").and_then(Value::as_object_mut) {
        delta(message, piece);
    }
    overlay(choice, fields);
}

fn delta(message: &mut Map<String, Value>, delta: Value) {
    let Value::Object(delta) = delta else { return };
    for (name, value) in delta {
        match value {
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            value if name == "content" => {
                content(message.entry(name).or_insert_with(|| json!("")), value);
            }
            Value::Array(calls) if name == "tool_calls" => {
                let known = message.entry(name).or_insert_with(|| json!([]));
                calls.into_iter().for_each(|call| tool_call(known, call));
            }
            Value::String(text) if TEXT_FIELDS.contains(&&*name) => {
                append(message.entry(name).or_insert_with(|| json!("")), &text);
            }
            Value::Array(items) => {
                let known = message.entry(name).or_insert_with(|| json!([]));
                known.as_array_mut().into_iter().for_each(|known| known.extend(items.clone()));
            }
            value => drop(message.insert(name, value)),
        }
    }
}

/// A content is text as long as all its pieces are; else it is a list, of which pieces of the same
/// type are one.
fn content(known: &mut Value, piece: Value) {
    const TEXTS: [&str; 2] = ["/text", "/thinking/0/text"];
    let text_of = |part: &Value, at| part.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let parts = match piece {
        Value::Array(parts) => parts,
        text => vec![json!({"type": "text", "text": text})],
    };
    for part in parts {
        let [text, thinking] = TEXTS.map(|at| text_of(&part, at));
        match (&mut *known, text, thinking) {
            (_, Some(text), _) if text.is_empty() => continue,
            (Value::String(_), Some(text), _) => {
                append(known, &text);
                continue;
            }
            (Value::String(text), ..) => {
                let first = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
                *known = first.into_iter().collect();
            }
            _ => {}
        }
        let Value::Array(list) = known else { continue };
        let last = list.last_mut();
        let same = TEXTS.into_iter().find(|at| {
            part.pointer(at).is_some() && last.as_ref().is_some_and(|it| it.pointer(at).is_some())
        });
        match (same, last.zip(same).and_then(|(last, at)| last.pointer_mut(at))) {
            (Some(at), Some(known)) => append(known, &text_of(&part, at).unwrap_or_default()),
            _ => list.push(part),
        }
    }
}

fn tool_call(calls: &mut Value, call: Value) {
    let Value::Object(mut call) = call else { return };
    let index = call.shift_remove("index").and_then(|index| usize::try_from(index.as_u64()?).ok());
    match calls.get_mut(index.unwrap_or_default()) {
        Some(Value::Object(known)) => extend_call(known, call),
        _ => calls.as_array_mut().into_iter().for_each(|calls| calls.push(json!(call))),
    }
}

/// Arguments and the input of custom tools come in pieces, other fields at once.
fn extend_call(known: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (name, value) in piece {
        match (known.get_mut(&name), value) {
            (_, Value::Null) => {}
            (Some(Value::Object(known)), Value::Object(piece)) => extend_call(known, piece),
            (Some(known), Value::String(text)) if name == "arguments" || name == "input" => {
                append(known, &text);
            }
            (_, Value::String(text)) if text.is_empty() => {}
            (_, value) => drop(known.insert(name, value)),
        }
    }
}

/// What the same call would have answered without a stream.
pub(super) fn anthropic(events: Vec<Value>) -> Value {
    let mut message = Map::new();
    let mut usage = Map::new();
    let mut blocks: Vec<Map<String, Value>> = Vec::new();
    let mut input = String::new();
    for event in events {
        let Value::Object(mut event) = event else { continue };
        let kind = event.shift_remove("type").unwrap_or_default();
        match kind.as_str().unwrap_or_default() {
            "message_start" => {
                message = take(&mut event, "message");
                usage = take(&mut message, "usage");
            }
            "content_block_start" => {
                blocks.push(take(&mut event, "content_block"));
                input.clear();
            }
            "content_block_delta" => {
                let delta = take(&mut event, "delta");
                blocks.last_mut().into_iter().for_each(|block| {
                    block_delta(block, &mut input, &delta);
                });
            }
            "content_block_stop" if !input.is_empty() => {
                let input = serde_json::from_str(&input).unwrap_or(Value::Null);
                blocks.last_mut().map(|block| block.insert("input".to_owned(), input));
            }
            "message_delta" => {
                message.extend(take(&mut event, "delta"));
                usage.extend(take(&mut event, "usage"));
                overlay(&mut message, event);
            }
            _ => {}
        }
    }
    message.insert("content".to_owned(), json!(blocks));
    message.insert("usage".to_owned(), Value::Object(usage));
    Value::Object(message)
}

fn block_delta(block: &mut Map<String, Value>, input: &mut String, delta: &Map<String, Value>) {
    let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut append_to =
        |name: &str| append(block.entry(name).or_insert_with(|| json!("")), text(name));
    match text("type") {
        "text_delta" => append_to("text"),
        "thinking_delta" => append_to("thinking"),
        "signature_delta" => append_to("signature"),
        "input_json_delta" => input.push_str(text("partial_json")),
        "citations_delta" => {
            let list = block.get_mut("citations").and_then(Value::as_array_mut);
            let citation = delta.get("citation").cloned().unwrap_or_default();
            list.into_iter().for_each(|list| list.push(citation.clone()));
        }
        // An unknown delta is in no answer, so that its loss shows.
        other => drop(block.insert("unknown delta".to_owned(), other.into())),
    }
}

/// What the same call would have answered without a stream: the answer of the last event that has
/// one, with the items as they were sent one by one. Their seals are written anew each time.
pub(super) fn responses(events: Vec<Value>) -> Value {
    let mut answer = Map::new();
    let mut items = Vec::new();
    for event in events {
        let Value::Object(mut event) = event else { continue };
        let response = take(&mut event, "response");
        if !response.is_empty() {
            answer = response;
        }
        if event.get("type").is_some_and(|kind| kind == "response.output_item.done") {
            let index = event.get("output_index").and_then(Value::as_u64).unwrap_or_default();
            items.push((index, event.shift_remove("item").unwrap_or_default()));
        }
    }
    let mut output = into_list(answer.shift_remove("output").unwrap_or_default());
    items.sort_by_key(|(index, _)| *index);
    for (index, item) in items {
        let known = usize::try_from(index).ok().and_then(|index| output.get_mut(index));
        match known {
            Some(known) => *known = item,
            None => output.push(item),
        }
    }
    answer.insert("output".to_owned(), Value::Array(output));
    Value::Object(answer)
}

/// What the same call would have answered without a stream.
pub(super) fn cohere(events: Vec<Value>) -> Value {
    let mut answer = Map::new();
    let mut message = Map::new();
    let mut content: Vec<Map<String, Value>> = Vec::new();
    for event in events {
        let Value::Object(mut event) = event else { continue };
        let kind = event.shift_remove("type").unwrap_or_default();
        let mut delta = take(&mut event, "delta");
        let mut told = take(&mut delta, "message");
        match kind.as_str().unwrap_or_default() {
            "message-start" => {
                overlay(&mut answer, event);
                told.retain(|_, value| !matches!(value.as_array(), Some(list) if list.is_empty()));
                told.retain(|_, value| value != "");
                message = told;
            }
            "content-start" => content.push(take(&mut told, "content")),
            "content-delta" => {
                let mut piece = take(&mut told, "content");
                let last = content.last_mut().into_iter();
                last.for_each(|last| pieces(last, std::mem::take(&mut piece)));
                event.shift_remove("index");
                event.into_iter().for_each(|(name, value)| push(&mut answer, &name, value));
            }
            "tool-plan-delta" => pieces(&mut message, told),
            "tool-call-start" => push_all(&mut message, told),
            "tool-call-delta" => {
                let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
                let last = calls.and_then(|calls| calls.last_mut()?.as_object_mut());
                let piece = take(&mut told, "tool_calls");
                last.into_iter().for_each(|call| extend_call(call, piece.clone()));
            }
            "citation-start" => push_all(&mut message, told),
            "message-end" => {
                event.shift_remove("id");
                overlay(&mut answer, event);
                overlay(&mut answer, delta);
            }
            _ => {}
        }
    }
    content.retain(|block| {
        !["text", "thinking"].iter().all(|name| block.get(*name).is_none_or(|text| text == ""))
    });
    if !content.is_empty() {
        message.insert("content".to_owned(), json!(content));
    }
    answer.insert("message".to_owned(), Value::Object(message));
    Value::Object(answer)
}

/// Texts grow, other fields are set.
fn pieces(known: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (name, value) in fields {
        match value {
            Value::String(text) if name != "type" => {
                append(known.entry(name).or_insert_with(|| json!("")), &text);
            }
            value => drop(known.insert(name, value)),
        }
    }
}

fn push(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let list = fields.entry(name).or_insert_with(|| json!([]));
    match value {
        Value::Null => {}
        value => list.as_array_mut().into_iter().for_each(|list| list.push(value.clone())),
    }
}

/// Each field is the next of a list.
fn push_all(fields: &mut Map<String, Value>, told: Map<String, Value>) {
    told.into_iter().for_each(|(name, value)| push(fields, &name, value));
}

/// The object of this name, taken out; empty if there is none.
fn take(fields: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match fields.shift_remove(name) {
        Some(Value::Object(found)) => found,
        _ => Map::new(),
    }
}

pub(super) fn append(slot: &mut Value, text: &str) {
    *slot = format!("{}{text}", slot.as_str().unwrap_or_default()).into();
}

/// Objects are merged, other values replaced; `null` says nothing.
pub(super) fn overlay(known: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
        match (known.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(fields)) => overlay(known, fields),
            (_, value) => drop(known.insert(name, value)),
        }
    }
}

fn into_list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}
