//! Moves messages between a pipe and the network.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::AsyncWrite;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::{CapacityError, ProtocolError},
        protocol::{Role, WebSocketConfig},
    },
};

use super::{
    Limits,
    clock::{Clock, Due, Situation},
    error::Error,
    io::{CountedIo, Io},
    message::{CloseFrame, Raw},
    pipe::{Outgoing, Pipe},
};
use crate::serve::ShutdownPhase;

/// What is read from the network at a time, unless a frame is larger.
const READ_BYTES: usize = 8 * 1024;
/// What is gathered before it is written, unless nothing more is to be sent.
const WRITE_BYTES: usize = 16 * 1024;

type Socket = WebSocketStream<CountedIo>;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// A close frame was sent or received, and the other side's is awaited or being sent.
    Closing,
    /// Nothing more is read as a WebSocket; the byte stream is being closed.
    Leaving,
}

/// The connection as a future, ready when it is over.
///
/// It goes on by itself while the endpoint does something else: pings are answered and sent, and
/// a client that leaves is noticed. It never reads more than the pipe has room for.
pub(super) struct Driver {
    socket: Socket,
    pipe: Arc<Pipe>,
    must_end: Pin<Box<ShutdownPhase>>,
    phase: Phase,
    clock: Clock,
}

impl Driver {
    pub(super) async fn new(
        io: Box<dyn Io>,
        pipe: Arc<Pipe>,
        limits: Limits,
        must_end: ShutdownPhase,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_message_size(Some(limits.message_bytes))
            .max_frame_size(Some(limits.frame_bytes));
        let io = CountedIo::new(io);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let clock = Clock::new(limits);
        Self { socket, pipe, must_end: Box::pin(must_end), phase: Phase::Open, clock }
    }

    fn socket(&mut self) -> Pin<&mut Socket> {
        Pin::new(&mut self.socket)
    }

    /// Sends what waits, until the network takes no more.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>> {
        while self.phase == Phase::Open {
            ready!(self.socket().poll_ready(cx))?;
            match self.pipe.next_outgoing() {
                Outgoing::Message(message) => self.socket().start_send(message.into())?,
                Outgoing::Goodbye(frame) => {
                    self.pipe.end(frame.clone(), None);
                    self.phase = Phase::Closing;
                    self.socket().start_send(Message::Close(Some(frame.into())))?;
                }
                Outgoing::Nothing => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until nothing has come, or nothing is wanted; returns whether it is listening.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            // A client that is not read while the connection closes could never answer.
            if self.phase == Phase::Open && !self.pipe.wants_input() {
                return false;
            }
            match self.socket().poll_next(cx) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok(message))) => self.take(message),
                Poll::Ready(Some(Err(error))) => {
                    self.fail(&error);
                    return true;
                }
                // The close is complete on both sides.
                Poll::Ready(None) => {
                    self.phase = Phase::Leaving;
                    return true;
                }
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Text(text) => self.pipe.deliver(Raw::Text(text)),
            Message::Binary(bytes) => self.pipe.deliver(Raw::Binary(bytes)),
            // Its answer is on the way already.
            Message::Close(frame) => {
                self.phase = Phase::Closing;
                self.pipe.end(frame.into(), None);
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    /// The client broke a rule, which it is told, or is gone.
    fn fail(&mut self, error: &tungstenite::Error) {
        let frame = verdict(error);
        tracing::debug!(%error, code = frame.code, "a WebSocket failed");
        let is_open = self.phase == Phase::Open;
        self.phase = Phase::Leaving;
        if frame.is_lost() {
            return self.pipe.end(frame, None);
        }
        let failure = Error::Broken { code: frame.code, reason: frame.reason.clone() };
        self.pipe.end(frame.clone(), Some(failure));
        if is_open {
            // Should it not fit, the client sees the connection end, which says enough.
            let _ = self.socket().start_send(Message::Close(Some(frame.into())));
        }
    }

    /// Sends, receives, and sends what came of it; returns what the client is waited for.
    fn exchange(&mut self, cx: &mut Context<'_>) -> Situation {
        let sent = self.poll_send(cx);
        if let Poll::Ready(Err(error)) = &sent {
            self.fail(error);
        }
        let is_listening = self.phase == Phase::Leaving || self.receive(cx);
        let flushed = self.socket().poll_flush(cx);
        match &flushed {
            Poll::Ready(Ok(())) if sent.is_ready() => self.pipe.flushed(),
            Poll::Ready(Err(error)) if self.phase != Phase::Leaving => self.fail(error),
            Poll::Ready(_) | Poll::Pending => {}
        }
        let is_blocked = sent.is_pending() || flushed.is_pending();
        Situation { is_closing: self.phase != Phase::Open, is_listening, is_blocked }
    }

    /// Ready when the byte stream is closed, after what was still to be sent.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error says only that the client has left first.
        let _ = ready!(self.socket().poll_flush(cx));
        let _ = ready!(Pin::new(self.socket.get_mut()).poll_shutdown(cx));
        Poll::Ready(())
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.pipe.attend(cx);
        loop {
            if this.phase == Phase::Open && this.must_end.as_mut().poll(cx).is_ready() {
                this.pipe.close(CloseFrame::new(CloseFrame::AWAY, "The server is shutting down"));
            }
            let mut situation =
                Situation { is_closing: true, is_listening: true, is_blocked: false };
            if this.phase != Phase::Leaving {
                situation = this.exchange(cx);
            }
            if this.phase == Phase::Leaving && this.poll_leave(cx).is_ready() {
                return Poll::Ready(());
            }
            let CountedIo { bytes_read, bytes_written, .. } = *this.socket.get_ref();
            this.clock.note(bytes_read, bytes_written, situation);
            match ready!(this.clock.poll_due(cx)) {
                Due::Ping => {
                    // Where it does not fit, the client that must read first has its own limit.
                    if let Poll::Ready(Ok(())) = this.socket().poll_ready(cx) {
                        let _ = this.socket().start_send(Message::Ping(Bytes::new()));
                    }
                }
                Due::Over(why) => {
                    tracing::debug!(why, "a WebSocket was cut");
                    return Poll::Ready(());
                }
            }
        }
    }
}

/// However the connection ends, the endpoint learns it.
impl Drop for Driver {
    fn drop(&mut self) {
        self.pipe.finish();
    }
}

/// What a failed connection is closed with.
fn verdict(error: &tungstenite::Error) -> CloseFrame {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            let reason = format!("A message or frame is larger than {max_size} bytes");
            CloseFrame::new(CloseFrame::TOO_LARGE, &reason)
        }
        tungstenite::Error::Capacity(CapacityError::TooManyHeaders) => CloseFrame::lost(),
        tungstenite::Error::Utf8(_) => {
            CloseFrame::new(CloseFrame::INVALID, "A text message is not UTF-8")
        }
        tungstenite::Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
            | ProtocolError::SendAfterClosing
            | ProtocolError::ReceivedAfterClosing,
        ) => CloseFrame::lost(),
        tungstenite::Error::Protocol(error) => {
            CloseFrame::new(CloseFrame::PROTOCOL, &error.to_string())
        }
        _ => CloseFrame::lost(),
    }
}
