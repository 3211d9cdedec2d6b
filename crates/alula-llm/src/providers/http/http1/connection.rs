//! A connection, and the answer that is read from it.

use std::{
    future::poll_fn,
    io,
    mem::{self, MaybeUninit},
    pin::{Pin, pin},
    sync::Weak,
    task::{Context, Poll, Waker, ready},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::Response;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    task::unconstrained,
};

use super::{
    super::pool::{Origin, Pool},
    Error, Request,
    framing::Framing,
    head::{Head, Heads},
};

/// How much is read at once. It is read onto the stack, which is warm and costs nobody memory; what
/// is data of it is copied to where it just fits. That is an allocation for each read, of a size
/// that is given back before the next one, and in turn no stream that waits holds a buffer.
const READ_BYTES: usize = 16 << 10;
/// How much is read at once where more than that is to come, without a copy.
const LARGE_READ_BYTES: usize = 64 << 10;

/// What a connection is read from and written to.
pub(in super::super) trait Socket:
    AsyncRead + AsyncWrite + Send + Sync + Unpin
{
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for S {}

/// A connection of whichever kind, in one piece of memory.
pub(in super::super) type Link = Box<Connection>;

/// A connection, and where the answer is that is read from it.
pub(in super::super) struct Connection<S: ?Sized = dyn Socket> {
    pub(in super::super) origin: Origin,
    /// Where it goes when it is idle.
    home: Weak<Pool>,
    framing: Framing,
    /// Whether another request may be sent after this answer.
    is_reusable: bool,
    /// What is left of a request whose answer came early.
    unsent: Option<Box<Request>>,
    /// The last read was full, so that much is there.
    flows: bool,
    socket: S,
}

impl<S: Socket + 'static> Connection<S> {
    pub(in super::super) fn new(socket: S, origin: Origin, home: Weak<Pool>) -> Link {
        let framing = Framing::End;
        Box::new(Self {
            origin,
            home,
            framing,
            is_reusable: false,
            unsent: None,
            flows: false,
            socket,
        })
    }
}

/// Sends a request, and reads until the head of the answer is there.
///
/// Where it fails, [`Request::is_unsent`] says whether it may be sent elsewhere.
pub(in super::super) async fn call(
    mut link: Link,
    request: &mut Request,
) -> Result<Response<Body>, Error> {
    let mut exchange = Exchange { request, heads: Heads::default(), refused: None };
    let (head, first) = poll_fn(|cx| link.poll_answer(cx, &mut exchange)).await?;
    let is_sent = exchange.request.is_sent();
    link.is_reusable &= is_sent && !exchange.request.closes();
    if !is_sent && exchange.refused.is_none() {
        link.unsent = Some(Box::new(mem::take(exchange.request)));
    }
    let mut answer = Response::new(Body::new(link, first));
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    Ok(answer)
}

/// A request that waits for its answer.
struct Exchange<'a> {
    request: &'a mut Request,
    heads: Heads,
    /// Why the server takes no more of the request. It may have said so in an answer before.
    refused: Option<io::Error>,
}

