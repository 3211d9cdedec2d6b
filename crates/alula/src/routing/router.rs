//! Groups of routes.

use std::{sync::Arc, time::Duration};

use super::{Middleware, errors::Describe, layers::Layers, route::Route};
use crate::{
    dependency::{Dependency, PlanGuard, plan_guard},
    error::{AnyFormat, Area, ErrorHandlers, Errors},
    input::FormLimits,
};

/// A group of routes with what they have in common: a prefix, tags, dependencies, middleware.
///
/// ```
/// use alula::{Json, Router, get};
///
/// async fn list() -> Json<Vec<u32>> {
///     Json(vec![])
/// }
///
/// let v1 = Router::new()
///     .prefix("/v1")
///     .include(Router::new().prefix("/items").tag("Items").route(get("", list)));
/// ```
#[derive(Default)]
#[must_use = "a router does nothing until an app includes it"]
pub struct Router {
    prefix: String,
    tags: Vec<String>,
    scopes: Vec<String>,
    guards: Vec<PlanGuard>,
    layers: Layers,
    lax: Option<bool>,
    body_bytes_max: Option<usize>,
    timeout: Option<Option<Duration>>,
    to_completion: bool,
    #[cfg(feature = "ws")]
    pub(crate) socket: crate::ws::SocketOptions,
    form_limits: FormLimits,
    pub(super) error_format: Option<Arc<dyn AnyFormat>>,
    pub(super) handlers: ErrorHandlers,
    pub(super) describes: Vec<Describe>,
    /// The routers inside that say something about errors.
    areas: Vec<Area>,
    routes: Vec<Route>,
}

/// What a router comes to.
pub(crate) struct RouterParts {
    pub(crate) routes: Vec<Route>,
    pub(crate) areas: Vec<Area>,
    pub(crate) errors: Errors,
    /// Whether something is resolved before each of the routes.
    #[cfg(feature = "mcp")]
    pub(crate) has_guards: bool,
}

impl Router {
    /// An empty router.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the paths of all its routes begin with, such as `/v1`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Adds a tag to all its routes.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Resolves a dependency before each of its endpoints runs.
    pub fn depends<D: Dependency>(mut self) -> Self {
        self.guards.push(plan_guard::<D>);
        self
    }

    /// Demands scopes of the callers of all its routes, as [`Route::scopes`] does.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Converts JSON values as [`Route::lax`] does, on all its routes.
    pub fn lax(mut self) -> Self {
        self.lax = Some(true);
        self
    }

    /// The most bytes a request body may have, on its routes that do not say otherwise.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// The longest wait for an answer of its routes that do not say otherwise; see
    /// [`Route::timeout`].
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Lets its endpoints go on when a client leaves; see [`Route::run_to_completion`].
    pub fn run_to_completion(mut self) -> Self {
        self.to_completion = true;
        self
    }

    /// The limits of forms, on its routes; what a route or an inner router sets itself stays.
    pub fn form_limits(mut self, limits: FormLimits) -> Self {
        self.form_limits = limits.or(self.form_limits);
        self
    }

    /// Puts a tower middleware around each of its routes; the last one added is the outermost.
    pub fn layer(mut self, layer: impl Middleware) -> Self {
        self.layers.add(layer);
        self
    }

    /// Adds a route.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Adds routes, usually those of [`routes!`](crate::routes).
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Self {
        self.routes.extend(routes);
        self
    }

    /// Adds the routes of another router, below this one's prefix.
    pub fn include(mut self, router: Self) -> Self {
        let RouterParts { routes, areas, .. } = router.into_parts();
        self.areas.extend(areas);
        self.routes(routes)
    }

    /// The routes with everything applied that the router says of them.
    pub(crate) fn into_parts(self) -> RouterParts {
        let Self {
            prefix,
            tags,
            scopes,
            guards,
            layers,
            lax,
            body_bytes_max,
            form_limits,
            timeout,
            to_completion,
            ..
        } = self;
        let mut errors = Errors { format: self.error_format, handlers: Vec::new() };
        if !self.handlers.is_empty() {
            errors.handlers.push(Arc::new(self.handlers));
        }
        let apply = |mut route: Route| {
            route.path.insert_str(0, &prefix);
            route.meta.tags.splice(0..0, tags.iter().cloned());
            route.scopes.splice(0..0, scopes.iter().cloned());
            route.guards.splice(0..0, guards.iter().copied());
            route.layers.extend(&layers);
            route.lax = route.lax.or(lax);
            route.body_bytes_max = route.body_bytes_max.or(body_bytes_max);
            route.timeout = route.timeout.or(timeout);
            route.to_completion |= to_completion;
            #[cfg(feature = "ws")]
            route.socket.inherit(&self.socket);
            route.form_limits = route.form_limits.or(form_limits);
            route.errors.inherit(&errors);
            route.describes.extend(self.describes.iter().cloned());
            route
        };
        let routes = self.routes.into_iter().map(apply).collect();
        let mut areas = self.areas;
        for area in &mut areas {
            area.path.insert_str(0, &prefix);
            area.errors.inherit(&errors);
        }
        // Without a prefix, paths that are no routes are those of the router around.
        if !prefix.is_empty() && !errors.is_empty() {
            areas.push(Area { path: prefix, is_prefix: true, errors: errors.clone() });
        }
        RouterParts {
            routes,
            areas,
            errors,
            #[cfg(feature = "mcp")]
            has_guards: !guards.is_empty(),
        }
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router")
            .field("prefix", &self.prefix)
            .field("tags", &self.tags)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
