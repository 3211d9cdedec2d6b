//! Streams come as they are written.

use serde_json::json;

use crate::{
    client::joined,
    process::serve_openai,
    upstream::{STREAM_END, STREAM_HEAD, Upstream, token},
};

#[tokio::test]
async fn the_first_token_comes_before_the_provider_has_finished() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let (mut call, mut stream) = alula.begun_stream(&upstream).await;
    // The provider says no more until the client has the first token.
    let first = stream.next().await.unwrap();
    assert_eq!(first.json(), json!({"token": "first"}));
    call.send(&token(" second")).await;
    assert_eq!(stream.next().await.unwrap().json(), json!({"token": " second"}));
    call.answer(STREAM_END).await;
    let mut events = vec![first];
    events.extend(stream.rest().await);
    assert_eq!(joined(&events).1["stop_reason"], "end");
}

#[tokio::test]
async fn the_key_and_the_question_reach_the_provider() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let question = json!({"message": "Hi", "system_prompt": "Be brief.", "temperature": 0.5,
        "max_tokens": 7, "model": "openai/m", "options": {"seed": 3}});
    let answering = async {
        let mut call = upstream.call().await;
        call.send(&format!("{STREAM_HEAD}{}{STREAM_END}", token("ok"))).await;
        (call.head.clone(), call.body.clone())
    };
    let ((head, body), answer) = tokio::join!(answering, alula.post("/chat/stream", &question));
    assert_eq!(joined(&answer.events()).0, "ok");
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer sk-test\r\n"), "{head}");
    let messages =
        json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]);
    assert_eq!(
        body,
        json!({"model": "m", "messages": messages, "temperature": 0.5, "max_tokens": 7, "seed": 3,
            "stream": true, "stream_options": {"include_usage": true}})
    );
}
