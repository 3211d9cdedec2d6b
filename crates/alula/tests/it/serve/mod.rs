//! The serve loop over real sockets.

mod cancellation;
mod http2;
mod limits;
mod protocol;
mod shutdown;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;

use std::{
    convert::Infallible,
    future::{Future, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use alula::serve::{Limits, Server, Shutdown, Summary};
use axum::{
    Router,
    body::{Body, Bytes},
    routing::{any, get},
};
use futures_util::{StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::timeout,
};

/// Longer than anything here takes, also on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(20);

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A server on a port of its own, which ends with the test.
struct Running {
    addr: SocketAddr,
    shutdown: Shutdown,
    task: JoinSet<Summary>,
}

impl Running {
    async fn start(limits: Limits, app: Router) -> Self {
        Self::start_with(limits, Shutdown::new(), app).await
    }

    async fn start_with(limits: Limits, shutdown: Shutdown, app: Router) -> Self {
        let server = Server::bind("127.0.0.1:0", limits).await.unwrap();
        let addr = server.local_addr();
        let mut task = JoinSet::new();
        task.spawn(server.run(app, shutdown.clone()));
        Self { addr, shutdown, task }
    }

    async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.addr).await.unwrap(), received: Vec::new() }
    }

    async fn ended(&mut self) -> Summary {
        soon("the server ends", self.task.join_next()).await.unwrap().unwrap()
    }
}

/// A client that says exactly what it is told to.
struct Client {
    stream: TcpStream,
    /// Read and not yet taken by a `receive` method.
    received: Vec<u8>,
}

impl Client {
    /// A client whose kernel takes little on its behalf.
    async fn connect_with_small_buffer(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        Self { stream: socket.connect(addr).await.unwrap(), received: Vec::new() }
    }

    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads up to the end of `mark`, and returns all of that.
    async fn receive_until(&mut self, mark: &str) -> String {
        loop {
            if let Some(start) = find(&self.received, mark.as_bytes()) {
                let rest = self.received.split_off(start + mark.len());
                return text(std::mem::replace(&mut self.received, rest));
            }
            let read = soon(mark, self.stream.read_buf(&mut self.received)).await;
            let read = read.unwrap_or_else(|error| panic!("{error} before {mark}"));
            assert_ne!(read, 0, "closed before {mark:?}: {:?}", text(self.received.clone()));
        }
    }

    /// Reads until the server closes the connection.
    async fn receive_all(&mut self) -> String {
        let mut received = std::mem::take(&mut self.received);
        let read = soon("the connection is closed", self.stream.read_to_end(&mut received)).await;
        if let Err(error) = read {
            panic!("{error} after {:?}", text(received));
        }
        text(received)
    }

    /// Waits until the connection is closed, in any way. Throws away what comes before.
    async fn closed(&mut self) {
        let mut space = [0; 1024];
        let reads = async { while matches!(self.stream.read(&mut space).await, Ok(1..)) {} };
        soon("the connection is closed", reads).await;
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Something that a test can wait for.
#[derive(Clone, Default)]
struct Signal {
    given: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

impl Signal {
    fn give(&self) {
        self.given.store(true, SeqCst);
        self.notify.notify_waiters();
    }

    fn is_given(&self) -> bool {
        self.given.load(SeqCst)
    }

    async fn given(&self) {
        let notified = self.notify.notified();
        if !self.is_given() {
            notified.await;
        }
    }
}

/// Gives its signal when it is dropped.
struct OnDrop(Signal);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.give();
    }
}

fn ok() -> Router {
    Router::new().route("/", any(|| ready("ok")))
}

/// `GET /` waits for `go` and answers `ok`.
struct Gate {
    started: Signal,
    dropped: Signal,
    go: Signal,
    app: Router,
}

fn gate() -> Gate {
    let (started, dropped, go) = (Signal::default(), Signal::default(), Signal::default());
    let handler = {
        let (started, dropped, go) = (started.clone(), dropped.clone(), go.clone());
        move || async move {
            let _on_drop = OnDrop(dropped);
            started.give();
            go.given().await;
            "ok"
        }
    };
    Gate { started, dropped, go, app: Router::new().route("/", get(handler)) }
}

/// `GET /` is an endless stream of events, which counts what it was asked for.
struct Endless {
    chunks: Arc<AtomicUsize>,
    dropped: Signal,
    app: Router,
}

/// As fast as the client reads.
fn flood() -> Endless {
    let endless =
        Endless { chunks: Arc::default(), dropped: Signal::default(), app: Router::new() };
    let (chunks, dropped) = (Arc::clone(&endless.chunks), endless.dropped.clone());
    let handler = move || {
        let on_drop = OnDrop(dropped.clone());
        let chunks = Arc::clone(&chunks);
        let body = stream::repeat_with(move || {
            let _alive = &on_drop;
            chunks.fetch_add(1, SeqCst);
            Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 2048]))
        });
        ready(Body::from_stream(body))
    };
    Endless { app: Router::new().route("/", get(handler)), ..endless }
}

/// One event, then nothing; with `last`, an event and the end once that future is ready.
fn silent<F>(last: impl Fn() -> F + Clone + Send + Sync + 'static) -> Endless
where
    F: Future<Output = ()> + Send + 'static,
{
    let endless =
        Endless { chunks: Arc::default(), dropped: Signal::default(), app: Router::new() };
    let dropped = endless.dropped.clone();
    let handler = move || {
        let on_drop = OnDrop(dropped.clone());
        let last = last();
        let first = stream::once(ready("data: first\n\n"));
        let end = stream::once(async move {
            let _alive = on_drop;
            last.await;
            "data: last\n\n"
        });
        ready(Body::from_stream(first.chain(end).map(Ok::<_, Infallible>)))
    };
    Endless { app: Router::new().route("/", get(handler)), ..endless }
}
