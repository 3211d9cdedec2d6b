//! Endpoints that a client which leaves does not cancel.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, resume_unwind},
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::Response;
use tokio::sync::oneshot;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument as _;

use crate::{
    error::{HttpError, Panic},
    input::RequestId,
    middleware::Held,
    output::error_response,
    serve::Shutdown,
};

/// Runs what it is around in a task of its own, for which the shutdown waits.
///
/// It is around the middleware of the route, too: a limit that let the request in has to count it
/// until it is over, and what a middleware does after the endpoint belongs to it. The middleware of
/// the application is further out, and cannot go on; what it lends is held here.
#[derive(Debug, Clone)]
pub(super) struct Detach(Shutdown);

impl Detach {
    pub(super) fn new(shutdown: Shutdown) -> Self {
        Self(shutdown)
    }
}

impl<S> Layer<S> for Detach {
    type Service = Detached<S>;

    fn layer(&self, inner: S) -> Detached<S> {
        Detached { inner, shutdown: self.0.clone() }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Detached<S> {
    inner: S,
    shutdown: Shutdown,
}

impl<S> Service<Request> for Detached<S>
where
    S: Service<Request, Response = Response<Body>, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let id = request.extensions().get::<RequestId>().cloned();
        let held = Held::of(request.extensions());
        let work = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let (answer, answered) = oneshot::channel();
        let work = async move {
            if let Err(Err(panic)) = answer.send(work.await) {
                // Nobody else will tell: the client is gone.
                let (panic, request_id) = (Panic::of(&*panic), id.as_ref().map(RequestId::as_str));
                tracing::error!(request_id, "a middleware {panic}");
            }
            drop(held);
        };
        self.shutdown.spawn(work.in_current_span());
        Box::pin(async {
            match answered.await {
                Ok(Ok(response)) => response,
                Ok(Err(panic)) => resume_unwind(panic),
                // The task is gone without a panic, so the runtime ends.
                Err(error) => Ok(error_response(&HttpError::internal(error))),
            }
        })
    }
}
