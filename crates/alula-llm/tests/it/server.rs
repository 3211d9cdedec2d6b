//! A server that does what a test tells it to, down to the bytes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

/// What to do after a request has come.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Wait until the client has closed the connection, and say so.
    UntilClosed,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// The body as it was written.
    pub(crate) text: String,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    connections: Mutex<usize>,
    asked: Notify,
    closed: Notify,
}

#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers each request with these steps; afterwards the connection is closed if `close`.
    pub(crate) async fn start(steps: Vec<Step>, close: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let of_server = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                *of_server.connections.lock().unwrap() += 1;
                connections.spawn(serve(stream, steps.clone(), close, Arc::clone(&of_server)));
            }
        });
        Self { address, shared, _tasks: tasks }
    }

    /// A whole answer.
    pub(crate) async fn answer(head: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
        Self::start(vec![Step::Send([head.as_bytes(), body].concat())], false).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until a request has come.
    pub(crate) async fn asked(&self) {
        self.shared.asked.notified().await;
    }

    /// Waits until a client has closed its connection at [`Step::UntilClosed`].
    pub(crate) async fn closed(&self) {
        self.shared.closed.notified().await;
    }
}

/// The head of a stream, whose end is the end of the connection.
pub(crate) fn stream_head() -> Step {
    Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec())
}

pub(crate) fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

async fn serve(stream: TcpStream, steps: Vec<Step>, close: bool, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await {
        shared.requests.lock().unwrap().push(request);
        shared.asked.notify_one();
        for step in &steps {
            match step {
                Step::Send(bytes) => {
                    // The client may be gone, which is what some tests are about.
                    let _ = stream.get_mut().write_all(bytes).await;
                }
                Step::UntilClosed => {
                    while !matches!(stream.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {}
                    shared.closed.notify_one();
                }
            }
        }
        if close {
            return;
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let text = String::from_utf8(body).ok()?;
    let body = serde_json::from_str(&text).ok()?;
    Some(Request { line: line.trim().to_owned(), headers, body, text })
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
