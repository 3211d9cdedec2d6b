//! HTTP/2 without TLS: what a client may do on one connection, and what it may not.

use std::{
    future::{Future, pending, poll_fn},
    process::Stdio,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use alula::serve::{Limits, Shutdown};
use axum::{Router, body::Body, extract::Request, routing::any};
use bytes::Bytes;
use h2::{Reason, RecvStream, client::SendRequest};
use http::Response;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use super::{Client, Running, Signal, flood, gate, ok, silent, soon};

const SHORT: Duration = Duration::from_millis(200);
const URL: &str = "http://test/";

/// A client of HTTP/2 and its connection, which ends with it.
struct H2 {
    requests: SendRequest<Bytes>,
    connection: JoinSet<Result<(), h2::Error>>,
}

impl H2 {
    async fn connect(server: &Running) -> Self {
        Self::with(server, h2::client::Builder::new()).await
    }

    async fn with(server: &Running, builder: h2::client::Builder) -> Self {
        let stream = TcpStream::connect(server.addr).await.unwrap();
        let (requests, connection) = builder.handshake(stream).await.unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        Self { requests, connection: connections }
    }

    async fn ready(&mut self) {
        let requests = self.requests.clone();
        self.requests = soon("room for a stream", requests.ready()).await.unwrap();
    }

    /// Sends a request without a body, and does not wait.
    async fn send(&mut self) -> h2::client::ResponseFuture {
        self.ready().await;
        let request = http::Request::get(URL).body(()).unwrap();
        self.requests.send_request(request, true).unwrap().0
    }

    async fn get(&mut self) -> (Response<()>, String) {
        let response = self.send().await;
        read(soon("an answer", response).await.unwrap()).await
    }

    /// Waits until the server has closed the connection.
    async fn closed(&mut self) {
        let _ = soon("the connection is closed", self.connection.join_next()).await;
    }
}

async fn read(response: Response<RecvStream>) -> (Response<()>, String) {
    let (head, mut body) = response.into_parts();
    let mut text = Vec::new();
    while let Some(data) = soon("more of the body", body.data()).await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        text.extend_from_slice(&data);
    }
    (Response::from_parts(head, ()), String::from_utf8(text).unwrap())
}

async fn reset(future: impl Future<Output = Result<Response<RecvStream>, h2::Error>>) -> Reason {
    let error = match soon("an answer", future).await {
        Ok(response) => panic!("{response:?}"),
        Err(error) => error,
    };
    error.reason().unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test]
async fn a_client_with_prior_knowledge_is_answered() {
    let server = Running::start(Limits::default(), ok()).await;
    let mut client = H2::connect(&server).await;
    for _ in 0..3 {
        let (head, body) = client.get().await;
        assert_eq!((head.status().as_u16(), &*body), (200, "ok"));
    }
    // The same port speaks HTTP/1.1.
    let mut other = server.connect().await;
    other.send(super::GET).await;
    other.receive_until("\r\n\r\nok").await;
}

#[tokio::test]
async fn curl_speaks_it() {
    let server = Running::start(Limits::default(), ok()).await;
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["--silent", "--http2-prior-knowledge", "--write-out", " %{http_version}"]);
    curl.arg(format!("http://{}/", server.addr)).stdin(Stdio::null()).kill_on_drop(true);
    match soon("curl ends", curl.output()).await {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "ok 2"),
        Err(error) => eprintln!("skipped: {error}"),
    }
}

#[tokio::test]
async fn the_authority_is_the_host() {
    let echo = async |request: Request| {
        let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        host.unwrap_or_default()
    };
    let app = Router::new().route("/", any(echo));
    let server = Running::start(Limits::default(), app).await;
    let mut client = H2::connect(&server).await;
    assert_eq!(client.get().await.1, "test");

    let other = http::Request::get(URL).header("host", "other").body(()).unwrap();
    client.ready().await;
    let response = client.requests.send_request(other, true).unwrap().0;
    let (head, body) = read(soon("an answer", response).await.unwrap()).await;
    assert_eq!(
        (head.status().as_u16(), &*body),
        (400, r#"{"detail":"More than one Host header"}"#)
    );
}

#[tokio::test]
async fn headers_have_limits() {
    let limits = Limits::default().headers(5).header_bytes(2048);
    let server = Running::start(limits, ok()).await;
    let mut client = H2::connect(&server).await;
    let mut status = async |headers: usize, bytes: usize| {
        let mut request = http::Request::get(URL);
        for number in 0..headers {
            request = request.header(format!("x-{number}"), "x".repeat(bytes));
        }
        client.ready().await;
        let request = request.body(()).unwrap();
        let response = client.requests.send_request(request, true).unwrap().0;
        soon("an answer", response).await.unwrap().status().as_u16()
    };
    // `Host` is one of them.
    assert_eq!(status(4, 1).await, 200);
    assert_eq!(status(5, 1).await, 200);
    assert_eq!(status(6, 1).await, 431);
    assert_eq!(status(1, 1000).await, 200);
    assert_eq!(status(2, 1000).await, 431);
}

#[tokio::test]
async fn one_stream_does_not_wait_for_another() {
    let gate = gate();
    let app = gate.app.clone().route("/ok", any(async || "ok"));
    let server = Running::start(Limits::default(), app).await;
    let mut client = H2::connect(&server).await;
    let waiting = client.send().await;
    gate.started.given().await;
    let request = http::Request::get("http://test/ok").body(()).unwrap();
    let quick = client.requests.send_request(request, true).unwrap().0;
    soon("the quick one", quick).await.unwrap();
    gate.go.give();
    soon("the slow one", waiting).await.unwrap();
}

#[tokio::test]
async fn there_are_so_many_streams_at_a_time() {
    let gate = gate();
    let server = Running::start(Limits::default().h2_streams(2), gate.app).await;
    // This client does not keep to what the server has told it, until it has read that.
    let mut builder = h2::client::Builder::new();
    builder.initial_max_send_streams(10);
    let mut client = H2::with(&server, builder).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        let request = http::Request::get(URL).body(()).unwrap();
        answers.push(client.requests.send_request(request, true).unwrap().0);
    }
    assert_eq!(reset(answers.pop().unwrap()).await, Reason::REFUSED_STREAM);
    gate.go.give();
    for answer in answers {
        assert_eq!(soon("an answer", answer).await.unwrap().status().as_u16(), 200);
    }
}

