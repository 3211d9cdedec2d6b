//! From `http` to `https`.

use std::ops::ControlFlow;

use axum::{body::Body, extract::Request};
use http::{HeaderValue, Response, StatusCode, header};
use tower_layer::Layer;

use super::{
    around::{Around, Heads},
    trusted_hosts::{host, split_port},
};
use crate::error::{HttpError, answer_for};

/// Sends clients that come by `http` to the same place by `https`, with 307 as FastAPI's
/// `HTTPSRedirectMiddleware`.
///
/// A request came by `https` if the server itself speaks TLS, or if a proxy says so that
/// [`TrustedProxies`](super::TrustedProxies) believes; behind a proxy that layer has to be further
/// out.
///
/// ```
/// use alula::{
///     App,
///     middleware::{HttpsRedirect, TrustedProxies},
/// };
///
/// let app = App::new("Api", "1.0.0")
///     .layer(HttpsRedirect::new())
///     .layer(TrustedProxies::new(["10.0.0.0/8"]));
/// # assert!(app.openapi().is_ok());
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct HttpsRedirect(());

impl HttpsRedirect {
    /// The middleware.
    pub fn new() -> Self {
        Self(())
    }
}

/// Whether the client's side of the connection is encrypted, in a request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsHttps(pub(crate) bool);

pub(super) fn is_https(request: &Request) -> bool {
    request.extensions().get::<IsHttps>().is_some_and(|is_https| is_https.0)
}

/// A redirect to the same path at another origin.
pub(super) fn location(origin: &str, request: &Request) -> Response<Body> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    match HeaderValue::try_from(format!("{origin}{target}")) {
        Ok(target) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert(header::LOCATION, target);
            response
        }
        Err(_) => answer_for(request, HttpError::bad_request("Invalid host header")),
    }
}

impl<S> Layer<S> for HttpsRedirect {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(*self, inner)
    }
}

impl Heads for HttpsRedirect {
    type Memory = ();

    fn request(&self, request: &mut Request) -> ControlFlow<Response<Body>> {
        if is_https(request) {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(match host(request).and_then(split_port) {
            // The usual ports are those of their scheme, and so say nothing.
            Some((name, Some("80" | "443" | "") | None)) => {
                location(&format!("https://{name}"), request)
            }
            Some((name, Some(port))) => location(&format!("https://{name}:{port}"), request),
            None => answer_for(request, HttpError::bad_request("Invalid host header")),
        })
    }

    fn response(&self, (): (), response: Response<Body>) -> Response<Body> {
        response
    }
}
