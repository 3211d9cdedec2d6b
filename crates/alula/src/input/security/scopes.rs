//! What a caller must be allowed to do.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::{HeaderValue, header};

use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
};

/// The scopes that an endpoint demands: an input of whoever knows what the caller may do.
///
/// Endpoints demand scopes by `scopes = […]` in `#[get]` and its like, by
/// [`Route::scopes`](crate::Route::scopes) and [`Router::scopes`](crate::Router::scopes), and by
/// the dependencies they use, with `#[dependency(scopes = […])]`. This is all of them, outermost
/// first. The document lists them with the credentials.
///
/// A route that demands scopes which nobody reads does not start: it would be open to all.
///
/// ```
/// use alula::{prelude::*, Bearer, SecurityScopes};
///
/// #[dependency]
/// async fn current_user(token: Bearer, scopes: SecurityScopes) -> Result<String> {
///     let granted: &[&str] = match token.as_str() {
///         "token-of-ada" => &["items:read", "items:write"],
///         "token-of-bob" => &["items:read"],
///         _ => return Err(scopes.unauthorized("Could not validate credentials")),
///     };
///     scopes.check(granted)?;
///     Ok("known".to_owned())
/// }
///
/// #[delete("/items/{id}", scopes = ["items:write"])]
/// async fn remove(Path(_id): Path<u64>, _user: Depends<current_user>) {}
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Items", "1.0.0").routes(routes![remove]).client().await;
/// assert_eq!(client.delete("/items/1").bearer("token-of-ada").await.status(), 204);
/// let refused = client.delete("/items/1").bearer("token-of-bob").await;
/// assert_eq!(refused.status(), 403);
/// assert_eq!(
///     refused.header("www-authenticate"),
///     r#"Bearer error="insufficient_scope", scope="items:write""#
/// );
/// # });
/// ```
#[derive(Clone)]
pub struct SecurityScopes(Arc<[String]>);

/// The scopes of an operation, known once all of it is planned.
pub(crate) type DemandedScopes = Arc<OnceLock<Arc<[String]>>>;

impl SecurityScopes {
    /// Scopes, to call a dependency in a unit test.
    pub fn new<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self(scopes.into_iter().map(Into::into).collect())
    }

    /// The scopes, outermost first, each once.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all that is demanded has been granted.
    pub fn is_granted<S: AsRef<str>>(&self, granted: &[S]) -> bool {
        let has = |scope: &String| granted.iter().any(|granted| granted.as_ref() == scope);
        self.0.iter().all(has)
    }

    /// Refuses a caller who has not been granted all that is demanded.
    ///
    /// # Errors
    ///
    /// 403 with the scopes in `WWW-Authenticate`, as RFC 6750 has it.
    pub fn check<S: AsRef<str>>(&self, granted: &[S]) -> Result<()> {
        if self.is_granted(granted) {
            return Ok(());
        }
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{self}\"");
        Err(challenged(HttpError::forbidden("Not enough permissions"), &challenge))
    }

    /// A 401 whose `WWW-Authenticate` names the scopes: `Bearer scope="items:read"`.
    pub fn unauthorized(&self, detail: &str) -> HttpError {
        let error = HttpError::new(401, detail);
        if self.is_empty() {
            return challenged(error, "Bearer");
        }
        challenged(error, &format!("Bearer scope=\"{self}\""))
    }
}

/// Names no scheme where a scope, made by hand in a test, cannot be in a header.
fn challenged(error: HttpError, challenge: &str) -> HttpError {
    match HeaderValue::from_str(challenge) {
        Ok(challenge) => error.header(header::WWW_AUTHENTICATE, challenge),
        Err(_) => error,
    }
}

/// The scopes with spaces between them, as OAuth 2.0 writes them.
impl fmt::Display for SecurityScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl fmt::Debug for SecurityScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecurityScopes").field(&self.0).finish()
    }
}

impl Input for SecurityScopes {
    type Plan = DemandedScopes;

    fn plan(operation: &mut Operation<'_>) -> DemandedScopes {
        operation.demanded_scopes()
    }

    async fn extract(plan: &DemandedScopes, _: &mut RequestContext) -> Result<Self, Rejection> {
        // To demand nothing by mistake would let everyone in.
        let unknown = || HttpError::internal("the scopes of the endpoint are not known");
        Ok(Self(plan.get().cloned().ok_or_else(unknown)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(error: &HttpError) -> &str {
        error.headers().next().and_then(|(_, value)| value.to_str().ok()).unwrap_or_default()
    }

    #[test]
    fn all_that_is_demanded_must_be_granted() {
        let scopes = SecurityScopes::new(["a", "b"]);
        assert!(scopes.check(&["b", "c", "a"]).is_ok());
        let error = scopes.check(&["a"]).unwrap_err();
        assert_eq!(error.status(), 403);
        assert_eq!(challenge(&error), r#"Bearer error="insufficient_scope", scope="a b""#);
        assert!(SecurityScopes::new([""; 0]).check::<&str>(&[]).is_ok());
    }

    #[test]
    fn a_challenge_names_the_scopes_as_in_fastapis_tutorial() {
        let error = SecurityScopes::new(["items", "me"]).unauthorized("Who are you?");
        assert_eq!(
            (error.status().as_u16(), challenge(&error)),
            (401, r#"Bearer scope="items me""#)
        );
        assert_eq!(challenge(&SecurityScopes::new([""; 0]).unauthorized("x")), "Bearer");
        assert_eq!(challenge(&SecurityScopes::new(["\n"]).unauthorized("x")), "");
    }
}
