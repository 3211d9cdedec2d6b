//! From a request as OpenAI would have it to one that another server takes.

use serde_json::{Map, Value, json};

use super::{
    dialect::{Dialect, SentBack},
    message::{REASONING_FIELD, REASONING_FIELDS},
    mistral,
    request::invalid,
};
use crate::{Result, model::fields::Fields};

/// Changes the body of a request so that the server does not refuse it.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when it cannot say what the
/// request asks for.
pub(super) fn adapt(body: &mut Map<String, Value>, dialect: &Dialect) -> Result<()> {
    let name = dialect.name;
    if dialect.one_answer && body.get("n").and_then(Value::as_u64).is_some_and(|n| n > 1) {
        return Err(invalid(format!("n: {name} gives one answer")));
    }
    let refused = dialect.refused.iter().filter(|field| body.shift_remove(**field).is_some());
    let dropped: Vec<_> = refused.collect();
    if !dropped.is_empty() {
        tracing::warn!(?dropped, "fields that {name} refuses were not sent");
    }
    if !dialect.stream_options {
        body.shift_remove("stream_options");
    }
    if dialect.seed != "seed"
        && let Some(seed) = body.shift_remove("seed")
    {
        body.entry(dialect.seed).or_insert(seed);
    }
    if !dialect.json_object && body.get("response_format") == Some(&json!({"type": "json_object"}))
    {
        let schema = json!({"name": "answer", "schema": {"type": "object"}});
        let format = json!({"type": "json_schema", "json_schema": schema});
        body.insert("response_format".to_owned(), format);
    }
    if !dialect.named_tool_choice {
        offer_only_the_chosen(body)?;
    }
    if let Some(Value::Array(messages)) = body.get_mut("messages") {
        adapt_messages(messages, dialect);
    }
    Ok(())
}

/// A function that must be called is the only one there is.
fn offer_only_the_chosen(body: &mut Map<String, Value>) -> Result<()> {
    let function = |value: &Value| value.pointer("/function/name").cloned();
    let Some(chosen) = body.get("tool_choice").and_then(function) else { return Ok(()) };
    let Some(Value::Array(tools)) = body.get_mut("tools") else { return Ok(()) };
    tools.retain(|tool| function(tool).as_ref() == Some(&chosen));
    if tools.is_empty() {
        return Err(invalid(format!("tool_choice: there is no function {chosen}")));
    }
    body.insert("tool_choice".to_owned(), "required".into());
    Ok(())
}

fn adapt_messages(messages: &mut Vec<Value>, dialect: &Dialect) {
    for message in messages.iter_mut().filter_map(Value::as_object_mut) {
        if !dialect.developer && message.says("role", "developer") {
            message.insert("role".to_owned(), "system".into());
        }
        let is_tool = message.says("role", "tool");
        for field in dialect.refused_in_messages {
            if !(is_tool && *field == "name") {
                message.shift_remove(*field);
            }
        }
        match dialect.reasoning {
            SentBack::Named(name) => {
                if let Some(text) = take_reasoning(message) {
                    message.insert(name.to_owned(), text.into());
                }
            }
            SentBack::Only(name) => {
                REASONING_FIELDS.iter().filter(|it| **it != name).for_each(|other| {
                    message.shift_remove(*other);
                });
            }
            SentBack::InContent => drop(take_reasoning(message)),
            SentBack::AsItCame | SentBack::OfToolTurns => {}
        }
    }
    if dialect.reasoning == SentBack::OfToolTurns {
        keep_reasoning_of_tool_turns(messages);
    }
    if dialect.mistral {
        mistral::adapt_messages(messages);
    }
}

/// Takes the reasoning of a message, whatever its field is called.
fn take_reasoning(message: &mut Map<String, Value>) -> Option<String> {
    let texts = REASONING_FIELDS.map(|name| message.take_string(name));
    texts.into_iter().flatten().next()
}

/// A turn is all between two messages of the user.
fn keep_reasoning_of_tool_turns(messages: &mut [Value]) {
    for turn in messages.split_mut(|message| message.get("role") == Some(&json!("user"))) {
        let has_calls = turn.iter().any(calls_tools);
        for message in turn {
            let calls = calls_tools(message);
            // What the model is to go on from may hold reasoning as well.
            let is_prefix = message.get("prefix") == Some(&json!(true));
            let Some(fields) = message.as_object_mut() else { continue };
            let text = take_reasoning(fields);
            let kept = if has_calls || is_prefix { text } else { None };
            fields.put(REASONING_FIELD, kept.or_else(|| calls.then(String::new)));
        }
    }
}

fn calls_tools(message: &Value) -> bool {
    message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty())
}
