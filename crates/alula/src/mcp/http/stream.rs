//! An answer as a stream: what is said during a call, then its result.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use bytes::{BufMut as _, BytesMut};
use futures_util::{future::BoxFuture, stream};
use http::{HeaderName, HeaderValue, Response, header};
use tokio::sync::mpsc;

use crate::{
    idle::IdleTimer,
    mcp::{
        engine::Answer,
        message::{Id, RpcError},
    },
    serve::{Shutdown, ShutdownPhase},
};

/// How long a stream may be silent before a comment is sent, so that proxies keep the connection.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING: &[u8] = b":\n\n";

/// How many messages wait for a client that reads slowly; then the call waits.
pub(super) const MESSAGES_MAX: usize = 16;

/// A call on its way.
pub(super) type Call = BoxFuture<'static, Answer>;

/// What a call comes to before anything is sent.
pub(super) enum Begun {
    /// It is over, and has said nothing before.
    Answered(Answer),
    /// It has something to say first.
    Streaming(Stream),
}

/// Runs a call until it is over or says something.
pub(super) async fn begin(
    mut call: Call,
    mut messages: mpsc::Receiver<Bytes>,
    shutdown: &Shutdown,
    id: Id,
) -> Begun {
    let first = poll_fn(|cx| {
        let polled = call.as_mut().poll(cx);
        match (polled, messages.poll_recv(cx)) {
            (Poll::Ready(answer), Poll::Ready(Some(message))) => {
                Poll::Ready((Some(answer), Some(message)))
            }
            (Poll::Ready(answer), _) => Poll::Ready((Some(answer), None)),
            (Poll::Pending, Poll::Ready(Some(message))) => Poll::Ready((None, Some(message))),
            (Poll::Pending, _) => Poll::Pending,
        }
    });
    match first.await {
        (Some(answer), None) => Begun::Answered(answer),
        (answer, first) => {
            if answer.is_some() {
                messages.close();
            }
            Begun::Streaming(Stream {
                first,
                messages,
                call: answer.is_none().then_some(call),
                id,
                answer: answer.map(|answer| answer.json),
                ping: IdleTimer::new(PING_INTERVAL),
                must_end: Box::pin(shutdown.streams_must_end()),
            })
        }
    }
}

/// What a call says, and its answer.
pub(super) struct Stream {
    first: Option<Bytes>,
    messages: mpsc::Receiver<Bytes>,
    /// Until it is over.
    call: Option<Call>,
    /// Of the request.
    id: Id,
    /// Sent after all that was said before.
    answer: Option<Bytes>,
    ping: IdleTimer,
    must_end: Pin<Box<ShutdownPhase>>,
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(event(&first)));
        }
        if let Some(call) = &mut self.call
            && let Poll::Ready(answer) = call.as_mut().poll(cx)
        {
            self.answer = Some(answer.json);
            // What was said before it is still sent, and nothing more.
            self.call = None;
            self.messages.close();
        }
        if self.call.is_some() && self.must_end.as_mut().poll(cx).is_ready() {
            let error = RpcError::new(RpcError::INTERNAL, "The server stops");
            self.answer = Some(error.response(Some(&self.id)));
            self.call = None;
            self.messages.close();
        }
        if let Poll::Ready(Some(message)) = self.messages.poll_recv(cx) {
            self.ping.active();
            return Poll::Ready(Some(event(&message)));
        }
        if self.call.is_none() {
            let answer = self.answer.take().filter(|answer| !answer.is_empty());
            return Poll::Ready(answer.map(|answer| event(&answer)));
        }
        match self.ping.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Bytes::from_static(PING))),
            Poll::Pending => Poll::Pending,
        }
    }

    pub(super) fn response(mut self) -> Response<Body> {
        respond(Body::from_stream(stream::poll_fn(move |cx| {
            self.poll(cx).map(|next| next.map(Ok::<_, std::convert::Infallible>))
        })))
    }
}

/// The messages of a channel as an answer, until that is closed or the future is ready.
pub(super) fn of_messages(
    mut messages: mpsc::Receiver<Bytes>,
    until: impl Future<Output = ()> + Send + 'static,
    mut work: BoxFuture<'static, ()>,
) -> Response<Body> {
    let mut until = Box::pin(until);
    let mut ping = IdleTimer::new(PING_INTERVAL);
    // A first line shows the client that the stream has begun.
    let mut first = Some(Bytes::from_static(PING));
    respond(Body::from_stream(stream::poll_fn(move |cx| {
        let next = |bytes| Poll::Ready(Some(Ok::<_, std::convert::Infallible>(bytes)));
        if let Some(first) = first.take() {
            return next(first);
        }
        if until.as_mut().poll(cx).is_ready() || work.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        match messages.poll_recv(cx) {
            Poll::Ready(Some(message)) => {
                ping.active();
                return next(event(&message));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        match ping.poll(cx) {
            Poll::Ready(()) => next(Bytes::from_static(PING)),
            Poll::Pending => Poll::Pending,
        }
    })))
}

/// A message as an event. JSON has no line breaks but in what is escaped.
fn event(message: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(message.len() + 24);
    event.put_slice(b"event: message\ndata: ");
    event.put_slice(message);
    event.put_slice(b"\n\n");
    event.freeze()
}

fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
