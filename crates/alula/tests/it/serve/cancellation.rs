//! A client that hangs up cancels what was done for it.

use std::future::pending;

use alula::serve::Limits;

use super::{GET, Running, gate, silent, soon};

#[tokio::test]
async fn the_handler_is_dropped_with_its_client() {
    let gate = gate();
    let server = Running::start(Limits::default(), gate.app).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    gate.started.given().await;
    assert!(!gate.dropped.is_given());
    drop(client);
    soon("the handler is dropped", gate.dropped.given()).await;
}

#[tokio::test]
async fn a_silent_stream_is_dropped_with_its_client() {
    let stream = silent(pending::<()>);
    let server = Running::start(Limits::default(), stream.app).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.receive_until("data: first\n\n").await;
    assert!(!stream.dropped.is_given());
    drop(client);
    soon("the body is dropped", stream.dropped.given()).await;
}

#[tokio::test]
async fn half_a_goodbye_is_a_goodbye() {
    let gate = gate();
    let server = Running::start(Limits::default(), gate.app).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    gate.started.given().await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    soon("the handler is dropped", gate.dropped.given()).await;
}
