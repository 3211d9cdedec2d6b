//! One HTTP/1.1 connection, from its first byte to its end.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    HttpService, Limits, PeerAddr, Shutdown,
    activity::{Activity, WaitingFor},
    exchange::Exchanges,
    guarded_io::GuardedIo,
    watchdog::Watchdog,
};

/// hyper's smallest buffer; it panics when asked for less.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// What all connections of a server share. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Protocol {
    http1: http1::Builder,
    limits: Arc<Limits>,
}

impl Protocol {
    pub(super) fn new(limits: Limits) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // hyper's clock runs from the end of the last request, so it cannot tell a client
            // that is idle from one that is slow. The watchdog can.
            .header_read_timeout(None)
            .half_close(false)
            .max_headers(limits.headers)
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(BUFFER_BYTES_MIN));
        Self { http1, limits: Arc::new(limits) }
    }

    /// Serves requests until the client, a limit or the shutdown ends it.
    ///
    /// `open` is dropped with the socket, which an upgrade takes out of this future.
    pub(super) async fn serve<I, S, T>(
        self,
        io: I,
        peer: PeerAddr,
        service: S,
        shutdown: Shutdown,
        open: T,
    ) -> End
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: HttpService,
        T: Send + Unpin + 'static,
    {
        let mut connection = pin!(self.connection(io, peer, service, open));
        let end = async {
            tokio::select! {
                end = &mut connection => return end,
                () = shutdown.stopping() => connection.leave(),
            }
            tokio::select! {
                end = &mut connection => return end,
                () = shutdown.closing() => connection.as_mut().close_when_idle(),
            }
            tokio::select! {
                end = &mut connection => end,
                () = shutdown.ended() => End::Cut,
            }
        };
        let end = end.await;
        tracing::debug!(peer = %peer.0, %end, "connection closed");
        end
    }

    fn connection<I, S, T>(
        self,
        io: I,
        peer: PeerAddr,
        service: S,
        open: T,
    ) -> Connection<GuardedIo<I, T>, S>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: HttpService,
        T: Send + Unpin + 'static,
    {
        let activity = Arc::new(Activity::default());
        let io = GuardedIo::new(io, Arc::clone(&activity), open);
        let exchanges = Exchanges::new(service, peer, Arc::clone(&activity));
        let http = self.http1.serve_connection(TokioIo::new(io), exchanges).with_upgrades();
        Connection { http, watchdog: Watchdog::new(self.limits, activity), closed: false }
    }
}

pin_project! {
    /// hyper's connection with a watchdog.
    struct Connection<I, S>
    where
        S: HttpService,
    {
        #[pin]
        http: UpgradeableConnection<TokioIo<I>, Exchanges<S>>,
        watchdog: Watchdog,
        // The shutdown has closed it between two requests.
        closed: bool,
    }
}

impl<I, S> Connection<I, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService,
{
    /// From here on each answer asks the client to use another connection.
    fn leave(&self) {
        self.watchdog.activity().leave();
    }

    /// Finishes the request in flight, if there is one, and closes once there is none.
    fn close_when_idle(self: Pin<&mut Self>) {
        self.project().watchdog.close();
    }

    /// Closes between two requests.
    fn close(self: Pin<&mut Self>) {
        let this = self.project();
        this.watchdog.activity().expect_no_more_when_idle();
        this.http.graceful_shutdown();
    }
}

impl<I, S> Future for Connection<I, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService,
{
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let this = self.as_mut().project();
            match this.http.poll(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(End::Done),
                Poll::Ready(Err(error)) => return Poll::Ready(End::Failed(error)),
                Poll::Pending => {}
            }
            match ready!(this.watchdog.poll_expired(cx)) {
                // Once: hyper closes now, and waits for nothing but the client's side of it.
                WaitingFor::Request if this.watchdog.is_closing() && !*this.closed => {
                    *this.closed = true;
                    self.as_mut().close();
                }
                waiting_for => return Poll::Ready(End::TooSlow(waiting_for)),
            }
        }
    }
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// In agreement, or handed over to another protocol.
    Done,
    /// The client broke it, or broke the protocol.
    Failed(hyper::Error),
    /// The client took longer than its limit.
    TooSlow(WaitingFor),
    /// The shutdown could not wait any longer.
    Cut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Failed(error) => error.fmt(f),
            Self::TooSlow(WaitingFor::Request) => f.write_str("idle for too long"),
            Self::TooSlow(WaitingFor::Head) => f.write_str("request head not complete in time"),
            Self::TooSlow(WaitingFor::Reader) => f.write_str("client does not read"),
            Self::TooSlow(WaitingFor::Close) => f.write_str("client does not stop sending"),
            Self::Cut => f.write_str("cut by the shutdown"),
        }
    }
}
