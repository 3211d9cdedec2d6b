//! `generationConfig`: sampling, limits, thinking and the form of the answer.

use serde_json::{Map, Value};

use super::{message::is_old, part::Origin, request::invalid, schema::to_json_schema};
use crate::{
    ChatRequest, Result,
    model::{Extra, Protocol, ResponseFormat, Thinking, fields::Fields},
};

const PROTOCOL: Protocol = Protocol::GeminiGenerate;

/// The field of the schema that is written, in JSON Schema, and its other spelling.
const SCHEMA: &str = "responseJsonSchema";
const SCHEMA_SPELLED: &str = "response_json_schema";
/// The field of the schema in the API's own dialect.
const SCHEMA_OLD: &str = "responseSchema";

const MEDIA_TYPE: &str = "responseMimeType";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// Takes the fields that the model names out of the body.
pub(super) fn take_config(body: &mut Map<String, Value>, request: &mut ChatRequest) {
    body.take_within("generationConfig", |config| {
        request.temperature = config.take_f64("temperature");
        request.top_p = config.take_f64("topP");
        request.top_k = config.take_u64("topK");
        request.max_tokens = config.take_u64("maxOutputTokens");
        request.n = config.take_u64("candidateCount");
        request.seed = config.take_i64("seed");
        request.presence_penalty = config.take_f64("presencePenalty");
        request.frequency_penalty = config.take_f64("frequencyPenalty");
        request.logprobs = config.take_bool("responseLogprobs");
        request.top_logprobs = config.take_u64("logprobs");
        request.stop = take_stop(config);
        request.response_format = take_format(config);
        config.take_within("thinkingConfig", |thinking| take_thinking(thinking, request));
    });
}

/// Writes the fields that the request sets.
pub(super) fn config_to_json(request: &ChatRequest) -> Result<Map<String, Value>> {
    let mut config = Map::new();
    config.put("temperature", request.temperature);
    config.put("topP", request.top_p);
    config.put("topK", request.top_k);
    config.put("maxOutputTokens", request.max_tokens);
    config.put("candidateCount", request.n);
    config.put("seed", request.seed);
    config.put("presencePenalty", request.presence_penalty);
    config.put("frequencyPenalty", request.frequency_penalty);
    config.put("responseLogprobs", request.logprobs);
    config.put("logprobs", request.top_logprobs);
    config.put("stopSequences", (!request.stop.is_empty()).then(|| request.stop.clone()));
    put_format(&mut config, request)?;
    let thinking = thinking_to_json(request);
    config.put("thinkingConfig", (!thinking.is_empty()).then_some(thinking));
    Ok(config)
}

fn take_stop(config: &mut Map<String, Value>) -> Vec<String> {
    let texts = |stop: &Value| {
        let texts = stop.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>()
    };
    match config.get("stopSequences").and_then(texts) {
        Some(stop) if !stop.is_empty() => {
            config.shift_remove("stopSequences");
            stop
        }
        _ => Vec::new(),
    }
}

/// The form, if it is one that the model knows; another one stays where it is.
fn take_format(config: &mut Map<String, Value>) -> Option<ResponseFormat> {
    let media_type = config.get(MEDIA_TYPE)?.as_str()?;
    let spelling =
        [SCHEMA, SCHEMA_SPELLED, SCHEMA_OLD].into_iter().find(|it| config.contains_key(*it));
    let format = match (media_type, spelling) {
        (JSON, None) => ResponseFormat::JsonObject,
        (TEXT, None) => ResponseFormat::Text,
        (JSON, Some(spelling)) => {
            let found = config.shift_remove(spelling)?;
            let mut extra = Extra::new();
            let schema =
                if spelling == SCHEMA_OLD { to_json_schema(&found) } else { found.clone() };
            if spelling != SCHEMA {
                extra.insert(spelling.to_owned(), found);
            }
            ResponseFormat::JsonSchema { name: None, schema, strict: None, extra }
        }
        _ => return None,
    };
    config.shift_remove(MEDIA_TYPE);
    Some(format)
}

