//! One route: a method, a path, a function and what is said about it.

use std::{fmt, time::Duration};

use http::Method;

use super::{
    Middleware,
    about::{Callback, Meta},
    endpoint::{PlanEndpoint, Unplanned},
    errors::Describe,
    layers::Layers,
};
use crate::{
    dependency::{Dependency, PlanGuard, plan_guard},
    error::Errors,
    files::Files,
    handler::Handler,
    input::{FormLimits, Input},
    output::Output,
};

/// A function that carries its own route: what `#[get]`, `#[post]` and the others make.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no route",
    note = "put `#[get(\"/path\")]`, `#[post(\"/path\")]` … on the function, or use the builder `get(\"/path\", function)`"
)]
pub trait Endpoint {
    /// Makes the route.
    fn route() -> Route;
}

/// A route, ready to be given to a [`Router`](crate::Router) or an [`App`](crate::App).
///
/// ```
/// use alula::{Json, Status, post};
///
/// async fn create() -> Json<u32> {
///     Json(7)
/// }
///
/// let route = post("/items", create).tag("Items").status(201).summary("Create an item");
/// ```
#[must_use = "a route does nothing until a router or an app has it"]
pub struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) meta: Meta,
    pub(crate) status: u16,
    pub(crate) lax: Option<bool>,
    pub(crate) body_bytes_max: Option<usize>,
    pub(crate) callbacks: Vec<Callback>,
    pub(crate) form_limits: FormLimits,
    pub(crate) scopes: Vec<String>,
    /// Nothing where an outer one decides.
    pub(crate) timeout: Option<Option<Duration>>,
    pub(crate) to_completion: bool,
    pub(crate) guards: Vec<PlanGuard>,
    pub(crate) layers: Layers,
    /// How models call it, if they may.
    #[cfg(feature = "mcp")]
    pub(crate) tool: Option<crate::mcp::ToolOptions>,
    /// What it serves if it answers for all paths below its own.
    pub(crate) below: Option<Files>,
    #[cfg(feature = "ws")]
    pub(crate) socket: crate::ws::SocketOptions,
    pub(crate) errors: Errors,
    /// What the document says beside what the types say.
    pub(crate) describes: Vec<Describe>,
    pub(crate) endpoint: Box<dyn PlanEndpoint>,
}

fn endpoint<A, H>(method: Method, path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    route(method, path, std::any::type_name::<H>(), Box::new(Unplanned::new(handler)))
}

/// A route about which nothing is said yet.
pub(crate) fn route(
    method: Method,
    path: &str,
    function: &str,
    endpoint: Box<dyn PlanEndpoint>,
) -> Route {
    let name = function_name(function).to_owned();
    Route {
        method,
        path: path.to_owned(),
        meta: Meta { name, ..Meta::default() },
        status: 200,
        lax: None,
        body_bytes_max: None,
        callbacks: Vec::new(),
        form_limits: FormLimits::default(),
        scopes: Vec::new(),
        timeout: None,
        to_completion: false,
        guards: Vec::new(),
        layers: Layers::default(),
        errors: Errors::default(),
        describes: Vec::new(),
        #[cfg(feature = "mcp")]
        tool: None,
        below: None,
        #[cfg(feature = "ws")]
        socket: crate::ws::SocketOptions::default(),
        endpoint,
    }
}

/// What a function is called, without its modules and its type arguments; for a closure that is
/// the function around it.
fn function_name(type_name: &str) -> &str {
    let path = type_name.split('<').next().unwrap_or_default();
    path.rsplit("::").find(|part| !part.starts_with('{') && !part.is_empty()).unwrap_or_default()
}

// Written out, because a macro would add its own lines to every compiler message about an endpoint.

/// A route for `GET` requests to a path.
///
/// Parameters of the path stand in braces: `/items/{id}`; `{*rest}` takes the rest. The route
/// answers `HEAD` as well, unless another one does.
pub fn get<A, H>(path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    endpoint(Method::GET, path, handler)
}

/// A route for `POST` requests to a path.
///
/// The path is written as for [`get`].
pub fn post<A, H>(path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    endpoint(Method::POST, path, handler)
}

/// A route for `PUT` requests to a path.
///
/// The path is written as for [`get`].
pub fn put<A, H>(path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    endpoint(Method::PUT, path, handler)
}

/// A route for `PATCH` requests to a path.
///
/// The path is written as for [`get`].
pub fn patch<A, H>(path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    endpoint(Method::PATCH, path, handler)
}

/// A route for `DELETE` requests to a path.
///
/// The path is written as for [`get`].
pub fn delete<A, H>(path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    endpoint(Method::DELETE, path, handler)
}

/// A route for `HEAD` requests to a path.
///
/// The path is written as for [`get`].
pub fn head<A, H>(path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    endpoint(Method::HEAD, path, handler)
}

/// A route for `OPTIONS` requests to a path.
///
/// The path is written as for [`get`].
pub fn options<A, H>(path: &str, handler: H) -> Route
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    endpoint(Method::OPTIONS, path, handler)
}

