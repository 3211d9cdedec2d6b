//! What the application holds, and the request's id.

use std::{fmt, ops::Deref, sync::Arc};

use http::HeaderValue;

use super::{Input, Rejection, RequestContext};
use crate::{
    dependency::{BackgroundTasks, Scope},
    error::{ErrorPolicies, HttpError, Result},
    openapi::Operation,
};

/// A singleton of the application, given to it by [`App::state`](crate::App::state).
///
/// An endpoint that asks for a state that the application does not have stops the start, with a
/// message that names both. `T` may be a trait object; see
/// [`App::shared_state`](crate::App::shared_state).
///
/// ```
/// use alula::{App, Json, State, get};
///
/// struct Greeting(&'static str);
///
/// async fn hello(greeting: State<Greeting>) -> Json<String> {
///     Json(greeting.0.to_owned())
/// }
///
/// let app = App::new("Hello", "1.0.0").state(Greeting("hi")).route(get("/", hello));
/// ```
pub struct State<T: ?Sized>(Arc<T>);

impl<T> State<T> {
    /// Wraps a value, to call an endpoint in a unit test.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> From<Arc<T>> for State<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T: ?Sized> State<T> {
    /// The value, shared.
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&&*self.0).finish()
    }
}

impl<T: ?Sized + Send + Sync + 'static> Input for State<T> {
    type Plan = Option<Arc<T>>;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.state::<T>()
    }

    async fn extract(plan: &Self::Plan, _: &mut RequestContext) -> Result<Self, Rejection> {
        // An application without the state does not start, so this error is never seen.
        let value = plan.clone().ok_or_else(|| HttpError::internal("the state is missing"))?;
        Ok(Self(value))
    }
}

/// The id of the request: the client's `x-request-id`, or one made here.
///
/// It is in the `x-request-id` header of every answer and in every line of the access log. In a job
/// it is the id of the job.
#[derive(Clone)]
pub struct RequestId {
    id: Id,
    /// How the application answers errors, if not as usual. It goes with the id, as every request
    /// has that and further extensions cost each of them.
    errors: Option<Arc<ErrorPolicies>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Given(HeaderValue),
    /// Text that needs no allocation until it is a header.
    Made([u8; 32]),
}

impl RequestId {
    /// An id of no request, to call an endpoint in a unit test. What no header can hold becomes `-`.
    ///
    /// ```
    /// assert_eq!(alula::RequestId::new("r-1").as_str(), "r-1");
    /// ```
    pub fn new(text: &str) -> Self {
        Self::given(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-")))
    }

    pub(crate) fn given(value: HeaderValue) -> Self {
        Self { id: Id::Given(value), errors: None }
    }

    pub(crate) fn made(text: [u8; 32]) -> Self {
        Self { id: Id::Made(text), errors: None }
    }

    /// How errors of the request are answered, if not as usual.
    pub(crate) fn errors(&self) -> Option<&Arc<ErrorPolicies>> {
        self.errors.as_ref()
    }

    pub(crate) fn set_errors(&mut self, errors: Option<Arc<ErrorPolicies>>) {
        self.errors = errors;
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        match &self.id {
            Id::Given(value) => value.to_str().unwrap_or_default(),
            Id::Made(text) => str::from_utf8(text).unwrap_or_default(),
        }
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        match &self.id {
            Id::Given(value) => value.clone(),
            Id::Made(text) => {
                HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static("0"))
            }
        }
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for RequestId {}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Input for RequestId {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        // An endpoint may keep it for long: the id only.
        let id = cx.extensions().get().map(|Self { id, .. }| Self { id: id.clone(), errors: None });
        Ok(id.ok_or_else(|| HttpError::internal("the request has no id"))?)
    }
}

impl Input for Scope {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(cx.scope())
    }
}

impl Input for BackgroundTasks {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(cx.background_tasks())
    }
}
