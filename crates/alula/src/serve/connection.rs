//! One connection, from its first byte to its end.

use std::{
    fmt, io,
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
    http2::{self, Http2, Preface, Version},
    spawner::Spawner,
    watchdog::Watchdog,
};

/// hyper's smallest buffer; it panics when asked for less.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// What all connections of a server share. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Protocol {
    http1: http1::Builder,
    http2: Http2,
    limits: Arc<Limits>,
}

impl Protocol {
    pub(super) fn new(limits: Limits) -> Self {
        let mut http1 = http1::Builder::new();
        let buffer_bytes = limits.buffer_bytes.max(limits.header_bytes).max(BUFFER_BYTES_MIN);
        http1
            // hyper's clock runs from the end of the last request, so it cannot tell a client
            // that is idle from one that is slow. The watchdog can.
            .header_read_timeout(None)
            .half_close(false)
            .max_headers(limits.headers)
            .max_header_size(limits.header_bytes)
            .max_buf_size(buffer_bytes);
        let limits = Arc::new(limits);
        Self { http1, http2: Http2::new(Arc::clone(&limits)), limits }
    }

    /// Serves requests until the client, a limit or the shutdown ends it.
    pub(super) async fn serve<I, S, T>(self, arrival: Arrival<I, T>, service: S) -> End
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: HttpService,
        T: Send + Unpin + 'static,
    {
        let (peer, shutdown) = (arrival.peer, arrival.shutdown.clone());
        let mut connection = pin!(self.connection(arrival, service));
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

    fn connection<I, S, T>(self, arrival: Arrival<I, T>, service: S) -> Connection<I, T, S>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: HttpService,
        T: Send + Unpin + 'static,
    {
        let Arrival { io, activity, peer, https, spawner, open, .. } = arrival;
        let io = GuardedIo::new(io, Arc::clone(&activity), open);
        let exchanges = Exchanges::new(service, peer, https, Arc::clone(&activity));
        let watchdog = Watchdog::new(Arc::clone(&self.limits), activity);
        let start = Start { io, exchanges, spawner, protocol: self, preface: Preface::default() };
        Connection {
            http: Http::Starting { start: Some(Box::new(start)) },
            watchdog,
            closed: false,
        }
    }
}

/// A connection that was accepted, and with TLS its handshake made.
pub(super) struct Arrival<I, T> {
    pub(super) io: I,
    /// That of the socket below.
    pub(super) activity: Arc<Activity>,
    pub(super) peer: PeerAddr,
    /// The connection is encrypted.
    pub(super) https: bool,
    pub(super) shutdown: Shutdown,
    /// Starts the tasks of its streams.
    pub(super) spawner: Spawner,
    /// Dropped with the socket, which an upgrade takes out of the connection.
    pub(super) open: T,
}

/// A connection of which nobody knows yet what it speaks.
struct Start<I, T, S> {
    io: GuardedIo<I, T>,
    exchanges: Exchanges<S>,
    spawner: Spawner,
    protocol: Protocol,
    preface: Preface,
}

impl<I, T, S> Start<I, T, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService,
    T: Send + Unpin + 'static,
{
    fn with(self, version: Version, activity: &Activity) -> Http<I, T, S> {
        let Self { mut io, exchanges, spawner, protocol, preface } = self;
        io.unread(preface.read());
        match version {
            Version::One => {
                let http = protocol.http1.serve_connection(TokioIo::new(io), exchanges);
                Http::One { http: http.with_upgrades() }
            }
            Version::Two => {
                activity.multiplex();
                Http::Two { http: protocol.http2.serve(io, exchanges, spawner) }
            }
        }
    }
}

pin_project! {
    #[project = HttpProjection]
    enum Http<I, T, S>
    where
        S: HttpService,
    {
        // `None` only while it is replaced.
        Starting { start: Option<Box<Start<I, T, S>>> },
        One { #[pin] http: UpgradeableConnection<TokioIo<GuardedIo<I, T>>, Exchanges<S>> },
        Two { http: http2::Connection<GuardedIo<I, T>, S> },
    }
}

impl<I, T, S> Http<I, T, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService,
    T: Send + Unpin + 'static,
{
    /// Finishes the requests in flight, if there are any, and closes.
    fn close(self: Pin<&mut Self>) {
        match self.project() {
            HttpProjection::Starting { start } => *start = None,
            HttpProjection::One { http } => http.graceful_shutdown(),
            HttpProjection::Two { http } => http.close(),
        }
    }

    fn poll(mut self: Pin<&mut Self>, activity: &Activity, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let version = match self.as_mut().project() {
                HttpProjection::Starting { start: None } => return Poll::Ready(End::Done),
                HttpProjection::Starting { start: Some(start) } => {
                    match ready!(start.preface.poll_version(&mut start.io, cx)) {
                        Ok(version) => version,
                        Err(error) => return Poll::Ready(End::Broken(error)),
                    }
                }
                HttpProjection::One { http } => {
                    return http.poll(cx).map(|end| end.map_or_else(End::Failed, |()| End::Done));
                }
                HttpProjection::Two { http } => {
                    return http.poll(cx).map(|end| match end {
                        Ok(()) => End::Done,
                        Err(http2::Failure::Http(error)) => End::Failed(error),
                        Err(http2::Failure::Resets) => End::Resets,
                    });
                }
            };
            let HttpProjection::Starting { start } = self.as_mut().project() else { continue };
            if let Some(start) = start.take() {
                self.set(start.with(version, activity));
            }
        }
    }
}

pin_project! {
    /// hyper's connection with a watchdog.
    struct Connection<I, T, S>
    where
        S: HttpService,
    {
        #[pin]
        http: Http<I, T, S>,
        watchdog: Watchdog,
        // The shutdown has closed it between two requests.
        closed: bool,
    }
}

impl<I, T, S> Connection<I, T, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService,
    T: Send + Unpin + 'static,
{
    /// From here on each answer of HTTP/1 asks the client to use another connection. HTTP/2 has a
    /// word for that which refuses new requests, too; it is said later.
    fn leave(&self) {
        self.watchdog.activity().leave();
    }

    /// Finishes the requests in flight, if there are any, and closes once there is none.
    fn close_when_idle(self: Pin<&mut Self>) {
        let this = self.project();
        this.watchdog.close();
        if let HttpProjection::Two { http } = this.http.project() {
            // The goodbye of HTTP/2 leaves time for requests that are on their way.
            *this.closed = true;
            http.close();
        }
    }

    /// Closes between two requests.
    fn close(self: Pin<&mut Self>) {
        let this = self.project();
        *this.closed = true;
        this.watchdog.activity().expect_no_more_when_idle();
        this.http.close();
    }
}

impl<I, T, S> Future for Connection<I, T, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService,
    T: Send + Unpin + 'static,
{
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let this = self.as_mut().project();
            if let Poll::Ready(end) = this.http.poll(this.watchdog.activity(), cx) {
                return Poll::Ready(end);
            }
            match ready!(this.watchdog.poll_expired(cx)) {
                // Once: it closes now, and waits for nothing but the client's side of it.
                WaitingFor::Request if this.watchdog.is_closing() && !*this.closed => {
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
    /// The client took back too many requests.
    Resets,
    /// The client was gone before it said anything, or made no handshake.
    Broken(io::Error),
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
            Self::Resets => f.write_str("client takes back too many requests"),
            Self::Broken(error) => error.fmt(f),
            Self::TooSlow(WaitingFor::Request) => f.write_str("idle for too long"),
            Self::TooSlow(WaitingFor::Head) => f.write_str("request head not complete in time"),
            Self::TooSlow(WaitingFor::Reader) => f.write_str("client does not read"),
            Self::TooSlow(WaitingFor::Close) => f.write_str("client does not stop sending"),
            Self::Cut => f.write_str("cut by the shutdown"),
        }
    }
}
