//! Bearer tokens of OpenID Connect.

use std::{fmt, marker::PhantomData};

use serde_json::json;

use super::{Challenge, Credential, SecurityScheme, bearer_token, constant_time_eq, needed};
use crate::{
    error::Result,
    input::{Input, Rejection, RequestContext, Stage},
    openapi::Operation,
};

/// The provider whose tokens [`OpenIdConnect`] reads, as a marker type.
pub trait OpenIdScheme: Send + Sync + 'static {
    /// Where the provider describes itself, which ends in `/.well-known/openid-configuration`.
    const URL: &'static str;
    /// What the document calls the scheme. Two of one application need two names.
    const NAME: &'static str = "OpenIdConnect";
}

/// The token of `Authorization: Bearer …`, which clients got by OpenID Connect.
///
/// It reads what [`Bearer`](crate::Bearer) reads, and says in the document where the token comes
/// from. Without a token the client is answered 401. `Option` of it makes it optional. The token
/// is never shown by `Debug`, and its signature is for you to check.
///
/// ```
/// use alula::{Json, OpenIdConnect, OpenIdScheme};
///
/// struct Accounts;
///
/// impl OpenIdScheme for Accounts {
///     const URL: &'static str = "https://id.example/.well-known/openid-configuration";
/// }
///
/// async fn me(token: OpenIdConnect<Accounts>) -> Json<usize> {
///     Json(token.as_str().len())
/// }
/// ```
pub struct OpenIdConnect<S> {
    token: String,
    scheme: PhantomData<fn() -> S>,
}

impl<S> OpenIdConnect<S> {
    /// Wraps a token, to call an endpoint in a unit test.
    pub fn new(token: impl Into<String>) -> Self {
        Self { token: token.into(), scheme: PhantomData }
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// The token, owned.
    pub fn into_inner(self) -> String {
        self.token
    }

    /// Whether it is this token; see [`constant_time_eq`].
    #[must_use]
    pub fn matches(&self, token: &str) -> bool {
        constant_time_eq(self.token.as_bytes(), token.as_bytes())
    }
}

impl<S> fmt::Debug for OpenIdConnect<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenIdConnect(…)")
    }
}

impl<S: OpenIdScheme> Credential for OpenIdConnect<S> {
    fn schemes() -> Vec<SecurityScheme> {
        let object = json!({"type": "openIdConnect", "openIdConnectUrl": S::URL});
        vec![SecurityScheme::new(S::NAME, object, "Bearer")]
    }

    fn find(cx: &RequestContext) -> Result<Option<Self>> {
        Ok(bearer_token(cx).map(Self::new))
    }
}

needed!(OpenIdConnect<S>, S: OpenIdScheme);
