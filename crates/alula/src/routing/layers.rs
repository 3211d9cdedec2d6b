//! The middleware of a route or a router, until its application is built.

use std::sync::Arc;

use axum::routing::MethodRouter;

use super::{Middleware, detached::Detach};
use crate::{
    middleware::{self, Cors},
    serve::Shutdown,
};

/// Puts one middleware around the handlers of a route.
type ApplyLayer = Arc<dyn Fn(MethodRouter) -> MethodRouter + Send + Sync>;

/// What stands around a route, the innermost first.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    apply: Vec<ApplyLayer>,
    /// The outermost, which also answers preflight requests for the path.
    cors: Option<Cors>,
    mistakes: Vec<String>,
}

impl Layers {
    pub(super) fn add(&mut self, layer: impl Middleware) {
        self.mistakes.extend(middleware::mistakes(&layer));
        self.cors = middleware::cors(&layer).or(self.cors.take());
        self.apply.push(Arc::new(move |router: MethodRouter| router.layer(layer.clone())));
    }

    /// Adds those of a router further out.
    pub(super) fn extend(&mut self, outer: &Self) {
        self.apply.extend(outer.apply.iter().cloned());
        self.cors = outer.cors.clone().or(self.cors.take());
        self.mistakes.extend(outer.mistakes.iter().cloned());
    }

    /// Lets the handlers and all that stands around them go on when the client leaves.
    pub(crate) fn detach(&mut self, shutdown: &Shutdown) {
        let detach = Detach::new(shutdown.clone());
        self.apply.push(Arc::new(move |router: MethodRouter| router.layer(detach.clone())));
    }

    pub(crate) fn apply(&self, handler: MethodRouter) -> MethodRouter {
        self.apply.iter().fold(handler, |handler, layer| layer(handler))
    }

    pub(crate) fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    pub(crate) fn mistakes(&self) -> &[String] {
        &self.mistakes
    }
}
