//! What the endpoint and the driver of its connection share.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    error::Error,
    limits::Bounds,
    message::{CloseFrame, Raw},
};

/// What a message counts beside its content, so that empty ones are not free.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// Two bounded queues between an endpoint and its connection.
///
/// The endpoint may hold its halves in any task; the driver alone touches the network.
pub(crate) struct Pipe {
    state: Mutex<State>,
    /// Cancelled when the connection is over.
    over: CancellationToken,
    read_buffer_bytes: usize,
    write_buffer_bytes: usize,
}

#[derive(Default)]
struct State {
    inbox: Queue,
    outbox: Queue,
    /// What the endpoint reads once, after the inbox.
    failure: Option<Error>,
    /// No message will come any more.
    input_ended: bool,
    /// The endpoint takes no messages any more; what comes is thrown away.
    input_unwanted: bool,
    /// Nothing can be sent any more.
    output_ended: bool,
    /// Something was given to the driver and is not on its way to the client yet.
    unflushed: bool,
    /// The close frame that is to be sent after the outbox.
    goodbye: Option<CloseFrame>,
    /// How the connection was closed.
    closed: Option<CloseFrame>,
    /// The driver waits for room in the inbox.
    input_blocked: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    driver: Option<Waker>,
}

/// Messages that wait, and how many bytes they count.
#[derive(Default)]
struct Queue {
    messages: VecDeque<Raw>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, message: Raw) {
        self.bytes += message.as_bytes().len() + MESSAGE_OVERHEAD_BYTES;
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Raw> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.as_bytes().len() + MESSAGE_OVERHEAD_BYTES;
        Some(message)
    }
}

/// What the driver has to send next.
pub(super) enum Outgoing {
    Message(Raw),
    Goodbye(CloseFrame),
    Nothing,
}

impl Pipe {
    pub(super) fn new(limits: &Bounds) -> Self {
        Self {
            state: Mutex::default(),
            over: CancellationToken::new(),
            // A buffer without room for anything would never be found empty enough.
            read_buffer_bytes: limits.read_buffer_bytes_max.max(1),
            write_buffer_bytes: limits.write_buffer_bytes_max.max(1),
        }
    }

    /// Never held while anything waits.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side of the endpoint.
impl Pipe {
    pub(super) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Raw, Error>>> {
        let mut state = self.lock();
        if let Some(message) = state.inbox.pop() {
            let has_room = state.inbox.bytes < self.read_buffer_bytes;
            let driver = (has_room && mem::take(&mut state.input_blocked))
                .then(|| state.driver.take())
                .flatten();
            drop(state);
            wake(driver);
            return Poll::Ready(Some(Ok(message)));
        }
        if let Some(failure) = state.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        if state.input_ended {
            return Poll::Ready(None);
        }
        remember(&mut state.reader, cx);
        Poll::Pending
    }

    /// Ready when a message may be sent.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.lock();
        if state.output_ended {
            return Poll::Ready(Err(Error::Closed));
        }
        if state.outbox.bytes < self.write_buffer_bytes {
            return Poll::Ready(Ok(()));
        }
        remember(&mut state.writer, cx);
        Poll::Pending
    }

    /// Gives a message to the driver, after [`poll_ready`](Self::poll_ready).
    pub(super) fn send(&self, message: Raw) -> Result<(), Error> {
        let mut state = self.lock();
        if state.output_ended {
            return Err(Error::Closed);
        }
        state.outbox.push(message);
        state.unflushed = true;
        let driver = state.driver.take();
        drop(state);
        wake(driver);
        Ok(())
    }

