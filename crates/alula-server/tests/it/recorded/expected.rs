//! What a recording says, read without any code of the server.

use alula_llm::{model::Protocol, testing::Interaction};
use serde_json::{Map, Value, json};

/// An answer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Id, name and arguments of the tools to call.
    pub(crate) calls: Vec<(String, String, Value)>,
    pub(super) stop: String,
    pub(super) usage: Map<String, Value>,
}

impl Expected {
    pub(crate) fn of(call: &Interaction) -> Self {
        let body = str::from_utf8(&call.body).unwrap();
        match (call.protocol().unwrap(), call.is_stream()) {
            (Protocol::OpenAiChat, false) => openai(&serde_json::from_str(body).unwrap()),
            (Protocol::OpenAiChat, true) => openai_stream(&events(body)),
            (Protocol::GeminiGenerate, false) => gemini(&[serde_json::from_str(body).unwrap()]),
            (Protocol::GeminiGenerate, true) => gemini(&events(body)),
            (_, false) => anthropic(&serde_json::from_str(body).unwrap()),
            (_, true) => anthropic_stream(events(body)),
        }
    }
}

/// Content that is one text, written as such or as a list of one part.
pub(super) fn plain_text(content: &Value) -> Option<&str> {
    match content.as_array().map(Vec::as_slice) {
        Some([part]) if part["type"] == "text" && part.as_object()?.len() == 2 => {
            part["text"].as_str()
        }
        Some(_) => None,
        None => content.as_str(),
    }
}

fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn openai(answer: &Value) -> Expected {
    let choice = &answer["choices"][0];
    let message = &choice["message"];
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        let arguments = serde_json::from_str(&text(&function["arguments"])).unwrap();
        (text(&call["id"]), text(&function["name"]), arguments)
    });
    Expected {
        text: text(&message["content"]),
        reasoning: reasoning(message),
        calls: calls.collect(),
        stop: openai_stop(&choice["finish_reason"]),
        usage: openai_usage(&answer["usage"]),
    }
}

fn reasoning(message: &Value) -> String {
    text(message.get("reasoning_content").unwrap_or(&message["reasoning"]))
}

fn openai_stream(chunks: &[Value]) -> Expected {
    let mut expected = Expected::default();
    let mut arguments: Vec<String> = Vec::new();
    for chunk in chunks {
        if chunk["usage"].is_object() {
            expected.usage = openai_usage(&chunk["usage"]);
        }
        let choice = &chunk["choices"][0];
        expected.text += &text(&choice["delta"]["content"]);
        expected.reasoning += &reasoning(&choice["delta"]);
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            if call["id"].is_string() {
                let name = text(&call["function"]["name"]);
                expected.calls.push((text(&call["id"]), name, Value::Null));
                arguments.push(String::new());
            }
            *arguments.last_mut().unwrap() += &text(&call["function"]["arguments"]);
        }
        if choice["finish_reason"].is_string() {
            expected.stop = openai_stop(&choice["finish_reason"]);
        }
    }
    for (call, arguments) in expected.calls.iter_mut().zip(arguments) {
        call.2 = serde_json::from_str(&arguments).unwrap();
    }
    expected
}

fn openai_stop(reason: &Value) -> String {
    match reason.as_str().unwrap() {
        "stop" => "end".to_owned(),
        "length" => "max_tokens".to_owned(),
        other => other.to_owned(),
    }
}

fn openai_usage(usage: &Value) -> Map<String, Value> {
    let prompt = &usage["prompt_tokens_details"];
    let reasoning = usage.pointer("/completion_tokens_details/reasoning_tokens");
    // Mistral's and DeepSeek's names of it.
    let elsewhere = ["num_cached_tokens", "prompt_cache_hit_tokens"];
    let cached = || elsewhere.into_iter().find_map(|name| usage.get(name));
    named([
        ("input_tokens", Some(&usage["prompt_tokens"])),
        ("output_tokens", Some(&usage["completion_tokens"])),
        ("total_tokens", Some(&usage["total_tokens"])),
        ("cache_read_tokens", prompt.get("cached_tokens").or_else(cached)),
        ("cache_write_tokens", prompt.get("cache_write_tokens")),
        ("reasoning_tokens", reasoning),
    ])
}

