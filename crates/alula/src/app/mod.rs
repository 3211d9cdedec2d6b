//! The application: routes, states and settings, ready to be served or tested.

mod about;
mod access_log;
mod build;
#[cfg(feature = "docs")]
mod docs;
mod embed;
mod errors;
#[cfg(feature = "jobs")]
mod jobs;
mod lifespan;
#[cfg(feature = "mcp")]
mod mcp;
mod mount;
mod operations;
mod paths;
mod planning;
mod request_id;
mod rest;
mod service;
mod serving;
mod state;
mod table;
mod viewers;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::Value;

use access_log::AccessLog;
pub(crate) use build::Running;
pub use build::StartError;
#[cfg(feature = "docs")]
pub use docs::DocsSettings;
pub use embed::Ending;
#[cfg(feature = "jobs")]
pub(crate) use jobs::ReadyJobs;
pub use lifespan::Startup;
pub(crate) use request_id::unique_text;
pub(crate) use rest::redirect;
pub use service::AppService;
pub(crate) use state::{Overrides, States};

use self::viewers::Viewers;
use crate::{
    dependency::Dependency,
    error::Result,
    input::{BodyLimits, FormLimits},
    openapi::{Document, NameOperation},
    routing::{Middleware, Route, Router},
    serve::{Limits, Shutdown, Workers},
    testing::TestClient,
};

/// An application.
///
/// ```
/// use alula::prelude::*;
///
/// /// Say hello.
/// #[get("/hello/{name}")]
/// async fn hello(Path(name): Path<String>) -> Json<String> {
///     Json(format!("Hello, {name}!"))
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let app = App::new("Greeter", "1.0.0").routes(routes![hello]);
/// let client = app.client().await;
/// assert_eq!(client.get("/hello/Ada").await.json::<String>(), "Hello, Ada!");
/// # });
/// ```
#[must_use = "an app does nothing until it is served"]
pub struct App {
    document: Document,
    viewers: Viewers,
    pub(crate) root: Router,
    webhooks: Vec<(String, Route)>,
    operation_ids: Option<NameOperation>,
    customize: Vec<ChangeDocument>,
    states: States,
    overrides: Overrides,
    /// Applications below a prefix.
    mounted: Vec<(String, Self)>,
    redirect_slashes: bool,
    /// Routers of axum that answer what no route does.
    foreign: Vec<axum::Router>,
    layers: Vec<ApplyLayer>,
    /// What is wrong with the layers.
    mistakes: Vec<String>,
    access_log: AccessLog,
    lifespan: Option<lifespan::Lifespan>,
    #[cfg(feature = "jobs")]
    jobs: jobs::AppJobs,
    #[cfg(feature = "mcp")]
    mcp: mcp::AppMcp,
    body: BodyLimits,
    limits: Limits,
    workers: Workers,
    #[cfg(feature = "tls")]
    tls: Option<crate::serve::Tls>,
    #[cfg(feature = "otel")]
    pub(crate) telemetry: Option<crate::otel::Telemetry>,
}

type ChangeDocument = Box<dyn FnOnce(&mut Value) + Send>;
type ApplyLayer = Box<dyn FnOnce(axum::Router) -> axum::Router + Send>;

