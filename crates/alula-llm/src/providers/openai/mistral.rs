//! Mistral's content: thinking, documents and sound, and its rules for conversations.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::{
    ChatRequest, Media, Part,
    model::{
        Reasoning,
        fields::{Fields, object},
    },
};

/// The type of a part that holds thinking; reasoning whose `field` this is stands in the content.
pub(super) const THINKING: &str = "thinking";
/// The type of a part that holds a document. Where it stands in the extra fields of a document,
/// that is written in this form.
pub(super) const DOCUMENT: &str = "document_url";

/// What the model says after a tool where the user does not wait for it.
const FILLER: &str = "OK";
/// How many letters and digits the id of a tool call has.
const ID_CHARS: usize = 9;

/// The request with its documents marked, so that they are written in Mistral's form.
pub(super) fn with_documents(request: &ChatRequest) -> Cow<'_, ChatRequest> {
    let is_file = |part: &Part| matches!(part, Part::File(_));
    if !request.messages.iter().any(|message| message.parts.iter().any(is_file)) {
        return Cow::Borrowed(request);
    }
    let mut request = request.clone();
    for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
        if let Part::File(file) = part
            && file.to_url().is_some()
        {
            file.extra.entry(DOCUMENT).or_insert(Value::Null);
        }
    }
    Cow::Owned(request)
}

/// Reads a thinking part without its type; `None` if its shape is unknown.
pub(super) fn thinking_from_json(fields: &mut Map<String, Value>) -> Option<Reasoning> {
    let chunks = fields.get(THINKING)?.as_array()?;
    let text_of = |chunk: &Value| Some(chunk.get("text")?.as_str()?.to_owned());
    let text = chunks.iter().filter_map(text_of).collect();
    let is_plain = matches!(chunks.as_slice(), [Value::Object(chunk)]
        if chunk.len() == 2 && chunk.says("type", "text") && chunk.get("text").is_some_and(Value::is_string));
    if is_plain {
        fields.shift_remove(THINKING);
    }
    // Several pieces, and what is no text, stay as they are.
    Some(Reasoning { text, field: Some(THINKING.to_owned()), ..Reasoning::default() })
}

/// Writes a thinking part.
pub(super) fn thinking_to_json(reasoning: &Reasoning) -> Map<String, Value> {
    let mut fields = object([("type", THINKING.into())]);
    let plain = json!([{"type": "text", "text": reasoning.text}]);
    let whole = reasoning.extra.get(THINKING).cloned().unwrap_or(plain);
    fields.insert(THINKING.to_owned(), whole);
    fields
}

/// Reads a document without its type; `None` if its shape is unknown.
pub(super) fn document_from_json(fields: &mut Map<String, Value>) -> Option<Media> {
    let mut media = Media::from_url(fields.take_string(DOCUMENT)?);
    media.name = fields.take_string("document_name");
    fields.insert(DOCUMENT.to_owned(), Value::Null);
    Some(media)
}

/// Writes a document that is marked.
pub(super) fn document_to_json(file: &Media) -> Option<Map<String, Value>> {
    if !file.extra.contains_key(DOCUMENT) {
        return None;
    }
    let mut fields = object([("type", DOCUMENT.into()), (DOCUMENT, file.to_url()?.into())]);
    fields.put("document_name", file.name.as_deref());
    Some(fields)
}

/// Changes the messages of a request into what Mistral takes.
pub(super) fn adapt_messages(messages: &mut Vec<Value>) {
    let mut list = Vec::with_capacity(messages.len());
    let mut after_tool = false;
    for mut message in messages.drain(..) {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if after_tool && role == "user" {
            list.push(json!({"role": "assistant", "content": FILLER}));
        }
        after_tool = role == "tool";
        if let Some(Value::String(id)) = message.get_mut("tool_call_id") {
            shorten(id);
        }
        for call in items(&mut message, "tool_calls") {
            if let Some(Value::String(id)) = call.get_mut("id") {
                shorten(id);
            }
        }
        items(&mut message, "content").for_each(adapt_part);
        list.push(message);
    }
    *messages = list;
}

fn items<'a>(message: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    message.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

fn adapt_part(part: &mut Value) {
    let text = |pointer: &str| part.pointer(pointer).filter(|value| value.is_string()).cloned();
    let adapted = match part.get("type").and_then(Value::as_str) {
        Some("refusal") => text("/refusal").map(|text| json!({"type": "text", "text": text})),
        Some("file") => text("/file/file_id").map(|id| json!({"type": "file", "file_id": id})),
        Some("input_audio") => text("/input_audio/data")
            .map(|data| json!({"type": "input_audio", "input_audio": data})),
        _ => None,
    };
    if let Some(adapted) = adapted {
        *part = adapted;
    }
}

/// Replaces an id that Mistral would refuse, the same one always by the same.
fn shorten(id: &mut String) {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if id.len() == ID_CHARS && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return;
    }
    // FNV-1a; what matters is that it is the same in each call.
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    *id = std::iter::repeat_with(|| {
        let letter = usize::try_from(hash % 62).ok().and_then(|at| LETTERS.get(at));
        hash /= 62;
        char::from(letter.copied().unwrap_or(b'0'))
    })
    .take(ID_CHARS)
    .collect();
}
