//! Applications and services inside an application.

use std::convert::Infallible;

use axum::{extract::Request, response::IntoResponse};
use tower_service::Service;

use super::App;
use crate::files::{Files, Frontend, StaticFiles};

impl App {
    /// Puts another application below a path.
    ///
    /// It stays an application of its own: it has its own document and documentation (here
    /// `/admin/openapi.json` and `/admin/docs`), states, overrides, middleware and limit on
    /// bodies. What is this application's is not its: only middleware added here with
    /// [`layer`](Self::layer) is around both. Its lifespan begins after this one's and ends before.
    /// Its routes see whole paths, and give way to routes of this application.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// #[get("/users")]
    /// async fn users() -> Json<Vec<String>> {
    ///     Json(vec!["ada".to_owned()])
    /// }
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let admin = App::new("Admin", "1.0.0").routes(routes![users]);
    /// let client = App::new("Shop", "1.0.0").mount("/admin", admin).client().await;
    /// assert_eq!(client.get("/admin/users").await.text(), r#"["ada"]"#);
    /// # });
    /// ```
    ///
    /// Limits of the server, the access log and the shutdown are those of the outermost
    /// application. To share them all, [`include`](Self::include) a router.
    pub fn mount(mut self, path: &str, app: Self) -> Self {
        self.mounted.push((path.trim_end_matches('/').to_owned(), app));
        self
    }

    /// Puts any tower service below a path, such as a router of axum. It sees paths without the
    /// prefix.
    ///
    /// It is inside the middleware of this application, and not in the document. The limits of
    /// endpoints do not hold for it. To take over routes at their own paths, see
    /// [`merge_axum`](Self::merge_axum).
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let old = axum::Router::new().route("/users", axum::routing::get(|| async { "old" }));
    /// let client = App::new("Shop", "1.0.0").mount_service("/legacy", old).client().await;
    /// assert_eq!(client.get("/legacy/users").await.text(), "old");
    /// # });
    /// ```
    pub fn mount_service<S>(mut self, path: &str, service: S) -> Self
    where
        S: Service<Request, Response: IntoResponse, Error = Infallible, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let path = path.trim_end_matches('/');
        let is_plain = path.starts_with('/') && !path.contains("//");
        if is_plain && !path.contains(['{', '}', '*', '?', '#', '%', ':']) {
            self.foreign.push(axum::Router::new().nest_service(path, service));
        } else {
            self.mistakes.push(format!("a service cannot be mounted at `{path}`"));
        }
        self
    }

    /// Whether a path with a slash too many or too few at its end is redirected with 307 to the
    /// route without or with it; it is by default. Otherwise it is 404.
    pub fn redirect_slashes(mut self, redirect: bool) -> Self {
        self.redirect_slashes = redirect;
        self
    }

    /// Serves the files of a directory below a path; see [`StaticFiles`].
    ///
    /// ```
    /// # use alula::App;
    /// let app = App::new("Shop", "1.0.0").static_files("/static", "assets");
    /// ```
    pub fn static_files(mut self, path: &str, files: impl Into<StaticFiles>) -> Self {
        self.root = self.root.static_files(path, files);
        self
    }

    /// Serves a web frontend, such as the build of a single-page application, where no route has
    /// the path; see [`Frontend`].
    ///
    /// ```
    /// # use alula::App;
    /// let app = App::new("Shop", "1.0.0").frontend("/", "dist");
    /// ```
    pub fn frontend(mut self, path: &str, frontend: impl Into<Frontend>) -> Self {
        self.root = self.root.frontend(path, frontend);
        self
    }
}

impl crate::Router {
    /// Serves the files of a directory below a path of this router; see
    /// [`App::static_files`](crate::App::static_files). Dependencies and middleware of the router
    /// are around them.
    pub fn static_files(self, path: &str, files: impl Into<StaticFiles>) -> Self {
        self.route(Files::from(files.into()).route(path))
    }

    /// Serves a web frontend below a path of this router; see
    /// [`App::frontend`](crate::App::frontend). Dependencies and middleware of the router are
    /// around it.
    pub fn frontend(self, path: &str, frontend: impl Into<Frontend>) -> Self {
        self.route(Files::from(frontend.into()).route(path))
    }
}
