//! The form by which OAuth 2.0 asks for a token with a password.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    error::Result,
    input::{Form, Input, Rejection, RequestContext, form::FormPlan},
    openapi::Operation,
    validate::Validate,
};

/// What a client sends to the token URL of the password flow: FastAPI's
/// `OAuth2PasswordRequestForm`.
///
/// `grant_type` may be missing, but if it is there it is `password`. [`StrictPasswordForm`] needs
/// it, as RFC 6749 does. `Debug` shows neither password nor secret.
///
/// # Errors
///
/// Those of [`Form`].
///
/// ```
/// use alula::{PasswordForm, prelude::*};
///
/// #[derive(Serialize, JsonSchema)]
/// struct Token {
///     access_token: String,
///     token_type: &'static str,
/// }
///
/// #[post("/token")]
/// async fn token(form: PasswordForm) -> Result<Json<Token>> {
///     // Both are compared, so that the time does not tell which users there are.
///     let is_known = (form.username == "ada") & form.password_matches("lovelace");
///     if !is_known {
///         return Err(HttpError::bad_request("Incorrect username or password"));
///     }
///     Ok(Json(Token { access_token: "token-of-ada".to_owned(), token_type: "bearer" }))
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Login", "1.0.0").routes(routes![token]).client().await;
/// let form = [("username", "ada"), ("password", "lovelace")];
/// assert_eq!(client.post("/token").form(&form).await.status(), 200);
/// # });
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordForm<const STRICT: bool = false> {
    /// The name of the user.
    pub username: String,
    /// The password of the user. Compare it with what is stored by the rules of its hash.
    pub password: String,
    /// The scopes that the client asks for.
    pub scopes: Vec<String>,
    /// The id of the client, if it is sent in the form; many send it with
    /// [`Basic`](crate::Basic).
    pub client_id: Option<String>,
    /// The secret of the client, likewise.
    pub client_secret: Option<String>,
}

/// A [`PasswordForm`] in which `grant_type=password` is needed: FastAPI's
/// `OAuth2PasswordRequestFormStrict`.
pub type StrictPasswordForm = PasswordForm<true>;

impl<const STRICT: bool> PasswordForm<STRICT> {
    /// Whether it is this password; see [`constant_time_eq`](crate::constant_time_eq).
    #[must_use]
    pub fn password_matches(&self, password: &str) -> bool {
        super::constant_time_eq(self.password.as_bytes(), password.as_bytes())
    }
}

impl<const STRICT: bool> fmt::Debug for PasswordForm<STRICT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordForm")
            .field("username", &self.username)
            .field("scopes", &self.scopes)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The fields as they are sent. They have no name in the document, which a type of the program
/// may want.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct Fields<G> {
    grant_type: G,
    username: String,
    #[schemars(extend("format" = "password"))]
    password: String,
    /// Separated by spaces.
    #[serde(default)]
    scope: String,
    client_id: Option<String>,
    #[schemars(extend("format" = "password"))]
    client_secret: Option<String>,
}

/// A pattern as in FastAPI, so that the words about a mistake are the same.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct GrantType(#[schemars(regex(pattern = "^password$"))] String);

// By hand: the derive names this crate as its users do.
impl Validate for GrantType {
    fn is_valid(&self) -> bool {
        self.0 == "password"
    }
}

impl<G: Validate> Validate for Fields<G> {
    fn is_valid(&self) -> bool {
        self.grant_type.is_valid()
    }
}

impl<G, const STRICT: bool> From<Fields<G>> for PasswordForm<STRICT> {
    fn from(fields: Fields<G>) -> Self {
        Self {
            username: fields.username,
            password: fields.password,
            scopes: fields.scope.split_whitespace().map(str::to_owned).collect(),
            client_id: fields.client_id,
            client_secret: fields.client_secret,
        }
    }
}

macro_rules! form_of_fields {
    ($strict:literal, $Grant:ty) => {
        impl Input for PasswordForm<$strict> {
            type Plan = FormPlan;

            fn plan(operation: &mut Operation<'_>) -> Self::Plan {
                Form::<Fields<$Grant>>::plan(operation)
            }

            async fn extract(
                plan: &Self::Plan,
                cx: &mut RequestContext,
            ) -> Result<Self, Rejection> {
                let mark = cx.details_len();
                let read = Form::<Fields<$Grant>>::extract(plan, cx).await;
                // As in FastAPI, where these are fields by themselves; nor is a password repeated
                // because another field is missing.
                for detail in cx.details_since(mark).iter_mut().filter(|d| d.kind == "missing") {
                    detail.input = Value::Null;
                }
                read.map(|Form(fields)| fields.into())
            }
        }
    };
}

form_of_fields!(false, Option<GrantType>);
form_of_fields!(true, GrantType);