#[tokio::test]
async fn a_reset_cancels_its_handler_and_no_other() {
    let (quiet, other) = (gate(), gate());
    let app = quiet.app.nest("/other", other.app);
    let server = Running::start(Limits::default(), app).await;
    let mut client = H2::connect(&server).await;
    let taken_back = client.send().await;
    quiet.started.given().await;
    let request = http::Request::get("http://test/other").body(()).unwrap();
    let kept = client.requests.send_request(request, true).unwrap().0;
    other.started.given().await;
    drop(taken_back);
    soon("the handler is dropped", quiet.dropped.given()).await;
    assert!(!other.dropped.is_given());
    other.go.give();
    assert_eq!(soon("an answer", kept).await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_reset_drops_a_silent_stream() {
    let stream = silent(pending::<()>);
    let server = Running::start(Limits::default(), stream.app).await;
    let mut client = H2::connect(&server).await;
    let mut response = soon("a head", client.send().await).await.unwrap();
    soon("the first event", response.body_mut().data()).await.unwrap().unwrap();
    assert!(!stream.dropped.is_given());
    drop(response);
    soon("the body is dropped", stream.dropped.given()).await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_all_its_handlers() {
    let gate = gate();
    let server = Running::start(Limits::default(), gate.app).await;
    let mut client = H2::connect(&server).await;
    let _answer = client.send().await;
    gate.started.given().await;
    client.connection.abort_all();
    soon("the handler is dropped", gate.dropped.given()).await;
}

#[tokio::test]
async fn requests_without_end_that_are_taken_back_end_the_connection() {
    let limits = Limits::default().h2_streams(50);
    let server = Running::start(limits, gate().app).await;
    let mut client = H2::connect(&server).await;
    let started = Instant::now();
    let mut sent = 0;
    let attack = async {
        while let Ok(mut requests) = client.requests.clone().ready().await {
            let request = http::Request::get(URL).body(()).unwrap();
            match requests.send_request(request, true) {
                Ok((answer, _)) => drop(answer),
                Err(_) => break,
            }
            sent += 1;
            tokio::task::yield_now().await;
        }
    };
    soon("the server has had enough", attack).await;
    println!("closed after {sent} requests in {:?}", started.elapsed());
    client.closed().await;
    assert_eq!(H2::connect(&server).await.connection.len(), 1);
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_reset_and_costs_little() {
    let flood = flood();
    let app = flood.app.route("/ok", any(async || "ok"));
    let server = Running::start(Limits::default().write_stall(SHORT), app).await;
    // Its connection has room for more than the one stream.
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(1024 * 1024);
    let mut client = H2::with(&server, builder).await;
    let started = Instant::now();
    let unread = soon("a head", client.send().await).await.unwrap();
    // Meanwhile others are answered.
    let request = http::Request::get("http://test/ok").body(()).unwrap();
    let other = client.requests.send_request(request, true).unwrap().0;
    assert_eq!(read(soon("an answer", other).await.unwrap()).await.1, "ok");
    soon("the body is dropped", flood.dropped.given()).await;
    assert!(started.elapsed() >= SHORT);
    // 64 KiB of window, and what waits.
    let sent = flood.chunks.load(SeqCst) * 2;
    assert!(sent < 128, "{sent} KiB were produced for a stream that is never read");
    drop(unread);
    assert_eq!(client.connection.len(), 1, "the connection lives");
    let request = http::Request::get("http://test/ok").body(()).unwrap();
    let other = client.requests.send_request(request, true).unwrap().0;
    assert_eq!(read(soon("an answer", other).await.unwrap()).await.1, "ok");
}

#[tokio::test]
async fn a_large_body_arrives_in_pieces() {
    let body = "x".repeat(300 * 1024 + 7);
    let expected = body.clone();
    let app = Router::new().route("/", any(async move || body.clone()));
    let server = Running::start(Limits::default(), app).await;
    let mut client = H2::connect(&server).await;
    let (head, body) = client.get().await;
    assert_eq!(head.headers()["content-length"], expected.len().to_string());
    assert!(body == expected);
}

#[tokio::test]
async fn uploads_arrive() {
    let app = Router::new().route("/", any(async |body: Bytes| body.len().to_string()));
    let server = Running::start(Limits::default(), app).await;
    let mut client = H2::connect(&server).await;
    client.ready().await;
    let request = http::Request::post(URL).body(()).unwrap();
    let (answer, mut body) = client.requests.send_request(request, false).unwrap();
    let mut left = 1024 * 1024;
    while left > 0 {
        body.reserve_capacity(left);
        let room = soon("room", poll_fn(|cx| body.poll_capacity(cx))).await.unwrap().unwrap();
        body.send_data(vec![b'x'; room].into(), false).unwrap();
        left -= room;
    }
    body.send_data(Bytes::new(), true).unwrap();
    assert_eq!(read(soon("an answer", answer).await.unwrap()).await.1, "1048576");
}

#[tokio::test]
async fn half_a_preface_is_closed() {
    let server = Running::start(Limits::default().header_read(SHORT), ok()).await;
    let mut client = server.connect().await;
    client.send("PRI * HTTP/2.0\r\n").await;
    assert_eq!(client.receive_all().await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Running::start(Limits::default().idle(SHORT), ok()).await;
    let mut client = H2::connect(&server).await;
    client.get().await;
    client.closed().await;
    // One that never asks, too.
    let mut silent = server.connect().await;
    silent.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    silent.closed().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_at_all_is_closed() {
    let flood = flood();
    let limits = Limits::default().write_stall(SHORT).connections(1);
    let app = flood.app.route("/ok", any(async || "ok"));
    let server = Running::start(limits, app).await;
    let mut raw = Client::connect_with_small_buffer(server.addr).await;
    // Preface, settings with the largest window, a larger window for the connection, a request.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
    bytes.extend_from_slice(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
    // `:method: GET`, `:scheme: http`, `:path: /`, `:authority: a`.
    bytes.extend_from_slice(&[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a']);
    raw.stream.write_all(&bytes).await.unwrap();
    soon("the body is dropped", flood.dropped.given()).await;
    // Its place is free for somebody else.
    loop {
        let mut next = server.connect().await;
        next.send("GET /ok HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
        if next.receive_all().await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}

#[tokio::test]
async fn a_shutdown_finishes_what_has_begun_and_refuses_the_rest() {
    let gate = gate();
    let mut server = Running::start(Limits::default(), gate.app).await;
    let mut client = H2::connect(&server).await;
    let mut idle = H2::connect(&server).await;
    let answer = client.send().await;
    gate.started.given().await;
    server.shutdown.trigger();
    idle.closed().await;
    gate.go.give();
    assert_eq!(read(soon("an answer", answer).await.unwrap()).await.1, "ok");
    client.closed().await;
    let summary = server.ended().await;
    assert_eq!((summary.connections_drained, summary.connections_cut), (2, 0));
}

#[tokio::test]
async fn a_shutdown_tells_streams_to_end_and_cuts_those_that_do_not() {
    let limits = Limits::default().drain(2 * SHORT).stream_grace(SHORT);
    let shutdown = Shutdown::new();
    let handle = shutdown.clone();
    let polite = silent(move || handle.streams_must_end());
    let stubborn = silent(pending::<()>);
    let app = polite.app.nest("/stubborn", stubborn.app);
    let mut server = Running::start_with(limits, shutdown, app).await;
    let mut clients = [H2::connect(&server).await, H2::connect(&server).await];
    let polite = soon("a head", clients[0].send().await).await.unwrap();
    let request = http::Request::get("http://test/stubborn").body(()).unwrap();
    let cut = clients[1].requests.send_request(request, true).unwrap().0;
    let _cut = soon("a head", cut).await.unwrap();
    server.shutdown.trigger();
    assert_eq!(read(polite).await.1, "data: first\n\ndata: last\n\n");
    let summary = server.ended().await;
    assert_eq!((summary.connections_drained, summary.connections_cut), (1, 1));
    assert!(stubborn.dropped.is_given(), "the body outlives the server");
}

#[tokio::test]
async fn a_panic_ends_its_stream_and_no_other() {
    let started = Signal::default();
    let signal = started.clone();
    let app =
        Router::new().route("/", any(async || -> Response<Body> { panic!("on purpose") })).route(
            "/ok",
            any(async move || {
                signal.give();
                "ok"
            }),
        );
    let server = Running::start(Limits::default(), app).await;
    let mut client = H2::connect(&server).await;
    let panicking = client.send().await;
    reset(panicking).await;
    let request = http::Request::get("http://test/ok").body(()).unwrap();
    let other = client.requests.send_request(request, true).unwrap().0;
    assert_eq!(read(soon("an answer", other).await.unwrap()).await.1, "ok");
    assert!(started.is_given());
}
