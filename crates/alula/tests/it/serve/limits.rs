//! Clients that are slow, silent or too many.
//!
//! The exact times are tested in virtual time, beside the code.

use std::{
    future::ready,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use alula::serve::Limits;
use axum::{Router, routing::get};
use tokio::{io::AsyncReadExt, net::TcpSocket, time::sleep};

use super::{Client, GET, Running, flood, gate, ok, soon};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn half_a_head_is_closed() {
    let server = Running::start(Limits::default().header_read(SHORT), ok()).await;
    let mut client = server.connect().await;
    let started = Instant::now();
    client.send("GET / HTTP/1.1\r\nhost: te").await;
    assert_eq!(client.receive_all().await, "");
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn an_idle_connection_is_closed_but_not_before() {
    let limits = Limits::default().idle(2 * SHORT).header_read(SHORT);
    let server = Running::start(limits, ok()).await;
    let mut client = server.connect().await;
    let started = Instant::now();
    client.send(GET).await;
    client.receive_until("\r\n\r\nok").await;
    assert_eq!(client.receive_all().await, "");
    assert!(started.elapsed() >= 2 * SHORT, "closed after {:?}", started.elapsed());
}

#[tokio::test]
async fn a_slow_request_does_not_use_up_the_time_of_the_next() {
    let gate = gate();
    let limits = Limits::default().header_read(SHORT).idle(10 * SHORT).write_stall(SHORT);
    let server = Running::start(limits, gate.app).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    gate.started.given().await;
    sleep(3 * SHORT).await;
    gate.go.give();
    client.receive_until("\r\n\r\nok").await;
    client.send(GET).await;
    client.receive_until("\r\n\r\nok").await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_and_its_body_dropped() {
    let flood = flood();
    let server = Running::start(Limits::default().write_stall(SHORT), flood.app).await;
    let mut client = Client::connect_with_small_buffer(server.addr).await;
    let started = Instant::now();
    client.send(GET).await;
    soon("the body is dropped", flood.dropped.given()).await;
    assert!(started.elapsed() >= SHORT);
    // 16 KiB for the kernel, 32 KiB for hyper, and what the client's kernel took.
    let sent = flood.chunks.load(SeqCst) * 2;
    assert!(sent < 512, "{sent} KiB were produced for a client that never reads");
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_cut() {
    let body = "x".repeat(128 * 1024);
    let length = body.len();
    let app = Router::new().route("/", get(move || ready(body)));
    let write_stall = 5 * SHORT;
    let server = Running::start(Limits::default().write_stall(write_stall), app).await;
    let mut client = Client::connect_with_small_buffer(server.addr).await;
    let started = Instant::now();
    client.send(GET).await;
    client.receive_until("\r\n\r\n").await;
    let mut received = client.received.len();
    let mut space = [0; 4096];
    while received < length {
        let read = soon("more of the body", client.stream.read(&mut space)).await.unwrap();
        assert_ne!(read, 0, "cut after {received} bytes");
        received += read;
        sleep(SHORT / 4).await;
    }
    assert!(started.elapsed() > write_stall, "the client was too fast for this test");
}

#[tokio::test]
async fn one_connection_too_many_is_refused() {
    let gate = gate();
    let server = Running::start(Limits::default().connections(2), gate.app).await;
    let mut first = server.connect().await;
    first.send(GET).await;
    gate.started.given().await;
    let _second = server.connect().await;

    let mut third = server.connect().await;
    third.send(GET).await;
    let response = third.receive_all().await;
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    assert!(response.contains("\r\nretry-after: 1\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n{\"detail\":\"Too many connections\"}"), "{response}");

    // A place that is given back can be taken.
    gate.go.give();
    first.receive_until("\r\n\r\nok").await;
    drop(first);
    loop {
        let mut next = server.connect().await;
        next.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
        if next.receive_all().await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}

#[tokio::test]
async fn one_address_has_its_own_limit() {
    let limits = Limits::default().connections_per_ip(2);
    let server = Running::start(limits, ok()).await;
    let mut clients = [server.connect().await, server.connect().await];
    for client in &mut clients {
        client.send(GET).await;
        client.receive_until("\r\n\r\nok").await;
    }
    let mut third = server.connect().await;
    third.send(GET).await;
    assert!(third.receive_all().await.starts_with("HTTP/1.1 503"));

    let elsewhere = TcpSocket::new_v4().unwrap();
    elsewhere.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let stream = elsewhere.connect(server.addr).await.unwrap();
    let mut other = Client { stream, received: Vec::new() };
    other.send(GET).await;
    other.receive_until("\r\n\r\nok").await;
}
