//! What the server answers, and when it keeps the connection.

use std::future::ready;

use alula::serve::{Limits, PeerAddr};
use axum::{
    Extension, Router,
    body::Body,
    extract::DefaultBodyLimit,
    routing::{any, get, post},
};
use futures_util::StreamExt as _;

use super::{GET, Running, gate, ok};

async fn answer_to(request: &str) -> String {
    let server = Running::start(Limits::default(), ok()).await;
    let mut client = server.connect().await;
    client.send(request).await;
    client.receive_all().await
}

fn assert_refused(response: &str, status: &str, detail: &str) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    assert!(head.contains("\r\ncontent-type: application/json"), "{head}");
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert_eq!(body, format!(r#"{{"detail":"{detail}"}}"#));
}

#[tokio::test]
async fn a_request_without_host_is_refused() {
    assert_refused(&answer_to("GET / HTTP/1.1\r\n\r\n").await, "400", "No Host header");
}

#[tokio::test]
async fn a_request_with_two_hosts_is_refused() {
    let response = answer_to("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n").await;
    assert_refused(&response, "400", "More than one Host header");
    let response = answer_to("GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n\r\n").await;
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, r#"{"detail":"More than one Host header"}"#);
}

#[tokio::test]
async fn http_1_0_needs_no_host() {
    let response = answer_to("GET / HTTP/1.0\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.0 200"), "{response}");
}

#[tokio::test]
async fn a_request_that_is_not_http_is_refused() {
    let response = answer_to("hello there\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 400"), "{response}");
}

/// A request whose head has exactly this many bytes.
fn head_of(bytes: usize) -> String {
    let (start, end) = ("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\nx: ", "\r\n\r\n");
    format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
}

#[tokio::test]
async fn a_head_may_be_as_large_as_its_limit() {
    for limit in [1024, 32 * 1024, 100 * 1024] {
        for (bytes, status) in [(limit - 1, "200"), (limit, "200"), (limit + 1, "431")] {
            let server = Running::start(Limits::default().header_bytes(limit), ok()).await;
            let mut client = server.connect().await;
            client.send(&head_of(bytes)).await;
            let response = client.receive_all().await;
            assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{bytes}: {response}");
        }
    }
}

/// How many bytes the largest piece has in which one of several large bodies comes.
async fn largest_piece(limits: Limits) -> usize {
    let largest = post(async |body: Body| {
        let sizes = body.into_data_stream().map(|piece| piece.unwrap().len());
        let largest = sizes.fold(0, async |largest, size| size.max(largest)).await;
        format!("largest={largest}!")
    });
    let server = Running::start(limits, Router::new().route("/", largest)).await;
    let mut client = server.connect().await;
    let body = "x".repeat(60_000);
    let mut largest = 0;
    for _ in 0..10 {
        client
            .send(&format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 60000\r\n\r\n{body}"))
            .await;
        let answer = client.receive_until("!").await;
        let size = answer.trim_end_matches('!').rsplit('=').next().unwrap();
        largest = largest.max(size.parse().unwrap());
    }
    largest
}

#[tokio::test]
async fn so_much_is_buffered_of_a_body() {
    let limits = Limits::default().header_bytes(4096);
    assert!(largest_piece(limits.clone().buffer_bytes(8192)).await <= 8192);
    assert!(largest_piece(limits).await > 32 * 1024);
}

#[tokio::test]
async fn there_may_be_as_many_headers_as_their_limit() {
    for (headers, status) in [(4, "200"), (5, "200"), (6, "431")] {
        let server = Running::start(Limits::default().headers(5), ok()).await;
        let mut client = server.connect().await;
        let others = "x: y\r\n".repeat(headers - 2);
        let request = format!("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{others}\r\n");
        client.send(&request).await;
        let response = client.receive_all().await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {response}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Running::start(Limits::default(), ok()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        assert!(client.receive_until("\r\n\r\nok").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn two_pipelined_requests_have_two_answers() {
    let server = Running::start(Limits::default(), ok()).await;
    let mut client = server.connect().await;
    client.send(&GET.repeat(2)).await;
    for _ in 0..2 {
        assert!(client.receive_until("\r\n\r\nok").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_request_knows_its_peer() {
    let handler = |Extension(PeerAddr(peer)): Extension<PeerAddr>| ready(format!("<{peer}>"));
    let app = Router::new().route("/", get(handler));
    let server = Running::start(Limits::default(), app).await;
    let mut client = server.connect().await;
    let addr = client.stream.local_addr().unwrap();
    client.send(GET).await;
    client.receive_until(&format!("\r\n\r\n<{addr}>")).await;
}

#[tokio::test]
async fn a_refused_upload_gets_its_answer() {
    let app =
        Router::new().route("/", post(|_: String| ready("ok"))).layer(DefaultBodyLimit::max(10));
    let server = Running::start(Limits::default(), app).await;
    let mut client = server.connect().await;
    let length = 4 * 1024 * 1024;
    client
        .send(&format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n"))
        .await;
    client.send(&"x".repeat(length)).await;
    let response = client.receive_until("\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 413"), "{response}");
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_no_other() {
    let gate = gate();
    let app = gate.app.route("/panic", any(async || -> &'static str { panic!("on purpose") }));
    let server = Running::start(Limits::default(), app).await;
    let mut waiting = server.connect().await;
    waiting.send(GET).await;
    gate.started.given().await;

    let mut panicking = server.connect().await;
    panicking.send("GET /panic HTTP/1.1\r\nhost: test\r\n\r\n").await;
    panicking.closed().await;

    gate.go.give();
    waiting.receive_until("\r\n\r\nok").await;
    let mut next = server.connect().await;
    next.send(GET).await;
    next.receive_until("\r\n\r\nok").await;
}
