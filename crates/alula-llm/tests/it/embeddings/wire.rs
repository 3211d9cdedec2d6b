//! What goes to each provider, and what comes back.

use alula_llm::{
    Anthropic, Cohere, EmbedRequest, ErrorKind, Gemini, Llm, OpenAi, OpenAiResponses, Provider,
    model::Purpose,
    testing::{Interaction, Outcome, check},
};
use serde_json::{Value, json};

use crate::server::{Request, Server};

const JSON: &str = "200 OK\r\ncontent-type: application/json";

/// Asks the provider made for a server that answers so, and returns what that was sent.
async fn asked<P: Provider + 'static>(
    answer: &Value,
    provider: impl FnOnce(String) -> P,
    request: EmbedRequest,
) -> Request {
    let server = Server::answer(JSON, answer.to_string()).await;
    let llm = Llm::builder().provider(provider(server.url())).build().unwrap();
    let response = llm.embed(request).await.unwrap();
    assert_eq!(response.vectors.as_slice(), [0.5, -0.25, 1.0, 0.0]);
    assert_eq!(response.usage.unwrap().input, 4);
    server.requests().remove(0)
}

fn two() -> EmbedRequest {
    EmbedRequest::new("m").texts(["a", "b"]).purpose(Purpose::Query).dimensions(2)
}

fn openai_answer(vectors: [Value; 2]) -> Value {
    let item =
        |(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector});
    let data: Vec<Value> = vectors.into_iter().enumerate().map(item).collect();
    json!({"object": "list", "model": "m", "data": data,
        "usage": {"prompt_tokens": 4, "total_tokens": 4}})
}

fn floats() -> Value {
    openai_answer([json!([0.5, -0.25]), json!([1, 0])])
}

#[tokio::test]
async fn compatible_servers_are_asked_in_their_words() {
    let base64 = openai_answer([json!("AAAAPwAAgL4="), json!("AACAPwAAAAA=")]);
    let plain = json!({"model": "m", "input": ["a", "b"], "dimensions": 2});
    let mut encoded = plain.clone();
    encoded["encoding_format"] = "base64".into();
    let mistral = json!({"model": "m", "input": ["a", "b"], "output_dimension": 2});
    for (provider, answer, body) in [
        (OpenAi::azure_v1("https://x", "k"), &base64, &encoded),
        (OpenAi::vllm(), &base64, &encoded),
        // Who does not know the field answers with numbers.
        (OpenAi::llama_cpp(), &floats(), &encoded),
        (OpenAi::ollama(), &floats(), &plain),
        (OpenAi::lm_studio(), &floats(), &plain),
        (OpenAi::together("k"), &floats(), &plain),
        (OpenAi::openrouter("k"), &floats(), &plain),
        (OpenAi::mistral("k"), &floats(), &mistral),
    ] {
        let name = format!("{provider:?}");
        let sent = asked(answer, |url| provider.base_url(url), two()).await;
        assert_eq!(sent.line, "POST /v1/embeddings HTTP/1.1");
        assert_eq!(&sent.body, body, "{name}");
    }
    let official = OpenAi::new("k").embed_json(&two()).unwrap();
    assert_eq!(official, encoded);
    let sent = asked(&floats(), |url| OpenAiResponses::compatible("x", url), two()).await;
    assert_eq!(sent.line, "POST /v1/embeddings HTTP/1.1");
    let deployment = |url: String| OpenAi::azure(url, "d", "1", "k");
    let sent = asked(&base64, deployment, two()).await;
    let line = "POST /openai/deployments/d/embeddings?api-version=1 HTTP/1.1";
    assert_eq!((sent.line.as_str(), sent.header("api-key")), (line, Some("k")));
}

