//! From `http` to `https`.

use std::ops::ControlFlow;

use axum::{body::Body, extract::Request};
use http::{Extensions, HeaderValue, Response, StatusCode, header};
use tower_layer::Layer;

use super::{
    around::{Around, Heads},
    trusted_hosts::{host, split_port},
    trusted_proxies::claims_https,
};
use crate::{
    error::{HttpError, answer_for},
    serve::PeerAddr,
};

/// Sends clients that come by `http` to the same place by `https`, with 307 as FastAPI's
/// `HTTPSRedirectMiddleware`.
///
/// A request came by `https` if [`IsHttps`] says so, which a client cannot write: the server does
/// where it speaks TLS itself, and [`TrustedProxies`](super::TrustedProxies), which has to be
/// further out, where a proxy that it believes does.
///
/// Where that is not set up, a client that came by `https` would be sent to where it came from,
/// again and again. It reads an error instead:
///
/// - 400 if `X-Forwarded-Proto` or `Forwarded` says `https` and nobody is trusted who could: list
///   the proxy.
/// - 500 inside another server that notes nothing, and the log says what to do: note [`IsHttps`].
///
/// Only what ends TLS and tells nothing of it cannot be seen from here.
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
/// proxy says. Where an application is inside another server, that server has to do it, for
/// [`HttpsRedirect`] and whoever else asks, with `true` where it ends TLS and `false` where not:
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
    let target = request.uri().path_and_query().map(|target| target.as_str());
    // `OPTIONS *` asks about the server, not about a path.
    let target = target.filter(|target| *target != "*").unwrap_or("/");
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

/// To the same place by `https`.
fn redirect(request: &Request) -> Response<Body> {
    match host(request).and_then(split_port) {
        // The usual ports are those of their scheme, and so say nothing.
        Some((name, Some("80" | "443" | "") | None)) => {
            location(&format!("https://{name}"), request)
        }
        Some((name, Some(port))) => location(&format!("https://{name}:{port}"), request),
        None => answer_for(request, HttpError::bad_request("Invalid host header")),
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
        let extensions = request.extensions();
        let problem = match extensions.get::<IsHttps>() {
            Some(IsHttps(true)) => return ControlFlow::Continue(()),
            Some(IsHttps(false)) => None,
            None if claims_https(request.headers()) => Some(HttpError::bad_request(
                "The request says that it came by https, but its sender is no trusted proxy",
            )),
            // Where there is an address, the server is ours and would note TLS.
            None if extensions.get::<PeerAddr>().is_some() => None,
            None => Some(HttpError::internal(
                "the server around the application does not note `IsHttps` in its requests",
            )),
        };
        ControlFlow::Break(match problem {
            Some(problem) => answer_for(request, problem),
            None => redirect(request),
        })
    }

    fn response(&self, (): (), response: Response<Body>) -> Response<Body> {
        response
    }
}
