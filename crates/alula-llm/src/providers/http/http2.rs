//! HTTP/2: one connection to a host, which its calls share. hyper speaks it, in a task.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, Uri,
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
    header::HeaderMap,
    rt::{Read, Write},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::direct::causes;

/// A connection that calls share.
#[derive(Clone)]
pub(super) struct Shared {
    /// Which one it is.
    id: u64,
    sender: SendRequest<Full<Bytes>>,
}

/// A call that did not come through.
pub(super) struct Lost {
    pub(super) error: hyper::Error,
    /// Whether nothing of it left.
    pub(super) is_unsent: bool,
}

impl Shared {
    /// Begins to speak on a connection that has just been made.
    pub(super) async fn open<S>(stream: S) -> hyper::Result<Self>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        let (sender, connection) = builder.handshake(stream).await?;
        #[expect(clippy::disallowed_methods, reason = "it ends with the connection")]
        tokio::spawn(async {
            // Whoever waits for an answer is told.
            let _ = connection.await;
        });
        Ok(Self { id: OPENED.fetch_add(1, Ordering::Relaxed), sender })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    pub(super) async fn call(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Lost> {
        let answer = self.sender.clone().try_send_request(request).await;
        answer.map_err(|mut lost| Lost {
            is_unsent: lost.take_message().is_some(),
            error: lost.into_error(),
        })
    }
}

pub(super) fn request(
    (method, uri): (&Method, &Uri),
    headers: &HeaderMap,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers.clone();
    request
}

/// Whether the server says that it has not looked at a request, as one does that is about to stop.
pub(super) fn is_untouched(error: &hyper::Error) -> bool {
    let refuses =
        |error: &h2::Error| error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    goes_away(error) || of_server(error).is_some_and(refuses)
}

/// Whether the server is about to stop, and takes no more requests on this connection.
pub(super) fn goes_away(error: &hyper::Error) -> bool {
    of_server(error)
        .is_some_and(|error| error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR))
}

/// What the server said.
fn of_server(error: &hyper::Error) -> Option<&h2::Error> {
    let error = causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>());
    error.filter(|error| error.is_remote())
}
