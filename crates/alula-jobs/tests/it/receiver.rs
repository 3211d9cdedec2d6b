//! A receiver of webhooks that answers what a test wants, and keeps what it got.

use std::{io::ErrorKind, net::TcpListener as StdListener, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// The longest wait for anything that should come soon, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Receiver {
    listener: TcpListener,
    /// The same socket, to look without waiting.
    look: StdListener,
}

/// A message that has come and waits for its answer.
pub(crate) struct Message {
    stream: TcpStream,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let look = StdListener::bind("127.0.0.1:0").unwrap();
        look.set_nonblocking(true).unwrap();
        Self { listener: TcpListener::from_std(look.try_clone().unwrap()).unwrap(), look }
    }

    pub(crate) fn port(&self) -> u16 {
        self.look.local_addr().unwrap().port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks", self.port())
    }

    /// Whether nobody has connected.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.look.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits for a message.
    pub(crate) async fn message(&self) -> Message {
        let message = async {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            loop {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "it was broken off");
                if let Some((head, body)) = parse(&bytes) {
                    return Message { stream, head, body };
                }
            }
        };
        timeout(PATIENCE, message).await.expect("a message comes")
    }
}

fn parse(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length: usize =
        head.split_once("content-length: ")?.1.split_once("\r\n")?.0.parse().unwrap();
    Some((head, bytes.get(end..end + length)?.to_vec()))
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value).unwrap_or_default()
    }

    /// Answers with this status line and these headers, and nothing else.
    pub(crate) async fn answer(mut self, head: &str) {
        let text = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.shutdown().await.unwrap();
    }

    /// Sends an answer without an end until nobody reads it, and says how many bytes went away.
    pub(crate) async fn flood(mut self) -> usize {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
        self.stream.write_all(head).await.unwrap();
        let mut sent = 0;
        let flood = async {
            while self.stream.write_all(&[b'x'; 4096]).await.is_ok() {
                sent += 4096;
            }
        };
        timeout(PATIENCE, flood).await.expect("somebody stops reading");
        sent
    }

    /// Waits until the sender has closed the connection.
    pub(crate) async fn closed(mut self) {
        let closed =
            async { while !matches!(self.stream.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {} };
        timeout(PATIENCE, closed).await.expect("the connection is closed");
    }
}
