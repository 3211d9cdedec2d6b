//! API keys in headers, query strings and cookies.

use std::{fmt, marker::PhantomData};

use serde_json::json;

use super::{Challenge, Credential, SecurityScheme, constant_time_eq, needed};
use crate::{
    error::Result,
    input::{Input, Rejection, RequestContext, Stage, params::cookie_pairs},
    openapi::Operation,
};

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
/// shown by `Debug`. Of several headers of the name the first one counts, of several parameters or
/// cookies the last one, as for [`Header`](crate::Header), [`Query`](crate::Query) and
/// [`Cookie`](crate::Cookie).
pub struct ApiKey<L = XApiKey> {
    key: String,
    location: PhantomData<fn() -> L>,
}

impl<L: ApiKeyLocation> ApiKey<L> {
    /// Wraps a key, to call an endpoint in a unit test.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), location: PhantomData }
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

    /// Whether it is this key; see [`constant_time_eq`].
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        constant_time_eq(self.key.as_bytes(), key.as_bytes())
    }
}

impl<L> fmt::Debug for ApiKey<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl<L: ApiKeyLocation> Credential for ApiKey<L> {
    fn schemes() -> Vec<SecurityScheme> {
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
        let object = json!({"type": "apiKey", "in": place, "name": L::NAME});
        vec![SecurityScheme::new(name, object, "APIKey")]
    }

    fn find(cx: &RequestContext) -> Result<Option<Self>> {
        let key = match L::PLACE {
            KeyPlace::Header => {
                let value = cx.headers().get(L::NAME).and_then(|value| value.to_str().ok());
                value.map(str::to_owned)
            }
            KeyPlace::Query => {
                let query = cx.uri().query().unwrap_or_default();
                let pairs = form_urlencoded::parse(query.as_bytes());
                pairs.filter(|(name, _)| name == L::NAME).last().map(|(_, key)| key.into_owned())
            }
            KeyPlace::Cookie => {
                let pairs = cookie_pairs(cx.headers()).into_iter();
                pairs.rev().find(|(name, _)| name == L::NAME).map(|(_, key)| key.into_owned())
            }
        };
        Ok(key.filter(|key| !key.is_empty()).map(Self::new))
    }
}

needed!(ApiKey<L>, L: ApiKeyLocation);
