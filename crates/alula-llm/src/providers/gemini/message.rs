//! Contents: the messages of a conversation.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    part::{MADE_ID, Origin, part_from_json, part_to_json, response_of, sent_id},
    request::invalid,
};
use crate::{
    Message, Part, Result, Role,
    model::{
        Protocol, ToolResult,
        fields::{Fields, object},
    },
};

const PROTOCOL: Protocol = Protocol::GeminiGenerate;

/// What the API takes in place of the seal of a call that it did not make.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// What stands in place of an id that was not there.
const WITHOUT_ID: Value = Value::Bool(false);

/// Reads the contents of a request.
pub(super) fn messages_from_json(list: Vec<Value>) -> Result<Vec<Message>> {
    let mut messages = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        let Value::Object(fields) = value else {
            return Err(invalid(format!("contents[{index}]: no object")));
        };
        messages.push(message_from_json(fields, Role::User));
    }
    give_ids(&mut messages);
    Ok(messages)
}

/// Reads a content. Without a role it has the one that is usual where it stands, and is `plain`.
pub(super) fn message_from_json(mut fields: Map<String, Value>, usual: Role) -> Message {
    // An empty list stays in `extra`, as it is not the same as none.
    let has_parts = fields.get("parts").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
    let parts = has_parts.then(|| fields.take_array("parts")).flatten().unwrap_or_default();
    let plain = !fields.contains_key("role");
    let role = match fields.get("role").and_then(Value::as_str) {
        // It stays in `extra`: it may be any, and instructions are none of the turns.
        _ if usual.is_system() => usual,
        Some("model") => Role::Assistant,
        Some("user") => Role::User,
        // Such as `function`, the old one of results; it is written as it was.
        _ => usual,
    };
    if !role.is_system() && fields.says("role", role_to_text(&role)) {
        fields.shift_remove("role");
    }
    let part = |value: Value| match role.is_system() && value.get("functionResponse").is_some() {
        // Instructions answer no calls.
        true => Part::Other(value),
        false => part_from_json(value),
    };
    Message {
        parts: parts.into_iter().map(part).collect(),
        role,
        plain,
        origin: Some(PROTOCOL),
        extra: fields,
    }
}

fn role_to_text(role: &Role) -> &'static str {
    match role {
        Role::Assistant => "model",
        _ => "user",
    }
}

/// Gives an id to calls without one, and to results the id of the call that they answer: the
/// first one of the name that has no answer.
fn give_ids(messages: &mut [Message]) {
    let mut open: Vec<(String, String)> = Vec::new();
    for (turn, message) in messages.iter_mut().enumerate() {
        for (number, part) in message.parts.iter_mut().enumerate() {
            match part {
                Part::ToolCall(call) => {
                    if call.id.is_empty() {
                        call.id = format!("{MADE_ID}{turn}_{number}");
                    }
                    open.push((call.name.clone(), call.id.clone()));
                }
                Part::ToolResult(result) => {
                    let name = result_name(result).unwrap_or_default();
                    let answered = open.iter().position(|(of, id)| {
                        if result.id.is_empty() { of == name } else { *id == result.id }
                    });
                    let Some((_, id)) = answered.map(|at| open.remove(at)) else { continue };
                    if result.id.is_empty() && sent_id(&id).is_some() {
                        mark_without_id(&mut result.extra);
                    }
                    result.id = id;
                }
                _ => {}
            }
        }
    }
}

/// Notes that a result came without the id that its call has.
fn mark_without_id(extra: &mut Map<String, Value>) {
    let inner = extra.entry("functionResponse").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        inner.entry("id").or_insert(WITHOUT_ID);
    }
}

/// The name that a result of this format came with.
fn result_name(result: &ToolResult) -> Option<&str> {
    result.extra.get("functionResponse")?.get("name")?.as_str()
}

/// Writes messages: the instructions, wherever they stand, and the turns.
///
/// The results of several tool calls, which OpenAI gives one message each, become one turn, since
/// the API wants as many results in it as there were calls.
pub(super) fn messages_to_json(
    messages: &[Message],
    model: &str,
) -> Result<(Option<Value>, Vec<Value>)> {
    let mut writer = Writer { is_old: is_old(model), names: HashMap::new() };
    let mut turns: Vec<Value> = Vec::with_capacity(messages.len());
    let mut after_results = false;
    for message in messages.iter().filter(|message| !message.role.is_system()) {
        let Some(written) = writer.turn(message)? else { continue };
        let is_results = message.role == Role::Tool;
        match (turns.last_mut().and_then(|last| last.get_mut("parts")), written) {
            (Some(Value::Array(parts)), mut written) if is_results && after_results => {
                parts.extend(written.take_array("parts").unwrap_or_default());
            }
            (_, written) => turns.push(Value::Object(written)),
        }
        after_results = is_results;
    }
    Ok((system_to_json(messages)?, turns))
}

