//! Requests are read without loss, and so that their fields have names.

use alula_llm::{
    ChatRequest, ErrorKind, Part, Role, Tool,
    model::{Protocol, ResponseFormat, Source, Thinking, ToolChoice},
};
use serde_json::{Value, json};

/// Reads and writes; the JSON must not change.
#[track_caller]
fn check(body: Value) -> ChatRequest {
    let request = Protocol::GeminiGenerate.request_from_json(body.clone()).unwrap();
    let written = Protocol::GeminiGenerate.request_to_json(&request, false).unwrap();
    assert_eq!(written, body);
    request
}

fn said(part: Value) -> Value {
    json!({"contents": [{"role": "user", "parts": [part]}]})
}

#[test]
fn every_named_field_is_understood() {
    let request = check(json!({
        "systemInstruction": {"role": "user", "parts": [{"text": "s"}, {"text": "t"}]},
        "contents": [{"role": "user", "parts": [{"text": "u"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}, "retrievalConfig": {}},
        "safetySettings": [{"category": "c", "threshold": "t"}],
        "cachedContent": "cachedContents/x",
        "generationConfig": {
            "temperature": 0.5, "topP": 0.25, "topK": 40, "maxOutputTokens": 9,
            "stopSequences": ["END"], "candidateCount": 2, "seed": -7, "presencePenalty": 0.5,
            "frequencyPenalty": -0.5, "responseLogprobs": true, "logprobs": 3,
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 64},
            "responseModalities": ["TEXT"], "mediaResolution": "MEDIA_RESOLUTION_LOW",
        },
    }));
    assert_eq!(request.messages[0].role, Role::System);
    assert_eq!((request.messages[0].text(), request.messages[1].text()), ("st".into(), "u".into()));
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    assert_eq!(
        (request.temperature, request.top_p, request.top_k),
        (Some(0.5), Some(0.25), Some(40))
    );
    assert_eq!((request.max_tokens, request.n, request.seed), (Some(9), Some(2), Some(-7)));
    assert_eq!(request.stop, ["END"]);
    assert_eq!((request.presence_penalty, request.frequency_penalty), (Some(0.5), Some(-0.5)));
    assert_eq!((request.logprobs, request.top_logprobs), (Some(true), Some(3)));
    assert_eq!(request.thinking, Some(Thinking::Budget(64)));
    assert!(matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. })));
    let unnamed: Vec<_> = request.extra.keys().map(String::as_str).collect();
    assert_eq!(unnamed, ["toolConfig", "safetySettings", "cachedContent", "generationConfig"]);
}

#[test]
fn what_is_written_in_another_way_stays_so() {
    for config in [
        json!({}),
        json!({"topK": 40.5, "stopSequences": [], "thinkingConfig": {}}),
        json!({"thinkingConfig": {"thinkingLevel": "low"}}),
        json!({"thinkingConfig": {"thinkingLevel": "HIGH", "thinkingBudget": -5}}),
        json!({"thinkingConfig": {"thinkingBudget": -1}}),
        json!({"responseMimeType": "text/plain"}),
        json!({"responseMimeType": "application/json"}),
        json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}}),
        json!({"responseMimeType": "application/json", "response_json_schema": {"type": "object"}}),
        json!({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING"}}),
        json!({"responseJsonSchema": {"type": "object"}}),
    ] {
        check(json!({"contents": [], "generationConfig": config}));
    }
    for content in [
        json!({"parts": [{"text": "a"}]}),
        json!({"role": "user"}),
        json!({"role": "user", "parts": []}),
        json!({"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}),
        json!({"role": null, "parts": "a"}),
    ] {
        check(json!({"contents": [content]}));
    }
    check(json!({"contents": [], "systemInstruction": {"parts": [{"text": "s"}]}}));
    check(json!({"contents": [], "systemInstruction": "s", "model": "models/m"}));
}

#[test]
fn parts_of_every_kind_survive() {
    for part in [
        json!({"text": "a", "thoughtSignature": "x", "thought": false}),
        json!({"inlineData": {"mimeType": "image/png", "data": "AA_-", "displayName": "n"}}),
        json!({"inlineData": {"mimeType": "video/mp4", "data": "AAAA"},
            "videoMetadata": {"fps": 1}, "mediaResolution": {"level": "l"}}),
        json!({"inlineData": {"data": "AAAA"}}),
        json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": true}),
        json!({"fileData": {"fileUri": "https://x.example/a.png"}}),
        json!({"functionCall": {"name": "f"}}),
        json!({"functionCall": {"name": "f", "args": {}, "id": "1"}, "thoughtSignature": "x"}),
        json!({"functionCall": {"willContinue": true}}),
        json!({"executableCode": {"language": "PYTHON", "code": "1"}}),
        json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
        json!({"toolCall": {"toolType": "FILE_SEARCH", "id": "1", "args": {}}}),
        json!({"new": 1}),
        json!("no part"),
    ] {
        check(said(part));
    }
    let thought = check(said(json!({"text": "hm", "thought": true, "thoughtSignature": "x"})));
    let Part::Reasoning(reasoning) = &thought.messages[0].parts[0] else { panic!("{thought:?}") };
    assert_eq!((&*reasoning.text, reasoning.signature.as_deref()), ("hm", Some("x")));
    let file = "https://generativelanguage.googleapis.com/v1beta/files/x";
    let audio = check(said(json!({"fileData": {"mimeType": "audio/mp3", "fileUri": file}})));
    let Part::Audio(media) = &audio.messages[0].parts[0] else { panic!("{audio:?}") };
    assert_eq!(media.source, Source::File(file.to_owned()));
}

#[test]
fn results_of_tools_survive() {
    for response in [
        json!({"output": "a"}),
        json!({"output": "{\"a\": 1}"}),
        json!({"output": 1}),
        json!({"error": "a"}),
        json!({"error": {"code": 1}}),
        json!({"result": [1.5, null]}),
        json!({"output": "a", "more": true}),
        json!({}),
    ] {
        check(said(json!({"functionResponse": {"name": "f", "response": response}})));
    }
    let media = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let response = json!({"output": "a"});
    for parts in [json!([]), json!([media])] {
        check(said(json!({"functionResponse": {
            "id": "1", "name": "f", "response": response, "parts": parts, "scheduling": "SILENT"}})));
    }
}

/// A result belongs to the first call of its name that has no answer yet.
#[test]
fn calls_without_ids_get_some_and_so_do_their_results() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let result = |name: &str| json!({"functionResponse": {"name": name, "response": {}}});
    let with_id = json!({"functionCall": {"name": "h", "id": "x"}});
    let request = check(json!({"contents": [
        {"role": "model", "parts": [call("f"), call("g"), call("f"), with_id]},
        {"role": "user", "parts": [result("f"), result("f"), result("g"), result("h"), result("i")]},
        {"role": "model", "parts": [call("f")]},
        {"role": "user", "parts": [result("f")]},
    ]}));
    let ids = |turn: usize| -> Vec<&str> {
        let ids = request.messages[turn].parts.iter().map(|part| match part {
            Part::ToolCall(call) => &*call.id,
            Part::ToolResult(result) => &*result.id,
            _ => "",
        });
        ids.collect()
    };
    let [f1, g, f2, h] = ids(0)[..] else { panic!() };
    assert_eq!(h, "x");
    assert_eq!(ids(1), [f1, f2, g, h, ""]);
    assert_eq!(ids(2), ids(3));
    let mut all = vec![f1, g, f2, ids(2)[0]];
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4, "an id was given twice");
}

