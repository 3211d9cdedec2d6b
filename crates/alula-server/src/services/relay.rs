//! Requests in the words of another API, answered in the same.

use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use alula::{
    ApiError, Body, Bytes, HttpError, Input, Operation, Output, Rejection, RequestContext,
    ResponseContext, Sse, SseItem, StreamContext,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use alula_llm::{
    EmbedRequest, EmbedResponse, Error, ErrorKind, Llm, RelayRequest, RelayStream,
    model::{EmbedProtocol, Encoding, Protocol},
};
use bytes::BytesMut;
use futures_util::{Stream, StreamExt as _};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{
    admission::{Asking, CONTEXT_LENGTH_EXCEEDED, Caller, INSUFFICIENT_QUOTA},
    jobs::{Deferrable, Prefer, Work},
};
use crate::error::with_status;

/// Headers of a client that go along to providers of the same protocol.
const PASSED_ON: [HeaderName; 2] =
    [HeaderName::from_static("anthropic-beta"), HeaderName::from_static("openai-beta")];

/// A failure, told in the words of a protocol.
#[derive(Debug)]
pub(crate) enum RelayError {
    /// It was not let in.
    Refused(HttpError),
    /// An error of a provider.
    Provider(Protocol, Error),
}

impl From<HttpError> for RelayError {
    fn from(error: HttpError) -> Self {
        Self::Refused(error)
    }
}

impl ApiError for RelayError {
    fn into_http(self) -> HttpError {
        match self {
            Self::Refused(error) => error,
            Self::Provider(protocol, error) => {
                let (status, _) = protocol.error_to_json(&error);
                with_status(status, error)
            }
        }
    }
}

/// The headers of a client that go along.
pub(crate) fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed_on = HeaderMap::new();
    for name in PASSED_ON {
        for value in headers.get_all(&name) {
            passed_on.append(name.clone(), value.clone());
        }
    }
    passed_on
}

