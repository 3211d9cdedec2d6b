//! A client without a network.

use std::{
    fmt,
    future::{Future, IntoFuture},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde::Serialize;
use tower_service::Service as _;

use super::{TestForm, TestResponse, TestStream, form};
use crate::{app::Running, serve::PeerAddr};

/// Sends requests to an application in process; made by [`App::client`](crate::App::client).
///
/// A response is complete when its background tasks and exits have run. A test that something
/// else must set free takes the response as a [`stream`](TestRequest::stream), which does not
/// wait.
///
/// # Panics
///
/// Its methods panic where a test would want to fail: on a request that cannot be made, on a
/// body that breaks off, and on tasks that are not done after ten seconds.
///
/// ```
/// use alula::prelude::*;
///
/// #[post("/double")]
/// async fn double(Json(number): Json<u32>) -> Json<u32> {
///     Json(2 * number)
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Double", "1.0.0").routes(routes![double]).client().await;
/// let response = client.post("/double").json(&4).await;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.json::<u32>(), 8);
/// # });
/// ```
pub struct TestClient(Running);

/// How long a response waits for the tasks and the exits of its request.
const PATIENCE: Duration = Duration::from_secs(10);

macro_rules! methods {
    ($($function:ident $METHOD:ident)*) => {$(
        #[doc = concat!("Begins a `", stringify!($METHOD), "` request.")]
        pub fn $function(&self, target: &str) -> TestRequest<'_> {
            self.request(Method::$METHOD, target)
        }
    )*};
}

impl TestClient {
    pub(crate) fn new(running: Running) -> Self {
        // A tracker is waited for once it is closed; it still takes tasks.
        running.shutdown.tasks().close();
        Self(running)
    }

    methods! {
        get GET
        post POST
        put PUT
        patch PATCH
        delete DELETE
        head HEAD
        options OPTIONS
    }

    /// Begins a request.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn request(&self, method: Method, target: &str) -> TestRequest<'_> {
        let request = Request::builder().method(method).uri(target).body(Body::empty());
        let request = request.unwrap_or_else(|error| panic!("`{target}`: {error}"));
        self.send(request)
    }

    /// Begins a request that was made by hand, which can be as odd as HTTP allows.
    pub fn send(&self, request: Request<Body>) -> TestRequest<'_> {
        TestRequest { client: self, request }.from_address(Ipv4Addr::LOCALHOST)
    }

    /// Ends the lifespan: waits for tasks and exits, then runs what was left for shutdown.
    pub async fn shutdown(self) {
        self.settle().await;
        self.0.stop().await;
    }

    #[cfg(feature = "jobs")]
    pub(super) fn ready_jobs(&self) -> Option<&crate::app::ReadyJobs> {
        self.0.jobs.as_ref()
    }

    #[cfg(feature = "mcp")]
    pub(super) fn ready_mcp(&self) -> Option<&std::sync::Arc<crate::mcp::Engine>> {
        self.0.mcp.as_ref()
    }

    /// Waits until no task and no exit of a finished request is left.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub(super) async fn settle(&self) {
        let tasks = self.0.shutdown.tasks();
        let start = Instant::now();
        // A test may have stopped tokio's clock, which then jumps; this one goes on.
        while tokio::time::timeout(PATIENCE, tasks.wait()).await.is_err() {
            if start.elapsed() >= PATIENCE {
                let count = tasks.len();
                panic!("{count} background tasks or exits are not done after {PATIENCE:?}");
            }
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestClient")
    }
}

/// A request that is sent by awaiting it.
#[must_use = "a request is sent by awaiting it"]
pub struct TestRequest<'a> {
    pub(super) client: &'a TestClient,
    pub(super) request: Request<Body>,
}

impl<'a> TestRequest<'a> {
    /// Adds a header.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap_or_else(|error| panic!("`{name}`: {error}"));
        let value =
            HeaderValue::try_from(value).unwrap_or_else(|error| panic!("`{value}`: {error}"));
        self.request.headers_mut().append(name, value);
        self
    }

    /// Comes from an address; by default from 127.0.0.1.
    pub fn from_address(mut self, address: impl Into<IpAddr>) -> Self {
        let peer = PeerAddr(SocketAddr::new(address.into(), 50_000));
        self.request.extensions_mut().insert(peer);
        self
    }

    /// Adds `Authorization: Bearer …`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sends a value as JSON.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        let text = serde_json::to_vec(value).unwrap_or_else(|error| panic!("{error}"));
        self.body("application/json", text)
    }

    /// Sends the fields of a struct, of a map or of a list of pairs as a URL-encoded form.
    ///
    /// A list repeats its name, and nothing is sent of a null.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        let text = form::url_encoded(form).unwrap_or_else(|error| panic!("{error}"));
        self.body("application/x-www-form-urlencoded", text)
    }

    /// Sends a form with files.
    pub fn multipart(self, form: TestForm) -> Self {
        let (content_type, body) = form.encode();
        self.body(&content_type, body)
    }

    /// Sends a body of a content type; an empty content type sends none.
    pub fn body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        if content_type.is_empty() {
            return self;
        }
        self.request.headers_mut().remove(header::CONTENT_TYPE);
        self.header("content-type", content_type)
    }

    /// Sends the request and reads the response piece by piece.
    ///
    /// Dropping the stream is a client that leaves.
    pub async fn stream(self) -> TestStream<'a> {
        let mut service = self.client.0.service.clone();
        let response = match service.call(self.request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        TestStream::new(self.client, response)
    }
}

impl<'a> IntoFuture for TestRequest<'a> {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.stream().await.collect().await })
    }
}

impl fmt::Debug for TestRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRequest").field("request", &self.request).finish_non_exhaustive()
    }
}
