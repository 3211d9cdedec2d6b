use axum::extract::MatchedPath;
use http::Extensions;

/// The template of the route that a request took, such as `/items/{id}`, for a middleware that
/// counts by it: there are few of them, and any number of paths. It needs the feature
/// `route-template`.
///
/// ```
/// use alula::{
///     App,
///     http::HeaderValue,
///     middleware::{self, RouteTemplate},
///     prelude::*,
/// };
///
/// #[get("/items/{id}")]
/// async fn item(Path(id): Path<u64>) -> Json<u64> {
///     Json(id)
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let app = App::new("Shop", "1.0.0").routes(routes![item]).layer(middleware::from_fn(
///     async |request, next| {
///         let route = RouteTemplate::of(request.extensions());
///         let mut response = next.run(request).await;
///         let route = route.as_ref().map_or("none", RouteTemplate::as_str);
///         response.headers_mut().insert("x-route", HeaderValue::from_str(route).unwrap());
///         response
///     },
/// ));
/// let client = app.client().await;
/// assert_eq!(client.get("/items/7").await.header("x-route"), "/items/{id}");
/// assert_eq!(client.get("/nowhere").await.header("x-route"), "none");
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct RouteTemplate(MatchedPath);

impl RouteTemplate {
    /// That of a request with these extensions; none if there is no such path.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned().map(Self)
    }

    /// The template.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}
