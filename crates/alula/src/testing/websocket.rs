//! WebSockets without a network.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::DuplexStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, protocol::Role},
};
use tokio_util::sync::CancellationToken;

use super::{TestClient, TestRequest, TestResponse};
use crate::ws::{CloseFrame, Message, TestUpgrade};

/// What each side of the connection may have on the way, in bytes.
const PIPE_BYTES: usize = 16 * 1024;
/// How long a message may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// A key that everybody may know: there is no proxy to be protected from.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

impl TestClient {
    /// Begins the handshake of a WebSocket; see [`TestWebSocketRequest::connect`].
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// #[ws("/twice")]
    /// async fn twice(mut socket: WebSocket, _key: ApiKey) -> Result<()> {
    ///     while let Some(number) = socket.recv_json::<u32>().await {
    ///         socket.send_json(&(2 * number?)).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let client = App::new("Twice", "1.0.0").routes(routes![twice]).client().await;
    /// let mut socket =
    ///     client.websocket("/twice").header("x-api-key", "secret").connect().await.unwrap();
    /// socket.send_json(&4).await;
    /// assert_eq!(socket.recv_json::<u32>().await, 8);
    /// assert_eq!(socket.close().await.code, 1000);
    ///
    /// let refused = client.websocket("/twice").connect().await.unwrap_err();
    /// assert_eq!(refused.status(), 401);
    /// # });
    /// ```
    pub fn websocket(&self, target: &str) -> TestWebSocketRequest<'_> {
        let request = self
            .get(target)
            .header("host", "testserver")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY);
        TestWebSocketRequest { request }
    }
}

/// A handshake that is sent by [`connect`](Self::connect).
#[must_use = "a handshake is sent by `connect`"]
#[derive(Debug)]
pub struct TestWebSocketRequest<'a> {
    request: TestRequest<'a>,
}

impl<'a> TestWebSocketRequest<'a> {
    /// Adds a header.
    ///
    /// # Panics
    ///
    /// If it is no header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Adds `Authorization: Bearer …`.
    ///
    /// # Panics
    ///
    /// If the token cannot be in a header.
    pub fn bearer(mut self, token: &str) -> Self {
        self.request = self.request.bearer(token);
        self
    }

    /// Offers subprotocols.
    ///
    /// # Panics
    ///
    /// If one cannot be in a header.
    pub fn protocols<'p>(self, protocols: impl IntoIterator<Item = &'p str>) -> Self {
        let protocols: Vec<&str> = protocols.into_iter().collect();
        self.header("sec-websocket-protocol", &protocols.join(", "))
    }

    /// Opens the connection.
    ///
    /// # Errors
    ///
    /// The response of a server that refused, complete with its tasks and exits.
    pub async fn connect(mut self) -> Result<TestWebSocket<'a>, TestResponse> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let session_over = CancellationToken::new();
        let upgrade = Some((theirs, session_over.clone().drop_guard()));
        let upgrade = TestUpgrade(Arc::new(Mutex::new(upgrade)));
        self.request.request.extensions_mut().insert(upgrade);
        let client = self.request.client;
        let stream = self.request.stream().await;
        if stream.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(stream.collect().await);
        }
        // A server is done with the answer now, too.
        let headers = stream.response.into_parts().0.headers;
        let socket = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
        Ok(TestWebSocket { client, headers, socket, session_over, closed: None })
    }
}

/// An open WebSocket; dropping it is a client that vanishes.
///
/// # Panics
///
/// Its methods panic where a test would want to fail: on a message of the wrong kind, on a
/// connection that is closed, and on a message that has not come after ten seconds.
pub struct TestWebSocket<'a> {
    client: &'a TestClient,
    headers: HeaderMap,
    socket: WebSocketStream<DuplexStream>,
    session_over: CancellationToken,
    closed: Option<CloseFrame>,
}