fn put_format(config: &mut Map<String, Value>, request: &ChatRequest) -> Result<()> {
    let origin = Origin::of(request.origin);
    match &request.response_format {
        None => {}
        Some(ResponseFormat::Text) => {
            config.put(MEDIA_TYPE, (origin == Origin::Here).then_some(TEXT));
        }
        Some(ResponseFormat::JsonObject) => config.put(MEDIA_TYPE, Some(JSON)),
        Some(ResponseFormat::JsonSchema { schema, extra, .. }) => {
            config.put(MEDIA_TYPE, Some(JSON));
            // As it was spelled, unless the schema has changed since.
            let source = extra.iter().find(|(name, source)| match name.as_str() {
                _ if !origin.is_own() => false,
                SCHEMA_OLD => to_json_schema(source) == *schema,
                SCHEMA_SPELLED => *source == schema,
                _ => false,
            });
            let (name, schema) = source.map_or((SCHEMA, schema), |(name, it)| (&**name, it));
            config.insert(name.to_owned(), schema.clone());
        }
        Some(ResponseFormat::Other(Value::Object(form))) if origin.is_own() => {
            config.extend(form.clone());
        }
        Some(ResponseFormat::Other(form)) => {
            return Err(invalid(format!("response_format: {PROTOCOL} has no {form}")));
        }
    }
    Ok(())
}

fn take_thinking(thinking: &mut Map<String, Value>, request: &mut ChatRequest) {
    request.thinking = match thinking.get("thinkingBudget").and_then(Value::as_i64) {
        Some(-1) => Some(Thinking::Adaptive),
        Some(0) => Some(Thinking::Disabled),
        Some(budget) => u64::try_from(budget).ok().map(Thinking::Budget),
        None => None,
    };
    if request.thinking.is_some() {
        thinking.shift_remove("thinkingBudget");
    }
    let level = thinking.get("thinkingLevel").and_then(Value::as_str);
    request.reasoning_effort = level.map(str::to_ascii_lowercase);
    // In small letters it stays, to be written so again.
    if level.is_some_and(|level| level.to_ascii_uppercase() == level) {
        thinking.shift_remove("thinkingLevel");
    }
}

fn thinking_to_json(request: &ChatRequest) -> Map<String, Value> {
    let mut config = Map::new();
    let is_here = Origin::of(request.origin) == Origin::Here;
    let budget = request.thinking.map(|thinking| match thinking {
        Thinking::Disabled => 0,
        Thinking::Adaptive => -1,
        Thinking::Budget(tokens) => i64::try_from(tokens).unwrap_or(i64::MAX),
    });
    config.put("thinkingBudget", budget);
    let effort = request.reasoning_effort.as_deref();
    if is_here {
        config.put("thinkingLevel", effort.map(|effort| level_as_spelled(effort, request)));
        return config;
    }
    // Other providers show what the model thinks without being asked.
    config.put("includeThoughts", budget.filter(|budget| *budget != 0).map(|_| true));
    if let (None, Some(effort)) = (budget, effort) {
        put_effort(&mut config, effort, is_old(&request.model));
    }
    config
}

fn level_as_spelled(effort: &str, request: &ChatRequest) -> String {
    let config = request.extra.get("generationConfig");
    let spelled = config.and_then(|it| it.pointer("/thinkingConfig/thinkingLevel")?.as_str());
    match spelled {
        Some(spelled) if spelled.eq_ignore_ascii_case(effort) => spelled.to_owned(),
        _ => effort.to_ascii_uppercase(),
    }
}

/// Writes an effort: as a level, which the models before Gemini 3 do not know, or in tokens, as
/// Google's own compatible API counts them.
fn put_effort(config: &mut Map<String, Value>, effort: &str, is_old: bool) {
    let (level, budget) = match effort {
        "none" => ("MINIMAL", 0),
        "minimal" => ("MINIMAL", 1024),
        "low" => ("LOW", 1024),
        "medium" => ("MEDIUM", 8192),
        "high" | "xhigh" | "max" => ("HIGH", 24_576),
        // The provider is the one to complain.
        other => return config.put("thinkingLevel", Some(other.to_ascii_uppercase())),
    };
    if is_old {
        config.put("thinkingBudget", Some(budget));
    } else {
        config.put("thinkingLevel", Some(level));
    }
}
