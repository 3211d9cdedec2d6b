//! What was said by hand or in another protocol, said in Gemini's, and back.

use alula_llm::{
    ChatRequest, ErrorKind, Gemini, Media, Message, Part, Role,
    model::{FunctionTool, Protocol, Thinking, ToolCall, ToolChoice, ToolResult},
};
use serde_json::{Value, json};

fn write(request: &ChatRequest) -> Value {
    Gemini::new("k").request_json(request, true).unwrap()
}

#[test]
fn a_request_made_by_hand_has_every_feature() {
    let mut request = ChatRequest::new("gemini-2.5-flash")
        .system("s")
        .user_parts([
            Part::text("u"),
            Part::Image(Media::bytes("image/png", [0, 0, 0])),
            Part::Image(Media::url("https://x.example/a.jpg?v=1")),
            Part::File(Media::text("t").name("n.txt")),
        ])
        .tool(FunctionTool::new("f", "d", json!({"type": "object"})))
        .tool_choice(ToolChoice::Function("f".to_owned()))
        .temperature(0.5)
        .max_tokens(9)
        .stop("END")
        .extra("safetySettings", json!([]));
    request.thinking = Some(Thinking::Budget(64));
    request.top_p = Some(0.5);
    request.top_k = Some(4);
    request.seed = Some(1);
    request.n = Some(2);
    request.logprobs = Some(true);
    request.top_logprobs = Some(3);
    request.presence_penalty = Some(0.25);
    request.frequency_penalty = Some(0.75);
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [{"role": "user", "parts": [
            {"text": "u"},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.example/a.jpg?v=1"}},
            {"inlineData": {"mimeType": "text/plain", "data": "dA=="}},
        ]}],
        "tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "temperature": 0.5, "topP": 0.5, "topK": 4, "maxOutputTokens": 9,
            "stopSequences": ["END"], "candidateCount": 2, "seed": 1, "presencePenalty": 0.25,
            "frequencyPenalty": 0.75, "responseLogprobs": true, "logprobs": 3,
            "thinkingConfig": {"thinkingBudget": 64, "includeThoughts": true},
        },
        "safetySettings": [],
    });
    assert_eq!(write(&request), expected);
}

#[test]
fn a_conversation_with_tools_goes_from_openai_to_gemini() {
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"a\":1}"}});
    let body = json!({"model": "gemini-3-pro", "store": true, "reasoning_effort": "low",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "u"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "content": "", "tool_calls": [call("1", "f"), call("2", "g")]},
        {"role": "tool", "tool_call_id": "2", "content": "r2"},
        {"role": "tool", "tool_call_id": "1", "content": "{\"r\":1}"},
        {"role": "developer", "content": "t"},
        {"role": "user", "content": "and?"},
    ]});
    let request = Protocol::OpenAiChat.request_from_json(body).unwrap();
    let called = |id: &str, name: &str| json!({"id": id, "name": name, "args": {"a": 1}});
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "s"}, {"text": "t"}]},
        "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}},
        "contents": [
            {"role": "user", "parts": [{"text": "u"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [
                // Gemini 3 takes no calls without the seal of whoever made them.
                {"functionCall": called("1", "f"),
                    "thoughtSignature": "skip_thought_signature_validator"},
                {"functionCall": called("2", "g")}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "2", "name": "g", "response": {"output": "r2"}}},
                {"functionResponse": {"id": "1", "name": "f", "response": {"r": 1}}}]},
            {"role": "user", "parts": [{"text": "and?"}]},
        ],
    });
    assert_eq!(write(&request), expected);
}

#[test]
fn a_conversation_goes_from_anthropic_to_gemini() {
    let image = json!({"type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let body = json!({"model": "gemini-2.5-pro", "max_tokens": 9,
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "messages": [
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "x"},
            {"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "1", "is_error": true,
                "content": [{"type": "text", "text": "r"}, image]},
            {"type": "text", "text": "and?"}]},
    ]});
    let mut request = Protocol::AnthropicMessages.request_from_json(body).unwrap();
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let result = json!({"id": "1", "name": "f", "response": {"error": "r"}});
    let written = write(&request);
    assert_eq!(
        written["contents"],
        json!([
            {"role": "model", "parts": [{"functionCall": {"id": "1", "name": "f", "args": {}}}]},
            {"role": "user", "parts": [
                {"functionResponse": result}, {"text": "and?"}, picture]},
        ])
    );
    let config = json!({"thinkingBudget": 2048, "includeThoughts": true});
    assert_eq!(written["generationConfig"]["thinkingConfig"], config);
    // Gemini 3 takes pictures within a result.
    request.model = "gemini-3-flash".to_owned();
    let parts = &write(&request)["contents"][1]["parts"];
    assert_eq!(parts[0]["functionResponse"]["parts"], json!([picture]));
    assert_eq!(parts[1], json!({"text": "and?"}));
}

/// Gemini 3 checks the seal of the first call of a turn, also of one that nobody sealed.
#[test]
fn a_call_made_by_hand_is_excused_from_its_seal() {
    let call = ToolCall { id: "1".to_owned(), name: "f".to_owned(), ..ToolCall::default() };
    let turn = Message::new(Role::Assistant, vec![Part::ToolCall(call)]);
    for (model, seal) in [
        ("gemini-2.5-flash", Value::Null),
        ("gemini-3-pro", json!("skip_thought_signature_validator")),
    ] {
        let written = write(&ChatRequest::new(model).message(turn.clone()));
        let part = &written["contents"][0]["parts"][0];
        assert_eq!(part["functionCall"], json!({"id": "1", "name": "f", "args": {}}));
        assert_eq!(part["thoughtSignature"], seal, "{model}");
    }
}

