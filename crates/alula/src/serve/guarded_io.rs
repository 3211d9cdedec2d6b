//! The socket of a connection, observed: what goes out at its lower end, what comes in at the
//! upper one. Between the two there may be TLS, which has buffers of its own.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
#[cfg(feature = "tls")]
use tokio::net::TcpStream;

use super::activity::Activity;

/// Bytes thrown away at a time while a connection closes.
const DISCARD_BYTES: usize = 4 * 1024;

pin_project! {
    /// The socket itself, which tells the [`Activity`] whether the client takes its bytes.
    #[derive(Debug)]
    pub(super) struct Socket<I> {
        #[pin]
        io: I,
        activity: Arc<Activity>,
    }
}

impl<I> Socket<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity }
    }
}

#[cfg(feature = "tls")]
impl Socket<TcpStream> {
    /// What the client says first, which stays to be read; nothing if it leaves without a word.
    pub(super) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let count = self.io.peek(&mut first).await?;
        Ok((count > 0).then_some(first[0]))
    }
}

impl<I: AsyncRead> AsyncRead for Socket<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<I: AsyncWrite> AsyncWrite for Socket<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        observe(this.activity, this.io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        observe(this.activity, this.io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}

fn observe(activity: &Activity, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    match &written {
        Poll::Pending => activity.write_blocked(),
        Poll::Ready(_) => activity.wrote(),
    }
    written
}

pin_project! {
    /// Passes bytes on and tells the [`Activity`] about those that come in.
    ///
    /// `T` is a stored value that lives as long as the socket, also after an upgrade.
    #[derive(Debug)]
    pub(super) struct GuardedIo<I, T> {
        #[pin]
        io: I,
        activity: Arc<Activity>,
        // Read before, to be read again.
        unread: Vec<u8>,
        // Our side is closed.
        shut_down: bool,
        _open: T,
    }
}

impl<I, T> GuardedIo<I, T> {
    pub(super) fn new(io: I, activity: Arc<Activity>, open: T) -> Self {
        Self { io, activity, unread: Vec::new(), shut_down: false, _open: open }
    }

    /// Gives bytes back that were read, and are for somebody else to read.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.unread.splice(..0, bytes.iter().copied());
    }
}

impl<I: AsyncRead, T> AsyncRead for GuardedIo<I, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        if !this.unread.is_empty() {
            let given = this.unread.len().min(buf.remaining());
            let rest = this.unread.split_off(given);
            buf.put_slice(this.unread);
            *this.unread = rest;
            // What has come behind it goes along: hyper, which would find the beginning of a head
            // alone, would double its buffer to read on.
            if buf.remaining() > 0
                && let Poll::Ready(Err(error)) = this.io.poll_read(cx, buf)
            {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(this.io.poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite, T> AsyncWrite for GuardedIo<I, T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    /// Closes our side, then reads on while the client may still be sending.
    ///
    /// A socket closed over unread bytes is reset, and a reset can overtake the response: the
    /// client of a refused upload would see a broken connection instead of its 413. The watchdog
    /// ends this after a moment.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if !*this.shut_down {
            ready!(this.io.as_mut().poll_shutdown(cx))?;
            *this.shut_down = true;
        }
        let mut space = [0; DISCARD_BYTES];
        loop {
            let mut buf = ReadBuf::new(&mut space);
            match this.io.as_mut().poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => this.activity.expect_more(),
                Poll::Pending if this.activity.expects_more() => {
                    this.activity.closing();
                    return Poll::Pending;
                }
                // The client is done, gone, or has nothing more to say.
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_was_read_before_comes_along_with_what_has_come_since() {
        let (mut client, server) = duplex(64);
        let mut io = GuardedIo::new(server, Arc::new(Activity::default()), ());
        let mut buffer = [0; 8];
        io.unread(b"GET");
        client.write_all(b" / HTTP").await.unwrap();
        assert_eq!(io.read(&mut buffer).await.unwrap(), 8);
        assert_eq!(&buffer, b"GET / HT");
        assert_eq!(io.read(&mut buffer).await.unwrap(), 2);
        // Nothing more has come, which is not waited for.
        io.unread(b"abc");
        assert_eq!(io.read(&mut buffer[..2]).await.unwrap(), 2);
        assert_eq!(io.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(&buffer[..1], b"c");
        drop(client);
        assert_eq!(io.read(&mut buffer).await.unwrap(), 0);
    }
}
