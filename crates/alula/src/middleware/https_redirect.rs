//! From `http` to `https`.

use std::ops::ControlFlow;

use axum::{body::Body, extract::Request};
use http::{Extensions, HeaderValue, Response, StatusCode, header};
use tower_layer::Layer;

use super::{
    around::{Around, Heads},
    trusted_hosts::{host, split_port},
};
use crate::error::{HttpError, answer_for};

/// Sends clients that come by `http` to the same place by `https`, with 307 as FastAPI's
/// `HTTPSRedirectMiddleware`.
///
/// A request came by `https` if [`IsHttps`] says so, which a client cannot write: the server does
/// where it speaks TLS itself, and [`TrustedProxies`](super::TrustedProxies), which has to be
/// further out, where a proxy that it believes does. Behind anything else that ends TLS, every
/// request is sent to where it came from, again and again, until that is noted.
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

/// Whether the client's side of the connection is encrypted, in the extensions of a request.
///
/// A server that speaks TLS notes it, and [`TrustedProxies`](super::TrustedProxies) notes what a
/// proxy says. Where an application is inside another server that ends TLS, that server has to do
/// it, for [`HttpsRedirect`] and whoever else asks:
///
/// ```no_run
/// use alula::{App, Shutdown, middleware::{HttpsRedirect, IsHttps}};
///
/// # async fn serve_with_tls(_: axum::Router) {}
/// # async fn run() -> alula::Result<()> {
/// let app = App::new("Inner", "1.0.0").layer(HttpsRedirect::new());
/// let (service, ending) = app.into_service(Shutdown::new()).await?;
/// let router = axum::Router::new().fallback_service(service);
/// serve_with_tls(router.layer(axum::Extension(IsHttps(true)))).await;
/// ending.run().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IsHttps(pub bool);

impl IsHttps {
    /// What is noted in these extensions; not encrypted if nothing is.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self(false))
    }
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
        if IsHttps::of(request.extensions()).0 {
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
