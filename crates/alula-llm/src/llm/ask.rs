//! The kinds of calls: what is asked, and what is the answer.

use std::sync::Arc;

use crate::{
    ChatRequest, ChatResponse, ChatStream, ErrorKind, Provider, RelayRequest, RelayResponse,
    RelayStream, Result, TokenCount,
    cache::{Digest, Kept, kept},
    deadline::Watch,
    estimate,
    relay::translated,
    resilience::Tokens,
    stream,
};

/// A kind of call.
pub(super) trait Ask {
    type Request: Asked;
    type Answer;

    /// What is done, by OpenTelemetry's name for it.
    const OPERATION: &'static str = "chat";

    /// Whether the answer has a first token to wait for.
    const STREAMS: bool;

    fn ask(
        provider: &dyn Provider,
        request: &Self::Request,
        watch: Watch,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;

    /// Adds the kind of the call and its request, if answers to it may be kept.
    fn digest(request: &Self::Request, digest: &mut Digest) -> bool {
        let _ = (request, digest);
        false
    }

    /// The answer that was kept.
    fn replay(kept: Arc<Kept>) -> Option<Self::Answer> {
        let _ = kept;
        None
    }
}

/// What is asked of a model.
pub(super) trait Asked: Send + Sync {
    fn model(&self) -> &str;

    /// Asks this model instead.
    fn ask_for(&mut self, model: &str);

    /// About how many tokens the call uses.
    fn tokens(&self) -> Tokens;

    /// The request in our own model, if it is there already.
    fn as_chat(&self) -> Option<&ChatRequest>;

    /// The request in our own model, read for whoever wants to record it.
    fn read_chat(&self) -> Option<&ChatRequest> {
        self.as_chat()
    }
}

impl Asked for ChatRequest {
    fn model(&self) -> &str {
        &self.model
    }

    fn ask_for(&mut self, model: &str) {
        model.clone_into(&mut self.model);
    }

    fn tokens(&self) -> Tokens {
        estimate::tokens(self)
    }

    fn as_chat(&self) -> Option<&ChatRequest> {
        Some(self)
    }
}

/// A call for the whole answer.
pub(super) enum Whole {}

impl Ask for Whole {
    type Request = ChatRequest;
    type Answer = ChatResponse;
    const STREAMS: bool = false;

    async fn ask(
        provider: &dyn Provider,
        request: &ChatRequest,
        watch: Watch,
    ) -> Result<ChatResponse> {
        watch.whole(provider.name(), provider.chat(request)).await
    }

    fn digest(request: &Self::Request, digest: &mut Digest) -> bool {
        digest.bytes(b"whole").value(request);
        true
    }

    fn replay(kept: Arc<Kept>) -> Option<Self::Answer> {
        match &*kept {
            Kept::Chat(answer) => Some(ChatResponse { is_cached: true, ..answer.clone() }),
            _ => None,
        }
    }
}

/// A call for a stream that has begun.
pub(super) enum Streamed {}

impl Ask for Streamed {
    type Request = ChatRequest;
    type Answer = ChatStream;
    const STREAMS: bool = true;

    async fn ask(
        provider: &dyn Provider,
        request: &ChatRequest,
        watch: Watch,
    ) -> Result<ChatStream> {
        let events = watch.stream(provider.name(), provider.stream(request)).await?;
        stream::ready(events).await.map(ChatStream::new)
    }

    fn digest(request: &Self::Request, digest: &mut Digest) -> bool {
        digest.bytes(b"stream").value(request);
        true
    }

    fn replay(kept: Arc<Kept>) -> Option<Self::Answer> {
        Some(ChatStream::new(kept::replay(kept)).cached(true))
    }
}

impl Asked for RelayRequest {
    fn model(&self) -> &str {
        Self::model(self)
    }

    fn ask_for(&mut self, model: &str) {
        Self::ask_for(self, model);
    }

    fn tokens(&self) -> Tokens {
        // What is no chat is refused before long.
        self.chat().map(estimate::tokens).unwrap_or_default()
    }

    fn as_chat(&self) -> Option<&ChatRequest> {
        None
    }

    fn read_chat(&self) -> Option<&ChatRequest> {
        self.chat().ok()
    }
}

/// A request that is passed on, or translated where that is not possible.
pub(super) enum Relayed {}

impl Ask for Relayed {
    type Request = RelayRequest;
    type Answer = RelayResponse;
    const STREAMS: bool = false;

    async fn ask(
        provider: &dyn Provider,
        request: &RelayRequest,
        watch: Watch,
    ) -> Result<RelayResponse> {
        if let Some(answer) = provider.relay(request) {
            return watch.whole(provider.name(), answer).await;
        }
        let answer = Whole::ask(provider, request.chat()?, watch).await?;
        translated::response(request, answer)
    }

    fn digest(request: &Self::Request, digest: &mut Digest) -> bool {
        request.digest(digest.bytes(b"relayed"));
        true
    }

    fn replay(kept: Arc<Kept>) -> Option<Self::Answer> {
        match &*kept {
            Kept::Relay(answer) => Some(RelayResponse { is_cached: true, ..answer.clone() }),
            _ => None,
        }
    }
}

/// A request for a stream that is passed on, or translated where that is not possible.
pub(super) enum RelayedStream {}

impl Ask for RelayedStream {
    type Request = RelayRequest;
    type Answer = RelayStream;
    const STREAMS: bool = true;

    async fn ask(
        provider: &dyn Provider,
        request: &RelayRequest,
        watch: Watch,
    ) -> Result<RelayStream> {
        if let Some(answer) = provider.relay_stream(request) {
            let chunks = watch.stream(provider.name(), answer).await?;
            return stream::ready(chunks).await.map(RelayStream::new);
        }
        let events = Streamed::ask(provider, request.chat()?, watch).await?;
        Ok(translated::stream(request, events))
    }

    fn digest(request: &Self::Request, digest: &mut Digest) -> bool {
        request.digest(digest.bytes(b"relayed stream"));
        true
    }

    fn replay(kept: Arc<Kept>) -> Option<Self::Answer> {
        Some(RelayStream::new(kept::replay(kept)).cached(true))
    }
}

/// A call that only counts the tokens of a request.
pub(super) struct Counted(pub(super) ChatRequest);

impl Asked for Counted {
    fn model(&self) -> &str {
        &self.0.model
    }

    fn ask_for(&mut self, model: &str) {
        model.clone_into(&mut self.0.model);
    }

    /// No model is asked.
    fn tokens(&self) -> Tokens {
        Tokens::default()
    }

    fn as_chat(&self) -> Option<&ChatRequest> {
        Some(&self.0)
    }
}

impl Ask for Counted {
    type Request = Self;
    type Answer = TokenCount;
    const OPERATION: &'static str = "count_tokens";
    const STREAMS: bool = false;

    async fn ask(provider: &dyn Provider, request: &Self, watch: Watch) -> Result<TokenCount> {
        match watch.whole(provider.name(), provider.count_tokens(&request.0)).await {
            Err(error) if *error.kind() == ErrorKind::Unsupported => {
                Ok(TokenCount::estimate(request.0.estimate_tokens()))
            }
            counted => counted,
        }
    }
}
