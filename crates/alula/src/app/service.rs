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
use http::{Method, Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    access_log::{AccessLog, Line},
    request_id,
};
use crate::{
    error::{ErrorPolicies, HttpError, Noted, Panic, answer},
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
        let mut id = request_id::accept(request.headers());
        id.set_errors(self.errors.clone());
        request.extensions_mut().insert(id.clone());
        let line = self.access_log.begin(request.uri());
        let is_kept = line.is_some() || self.errors.is_some();
        let kept = is_kept.then(|| Kept {
            method: request.method().clone(),
            uri: request.uri().clone(),
            line,
        });
        #[cfg(feature = "otel")]
        let trace = self.telemetry.as_ref().map(|telemetry| {
            Box::new(crate::otel::RequestTrace::begin(telemetry, &mut request, &id))
        });
        #[cfg(not(feature = "otel"))]
        let trace = ();
        AppFuture { inner: self.router.call(request), id, kept, trace }
    }
}

/// What the access log and the handlers of errors may ask of a request that is gone.
struct Kept {
    method: Method,
    uri: Uri,
    line: Option<Line>,
}

/// The answer to the panic of a middleware; endpoints answer their own.
fn answer_panic(panic: Panic, id: &RequestId, kept: Option<&Kept>) -> Response<Body> {
    match kept {
        Some(Kept { method, uri, .. }) if id.errors().is_some() => {
            let request = Noted::new(id.clone(), method.clone(), uri.clone());
            request.with(|cx| answer(HttpError::internal(panic), cx))
        }
        _ => {
            tracing::error!(request_id = id.as_str(), "a middleware {panic}");
            error_response(&HttpError::internal(panic))
        }
    }
}

pin_project! {
    /// A request on its way.
    pub struct AppFuture {
        #[pin]
        inner: RouteFuture<Infallible>,
        id: RequestId,
        kept: Option<Kept>,
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
            Err(panic) => answer_panic(Panic::of(&*panic), this.id, this.kept.as_ref()),
        };
        response.headers_mut().insert(request_id::HEADER, this.id.header_value());
        if let Some(Kept { method, uri, line: Some(line) }) = this.kept.take() {
            line.write(&method, &uri, this.id, response.status());
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
