//! The same endpoint in Alula and in plain axum.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use alula::{Limits, Server, Shutdown, post};
use alula_benches::server::stdin_closed;
use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use tokio::net::TcpListener;

use crate::chat::Chat;

const ANY_PORT: &str = "127.0.0.1:0";

/// Serves `POST /echo` with Alula.
pub(crate) async fn alula() -> Result<()> {
    let server = Server::bind(ANY_PORT, Limits::default()).await?;
    announce(server.local_addr())?;
    let shutdown = Shutdown::new();
    let app = alula::App::new("Echo", "1.0.0").route(post("/echo", alula_echo));
    let serving = app.serve_on(server, shutdown.clone());
    let stop = async {
        stdin_closed().await;
        shutdown.trigger();
    };
    let (served, ()) = tokio::join!(serving, stop);
    Ok(served?)
}

async fn alula_echo(alula::Json(chat): alula::Json<Chat>) -> alula::Json<Chat> {
    alula::Json(chat)
}

/// Serves `POST /echo` with axum and nothing else.
pub(crate) async fn axum() -> Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    announce(listener.local_addr()?)?;
    let app = Router::new().route("/echo", axum::routing::post(axum_echo));
    axum::serve(listener, app).with_graceful_shutdown(stdin_closed()).await?;
    Ok(())
}

/// What one writes by hand where speed is all that counts: no error says more than it must.
async fn axum_echo(headers: HeaderMap, body: Bytes) -> Response {
    if !headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
    {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let chat: Chat = match serde_json::from_slice(&body) {
        Ok(chat) => chat,
        Err(error) => return (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    };
    if !is_allowed(&chat) {
        return (StatusCode::UNPROCESSABLE_ENTITY, "not allowed").into_response();
    }
    match serde_json::to_vec(&chat) {
        Ok(json) => {
            ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn is_allowed(chat: &Chat) -> bool {
    (1..=200).contains(&chat.model.chars().count())
        && (1..=100).contains(&chat.messages.len())
        && chat.messages.iter().all(|message| !message.content.is_empty())
        && chat.temperature.is_none_or(|value| (0.0..=2.0).contains(&value))
}

/// Prints where the server listens: connections are accepted from here on.
fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{address}")?;
    stdout.flush()
}
