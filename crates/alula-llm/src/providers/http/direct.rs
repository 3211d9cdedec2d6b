//! Calls that no proxy is asked for, on connections of our own.

use std::{
    error::Error as StdError,
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{Method, Response, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use tokio::time::timeout;
use tower_service::Service;

use super::{
    answer::Body,
    http1::{self, Connection},
    http2::{self, Lost, Shared},
    pool::{Found, Origin, Pool},
};
use crate::parts::Parts;

/// How soon the other side of a silent connection is asked whether it is there, how often again, and
/// how long bytes may be on their way that it does not confirm.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNCONFIRMED_MAX: Duration = Duration::from_secs(30);
/// How often a request is sent again that the server has not looked at.
const RESENT_MAX: u32 = 2;

pub(super) const OUR_NAME: &str = concat!("alula-llm/", env!("CARGO_PKG_VERSION"));

/// Why a call did not come through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no connection")]
    Connect(#[source] BoxError),
    #[error("a call by HTTP/1.1 broke off")]
    Http1(#[from] http1::Error),
    #[error("a call by HTTP/2 broke off")]
    Http2(#[from] hyper::Error),
}

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub(super) struct Direct {
    connector: InTime<HttpsConnector<HttpConnector>>,
    pool: Arc<Pool>,
}

impl Direct {
    pub(super) fn new(tls: rustls::ClientConfig, connect_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Where a host has several addresses, each gets a part of it.
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        tcp.set_tcp_user_timeout(Some(UNCONFIRMED_MAX));
        let connector = InTime { inner: HttpsConnector::from((tcp, tls)), limit: connect_timeout };
        Self { connector, pool: Arc::default() }
    }

    /// Sends a request. One that found its connection closed is sent again on another one.
    pub(super) async fn send(
        &self,
        (method, uri): (Method, &Uri),
        mut headers: HeaderMap,
        mut body: Parts,
    ) -> Result<Response<Body>, CallError> {
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(OUR_NAME));
        let mut left = RESENT_MAX;
        let mut written = None;
        loop {
            let (connection, is_reused) = match self.pool.take(uri) {
                Some(idle) => (idle, true),
                // In a box, for which calls on a connection that is there need no room.
                None => Box::pin(self.connection(uri)).await?,
            };
            let shared = match connection {
                Found::Shared(shared) => shared,
                Found::Idle(link) => {
                    let request = written.get_or_insert_with(|| {
                        http1::Request::new((&method, uri), &headers, body.clone())
                    });
                    match http1::call(link, request).await {
                        // The connection was closed while it was idle.
                        Err(_) if is_reused && request.is_unsent() => continue,
                        answer => return Ok(answer?.map(Body::Http1)),
                    }
                }
            };
            let whole = mem::take(&mut body).whole();
            body = whole.clone().into();
            let request = http2::request((&method, uri), &headers, whole);
            let Lost { error, is_unsent } = match Box::pin(shared.call(request)).await {
                Ok(answer) => return Ok(answer.map(Body::Http2)),
                Err(lost) => lost,
            };
            let is_left = is_unsent && is_reused;
            if is_left || http2::goes_away(&error) {
                self.pool.forget(uri, &shared);
            }
            if !is_left {
                if left == 0 || !http2::is_untouched(&error) {
                    return Err(error.into());
                }
                left -= 1;
            }
        }
    }

    /// A new connection or, if that is there before, one that another call has given back; and
    /// which of the two it is. What is not needed then is for the next call.
    async fn connection(&self, uri: &Uri) -> Result<(Found, bool), CallError> {
        let origin = Origin::of(uri);
        let origin = origin.ok_or_else(|| CallError::Connect("the address has no host".into()))?;
        let freed = self.pool.freed(&origin);
        let mut connecting = Box::pin(self.clone().connect(uri.clone(), origin));
        loop {
            tokio::select! {
                biased;
                connected = &mut connecting => return Ok((connected?, false)),
                () = freed.notified() => {}
            }
            let Some(found) = self.pool.take(uri) else { continue };
            let pool = Arc::clone(&self.pool);
            #[expect(clippy::disallowed_methods, reason = "it ends with the time to connect")]
            tokio::spawn(async move {
                if let Ok(Found::Idle(link)) = connecting.await {
                    pool.put(link);
                }
            });
            return Ok((found, true));
        }
    }

    async fn connect(self, uri: Uri, origin: Origin) -> Result<Found, CallError> {
        let mut connector = self.connector;
        poll_fn(|cx| Service::<Uri>::poll_ready(&mut connector, cx))
            .await
            .map_err(CallError::Connect)?;
        let stream = connector.call(uri).await.map_err(CallError::Connect)?;
        if stream.connected().is_negotiated_h2() {
            let shared = Shared::open(stream).await?;
            return Ok(Found::Shared(self.pool.share(&origin, shared)));
        }
        let home = Arc::downgrade(&self.pool);
        // Without what wraps it for hyper. What is not encrypted takes no more room than it needs.
        Ok(Found::Idle(match stream {
            MaybeHttpsStream::Http(tcp) => Connection::new(tcp.into_inner(), origin, home),
            MaybeHttpsStream::Https(tls) => Connection::new(tls.into_inner(), origin, home),
        }))
    }
}

/// Whether a connection did not come in time.
pub(super) fn is_late(error: &CallError) -> bool {
    matches!(error, CallError::Connect(_))
        && causes(error).any(|cause| {
            let io = cause.downcast_ref::<io::Error>();
            cause.is::<tokio::time::error::Elapsed>()
                || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
        })
}

/// The error, and what it comes from.
pub(super) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// Gives a connector so much time for a connection, TLS included.
#[derive(Clone)]
struct InTime<C> {
    inner: C,
    limit: Duration,
}

impl<C> Service<Uri> for InTime<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connected = timeout(self.limit, self.inner.call(to));
        Box::pin(async { connected.await.unwrap_or_else(|late| Err(late.into())) })
    }
}

#[cfg(test)]
mod tests;