/// Passes a request on, and returns the answer, or its beginning.
pub(crate) async fn relay(
    caller: &Caller,
    protocol: Protocol,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Relayed, RelayError> {
    let tell = |error| RelayError::Provider(protocol, error);
    let request = RelayRequest::new(protocol, body).map_err(tell)?.with_headers(&headers);
    let llm = caller.admit(Asking::Relay(&request)).await?;
    match request.is_stream() {
        true => llm.relay_stream(request).await.map(|chunks| Relayed::Stream(Box::new(chunks))),
        false => llm.relay(request).await.map(|answer| Relayed::Whole(answer.body)),
    }
    .map_err(tell)
}

/// The same, or a job where the client wants its answer later.
pub(crate) async fn relay_or_defer(
    caller: &Caller,
    Prefer(later): Prefer,
    protocol: Protocol,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Deferrable<Relayed>, RelayError> {
    match later {
        Some(later) => {
            let work = Work::relay(protocol, &headers, &body)?;
            // In a box, for which other requests need no room.
            Ok(Box::pin(later.take_on(caller, work, None)).await?)
        }
        None => relay(caller, protocol, headers, body).await.map(Deferrable::Now),
    }
}

/// Counts the tokens of a request without making it.
pub(crate) async fn counted(
    caller: &Caller,
    protocol: Protocol,
    body: &[u8],
) -> Result<Relayed, RelayError> {
    let tell = |error| RelayError::Provider(protocol, error);
    let request = json_of(body).and_then(|json| protocol.count_request_from_json(json));
    let request = request.map_err(tell)?;
    let llm = caller.admit(Asking::Count(&request, protocol)).await?;
    let count = llm.count_tokens(request).await.map_err(tell)?;
    let count = protocol.count_to_json(&count).map_err(tell)?;
    Ok(Relayed::Whole(count.to_string().into()))
}

/// Turns texts into vectors, for clients of OpenAI.
pub(crate) async fn embedded(caller: &Caller, body: &[u8]) -> Result<Relayed, RelayError> {
    let tell = |error| RelayError::Provider(Protocol::OpenAiChat, error);
    let mut request = embed_request(body).map_err(tell)?;
    // However they come from the provider, the client gets them as it asked.
    let encoding = Some(request.encoding.take().unwrap_or(Encoding::Float));
    let llm = caller.admit(Asking::Embed(&request)).await?;
    let answer = llm.embed(request).await.map_err(tell)?;
    let answer = EmbedResponse { encoding, ..answer };
    let vectors = EmbedProtocol::OpenAi.response_to_vec(&answer).map_err(tell)?;
    Ok(Relayed::Whole(vectors.into()))
}

/// Finds what is wrong with such a request without asking a provider.
pub(crate) fn check_embedding(llm: &Llm, body: &[u8]) -> Result<(), RelayError> {
    let checked = embed_request(body).and_then(|request| llm.check_model(&request.model));
    checked.map_err(|error| RelayError::Provider(Protocol::OpenAiChat, error))
}

fn embed_request(body: &[u8]) -> alula_llm::Result<EmbedRequest> {
    json_of(body).and_then(|json| EmbedProtocol::OpenAi.request_from_json(json))
}

fn json_of(body: &[u8]) -> alula_llm::Result<Value> {
    let error = |error| Error::new(ErrorKind::InvalidRequest, format!("not JSON: {error}"));
    serde_json::from_slice(body).map_err(error)
}

/// An answer in the protocol of its request.
pub(crate) enum Relayed {
    /// The JSON of a whole answer.
    Whole(Bytes),
    /// An answer that has begun.
    Stream(Box<RelayStream>),
}

impl Output for Relayed {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        let content = Some(("application/json", json!({ "type": "object" })));
        operation.response(status, "Successful Response", content);
        // What the items hold is for the protocol to say.
        let item = json!({
            "type": "object",
            "properties": { "event": { "type": "string" }, "data": { "type": "string" } },
            "required": ["data"],
        });
        operation.stream_response(status, "text/event-stream", &item);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> alula::Result<Response<Body>> {
        match self {
            Self::Whole(body) => {
                let mut response = Response::new(Body::from(body));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok(response)
            }
            Self::Stream(chunks) => Sse::new(Items(Some(*chunks))).respond(cx),
        }
    }
}

/// A piece of a stream that is ready to be sent.
struct Ready(Bytes);

impl SseItem for Ready {
    fn write(self, buffer: &mut BytesMut, _: &StreamContext) -> alula::Result<()> {
        match self.0.try_into_mut() {
            // Most pieces are nobody else's, and need no copy.
            Ok(piece) if buffer.is_empty() => *buffer = piece,
            Ok(piece) => buffer.extend_from_slice(&piece),
            Err(shared) => buffer.extend_from_slice(&shared),
        }
        Ok(())
    }

    fn schema(_: &mut Operation<'_>) -> Value {
        json!({})
    }
}

/// The chunks; a failure is the last one, in the words of the protocol.
struct Items(Option<RelayStream>);

impl Stream for Items {
    type Item = Ready;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Ready>> {
        let Some(chunks) = &mut self.0 else { return Poll::Ready(None) };
        let ready = match ready!(chunks.poll_next_unpin(cx)) {
            Some(Ok(chunk)) => return Poll::Ready(Some(Ready(chunk.bytes))),
            Some(Err(error)) => {
                tracing::warn!(%error, "a stream broke off");
                Some(Ready(chunks.failure(&error)))
            }
            None => None,
        };
        self.0 = None;
        Poll::Ready(ready)
    }
}

/// A request that goes on as it came; `T` is what the document says of it.
pub(crate) struct Asked<T> {
    /// Those that go on with it.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T: JsonSchema + 'static> Input for Asked<T> {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        let root = operation.input_schema::<T>();
        operation.request_body("application/json", &root);
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let headers = passed_on(cx.headers());
        Ok(Self { headers, body: cx.bytes().await?, of: PhantomData })
    }
}

/// The body of an error, be it a provider's or the server's own. Anthropic's names the request.
pub(crate) fn in_words_of(
    protocol: Protocol,
    error: &HttpError,
    request_id: Option<&str>,
) -> Value {
    let mut body = envelope(protocol, error);
    if protocol == Protocol::AnthropicMessages
        && let Some(body) = body.as_object_mut()
    {
        body.insert("request_id".to_owned(), request_id.into());
    }
    body
}

fn envelope(protocol: Protocol, error: &HttpError) -> Value {
    if let Some(error) = error.cause().and_then(|cause| cause.downcast_ref::<Error>()) {
        return protocol.error_to_json(error).1;
    }
    let code = error.error_code().unwrap_or_default();
    let kind = match error.status().as_u16() {
        _ if code == INSUFFICIENT_QUOTA => ErrorKind::QuotaExceeded,
        _ if code == CONTEXT_LENGTH_EXCEEDED => ErrorKind::ContextTooLong,
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::RateLimited { retry_after: None },
        503 => ErrorKind::Overloaded { retry_after: None },
        status if status < 500 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Config,
    };
    let mut body = protocol.error_to_json(&Error::new(kind, error.message())).1;
    if error.status() == StatusCode::FORBIDDEN {
        forbidden(protocol, &mut body);
    }
    body
}

/// Tells a key that may not do something from one that is not good: a provider's client need not
/// know the difference, but ours does.
fn forbidden(protocol: Protocol, body: &mut Value) {
    let (name, value) = match protocol {
        Protocol::AnthropicMessages => ("type", "permission_error"),
        _ => ("code", "insufficient_permissions"),
    };
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        error.insert(name.to_owned(), value.into());
    }
}