#[test]
fn an_effort_is_a_level_or_a_number_of_tokens() {
    for (model, effort, expected) in [
        ("gemini-2.5-flash", "none", json!({"thinkingBudget": 0})),
        ("gemini-2.5-flash", "medium", json!({"thinkingBudget": 8192})),
        ("gemini-3-pro", "none", json!({"thinkingLevel": "MINIMAL"})),
        ("gemini-3-pro", "high", json!({"thinkingLevel": "HIGH"})),
        ("gemini-flash-latest", "odd", json!({"thinkingLevel": "ODD"})),
    ] {
        let mut request = ChatRequest::new(model).user("u");
        request.reasoning_effort = Some(effort.to_owned());
        let written = write(&request);
        assert_eq!(written["generationConfig"]["thinkingConfig"], expected, "{model} {effort}");
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    let foreign = json!({"model": "m", "messages": [], "tools": [{"type": "custom"}]});
    let form = json!({"model": "m", "messages": [], "response_format": {"type": "grammar"}});
    let call = |arguments: &str| {
        let function = json!({"name": "f", "arguments": arguments});
        json!({"model": "m", "messages": [{"role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": function}]}]})
    };
    let openai = |body: Value| Protocol::OpenAiChat.request_from_json(body).unwrap();
    let lonely = ChatRequest::new("m").message(Message::tool_result("1", "r"));
    for (request, message) in [
        (openai(foreign), "has no tool like"),
        (openai(form), "has no {\"type\":\"grammar\"}"),
        (openai(call("[1]")), "no JSON object"),
        (openai(call("{")), "are not JSON"),
        (lonely, "has the id \"1\""),
    ] {
        let error = Gemini::new("k").request_json(&request, false).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
        assert!(error.message().contains(message), "{error}");
    }
}

/// An answer without ids goes on with another provider, and its result comes back.
#[test]
fn an_answer_goes_to_openai_and_its_result_back() {
    let answer = json!({"responseId": "r-1", "modelVersion": "m", "candidates": [{"index": 0,
        "finishReason": "STOP", "content": {"role": "model", "parts": [
            {"text": "hm", "thought": true},
            {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "x"}]}}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2,
            "thoughtsTokenCount": 3, "totalTokenCount": 10}});
    let response = Protocol::GeminiGenerate.response_from_json(answer).unwrap();
    let written = Protocol::OpenAiChat.response_to_json(&response).unwrap();
    let choice = &written["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(written["usage"]["completion_tokens"], 5);
    let id = choice["message"]["tool_calls"][0]["id"].as_str().unwrap();
    assert!((1..=40).contains(&id.len()), "{id} is none of OpenAI's");

    let message = response.choices[0].message.clone();
    let request = ChatRequest::new("m").user("u").message(message);
    let request = request.message(Message::tool_result(id, "r"));
    let contents = &write(&request)["contents"];
    let call = json!({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "x"});
    assert_eq!(contents[1]["parts"][1], call);
    let result = json!({"functionResponse": {"name": "f", "response": {"output": "r"}}});
    assert_eq!(contents[2], json!({"role": "user", "parts": [result]}));
}

#[test]
fn a_result_made_by_hand_needs_its_call_only() {
    let result =
        ToolResult { id: "1".to_owned(), parts: vec![Part::text("r")], ..ToolResult::default() };
    let call = json!({"functionCall": {"id": "1", "name": "f"}});
    let history = json!({"contents": [{"role": "model", "parts": [call]}]});
    let mut request = Protocol::GeminiGenerate.request_from_json(history).unwrap();
    request.messages.push(Message::new(Role::User, vec![Part::ToolResult(result)]));
    let written = Protocol::GeminiGenerate.request_to_json(&request, false).unwrap();
    let expected = json!({"id": "1", "name": "f", "response": {"output": "r"}});
    assert_eq!(written["contents"][1]["parts"][0]["functionResponse"], expected);
}

#[test]
fn an_answer_of_another_provider_is_written_as_one_of_gemini() {
    let answer = json!({"id": "1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "a", "citations": [
            {"type": "web_search_result_location", "url": "https://x", "title": "t"}]}],
        "stop_reason": "max_tokens", "stop_sequence": null,
        "usage": {"input_tokens": 1, "cache_read_input_tokens": 4, "output_tokens": 2}});
    let response = Protocol::AnthropicMessages.response_from_json(answer).unwrap();
    let expected = json!({"responseId": "1", "modelVersion": "m",
        "candidates": [{"index": 0, "finishReason": "MAX_TOKENS",
            "content": {"role": "model", "parts": [{"text": "a"}]},
            "citationMetadata": {"citationSources": [{"uri": "https://x", "title": "t"}]}}],
        "usageMetadata": {"promptTokenCount": 5, "cachedContentTokenCount": 4,
            "candidatesTokenCount": 2, "totalTokenCount": 7}});
    assert_eq!(Protocol::GeminiGenerate.response_to_json(&response).unwrap(), expected);
}
