//! Answers in JSON of a schema: how each provider is asked, and that the answer is text.

use alula_llm::{
    Anthropic, ChatRequest, ChatResponse, Cohere, ErrorKind, Gemini, Llm, OpenAi, OpenAiResponses,
    Provider, RelayRequest, StopReason,
    model::{FunctionTool, Protocol, Thinking},
};
use serde_json::{Value, json};

use crate::server::{Request, Server};

const JSON: &str = "200 OK\r\ncontent-type: application/json";
const EVENTS: &str = "200 OK\r\ncontent-type: text/event-stream";

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false})
}

fn request(model: &str) -> ChatRequest {
    ChatRequest::new(model).user("Where?").json_schema("place", schema())
}

fn own_tool() -> FunctionTool {
    FunctionTool::new("lookup", "", json!({"type": "object"}))
}

fn openai_form() -> Value {
    json!({"type": "json_schema",
        "json_schema": {"name": "place", "schema": schema(), "strict": true}})
}

#[test]
fn servers_of_chat_completions_have_a_response_format() {
    for provider in [
        OpenAi::new("k"),
        OpenAi::azure_v1("https://x.example", "k"),
        OpenAi::mistral("k"),
        OpenAi::openrouter("k"),
        OpenAi::cerebras("k"),
        OpenAi::xai("k"),
        OpenAi::together("k"),
        OpenAi::ollama(),
        OpenAi::vllm(),
        OpenAi::llama_cpp(),
        OpenAi::lm_studio(),
    ] {
        for request in [request("m"), request("m").tool(own_tool())] {
            let body = provider.request_json(&request, true).unwrap();
            assert_eq!(body["response_format"], openai_form(), "{provider:?}");
            assert_eq!(body.get("tool_choice"), None);
        }
    }
    // Groq has it with some models, but neither in a stream nor beside tools.
    let groq = OpenAi::groq("k");
    let known = request("openai/gpt-oss-20b");
    assert_eq!(groq.request_json(&known, false).unwrap()["response_format"], openai_form());
    let by_tool = |request: &ChatRequest, stream| {
        let body = groq.request_json(request, stream).unwrap();
        assert_eq!(body.get("response_format"), None);
        body["tool_choice"].clone()
    };
    let named = json!({"type": "function", "function": {"name": "place"}});
    assert_eq!(by_tool(&known, true), named);
    assert_eq!(by_tool(&request("llama-3.3-70b-versatile"), false), named);
    assert_eq!(by_tool(&known.tool(own_tool()), false), "required");
}

#[test]
fn the_other_protocols_have_forms_of_their_own() {
    let body = OpenAiResponses::new("k").request_json(&request("m"), false).unwrap();
    let format =
        json!({"type": "json_schema", "name": "place", "schema": schema(), "strict": true});
    assert_eq!(body["text"]["format"], format);
    let body = Anthropic::new("k").request_json(&request("claude-sonnet-4-5"), false).unwrap();
    let format = json!({"type": "json_schema", "schema": schema()});
    assert_eq!(body["output_config"]["format"], format);
    let body = Gemini::new("k").request_json(&request("gemini-2.5-flash"), false).unwrap();
    let config = json!({"responseMimeType": "application/json", "responseJsonSchema": schema()});
    assert_eq!(body["generationConfig"], config);
    let with_tool = request("gemini-3-pro-preview").tool(own_tool());
    let body = Gemini::new("k").request_json(&with_tool, false).unwrap();
    assert_eq!(body["generationConfig"], config);
    let body = Cohere::new("k").request_json(&request("command-a-03-2025"), false).unwrap();
    let format = json!({"type": "json_object", "json_schema": schema()});
    assert_eq!(body["response_format"], format);
}

const ANSWER: &str = r#"{"city":"Ulm"}"#;

/// Asks for a whole answer and for a stream of it, and returns what was sent for the former.
async fn asked<P: Provider + 'static>(
    provider: impl Fn(String) -> P,
    request: &ChatRequest,
    whole: Value,
    events: &[Value],
) -> Request {
    let check = |answer: ChatResponse| {
        assert_eq!(answer.text(), ANSWER);
        assert_eq!(answer.tool_calls().count(), 0);
        assert_eq!(answer.stop(), Some(&StopReason::End));
    };
    let server = Server::answer(JSON, whole.to_string()).await;
    let llm = Llm::builder().provider(provider(server.url())).build().unwrap();
    check(llm.chat(request.clone()).await.unwrap());
    let lines = events.iter().map(|event| {
        let name = event.get("type").and_then(Value::as_str).unwrap_or("message");
        format!("event: {name}\ndata: {event}\n\n")
    });
    let streaming = Server::answer(EVENTS, lines.collect::<String>()).await;
    let llm = Llm::builder().provider(provider(streaming.url())).build().unwrap();
    check(llm.stream(request.clone()).await.unwrap().accumulate().await.unwrap());
    server.requests().remove(0)
}

fn openai_answer() -> (Value, Vec<Value>) {
    let function = |arguments: &str| json!({"name": "place", "arguments": arguments});
    let call = json!({"id": "1", "type": "function", "function": function(ANSWER)});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let choice = json!({"index": 0, "message": message, "finish_reason": "tool_calls"});
    let whole = json!({"id": "1", "model": "m", "choices": [choice]});
    let chunk = |delta: Value, stop: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": stop});
        json!({"id": "1", "model": "m", "choices": [choice]})
    };
    let (first, second) = ANSWER.split_at(5);
    let call = json!({"index": 0, "id": "1", "type": "function", "function": function(first)});
    let more = json!({"index": 0, "function": {"arguments": second}});
    let events = vec![
        chunk(json!({"role": "assistant", "content": "Here: "}), Value::Null),
        chunk(json!({"tool_calls": [call]}), Value::Null),
        chunk(json!({"tool_calls": [more]}), Value::Null),
        chunk(json!({}), "tool_calls".into()),
    ];
    (whole, events)
}

