//! What the body of an error looks like.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::body::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{ErrorContext, HttpError, Panic, Result};
use crate::{openapi::Operation, output::to_json};

/// The form of every error: what an endpoint returns, and what the framework itself answers.
///
/// [`FastApi`] is the default, [`Problem`](crate::Problem) is RFC 9457. One of your own is given
/// to [`App::error_format`](crate::App::error_format), or to a router or a route. Its type is
/// what the document shows.
///
/// The status and the headers are those of the [`HttpError`]; the format makes the body. It also
/// makes the last event of a stream that fails.
///
/// A format that panics, or whose body or media type cannot be sent, is logged, and the client is
/// answered a 500 in the form of [`FastApi`].
///
/// ```
/// use alula::{ErrorContext, ErrorFormat, HttpError, prelude::*};
///
/// #[derive(Serialize, JsonSchema)]
/// struct Envelope {
///     error: Message,
/// }
///
/// #[derive(Serialize, JsonSchema)]
/// struct Message {
///     message: String,
///     code: Option<String>,
/// }
///
/// struct Enveloped;
///
/// impl ErrorFormat for Enveloped {
///     type Body = Envelope;
///
///     fn body(&self, error: &HttpError, _: &ErrorContext<'_>) -> Envelope {
///         let code = error.error_code().map(str::to_owned);
///         Envelope { error: Message { message: error.message(), code } }
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Shop", "1.0.0").error_format(Enveloped).client().await;
/// let body = r#"{"error":{"message":"Not Found","code":null}}"#;
/// assert_eq!(client.get("/nowhere").await.text(), body);
/// # });
/// ```
pub trait ErrorFormat: Send + Sync + 'static {
    /// The body. Its schema is in the document of each endpoint.
    type Body: Serialize + JsonSchema;

    /// The content type of the body.
    const MEDIA_TYPE: &'static str = "application/json";

    /// Makes the body.
    fn body(&self, error: &HttpError, cx: &ErrorContext<'_>) -> Self::Body;

    /// The schema of the body, if those of requests that are not valid have another one than all
    /// others. By default both are that of [`Body`](Self::Body).
    fn schema(operation: &mut Operation<'_>, is_validation: bool) -> Value {
        let _ = is_validation;
        operation.output_schema::<Self::Body>()
    }
}

/// FastAPI's form, the default: `{"detail": …}`, with a list of entries under `detail` for a
/// request that is not valid.
///
/// An error that has a [`code`](HttpError::code) shows it beside the detail; FastAPI has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FastApi;

/// The body that [`FastApi`] makes.
#[derive(Debug, Clone)]
pub struct FastApiBody(HttpError);

impl Serialize for FastApiBody {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a, T> {
            detail: &'a T,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<&'a str>,
        }
        let code = self.0.error_code();
        match self.0.invalid() {
            // The list is written as it is, without a detour.
            Some(error) => Body { detail: &error.details(), code }.serialize(serializer),
            None => Body { detail: self.0.detail(), code }.serialize(serializer),
        }
    }
}

impl JsonSchema for FastApiBody {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HTTPError".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "$ref": "#/components/schemas/HTTPError" })
    }
}

impl ErrorFormat for FastApi {
    type Body = FastApiBody;

    fn body(&self, error: &HttpError, _: &ErrorContext<'_>) -> FastApiBody {
        FastApiBody(error.clone())
    }

    /// FastAPI's own names.
    fn schema(_: &mut Operation<'_>, is_validation: bool) -> Value {
        let name = if is_validation { "HTTPValidationError" } else { "HTTPError" };
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

/// A format whose type is forgotten.
pub(crate) trait AnyFormat: Send + Sync {
    fn media_type(&self) -> &'static str;
    fn write(&self, error: &HttpError, cx: &ErrorContext<'_>) -> Result<Bytes>;
    /// The body of an example.
    fn example(&self, error: &HttpError, cx: &ErrorContext<'_>) -> Result<Value>;
    fn schema(&self, operation: &mut Operation<'_>, is_validation: bool) -> Value;
}

impl<F: ErrorFormat> AnyFormat for F {
    fn media_type(&self) -> &'static str {
        F::MEDIA_TYPE
    }

    fn write(&self, error: &HttpError, cx: &ErrorContext<'_>) -> Result<Bytes> {
        to_json(&self.body(error, cx))
    }

    fn example(&self, error: &HttpError, cx: &ErrorContext<'_>) -> Result<Value> {
        let value = || Ok(serde_json::to_value(self.body(error, cx))?);
        catch_unwind(AssertUnwindSafe(value))
            .unwrap_or_else(|panic| Err(HttpError::internal(Panic::of(&*panic))))
    }

    fn schema(&self, operation: &mut Operation<'_>, is_validation: bool) -> Value {
        F::schema(operation, is_validation)
    }
}
