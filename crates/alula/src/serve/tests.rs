//! The limits in time, in virtual time: the default limits, and none of the waiting.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    Limits, PeerAddr, Shutdown,
    activity::Activity,
    connection::{Arrival, End, Protocol},
    guarded_io::Socket,
    spawner::Spawner,
};

/// Far less than a response, so that a client has to read for the server to write.
const PIPE_BYTES: usize = 512;

/// Beyond all limits.
const NEVER: Duration = Duration::from_secs(24 * 3600);

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// The client's end of a connection.
struct Client {
    pipe: DuplexStream,
    _server: JoinSet<End>,
}

impl Client {
    fn connect(app: Router) -> Self {
        let (pipe, server_pipe) = duplex(PIPE_BYTES);
        let peer = PeerAddr(([127, 0, 0, 1], 1).into());
        let activity = Arc::new(Activity::default());
        let arrival = Arrival {
            io: Socket::new(server_pipe, Arc::clone(&activity)),
            activity,
            peer,
            https: false,
            shutdown: Shutdown::new(),
            spawner: Spawner::new(TaskTracker::new(), tracing::Span::none()),
            open: (),
        };
        let mut server = JoinSet::new();
        server.spawn(Protocol::new(Limits::default()).serve(arrival, app));
        Self { pipe, _server: server }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.pipe.write_all(bytes).await.unwrap();
    }

    /// Reads a response whose body is `ok`.
    async fn receive_ok(&mut self) {
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\nok") {
            assert_ne!(self.pipe.read_buf(&mut response).await.unwrap(), 0, "closed: {response:?}");
        }
        assert!(response.starts_with(b"HTTP/1.1 200"));
    }

    /// Reads until the server closes. Returns what was read and how many seconds that took.
    async fn receive_all(&mut self) -> (Vec<u8>, u64) {
        let started = Instant::now();
        let mut received = Vec::new();
        let read = self.pipe.read_to_end(&mut received);
        timeout(NEVER, read).await.expect("the server never closes").unwrap();
        (received, seconds_since(started))
    }
}

/// Rounded, as timers tick in milliseconds.
fn seconds_since(started: Instant) -> u64 {
    (started.elapsed() + Duration::from_millis(500)).as_secs()
}

fn ok_after(delay: Duration) -> Router {
    Router::new().route(
        "/",
        get(move || async move {
            sleep(delay).await;
            "ok"
        }),
    )
}

fn ok() -> Router {
    ok_after(Duration::ZERO)
}

/// A response without end; the receiver ends when its body is dropped.
fn endless(chunk: &'static [u8], pause: Duration) -> (Router, mpsc::Receiver<()>) {
    let (alive, dropped) = mpsc::channel(1);
    let alive = Arc::new(alive);
    let handler = move || {
        let alive = Arc::clone(&alive);
        let chunks = stream::unfold(alive, move |alive| async move {
            sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(chunk)), alive))
        });
        std::future::ready(Body::from_stream(chunks))
    };
    (Router::new().route("/", get(handler)), dropped)
}

#[tokio::test(start_paused = true)]
async fn half_a_head_is_closed_after_header_read() {
    let mut client = Client::connect(ok());
    client.send(b"GET / HTTP/1.1\r\nhost: te").await;
    assert_eq!(client.receive_all().await, (vec![], 10));
}

#[tokio::test(start_paused = true)]
async fn header_read_counts_from_the_first_byte_not_the_last() {
    let mut client = Client::connect(ok());
    let started = Instant::now();
    while client.pipe.write_all(b"x").await.is_ok() {
        sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(seconds_since(started), 12, "closed at 10 s, noticed by the next byte");
}

#[tokio::test(start_paused = true)]
async fn header_read_counts_from_the_first_byte_of_each_request() {
    let mut client = Client::connect(ok());
    client.send(GET).await;
    client.receive_ok().await;
    sleep(Duration::from_secs(60)).await;
    client.send(b"G").await;
    assert_eq!(client.receive_all().await, (vec![], 10));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_asks_is_closed_when_idle() {
    let mut client = Client::connect(ok());
    assert_eq!(client.receive_all().await, (vec![], 75));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_no_more_is_closed_when_idle() {
    let mut client = Client::connect(ok_after(Duration::from_secs(20)));
    client.send(GET).await;
    client.receive_ok().await;
    assert_eq!(client.receive_all().await, (vec![], 75));
}

#[tokio::test(start_paused = true)]
async fn each_request_renews_the_idle_time() {
    let mut client = Client::connect(ok());
    for _ in 0..5 {
        client.send(GET).await;
        client.receive_ok().await;
        sleep(Duration::from_secs(70)).await;
    }
    assert_eq!(client.receive_all().await, (vec![], 5));
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_is_not_the_fault_of_its_client() {
    let mut client = Client::connect(ok_after(Duration::from_secs(3600)));
    for _ in 0..2 {
        client.send(GET).await;
        client.receive_ok().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_be_silent_for_long() {
    let (app, _dropped) = endless(b"token", Duration::from_secs(3600));
    let mut client = Client::connect(app);
    client.send(GET).await;
    let mut received = Vec::new();
    while received.windows(5).filter(|bytes| bytes == b"token").count() < 3 {
        assert_ne!(client.pipe.read_buf(&mut received).await.unwrap(), 0, "closed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed_and_its_body_dropped() {
    let (app, mut dropped) = endless(&[b'x'; 1024], Duration::from_millis(1));
    let mut client = Client::connect(app);
    client.send(GET).await;
    let started = Instant::now();
    // The router keeps its own sender until the connection is over.
    assert_eq!(timeout(NEVER, dropped.recv()).await, Ok(None));
    assert_eq!(seconds_since(started), 30);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_everything() {
    let body = "x".repeat(20 * PIPE_BYTES);
    let length = body.len();
    let app = Router::new().route("/", get(move || std::future::ready(body)));
    let mut client = Client::connect(app);
    client.send(GET).await;
    let started = Instant::now();
    let mut received = Vec::new();
    while received.iter().filter(|byte| **byte == b'x').count() < length {
        sleep(Duration::from_secs(25)).await;
        let mut space = [0; PIPE_BYTES];
        let read = client.pipe.read(&mut space).await.unwrap();
        assert_ne!(read, 0, "closed after {} bytes", received.len());
        received.extend_from_slice(&space[..read]);
    }
    assert!(started.elapsed() > 10 * Limits::default().write_stall);
}

#[tokio::test(start_paused = true)]
async fn a_refused_upload_is_read_for_a_moment() {
    let app = Router::new().route("/", post(|| std::future::ready("ok")));
    let mut client = Client::connect(app);
    client.send(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n").await;
    let started = Instant::now();
    while client.pipe.write_all(&[0; PIPE_BYTES]).await.is_ok() {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(seconds_since(started), 1);
    let (response, _) = client.receive_all().await;
    assert!(response.starts_with(b"HTTP/1.1 200"), "the response was lost");
}
