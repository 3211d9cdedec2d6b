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
    clock::{Clock, Due, Situation},
    error::Error,
    io::{CountedIo, Io},
    limits::Bounds,
    message::{CloseFrame, Raw},
    pipe::{Outgoing, Pipe},
};
use crate::serve::ShutdownPhase;

/// What is read from the network at a time, unless a frame is larger.
const READ_BYTES: usize = 8 * 1024;
/// What is gathered before it is written, unless nothing more is to be sent.
const WRITE_BYTES: usize = 16 * 1024;
/// Pings whose answers may wait for the network at a time, of 127 bytes each at most.
const PONGS_MAX: usize = 32;

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
/// a client that leaves is noticed. It never reads more than there is room for: messages in the
/// pipe, and answers to pings in the socket.
pub(super) struct Driver {
    socket: Socket,
    pipe: Arc<Pipe>,
    must_end: Pin<Box<ShutdownPhase>>,
    phase: Phase,
    clock: Clock,
    /// Pings since the network has last taken everything.
    pongs: usize,
}

impl Driver {
    pub(super) async fn new(
        io: Box<dyn Io>,
        pipe: Arc<Pipe>,
        limits: Bounds,
        must_end: ShutdownPhase,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_message_size(Some(limits.message_bytes_max))
            .max_frame_size(Some(limits.frame_bytes_max));
        let io = CountedIo::new(io);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let clock = Clock::new(limits);
        Self { socket, pipe, must_end: Box::pin(must_end), phase: Phase::Open, clock, pongs: 0 }
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
            if self.phase == Phase::Open && !(self.pipe.wants_input() && self.may_be_pinged(cx)) {
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

    /// Whether there is room for the answer to a ping; if not, the driver is woken when there is.
    ///
    /// Every ping that is read adds its answer to what is to be written, whether the client takes
    /// any of it or not. Anything else is heard while the client does not read, such as a wish to
    /// stop.
    fn may_be_pinged(&mut self, cx: &mut Context<'_>) -> bool {
        // An error is found again by whoever reads or writes next.
        if self.pongs >= PONGS_MAX && self.socket().poll_flush(cx).is_ready() {
            self.pongs = 0;
        }
        self.pongs < PONGS_MAX
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
            Message::Ping(_) => self.pongs += 1,
            Message::Pong(_) | Message::Frame(_) => {}
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

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::{Instant, timeout},
    };

    use super::*;
    use crate::{serve::Shutdown, ws::Limits};

    const SECOND: Duration = Duration::from_secs(1);
    /// A masked ping of 125 bytes, and the size of its answer.
    const PING: [u8; 131] = {
        let mut frame = [0; 131];
        (frame[0], frame[1]) = (0x89, 0x80 | 125);
        frame
    };
    const PONG_BYTES: usize = 127;

    async fn connection() -> (DuplexStream, Arc<Pipe>, Pin<Box<Driver>>) {
        let (client, server) = duplex(1024);
        let limits = Limits::default().bounds();
        let pipe = Arc::new(Pipe::new(&limits));
        let must_end = Shutdown::new().streams_must_end();
        let driver = Driver::new(Box::new(server), pipe.clone(), limits, must_end).await;
        (client, pipe, Box::pin(driver))
    }

    /// What the client does while the connection goes on.
    async fn beside<T>(driver: &mut Pin<Box<Driver>>, client: impl Future<Output = T>) -> T {
        tokio::select! {
            () = driver => panic!("the connection is over"),
            done = client => done,
        }
    }

    /// Sends pings until none is taken for ten seconds; returns how many were.
    async fn flood(driver: &mut Pin<Box<Driver>>, client: &mut DuplexStream) -> usize {
        let mut count = 0;
        let pings = async {
            while count < 10_000 {
                client.write_all(&PING).await.unwrap();
                count += 1;
            }
        };
        let stalled = beside(driver, timeout(10 * SECOND, pings)).await;
        assert!(stalled.is_err(), "everything was taken");
        count
    }

    #[tokio::test(start_paused = true)]
    async fn pings_are_not_read_while_their_answers_are_not() {
        let (mut client, _pipe, mut driver) = connection().await;
        let count = flood(&mut driver, &mut client).await;
        // Two full pipes, what is read at a time, and the answers that wait.
        let most = (1024 + READ_BYTES) / PING.len() + 1024 / PONG_BYTES + PONGS_MAX + 2;
        assert!((PONGS_MAX..=most).contains(&count), "{count} pings of {most}");
        // Whoever reads on loses no answer.
        let mut answers = vec![0; count * PONG_BYTES];
        beside(&mut driver, client.read_exact(&mut answers)).await.unwrap();
        assert!(answers.chunks(PONG_BYTES).all(|frame| frame.starts_with(&[0x8a, 125])));
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_pings_and_reads_no_answer_is_cut() {
        let (mut client, _pipe, mut driver) = connection().await;
        let start = Instant::now();
        flood(&mut driver, &mut client).await;
        timeout(60 * SECOND, driver).await.unwrap();
        assert_eq!(start.elapsed(), Limits::default().bounds().write_stall);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_heard() {
        let (mut client, pipe, mut driver) = connection().await;
        pipe.send(Raw::Binary(vec![0; 100_000].into())).unwrap();
        beside(&mut driver, timeout(10 * SECOND, std::future::pending::<()>())).await.unwrap_err();
        client.write_all(&[0x81, 0x84, 0, 0, 0, 0, b's', b't', b'o', b'p']).await.unwrap();
        let message = beside(&mut driver, poll_fn(|cx| pipe.poll_recv(cx))).await;
        assert_eq!(message.unwrap().unwrap(), Raw::Text("stop".into()));
    }
}
