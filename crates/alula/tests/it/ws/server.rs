//! Over real sockets.

use std::{process::Stdio, sync::Arc, time::Duration};

use alula::{Limits, Server, Shutdown, prelude::*};
use futures_util::FutureExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
    sync::Notify,
    task::JoinSet,
    time::timeout,
};

use super::{Log, echo, noted};
use crate::tool;

const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

struct Running {
    address: std::net::SocketAddr,
    shutdown: Shutdown,
    server: JoinSet<()>,
}

impl Running {
    async fn start(app: App, limits: Limits) -> Self {
        let server = Server::bind("127.0.0.1:0", limits).await.unwrap();
        let (address, shutdown) = (server.local_addr(), Shutdown::new());
        let mut tasks = JoinSet::new();
        let serving = app.serve_on(server, shutdown.clone());
        tasks.spawn(async move { serving.await.unwrap() });
        Self { address, shutdown, server: tasks }
    }

    /// A connection that has made its handshake by hand.
    async fn open(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon("the answer", stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        // The example of RFC 6455.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        stream
    }

    async fn stopped(mut self) {
        soon("the server ends", self.server.join_next()).await.unwrap().unwrap();
    }
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// Reads one short frame: its first byte and its payload.
async fn read(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    soon("a frame", stream.read_exact(&mut head)).await.unwrap();
    let mut payload = vec![0; usize::from(head[1])];
    soon("its payload", stream.read_exact(&mut payload)).await.unwrap();
    (head[0], payload)
}

async fn closed_with(stream: &mut TcpStream) -> u16 {
    let (first, payload) = read(stream).await;
    assert_eq!(first, 0x88, "a close: {payload:?}");
    u16::from_be_bytes([payload[0], payload[1]])
}

fn app(log: &Log) -> App {
    App::new("Test", "1.0.0").state(log.clone()).routes(routes![echo, listen])
}

#[ws("/listen")]
async fn listen(mut socket: WebSocket, log: Depends<noted>) {
    while socket.recv().await.is_some() {}
    log.note(socket.close_frame().unwrap().code.to_string());
}

#[tokio::test]
async fn who_breaks_the_protocol_is_told_how() {
    let running = Running::start(app(&Log::default()), Limits::default()).await;
    let cases: [(&str, Vec<u8>, u16); 5] = [
        ("no mask", vec![0x81, 1, b'a'], 1002),
        ("a reserved bit", frame(0xc1, b"a"), 1002),
        ("an unknown opcode", frame(0x83, b"a"), 1002),
        ("a continuation of nothing", frame(0x80, b"a"), 1002),
        ("text that is no UTF-8", frame(0x81, &[0xff]), 1007),
    ];
    for (what, bytes, code) in cases {
        let mut stream = running.open("/echo").await;
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(closed_with(&mut stream).await, code, "{what}");
        // The server closes its side, too.
        assert_eq!(soon("the end", stream.read(&mut [0; 8])).await.unwrap(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_the_endpoint_does_something_else() {
    async fn busy(_socket: WebSocket) {
        std::future::pending::<()>().await;
    }
    let running = Running::start(App::new("T", "1").route(ws("/", busy)), Limits::default()).await;
    let mut stream = running.open("/").await;
    stream.write_all(&frame(0x89, b"hi")).await.unwrap();
    assert_eq!(read(&mut stream).await, (0x8a, b"hi".to_vec()));
}

#[tokio::test]
async fn a_shutdown_says_1001_and_waits_for_the_endpoint() {
    let log = Log::default();
    let limits = Limits::default().drain(PATIENCE).stream_grace(PATIENCE);
    let running = Running::start(app(&log), limits).await;
    let mut stream = running.open("/listen").await;
    running.shutdown.trigger();
    assert_eq!(closed_with(&mut stream).await, 1001);
    stream.write_all(&frame(0x88, &1001_u16.to_be_bytes())).await.unwrap();
    running.stopped().await;
    assert_eq!(log.take(), ["1001", "exit Ok"]);
}

#[tokio::test]
async fn an_endpoint_that_does_not_end_is_cut_at_the_deadline() {
    async fn stuck(_socket: WebSocket, log: Depends<noted>, started: State<Notify>) {
        let _log = log;
        started.notify_one();
        std::future::pending::<()>().await;
    }
    let (log, started) = (Log::default(), Arc::new(Notify::new()));
    let app = App::new("T", "1").state(log.clone()).shared_state(started.clone());
    let limits = Limits::default().drain(Duration::from_millis(200)).stream_grace(Duration::ZERO);
    let running = Running::start(app.route(ws("/", stuck)), limits).await;
    let _stream = running.open("/").await;
    soon("the endpoint runs", started.notified()).await;
    running.shutdown.trigger();
    running.stopped().await;
    assert_eq!(log.take(), ["exit Disconnected"]);
}

#[tokio::test]
async fn an_endpoint_whose_client_is_gone_is_cut_at_the_deadline() {
    async fn stuck(socket: WebSocket, log: Depends<noted>, alone: State<Notify>) {
        let _log = log;
        socket.closed().await;
        alone.notify_one();
        std::future::pending::<()>().await;
    }
    let (log, alone) = (Log::default(), Arc::new(Notify::new()));
    let app = App::new("T", "1").state(log.clone()).shared_state(alone.clone());
    let limits = Limits::default().drain(Duration::from_millis(200)).stream_grace(Duration::ZERO);
    let running = Running::start(app.route(ws("/", stuck)), limits).await;
    drop(running.open("/").await);
    soon("the client is gone", alone.notified()).await;
    running.shutdown.trigger();
    running.stopped().await;
    assert_eq!(log.take(), ["exit Disconnected"]);
}

#[tokio::test]
async fn a_connection_counts_until_it_is_closed() {
    let running = Running::start(app(&Log::default()), Limits::default().connections(1)).await;
    let mut first = running.open("/echo").await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    let mut answer = String::new();
    soon("a refusal", second.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    first.write_all(&frame(0x88, &1000_u16.to_be_bytes())).await.unwrap();
    assert_eq!(closed_with(&mut first).await, 1000);
    assert_eq!(soon("the end", first.read(&mut [0; 8])).await.unwrap(), 0);
    // The server has dropped its socket once the client sees the end of it, or a moment later.
    soon("a connection is free", async {
        loop {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
            let mut status = [0; 12];
            if stream.read_exact(&mut status).await.is_ok() && &status[9..] == b"404" {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_reset_ends_the_endpoint() {
    let log = Log::default();
    let running = Running::start(app(&log), Limits::default()).await;
    let stream = running.open("/listen").await;
    // A reset instead of a goodbye.
    stream.set_zero_linger().unwrap();
    drop(stream);
    running.shutdown.trigger();
    running.stopped().await;
    assert_eq!(log.take(), ["1006", "exit Disconnected"]);
}

#[tokio::test]
async fn inside_another_server_the_lifespan_ends_after_the_endpoints() {
    let (log, left) = (Log::default(), Arc::new(Notify::new()));
    async fn slow(mut socket: WebSocket, log: Depends<noted>, left: State<Notify>) {
        while socket.recv().await.is_some() {}
        // The socket is closed, and there is something to be done yet.
        left.notified().await;
        log.note(socket.close_frame().unwrap().code.to_string());
    }
    let at_end = log.clone();
    let app = App::new("Inner", "1.0.0").state(log.clone()).shared_state(left.clone());
    let app = app.route(ws("/", slow)).lifespan(|startup| async move {
        Ok(startup.on_shutdown(async move { at_end.note("lifespan") }))
    });
    let (service, ending) = app.into_service(Shutdown::new()).await.unwrap();
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let (address, shutdown) = (server.local_addr(), Shutdown::new());
    let mut tasks = JoinSet::new();
    let outer = axum::Router::new().fallback_service(service);
    tasks.spawn(server.run(outer, shutdown.clone()).map(drop));
    let running = Running { address, shutdown, server: tasks };
    let mut stream = running.open("/").await;
    let at_client = async {
        assert_eq!(closed_with(&mut stream).await, 1001);
        stream.write_all(&frame(0x88, &1001_u16.to_be_bytes())).await.unwrap();
        assert_eq!(soon("the end", stream.read(&mut [0; 8])).await.unwrap(), 0);
        left.notify_one();
    };
    tokio::join!(soon("the end of all", ending.run()), at_client);
    assert_eq!(log.take(), ["1001", "exit Ok", "lifespan"]);
    running.shutdown.trigger();
    running.stopped().await;
}

/// Talks to a server in a language and with a library that are not ours.
async fn foreign_client(program: &mut Command) {
    let log = Log::default();
    let app = app(&log).routes(routes![super::handshake::spoken]);
    let running = Running::start(app, Limits::default()).await;
    let url = format!("ws://{}", running.address);
    let output = program.arg(url).stderr(Stdio::piped()).stdin(Stdio::null()).output();
    let output = soon("the client is done", output).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(log.take(), ["4000", "exit Ok"]);
}

#[tokio::test]
async fn python_talks_to_it() {
    let Some(python) = tool::python() else {
        return tool::skipped("there is no Python with `websockets`");
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/websocket/client.py");
    foreign_client(Command::new(python).arg(script)).await;
}
