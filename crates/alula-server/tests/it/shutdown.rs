//! The end: nothing that has begun is lost, and nothing lasts.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    client::{Stream, joined},
    process::{Alula, serve, serve_openai},
    upstream::{Call, STREAM_END, Upstream, token},
};

/// So many seconds that a test which waits for the end of them fails, by the clock of
/// [`PATIENCE`](crate::process::PATIENCE).
const LONG: &str = "600";

/// The drain of a server that is told of no other.
const DEFAULT_DRAIN: Duration = Duration::from_secs(20);

/// How long before the deadline streams are told.
const STREAM_GRACE: Duration = Duration::from_secs(1);

/// A stream that has begun, and the provider that may go on with it.
async fn open_stream(drain_seconds: &str) -> (Alula, Call, Stream) {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_DRAIN_SECONDS", drain_seconds).listen();
    let (call, mut stream) = alula.begun_stream(&upstream).await;
    assert_eq!(stream.next().await.unwrap().json(), json!({"token": "first"}));
    (alula, call, stream)
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let mut alula = serve().env("ALULA_DRAIN_SECONDS", LONG).listen();
        // An open connection that asks for nothing is no reason to wait.
        let _idle = TcpStream::connect(alula.address()).await.unwrap();
        alula.signal(signal);
        assert_eq!(alula.ended().code(), Some(0));
    }
}

#[tokio::test]
async fn an_open_stream_is_finished() {
    let (mut alula, call, stream) = open_stream(LONG).await;
    alula.signal("TERM");
    alula.logged("draining");
    assert!(TcpStream::connect(alula.address()).await.is_err(), "still accepting");
    call.answer(&format!("{}{STREAM_END}", token(" second"))).await;
    let (text, summary) = joined(&stream.rest().await);
    assert_eq!((&*text, &summary["stop_reason"]), (" second", &json!("end")));
    assert_eq!(alula.ended().code(), Some(0));
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_told_why_it_does() {
    let drain = Duration::from_millis(1500);
    let (mut alula, call, stream) = open_stream("1.5").await;
    let start = Instant::now();
    alula.signal("TERM");
    let events = stream.rest().await;
    let [error] = &*events else { panic!("{events:?}") };
    let detail = json!({"detail": "The server is shutting down"});
    assert_eq!((&*error.name, error.json()), ("error", detail));
    assert!(start.elapsed() >= drain - STREAM_GRACE, "told too early");
    // The provider never ends its answer, so it is the deadline that ends the server.
    call.closed().await;
    assert_eq!(alula.ended().code(), Some(0));
    let took = start.elapsed();
    assert!(took < DEFAULT_DRAIN, "it took {took:?}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let (mut alula, call, _stream) = open_stream(LONG).await;
    alula.signal("TERM");
    alula.logged("draining");
    alula.signal("TERM");
    alula.ended();
    call.closed().await;
}
