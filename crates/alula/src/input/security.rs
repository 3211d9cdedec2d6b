//! Credentials.

use std::{fmt, marker::PhantomData};

use http::header;
use serde_json::json;

use super::{Input, Rejection, RequestContext, Stage};
use crate::{
    error::{HttpError, Result},
    openapi::{Operation, Security},
};

/// The token of `Authorization: Bearer …`.
///
/// Without one the client is answered 401. `Option<Bearer>` makes it optional. The token is never
/// shown by `Debug`.
///
/// ```
/// use alula::{Bearer, HttpError, Json, Result};
///
/// async fn secret(token: Bearer) -> Result<Json<&'static str>> {
///     if token.as_str() != "open sesame" {
///         return Err(HttpError::forbidden("unknown token"));
///     }
///     Ok(Json("gold"))
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
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

    fn find(cx: &RequestContext) -> Option<Self> {
        let value = cx.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Self::new(token))
    }

    fn describe(operation: &mut Operation<'_>, security: Security) {
        let scheme = json!({"type": "http", "scheme": "bearer"});
        operation.security("HTTPBearer", scheme, security);
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl Input for Bearer {
    type Plan = ();
    const STAGE: Stage = Stage::Dependency;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        Self::describe(operation, Security::Required);
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(Self::find(cx).ok_or_else(|| HttpError::unauthorized("Bearer"))?)
    }
}

impl Input for Option<Bearer> {
    type Plan = ();
    const STAGE: Stage = Stage::Dependency;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        Bearer::describe(operation, Security::Optional);
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(Bearer::find(cx))
    }
}

/// Where an API key is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// A header.
    Header,
    /// A parameter of the query string. Such keys end up in logs; prefer a header.
    Query,
    /// A cookie.
    Cookie,
}

/// The place and the name of an API key, as a marker type.
///
/// ```
/// use alula::{ApiKey, ApiKeyLocation, Json, KeyPlace};
///
/// struct Session;
///
/// impl ApiKeyLocation for Session {
///     const PLACE: KeyPlace = KeyPlace::Cookie;
///     const NAME: &'static str = "session";
/// }
///
/// async fn me(session: ApiKey<Session>) -> Json<usize> {
///     Json(session.as_str().len())
/// }
/// ```
pub trait ApiKeyLocation: Send + Sync + 'static {
    /// Where the key is.
    const PLACE: KeyPlace;
    /// What it is called there. A header's name is given in lower case.
    const NAME: &'static str;
}

/// The header `x-api-key`.
#[derive(Debug, Clone, Copy)]
pub struct XApiKey;

impl ApiKeyLocation for XApiKey {
    const PLACE: KeyPlace = KeyPlace::Header;
    const NAME: &'static str = "x-api-key";
}

/// An API key, from the header `x-api-key` or from where `L` says.
///
/// Without one the client is answered 401. `Option<ApiKey>` makes it optional. The key is never
/// shown by `Debug`.
pub struct ApiKey<L = XApiKey> {
    key: String,
    location: PhantomData<fn() -> L>,
}

impl<L: ApiKeyLocation> ApiKey<L> {
    /// Wraps a key, to call an endpoint in a unit test.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), location: PhantomData }
    }

    fn find(cx: &RequestContext) -> Option<Self> {
        let key = match L::PLACE {
            KeyPlace::Header => cx.headers().get(L::NAME)?.to_str().ok()?.to_owned(),
            KeyPlace::Query => {
                let query = cx.uri().query().unwrap_or_default();
                let pairs = form_urlencoded::parse(query.as_bytes());
                pairs.filter(|(name, _)| name == L::NAME).last()?.1.into_owned()
            }
            KeyPlace::Cookie => {
                let pairs = super::params::cookie_pairs(cx.headers());
                pairs.into_iter().find(|(name, _)| name == L::NAME)?.1.into_owned()
            }
        };
        (!key.is_empty()).then(|| Self::new(key))
    }

    fn describe(operation: &mut Operation<'_>, security: Security) {
        let (name, place) = match L::PLACE {
            KeyPlace::Header => ("APIKeyHeader", "header"),
            KeyPlace::Query => ("APIKeyQuery", "query"),
            KeyPlace::Cookie => ("APIKeyCookie", "cookie"),
        };
        // An application may read several keys; each is a scheme of its own.
        let name = match L::NAME {
            "x-api-key" => name.to_owned(),
            other => format!("{name}_{other}"),
        };
        let scheme = json!({"type": "apiKey", "in": place, "name": L::NAME});
        operation.security(&name, scheme, security);
    }
}

impl<L> ApiKey<L> {
    /// The key.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// The key, owned.
    pub fn into_inner(self) -> String {
        self.key
    }
}

impl<L> fmt::Debug for ApiKey<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl<L: ApiKeyLocation> Input for ApiKey<L> {
    type Plan = ();
    const STAGE: Stage = Stage::Dependency;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        Self::describe(operation, Security::Required);
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(Self::find(cx).ok_or_else(|| HttpError::unauthorized("APIKey"))?)
    }
}

impl<L: ApiKeyLocation> Input for Option<ApiKey<L>> {
    type Plan = ();
    const STAGE: Stage = Stage::Dependency;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        ApiKey::<L>::describe(operation, Security::Optional);
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(ApiKey::find(cx))
    }
}
