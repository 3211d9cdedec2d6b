use std::{future, ops::Index, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use hyper::Request;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    Fault, Sent, Turn,
    answer::{self, Piece},
    api::Api,
    script::Script,
    turn::Written,
};
use crate::{
    ChatRequest, ChatResponse, ChatStream, EmbedRequest, EmbedResponse, Error, ErrorKind, Provider,
    Result, TokenCount,
    model::{EmbedProtocol, Protocol},
};

/// The form in which requests are kept.
const PROTOCOL: Protocol = Protocol::OpenAiChat;

/// A provider without a network, which answers as a test tells it to.
///
/// It is written in the same [`Turn`]s as a [`FakeProvider`](super::FakeProvider), fails a test in
/// the same cases, and is faster. Clones share one script. Requests are kept in OpenAI's form.
///
/// Of the [`Fault`]s it knows those that a caller can tell apart without bytes: stalls, closed and
/// reset connections, slow answers, and errors.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, testing::{FakeModel, assert_sent}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let model = FakeModel::new();
/// model.turn().says("Hello");
///
/// let llm = Llm::builder().provider(model.clone()).build()?;
/// assert_eq!(llm.chat(ChatRequest::new("any").user("Hi")).await?.text(), "Hello");
/// assert_sent!(model[0], {"messages": [{"role": "user", "content": "Hi"}]});
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FakeModel {
    inner: Arc<Inner>,
}

/// Checks the script when the last clone is gone.
#[derive(Debug)]
struct Inner {
    script: Script,
}

impl FakeModel {
    /// A model that has nothing to say yet, under the name `fake`.
    pub fn new() -> Self {
        Self { inner: Arc::new(Inner { script: Script::new() }) }
    }

    /// Adds a turn, which answers one request.
    pub fn turn(&self) -> Turn<'_> {
        Turn::new(&self.inner.script, self.inner.script.turn())
    }

    /// Sets the answer to all requests that no turn is for.
    pub fn always(&self) -> Turn<'_> {
        Turn::new(&self.inner.script, self.inner.script.always())
    }

    /// The requests that came, from the first; the first 1,024 are kept.
    pub fn requests(&self) -> impl Iterator<Item = &Sent> {
        self.inner.script.all_sent()
    }

    /// How many requests came.
    pub fn request_count(&self) -> usize {
        self.inner.script.requests()
    }

    /// Takes the turn for a request, and waits or fails as it says before the answer.
    async fn begin(&self, api: Api, path: &str, body: &Value) -> Result<(Written, usize)> {
        let sent = Request::post(path).body(Bytes::from(body.to_string()));
        let sent = Arc::new(Sent::of(sent.unwrap_or_default()));
        let number = self.inner.script.keep(&sent);
        let turn = self.inner.script.take(api, &sent);
        let turn = turn.map_err(|complaint| Error::new(ErrorKind::InvalidRequest, complaint))?;
        for fault in &turn.faults {
            match fault {
                Fault::Stall => future::pending().await,
                Fault::SlowHeaders(time) => sleep(*time).await,
                Fault::Close | Fault::Reset => return Err(broken(None)),
                fault => fault.error(PROTOCOL).map_or(Ok(()), Err)?,
            }
        }
        Ok((turn, number))
    }

    /// The events of the answer, which breaks off as the turn says.
    async fn events(&self, request: &ChatRequest, stream: bool) -> Result<ChatStream> {
        let body = PROTOCOL.request_to_json(request, stream)?;
        let (turn, number) = self.begin(Api::Chat(PROTOCOL), "/v1/chat/completions", &body).await?;
        let mut pieces = answer::events(&turn, PROTOCOL, &request.model, number);
        let end = turn.faults.iter().find_map(|fault| Some((fault.pieces()?, fault)));
        let Some((pieces_max, fault)) = end else { return Ok(paced(pieces, turn.every)) };
        pieces.truncate(end_of(&pieces, pieces_max));
        let error = match fault {
            Fault::StallAfter(_) => None,
            Fault::ErrorAfter(_, kind) => Some(answer::known_error(kind.clone(), PROTOCOL)),
            _ => Some(broken(stream.then_some(pieces.len()))),
        };
        let end = match error {
            Some(error) => stream::once(future::ready(Err(error))).left_stream(),
            None => stream::pending().right_stream(),
        };
        Ok(ChatStream::new(paced(pieces, turn.every).chain(end)))
    }
}

/// The events, with a pause before each piece but the first.
fn paced(events: Vec<Piece>, every: Duration) -> ChatStream {
    let mut begun = false;
    ChatStream::new(stream::iter(events).then(move |(event, piece)| {
        let waits = piece && begun && !every.is_zero();
        begun |= piece;
        async move {
            if waits {
                sleep(every).await;
            }
            Ok(event)
        }
    }))
}

/// Where the first so many pieces end.
fn end_of(events: &[Piece], pieces: usize) -> usize {
    let ends = events.iter().enumerate().filter(|(_, (_, piece))| *piece);
    match pieces.checked_sub(1) {
        None => 0,
        Some(last) => ends.map(|(index, _)| index + 1).nth(last).unwrap_or(events.len()),
    }
}

/// What a connection that breaks is to its caller, after so many events of a stream.
fn broken(events: Option<usize>) -> Error {
    let kind = match events {
        Some(events) if events > 0 => ErrorKind::Stream { events_seen: events as u64 },
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "the connection broke off")
}

impl Provider for FakeModel {
    fn name(&self) -> &str {
        "fake"
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        async move { self.events(request, false).await?.accumulate().await }.boxed()
    }

    fn count_tokens<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<TokenCount>> {
        async move {
            let body = PROTOCOL.request_to_json(request, false)?;
            let path = "/v1/responses/input_tokens";
            let (turn, _) = self.begin(Api::CountTokens(PROTOCOL), path, &body).await?;
            Ok(TokenCount::exact(turn.tokens.unwrap_or_default()))
        }
        .boxed()
    }

    fn embed<'a>(&'a self, request: &'a EmbedRequest) -> BoxFuture<'a, Result<EmbedResponse>> {
        async move {
            let body = EmbedProtocol::OpenAi.request_to_json(request)?;
            let api = Api::Embeddings(EmbedProtocol::OpenAi);
            let (turn, _) = self.begin(api, "/v1/embeddings", &body).await?;
            answer::embeddings(&turn, &request.model)
        }
        .boxed()
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        self.events(request, true).boxed()
    }
}

impl Default for FakeModel {
    fn default() -> Self {
        Self::new()
    }
}

/// A request, by its number.
impl Index<usize> for FakeModel {
    type Output = Sent;

    #[track_caller]
    fn index(&self, number: usize) -> &Sent {
        self.inner.script.nth(number)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.script.check();
        }
    }
}
