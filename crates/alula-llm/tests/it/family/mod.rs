//! The servers that speak chat completions in their own way: what they are sent.

mod answers;

use alula_llm::{
    ChatRequest, ErrorKind, Media, Message, OpenAi, Part, Provider, Role,
    model::{FunctionTool, Protocol, Reasoning, ResponseFormat, Thinking, ToolChoice},
    testing::{Cassettes, canonical},
};
use serde_json::{Value, json};

use crate::{recordings::root, server::Server};

const ANSWER: &str = r#"{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

fn write(server: &OpenAi, request: &ChatRequest) -> Value {
    server.request_json(request, false).unwrap()
}

fn all() -> [OpenAi; 13] {
    [
        OpenAi::azure("https://r.example/", "d", "2024-10-21", "k"),
        OpenAi::azure_v1("https://r.example", "k"),
        OpenAi::groq("k"),
        OpenAi::mistral("k"),
        OpenAi::deepseek("k"),
        OpenAi::openrouter("k"),
        OpenAi::cerebras("k"),
        OpenAi::xai("k"),
        OpenAi::together("k"),
        OpenAi::ollama(),
        OpenAi::vllm(),
        OpenAi::llama_cpp(),
        OpenAi::lm_studio(),
    ]
}

#[test]
fn each_server_gets_the_names_that_it_knows() {
    const NEWER: &str = "max_completion_tokens";
    const OLDER: &str = "max_tokens";
    let expected = [
        ("azure", NEWER, "developer"),
        ("azure", NEWER, "developer"),
        ("groq", NEWER, "system"),
        ("mistral", OLDER, "system"),
        ("deepseek", OLDER, "system"),
        ("openrouter", OLDER, "developer"),
        ("cerebras", NEWER, "system"),
        ("xai", NEWER, "system"),
        ("together", OLDER, "system"),
        ("ollama", OLDER, "system"),
        ("vllm", OLDER, "system"),
        ("llama-cpp", OLDER, "system"),
        ("lm-studio", OLDER, "system"),
    ];
    let request = ChatRequest::new("m")
        .message(Message::new(Role::Developer, vec![Part::text("s")]))
        .max_tokens(9);
    for (server, (name, limit, role)) in all().iter().zip(expected) {
        assert_eq!(server.name(), name);
        let mut body = server.request_json(&request, true).unwrap();
        let usage = body.as_object_mut().unwrap().shift_remove("stream_options");
        assert_eq!(usage.is_some(), name != "mistral");
        let messages = json!([{"role": role, "content": "s"}]);
        assert_eq!(
            body,
            json!({"model": "m", "messages": messages, limit: 9, "stream": true}),
            "{name}"
        );
    }
}

#[test]
fn the_limit_is_called_as_the_caller_did_where_that_is_understood() {
    let limit = |server: &OpenAi, name: &str| {
        let body = json!({"model": "m", "messages": [], name: 9});
        let body = write(server, &Protocol::OpenAiChat.request_from_json(body).unwrap());
        let names = ["max_tokens", "max_completion_tokens"];
        names.into_iter().find(|name| body.get(*name).is_some()).unwrap()
    };
    for server in [OpenAi::mistral("k"), OpenAi::deepseek("k"), OpenAi::ollama()] {
        assert_eq!(limit(&server, "max_completion_tokens"), "max_tokens");
    }
    for server in [OpenAi::groq("k"), OpenAi::vllm(), OpenAi::openrouter("k")] {
        for name in ["max_tokens", "max_completion_tokens"] {
            assert_eq!(limit(&server, name), name);
        }
    }
}

/// What a provider's own client sent goes out as it was.
#[test]
fn recorded_requests_are_left_alone() {
    let Some(root) = root() else { return };
    for (folder, server) in [
        ("groq", OpenAi::groq("k")),
        ("mistral", OpenAi::mistral("k")),
        ("deepseek", OpenAi::deepseek("k")),
        ("openrouter", OpenAi::openrouter("k")),
        ("cerebras", OpenAi::cerebras("k")),
    ] {
        for call in Cassettes::load(root.join(folder)).unwrap().iter() {
            if call.protocol() != Some(Protocol::OpenAiChat) {
                continue;
            }
            let request = Protocol::OpenAiChat.request_from_json(call.request.clone()).unwrap();
            let mut body = server.request_json(&request, call.is_stream()).unwrap();
            if call.request.get("stream_options").is_none() {
                body.as_object_mut().unwrap().shift_remove("stream_options");
            }
            assert_eq!(canonical(&body), canonical(&call.request), "{}", call.file.display());
        }
    }
}

