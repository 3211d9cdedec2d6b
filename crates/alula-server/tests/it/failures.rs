//! What the client is told when a provider fails.

use serde_json::json;

use crate::{
    client::Answer,
    process::{NOBODY, serve_openai},
    upstream::{STREAM_HEAD, Upstream, answer, token},
};

/// Asks, while the provider answers with these bytes and closes the connection.
async fn asked(path: &str, reply: &str) -> Answer {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_ATTEMPTS", "1").listen();
    let answering = async { upstream.call().await.answer(reply).await };
    let question = json!({"message": "Hi"});
    tokio::join!(answering, alula.post(path, &question)).1
}

#[tokio::test]
async fn a_provider_that_never_begins_is_a_504() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_FIRST_TOKEN_SECONDS", "0.2").listen();
    let question = json!({"message": "Hi"});
    for head in ["", STREAM_HEAD] {
        let answering = async {
            let mut call = upstream.call().await;
            call.send(head).await;
            call.closed().await
        };
        let (_, answer) = tokio::join!(answering, alula.post("/chat/stream", &question));
        assert_eq!(answer.detail(504), "openai sent no first token in time");
        assert_ne!(answer.header("retry-after"), "");
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_a_504() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_TOTAL_SECONDS", "0.2").listen();
    let question = json!({"message": "Hi"});
    let answering = async { upstream.call().await.closed().await };
    let (_, answer) = tokio::join!(answering, alula.post("/chat", &question));
    assert_eq!(answer.detail(504), "openai did not answer in time");
    assert_ne!(answer.header("retry-after"), "");
}

#[tokio::test]
async fn a_rate_limit_is_passed_on_with_its_time_to_wait() {
    let reply = answer(
        "429 Too Many Requests\r\nretry-after: 3",
        r#"{"error":{"message":"slow down, org-secret"}}"#,
    );
    for path in ["/chat", "/chat/stream"] {
        let answer = asked(path, &reply).await;
        assert_eq!(answer.detail(429), "openai is over its rate limit");
        assert_eq!(answer.header("retry-after"), "3");
    }
}

#[tokio::test]
async fn our_own_trouble_with_a_provider_is_a_502_without_details() {
    let body =
        r#"{"error":{"message":"Incorrect API key provided: sk-secret","code":"invalid_api_key"}}"#;
    for path in ["/chat", "/chat/stream"] {
        let answer = asked(path, &answer("401 Unauthorized", body)).await;
        assert_eq!(answer.detail(502), "openai refuses this server's account");
        assert!(!format!("{answer:?}").contains("secret"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_mistake_of_the_client_is_told_in_the_providers_words() {
    let body = r#"{"error":{"message":"max_tokens is too large"}}"#;
    let answer = asked("/chat", &answer("400 Bad Request", body)).await;
    assert_eq!(answer.detail(400), "max_tokens is too large");
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_a_502() {
    let alula = serve_openai(NOBODY).listen();
    for path in ["/chat", "/chat/stream"] {
        let answer = alula.post(path, &json!({"message": "Hi"})).await;
        assert_eq!(answer.detail(502), "openai cannot be reached");
        assert_ne!(answer.header("retry-after"), "");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_understands_is_a_502() {
    for reply in [answer("200 OK", "<html>"), answer("200 OK", "{}"), "nonsense\r\n\r\n".to_owned()]
    {
        asked("/chat", &reply).await.detail(502);
        asked("/chat/stream", &reply).await.detail(502);
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_an_error_and_not_with_done() {
    let body = |text: &str| format!("{STREAM_HEAD}{}{text}", token("first"));
    let failed = "data: {\"error\":{\"message\":\"no\",\"code\":503}}\n\n";
    for (rest, detail) in [
        ("", "openai broke off or sent an answer nobody understands"),
        ("data: {\"choi", "openai broke off or sent an answer nobody understands"),
        (failed, "openai is overloaded"),
    ] {
        let events = asked("/chat/stream", &body(rest)).await.events();
        let [first, error] = &*events else { panic!("{events:?}") };
        assert_eq!(first.json(), json!({"token": "first"}));
        assert_eq!((&*error.name, error.json()), ("error", json!({"detail": detail})));
    }
}

#[tokio::test]
async fn a_failure_before_the_first_token_has_its_status() {
    let failed = "data: {\"error\":{\"message\":\"no\",\"code\":503}}\n\n";
    let answer = asked("/chat/stream", &format!("{STREAM_HEAD}{failed}")).await;
    assert_eq!(answer.detail(503), "openai is overloaded");
}

#[tokio::test]
async fn a_model_that_the_provider_does_not_have_is_a_404() {
    let body = r#"{"error":{"message":"The model `m` does not exist","code":"model_not_found"}}"#;
    let answer = asked("/chat", &answer("404 Not Found", body)).await;
    assert_eq!(answer.detail(404), "The model `m` does not exist");
}
