//! The providers: who answers, and how to talk to them.

#[cfg(any(fuzzing, feature = "testing"))]
pub(crate) mod answered;
pub mod anthropic;
pub mod cohere;
mod demo;
mod endpoint;
mod failure;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
pub mod gemini;
mod http;
mod logprobs;
mod media;
pub mod ollama;
pub mod openai;
pub mod openai_responses;
mod proxies;
mod structured;
mod unary;
pub(crate) mod vector;
mod wire;
mod writer;

use std::fmt;

use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    ChatRequest, ChatResponse, ChatStream, EmbedRequest, EmbedResponse, Error, ErrorKind,
    RelayRequest, RelayResponse, RelayStream, Result, TokenCount, model::Protocol,
};

pub use anthropic::Anthropic;
pub use cohere::Cohere;
pub use demo::Demo;
#[cfg(feature = "testing")]
pub(crate) use failure::Failure;
pub use gemini::Gemini;
pub(crate) use http::display_url;
#[cfg(feature = "redis")]
pub(crate) use http::tls_config;
pub use http::{Http, HttpLimits};
#[cfg(feature = "testing")]
pub(crate) use http::{base_url, transport_error};
pub use openai::OpenAi;
pub use openai_responses::OpenAiResponses;
pub use proxies::Proxies;
pub use writer::{StreamOptions, StreamWriter};

/// Someone who answers chat requests.
///
/// A provider makes one attempt and knows nothing of deadlines; [`Llm`](crate::Llm) adds them.
/// `request.model` is the provider's own name of the model, without a prefix.
///
/// ```
/// use alula_llm::{ChatEvent, ChatRequest, ChatResponse, ChatStream, Provider, Result};
/// use futures_util::{FutureExt, future::BoxFuture, stream};
///
/// #[derive(Debug)]
/// struct Parrot;
///
/// impl Provider for Parrot {
///     fn name(&self) -> &str {
///         "parrot"
///     }
///
///     fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
///         async move { self.stream(request).await?.accumulate().await }.boxed()
///     }
///
///     fn stream<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
///         let text = request.messages.last().map(|message| message.text()).unwrap_or_default();
///         let event = ChatEvent::Text { choice: 0, part: 0, text };
///         async move { Ok(ChatStream::new(stream::iter([Ok(event)]))) }.boxed()
///     }
/// }
/// ```
pub trait Provider: Send + Sync + fmt::Debug {
    /// The name that selects the provider in `provider/model`.
    fn name(&self) -> &str;

    /// Whether a model of this name, given without a prefix, is surely this provider's.
    fn serves(&self, model: &str) -> bool {
        let _ = model;
        false
    }

    /// The format in which the provider's own users write requests; OpenAI's by default.
    fn protocol(&self) -> Protocol {
        Protocol::OpenAiChat
    }

    /// Where it is called, for spans and metrics.
    fn base_url(&self) -> Option<&str> {
        None
    }

    /// Prepares for calls: checks the set-up and takes the shared connection pool.
    ///
    /// [`LlmBuilder::build`](crate::LlmBuilder::build) calls it once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when no call could ever succeed.
    fn prepare(&mut self, http: &Http) -> Result<()> {
        let _ = http;
        Ok(())
    }

    /// Asks and waits for the whole answer.
    fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>>;

    /// Asks, and returns once the provider has begun to answer.
    fn stream<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>>;

    /// Passes a request on in its own bytes, which
    /// [`body_for_model`](RelayRequest::body_for_model) has, and waits for the whole answer. `None`
    /// is the default: it must be translated.
    fn relay<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Option<BoxFuture<'a, Result<RelayResponse>>> {
        let _ = request;
        None
    }

    /// Passes a request on in its own bytes, and returns once the provider has begun to answer.
    /// `None` is the default: it must be translated.
    fn relay_stream<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Option<BoxFuture<'a, Result<RelayStream>>> {
        let _ = request;
        None
    }

    /// Counts the tokens of a request, without making it.
    ///
    /// A provider that cannot count answers [`ErrorKind::Unsupported`].
    fn count_tokens<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<TokenCount>> {
        let _ = request;
        let error = unsupported("it counts no tokens").with_provider(self.name());
        async { Err(error) }.boxed()
    }

    /// Asks for something that costs nothing, such as the list of models, to see whether the
    /// provider is there and takes the key. Without that, nothing is known to be wrong.
    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    /// Turns inputs into vectors, by one call. [`Llm`](crate::Llm) divides larger requests by the
    /// [limits](Self::embed_limits).
    ///
    /// A provider that has no embeddings answers [`ErrorKind::Unsupported`].
    fn embed<'a>(&'a self, request: &'a EmbedRequest) -> BoxFuture<'a, Result<EmbedResponse>> {
        let _ = request;
        let error = unsupported("it has no embeddings").with_provider(self.name());
        async { Err(error) }.boxed()
    }

    /// How much one call to [`embed`](Self::embed) may hold.
    fn embed_limits(&self, model: &str) -> EmbedLimits {
        let _ = model;
        EmbedLimits::default()
    }
}

/// How much one call for vectors may hold.
///
/// ```
/// use alula_llm::{Cohere, Provider};
///
/// let limits = Cohere::new("…").embed_limits("embed-v4.0");
/// let texts = vec!["feather"; 200];
/// let calls = texts.chunks(limits.inputs).len();
/// assert_eq!(calls, 3); // of 96 at most
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbedLimits {
    /// How many inputs. 256.
    pub inputs: usize,
    /// How many tokens all of them may have, as far as that can be told before. 250,000.
    pub tokens: u64,
}

impl Default for EmbedLimits {
    fn default() -> Self {
        Self { inputs: 256, tokens: 250_000 }
    }
}

impl EmbedLimits {
    /// Sets how many inputs.
    #[must_use]
    pub fn inputs(mut self, inputs: usize) -> Self {
        self.inputs = inputs;
        self
    }

    /// Sets how many tokens all of them may have.
    #[must_use]
    pub fn tokens(mut self, tokens: u64) -> Self {
        self.tokens = tokens;
        self
    }
}

/// The error of a provider that does not do such a thing.
pub(crate) fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}
