//! The proxy that one writes by hand in an afternoon: axum in front, reqwest behind.
//!
//! It knows one key and one model, and waits 10 seconds for an answer to begin. It has no limits,
//! no retries and no accounts: what a gateway does beyond it has its price.

use std::time::Duration;

use anyhow::Result;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    mock,
    wire::{CLIENT_KEY, MODEL, PROVIDER_KEY},
};

const FIRST_BYTE_TIME: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
struct Provider {
    client: reqwest::Client,
    url: String,
}

/// Serves until standard input is closed.
pub(crate) async fn serve(provider: &str) -> Result<()> {
    // The client wants to know how to encrypt, even if it never does. It fails only if it is known.
    _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(FIRST_BYTE_TIME)
        .pool_max_idle_per_host(usize::MAX)
        .tcp_nodelay(true)
        .no_proxy()
        .build()?;
    let provider = Provider { client, url: format!("http://{provider}/v1/chat/completions") };
    let routes = Router::new().route("/v1/chat/completions", post(pass_on));
    mock::run(routes.with_state(provider)).await
}

async fn pass_on(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> Response {
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if key.and_then(|value| value.strip_prefix("Bearer ")) != Some(CLIENT_KEY) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(Value::Object(mut request)) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    request.insert("model".to_owned(), MODEL.into());
    let call = provider
        .client
        .post(&provider.url)
        .bearer_auth(PROVIDER_KEY)
        .header(CONTENT_TYPE, "application/json")
        .body(Value::Object(request).to_string());
    let answer = match timeout(FIRST_BYTE_TIME, call.send()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => return StatusCode::BAD_GATEWAY.into_response(),
        Err(_) => return StatusCode::GATEWAY_TIMEOUT.into_response(),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    for name in [CONTENT_TYPE, CONTENT_LENGTH] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    *response.body_mut() = Body::from_stream(answer.bytes_stream());
    response
}
