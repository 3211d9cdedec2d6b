//! The two halves of a WebSocket.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{CloseFrame, Error, Message, json::Shapes, message::Raw, pipe::Pipe};
use crate::{
    schema::{Detail, Loc},
    validate::Validate,
};

/// The half of a [`WebSocket`](super::WebSocket) that receives.
///
/// Once it is dropped, messages of the client are thrown away.
#[derive(Debug)]
pub struct Receiver {
    pipe: Arc<Pipe>,
    shapes: Shapes,
}

impl Receiver {
    pub(super) fn new(pipe: Arc<Pipe>, shapes: Shapes) -> Self {
        Self { pipe, shapes }
    }

    async fn next(&mut self) -> Option<Result<Raw, Error>> {
        poll_fn(|cx| self.pipe.poll_recv(cx)).await
    }

    /// The next message; see [`WebSocket::recv`](super::WebSocket::recv).
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] once, if the client broke a limit or the protocol; then `None`.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        Some(self.next().await?.map(Message::from))
    }

    /// The next message, which has to be text.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`Error::Invalid`] for bytes.
    pub async fn recv_text(&mut self) -> Option<Result<String, Error>> {
        Some(match self.next().await? {
            Ok(Raw::Text(text)) => Ok(text.as_str().to_owned()),
            Ok(Raw::Binary(_)) => Err(not_text()),
            Err(error) => Err(error),
        })
    }

    /// The next message as JSON; see [`WebSocket::recv_json`](super::WebSocket::recv_json).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`Error::Invalid`] for what is not a valid `T`.
    pub async fn recv_json<T>(&mut self) -> Option<Result<T, Error>>
    where
        T: DeserializeOwned + JsonSchema + Validate + 'static,
    {
        let message = self.next().await?;
        Some(message.and_then(|message| self.shapes.parse(message.as_bytes())))
    }

    /// Why the connection was closed, if it is.
    pub fn close_frame(&self) -> Option<CloseFrame> {
        self.pipe.closed()
    }
}

impl Stream for Receiver {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pipe.poll_recv(cx).map(|next| next.map(|message| message.map(Message::from)))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.pipe.stop_receiving();
    }
}

pub(super) fn not_text() -> Error {
    Error::Invalid(vec![Detail {
        kind: "string_type".into(),
        loc: vec![Loc::from("body")],
        msg: "Input should be a valid string".to_owned(),
        input: Value::Null,
        ctx: None,
    }])
}

/// The half of a [`WebSocket`](super::WebSocket) that sends.
#[derive(Debug)]
pub struct Sender {
    pipe: Arc<Pipe>,
    protocol: Option<Arc<str>>,
}

impl Sender {
    pub(super) fn new(pipe: Arc<Pipe>, protocol: Option<Arc<str>>) -> Self {
        Self { pipe, protocol }
    }

    async fn give(&mut self, message: Raw) -> Result<(), Error> {
        poll_fn(|cx| self.pipe.poll_ready(cx)).await?;
        self.pipe.send(message)
    }

    /// Sends a message; see [`WebSocket::send`](super::WebSocket::send).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.give(message.into().into()).await
    }

    /// Sends text.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<(), Error> {
        self.give(Raw::Text(text.into().into())).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn send_bytes(&mut self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.give(Raw::Binary(bytes.into())).await
    }

    /// Sends a value as JSON text.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or [`Error::Serialize`].
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string(value).map_err(Error::Serialize)?;
        self.give(Raw::Text(text.into())).await
    }

    /// Closes the connection and waits until it is over; see
    /// [`WebSocket::close`](super::WebSocket::close).
    pub async fn close(self, code: u16, reason: &str) {
        self.pipe.close(CloseFrame::new(code, reason));
        self.pipe.over().await;
    }

    /// Ready when the connection is over; see [`WebSocket::closed`](super::WebSocket::closed).
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.pipe.over()
    }

    /// The subprotocol that both sides speak.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

impl Sink<Message> for Sender {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.pipe.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.pipe.send(message.into())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.pipe.poll_flush(cx)
    }

    /// Closes with 1000 after what was sent; ready when that is on its way.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.pipe.close(CloseFrame::new(CloseFrame::NORMAL, ""));
        self.pipe.poll_flush(cx)
    }
}
