//! The JSON body.

use std::ops::{Deref, DerefMut};

use http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{Input, Rejection, RequestContext};
use crate::{
    error::{HttpError, Result},
    openapi::Operation,
    schema::{Shape, json},
    validate::Validate,
};

/// JSON: as an argument the request body, as a return value the response body.
///
/// The body is read by serde straight into `T` and checked against the constraints of its
/// schema. If anything is wrong, the client is answered 422 with every mistake at once, in
/// FastAPI's shape.
///
/// # Errors
///
/// 400 for text that is not UTF-8, 413 for a body over the limit, 415 for another content type
/// than `application/json` or `application/*+json`, 422 for what is not a valid `T`.
///
/// ```
/// use alula::prelude::*;
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Item {
///     #[schemars(length(min = 1))]
///     name: String,
///     #[schemars(range(min = 0.0))]
///     price: f64,
/// }
///
/// async fn create(Json(item): Json<Item>) -> Json<String> {
///     Json(item.name)
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// How a JSON body is read.
#[doc(hidden)]
#[derive(Debug)]
pub struct JsonPlan {
    shape: Shape,
    /// Whether `"4"` is taken for 4.
    lax: bool,
}

impl<T> Input for Json<T>
where
    T: DeserializeOwned + JsonSchema + Validate + Send + 'static,
{
    type Plan = JsonPlan;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        let root = operation.input_schema::<T>();
        operation.request_body("application/json", &root);
        JsonPlan { shape: operation.compile::<T>(&root), lax: operation.is_lax() }
    }

    async fn extract(plan: &Self::Plan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        let announced = announces_json(cx.headers());
        if announced == Some(false) {
            return Err(unsupported_media_type().into());
        }
        let bytes = cx.bytes().await?;
        if announced.is_none() && !bytes.is_empty() {
            return Err(unsupported_media_type().into());
        }
        match json::parse::<T>(&plan.shape, &bytes, plan.lax) {
            Ok(value) => Ok(Self(value)),
            Err(json::Refused::NotUtf8) => {
                Err(HttpError::bad_request("There was an error parsing the body").into())
            }
            // What cannot be parsed is reported alone, as in FastAPI.
            Err(json::Refused::Syntax(detail)) => Err(HttpError::validation(vec![*detail]).into()),
            Err(json::Refused::Invalid(details)) => Err(cx.reject_all(details)),
        }
    }
}

/// Whether the content type is JSON; `None` without a content type.
fn announces_json(headers: &HeaderMap) -> Option<bool> {
    let value = headers.get(header::CONTENT_TYPE)?;
    // The usual value needs no parsing.
    if value == "application/json" {
        return Some(true);
    }
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let subtype =
        essence.get(.."application/".len()).filter(|top| top.eq_ignore_ascii_case("application/"));
    let subtype = subtype.and_then(|top| essence.get(top.len()..)).unwrap_or_default();
    let suffix = subtype.len().checked_sub("+json".len()).and_then(|at| subtype.get(at..));
    Some(
        subtype.eq_ignore_ascii_case("json")
            || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json")),
    )
}

fn unsupported_media_type() -> HttpError {
    HttpError::new(415, "Unsupported Media Type: send the body as application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_content_type() {
        let announces = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            announces_json(&headers)
        };
        for yes in ["application/json", "APPLICATION/Json; charset=utf-8", "application/a.b+json"] {
            assert_eq!(announces(yes), Some(true), "{yes}");
        }
        for no in ["text/plain", "text/json", "application/", "application/jsonl", "json", "", "é"]
        {
            assert_eq!(announces(no), Some(false), "{no}");
        }
        assert_eq!(announces_json(&HeaderMap::new()), None);
    }
}