#[test]
fn what_a_server_refuses_is_not_sent() {
    let mut request = ChatRequest::new("m").user("q").extra("logit_bias", json!({"1": 1}));
    request.logprobs = Some(true);
    request.top_logprobs = Some(2);
    request.presence_penalty = Some(0.1);
    request.frequency_penalty = Some(0.1);
    request.parallel_tool_calls = Some(true);
    request.top_k = Some(3);
    request.seed = Some(7);
    request.user = Some("u".to_owned());
    request.messages[0].extra.insert("name".to_owned(), "bob".into());
    let fields = |server: &OpenAi| {
        let body = write(server, &request);
        let names = body.as_object().unwrap().keys().skip(2).cloned().collect::<Vec<_>>();
        (names.join(" "), body["messages"][0].get("name").is_some())
    };
    let penalties = "presence_penalty frequency_penalty";
    for (server, names, has_name) in [
        (OpenAi::groq("k"), format!("seed {penalties} user parallel_tool_calls"), false),
        (OpenAi::mistral("k"), format!("{penalties} parallel_tool_calls random_seed"), false),
        (OpenAi::cerebras("k"), "seed logprobs top_logprobs user".to_owned(), false),
        (
            OpenAi::vllm(),
            format!(
                "top_k seed {penalties} logprobs top_logprobs user parallel_tool_calls logit_bias"
            ),
            true,
        ),
    ] {
        assert_eq!(fields(&server), (names, has_name), "{server:?}");
    }
    request.n = Some(2);
    for server in [OpenAi::groq("k"), OpenAi::cerebras("k")] {
        let error = server.request_json(&request, false).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
        assert!(error.message().contains("gives one answer"), "{error}");
    }
}

/// A conversation that was held with Anthropic.
fn foreign() -> ChatRequest {
    let body = json!({
        "model": "m", "max_tokens": 9, "system": "s", "top_k": 5,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "q"},
                {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "tool_use", "id": "toolu_01", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_01", "content": "r"},
                {"type": "text", "text": "and?"}]},
        ],
    });
    Protocol::AnthropicMessages.request_from_json(body).unwrap()
}

#[test]
fn a_conversation_from_elsewhere_is_accepted_by_all() {
    for server in &all() {
        let name = server.name();
        let mut request = foreign();
        let fetches = !["deepseek", "ollama", "lm-studio"].contains(&name);
        if !fetches {
            let is_text = |part: &Part| matches!(part, Part::Text(_));
            request.messages[1].parts.retain(is_text);
        }
        let body = write(server, &request);
        let messages = body["messages"].as_array().unwrap();
        let roles: Vec<_> = messages.iter().map(|it| it["role"].as_str().unwrap()).collect();
        let filler: &[&str] = if name == "mistral" { &["assistant"] } else { &[] };
        let expected = [&["system", "user", "assistant", "tool"], filler, &["user"]].concat();
        assert_eq!(roles, expected, "{name}");
        let url = &messages[1]["content"][1]["image_url"]["url"];
        assert_eq!(url, &if fetches { json!("https://x/a.png") } else { Value::Null }, "{name}");
        let id = messages[2]["tool_calls"][0]["id"].as_str().unwrap();
        assert_eq!(messages[3]["tool_call_id"], id);
        assert_eq!(id == "toolu_01", name != "mistral");
        let understood = ["openrouter", "together", "vllm", "llama-cpp", "lm-studio"];
        assert_eq!(body.get("top_k").is_some(), understood.contains(&name), "{name}");
        let thinking = match name {
            "openrouter" => ("reasoning", json!({"max_tokens": 2000})),
            "deepseek" => ("thinking", json!({"type": "enabled"})),
            _ => ("thinking", Value::Null),
        };
        assert_eq!(body[thinking.0], thinking.1, "{name}");
        let reasoning = messages[2].get("reasoning_content");
        // None is there to send, and an empty one is demanded.
        assert_eq!(reasoning, (name == "deepseek").then_some(&json!("")), "{name}");
    }
}

