//! What stands around the whole application.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use alula::{
    Body,
    http::{Request, Response},
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{body::WatchedBody, watch::Watch};
use crate::services::metrics::HttpMetrics;

/// Watches every request; see the [module](super).
#[derive(Debug, Clone)]
pub(crate) struct ObserveLayer {
    metrics: Arc<HttpMetrics>,
    /// Whether requests have a span already, for traces.
    has_spans: bool,
}

impl ObserveLayer {
    pub(crate) fn new(has_spans: bool) -> Self {
        Self { metrics: Arc::new(HttpMetrics::new()), has_spans }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { layer: self.clone(), inner }
    }
}

/// A service whose requests are watched.
#[derive(Debug, Clone)]
pub(crate) struct Observe<S> {
    layer: ObserveLayer,
    inner: S,
}

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for Observe<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Observed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let ObserveLayer { metrics, has_spans } = &self.layer;
        let watch = Watch::begin(&mut request, metrics.clone(), *has_spans);
        Observed { inner: self.inner.call(request), watch: Some(watch) }
    }
}

pin_project! {
    /// An answer to come.
    pub(crate) struct Observed<F> {
        #[pin]
        inner: F,
        // Until the body of the answer has it.
        watch: Option<Box<Watch>>,
    }
}

impl<F: Future<Output = Result<Response<Body>, E>>, E> Future for Observed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = {
            let _entered = this.watch.as_ref().map(|watch| watch.span().enter());
            this.inner.poll(cx)
        };
        let mut response = ready!(polled)?;
        if let Some(mut watch) = this.watch.take() {
            watch.answered(&response);
            response = response.map(|body| Body::new(WatchedBody::new(body, *watch)));
        }
        Poll::Ready(Ok(response))
    }
}