impl App {
    /// An application with the title and the version of its API.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        let limits = Limits::default();
        Self {
            document: Document::new(title.into(), version.into()),
            viewers: Viewers::default(),
            root: Router::new(),
            webhooks: Vec::new(),
            operation_ids: None,
            customize: Vec::new(),
            states: States::default(),
            overrides: Overrides::default(),
            mounted: Vec::new(),
            redirect_slashes: true,
            foreign: Vec::new(),
            layers: Vec::new(),
            mistakes: Vec::new(),
            access_log: AccessLog::default(),
            lifespan: None,
            #[cfg(feature = "jobs")]
            jobs: jobs::AppJobs::default(),
            #[cfg(feature = "mcp")]
            mcp: mcp::AppMcp::default(),
            body: BodyLimits::of_server(&limits),
            limits,
            workers: Workers::default(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "otel")]
            telemetry: None,
        }
    }

    /// Adds a singleton that endpoints get as [`State<T>`](crate::State).
    ///
    /// A second one of the same type takes the place of the first. What must be connected first is
    /// better made in [`lifespan`](Self::lifespan).
    pub fn state<T: Send + Sync + 'static>(self, state: T) -> Self {
        self.shared_state(Arc::new(state))
    }

    /// Adds a singleton that is shared already, or known by a trait only.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use alula::{App, Json, State, get};
    ///
    /// trait Clock: Send + Sync {
    ///     fn hour(&self) -> u8;
    /// }
    ///
    /// struct Noon;
    /// impl Clock for Noon {
    ///     fn hour(&self) -> u8 {
    ///         12
    ///     }
    /// }
    ///
    /// async fn hour(clock: State<dyn Clock>) -> Json<u8> {
    ///     Json(clock.hour())
    /// }
    ///
    /// let clock: Arc<dyn Clock> = Arc::new(Noon);
    /// let app = App::new("Clock", "1.0.0").shared_state(clock).route(get("/hour", hour));
    /// assert!(app.openapi().is_ok());
    /// ```
    pub fn shared_state<T: ?Sized + Send + Sync + 'static>(mut self, state: Arc<T>) -> Self {
        self.states.insert(state);
        self
    }

    /// Runs before the first request; see [`Startup`]. An error stops the start, and what has been
    /// opened by then is closed.
    pub fn lifespan<F, Fut>(mut self, lifespan: F) -> Self
    where
        F: FnOnce(Startup) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Startup>> + Send + 'static,
    {
        self.lifespan = Some(Box::new(|startup| Box::pin(lifespan(startup))));
        self
    }

    /// Adds a route.
    pub fn route(mut self, route: Route) -> Self {
        self.root = self.root.route(route);
        self
    }

    /// Adds routes, usually those of [`routes!`](crate::routes).
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Self {
        self.root = self.root.routes(routes);
        self
    }

    /// Adds the routes of a router.
    pub fn include(mut self, router: Router) -> Self {
        self.root = self.root.include(router);
        self
    }

    /// Resolves a dependency before every endpoint.
    pub fn depends<D: Dependency>(mut self) -> Self {
        self.root = self.root.depends::<D>();
        self
    }

    /// Converts JSON values as [`Route::lax`] does, everywhere.
    pub fn lax(mut self) -> Self {
        self.root = self.root.lax();
        self
    }

    /// The most bytes a request body may have, where no router or route says otherwise. A larger
    /// one is answered 413.
    ///
    /// By default 2 MiB, and 50 MiB for what is not held in memory:
    /// [`Multipart`](crate::Multipart) and [`BodyStream`](crate::BodyStream).
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.body.body_bytes_max = Some(bytes);
        self
    }

    /// The limits of forms, where no router or route says otherwise.
    pub fn form_limits(mut self, limits: FormLimits) -> Self {
        self.root = self.root.form_limits(limits);
        self
    }

    /// The longest wait for an answer, where no router or route says otherwise; none by default.
    /// See [`Route::timeout`].
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.root = self.root.timeout(timeout);
        self
    }

    /// Lets every endpoint go on when its client leaves; see [`Route::run_to_completion`].
    pub fn run_to_completion(mut self) -> Self {
        self.root = self.root.run_to_completion();
        self
    }

    /// The limits of the server.
    pub fn limits(mut self, limits: Limits) -> Self {
        let body = BodyLimits::of_server(&limits);
        self.body = BodyLimits { body_bytes_max: self.body.body_bytes_max, ..body };
        self.limits = limits;
        self
    }

    /// Puts a tower middleware around the whole application; the last one added is the outermost.
    ///
    /// [`middleware`](crate::middleware) has those that most applications need.
    pub fn layer(mut self, layer: impl Middleware) -> Self {
        self.mistakes.extend(crate::middleware::mistakes(&layer));
        self.layers.push(Box::new(|router| router.layer(layer)));
        self
    }

    /// Replaces the value of a dependency in this application, for a test.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// #[dependency]
    /// async fn caller(token: Bearer) -> String {
    ///     token.into_inner()
    /// }
    ///
    /// #[get("/me")]
    /// async fn me(caller: Depends<caller>) -> Json<String> {
    ///     Json(caller.to_string())
    /// }
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let app = App::new("Me", "1.0.0").routes(routes![me]);
    /// let client = app.override_dependency::<caller>(|| "test".to_owned()).client().await;
    /// assert_eq!(client.get("/me").await.json::<String>(), "test");
    /// # });
    /// ```
    pub fn override_dependency<D: Dependency>(
        mut self,
        value: impl Fn() -> D::Value + Send + Sync + 'static,
    ) -> Self {
        self.overrides.by_value::<D>(value);
        self
    }

    /// Replaces a dependency by another one, which may have inputs of its own.
    pub fn override_dependency_with<D: Dependency, Other: Dependency<Value = D::Value>>(
        mut self,
    ) -> Self {
        self.overrides.by_dependency::<D, Other>();
        self
    }

    /// The OpenAPI document, without starting the application.
    ///
    /// # Errors
    ///
    /// All mistakes that would stop the start. States made by the lifespan are not looked for.
    pub fn openapi(self) -> Result<Value, StartError> {
        build::document(self)
    }

    /// Starts the application in process, for a test.
    ///
    /// # Panics
    ///
    /// If the application cannot start; the message lists why.
    pub async fn client(self) -> TestClient {
        #[cfg(feature = "jobs")]
        let this = self.with_jobs_by_hand();
        #[cfg(not(feature = "jobs"))]
        let this = self;
        match this.start(Shutdown::new()).await {
            Ok(running) => TestClient::new(running),
            #[expect(clippy::panic, reason = "a test has no one else to tell")]
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts the application; what has started before an error is ended.
    fn start(self, shutdown: Shutdown) -> BoxFuture<'static, Result<Running, StartError>> {
        // Boxed, as an application is large.
        Box::pin(async move {
            let closing = lifespan::Closing::default();
            let started = build::start(self, shutdown, closing.clone()).await;
            if started.is_err() {
                closing.run().await;
            }
            started
        })
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("routes", &self.root).finish_non_exhaustive()
    }
}
