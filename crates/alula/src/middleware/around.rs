//! What most middleware does: look at the head of a request, and at the head of its answer.

use std::{
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body, extract::Request};
use http::Response;
use pin_project_lite::pin_project;
use tower_service::Service;

/// A middleware that neither waits nor reads bodies.
pub trait Heads: Send + Sync + 'static {
    /// What it remembers of a request until the answer is there.
    type Memory: Send;

    /// Sees a request, and may answer it.
    fn request(&self, request: &mut Request) -> ControlFlow<Response<Body>, Self::Memory>;

    /// Sees the answer to a request that it has let through.
    fn response(&self, memory: Self::Memory, response: Response<Body>) -> Response<Body>;
}

/// A service with a middleware of this module around it.
#[derive(Debug)]
pub struct Around<M, S> {
    middleware: Arc<M>,
    inner: S,
}

impl<M, S> Around<M, S> {
    pub(super) fn new(middleware: M, inner: S) -> Self {
        Self { middleware: Arc::new(middleware), inner }
    }
}

impl<M, S: Clone> Clone for Around<M, S> {
    fn clone(&self) -> Self {
        Self { middleware: Arc::clone(&self.middleware), inner: self.inner.clone() }
    }
}

impl<M, S> Service<Request> for Around<M, S>
where
    M: Heads,
    S: Service<Request, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = AroundFuture<M, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.middleware.request(&mut request) {
            ControlFlow::Continue(memory) => AroundFuture::Inner {
                inner: self.inner.call(request),
                after: Some((Arc::clone(&self.middleware), memory)),
            },
            ControlFlow::Break(response) => AroundFuture::Answered { response: Some(response) },
        }
    }
}

pin_project! {
    /// The answer to come.
    #[project = Projection]
    #[derive(Debug)]
    pub enum AroundFuture<M, F>
    where
        M: Heads,
    {
        /// The inner service works on it.
        Inner {
            #[pin]
            inner: F,
            // Taken by the answer.
            after: Option<(Arc<M>, M::Memory)>,
        },
        /// The middleware has it.
        Answered { response: Option<Response<Body>> },
    }
}

impl<M, F, E> Future for AroundFuture<M, F>
where
    M: Heads,
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projection::Inner { inner, after } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(match after.take() {
                    Some((middleware, memory)) => middleware.response(memory, response),
                    None => response,
                }))
            }
            // A future is not polled again once it was ready.
            Projection::Answered { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}
