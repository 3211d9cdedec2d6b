//! HTTP/2: several requests at a time on one connection.
//!
//! Each stream has a task of its own. What [`GuardedIo`](super::guarded_io::GuardedIo) and the
//! watchdog of the connection are for the socket, the pieces of a body and a watchdog of each
//! stream are here: a client may read one stream and forget another.

mod preface;
mod resets;
mod stream;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use self::{
    resets::Resets,
    stream::{Streams, Tasks, streams},
};
use super::{HttpService, Limits, exchange::Exchanges, spawner::Spawner};

pub(super) use self::preface::{Preface, Version};

/// A client that is silent this long is asked whether it is there …
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// … and gone if it does not answer in this time.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client may send on one stream before it is read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same on all streams of a connection: the most that a connection holds of request bodies.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// The largest frame that is read, in bytes; the smallest that the protocol allows as a largest.
const FRAME_BYTES_MAX: u32 = 16 * 1024;

/// Streams that were reset before they were seen.
const UNSEEN_RESETS_MAX: usize = 20;
/// Streams that were reset because of mistakes of the client.
const MISTAKES_MAX: usize = 256;
/// How often in a second a client may take back as many requests as it may have at a time.
const RESETS_PER_STREAM_AND_SECOND: u32 = 4;

/// What all connections of a server share. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Http2 {
    limits: Arc<Limits>,
}

impl Http2 {
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        Self { limits }
    }

    pub(super) fn serve<I, S>(
        &self,
        io: I,
        exchanges: Exchanges<S>,
        spawner: Spawner,
    ) -> Connection<I, S>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: HttpService,
    {
        let limits = &self.limits;
        let resets_max = limits.h2_streams.saturating_mul(RESETS_PER_STREAM_AND_SECOND);
        let resets = Arc::new(Resets::new(resets_max));
        let (streams, tasks) = streams(exchanges, limits, &resets, spawner);
        let mut builder = http2::Builder::new(tasks);
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(limits.h2_streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .max_frame_size(FRAME_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_pending_accept_reset_streams(UNSEEN_RESETS_MAX)
            .max_local_error_reset_streams(MISTAKES_MAX);
        let http = Box::pin(builder.serve_connection(TokioIo::new(io), streams));
        Connection { http, resets }
    }
}

/// A connection. Boxed: it is large, and most connections are of HTTP/1.1.
pub(super) struct Connection<I, S>
where
    S: HttpService,
{
    http: Pin<Box<Http<I, S>>>,
    resets: Arc<Resets>,
}

type Http<I, S> = http2::Connection<TokioIo<I>, Streams<S>, Tasks>;

/// Why a connection did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    Http(hyper::Error),
    /// The client took back too many requests.
    Resets,
}

impl<I, S> Connection<I, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService,
{
    /// Takes no new requests, and tells the client so; ends with the last one.
    pub(super) fn close(&mut self) {
        self.http.as_mut().graceful_shutdown();
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let ended = self.http.as_mut().poll(cx);
        match self.resets.are_too_many() {
            true => Poll::Ready(Err(Failure::Resets)),
            false => ended.map_err(Failure::Http),
        }
    }
}
