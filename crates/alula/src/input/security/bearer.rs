//! `Authorization: Bearer …`.

use std::fmt;

use serde_json::json;

use super::{Challenge, Credential, SecurityScheme, bearer_token, constant_time_eq, needed};
use crate::{
    error::Result,
    input::{Input, Rejection, RequestContext, Stage},
    openapi::Operation,
};

/// The token of `Authorization: Bearer …`.
///
/// Without one the client is answered 401. `Option<Bearer>` makes it optional. The token is never
/// shown by `Debug`, and is compared without telling by the time how much of it was right.
///
/// ```
/// use alula::{Bearer, HttpError, Json, Result};
///
/// async fn secret(token: Bearer) -> Result<Json<&'static str>> {
///     if !token.matches("open sesame") {
///         return Err(HttpError::forbidden("unknown token"));
///     }
///     Ok(Json("gold"))
/// }
/// ```
#[derive(Clone)]
pub struct Bearer(String);

impl Bearer {
    /// Wraps a token, to call an endpoint in a unit test.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The token, owned.
    pub fn into_inner(self) -> String {
        self.0
    }

    /// Whether it is this token; see [`constant_time_eq`].
    #[must_use]
    pub fn matches(&self, token: &str) -> bool {
        constant_time_eq(self.0.as_bytes(), token.as_bytes())
    }
}

impl PartialEq for Bearer {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Bearer {}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl Credential for Bearer {
    fn schemes() -> Vec<SecurityScheme> {
        let object = json!({"type": "http", "scheme": "bearer"});
        vec![SecurityScheme::new("HTTPBearer", object, "Bearer")]
    }

    fn find(cx: &RequestContext) -> Result<Option<Self>> {
        Ok(bearer_token(cx).map(Self::new))
    }
}

needed!(Bearer);