impl TestWebSocket<'_> {
    /// The headers of the handshake's answer.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok())
    }

    /// Sends text.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.send(text.into()).await;
    }

    /// Sends bytes.
    pub async fn send_bytes(&mut self, bytes: impl Into<Bytes>) {
        self.send(bytes.into()).await;
    }

    /// Sends a value as JSON text.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) {
        let text = serde_json::to_string(value).unwrap_or_else(|error| panic!("{error}"));
        self.send(text).await;
    }

    /// Sends a message.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn send(&mut self, message: impl Into<Message>) {
        let message = match message.into() {
            Message::Text(text) => tungstenite::Message::Text(text.into()),
            Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
        };
        let sent = patiently("to send", self.socket.send(message)).await;
        sent.unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// The next message, or nothing when the server has closed.
    pub async fn recv(&mut self) -> Option<Message> {
        loop {
            match patiently("a message", self.socket.next()).await {
                Some(Ok(tungstenite::Message::Text(text))) => {
                    return Some(Message::Text(text.as_str().to_owned()));
                }
                Some(Ok(tungstenite::Message::Binary(bytes))) => {
                    return Some(Message::Binary(bytes));
                }
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    self.closed.get_or_insert(frame.into());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next message, which must be text.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn recv_text(&mut self) -> String {
        match self.recv().await {
            Some(Message::Text(text)) => text,
            other => panic!("expected text, got {other:?}; closed: {:?}", self.closed),
        }
    }

    /// The next message, which must be bytes.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn recv_bytes(&mut self) -> Bytes {
        match self.recv().await {
            Some(Message::Binary(bytes)) => bytes,
            other => panic!("expected bytes, got {other:?}; closed: {:?}", self.closed),
        }
    }

    /// The next message, which must be the JSON of a `T`.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> T {
        let text = self.recv_text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// Closes with 1000, and waits for the endpoint, its tasks and its exits; see
    /// [`close_with`](Self::close_with).
    pub async fn close(self) -> CloseFrame {
        self.close_with(1000, "").await
    }

    /// Closes with a code and a reason, and waits for the endpoint, its tasks and its exits.
    ///
    /// Returns what the server closed with: its own code if it was first, else the client's.
    pub async fn close_with(mut self, code: u16, reason: &str) -> CloseFrame {
        let frame = CloseFrame::new(code, reason);
        // The server may have closed already.
        let _ = patiently("to close", self.socket.close(Some(frame.into()))).await;
        self.closed().await
    }

    /// Waits until the server closes, and for the endpoint, its tasks and its exits.
    ///
    /// Returns what the server closed with: 1006 if it left without a close. Messages that come
    /// before are thrown away.
    pub async fn closed(mut self) -> CloseFrame {
        while self.recv().await.is_some() {}
        let Self { client, socket, session_over, closed, .. } = self;
        drop(socket);
        patiently("the endpoint to end", session_over.cancelled()).await;
        client.settle().await;
        closed.unwrap_or_else(CloseFrame::lost)
    }

    /// Leaves without a word, and waits for the endpoint, its tasks and its exits.
    pub async fn vanish(self) {
        let Self { client, socket, session_over, .. } = self;
        drop(socket);
        patiently("the endpoint to end", session_over.cancelled()).await;
        client.settle().await;
    }
}

impl fmt::Debug for TestWebSocket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestWebSocket").field("closed", &self.closed).finish_non_exhaustive()
    }
}

/// Waits, but not for ever. A test may have stopped tokio's clock, which then jumps.
#[expect(clippy::panic, reason = "a test fails by a panic")]
async fn patiently<F: Future>(what: &str, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let start = Instant::now();
    loop {
        match tokio::time::timeout(PATIENCE, &mut future).await {
            Ok(output) => return output,
            Err(_) if start.elapsed() < PATIENCE => {}
            Err(_) => panic!("waited for {what} for {PATIENCE:?}"),
        }
    }
}