#[tokio::test]
async fn deepseek_and_groq_answer_by_a_tool() {
    let (whole, events) = openai_answer();
    for provider in [OpenAi::deepseek, OpenAi::groq] {
        let at = |url: String| provider("k").base_url(url);
        let sent = asked(at, &request("m"), whole.clone(), &events).await;
        assert_eq!(sent.body.get("response_format"), None);
        assert_eq!(sent.body["tools"][0]["function"]["parameters"], schema());
        let choice = json!({"type": "function", "function": {"name": "place"}});
        assert_eq!(sent.body["tool_choice"], choice);
    }
    // It cannot be made to call a tool while it thinks.
    let mut thinking = request("deepseek-chat");
    thinking.thinking = Some(Thinking::Adaptive);
    for request in [thinking, request("deepseek-reasoner")] {
        let body = OpenAi::deepseek("k").request_json(&request, false).unwrap();
        assert_eq!(body["tool_choice"], "auto");
    }
}

#[tokio::test]
async fn older_models_of_anthropic_answer_by_a_tool() {
    let input = json!({"city": "Ulm"});
    let call = json!({"type": "tool_use", "id": "1", "name": "place", "input": input});
    let message = |content: Value, stop: Value| {
        json!({"id": "1", "type": "message", "role": "assistant", "model": "m",
            "content": content, "stop_reason": stop, "usage": {"input_tokens": 1,
            "output_tokens": 1}})
    };
    let begun = json!({"type": "tool_use", "id": "1", "name": "place", "input": {}});
    let delta = json!({"type": "input_json_delta", "partial_json": ANSWER});
    let events = [
        json!({"type": "message_start", "message": message(json!([]), Value::Null)}),
        json!({"type": "content_block_start", "index": 0, "content_block": begun}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    let whole = message(json!([call]), "tool_use".into());
    let at = |url: String| Anthropic::new("k").base_url(url);
    let old = request("claude-3-5-haiku-latest");
    let sent = asked(at, &old, whole, &events).await;
    assert_eq!(sent.body["tool_choice"], json!({"type": "tool", "name": "place"}));
    assert_eq!(sent.body["tools"][0]["input_schema"], schema());
    assert_eq!(sent.body.get("output_config"), None);

    let mut thinking = old.clone();
    thinking.thinking = Some(Thinking::Budget(2000));
    let body = Anthropic::new("k").request_json(&thinking, false).unwrap();
    assert_eq!(body["tool_choice"], json!({"type": "auto"}));
    // In the protocol's own words it is sent as it was written.
    let own = json!({"model": "claude-3-5-haiku-latest", "messages": [], "max_tokens": 1,
        "output_config": {"format": {"type": "json_schema", "schema": schema()}}});
    let read = Protocol::AnthropicMessages.request_from_json(own.clone()).unwrap();
    assert_eq!(Anthropic::new("k").request_json(&read, false).unwrap(), own);
}

#[tokio::test]
async fn beside_tools_gemini_and_cohere_answer_by_one_more() {
    let part = json!({"functionCall": {"name": "place", "args": {"city": "Ulm"}}});
    let content = json!({"role": "model", "parts": [part]});
    let whole = json!({"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}]});
    let at = |url: String| Gemini::new("k").base_url(url);
    let asks = request("gemini-2.5-flash").tool(own_tool());
    let sent = asked(at, &asks, whole.clone(), &[whole]).await;
    assert_eq!(sent.body.get("generationConfig"), None);
    assert_eq!(sent.body["toolConfig"]["functionCallingConfig"]["mode"], "ANY");

    let function = json!({"name": "place", "arguments": ANSWER});
    let call = json!({"id": "1", "type": "function", "function": function});
    let whole = json!({"id": "1", "finish_reason": "TOOL_CALL",
        "message": {"role": "assistant", "tool_calls": [call]}});
    let delta = json!({"message": {"tool_calls": call}});
    let events = [
        json!({"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}}),
        json!({"type": "tool-call-start", "index": 0, "delta": delta}),
        json!({"type": "tool-call-end", "index": 0}),
        json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}),
    ];
    let at = |url: String| Cohere::new("k").base_url(url);
    let asks = request("command-a-03-2025").tool(own_tool());
    let sent = asked(at, &asks, whole, &events).await;
    assert_eq!(sent.body.get("response_format"), None);
    assert_eq!(sent.body["tool_choice"], "REQUIRED");
    assert_eq!(sent.body["tools"][1]["function"]["parameters"], schema());
}

#[tokio::test]
async fn a_request_that_is_passed_on_is_translated_where_a_tool_answers() {
    let (whole, _) = openai_answer();
    let server = Server::answer(JSON, whole.to_string()).await;
    let llm = Llm::builder().provider(OpenAi::deepseek("k").base_url(server.url())).build();
    let llm = llm.unwrap();
    let body = json!({"model": "m", "messages": [], "response_format": openai_form()});
    let request = RelayRequest::new(Protocol::OpenAiChat, body.to_string()).unwrap();
    let answer = llm.relay(request).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], ANSWER);
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(server.requests()[0].body["tools"][0]["function"]["name"], "place");
}

#[test]
fn a_schema_that_is_no_object_cannot_be_a_tool() {
    let list = ChatRequest::new("m").json_schema("list", json!({"type": "array"}));
    let error = OpenAi::deepseek("k").request_json(&list, false).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    assert!(OpenAi::ollama().request_json(&list, false).is_ok());
}
