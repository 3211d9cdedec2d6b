//! Bearer tokens of OAuth 2.0.

use std::{fmt, marker::PhantomData};

use serde_json::{Map, Value, json};

use super::{Challenge, Credential, SecurityScheme, bearer_token, constant_time_eq, needed};
use crate::{
    error::Result,
    input::{Input, Rejection, RequestContext, Stage},
    openapi::Operation,
};

/// How clients get their tokens: one or several flows of OAuth 2.0, for the document.
///
/// A URL may be relative to where the document is served. The implicit flow, which OAuth 2.1
/// dropped, is left out.
///
/// ```
/// use alula::OAuth2;
///
/// let login = OAuth2::password("/token")
///     .scope("items:read", "Read items.")
///     .scope("items:write", "Change items.");
///
/// let accounts = OAuth2::authorization_code("https://id.example/authorize", "https://id.example/token")
///     .or(OAuth2::client_credentials("https://id.example/token"))
///     .name("Accounts");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "return it from `OAuth2Scheme::oauth2`"]
pub struct OAuth2 {
    name: &'static str,
    description: Option<String>,
    flows: Map<String, Value>,
}

impl OAuth2 {
    /// The client sends user name and password to `token_url`, which reads a
    /// [`PasswordForm`](crate::PasswordForm).
    pub fn password(token_url: &str) -> Self {
        Self::flow("OAuth2PasswordBearer", "password", &[("tokenUrl", token_url)])
    }

    /// The user logs in at `authorization_url`, and the client takes the code from there to
    /// `token_url`.
    pub fn authorization_code(authorization_url: &str, token_url: &str) -> Self {
        let urls = [("authorizationUrl", authorization_url), ("tokenUrl", token_url)];
        Self::flow("OAuth2AuthorizationCodeBearer", "authorizationCode", &urls)
    }

    /// A program sends its own id and secret to `token_url`.
    pub fn client_credentials(token_url: &str) -> Self {
        Self::flow("OAuth2ClientCredentials", "clientCredentials", &[("tokenUrl", token_url)])
    }

    fn flow(name: &'static str, kind: &str, urls: &[(&str, &str)]) -> Self {
        let mut flow: Map<String, Value> =
            urls.iter().map(|(name, url)| ((*name).to_owned(), (*url).into())).collect();
        flow.insert("scopes".to_owned(), json!({}));
        Self { name, description: None, flows: Map::from_iter([(kind.to_owned(), flow.into())]) }
    }

    /// Adds the flows of another, each of which gets a token. Its name is dropped.
    pub fn or(mut self, other: Self) -> Self {
        self.flows.extend(other.flows);
        self
    }

    /// Where the tokens of the flows so far are refreshed.
    pub fn refresh_url(mut self, url: &str) -> Self {
        for flow in self.flows_mut() {
            flow.insert("refreshUrl".to_owned(), url.into());
        }
        self
    }

    /// Adds a scope to the flows so far: its name, and what it allows in words.
    pub fn scope(mut self, name: &str, description: &str) -> Self {
        for flow in self.flows_mut() {
            if let Some(scopes) = flow.get_mut("scopes").and_then(Value::as_object_mut) {
                scopes.insert(name.to_owned(), description.into());
            }
        }
        self
    }

    /// What the document calls the scheme; by default FastAPI's name for the first flow. Two
    /// schemes of one application need two names.
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// What the document says about the scheme, in Markdown.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    fn flows_mut(&mut self) -> impl Iterator<Item = &mut Map<String, Value>> {
        self.flows.values_mut().filter_map(Value::as_object_mut)
    }

    fn into_scheme(self) -> SecurityScheme {
        let mut object = json!({"type": "oauth2", "flows": self.flows});
        if let (Some(object), Some(description)) = (object.as_object_mut(), self.description) {
            object.insert("description".to_owned(), description.into());
        }
        SecurityScheme::new(self.name, object, "Bearer")
    }
}

/// Where the tokens of [`OAuth2Bearer`] come from, as a marker type.
pub trait OAuth2Scheme: Send + Sync + 'static {
    /// Describes the flows; called once, when the application is built.
    fn oauth2() -> OAuth2;
}

/// The token of `Authorization: Bearer …`, which clients got by OAuth 2.0.
///
/// It reads what [`Bearer`](crate::Bearer) reads; the difference is in the document, and so in
/// `/docs`, where people log in. Without a token the client is answered 401. `Option` of it makes
/// it optional. The token is never shown by `Debug`, and what it allows is for you to check.
///
/// ```
/// use alula::{HttpError, OAuth2, OAuth2Bearer, OAuth2Scheme, Result, dependency};
///
/// struct Login;
///
/// impl OAuth2Scheme for Login {
///     fn oauth2() -> OAuth2 {
///         OAuth2::password("/token")
///     }
/// }
///
/// #[dependency]
/// async fn current_user(token: OAuth2Bearer<Login>) -> Result<String> {
///     match token.as_str() {
///         "token-of-ada" => Ok("ada".to_owned()),
///         _ => Err(HttpError::unauthorized("Bearer")),
///     }
/// }
/// ```
pub struct OAuth2Bearer<S> {
    token: String,
    scheme: PhantomData<fn() -> S>,
}

impl<S> OAuth2Bearer<S> {
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

impl<S> fmt::Debug for OAuth2Bearer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuth2Bearer(…)")
    }
}

impl<S: OAuth2Scheme> Credential for OAuth2Bearer<S> {
    fn schemes() -> Vec<SecurityScheme> {
        vec![S::oauth2().into_scheme()]
    }

    fn find(cx: &RequestContext) -> Result<Option<Self>> {
        Ok(bearer_token(cx).map(Self::new))
    }
}

needed!(OAuth2Bearer<S>, S: OAuth2Scheme);
