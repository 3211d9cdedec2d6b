//! Connections that leave HTTP: the way of every `WebSocket`.

use std::time::Duration;

use alula::serve::{Limits, Shutdown};
use axum::{
    Router,
    extract::Request,
    http::{
        StatusCode,
        header::{CONNECTION, UPGRADE},
    },
    response::IntoResponse,
    routing::get,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Client, Running};

const SHORT: Duration = Duration::from_millis(100);

/// Upgrades to a protocol that answers every byte with itself, until the shutdown.
fn echo(shutdown: Shutdown) -> Router {
    let handler = async move |request: Request| {
        let upgrade = hyper::upgrade::on(request);
        let stopping = shutdown.stopping();
        shutdown.spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let echo = async {
                let mut byte = [0];
                while io.read_exact(&mut byte).await.is_ok() {
                    io.write_all(&byte).await.unwrap();
                }
            };
            tokio::select! {
                () = echo => {}
                () = stopping => {}
            }
        });
        (StatusCode::SWITCHING_PROTOCOLS, [(CONNECTION, "upgrade"), (UPGRADE, "echo")])
            .into_response()
    };
    Router::new().route("/", get(handler))
}

async fn upgraded(limits: Limits) -> (Running, Client) {
    let shutdown = Shutdown::new();
    let server = Running::start_with(limits, shutdown.clone(), echo(shutdown)).await;
    let mut client = server.connect().await;
    client
        .send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await;
    let response = client.receive_until("\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 101"), "{response}");
    (server, client)
}

#[tokio::test]
async fn the_limits_of_http_end_with_it() {
    let (_server, mut client) = upgraded(Limits::default().idle(SHORT).header_read(SHORT)).await;
    client.send("a").await;
    client.receive_until("a").await;
    tokio::time::sleep(3 * SHORT).await;
    client.send("b").await;
    client.receive_until("b").await;
}

#[tokio::test]
async fn it_still_counts_as_a_connection() {
    let (server, mut client) = upgraded(Limits::default().connections(1)).await;
    client.send("a").await;
    client.receive_until("a").await;
    assert!(server.connect().await.receive_all().await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn a_shutdown_waits_for_it() {
    let (mut server, mut client) = upgraded(Limits::default()).await;
    client.send("a").await;
    client.receive_until("a").await;
    server.shutdown.trigger();
    assert_eq!(server.ended().await.connections_cut, 0);
    assert_eq!(client.receive_all().await, "");
}