#[test]
fn mistral_gets_its_own_content() {
    let parts = [
        Part::File(Media::url("https://x/a.pdf").name("a")),
        Part::File(Media::bytes("application/pdf", b"abc")),
        Part::File(Media::file("f-1")),
        Part::Audio(Media::bytes("audio/wav", b"abc")),
    ];
    let thinking = Reasoning { text: "hm".to_owned(), ..Reasoning::default() };
    let request = ChatRequest::new("m")
        .user_parts(parts)
        .message(Message::new(Role::Assistant, vec![Part::Reasoning(thinking), Part::text("a")]));
    let expected = json!([
        {"role": "user", "content": [
            {"type": "document_url", "document_url": "https://x/a.pdf", "document_name": "a"},
            {"type": "document_url", "document_url": "data:application/pdf;base64,YWJj"},
            {"type": "file", "file_id": "f-1"},
            {"type": "input_audio", "input_audio": "YWJj"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
    ]);
    let mut body = write(&OpenAi::mistral("k"), &request);
    let said = &mut body["messages"][1]["content"];
    if said.is_string() {
        *said = json!([{"type": "text", "text": said.take()}]);
    }
    assert_eq!(body["messages"], expected);

    // Its own goes back as it came.
    let own = json!([
        {"role": "user", "content": [
            {"type": "document_url", "document_url": "https://x/a.pdf", "document_name": "a"},
            {"type": "document_url", "document_url": {"url": "https://x"}}]},
        {"role": "assistant", "prefix": false, "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": true},
            {"type": "thinking", "thinking": [{"type": "reference", "reference_ids": [1]}]},
            {"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}],
            "tool_calls": [{"id": "abcDEF123", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "abcDEF123", "name": "f", "content": "r"},
    ]);
    let body = json!({"model": "m", "messages": own});
    let request = Protocol::OpenAiChat.request_from_json(body.clone()).unwrap();
    assert_eq!(canonical(&write(&OpenAi::mistral("k"), &request)), canonical(&body));
    assert_eq!(request.messages[1].reasoning(), "hm");
    let anthropic = Protocol::AnthropicMessages.request_to_json(&request, false);
    assert_eq!(
        anthropic.unwrap()["messages"][1]["content"][0],
        json!({"type": "text", "text": "a"})
    );
}

#[test]
fn deepseek_gets_back_the_reasoning_of_turns_with_tools() {
    let call =
        json!([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a", "reasoning_content": "dropped"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "tool_calls": call, "reasoning": "kept"},
        {"role": "tool", "tool_call_id": "1", "content": "r"},
        {"role": "assistant", "tool_calls": call},
        {"role": "tool", "tool_call_id": "1", "content": "r"},
        {"role": "assistant", "content": "a", "reasoning_content": "kept"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a", "prefix": true, "reasoning_content": "kept"},
    ]});
    let request = Protocol::OpenAiChat.request_from_json(body).unwrap();
    let body = write(&OpenAi::deepseek("k"), &request);
    let sent = |at: usize| body["messages"][at].get("reasoning_content").and_then(Value::as_str);
    assert_eq!(
        [1, 3, 5, 7, 9].map(sent),
        [None, Some("kept"), Some(""), Some("kept"), Some("kept")]
    );
    assert_eq!(body["messages"][3].get("reasoning"), None);
}

#[test]
fn reasoning_goes_back_under_the_name_that_the_server_knows() {
    let said = |field: &str| {
        let message = json!({"role": "assistant", "content": "a", field: "hm"});
        Protocol::OpenAiChat
            .request_from_json(json!({"model": "m", "messages": [message]}))
            .unwrap()
    };
    for (server, name) in [
        (OpenAi::openrouter("k"), "reasoning"),
        (OpenAi::ollama(), "reasoning"),
        (OpenAi::xai("k"), "reasoning_content"),
        (OpenAi::llama_cpp(), "reasoning_content"),
    ] {
        for field in ["reasoning", "reasoning_content"] {
            let message = &write(&server, &said(field))["messages"][0];
            assert_eq!(message, &json!({"role": "assistant", "content": "a", name: "hm"}));
        }
    }
}

/// An answer of OpenAI, or of a server that thinks aloud, in a conversation with a strict one.
#[test]
fn what_an_answer_held_beside_its_text_does_not_go_to_strict_servers() {
    let call = json!({"id": "abcDEF123", "type": "function",
        "function": {"name": "f", "arguments": "{}"}});
    let body = json!({"model": "m", "messages": [
        {"role": "assistant", "content": "a", "refusal": null, "annotations": [], "audio": null,
            "function_call": null, "reasoning_content": "hm", "reasoning_details": []},
        {"role": "assistant", "content": null, "tool_calls": [call], "reasoning": "hm"},
        {"role": "tool", "tool_call_id": "abcDEF123", "name": "f", "content": "r"},
    ]});
    let request = Protocol::OpenAiChat.request_from_json(body).unwrap();
    for server in [OpenAi::groq("k"), OpenAi::cerebras("k"), OpenAi::mistral("k")] {
        let mut called = json!({"role": "assistant", "content": null, "tool_calls": [call]});
        if Provider::name(&server) != "mistral" {
            called["reasoning"] = "hm".into();
        }
        let expected = json!([
            {"role": "assistant", "content": "a"},
            called,
            {"role": "tool", "tool_call_id": "abcDEF123", "name": "f", "content": "r"},
        ]);
        assert_eq!(canonical(&write(&server, &request)["messages"]), canonical(&expected));
    }
}

#[test]
fn openrouter_is_told_how_to_think() {
    for (thinking, effort, expected) in [
        (Some(Thinking::Disabled), Some("low"), json!({"enabled": false})),
        (Some(Thinking::Adaptive), Some("low"), json!({"enabled": true, "effort": "low"})),
        (Some(Thinking::Budget(9)), Some("low"), json!({"max_tokens": 9})),
        (None, Some("low"), Value::Null),
    ] {
        let mut request = ChatRequest::new("m").user("q");
        request.thinking = thinking;
        request.reasoning_effort = effort.map(str::to_owned);
        let body = write(&OpenAi::openrouter("k"), &request);
        assert_eq!(body["reasoning"], expected);
        assert_eq!(body.get("reasoning_effort").is_some(), thinking.is_none());
    }
}

#[test]
fn local_servers_are_asked_in_words_they_know() {
    let tool = |name: &str| FunctionTool::new(name, "d", json!({}));
    let mut request = ChatRequest::new("m").user("q").tool(tool("f")).tool(tool("g"));
    request.response_format = Some(ResponseFormat::JsonObject);
    let request = request.tool_choice(ToolChoice::Function("g".to_owned()));
    for server in [OpenAi::llama_cpp(), OpenAi::lm_studio()] {
        let body = write(&server, &request);
        assert_eq!(body["tool_choice"], "required");
        assert_eq!(body["tools"].as_array().unwrap().len(), 1);
        assert_eq!(body["tools"][0]["function"]["name"], "g");
        let kind =
            if Provider::name(&server) == "lm-studio" { "json_schema" } else { "json_object" };
        assert_eq!(body["response_format"]["type"], kind);
        let none = request.clone().tool_choice(ToolChoice::Function("h".to_owned()));
        let error = server.request_json(&none, false).unwrap_err();
        assert!(error.message().contains("there is no function \"h\""), "{error}");
    }
    assert_eq!(write(&OpenAi::vllm(), &request)["tool_choice"]["function"]["name"], "g");
}

#[tokio::test]
async fn azure_is_called_by_deployment_or_by_model() {
    let server = Server::answer("200 OK\r\ncontent-type: application/json", ANSWER).await;
    let request = ChatRequest::new("m").user("hi");
    OpenAi::azure(server.url(), "d", "2024-10-21", "az-key").chat(&request).await.unwrap();
    OpenAi::azure_v1(format!("{}/", server.url()), "az-key").chat(&request).await.unwrap();
    OpenAi::azure_v1(server.url(), "")
        .header("authorization", "Bearer t")
        .chat(&request)
        .await
        .unwrap();
    let [old, new, token] = &server.requests()[..] else { panic!() };
    let path = "/openai/deployments/d/chat/completions?api-version=2024-10-21";
    assert_eq!(old.line, format!("POST {path} HTTP/1.1"));
    assert_eq!(new.line, "POST /openai/v1/chat/completions HTTP/1.1");
    for sent in [old, new] {
        assert_eq!(sent.header("api-key"), Some("az-key"));
        assert_eq!(sent.header("authorization"), None);
    }
    assert_eq!(token.header("api-key"), None);
    assert_eq!(token.header("authorization"), Some("Bearer t"));
}
