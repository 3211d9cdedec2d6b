//! What a job does, as data: it is kept, and done wherever there is a worker.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use alula::{
    ApiError as _, Bytes, HttpError, Result,
    http::{HeaderMap, HeaderName, HeaderValue},
};
use alula_llm::{Error, ErrorKind, RelayRequest, model::Protocol};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Outcome;
use crate::services::{
    admission::Caller,
    batch::ask_all,
    chat::{ChatRequest, Sources, ask, check},
    relay::{RelayError, Relayed, check_embedding, embedded, in_words_of, relay},
};

/// A request that is answered later.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    Chat(Box<ChatRequest>),
    Batch(Vec<ChatRequest>),
    Relay(RelayWork),
    Embeddings(Box<RawValue>),
}

/// A request in the words of a protocol.
#[derive(Serialize, Deserialize)]
pub(crate) struct RelayWork {
    endpoint: Endpoint,
    /// Those that go along; no secret is among them.
    headers: Vec<(String, String)>,
    body: Box<RawValue>,
}

/// Where it was made.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Endpoint {
    #[serde(rename = "/v1/chat/completions")]
    ChatCompletions,
    #[serde(rename = "/v1/responses")]
    Responses,
    #[serde(rename = "/v1/messages")]
    Messages,
}

impl Endpoint {
    fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::AnthropicMessages => Self::Messages,
            Protocol::OpenAiResponses => Self::Responses,
            _ => Self::ChatCompletions,
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::ChatCompletions => Protocol::OpenAiChat,
            Self::Responses => Protocol::OpenAiResponses,
            Self::Messages => Protocol::AnthropicMessages,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }
}

impl RelayWork {
    fn bytes(&self) -> Bytes {
        bytes(&self.body)
    }

    fn headers(&self) -> HeaderMap {
        let header = |(name, value): &(String, String)| {
            let name: HeaderName = name.parse().ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        self.headers.iter().filter_map(header).collect()
    }
}

impl Work {
    /// A request in the words of a protocol.
    ///
    /// # Errors
    ///
    /// If its body is no JSON.
    pub(crate) fn relay(
        protocol: Protocol,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Self, RelayError> {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.to_string(), value.to_str().ok()?.to_owned()))
        };
        Ok(Self::Relay(RelayWork {
            endpoint: Endpoint::of(protocol),
            headers: headers.iter().filter_map(header).collect(),
            body: json(protocol, body)?,
        }))
    }

    /// A request for embeddings.
    ///
    /// # Errors
    ///
    /// If its body is no JSON.
    pub(crate) fn embeddings(body: &[u8]) -> Result<Self, RelayError> {
        json(Protocol::OpenAiChat, body).map(Self::Embeddings)
    }

    /// The endpoint that would answer it at once.
    pub(super) fn endpoint(&self) -> &'static str {
        match self {
            Self::Chat(_) => "/chat",
            Self::Batch(_) => "/batch",
            Self::Relay(work) => work.endpoint.as_str(),
            Self::Embeddings(_) => "/v1/embeddings",
        }
    }

    /// How many calls it makes.
    pub(super) fn calls(&self) -> usize {
        match self {
            Self::Batch(requests) => requests.len(),
            _ => 1,
        }
    }

    /// Finds what can be found without asking a provider, while its client still listens.
    ///
    /// # Errors
    ///
    /// What the plain call would have been answered with.
    pub(super) async fn check(&self, caller: &Caller, sources: &Sources) -> Result<()> {
        let llm = caller.models();
        match self {
            Self::Chat(request) => {
                let checked = check(caller, sources, ChatRequest::clone(request)).await;
                checked.map_err(|error| error.into_http())
            }
            // Each question of a batch has its own answer, be it an error.
            Self::Batch(requests) => {
                requests.iter().try_for_each(|request| request.check_tools(caller))
            }
            Self::Relay(work) => {
                let protocol = work.endpoint.protocol();
                let checked = RelayRequest::new(protocol, work.bytes()).and_then(|request| {
                    if request.is_stream() {
                        return Err(Error::new(ErrorKind::InvalidRequest, STREAMS));
                    }
                    llm.check_relay(&request)
                });
                checked.map_err(|error| RelayError::Provider(protocol, error).into_http())
            }
            Self::Embeddings(body) => {
                check_embedding(&llm, &bytes(body)).map_err(|it| it.into_http())
            }
        }
    }

    /// Does it. `step` hears how many of its calls have been answered.
    pub(super) async fn run(
        &self,
        caller: &Caller,
        sources: &Sources,
        step: impl Fn(usize),
    ) -> Outcome {
        let done = match self {
            Self::Chat(request) => {
                let answer = ask(caller, sources, ChatRequest::clone(request)).await;
                answer.map(|it| Outcome::json(&it)).map_err(|it| it.into_http())
            }
            Self::Batch(requests) => {
                let answered = AtomicUsize::new(0);
                let answered = || step(answered.fetch_add(1, Relaxed) + 1);
                let answers = ask_all(caller, sources, requests.clone(), answered).await;
                Ok(Outcome::json(&answers))
            }
            Self::Relay(work) => {
                let protocol = work.endpoint.protocol();
                whole(relay(caller, protocol, work.headers(), work.bytes()).await)
            }
            Self::Embeddings(body) => whole(embedded(caller, &bytes(body)).await),
        };
        done.unwrap_or_else(|error| self.failed(&error, caller.request_id()))
    }

    /// What the client of the plain call would have read of an error.
    pub(super) fn failed(&self, error: &HttpError, request_id: &str) -> Outcome {
        let protocol = match self {
            Self::Chat(_) | Self::Batch(_) => None,
            Self::Relay(work) => Some(work.endpoint.protocol()),
            Self::Embeddings(_) => Some(Protocol::OpenAiChat),
        };
        let body = match protocol {
            Some(protocol) => in_words_of(protocol, error, Some(request_id)),
            None => serde_json::json!({ "detail": error.detail() }),
        };
        if error.status().is_server_error() {
            let status = error.status().as_u16();
            tracing::warn!(status, "a job failed: {}", error.log_message());
        }
        Outcome::failed(error, &body)
    }
}

const STREAMS: &str =
    "an answer that comes later is no stream: leave out `stream`, or `Prefer: respond-async`";

fn whole(relayed: Result<Relayed, RelayError>) -> Result<Outcome> {
    match relayed.map_err(|error| error.into_http())? {
        Relayed::Whole(body) => Ok(Outcome::of(200, &body)),
        // A request for a stream is no job.
        Relayed::Stream(_) => Err(HttpError::bad_request(STREAMS)),
    }
}

fn json(protocol: Protocol, body: &[u8]) -> Result<Box<RawValue>, RelayError> {
    serde_json::from_slice(body).map_err(|error| {
        let error = Error::new(ErrorKind::InvalidRequest, format!("the body is no JSON: {error}"));
        RelayError::Provider(protocol, error)
    })
}

fn bytes(body: &RawValue) -> Bytes {
    Bytes::copy_from_slice(body.get().as_bytes())
}