#[test]
fn tools_survive_however_they_are_grouped() {
    let modern = json!({"name": "f", "description": "d",
        "parametersJsonSchema": {"type": "object"}, "behavior": "BLOCKING"});
    let spelled = json!({"name": "g", "parameters_json_schema": {"type": "object"}});
    let old = json!({"name": "h", "description": "",
        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}});
    let group = |list: Value| json!({"functionDeclarations": list});
    let search = json!({"googleSearch": {}});
    let both = json!({"functionDeclarations": [modern], "codeExecution": {}});
    for (tools, count) in [
        (json!([group(json!([modern, old]))]), 2),
        (json!([group(json!([modern])), group(json!([spelled]))]), 2),
        (json!([search, group(json!([old]))]), 2),
        (json!([both]), 2),
        (json!([group(json!([]))]), 0),
        (json!([]), 0),
        (json!(["no tool", group(json!([{"no": "name"}]))]), 2),
    ] {
        let request = check(json!({"contents": [], "tools": tools}));
        assert_eq!(request.tools.len(), count, "{tools}");
    }
    let mut request = check(json!({"contents": [], "tools": [group(json!([old]))]}));
    let Tool::Function(function) = &mut request.tools[0] else { panic!("{request:?}") };
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    assert_eq!(function.parameters.as_ref(), Some(&schema));
    function.name = "changed".to_owned();
    let written = Protocol::GeminiGenerate.request_to_json(&request, false).unwrap();
    assert_eq!(
        written["tools"][0]["functionDeclarations"][0],
        json!({"name": "changed", "description": "", "parametersJsonSchema": schema})
    );
    request.tools.clear();
    let written = Protocol::GeminiGenerate.request_to_json(&request, false).unwrap();
    assert_eq!(written, json!({"contents": []}));
}

#[test]
fn rules_on_tools_survive() {
    for (rule, choice) in [
        (json!({"mode": "AUTO"}), Some(ToolChoice::Auto)),
        (json!({"mode": "NONE"}), Some(ToolChoice::None)),
        (
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
            Some(ToolChoice::Function("f".to_owned())),
        ),
        (json!({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}), None),
        (json!({"mode": "VALIDATED"}), None),
        (json!({}), None),
    ] {
        let body = json!({"contents": [], "toolConfig": {"functionCallingConfig": rule}});
        let choice = choice.unwrap_or(ToolChoice::Other(rule));
        assert_eq!(check(body).tool_choice, Some(choice));
    }
}

#[test]
fn json_that_is_no_request_is_refused() {
    for (body, message) in [
        (json!([]), "not a JSON object"),
        (json!({"model": "m"}), "contents: a list is missing"),
        (json!({"contents": "a"}), "contents: a list is missing"),
        (json!({"contents": [{}, 1]}), "contents[1]: no object"),
    ] {
        let error = Protocol::GeminiGenerate.request_from_json(body).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
        assert!(error.message().contains(message), "{error}");
    }
}
