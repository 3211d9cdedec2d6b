//! Text and HTML as answers.

use axum::body::Body;
use http::Response;
use serde_json::json;

use super::{Output, ResponseContext};
use crate::{error::Result, openapi::Operation};

/// A page of HTML (`text/html; charset=utf-8`).
///
/// Nothing is escaped: what comes from a user has to be escaped first.
///
/// ```
/// use alula::Html;
///
/// async fn home() -> Html<&'static str> {
///     Html("<h1>Welcome</h1>")
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Html<T = String>(pub T);

impl<T: Into<Body>> Output for Html<T> {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        let content = Some(("text/html", json!({ "type": "string" })));
        operation.response(status, "Successful Response", content);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        Ok(cx.response("text/html; charset=utf-8", self.0.into()))
    }
}

/// Plain text (`text/plain; charset=utf-8`).
///
/// A `String` is no answer by itself, because FastAPI would send it as JSON, with quotes around
/// it: `Json<String>` does that, `Text` sends the text as it stands.
///
/// ```
/// use alula::Text;
///
/// async fn robots() -> Text<&'static str> {
///     Text("User-agent: *\nDisallow:\n")
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Text<T = String>(pub T);

impl<T: Into<Body>> Output for Text<T> {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        let content = Some(("text/plain", json!({ "type": "string" })));
        operation.response(status, "Successful Response", content);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        Ok(cx.response("text/plain; charset=utf-8", self.0.into()))
    }
}