impl Connection {
    /// Whether the other side has nothing to say, which is all that it may say when it is asked
    /// nothing. An end, an error and bytes are all the same.
    pub(in super::super) fn is_alive(&mut self) -> bool {
        let mut room = [0; 8];
        // Who has used up its turn would be told to wait, as if there were nothing.
        let read = pin!(unconstrained(self.socket.read(&mut room)));
        read.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Whether all of the answer has been read.
    fn is_at_end(&self) -> bool {
        self.framing.is_end()
    }

    /// Keeps the connection for another call if it can be used again, or else closes it.
    fn release(self: Box<Self>) {
        if self.is_reusable
            && let Some(home) = self.home.upgrade()
        {
            home.put(self);
        }
    }

    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<'_>,
    ) -> Poll<Result<(Head, Bytes), Error>> {
        let Exchange { request, heads, refused } = exchange;
        if !request.is_sent()
            && refused.is_none()
            && let Poll::Ready(Err(error)) = request.poll_send(&mut self.socket, cx)
        {
            if request.is_unsent() {
                return Poll::Ready(Err(Error::Write(error)));
            }
            *refused = Some(error);
        }
        loop {
            let mut room = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut room = ReadBuf::uninit(&mut room);
            let read = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room));
            let raw_is_full = room.remaining() == 0;
            let raw = room.filled_mut();
            if read.is_err() || raw.is_empty() {
                return Poll::Ready(Err(match (refused.take(), read) {
                    (Some(error), _) => Error::Write(error),
                    (None, Err(error)) => Error::Read(error),
                    (None, Ok(())) => heads.finish(),
                }));
            }
            if request.is_unsent() {
                // It is the answer to nothing.
                return Poll::Ready(Err(Error::NoAnswer));
            }
            if let Some((head, end)) = heads.push(raw, request.is_head())? {
                let all = if heads.kept.is_empty() { raw } else { &mut heads.kept[..] };
                self.framing = head.framing;
                self.flows = raw_is_full;
                self.is_reusable = head.keeps_open;
                let first = self.decode(all.get_mut(end..).unwrap_or_default());
                return Poll::Ready(Ok((head, first)));
            }
        }
    }

    /// The next piece of the body, which is empty only at its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        if let Some(unsent) = &mut self.unsent
            && unsent.poll_send(&mut self.socket, cx).is_ready()
        {
            self.unsent = None;
        }
        loop {
            if let Framing::Bad(reason) = self.framing {
                return Poll::Ready(Err(Error::Malformed(reason)));
            }
            if self.flows && self.framing.data_left() > READ_BYTES as u64 {
                return self.poll_large(cx);
            }
            let mut room = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut room = ReadBuf::uninit(&mut room);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room)).map_err(Error::Read)?;
            self.flows = room.remaining() == 0;
            let raw = room.filled_mut();
            if raw.is_empty() {
                return Poll::Ready(self.close());
            }
            let piece = self.decode(raw);
            if !piece.is_empty() || self.is_at_end() {
                return Poll::Ready(Ok(piece));
            }
        }
    }

    /// The same where much is there of which all is data.
    fn poll_large(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let left = usize::try_from(self.framing.data_left()).unwrap_or(usize::MAX);
        let mut room = BytesMut::with_capacity(left.min(LARGE_READ_BYTES)).limit(left);
        let read = pin!(self.socket.read_buf(&mut room)).poll(cx);
        match ready!(read).map_err(Error::Read)? {
            0 => Poll::Ready(self.close()),
            read => {
                self.framing.skip(read);
                self.flows = !room.has_remaining_mut();
                Poll::Ready(Ok(room.into_inner().freeze()))
            }
        }
    }

    /// What is data in these bytes.
    fn decode(&mut self, raw: &mut [u8]) -> Bytes {
        let (data, used) = self.framing.decode(raw);
        // What comes after the end is the answer to nothing.
        self.is_reusable &= used == raw.len();
        match raw.get(data) {
            Some(data) if !data.is_empty() => Bytes::copy_from_slice(data),
            _ => Bytes::new(),
        }
    }

    fn close(&mut self) -> Result<Bytes, Error> {
        self.is_reusable = false;
        self.framing.close().map(|()| Bytes::new())
    }
}

/// The body of an answer. If it is dropped before its end is there, the connection is closed.
pub(crate) struct Body {
    /// Until all of it has been read.
    link: Option<Link>,
    /// What has been read and not been given out.
    ready: Bytes,
}

impl Body {
    fn new(link: Link, ready: Bytes) -> Self {
        let mut body = Self { link: Some(link), ready };
        body.release_at_end();
        body
    }

    pub(in super::super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if !self.ready.is_empty() {
                return Poll::Ready(Some(Ok(mem::take(&mut self.ready))));
            }
            let Some(link) = &mut self.link else { return Poll::Ready(None) };
            match ready!(link.poll_piece(cx)) {
                Ok(piece) => self.ready = piece,
                Err(error) => {
                    self.link = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            self.release_at_end();
        }
    }

    /// Whoever has read the last byte gives the connection back, not whoever learns that there are
    /// no more.
    fn release_at_end(&mut self) {
        if let Some(link) = self.link.take_if(|link| link.is_at_end()) {
            link.release();
        }
    }
}

impl Drop for Body {
    /// Who has all that matters may not wait for the end, which has often come by then.
    fn drop(&mut self) {
        let Some(link) = &mut self.link else { return };
        let read = pin!(unconstrained(poll_fn(|cx| link.poll_piece(cx))));
        if let Poll::Ready(Ok(_)) = read.poll(&mut Context::from_waker(Waker::noop())) {
            self.release_at_end();
        }
    }
}
