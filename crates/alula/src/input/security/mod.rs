//! Credentials: what a client shows to say who it is.

mod api_key;
mod basic;
mod bearer;
mod compare;
mod either;
mod oauth2;
mod openid;
mod password_form;
mod scopes;

use http::{HeaderValue, header};
use serde_json::Value;

pub use api_key::{ApiKey, ApiKeyLocation, KeyPlace, XApiKey};
pub use basic::{Basic, NoRealm, Realm};
pub use bearer::Bearer;
pub use compare::constant_time_eq;
pub use oauth2::{OAuth2, OAuth2Bearer, OAuth2Scheme};
pub use openid::{OpenIdConnect, OpenIdScheme};
pub use password_form::{PasswordForm, StrictPasswordForm};
pub(crate) use scopes::DemandedScopes;
pub use scopes::SecurityScopes;

use super::{Input, Rejection, RequestContext, Stage};
use crate::{
    error::{HttpError, Result},
    openapi::{Operation, Presence},
};

/// Something that a client shows to say who it is: a key, a token, a password.
///
/// A credential is an input that is looked for before everything else. As an argument it is
/// needed: without it the client is answered 401. `Option` of it may be missing, and
/// [`Either`](crate::Either) of two accepts the first that is there. Several arguments are needed
/// together.
///
/// A credential of your own implements this trait, and [`Input`] in these few lines:
///
/// ```
/// use alula::{
///     Challenge, Credential, Input, Operation, Rejection, RequestContext, Result, SecurityScheme,
///     Stage,
/// };
/// use serde_json::json;
///
/// /// The token of `Authorization: Token …`.
/// struct Token(String);
///
/// impl Credential for Token {
///     fn schemes() -> Vec<SecurityScheme> {
///         let scheme = json!({"type": "apiKey", "in": "header", "name": "authorization"});
///         vec![SecurityScheme::new("Token", scheme, "Token")]
///     }
///
///     fn find(cx: &RequestContext) -> Result<Option<Self>> {
///         let value = cx.headers().get("authorization").and_then(|value| value.to_str().ok());
///         let token = value.and_then(|value| value.strip_prefix("Token "));
///         Ok(token.map(|token| Self(token.to_owned())))
///     }
/// }
///
/// impl Input for Token {
///     type Plan = Challenge;
///     const STAGE: Stage = Stage::Dependency;
///
///     fn plan(operation: &mut Operation<'_>) -> Challenge {
///         operation.credential::<Self>()
///     }
///
///     async fn extract(plan: &Challenge, cx: &mut RequestContext) -> Result<Self, Rejection> {
///         Ok(plan.require(cx)?)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a credential",
    note = "credentials are `Bearer`, `ApiKey`, `Basic`, `OAuth2Bearer<_>`, `OpenIdConnect<_>`, and `Either<_, _>` of two of them; `Option<_>` of a credential is an optional argument"
)]
pub trait Credential: Sized + Send + 'static {
    /// How the document describes it. Any one of several schemes is enough.
    fn schemes() -> Vec<SecurityScheme>;

    /// Looks for it in a request.
    ///
    /// # Errors
    ///
    /// If it is there but cannot be read, such as `Authorization: Basic` with something that is
    /// not Base64. This is the answer also where the credential is optional.
    fn find(cx: &RequestContext) -> Result<Option<Self>>;
}

/// A scheme by which clients authenticate, as the document and a 401 describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct SecurityScheme {
    pub(crate) name: String,
    pub(crate) object: Value,
    pub(crate) challenge: String,
}

impl SecurityScheme {
    /// A scheme with its name in the document, its security scheme object of OpenAPI, and what
    /// `WWW-Authenticate` says when it is missing.
    ///
    /// Schemes of one application that have one name are one scheme, and need to be equal.
    pub fn new(name: impl Into<String>, object: Value, challenge: impl Into<String>) -> Self {
        Self { name: name.into(), object, challenge: challenge.into() }
    }
}

/// What a client without a credential is told; made by [`Operation::credential`].
#[derive(Debug, Clone)]
pub struct Challenge(Vec<HeaderValue>);

impl Challenge {
    pub(crate) fn new(challenges: Vec<HeaderValue>) -> Self {
        Self(challenges)
    }

    /// The credential of a request.
    ///
    /// # Errors
    ///
    /// 401 if there is none, with `WWW-Authenticate`, and what [`Credential::find`] says.
    pub fn require<C: Credential>(&self, cx: &RequestContext) -> Result<C> {
        C::find(cx)?.ok_or_else(|| self.unauthorized())
    }

    fn unauthorized(&self) -> HttpError {
        let error = HttpError::new(401, "Not authenticated");
        let challenge = |error: HttpError, value: &HeaderValue| {
            error.header(header::WWW_AUTHENTICATE, value.clone())
        };
        self.0.iter().fold(error, challenge)
    }
}

/// Makes a credential an input. Not for every `C: Credential`: the compiler would then say of a
/// wrong argument that it is no credential.
macro_rules! needed {
    ($Type:ty $(, $Parameter:ident: $Bound:ident)*) => {
        impl<$($Parameter: $Bound),*> Input for $Type {
            type Plan = Challenge;
            const STAGE: Stage = Stage::Dependency;

            fn plan(operation: &mut Operation<'_>) -> Challenge {
                operation.credential::<Self>()
            }

            async fn extract(
                plan: &Challenge,
                cx: &mut RequestContext,
            ) -> Result<Self, Rejection> {
                Ok(plan.require(cx)?)
            }
        }
    };
}
use needed;

impl<C: Credential> Input for Option<C> {
    type Plan = ();
    const STAGE: Stage = Stage::Dependency;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.security(C::schemes(), Presence::Optional);
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(C::find(cx)?)
    }
}

/// What follows a scheme in `Authorization`; `None` for another scheme.
fn authorization<'c>(cx: &'c RequestContext, scheme: &str) -> Option<&'c str> {
    let value = cx.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (found, rest) = value.split_once(' ').unwrap_or((value, ""));
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// The token of `Authorization: Bearer …`. An empty one is none.
fn bearer_token(cx: &RequestContext) -> Option<&str> {
    authorization(cx, "bearer").filter(|token| !token.is_empty())
}
