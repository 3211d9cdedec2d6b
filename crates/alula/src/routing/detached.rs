//! Endpoints that a client which leaves does not cancel.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    routing::{MethodFilter, MethodRouter, on},
};
use futures_util::future::BoxFuture;
use http::Response;
use tracing::Instrument as _;

use crate::{error::HttpError, output::error_response, serve::Shutdown};

/// An endpoint whose types are forgotten, so that this is compiled once and not for each.
pub(super) trait Detachable: Send + Sync {
    fn run(self: Arc<Self>, request: Request) -> BoxFuture<'static, Response<Body>>;
}

/// Runs an endpoint in a task of its own, for which the shutdown waits.
pub(super) fn detached(
    filter: MethodFilter,
    shutdown: Shutdown,
    endpoint: Arc<dyn Detachable>,
) -> MethodRouter {
    on(filter, move |request: Request| {
        let work = shutdown.spawn(endpoint.clone().run(request).in_current_span());
        async {
            // The endpoint answers its own panic, so this is a runtime that ends.
            work.await.unwrap_or_else(|error| error_response(&HttpError::internal(error)))
        }
    })
}
