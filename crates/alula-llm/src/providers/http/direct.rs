//! Calls that no proxy is asked for: hyper's client without what reqwest puts around each call,
//! where the address is read three times and the headers are copied twice.

use std::{
    error::Error as StdError,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, Uri, body::Incoming, http::uri::Scheme};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use tokio::time::timeout;
use tower_service::Service;

/// How long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(90);
/// How soon the other side of a silent connection is asked whether it is there, how often again, and
/// how long bytes may be on their way that it does not confirm.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNCONFIRMED_MAX: Duration = Duration::from_secs(30);
/// How often a request is sent again that the server has not looked at.
const RESENT_MAX: u32 = 2;

pub(super) const OUR_NAME: &str = concat!("alula-llm/", env!("CARGO_PKG_VERSION"));

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub(super) struct Direct {
    client: Client<InTime<HttpsConnector<HttpConnector>>, Full<Bytes>>,
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
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { client }
    }

    /// Sends a request. One that found its connection closed is sent again on another one.
    pub(super) async fn send(
        &self,
        (method, uri): (Method, &Uri),
        mut headers: HeaderMap,
        mut body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(OUR_NAME));
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let mut left = RESENT_MAX;
        loop {
            // Only HTTP/2, which takes TLS here, says that it has not looked at a request.
            let again = (is_https && left > 0).then(|| (headers.clone(), body.clone()));
            match (self.send_once(method.clone(), uri, headers, body).await, again) {
                (Err(error), Some(again)) if is_untouched(&error) => (headers, body) = again,
                (answer, _) => return answer,
            }
            left -= 1;
        }
    }

    async fn send_once(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        self.client.request(request).await
    }
}

/// Whether a connection did not come in time.
pub(super) fn is_late(error: &Error) -> bool {
    error.is_connect()
        && causes(error).any(|cause| {
            let io = cause.downcast_ref::<io::Error>();
            cause.is::<tokio::time::error::Elapsed>()
                || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
        })
}

/// Whether the server says that it has not looked at a request, as one does that is about to stop.
fn is_untouched(error: &Error) -> bool {
    let Some(error) = causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>()) else {
        return false;
    };
    let goes_away = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    let refuses = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (goes_away || refuses)
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
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
