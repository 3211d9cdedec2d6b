//! The items that a request consists of, and the messages that they are.
//!
//! What the model said, called and thought in one turn is one message, as it is for every other
//! provider. What it was told are messages of their own.

use serde_json::{Map, Value};

use super::{
    PROTOCOL,
    content::{INPUT_TEXT, content_from_json, content_to_json},
    exact, invalid,
    item::{Form, items_from_message, parts_from_item},
    own,
};
use crate::{
    Message, Part, Result, Role,
    model::{
        ToolResult,
        fields::{Fields, object},
    },
};

/// Marks the message that was the request's `instructions`.
const INSTRUCTIONS: &str = "instructions";
/// Marks the message that was the whole `input`, a bare string.
const INPUT: &str = "input";

/// Takes the messages of a request.
pub(super) fn take_messages(body: &mut Map<String, Value>) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    if let Some(text) = body.take_text(INSTRUCTIONS) {
        messages.push(marked(Message::system(text), INSTRUCTIONS));
    }
    if let Some(text) = body.take_string(INPUT) {
        messages.push(marked(Message::user(text), INPUT));
        return Ok(messages);
    }
    // An empty list stays in `extra`, as it is not the same as none.
    if body.get(INPUT).and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Ok(messages);
    }
    let items = body.take_array(INPUT).unwrap_or_default();
    let mut turn: Option<Message> = None;
    for (index, item) in items.into_iter().enumerate() {
        let Value::Object(fields) = item else {
            return Err(invalid(format!("input[{index}]: not an object")));
        };
        match told(&fields) {
            Some(role) => {
                messages.extend(turn.take());
                messages.push(message_from_item(role, fields));
            }
            None => {
                let turn = turn.get_or_insert_with(|| of_ours(Role::Assistant, Vec::new()));
                turn.parts.extend(parts_from_item(Value::Object(fields)));
            }
        }
    }
    messages.extend(turn);
    Ok(messages)
}

fn of_ours(role: Role, parts: Vec<Part>) -> Message {
    let mut message = Message::new(role, parts);
    message.origin = Some(PROTOCOL);
    message
}

fn marked(mut message: Message, marker: &str) -> Message {
    message.origin = Some(PROTOCOL);
    message.extra.insert(marker.to_owned(), true.into());
    message
}

/// Who speaks in an item that is not the model's.
fn told(fields: &Map<String, Value>) -> Option<Role> {
    let kind = fields.get("type").and_then(Value::as_str);
    match (kind, fields.get("role").and_then(Value::as_str)) {
        (None | Some("message"), Some(role)) => {
            let role = Role::from(role.to_owned());
            (role != Role::Assistant).then_some(role)
        }
        (Some(kind), _) if kind.ends_with("_output") || kind.ends_with("_response") => {
            Some(Role::Tool)
        }
        _ => None,
    }
}

fn message_from_item(role: Role, mut fields: Map<String, Value>) -> Message {
    if role == Role::Tool && !fields.says("role", role.as_str()) {
        return of_ours(role, vec![output_from_json(fields)]);
    }
    fields.shift_remove("role");
    let plain = !fields.get("content").is_some_and(Value::is_array);
    let parts = match fields.take_string("content") {
        Some(text) => vec![Part::text(text)],
        None => contents(fields.take_array("content").unwrap_or_default()),
    };
    let mut message = of_ours(role, parts);
    message.plain = plain;
    message.extra = fields;
    message
}

fn contents(list: Vec<Value>) -> Vec<Part> {
    list.into_iter().map(|value| content_from_json(value, INPUT_TEXT)).collect()
}

/// Reads what a tool answered; the answers of tools that the model does not name stay as they are.
fn output_from_json(mut fields: Map<String, Value>) -> Part {
    let output = fields.get("output");
    let known = fields.says("type", "function_call_output")
        && fields.get("call_id").is_some_and(Value::is_string)
        && output.is_some_and(|it| it.is_string() || it.is_array());
    if !known {
        return Part::Other(Value::Object(fields));
    }
    fields.shift_remove("type");
    let id = fields.take_string("call_id").unwrap_or_default();
    let text = fields.take_string("output");
    let plain = text.is_some();
    let parts = match text {
        Some(text) => vec![Part::text(text)],
        None => contents(fields.take_array("output").unwrap_or_default()),
    };
    Part::ToolResult(ToolResult { id, parts, plain, is_error: None, extra: fields })
}

