//! Requests that mean the same although they are written differently.

use serde_json::{Value, json};

use super::canonical;

/// [`canonical`] JSON of a chat request, the same for all spellings of one request.
///
/// `"stream": false` is left out, since that is what its absence means. A list of one text part
/// is written as its text, where both are allowed: as the content of a message or of a tool
/// result, and as `system`. A part with more fields than its text stays. An `input` that is a text
/// is a list of one message of the user.
///
/// ```
/// use alula_llm::testing::canonical_request;
/// use serde_json::json;
///
/// let parts = json!([{"type": "text", "text": "Hi"}]);
/// let long = json!({"stream": false, "messages": [{"role": "user", "content": parts}]});
/// let short = json!({"messages": [{"role": "user", "content": "Hi"}]});
/// assert_eq!(canonical_request(&long), canonical_request(&short));
/// ```
pub fn canonical_request(request: &Value) -> String {
    canonical(&simplified(request))
}

/// The request in its shortest spelling.
pub(super) fn simplified(request: &Value) -> Value {
    let mut request = request.clone();
    let Some(fields) = request.as_object_mut() else { return request };
    if fields.get("stream") == Some(&Value::Bool(false)) {
        fields.shift_remove("stream");
    }
    if let Some(system) = fields.get_mut("system") {
        shorten(system);
    }
    if let Some(text @ Value::String(_)) = fields.get_mut("input") {
        let message = json!({"role": "user", "content": text.take()});
        *text = Value::Array(vec![message]);
    }
    for item in list(fields.get_mut("input")) {
        for name in ["content", "output"] {
            item.get_mut(name).into_iter().for_each(shorten);
        }
    }
    for message in list(fields.get_mut("messages")) {
        let Some(content) = message.get_mut("content") else { continue };
        // The parts of which a tool result has content of its own.
        for part in list(Some(content)) {
            if let Some(content) = part.get_mut("content") {
                shorten(content);
            }
        }
        shorten(content);
    }
    request
}

fn list(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

/// Replaces a list of one plain text part by the text.
fn shorten(content: &mut Value) {
    let Some([Value::Object(part)]) = content.as_array_mut().map(Vec::as_mut_slice) else { return };
    let is_text = |kind: &Value| kind == "text" || kind == "input_text";
    let is_plain = part.len() == 2 && part.get("type").is_some_and(is_text);
    if is_plain && let Some(text @ Value::String(_)) = part.get_mut("text") {
        *content = text.take();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(a: &Value, b: &Value, same: bool) {
        assert_eq!(canonical_request(a) == canonical_request(b), same, "{a} and {b}");
    }

    fn said(content: &Value) -> Value {
        json!({"messages": [{"role": "user", "content": content}]})
    }

    #[test]
    fn no_stream_is_the_default() {
        check(&json!({"model": "m", "stream": false}), &json!({"model": "m"}), true);
        check(&json!({"stream": true}), &json!({}), false);
        check(&json!({"stream": null}), &json!({}), false);
    }

    #[test]
    fn a_text_is_a_list_of_one_text_part() {
        let part = json!({"type": "text", "text": "a"});
        let cached = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}});
        for (list, text, same) in [
            (json!([part]), json!("a"), true),
            (json!([part, part]), json!("aa"), false),
            (json!([{"type": "text", "text": 1}]), json!(1), false),
            (json!([{"type": "note", "text": "a"}]), json!("a"), false),
            (json!([cached]), json!("a"), false),
        ] {
            check(&said(&list), &said(&text), same);
            check(&json!({"system": list}), &json!({"system": text}), same);
        }
    }

    #[test]
    fn an_input_is_a_list_of_items() {
        let items = |content: Value| json!({"input": [{"role": "user", "content": content}]});
        let part = json!({"type": "input_text", "text": "a"});
        check(&json!({"input": "a"}), &items(json!("a")), true);
        check(&json!({"input": "a"}), &items(json!([part])), true);
        check(&json!({"input": "a"}), &items(json!([part, part])), false);
        check(&json!({"input": ["a"]}), &json!({"input": "a"}), false);
        let output = |output: Value| json!({"input": [{"call_id": "1", "output": output}]});
        check(&output(json!([part])), &output(json!("a")), true);
    }

    #[test]
    fn a_tool_result_is_shortened_and_the_input_of_a_tool_is_not() {
        let (parts, text) = (json!([{"type": "text", "text": "a"}]), json!("a"));
        let result = |content: &Value| {
            said(&json!([{"type": "tool_result", "tool_use_id": "1", "content": content}]))
        };
        check(&result(&parts), &result(&text), true);
        let call = |content: &Value| {
            said(&json!([{"type": "tool_use", "id": "1", "input": {"content": content}}]))
        };
        check(&call(&parts), &call(&text), false);
    }

    #[test]
    fn what_is_no_chat_request_is_left_alone() {
        for value in [json!(null), json!([1]), json!({"messages": 1, "system": []})] {
            assert_eq!(simplified(&value), value);
        }
    }
}
