//! A provider under the test's control, down to the bytes.

use std::{io::ErrorKind, net::TcpListener as StdListener, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::process::PATIENCE;

pub(crate) struct Upstream {
    listener: TcpListener,
    /// The same socket, to look without waiting.
    look: StdListener,
}

/// A request that has come and waits for its answer.
pub(crate) struct Call {
    stream: TcpStream,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// The head of a stream, whose end is the end of the connection.
pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// A chunk of OpenAI's with this text.
pub(crate) fn token(text: &str) -> String {
    let chunk = serde_json::json!({"id": "1", "model": "m", "choices": [
        {"index": 0, "delta": {"content": text}}]});
    format!("data: {chunk}\n\n")
}

/// The end of a stream of OpenAI's.
pub(crate) const STREAM_END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\
     \"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A whole answer.
pub(crate) fn answer(head: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {head}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let look = StdListener::bind("127.0.0.1:0").unwrap();
        look.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(look.try_clone().unwrap()).unwrap();
        Self { listener, look }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.look.local_addr().unwrap())
    }

    /// Whether nobody has connected since the last call.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.look.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits for a call without a body.
    pub(crate) async fn bare_call(&self) -> Call {
        let call = async {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the call was broken off");
            }
            Call { stream, head: String::from_utf8(bytes).unwrap(), body: Value::Null }
        };
        timeout(PATIENCE, call).await.expect("the provider is called")
    }

    /// Waits for a call.
    pub(crate) async fn call(&self) -> Call {
        let call = async {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            loop {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the call was broken off");
                if let Some((head, body)) = parse(&bytes) {
                    return Call { stream, head, body };
                }
            }
        };
        timeout(PATIENCE, call).await.expect("the provider is called")
    }
}

/// The head and the JSON of a request that is complete.
pub(crate) fn parse(bytes: &[u8]) -> Option<(String, Value)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let lower = head.to_ascii_lowercase();
    let length = lower.split_once("content-length: ")?.1.split_once("\r\n")?.0;
    let body = bytes.get(end..end + length.parse::<usize>().unwrap())?;
    Some((head, serde_json::from_slice(body).unwrap()))
}

impl Call {
    pub(crate) async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends this again and again, until the caller has closed the connection.
    pub(crate) async fn keep_sending(mut self, text: &str, every: Duration) {
        let sending = async {
            while self.stream.write_all(text.as_bytes()).await.is_ok() {
                tokio::time::sleep(every).await;
            }
        };
        timeout(PATIENCE, sending).await.expect("the connection is closed");
    }

    /// Answers and closes the connection.
    pub(crate) async fn answer(mut self, text: &str) {
        self.send(text).await;
        self.stream.shutdown().await.unwrap();
    }

    /// Waits until the caller has closed the connection, and says how long it took.
    pub(crate) async fn closed(mut self) -> Duration {
        let start = Instant::now();
        let closed =
            async { while !matches!(self.stream.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {} };
        timeout(PATIENCE, closed).await.expect("the connection is closed");
        start.elapsed()
    }
}
