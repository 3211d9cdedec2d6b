//! The application as a tower service.

use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes},
    routing::future::RouteFuture,
};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    access_log::{AccessLog, Line},
    request_id,
};
use crate::{
    error::{ErrorPolicies, HttpError, Noted, Panic, RequestHead, answer},
    input::RequestId,
    output::error_response,
};

/// An application as a tower service; made by [`App::into_service`](crate::App::into_service).
///
/// All routes and middleware, with what every request gets: an id, a line in the access log, and
/// an answer even if a middleware panics.
#[derive(Debug, Clone)]
pub struct AppService {
    router: axum::Router,
    access_log: AccessLog,
    /// Only where errors are not answered as usual.
    errors: Option<Arc<ErrorPolicies>>,
    #[cfg(feature = "otel")]
    telemetry: Option<crate::otel::Telemetry>,
}

impl AppService {
    pub(super) fn new(
        router: axum::Router,
        access_log: AccessLog,
        errors: Option<Arc<ErrorPolicies>>,
    ) -> Self {
        Self {
            router,
            access_log,
            errors,
            #[cfg(feature = "otel")]
            telemetry: None,
        }
    }

    #[cfg(feature = "otel")]
    pub(super) fn with_telemetry(mut self, telemetry: Option<crate::otel::Telemetry>) -> Self {
        self.telemetry = telemetry;
        self
    }
}

/// The span of a request, if the application has telemetry.
#[cfg(feature = "otel")]
type Trace = Option<Box<crate::otel::RequestTrace>>;
#[cfg(not(feature = "otel"))]
type Trace = ();

impl<B> Service<Request<B>> for AppService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = AppFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, mut request: Request<B>) -> AppFuture {
        let id = request_id::accept(request.headers());
        request.extensions_mut().insert(id.clone());
        let log = self.access_log.begin(request.method(), request.uri());
        let unusual = self.errors.as_ref().map(|errors| {
            request.extensions_mut().insert(errors.clone());
            let request = Noted::of(RequestHead::of_request(&request));
            Box::new(Unusual { errors: errors.clone(), request })
        });
        #[cfg(feature = "otel")]
        let trace = self.telemetry.as_ref().map(|telemetry| {
            Box::new(crate::otel::RequestTrace::begin(telemetry, &mut request, &id))
        });
        #[cfg(not(feature = "otel"))]
        let trace = ();
        AppFuture { inner: self.router.call(request), id, log, unusual, trace }
    }
}

/// What is needed to answer the panic of a middleware, where that is not answered as usual.
struct Unusual {
    errors: Arc<ErrorPolicies>,
    request: Noted,
}

/// The answer to the panic of a middleware; endpoints answer their own.
fn answer_panic(panic: Panic, id: &RequestId, unusual: Option<&Unusual>) -> Response<Body> {
    let Some(Unusual { errors, request }) = unusual else {
        tracing::error!(request_id = id.as_str(), "a middleware {panic}");
        return error_response(&HttpError::internal(panic));
    };
    request.with(|cx| answer(Some(errors), HttpError::internal(panic), cx))
}

pin_project! {
    /// A request on its way.
    pub struct AppFuture {
        #[pin]
        inner: RouteFuture<Infallible>,
        id: RequestId,
        log: Option<Box<Line>>,
        unusual: Option<Box<Unusual>>,
        trace: Trace,
    }
}

impl Future for AppFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner;
        #[cfg(feature = "otel")]
        let entered = this.trace.as_ref().map(|trace| trace.span().clone().entered());
        let polled = catch_unwind(AssertUnwindSafe(|| inner.poll(cx)));
        let mut response = match polled {
            Ok(polled) => match ready!(polled) {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(panic) => answer_panic(Panic::of(&*panic), this.id, this.unusual.as_deref()),
        };
        response.headers_mut().insert(request_id::HEADER, this.id.header_value());
        if let Some(line) = this.log.take() {
            line.write(response.status(), this.id);
        }
        #[cfg(feature = "otel")]
        if let Some(mut trace) = this.trace.take() {
            drop(entered);
            trace.responded(response.status());
            response = response.map(|body| Body::new(crate::otel::TracedBody::new(body, trace)));
        }
        Poll::Ready(Ok(response))
    }
}