/// Writes the messages of a request: as `instructions`, which begin the conversation, and as
/// `input`.
pub(super) fn put_messages(body: &mut Map<String, Value>, messages: &[Message]) -> Result<()> {
    let leading = messages.iter().take_while(|it| is_leading(it)).count();
    let (leading, rest) = messages.split_at(leading);
    if !leading.is_empty() {
        let texts: Vec<String> = leading.iter().map(Message::text).collect();
        body.insert(INSTRUCTIONS.to_owned(), texts.join("\n\n").into());
    }
    if let [message] = rest
        && is_marked(message, INPUT)
        && let [Part::Text(text)] = &*message.parts
    {
        body.insert(INPUT.to_owned(), text.text.as_str().into());
        return Ok(());
    }
    let mut items = Vec::with_capacity(rest.len());
    for message in rest {
        match message.role {
            Role::Assistant => items.extend(items_from_message(message, Form::Input)?),
            _ => put_told(message, &mut items)?,
        }
    }
    if !items.is_empty() {
        body.insert(INPUT.to_owned(), Value::Array(items));
    }
    Ok(())
}

fn is_marked(message: &Message, marker: &str) -> bool {
    own(message.origin) && message.extra.contains_key(marker)
}

/// Whether a message instructs the model before anything is said, in this request's `instructions`
/// or in another format.
fn is_leading(message: &Message) -> bool {
    let texts = message.parts.iter().all(|part| matches!(part, Part::Text(_)));
    let ours = exact(message.origin) && !is_marked(message, INSTRUCTIONS);
    message.role.is_system() && texts && !ours
}

/// Writes a message that the model was told: the results of tools are items before what else it
/// says.
fn put_told(message: &Message, items: &mut Vec<Value>) -> Result<()> {
    let mut content = Vec::with_capacity(message.parts.len());
    for part in &message.parts {
        match part {
            Part::ToolResult(result) => items.push(result_to_json(message, result)?),
            Part::Other(value) if message.role == Role::Tool => {
                items.extend(own(message.origin).then(|| value.clone()));
            }
            part => content.extend(content_to_json(part, INPUT_TEXT, message.origin)?),
        }
    }
    let is_result = message.role == Role::Tool && !message.parts.is_empty();
    if content.is_empty() && (is_result || !exact(message.origin)) {
        return Ok(());
    }
    let role = match &message.role {
        Role::Tool if !exact(message.origin) => Role::User.as_str(),
        role => role.as_str(),
    };
    let mut fields = object([("role", role.into())]);
    match &*message.parts {
        [] if message.plain => {}
        [Part::Text(text)]
            if (message.plain || !exact(message.origin))
                && (text.extra.is_empty() || !own(message.origin)) =>
        {
            fields.insert("content".to_owned(), text.text.as_str().into());
        }
        _ => drop(fields.insert("content".to_owned(), Value::Array(content))),
    }
    if own(message.origin) {
        fields.fill(&message.extra);
        for marker in [INSTRUCTIONS, INPUT] {
            fields.shift_remove(marker);
        }
    }
    items.push(Value::Object(fields));
    Ok(())
}

fn result_to_json(message: &Message, result: &ToolResult) -> Result<Value> {
    let origin = message.origin;
    let mut fields =
        object([("type", "function_call_output".into()), ("call_id", result.id.as_str().into())]);
    let output = match &*result.parts {
        [] if result.plain || !exact(origin) => "".into(),
        [Part::Text(text)] if result.plain || !exact(origin) => text.text.as_str().into(),
        parts => {
            let list = parts.iter().map(|part| content_to_json(part, INPUT_TEXT, origin));
            let list = list.filter_map(Result::transpose).collect::<Result<_>>()?;
            Value::Array(list)
        }
    };
    fields.insert("output".to_owned(), output);
    if own(origin) {
        fields.fill(&result.extra);
    }
    Ok(Value::Object(fields))
}
