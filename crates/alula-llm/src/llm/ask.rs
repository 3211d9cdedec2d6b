//! The kinds of calls: what is asked, and what is the answer.

use crate::{ChatRequest, ChatResponse, ChatStream, Deadlines, Provider, Result, estimate, stream};

/// A kind of call.
pub(super) trait Ask {
    type Request: Asked;
    type Answer;

    /// Whether the answer has a first token to wait for.
    const STREAMS: bool;

    fn ask(
        provider: &dyn Provider,
        request: &Self::Request,
        deadlines: Deadlines,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;
}

/// What is asked of a model.
pub(super) trait Asked: Send + Sync {
    fn model(&self) -> &str;

    /// Asks this model instead.
    fn ask_for(&mut self, model: &str);

    /// About how many tokens the call uses.
    fn tokens(&self) -> u64;
}

impl Asked for ChatRequest {
    fn model(&self) -> &str {
        &self.model
    }

    fn ask_for(&mut self, model: &str) {
        model.clone_into(&mut self.model);
    }

    fn tokens(&self) -> u64 {
        estimate::tokens(self)
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
        deadlines: Deadlines,
    ) -> Result<ChatResponse> {
        deadlines.whole(provider.name(), provider.chat(request)).await
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
        deadlines: Deadlines,
    ) -> Result<ChatStream> {
        let events = deadlines.stream(provider.name(), provider.stream(request)).await?;
        stream::ready(events).await.map(ChatStream::new)
    }
}
