//! Without keys: what a newcomer sees first.

use serde_json::json;

use crate::{client::joined, process::serve};

#[tokio::test]
async fn the_server_says_how_it_is() {
    let alula = serve().listen();
    assert_eq!(alula.get("/").await.is(200), json!({"message": "AI API is running"}));
    for path in ["/health", "/health/live"] {
        assert_eq!(alula.get(path).await.is(200), json!({"status": "healthy"}));
    }
    let ended = alula.end();
    assert!(ended.stdout.contains("/docs"), "{ended:?}");
    assert!(ended.stdout.contains("demo without a model"), "{ended:?}");
}

#[tokio::test]
async fn the_documentation_is_there() {
    let alula = serve().listen();
    let docs = alula.get("/docs").await;
    assert_eq!((docs.status, docs.header("content-type")), (200, "text/html; charset=utf-8"));
    let document = alula.get("/openapi.json").await.is(200);
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/", "/health", "/health/live", "/chat", "/chat/stream", "/batch"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

#[tokio::test]
async fn the_demo_says_that_it_is_one() {
    let alula = serve().listen();
    let answer = alula.post("/chat", &json!({"message": "Hello there"})).await.is(200);
    let text = answer["response"].as_str().unwrap();
    assert!(text.contains("demo") && text.contains("“Hello there”"), "{text}");
    assert_eq!((&answer["model"], &answer["stop_reason"]), (&json!("demo"), &json!("end")));
    assert_eq!(answer["usage"]["input_tokens"], 2);
    assert_eq!(answer["tokens_used"], answer["usage"]["total_tokens"]);

    let streamed = alula.post("/chat/stream", &json!({"message": "Hello there"})).await;
    assert!(streamed.header("content-type").starts_with("text/event-stream"));
    assert_eq!(streamed.header("x-accel-buffering"), "no");
    let events = streamed.events();
    assert!(events.len() > 10, "{events:?}");
    let (streamed_text, summary) = joined(&events);
    assert_eq!(streamed_text, text);
    assert_eq!(summary["usage"], answer["usage"]);
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_its_errors() {
    let alula = serve().listen();
    let question = |number| json!({"message": format!("question {number}")});
    let mut questions: Vec<_> = (0..20).map(question).collect();
    questions[7] = json!({"options": {"messages": "no list"}});
    let answers = alula.post("/batch", &questions.into()).await.is(200);
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 20);
    for (number, answer) in answers.iter().enumerate() {
        if number == 7 {
            let error = json!({"status": 400, "detail": "messages: a list is missing"});
            assert_eq!(answer, &json!({"error": error}));
        } else {
            let text = answer["response"].as_str().unwrap();
            assert!(text.contains(&format!("“question {number}”")), "{text}");
        }
    }
    let mistake = alula.post("/batch", &json!([{"message": "a"}, {"message": 1.5}])).await.is(422);
    assert_eq!(mistake["detail"][0]["loc"], json!(["body", 1, "message"]));
    assert_eq!(alula.post("/batch", &json!([])).await.status, 422);
}

#[tokio::test]
async fn a_model_without_a_provider_is_the_demos() {
    let alula = serve().env("ALULA_MODEL", "demo/demo").listen();
    let answer = alula.post("/chat", &json!({"message": "Hello"})).await.is(200);
    assert_eq!(answer["model"], "demo");
}

#[tokio::test]
async fn an_unusable_address_of_ollama_does_not_stop_the_server() {
    let alula = serve().env("OLLAMA_HOST", "http://[").listen();
    alula.post("/chat", &json!({"message": "Hello"})).await.is(200);
    let ended = alula.end();
    assert!(ended.stderr.contains("Ollama is left out"), "{ended:?}");
}
