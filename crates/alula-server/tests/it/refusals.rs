//! Requests that no provider ever sees.

use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    process::{serve, serve_openai},
    upstream::Upstream,
};

#[tokio::test]
async fn a_wrong_request_is_refused_before_any_provider_is_called() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let entry = |kind: &str, loc: Value, msg: &str, input: Value| json!({"detail": [{"type": kind, "loc": loc, "msg": msg, "input": input}]});
    let hot = json!({"message": "a", "temperature": "hot"});
    let cases = [
        (
            hot.clone(),
            entry(
                "float_parsing",
                json!(["body", "temperature"]),
                "Input should be a valid number, unable to parse string as a number",
                json!("hot"),
            ),
        ),
        (
            json!({"message": "a", "temprature": 1}),
            entry(
                "extra_forbidden",
                json!(["body", "temprature"]),
                "Extra inputs are not permitted",
                json!(1),
            ),
        ),
        (
            json!({"message": ["a"]}),
            entry(
                "string_type",
                json!(["body", "message"]),
                "Input should be a valid string",
                json!(["a"]),
            ),
        ),
    ];
    for path in ["/chat", "/chat/stream"] {
        for (body, expected) in &cases {
            assert_eq!(&alula.post(path, body).await.is(422), expected);
        }
        let missing = alula.post(path, &json!({"temperature": 1})).await.is(422);
        let msg = "Value error, there is neither a message nor options.messages";
        assert_eq!(missing["detail"][0]["msg"], msg);
        let broken = alula.post_text(path, "{\"message\": ").await.is(422);
        assert_eq!(broken["detail"][0]["type"], "json_invalid");
    }
    let batch = alula.post("/batch", &json!([hot])).await.is(422);
    assert_eq!(batch["detail"][0]["loc"], json!(["body", 0, "temperature"]));
    assert!(upstream.is_left_alone(), "a provider was called");
}

#[tokio::test]
async fn what_is_no_request_for_an_endpoint_is_answered_as_json() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_BODY_BYTES_MAX", "1000").listen();
    assert_eq!(alula.get("/nothing").await.detail(404), "Not Found");
    let wrong_method = alula.get("/chat").await;
    assert_eq!(wrong_method.detail(405), "Method Not Allowed");
    assert_eq!(wrong_method.header("allow"), "POST");
    let plain = http().post(alula.url("/chat")).header("content-type", "text/plain");
    let plain = Answer::of(plain.body(r#"{"message":"a"}"#)).await;
    assert!(plain.detail(415).contains("application/json"));

    let body = |length: usize| {
        let around = json!({"message": "", "temperature": 9}).to_string().len();
        json!({"message": "a".repeat(length - around), "temperature": 9}).to_string()
    };
    assert_eq!(alula.post_text("/chat", body(999)).await.status, 422);
    assert_eq!(alula.post_text("/chat", body(1000)).await.status, 422);
    alula.post_text("/chat", body(1001)).await.detail(413);
    assert!(upstream.is_left_alone(), "a provider was called");
}

#[tokio::test]
async fn without_keys_only_names_of_this_machine_are_answered() {
    let ask = |alula: &crate::process::Alula, host: &'static str| {
        let body = json!({"message": "a"});
        Answer::of(http().post(alula.url("/chat")).header("host", host).json(&body))
    };
    let alula = serve().listen();
    let refused = ask(&alula, "evil.example").await.detail(421);
    assert!(refused.contains("--allow-unauthenticated"), "{refused}");
    ask(&alula, "localhost:8000").await.is(200);

    let open = crate::process::alula(&["serve", "--port", "0", "--allow-unauthenticated"]).listen();
    ask(&open, "api.example").await.is(200);
}

/// A browser sends it without asking first, and it would be paid for.
#[tokio::test]
async fn without_keys_a_page_of_another_site_cannot_ask() {
    let alula = serve().listen();
    for (origin, status) in [("https://example.com", 403), ("http://localhost:3000", 200)] {
        let body = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;
        let request = http().post(alula.url("/v1/chat/completions")).header("origin", origin);
        let answer = Answer::of(request.header("content-type", "text/plain").body(body)).await;
        assert_eq!(answer.status, status, "{origin}: {answer:?}");
    }
}