    /// Ready when everything sent was given to the operating system.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.lock();
        if !state.unflushed {
            return Poll::Ready(Ok(()));
        }
        if self.over.is_cancelled() {
            return Poll::Ready(Err(Error::Closed));
        }
        remember(&mut state.writer, cx);
        Poll::Pending
    }

    /// Sends what waits and then a close frame, unless the connection is being closed already.
    pub(super) fn close(&self, frame: CloseFrame) {
        let mut state = self.lock();
        if state.output_ended {
            return;
        }
        state.output_ended = true;
        state.goodbye = Some(frame);
        let (driver, writer) = (state.driver.take(), state.writer.take());
        drop(state);
        wake(driver);
        wake(writer);
    }

    /// The endpoint does not take messages any more.
    pub(super) fn stop_receiving(&self) {
        let mut state = self.lock();
        state.input_unwanted = true;
        state.inbox = Queue::default();
        let driver = state.driver.take();
        drop(state);
        wake(driver);
    }

    /// Ready when the connection is over.
    pub(super) fn over(&self) -> WaitForCancellationFutureOwned {
        self.over.clone().cancelled_owned()
    }

    /// Whether the connection is still there, open or being closed.
    pub(super) fn is_open(&self) -> bool {
        !self.over.is_cancelled()
    }

    /// How the connection was closed, if it is.
    pub(super) fn closed(&self) -> Option<CloseFrame> {
        self.lock().closed.clone()
    }
}

/// The side of the driver.
impl Pipe {
    /// Has the driver woken by what the endpoint does.
    pub(super) fn attend(&self, cx: &Context<'_>) {
        remember(&mut self.lock().driver, cx);
    }

    pub(super) fn next_outgoing(&self) -> Outgoing {
        let mut state = self.lock();
        if let Some(message) = state.outbox.pop() {
            let has_room = state.outbox.bytes < self.write_buffer_bytes;
            let writer = if has_room { state.writer.take() } else { None };
            drop(state);
            wake(writer);
            return Outgoing::Message(message);
        }
        match state.goodbye.take() {
            Some(frame) => Outgoing::Goodbye(frame),
            None => Outgoing::Nothing,
        }
    }

    /// Whether the next message may be read; if not, the driver is woken when it may.
    pub(super) fn wants_input(&self) -> bool {
        let mut state = self.lock();
        let wants = state.input_unwanted || state.inbox.bytes < self.read_buffer_bytes;
        state.input_blocked = !wants;
        wants
    }

    /// Gives a message to the endpoint.
    pub(super) fn deliver(&self, message: Raw) {
        let mut state = self.lock();
        if state.input_unwanted || state.input_ended {
            return;
        }
        // Who keeps up pays for no copy; the memory that one message shares is little.
        let message = match state.inbox.messages.is_empty() {
            true => message,
            false => message.compact(),
        };
        state.inbox.push(message);
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// Everything sent is on its way to the client.
    pub(super) fn flushed(&self) {
        let mut state = self.lock();
        if state.unflushed && state.outbox.messages.is_empty() {
            state.unflushed = false;
            let writer = state.writer.take();
            drop(state);
            wake(writer);
        }
    }

    /// No message comes any more, and none can be sent.
    ///
    /// The first frame counts: whoever closes first says why.
    pub(super) fn end(&self, frame: CloseFrame, failure: Option<Error>) {
        let mut state = self.lock();
        state.closed.get_or_insert(frame);
        if !state.input_ended {
            state.failure = failure;
        }
        state.input_ended = true;
        state.output_ended = true;
        state.outbox = Queue::default();
        state.goodbye = None;
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        wake(reader);
        wake(writer);
    }

    /// The connection is over.
    pub(super) fn finish(&self) {
        self.end(CloseFrame::lost(), None);
        self.over.cancel();
        let writer = self.lock().writer.take();
        wake(writer);
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pipe")
            .field("inbox_bytes", &state.inbox.bytes)
            .field("outbox_bytes", &state.outbox.bytes)
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}

fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(known) => known.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ws::Limits;

    fn received(pipe: &Pipe) -> Raw {
        match pipe.poll_recv(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(message))) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_that_waits_does_not_keep_what_it_was_read_into() {
        let pipe = Pipe::new(&Limits::default().bounds());
        let read = Bytes::from(vec![b'x'; 8192]);
        for length in [1, 1, 4096] {
            pipe.deliver(Raw::Binary(read.slice(..length)));
        }
        drop(received(&pipe));
        let (small, large) = (received(&pipe), received(&pipe));
        assert_eq!((small.as_bytes().len(), large.as_bytes().len()), (1, 4096));
        drop(large);
        assert!(read.is_unique(), "the small one is a copy");
    }
}