impl Route {
    /// The status of a successful answer; 200 by default.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Converts JSON values where that is plainly meant, as FastAPI does: `"4"` to 4, `"yes"` to
    /// true, 2.0 to 2.
    pub fn lax(mut self) -> Self {
        self.lax = Some(true);
        self
    }

    /// The most bytes a request body may have; by default the app's limit.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// The longest wait for the head of the answer, for dependencies and inputs too; none by
    /// default.
    ///
    /// When it is over, the endpoint is dropped with all it awaits, exits of dependencies see
    /// [`Outcome::Error`](crate::Outcome::Error), and the client is answered 504. A stream is not
    /// cut once it has begun. What layers of the route do is not counted.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use alula::{Json, get};
    ///
    /// async fn slow() -> Json<u32> {
    ///     Json(7)
    /// }
    ///
    /// let route = get("/slow", slow).timeout(Duration::from_secs(30));
    /// ```
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Lets the endpoint go on when its client leaves, as FastAPI does.
    ///
    /// It runs in a task of its own, for which the shutdown waits, with the layers of the route and
    /// of its routers; those of the application end with the client. A
    /// [`ConcurrencyLimit`](crate::middleware::ConcurrencyLimit) counts it to its end all the same,
    /// wherever it stands. Its background tasks and exits then run as for a client that has read the
    /// answer. A [`timeout`](Self::timeout) still ends it, and a stream that it has returned still
    /// ends with its client.
    pub fn run_to_completion(mut self) -> Self {
        self.to_completion = true;
        self
    }

    /// The limits of a form; what they do not set is taken from the router or the app.
    pub fn form_limits(mut self, limits: FormLimits) -> Self {
        self.form_limits = limits.or(self.form_limits);
        self
    }

    /// Resolves a dependency before the endpoint runs, for its effect or its refusal.
    pub fn depends<D: Dependency>(mut self) -> Self {
        self.guards.push(plan_guard::<D>);
        self
    }

    /// Demands scopes of the caller, which a dependency checks that reads
    /// [`SecurityScopes`](crate::SecurityScopes).
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Offers the endpoint to models as a tool, too: by its name, with its parameters and the
    /// fields of its JSON body as arguments, and with the schema of its answer.
    ///
    /// A call is a request in process, through the dependencies, the layers and the checks of the
    /// route, and with the headers of the call: who may call the endpoint may call the tool. What
    /// the method means is told to models, too: `GET` changes nothing, `DELETE` destroys. An answer
    /// that is no success is an error that the model reads.
    ///
    /// ```
    /// use alula::prelude::*;
    /// use serde_json::json;
    ///
    /// /// Double a number.
    /// #[get("/double/{number}", tool)]
    /// async fn double(Path(number): Path<u32>) -> Json<u32> {
    ///     Json(2 * number)
    /// }
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let client = App::new("Double", "1.0.0").mcp("/mcp").routes(routes![double]).client().await;
    /// assert_eq!(client.mcp().call("double", json!({ "number": 4 })).await.text(), "8");
    /// # });
    /// ```
    #[cfg(feature = "mcp")]
    pub fn tool(mut self) -> Self {
        self.tool.get_or_insert_default();
        self
    }

    /// Offers the endpoint as a [`tool`](Self::tool), of which other things are told than of the
    /// endpoint.
    ///
    /// ```
    /// # use alula::{Json, get};
    /// # async fn report() -> Json<u8> { Json(1) }
    /// let route = get("/reports/latest", report)
    ///     .tool_as(|tool| tool.name("latest_report").description("The newest report."));
    /// ```
    #[cfg(feature = "mcp")]
    pub fn tool_as(
        mut self,
        change: impl FnOnce(crate::mcp::Tool) -> crate::mcp::Tool + Send + 'static,
    ) -> Self {
        self.tool = Some(crate::mcp::ToolOptions { change: Some(Box::new(change)) });
        self
    }

    /// Whether it goes on when its client leaves, with all that stands around it.
    pub(crate) fn is_detached(&self) -> bool {
        // The handler of a WebSocket runs in a task of its own anyway, once the client is answered.
        #[cfg(feature = "ws")]
        if self.endpoint.is_socket() {
            return false;
        }
        self.to_completion
    }

    /// Puts a tower middleware around this route; the last one added is the outermost.
    pub fn layer(mut self, layer: impl Middleware) -> Self {
        self.layers.add(layer);
        self
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("name", &self.meta.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_called_as_in_the_source() {
        assert_eq!(function_name("app::items::list"), "list");
        assert_eq!(function_name("app::list<app::Item, alloc::vec::Vec<u8>>"), "list");
        assert_eq!(function_name("app::main::{{closure}}"), "main");
        assert_eq!(function_name("app::list<app::Item>::{{closure}}"), "list");
        assert_eq!(function_name(""), "");
    }
}
