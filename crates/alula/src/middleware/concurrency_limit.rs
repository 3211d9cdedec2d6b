//! So many requests at a time.

use std::{
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
};
use futures_util::future::BoxFuture;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{Checked, lent::Lent};
use crate::error::{HttpError, answer_for};

/// Lets so many requests in at a time; others wait, and when too many wait or one waits too long,
/// it is answered 503 with `Retry-After`.
///
/// A request counts until the last byte of its answer is taken, so a stream counts as long as it
/// lasts, and a WebSocket until its endpoint has returned and it is closed. The limit is one for
/// everything that this value, or a clone of it, is around: all routes of a router share it. Each
/// process has its own.
///
/// ```
/// use std::time::Duration;
///
/// use alula::{App, middleware::ConcurrencyLimit};
///
/// let limit = ConcurrencyLimit::new(100).queue(50).wait(Duration::from_secs(2));
/// let app = App::new("Api", "1.0.0").layer(limit);
/// assert!(app.openapi().is_ok());
/// ```
///
/// A client that leaves gives up its place, or, where its endpoint goes on
/// ([`run_to_completion`](crate::Route::run_to_completion)), the endpoint does once it is over. For
/// what one dependency allows, such as a GPU, see
/// [`Dependency::MAX_CONCURRENCY`](crate::Dependency::MAX_CONCURRENCY).
#[derive(Debug, Clone)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct ConcurrencyLimit {
    requests_max: usize,
    queue_max: usize,
    wait: Duration,
    gate: Arc<Gate>,
}

#[derive(Debug)]
struct Gate {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl ConcurrencyLimit {
    /// Lets `requests` in at a time; as many may wait, for five seconds at most.
    pub fn new(requests: usize) -> Self {
        let slots = Arc::new(Semaphore::new(requests.min(Semaphore::MAX_PERMITS)));
        Self {
            requests_max: requests,
            queue_max: requests,
            wait: Duration::from_secs(5),
            gate: Arc::new(Gate { slots, waiting: AtomicUsize::new(0) }),
        }
    }

    /// How many requests may wait; 0 refuses at once.
    pub fn queue(mut self, requests: usize) -> Self {
        self.queue_max = requests;
        self
    }

    /// The longest wait; also what `Retry-After` says, in whole seconds and at least one.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// A slot, if one becomes free in time.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let waiting = Waiting::enter(&self.gate, self.queue_max)?;
        let slot = timeout(self.wait, self.gate.slots.clone().acquire_owned()).await;
        drop(waiting);
        slot.ok()?.ok()
    }

    fn refused(&self, request: &Request) -> Response<Body> {
        let seconds = self.wait.as_secs().max(1);
        let error = HttpError::unavailable("The server has too many requests at the moment");
        answer_for(request, error.retry_after(seconds))
    }
}

impl Checked for ConcurrencyLimit {
    fn mistakes(&self) -> Vec<String> {
        match self.requests_max {
            0 => vec!["`ConcurrencyLimit`: 0 requests at a time let none in".to_owned()],
            _ => Vec::new(),
        }
    }
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(gate: &'a Gate, queue_max: usize) -> Option<Self> {
        let one_more = |waiting| (waiting < queue_max).then_some(waiting + 1);
        gate.waiting.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Self(&gate.waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl<S> Layer<S> for ConcurrencyLimit {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Limited { limit: self.clone(), inner }
    }
}

/// A service with a limit around it.
#[derive(Debug, Clone)]
pub struct Limited<S> {
    limit: ConcurrencyLimit,
    inner: S,
}

impl<S> Service<Request> for Limited<S>
where
    S: Service<Request, Response = Response<Body>, Future: Send + 'static> + Clone + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let free = self.limit.gate.slots.clone().try_acquire_owned().ok();
        let limit = self.limit.clone();
        Box::pin(async move {
            let slot = match free {
                Some(slot) => Some(slot),
                None => limit.slot().await,
            };
            let Some(slot) = slot else { return Ok(limit.refused(&request)) };
            let slot = Arc::new(slot);
            // This future ends with the client; a WebSocket and some endpoints go on.
            Lent::lend(&slot, request.extensions_mut());
            let response = inner.call(request).await?;
            Ok(response.map(|body| Body::new(HoldingBody { body, _slot: slot })))
        })
    }
}

/// A body that holds its slot until it is dropped.
struct HoldingBody {
    body: Body,
    _slot: Arc<OwnedSemaphorePermit>,
}

impl HttpBody for HoldingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