#[tokio::test]
async fn gemini_and_cohere_are_asked_in_theirs() {
    let answer = json!({"embeddings": [{"values": [0.5, -0.25]}, {"values": [1, 0]}],
        "usageMetadata": {"promptTokenCount": 4}});
    let sent = asked(&answer, |url| Gemini::new("k").base_url(url), two()).await;
    assert_eq!(sent.line, "POST /v1beta/models/m:batchEmbedContents HTTP/1.1");
    let item = |text: &str| {
        json!({"content": {"parts": [{"text": text}]}, "model": "models/m",
            "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2})
    };
    assert_eq!(sent.body, json!({"requests": [item("a"), item("b")]}));

    let answer = json!({"id": "1", "embeddings": {"float": [[0.5, -0.25], [1, 0]]},
        "meta": {"billed_units": {"input_tokens": 4}}});
    let sent = asked(&answer, |url| Cohere::new("k").base_url(url), two()).await;
    assert_eq!(sent.line, "POST /v2/embed HTTP/1.1");
    let expected = json!({"model": "m", "texts": ["a", "b"], "input_type": "search_query",
        "embedding_types": ["float"], "output_dimension": 2});
    assert_eq!(sent.body, expected);

    let base = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/l/\
                publishers/google";
    let vertex = Gemini::compatible("vertex", base);
    let item = |text: &str| json!({"content": text, "task_type": "RETRIEVAL_QUERY"});
    let expected = json!({"instances": [item("a"), item("b")],
        "parameters": {"outputDimensionality": 2}});
    assert_eq!(vertex.embed_json(&two()).unwrap(), expected);
    assert_eq!(vertex.embed_limits("gemini-embedding-001").inputs, 1);
    assert_eq!(vertex.embed_limits("text-embedding-005").inputs, 250);
}

#[tokio::test]
async fn who_has_no_embeddings_says_so_before_any_call() {
    let nowhere = "http://127.0.0.1:1";
    let none: [Box<dyn Provider>; 5] = [
        Box::new(OpenAi::groq("k").base_url(nowhere)),
        Box::new(OpenAi::deepseek("k").base_url(nowhere)),
        Box::new(OpenAi::cerebras("k").base_url(nowhere)),
        Box::new(OpenAi::xai("k").base_url(nowhere)),
        Box::new(Anthropic::new("k").base_url(nowhere)),
    ];
    for provider in none {
        let error = provider.embed(&two()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unsupported);
        assert_eq!(error.to_string(), format!("{}: it has no embeddings", provider.name()));
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error() {
    let embed = |answer: Value, request: EmbedRequest| async move {
        let server = Server::answer(JSON, answer.to_string()).await;
        let openai = OpenAi::compatible("x", server.url());
        let error = openai.embed(&request).await.unwrap_err();
        (error.kind().clone(), error.message().to_owned())
    };
    let decode = |message: &str| (ErrorKind::Decode, message.to_owned());
    let one = EmbedRequest::new("m").text("a");
    assert_eq!(embed(floats(), one).await, decode("asked for 1 vectors, got 2"));
    let longer = two().dimensions(3);
    assert_eq!(embed(floats(), longer).await, decode("asked for vectors of 3 numbers, got 2"));
    let uneven = openai_answer([json!([1]), json!([1, 2])]);
    let message = "one vector has 1 numbers and another one 2";
    assert_eq!(embed(uneven, two()).await, decode(message));
    let (kind, message) = embed(json!({"object": "list"}), two()).await;
    assert_eq!(kind, ErrorKind::Decode);
    assert!(message.starts_with("the answer holds no vectors: missing field `data`"), "{message}");
    // An error that comes with a status of success.
    let failed = json!({"error": {"message": "no", "code": "insufficient_quota"}});
    assert_eq!(embed(failed, two()).await, (ErrorKind::QuotaExceeded, "no".to_owned()));
}

fn recorded(path: &str, request: Value, status: u16, answer: &Value) -> Interaction {
    Interaction {
        file: "f.yaml".into(),
        method: "POST".to_owned(),
        host: "x.example".to_owned(),
        path: path.to_owned(),
        query: None,
        request,
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: answer.to_string().into(),
        ..Interaction::default()
    }
}

#[tokio::test]
async fn recordings_of_embeddings_and_counts_are_checked() {
    let vector = [-0.039_315_943_f64, 0.009_755_219_332_873_821];
    let text = json!({"model": "m", "input": "a"});
    let content = json!({"parts": [{"text": "a"}], "role": "user"});
    let batch = json!({"requests": [{"content": content, "model": "models/m"}]});
    let messages = json!([{"role": "user", "content": "a"}]);
    let openai = json!({"object": "list", "model": "m", "usage": {"prompt_tokens": 1},
        "data": [{"object": "embedding", "index": 0, "embedding": vector}]});
    let predictions = json!({"predictions": [{"embeddings": {"values": vector}}]});
    let count = json!({"input_tokens": 3});
    let whole = json!({"generateContentRequest": {"model": "models/m", "contents": [content],
        "systemInstruction": {"parts": [{"text": "b"}]}}});
    for (path, request, answer) in [
        ("/v1/embeddings", text.clone(), openai),
        ("/models/m:batchEmbedContents", batch, json!({"embeddings": [{"values": vector}]})),
        (
            "/models/m:embedContent",
            json!({"content": content}),
            json!({"embedding": {"values": vector}}),
        ),
        ("/models/m:predict", json!({"instances": [{"content": "a"}]}), predictions),
        (
            "/v2/embed",
            json!({"model": "m", "texts": ["a"], "max_tokens": null}),
            json!({"embeddings": {"float": [vector]}}),
        ),
        ("/v1/messages/count_tokens", json!({"model": "m", "messages": messages}), count.clone()),
        (
            "/v1/responses/input_tokens",
            json!({"model": "m", "input": messages}),
            json!({"object": "response.input_tokens", "input_tokens": 3}),
        ),
        ("/models/m:countTokens", json!({"contents": [content]}), json!({"totalTokens": 3})),
        ("/models/m:countTokens", whole, json!({"totalTokens": 3})),
    ] {
        let outcome = check(&recorded(path, request, 200, &answer)).await;
        assert_eq!(outcome, Outcome::Passed, "{path}");
    }
    let failed = json!({"error": {"message": "no such model"}});
    let outcome = check(&recorded("/v1/embeddings", text.clone(), 404, &failed)).await;
    assert_eq!(outcome, Outcome::Passed);
    let nothing = recorded("/v1/embeddings", text, 200, &json!({"data": []}));
    let nothing = check(&nothing).await;
    assert_eq!(nothing, Outcome::Failed("the answer has no vectors".to_owned()));
}
