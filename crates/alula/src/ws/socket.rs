//! A WebSocket as an endpoint has it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{CloseFrame, Error, JsonSocket, Message, Receiver, Sender, json::Shapes, pipe::Pipe};
use crate::{
    error::HttpError,
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
    validate::Validate,
};

/// An open WebSocket: the argument of an endpoint made with [`ws()`](super::ws()).
///
/// Messages are received and sent whole. Pings, pongs and the closing handshake are done behind
/// the scenes, also while the endpoint does something else. The connection is closed when the
/// endpoint returns; see the [module](super) for the codes.
///
/// It is a [`Stream`] and a [`Sink`] of [`Message`]s, and [`split`](Self::split) makes two halves
/// of it that may live in different tasks.
///
/// ```
/// use alula::{prelude::*, ws::Message};
///
/// #[ws("/shout")]
/// async fn shout(mut socket: WebSocket) -> Result<()> {
///     while let Some(message) = socket.recv().await {
///         match message? {
///             Message::Text(text) => socket.send_text(text.to_uppercase()).await?,
///             Message::Binary(bytes) => socket.send_bytes(bytes).await?,
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct WebSocket {
    pub(super) receiver: Receiver,
    pub(super) sender: Sender,
}

impl WebSocket {
    /// The next message; `None` when the connection is closed or the client is gone.
    ///
    /// Cancel safe: no message is lost where the future is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] once, if the client broke a limit or the protocol; then `None`.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        self.receiver.recv().await
    }

    /// The next message, which has to be text.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`Error::Invalid`] for bytes.
    pub async fn recv_text(&mut self) -> Option<Result<String, Error>> {
        self.receiver.recv_text().await
    }

    /// The next message, read and checked as the body of [`Json<T>`](crate::Json) is.
    ///
    /// Text and bytes are both taken for JSON. Converts as FastAPI does if the route is
    /// [`lax`](crate::Route::lax).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`Error::Invalid`] for what is not a valid `T`: every mistake,
    /// in FastAPI's form.
    pub async fn recv_json<T>(&mut self) -> Option<Result<T, Error>>
    where
        T: DeserializeOwned + JsonSchema + Validate + 'static,
    {
        self.receiver.recv_json().await
    }

    /// Sends a message.
    ///
    /// Ready when the message is on its way or has room in the write buffer; a client that does
    /// not read makes it wait. Where the future is dropped before, the message was not sent.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// Sends text; see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<(), Error> {
        self.sender.send_text(text).await
    }

    /// Sends bytes; see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub async fn send_bytes(&mut self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.sender.send_bytes(bytes).await
    }

    /// Sends a value as JSON text; see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], or [`Error::Serialize`].
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.sender.send_json(value).await
    }

    /// Closes the connection with a code and a reason, and waits until it is over.
    ///
    /// Codes are 1000 to 1003, 1007 to 1014 and 3000 to 4999; another one is a mistake in the
    /// program, which is logged, and 1011 is sent. A reason longer than 123 bytes is cut. If the
    /// client does not answer within [`close_timeout`](super::Limits::close_timeout), the
    /// connection is cut.
    pub async fn close(self, code: u16, reason: &str) {
        self.sender.close(code, reason).await;
    }

    /// Ready when the connection is over, for whatever reason.
    ///
    /// It borrows nothing, so that it can stand beside other work:
    ///
    /// ```
    /// # use alula::{WebSocket, ws::Error};
    /// # async fn slow_answer() -> String { String::new() }
    /// # async fn answer(mut socket: WebSocket) -> Result<(), Error> {
    /// tokio::select! {
    ///     answer = slow_answer() => socket.send_text(answer).await?,
    ///     () = socket.closed() => return Ok(()), // nobody waits for the answer any more
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.sender.closed()
    }

    /// Why the connection was closed, if it is; the first one to close says it.
    pub fn close_frame(&self) -> Option<CloseFrame> {
        self.receiver.close_frame()
    }

    /// The subprotocol that both sides speak, of those of
    /// [`Route::protocols`](crate::Route::protocols).
    pub fn protocol(&self) -> Option<&str> {
        self.sender.protocol()
    }

    /// Makes two halves, which may be used at the same time.
    ///
    /// The connection is still closed when the endpoint returns.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// A view that receives one type and sends one type, as JSON.
    pub fn json<In, Out>(self) -> JsonSocket<In, Out>
    where
        In: DeserializeOwned + JsonSchema + Validate + 'static,
        Out: Serialize,
    {
        JsonSocket::new(self)
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.receiver).poll_next(cx)
    }
}

impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.sender).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Pin::new(&mut self.sender).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.sender).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.sender).poll_close(cx)
    }
}

/// A connection that waits for its endpoint, among the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) pipe: Arc<Pipe>,
    pub(super) protocol: Option<Arc<str>>,
}

/// What an endpoint prepares for its messages.
#[doc(hidden)]
#[derive(Debug)]
pub struct WebSocketPlan {
    pub(super) shapes: Shapes,
}

impl Input for WebSocket {
    type Plan = WebSocketPlan;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.take_socket();
        WebSocketPlan { shapes: Shapes::new(operation.is_lax()) }
    }

    async fn extract(plan: &Self::Plan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        // An application that takes a socket elsewhere does not start, so this error is never seen.
        let opening = cx.parts_mut().extensions.remove::<Opening>();
        let opening = opening.ok_or_else(|| HttpError::internal("this is no WebSocket"))?;
        Ok(Self {
            receiver: Receiver::new(opening.pipe.clone(), plan.shapes.clone()),
            sender: Sender::new(opening.pipe, opening.protocol),
        })
    }
}
