//! `Authorization: Basic …`.

use std::{fmt, marker::PhantomData};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{Challenge, Credential, SecurityScheme, authorization, constant_time_eq, needed};
use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext, Stage},
    openapi::Operation,
};

/// The realm that a browser shows when it asks for a password, as a marker type.
///
/// ```
/// use alula::{Basic, Json, Realm};
///
/// struct Back;
///
/// impl Realm for Back {
///     const REALM: &'static str = "back office";
/// }
///
/// async fn office(caller: Basic<Back>) -> Json<String> {
///     Json(caller.user().to_owned())
/// }
/// ```
pub trait Realm: Send + Sync + 'static {
    /// What it is called; empty for none.
    const REALM: &'static str;
}

/// No realm.
#[derive(Debug, Clone, Copy)]
pub struct NoRealm;

impl Realm for NoRealm {
    const REALM: &'static str = "";
}

/// The user name and the password of `Authorization: Basic …`, in UTF-8.
///
/// Without them the client is answered 401, and so it is with what cannot be read, even if they
/// are optional. `Debug` shows neither.
///
/// ```
/// use alula::{Basic, HttpError, Json, Result};
///
/// async fn office(caller: Basic) -> Result<Json<&'static str>> {
///     if !caller.matches("ada", "lovelace") {
///         return Err(HttpError::unauthorized("Basic"));
///     }
///     Ok(Json("welcome"))
/// }
/// ```
pub struct Basic<R = NoRealm> {
    user: String,
    password: String,
    realm: PhantomData<fn() -> R>,
}

impl<R: Realm> Basic<R> {
    /// Wraps a user name and a password, to call an endpoint in a unit test.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into(), realm: PhantomData }
    }

    fn read(encoded: &str) -> Option<Self> {
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        Some(Self::new(user, password))
    }

    fn challenge() -> String {
        let realm = R::REALM.replace('\\', r"\\").replace('"', "\\\"");
        if realm.is_empty() { "Basic".to_owned() } else { format!("Basic realm=\"{realm}\"") }
    }
}

impl<R> Basic<R> {
    /// The user name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether it is this user with this password; see [`constant_time_eq`].
    #[must_use]
    pub fn matches(&self, user: &str, password: &str) -> bool {
        let user = constant_time_eq(self.user.as_bytes(), user.as_bytes());
        // Both are compared, also if the user is another one.
        user & constant_time_eq(self.password.as_bytes(), password.as_bytes())
    }
}

impl<R> fmt::Debug for Basic<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Basic(…)")
    }
}

impl<R: Realm> Credential for Basic<R> {
    fn schemes() -> Vec<SecurityScheme> {
        let object = json!({"type": "http", "scheme": "basic"});
        vec![SecurityScheme::new("HTTPBasic", object, Self::challenge())]
    }

    fn find(cx: &RequestContext) -> Result<Option<Self>> {
        let Some(encoded) = authorization(cx, "basic") else { return Ok(None) };
        let broken = || HttpError::unauthorized(&Self::challenge());
        Self::read(encoded).map(Some).ok_or_else(broken)
    }
}

needed!(Basic<R>, R: Realm);
