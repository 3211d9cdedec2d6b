//! What an endpoint can ask for.

mod body;
mod context;
mod foreign;
mod form;
mod pace;
mod params;
mod raw;
mod reader;
mod security;
mod state;
mod tuple;

use std::future::Future;

pub use body::Json;
pub use context::RequestContext;
pub use foreign::{Axum, AxumBody};
#[cfg(fuzzing)]
pub(crate) use form::fuzz;
pub use form::{Form, FormLimits, FormPart, Multipart, MultipartStream, UploadFile};
pub use params::{Cookie, Header, Path, Query};
pub use raw::BodyStream;
pub(crate) use reader::BodyLimits;
pub(crate) use security::DemandedScopes;
pub use security::{
    ApiKey, ApiKeyLocation, Basic, Bearer, Challenge, Credential, KeyPlace, NoRealm, OAuth2,
    OAuth2Bearer, OAuth2Scheme, OpenIdConnect, OpenIdScheme, PasswordForm, Realm, SecurityScheme,
    SecurityScopes, StrictPasswordForm, XApiKey, constant_time_eq,
};
pub use state::{RequestId, State};

use crate::{
    error::{HttpError, Result},
    openapi::Operation,
};

/// A value that an endpoint or a dependency takes from the request.
///
/// An input works in two steps. [`plan`](Self::plan) runs once, when the application is built: it
/// describes the input for the OpenAPI document and prepares what extraction needs.
/// [`extract`](Self::extract) runs for each request.
///
/// ```
/// use alula::{Input, Operation, Rejection, RequestContext, Result};
///
/// /// The `user-agent` header, or nothing.
/// struct UserAgent(Option<String>);
///
/// impl Input for UserAgent {
///     type Plan = ();
///
///     fn plan(_: &mut Operation<'_>) -> Self::Plan {}
///
///     async fn extract(_: &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
///         let agent = cx.headers().get("user-agent").and_then(|value| value.to_str().ok());
///         Ok(Self(agent.map(str::to_owned)))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as an endpoint argument",
    note = "use `Json<T>`, `Form<T>`, `Multipart<T>`, `MultipartStream<T>`, `Bytes`, `String`, `BodyStream`, `Query<T>`, `Path<T>`, `Header<T>`, `Cookie<T>`, `State<T>`, `Depends<D>`, `Bearer`, `ApiKey`, `Basic`, `OAuth2Bearer<S>`, `OpenIdConnect<S>`, `PasswordForm`, `SecurityScopes`, `Axum<E>`, `AxumBody<E>`, `BackgroundTasks`, `ResponseHead`, `Scope`, `RequestId`, `ClientAddr`, or `WebSocket` on a `ws` route",
    note = "`T` needs `#[derive(Deserialize, JsonSchema, Validate)]`"
)]
pub trait Input: Sized + Send + 'static {
    /// What extraction needs and can be prepared once.
    type Plan: Send + Sync + 'static;

    /// When this input is extracted.
    const STAGE: Stage = Stage::Own;

    /// Describes the input and prepares its extraction. One that reads what only a request has says
    /// so with [`Operation::needs_request`], as there is none in a job.
    fn plan(operation: &mut Operation<'_>) -> Self::Plan;

    /// Takes the value from a request.
    ///
    /// An input that finds the request invalid says so with [`RequestContext::reject`]: the other
    /// inputs are still extracted, and the client reads all mistakes at once.
    fn extract(
        plan: &Self::Plan,
        cx: &mut RequestContext,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send;
}

/// When an input is extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// First: dependencies and credentials, so that a 401 comes before a 422.
    Dependency,
    /// Then: the inputs of the endpoint itself.
    Own,
}

/// Why an input could not be extracted.
#[derive(Debug)]
pub enum Rejection {
    /// The mistakes are noted in the [`RequestContext`]; extraction goes on to find more.
    Invalid,
    /// This is the answer; extraction stops.
    Error(HttpError),
}

impl From<HttpError> for Rejection {
    fn from(error: HttpError) -> Self {
        Self::Error(error)
    }
}
