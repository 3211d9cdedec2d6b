//! Extractors of axum as inputs.

use std::{
    any::type_name,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt as _;
use http::{HeaderName, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{BodyStream, Input, Rejection, RequestContext, Stage};
use crate::{Body, error::HttpError, openapi::Operation};

/// How many bytes of a refusal the client is told, at most.
const DETAIL_BYTES_MAX: usize = 4 * 1024;

/// Any extractor of axum 0.8 that reads no body: `E: FromRequestParts<()>`.
///
/// It runs with the dependencies, before the body is read. What it refuses becomes an error of
/// this application, with the same status and headers; its text, or its JSON, is the `detail`, up
/// to 4 KiB. The document says nothing about it; [`Route::openapi_extra`](crate::Route::openapi_extra)
/// can.
///
/// ```
/// use alula::{Axum, prelude::*};
/// use axum::extract::RawQuery;
///
/// #[get("/search")]
/// async fn search(Axum(RawQuery(query)): Axum<RawQuery>) -> Json<Option<String>> {
///     Json(query)
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Search", "1.0.0").routes(routes![search]).client().await;
/// assert_eq!(client.get("/search?a=%20").await.json::<String>(), "a=%20");
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Axum<E>(pub E);

impl<E: FromRequestParts<()> + Send + 'static> Input for Axum<E> {
    type Plan = ();
    const STAGE: Stage = Stage::Dependency;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.needs_request(format!("`{}`", type_name::<E>()));
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let refusal = match E::from_request_parts(cx.parts_mut(), &()).await {
            Ok(value) => return Ok(Self(value)),
            Err(rejection) => rejection.into_response(),
        };
        Err(error_of(refusal).await.into())
    }
}

/// Any extractor of axum 0.8 that reads the body: `E: FromRequest<()>`.
///
/// It has the body to itself, as it arrives, of at most 2 MiB unless
/// [`max_body`](crate::Route::max_body) says otherwise; axum's own limit is not asked. What it
/// refuses becomes an error as with [`Axum`]. If the body is the reason, that is said instead: 413,
/// 408 or 400. The document says that there is a body, of any content type.
///
/// ```
/// use alula::{AxumBody, prelude::*};
///
/// #[post("/count")]
/// async fn count(AxumBody(text): AxumBody<String>) -> Json<usize> {
///     Json(text.chars().count())
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Count", "1.0.0").routes(routes![count]).client().await;
/// assert_eq!(client.post("/count").body("text/plain", "wing").await.json::<usize>(), 4);
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AxumBody<E>(pub E);

impl<E: FromRequest<()> + Send + 'static> Input for AxumBody<E> {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.streamed_body::<Self>("*/*", json!({}));
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let stream = BodyStream::new(cx.reader(cx.limits().in_memory())?.at_any_pace());
        // A refusal says only that the body could not be read; this is why.
        let cause = Arc::new(Mutex::new(None));
        let cause_of = cause.clone();
        let body = Body::from_stream(stream.map_err(move |error: HttpError| {
            let text = error.to_string();
            cause_of.lock().unwrap_or_else(PoisonError::into_inner).replace(error);
            text
        }));
        let mut request = Request::from_parts(cx.parts().clone(), body);
        DefaultBodyLimit::disable().apply(&mut request);
        let refusal = match E::from_request(request, &()).await {
            Ok(value) => return Ok(Self(value)),
            Err(rejection) => rejection.into_response(),
        };
        let cause = cause.lock().unwrap_or_else(PoisonError::into_inner).take();
        match cause {
            Some(cause) => Err(cause.into()),
            None => Err(error_of(refusal).await.into()),
        }
    }
}

/// An error that says what a foreign refusal says.
async fn error_of(refusal: Response) -> HttpError {
    /// What describes the body, which is another one in the error.
    const OF_THE_BODY: [HeaderName; 4] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
    ];
    let (parts, body) = refusal.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let is_json =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let detail = match text(body).await.filter(|text| !text.is_empty()) {
        Some(text) if is_json => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Some(text) => Value::String(text),
        None => parts.status.canonical_reason().unwrap_or("Error").into(),
    };
    let error = HttpError::foreign(parts.status, detail);
    let headers = parts.headers.iter().filter(|(name, _)| !OF_THE_BODY.contains(name));
    headers.fold(error, |error, (name, value)| error.header(name.clone(), value.clone()))
}

/// The text of a body; `None` if it is too long, not UTF-8, or breaks off.
async fn text(mut body: Body) -> Option<String> {
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        if text.len() + data.len() > DETAIL_BYTES_MAX {
            return None;
        }
        text.extend_from_slice(&data);
    }
    String::from_utf8(text).ok()
}
