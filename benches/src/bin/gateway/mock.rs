//! The provider: it answers at once, or streams tokens that say when they were written.

use std::{convert::Infallible, io::Write as _, net::SocketAddr, time::Duration};

use alula_benches::server::stdin_closed;
use anyhow::Result;
use axum::{
    Router,
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
    routing::post,
    serve::ListenerExt as _,
};
use futures_util::{Stream, StreamExt as _, stream};
use memchr::memmem;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep_until},
};

use crate::wire::{ANSWER, MODEL, PROVIDER_KEY, TOKEN_GAP_MS, TOKENS, token};

/// Serves until standard input is closed.
pub(crate) async fn serve() -> Result<()> {
    run(Router::new().route("/v1/chat/completions", post(answer))).await
}

/// Serves routes on a free port, whose address is printed, until standard input is closed.
pub(crate) async fn run(routes: Router) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    // A socket that does not take it is only slower.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    axum::serve(listener, routes).with_graceful_shutdown(stdin_closed()).await?;
    Ok(())
}

fn announce(address: SocketAddr) -> Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{address}")?;
    Ok(stdout.flush()?)
}

async fn answer(headers: HeaderMap, body: Bytes) -> Response {
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if key.and_then(|value| value.strip_prefix("Bearer ")) != Some(PROVIDER_KEY) {
        return (StatusCode::UNAUTHORIZED, "not the key of the mock").into_response();
    }
    let says = |text: &str| memmem::find(&body, text.as_bytes()).is_some();
    if !says(&format!("\"{MODEL}\"")) {
        return (StatusCode::NOT_FOUND, "not the model of the mock").into_response();
    }
    if !says("\"stream\":true") && !says("\"stream\": true") {
        let json = HeaderValue::from_static("application/json");
        return ([(CONTENT_TYPE, json)], completion().to_string()).into_response();
    }
    let wants_usage = says("\"include_usage\":true") || says("\"include_usage\": true");
    let events = HeaderValue::from_static("text/event-stream");
    let body = Body::from_stream(events_of(wants_usage).map(Ok::<_, Infallible>));
    ([(CONTENT_TYPE, events)], body).into_response()
}

fn completion() -> Value {
    json!({
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": ANSWER, "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    })
}

fn usage() -> Value {
    json!({ "prompt_tokens": 60, "completion_tokens": 20, "total_tokens": 80 })
}

fn events_of(wants_usage: bool) -> impl Stream<Item = Bytes> {
    let start = Instant::now();
    let tokens = stream::iter(0..TOKENS).then(move |number| async move {
        sleep_until(start + Duration::from_millis(TOKEN_GAP_MS) * number).await;
        let delta = json!({ "content": token() });
        Bytes::from(event(&json!([choice(&delta, None)]), &Value::Null))
    });
    let mut end = event(&json!([choice(&json!({}), Some("stop"))]), &Value::Null);
    if wants_usage {
        end += &event(&json!([]), &usage());
    }
    end += "data: [DONE]\n\n";
    tokens.chain(stream::iter([Bytes::from(end)]))
}

fn choice(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason })
}

fn event(choices: &Value, usage: &Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
        "choices": choices,
        "usage": usage,
    });
    format!("data: {chunk}\n\n")
}