fn anthropic(answer: &Value) -> Expected {
    let blocks = |kind: &'static str| {
        let blocks = answer["content"].as_array().unwrap().iter();
        blocks.filter(move |block| block["type"] == kind)
    };
    let calls = blocks("tool_use");
    Expected {
        text: blocks("text").map(|block| text(&block["text"])).collect(),
        reasoning: blocks("thinking").map(|block| text(&block["thinking"])).collect(),
        calls: calls
            .map(|call| (text(&call["id"]), text(&call["name"]), call["input"].clone()))
            .collect(),
        stop: match answer["stop_reason"].as_str().unwrap() {
            "end_turn" => "end".to_owned(),
            "tool_use" => "tool_calls".to_owned(),
            "pause_turn" => "pause".to_owned(),
            other => other.to_owned(),
        },
        usage: anthropic_usage(&answer["usage"]),
    }
}

/// Puts the answer together that the events spell out.
fn anthropic_stream(events: Vec<Value>) -> Expected {
    let mut answer = json!({"usage": {}});
    let mut blocks: Vec<Value> = Vec::new();
    let mut inputs: Vec<String> = Vec::new();
    for event in events {
        let delta = &event["delta"];
        let mut add = |name: &str| {
            let block = blocks.last_mut().unwrap();
            block[name] = (text(&block[name]) + &text(&delta[name])).into();
        };
        match (event["type"].as_str().unwrap(), delta["type"].as_str()) {
            ("message_start", _) => answer["usage"] = event["message"]["usage"].clone(),
            ("content_block_start", _) => {
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            (_, Some("text_delta")) => add("text"),
            (_, Some("thinking_delta")) => add("thinking"),
            (_, Some("input_json_delta")) => {
                *inputs.last_mut().unwrap() += &text(&delta["partial_json"]);
            }
            ("message_delta", _) => {
                answer["stop_reason"] = delta["stop_reason"].clone();
                for (name, count) in event["usage"].as_object().unwrap() {
                    answer["usage"][name] = count.clone();
                }
            }
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(inputs) {
        if !input.is_empty() {
            block["input"] = serde_json::from_str(&input).unwrap();
        }
    }
    answer["content"] = blocks.into();
    anthropic(&answer)
}

/// The prompt counts with what came from a cache and what went into one.
fn anthropic_usage(usage: &Value) -> Map<String, Value> {
    let count = |name: &str| usage[name].as_u64().unwrap_or_default();
    let input = count("input_tokens")
        + count("cache_read_input_tokens")
        + count("cache_creation_input_tokens");
    let total = input + count("output_tokens");
    named([
        ("input_tokens", Some(&input.into())),
        ("output_tokens", Some(&usage["output_tokens"])),
        ("total_tokens", Some(&total.into())),
        ("cache_read_tokens", usage.get("cache_read_input_tokens")),
        ("cache_write_tokens", usage.get("cache_creation_input_tokens")),
        ("reasoning_tokens", usage.pointer("/output_tokens_details/thinking_tokens")),
    ])
}

/// An answer, or the chunks of one, each of which holds what is new.
fn gemini(chunks: &[Value]) -> Expected {
    let mut expected = Expected::default();
    let id = text(&chunks[0]["responseId"]).replace(['-', '_'], "");
    for chunk in chunks {
        let candidate = &chunk["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let said = text(&part["text"]);
            if part["thought"] == true {
                expected.reasoning += &said;
            } else {
                expected.text += &said;
            }
            if let Some(call) = part.get("functionCall") {
                let made = format!("gemini_{id}_0_{}", expected.calls.len());
                let id = call["id"].as_str().map_or(made, str::to_owned);
                expected.calls.push((id, text(&call["name"]), call["args"].clone()));
            }
        }
        if let Some(reason) = candidate["finishReason"].as_str() {
            expected.stop = match reason {
                "STOP" if expected.calls.is_empty() => "end".to_owned(),
                "STOP" => "tool_calls".to_owned(),
                other => other.to_ascii_lowercase(),
            };
        }
        expected.usage = gemini_usage(&chunk["usageMetadata"]);
    }
    expected
}

/// The prompt counts with that of the provider's tools, the answer with the thoughts.
fn gemini_usage(usage: &Value) -> Map<String, Value> {
    let count = |name: &str| usage[name].as_u64().unwrap_or_default();
    let input = count("promptTokenCount") + count("toolUsePromptTokenCount");
    let output = count("candidatesTokenCount") + count("thoughtsTokenCount");
    named([
        ("input_tokens", Some(&input.into())),
        ("output_tokens", Some(&output.into())),
        ("total_tokens", usage.get("totalTokenCount")),
        ("cache_read_tokens", usage.get("cachedContentTokenCount")),
        ("reasoning_tokens", usage.get("thoughtsTokenCount")),
    ])
}

fn named<const N: usize>(counts: [(&str, Option<&Value>); N]) -> Map<String, Value> {
    let known = counts.into_iter().filter_map(|(name, count)| {
        Some((name.to_owned(), count.filter(|count| count.is_u64())?.clone()))
    });
    known.collect()
}