fn system_to_json(messages: &[Message]) -> Result<Option<Value>> {
    let mut parts = Vec::new();
    let mut system: Option<Map<String, Value>> = None;
    for message in messages.iter().filter(|message| message.role.is_system()) {
        let origin = Origin::of(message.origin);
        let written =
            message.parts.iter().filter_map(|part| part_to_json(part, origin).transpose());
        parts.extend(written.collect::<Result<Vec<_>>>()?);
        let fields = system.get_or_insert_default();
        if origin.is_own() {
            fields.fill(&message.extra);
        }
    }
    let Some(mut fields) = system else { return Ok(None) };
    if !parts.is_empty() {
        fields.insert("parts".to_owned(), Value::Array(parts));
    }
    Ok(Some(Value::Object(fields)))
}

/// Writes the content of an answer.
pub(super) fn content_to_json(message: &Message) -> Result<Map<String, Value>> {
    // Nobody checks the seals of an answer.
    let mut writer = Writer { is_old: true, names: HashMap::new() };
    Ok(writer.turn(message)?.unwrap_or_default())
}

/// Whether a model is older than Gemini 3, which knows pictures in results and demands seals.
/// A name that does not say so is that of a new one.
pub(super) fn is_old(model: &str) -> bool {
    ["gemini-1", "gemini-2", "gemma", "learnlm"].iter().any(|family| model.contains(family))
}

struct Writer<'a> {
    is_old: bool,
    /// The names of the tools, by the ids of their calls.
    names: HashMap<&'a str, &'a str>,
}

impl<'a> Writer<'a> {
    /// Writes a turn; `None` if nothing of it has a place here.
    fn turn(&mut self, message: &'a Message) -> Result<Option<Map<String, Value>>> {
        let origin = Origin::of(message.origin);
        let mut parts = Vec::with_capacity(message.parts.len());
        // What an old model does not take within a result follows all of them.
        let mut after = Vec::new();
        for part in &message.parts {
            match part {
                Part::ToolResult(result) => {
                    parts.push(self.result(result, origin, &mut after)?.into());
                }
                Part::Text(text) if text.text.is_empty() && origin != Origin::Here => {}
                part => {
                    if let Part::ToolCall(call) = part {
                        self.names.insert(&call.id, &call.name);
                    }
                    parts.extend(part_to_json(part, origin)?);
                }
            }
        }
        parts.append(&mut after);
        if origin != Origin::Here && !self.is_old {
            excuse_signature(&mut parts);
        }
        let mut fields = Map::new();
        if !parts.is_empty() {
            fields.insert("parts".to_owned(), Value::Array(parts));
        } else if origin != Origin::Here {
            return Ok(None);
        }
        if origin.is_own() {
            fields.fill(&message.extra);
        }
        if !(origin == Origin::Here && message.plain) {
            fields.entry("role").or_insert_with(|| role_to_text(&message.role).into());
        }
        Ok(Some(fields))
    }

    fn result(
        &self,
        result: &ToolResult,
        origin: Origin,
        after: &mut Vec<Value>,
    ) -> Result<Map<String, Value>> {
        let own_name = if origin.is_own() { result_name(result) } else { None };
        let name = own_name.or_else(|| self.names.get(&*result.id).copied()).ok_or_else(|| {
            invalid(format!("no tool call before it has the id {:?} of a result", result.id))
        })?;
        let mut text = String::new();
        let mut media = Vec::new();
        for part in &result.parts {
            match part {
                Part::Text(part) => text.push_str(&part.text),
                part => media.extend(part_to_json(part, origin)?),
            }
        }
        let mut inner = Map::new();
        inner.put("id", sent_id(&result.id));
        inner.put("name", Some(name));
        inner.put("response", Some(response_of(&text, result.is_error)));
        if self.is_old && origin != Origin::Here {
            after.append(&mut media);
        } else if !media.is_empty() {
            inner.insert("parts".to_owned(), Value::Array(media));
        }
        let mut fields = object([("functionResponse", inner.into())]);
        if origin.is_own() {
            fields.fill(&result.extra);
            restore_id(&mut fields, result);
        }
        Ok(fields)
    }
}

/// Spells the id of a result as it came: not at all, or as one that is none.
fn restore_id(fields: &mut Map<String, Value>, result: &ToolResult) {
    let Some(id) = result.extra.get("functionResponse").and_then(|inner| inner.get("id")) else {
        return;
    };
    if let Some(Value::Object(inner)) = fields.get_mut("functionResponse") {
        match *id == WITHOUT_ID {
            true => drop(inner.shift_remove("id")),
            false => drop(inner.insert("id".to_owned(), id.clone())),
        }
    }
}

/// The first call of a turn must be sealed; one that another model made, or nobody, has a word in
/// its place.
fn excuse_signature(parts: &mut [Value]) {
    let first = parts.iter_mut().find(|part| part.get("functionCall").is_some());
    if let Some(Value::Object(part)) = first {
        part.entry("thoughtSignature").or_insert_with(|| NO_SIGNATURE.into());
    }
}
