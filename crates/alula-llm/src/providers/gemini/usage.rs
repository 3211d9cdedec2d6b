//! What a call cost.

use serde_json::{Map, Value};

use super::part::Origin;
use crate::{
    Usage,
    model::fields::{Fields, object},
};

/// Tokens of the prompt that came from tools that ran at the provider, counted beside the prompt.
const TOOL_PROMPT: &str = "toolUsePromptTokenCount";
const PROMPT_DETAILS: &str = "promptTokensDetails";
const ANSWER_DETAILS: &str = "candidatesTokensDetails";
const CACHE_DETAILS: &str = "cacheTokensDetails";
const SOUND: &str = "AUDIO";
const IMAGE: &str = "IMAGE";

/// Reads usage. The API counts the prompts of tools beside the prompt and the reasoning beside
/// the answer; the model counts them in. The cache is part of the prompt for both.
pub(super) fn usage_from_json(mut fields: Map<String, Value>) -> Usage {
    let tools = fields.get(TOOL_PROMPT).and_then(Value::as_u64).unwrap_or_default();
    let reasoning = fields.take_u64("thoughtsTokenCount");
    let answer = take_count(&mut fields, "candidatesTokenCount");
    Usage {
        input: take_count(&mut fields, "promptTokenCount").saturating_add(tools),
        output: answer.saturating_add(reasoning.unwrap_or_default()),
        total: fields.take_u64("totalTokenCount"),
        cache_read: fields.take_u64("cachedContentTokenCount"),
        cache_read_audio: tokens_of(&fields, CACHE_DETAILS, SOUND),
        reasoning,
        audio_input: tokens_of(&fields, PROMPT_DETAILS, SOUND),
        audio_output: tokens_of(&fields, ANSWER_DETAILS, SOUND),
        image_input: tokens_of(&fields, PROMPT_DETAILS, IMAGE),
        image_output: tokens_of(&fields, ANSWER_DETAILS, IMAGE),
        extra: fields,
        ..Usage::default()
    }
}

/// Writes usage.
pub(super) fn usage_to_json(usage: &Usage, origin: Origin) -> Value {
    let mut fields = Map::new();
    let tools = usage.extra.get(TOOL_PROMPT).and_then(Value::as_u64).filter(|_| origin.is_own());
    let prompt = usage.input.saturating_sub(tools.unwrap_or_default());
    let answer = usage.output.saturating_sub(usage.reasoning.unwrap_or_default());
    // The API leaves out a count of zero; one that it did not leave out is in `extra`.
    fields.put("promptTokenCount", (prompt > 0).then_some(prompt));
    fields.put("cachedContentTokenCount", usage.cache_read);
    fields.put("candidatesTokenCount", (answer > 0).then_some(answer));
    fields.put("thoughtsTokenCount", usage.reasoning);
    if origin == Origin::Here {
        fields.put("totalTokenCount", usage.total);
    } else {
        fields.put("totalTokenCount", Some(usage.total()));
        fields.put(PROMPT_DETAILS, sound_details(usage.audio_input));
        fields.put(ANSWER_DETAILS, sound_details(usage.audio_output));
    }
    if origin.is_own() {
        fields.fill(&usage.extra);
    }
    Value::Object(fields)
}

/// A count, taken out unless it is zero.
fn take_count(fields: &mut Map<String, Value>, name: &str) -> u64 {
    match fields.get(name).and_then(Value::as_u64) {
        None | Some(0) => 0,
        Some(count) => {
            fields.shift_remove(name);
            count
        }
    }
}

/// The tokens of this kind among the details, which stay as they are.
fn tokens_of(fields: &Map<String, Value>, details: &str, modality: &str) -> Option<u64> {
    let details = fields.get(details)?.as_array()?;
    let of_kind = details.iter().find(|it| it.get("modality").is_some_and(|it| it == modality))?;
    of_kind.get("tokenCount")?.as_u64()
}

fn sound_details(tokens: Option<u64>) -> Option<Value> {
    let tokens = tokens.filter(|tokens| *tokens > 0)?;
    let entry = object([("modality", SOUND.into()), ("tokenCount", tokens.into())]);
    Some(Value::Array(vec![Value::Object(entry)]))
}
