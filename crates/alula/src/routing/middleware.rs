//! What can stand around endpoints.

use std::convert::Infallible;

use axum::{extract::Request, response::IntoResponse};
use tower_layer::Layer;
use tower_service::Service;

/// A tower layer that can stand around a route, a router or an application.
///
/// Implemented for every layer with the right types; the trait only gives them a name. What the
/// layer wraps is an axum route, and what comes out takes axum requests and cannot fail.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand around endpoints",
    note = "a middleware is a tower `Layer` whose service takes requests, answers with a response and cannot fail; `tower_http` has many"
)]
pub trait Middleware:
    Layer<
        axum::routing::Route,
        Service: Service<
            Request,
            Response: IntoResponse + 'static,
            Error: Into<Infallible> + 'static,
            Future: Send + 'static,
        > + Clone
                     + Send
                     + Sync
                     + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<L> Middleware for L where
    L: Layer<
            axum::routing::Route,
            Service: Service<
                Request,
                Response: IntoResponse + 'static,
                Error: Into<Infallible> + 'static,
                Future: Send + 'static,
            > + Clone
                         + Send
                         + Sync
                         + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}
