//! Answers are read without loss, and so that their fields have names.

use alula_llm::{ChatResponse, ErrorKind, Part, StopReason, model::Protocol};
use serde_json::{Value, json};

#[track_caller]
fn check(body: &Value) -> ChatResponse {
    let response = Protocol::GeminiGenerate.response_from_json(body.clone()).unwrap();
    let written = Protocol::GeminiGenerate.response_to_json(&response).unwrap();
    assert_eq!(&written, body);
    response
}

fn candidate(fields: Value) -> Value {
    json!({"candidates": [fields]})
}

#[test]
fn every_field_of_an_answer_survives() {
    let response = check(&json!({
        "responseId": "r", "modelVersion": "m", "createTime": "t", "modelStatus": {},
        "promptFeedback": {"safetyRatings": []},
        "candidates": [
            {"index": 0, "finishReason": "STOP", "finishMessage": "done", "avgLogprobs": -0.5,
                "content": {"role": "model", "parts": [
                    {"text": "hm", "thought": true, "thoughtSignature": "s"},
                    {"executableCode": {"code": "1"}},
                    {"text": "a", "thoughtSignature": "t"},
                    {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
                "safetyRatings": [{"category": "c", "probability": "LOW", "blocked": false}],
                "citationMetadata": {"citationSources": [
                    {"startIndex": 0, "endIndex": 1, "uri": "https://q", "license": "mit"}]},
                "groundingMetadata": {"webSearchQueries": ["q"], "groundingChunks": [
                    {"web": {"uri": "https://w", "title": "w"}},
                    {"retrievedContext": {"title": "f", "text": "words"}}],
                    "groundingSupports": [{"segment": {"endIndex": 1}}]},
                "logprobsResult": {"chosenCandidates": [{"token": "a"}]}},
            {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS"},
        ],
        "usageMetadata": {"promptTokenCount": 10, "cachedContentTokenCount": 4,
            "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "toolUsePromptTokenCount": 3,
            "totalTokenCount": 25, "serviceTier": "standard",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8},
                {"modality": "AUDIO", "tokenCount": 2}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}]},
    }));
    let usage = response.usage.as_ref().unwrap();
    assert_eq!((usage.input, usage.output, usage.total()), (13, 12, 25));
    assert_eq!((usage.cache_read, usage.reasoning), (Some(4), Some(7)));
    assert_eq!((usage.audio_input, usage.audio_output), (Some(2), Some(1)));
    let message = response.message().unwrap();
    assert_eq!((message.reasoning(), message.text()), ("hm".into(), "a".into()));
    assert!(matches!(message.parts[1], Part::Other(_)));
    assert!(matches!(message.parts[3], Part::Image(_)));
    let sources: Vec<_> =
        message.citations().map(|it| (it.url(), it.title(), it.cited_text())).collect();
    assert_eq!(
        sources,
        [
            (Some("https://q"), None, None),
            (Some("https://w"), Some("w"), None),
            (None, Some("f"), Some("words")),
        ]
    );
    assert_eq!(response.choices[1].stop, Some(StopReason::MaxTokens));
    assert!(response.choices[0].logprobs.is_some());
}

#[test]
fn every_reason_to_stop_survives() {
    let filtered = [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    ];
    let others = [
        "FINISH_REASON_UNSPECIFIED",
        "LANGUAGE",
        "OTHER",
        "MALFORMED_FUNCTION_CALL",
        "IMAGE_OTHER",
        "NO_IMAGE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "A_NEW_ONE",
    ];
    let known = [("STOP", StopReason::End), ("MAX_TOKENS", StopReason::MaxTokens)];
    let filtered = filtered.map(|reason| (reason, StopReason::ContentFilter));
    let others = others.map(|reason| (reason, StopReason::Other(reason.to_owned())));
    for (reason, expected) in known.into_iter().chain(filtered).chain(others) {
        let response = check(&candidate(json!({"finishReason": reason})));
        assert_eq!(response.stop(), Some(&expected), "{reason}");
    }
    let call = json!({"functionCall": {"name": "f"}});
    let content = json!({"role": "model", "parts": [call]});
    let response = check(&candidate(json!({"finishReason": "STOP", "content": content})));
    assert_eq!(response.stop(), Some(&StopReason::ToolCalls));
}

#[test]
fn an_answer_may_lack_anything() {
    for body in [
        candidate(json!({})),
        candidate(json!({"content": {}})),
        candidate(json!({"content": {"role": "model"}, "finishReason": "MAX_TOKENS"})),
        candidate(json!({"content": {"role": "model", "parts": []}})),
        candidate(json!({"content": {"parts": [{"text": ""}]}, "finishReason": null})),
        json!({"candidates": [], "usageMetadata": {"promptTokenCount": 1}}),
        json!({"candidates": null, "usageMetadata": {}}),
        json!({"usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 0,
            "thoughtsTokenCount": 0, "totalTokenCount": 0}, "modelVersion": ""}),
    ] {
        check(&body);
    }
}

#[test]
fn a_blocked_prompt_is_an_answer_that_says_so() {
    let body = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT",
        "blockReasonMessage": "no"}, "usageMetadata": {"promptTokenCount": 3}, "responseId": "r"});
    let response = check(&body);
    assert_eq!(response.stop(), Some(&StopReason::ContentFilter));
    assert_eq!(response.text(), "");
    let openai = Protocol::OpenAiChat.response_to_json(&response).unwrap();
    assert_eq!(openai["choices"][0]["finish_reason"], "content_filter");
}

#[test]
fn ids_are_the_same_whenever_an_answer_is_read_and_differ_between_answers() {
    let ids = |response: &str| -> Vec<String> {
        let call = json!({"functionCall": {"name": "f", "args": {}}});
        let content = json!({"role": "model", "parts": [call, call]});
        let body = json!({"candidates": [{"content": content}], "responseId": response});
        check(&body).tool_calls().map(|call| call.id.clone()).collect()
    };
    assert_eq!(ids("a"), ids("a"));
    let mut all = [ids("a"), ids("b")].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4, "{all:?}");
}

#[test]
fn json_that_is_no_answer_is_an_error() {
    for body in [json!({}), json!([]), json!("a"), json!({"candidates": [1]}), json!({"id": "1"})] {
        let error = Protocol::GeminiGenerate.response_from_json(body.clone()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Decode, "{body}");
    }
}
