//! What a job does, as data: it can be done again, and could be kept elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use alula::{ApiError as _, Bytes, HttpError, Result, http::HeaderMap};
use alula_llm::{Error, ErrorKind, RelayRequest, model::Protocol};
use serde::Serialize;

use super::Outcome;
use crate::services::{
    admission::Caller,
    batch::{Batch, ask_all},
    chat::{ChatRequest, ask, check},
    conversations::Conversations,
    relay::{RelayError, Relayed, check_embedding, embedded, in_words_of, relay},
};

/// A request that is answered later.
pub(crate) enum Work {
    Chat(Box<ChatRequest>),
    Batch(Batch),
    Relay { protocol: Protocol, headers: HeaderMap, body: Bytes },
    Embeddings(Bytes),
}

impl Work {
    /// The endpoint that would answer it at once.
    pub(crate) fn endpoint(&self) -> &'static str {
        match self {
            Self::Chat(_) => "/chat",
            Self::Batch(_) => "/batch",
            Self::Relay { protocol: Protocol::AnthropicMessages, .. } => "/v1/messages",
            Self::Relay { protocol: Protocol::OpenAiResponses, .. } => "/v1/responses",
            Self::Relay { .. } => "/v1/chat/completions",
            Self::Embeddings(_) => "/v1/embeddings",
        }
    }

    /// How many calls it makes.
    pub(super) fn steps(&self) -> usize {
        match self {
            Self::Batch(Batch(requests)) => requests.len(),
            _ => 1,
        }
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Chat(request) => json_bytes(request),
            Self::Batch(Batch(requests)) => json_bytes(requests),
            Self::Relay { body, .. } | Self::Embeddings(body) => body.len(),
        }
    }

    /// Finds what can be found without asking a provider, while its client still listens.
    ///
    /// # Errors
    ///
    /// What the plain call would have been answered with.
    pub(super) async fn check(&self, caller: &Caller, conversations: &Conversations) -> Result<()> {
        let llm = caller.models();
        match self {
            Self::Chat(request) => {
                let checked = check(caller, conversations, ChatRequest::clone(request)).await;
                checked.map_err(|error| error.into_http())
            }
            // Each question of a batch has its own answer, be it an error.
            Self::Batch(_) => Ok(()),
            Self::Relay { protocol, body, .. } => {
                let checked = RelayRequest::new(*protocol, body.clone()).and_then(|request| {
                    if request.is_stream() {
                        return Err(Error::new(ErrorKind::InvalidRequest, STREAMS));
                    }
                    llm.check_relay(&request)
                });
                checked.map_err(|error| RelayError::Provider(*protocol, error).into_http())
            }
            Self::Embeddings(body) => check_embedding(&llm, body).map_err(|it| it.into_http()),
        }
    }

    /// Does it. `step` hears how many of its calls have been answered.
    pub(super) async fn run(
        &self,
        caller: &Caller,
        conversations: &Conversations,
        step: impl Fn(usize),
    ) -> Outcome {
        let done = match self {
            Self::Chat(request) => {
                let answer = ask(caller, conversations, ChatRequest::clone(request)).await;
                answer.map(|it| Outcome::json(&it)).map_err(|it| it.into_http())
            }
            Self::Batch(Batch(requests)) => {
                let answered = AtomicUsize::new(0);
                let answered = || step(answered.fetch_add(1, Relaxed) + 1);
                let answers = ask_all(caller, conversations, requests.clone(), answered).await;
                Ok(Outcome::json(&answers))
            }
            Self::Relay { protocol, headers, body } => {
                whole(relay(caller, *protocol, headers.clone(), body.clone()).await)
            }
            Self::Embeddings(body) => whole(embedded(caller, body).await),
        };
        done.unwrap_or_else(|error| self.failed(&error, caller))
    }

    /// What the client of the plain call would have read of an error.
    pub(super) fn failed(&self, error: &HttpError, caller: &Caller) -> Outcome {
        let protocol = match self {
            Self::Chat(_) | Self::Batch(_) => None,
            Self::Relay { protocol, .. } => Some(*protocol),
            Self::Embeddings(_) => Some(Protocol::OpenAiChat),
        };
        let body = match protocol {
            Some(protocol) => in_words_of(protocol, error, Some(caller.request_id())),
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
        Relayed::Whole(body) => Ok(Outcome::of(200, Vec::new(), &body)),
        // A request for a stream is no job.
        Relayed::Stream(_) => Err(HttpError::bad_request(STREAMS)),
    }
}

/// The length of the JSON of a value.
fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);

    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // Fails only where there is no JSON, which takes no place.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
