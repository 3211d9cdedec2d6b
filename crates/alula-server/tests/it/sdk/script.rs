//! What the providers answer to every client, and what has to reach them.

use std::time::Duration;

use alula_llm::{
    ChatEvent, ErrorKind,
    testing::{FakeProvider, Fault, assert_sent},
};
use serde_json::{Value, json};

use super::Providers;

/// The numbers of the turns whose requests are looked at.
const TOOL_RESULT: usize = 3;
const STRUCTURED: usize = 4;
const VISION: usize = 5;
const STOP: usize = 6;

const PICTURE_URL: &str = "https://birds.example/kea.png";
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The turns that every one of these clients asks for, in this order.
pub(super) fn chat(fake: &FakeProvider) {
    fake.turn().says(["Hel", "lo"]).usage(12, 2).times(2);
    fake.turn().calls_tool("weather", json!({"city": "Bern"})).usage(12, 2);
    fake.turn().says("Sunny.").usage(12, 2);
    fake.turn().says(r#"{"name": "Kea", "wings": 2}"#).usage(12, 2);
    fake.turn().says("A kea.").usage(12, 2);
    fake.turn().says("One").stops_at("END").usage(12, 2);
    fake.turn().thinks("Hm.").seals("c2VhbA==").says("Yes").usage(12, 2).times(2);
    // Failures, of which the last one passes.
    fake.turn().then(Fault::RetryAfter(429, Duration::from_secs(7)));
    fake.turn().then(Fault::Error(ErrorKind::ContextTooLong));
    fake.turn().then(Fault::Error(ErrorKind::NotFound));
    fake.turn().then(Fault::Status(401));
    fake.turn().then(Fault::Status(503));
    fake.turn().then(Fault::RetryAfter(429, Duration::from_secs(1)));
    fake.turn().says("Hello").usage(12, 1);
    fake.turn().says(["Hel", "lo"]).then(Fault::ErrorAfter(1, ErrorKind::Unavailable));
    // The client gives up, before the answer and in the middle of it.
    fake.turn().then(Fault::Stall);
    fake.turn().says(["Hel", "lo"]).then(Fault::StallAfter(1));
}

/// Two answers to one question, the first one with the odds of its only token.
pub(super) fn two_answers(providers: &Providers) {
    let top = json!([{"token": "Yes", "logprob": -0.25, "bytes": null}]);
    let token = json!({"token": "Yes", "logprob": -0.25, "bytes": null, "top_logprobs": top});
    let openai = json!({"content": [token], "refusal": null});
    let token = json!({"token": "Yes", "tokenId": 7, "logProbability": -0.25});
    let top = json!([{"candidates": [&token]}]);
    let gemini = json!({"chosenCandidates": [token], "topCandidates": top});
    for (fake, logprobs) in [(&providers.openai, openai), (&providers.gemini, gemini)] {
        let text = |choice, text: &str| ChatEvent::Text { choice, part: 0, text: text.to_owned() };
        let odds = ChatEvent::Logprobs { choice: 0, logprobs };
        fake.turn().event(text(0, "Yes")).event(odds).event(text(1, "No"));
    }
}

/// Every request reached each provider in its own words.
pub(super) fn check_requests(providers: &Providers) {
    check_tools(providers);
    check_pictures(providers);
    let Providers { openai, anthropic, gemini } = providers;
    for fake in providers.all() {
        let body = fake[STRUCTURED].body();
        assert!(body.to_string().contains("wings"), "the schema does not go along: {body}");
    }
    assert_sent!(openai[STOP], {"stop": ["END"]});
    assert_sent!(anthropic[STOP], {"stop_sequences": ["END"]});
    assert_sent!(gemini[STOP], {"generationConfig": {"stopSequences": ["END"]}});
}

/// The last message of a request.
fn last(fake: &FakeProvider, turn: usize, list: &str) -> Value {
    fake[turn].body()[list].as_array().unwrap().last().unwrap().clone()
}

fn check_tools(providers: &Providers) {
    let Providers { openai, anthropic, gemini } = providers;
    let tool = |fake: &FakeProvider| fake[TOOL_RESULT].body()["tools"][0].clone();
    let text = json!("string");
    let function = tool(openai)["function"].clone();
    assert_eq!(function["name"], "weather");
    assert_eq!(function["parameters"]["properties"]["city"]["type"], text);
    let function = tool(anthropic);
    assert_eq!(function["name"], "weather");
    assert_eq!(function["input_schema"]["properties"]["city"]["type"], text);
    assert_eq!(tool(gemini)["functionDeclarations"][0]["name"], "weather");

    let result = last(openai, TOOL_RESULT, "messages");
    assert_eq!((&result["role"], &result["content"]), (&json!("tool"), &json!("sunny")));
    let result = last(anthropic, TOOL_RESULT, "messages")["content"][0].clone();
    assert_eq!(result["type"], "tool_result");
    assert!(result["content"].to_string().contains("sunny"), "{result}");
    let result = last(gemini, TOOL_RESULT, "contents")["parts"][0]["functionResponse"].clone();
    assert_eq!(result["name"], "weather");
    assert!(result["response"].to_string().contains("sunny"), "{result}");
}

/// One by its address and one as bytes.
fn check_pictures(providers: &Providers) {
    let Providers { openai, anthropic, gemini } = providers;
    let seen = last(openai, VISION, "messages")["content"].clone();
    assert_eq!(seen[1]["image_url"]["url"], PICTURE_URL);
    assert_eq!(seen[2]["image_url"]["url"], format!("data:image/png;base64,{PICTURE}"));
    let seen = last(anthropic, VISION, "messages")["content"].clone();
    assert_eq!(seen[1]["source"], json!({"type": "url", "url": PICTURE_URL}));
    let bytes = json!({"type": "base64", "media_type": "image/png", "data": PICTURE});
    assert_eq!(seen[2]["source"], bytes);
    let seen = last(gemini, VISION, "contents")["parts"].clone();
    assert_eq!(seen[1]["fileData"]["fileUri"], PICTURE_URL);
    assert_eq!(seen[2]["inlineData"], json!({"mimeType": "image/png", "data": PICTURE}));
}
