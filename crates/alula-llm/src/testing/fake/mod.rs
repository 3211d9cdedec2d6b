//! Providers that say what a test tells them to.

mod answer;
mod api;
mod fault;
mod frames;
mod model;
mod plan;
mod script;
mod sent;
mod turn;

use std::{
    future, mem,
    ops::Index,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
    vec,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use hyper::{Request, Response, StatusCode};
use tokio::time::sleep;

pub use fault::Fault;
pub use model::FakeModel;
pub use sent::{__check_sent, Sent};
pub use turn::{Pieces, Turn};

use self::{
    api::{Asked, Family},
    frames::Frames,
    plan::{Begin, End, Plan},
    script::Script,
};
use super::server::{Answer, Cut, Server};
use crate::{
    Anthropic, Cohere, Error, ErrorKind, Gemini, OpenAi, OpenAiResponses, model::Protocol,
};

/// The key of the providers that a fake makes.
const KEY: &str = "sk-fake-key";

/// A provider on a free port of this machine, which answers as a test tells it to.
///
/// It speaks the formats of OpenAI (chat completions, responses, embeddings), Anthropic, Gemini
/// and Cohere, each at its own paths, so that one script does for all of them, and for any client
/// that can be given [`url`](Self::url). What it answers is written as [`Turn`]s.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, testing::{FakeProvider, assert_sent}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let fake = FakeProvider::start().await;
/// fake.turn().says(["Hel", "lo"]).usage(12, 2);
///
/// let llm = Llm::builder().provider(fake.openai()).build()?;
/// let answer = llm.chat(ChatRequest::new("gpt-4o").user("Hi")).await?;
///
/// assert_eq!(answer.text(), "Hello");
/// assert_sent!(fake[0], {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]});
/// fake.finish();
/// # Ok(())
/// # }
/// ```
///
/// # What fails a test
///
/// A request that no turn is for gets an error in its own format, which says what the nearest
/// turn expected, and fails the test; so does a turn that was not asked for. This is found by
/// [`finish`](Self::finish), or else when the fake is dropped, unless the test has failed already.
#[derive(Debug)]
pub struct FakeProvider {
    server: Server,
    inner: Arc<Inner>,
    finished: bool,
}

#[derive(Debug)]
struct Inner {
    script: Script,
    models: Mutex<Vec<String>>,
}

impl FakeProvider {
    /// Starts to listen. Requests are answered until it is dropped.
    ///
    /// # Panics
    ///
    /// When this machine has no port left.
    #[expect(clippy::expect_used, reason = "without its provider a test cannot go on")]
    pub async fn start() -> Self {
        let inner = Arc::new(Inner { script: Script::new(), models: Mutex::default() });
        let of_server = Arc::clone(&inner);
        let server = Server::start(move |request| answer(Arc::clone(&of_server), request));
        let server = server.await.expect("a free port of 127.0.0.1");
        Self { server, inner, finished: false }
    }

    /// Its address, such as `http://127.0.0.1:40913`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// OpenAI's chat completions, under the name `openai`.
    pub fn openai(&self) -> OpenAi {
        OpenAi::new(KEY).base_url(self.url())
    }

    /// OpenAI's responses, under the name `responses`.
    pub fn responses(&self) -> OpenAiResponses {
        OpenAiResponses::new(KEY).base_url(self.url()).name("responses")
    }

    /// Anthropic's messages, under the name `anthropic`.
    pub fn anthropic(&self) -> Anthropic {
        Anthropic::new(KEY).base_url(self.url())
    }

    /// Gemini, under the name `gemini`.
    pub fn gemini(&self) -> Gemini {
        Gemini::new(KEY).base_url(self.url())
    }

    /// Cohere, under the name `cohere`.
    pub fn cohere(&self) -> Cohere {
        Cohere::new(KEY).base_url(self.url())
    }

    /// Adds a turn, which answers one request.
    pub fn turn(&self) -> Turn<'_> {
        Turn::new(&self.inner.script, self.inner.script.turn())
    }

    /// Sets the answer to all requests that no turn is for, for load tests.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let fake = alula_llm::testing::FakeProvider::start().await;
    /// fake.always().says(["Hel", "lo"]).usage(12, 2);
    /// # }
    /// ```
    pub fn always(&self) -> Turn<'_> {
        Turn::new(&self.inner.script, self.inner.script.always())
    }

    /// Sets the models that it says it has: at `/v1/models`, `/v1beta/models` and Ollama's
    /// `/api/tags`. Lists of models use up no turn.
    pub fn models(&self, names: impl IntoIterator<Item = impl Into<String>>) {
        let names = names.into_iter().map(Into::into).collect();
        *self.inner.models.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// The requests that came, from the first; the first 1,024 are kept.
    ///
    /// `fake[0]` is the first.
    pub fn requests(&self) -> impl Iterator<Item = &Sent> {
        self.inner.script.all_sent()
    }

    /// How many requests came.
    pub fn request_count(&self) -> usize {
        self.inner.script.requests()
    }

    /// How many connections were opened.
    pub fn connection_count(&self) -> usize {
        self.server.connections()
    }

    /// Waits for a request that nobody has waited for yet.
    pub async fn asked(&self) {
        self.inner.script.asked().await;
    }

    /// Waits until a client has left before the end of its answer. Each that leaves is waited for
    /// once.
    ///
    /// ```
    /// use alula_llm::{ChatRequest, Llm, testing::{Fault, FakeProvider}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> alula_llm::Result<()> {
    /// let fake = FakeProvider::start().await;
    /// fake.turn().says(["Hel", "lo"]).then(Fault::StallAfter(1));
    ///
    /// let llm = Llm::builder().provider(fake.openai()).build()?;
    /// let stream = llm.stream(ChatRequest::new("gpt-x").user("Hi")).await?;
    /// drop(stream);
    /// fake.disconnected().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn disconnected(&self) {
        self.inner.script.disconnected().await;
    }

    /// Checks that each request had its turn, and each turn its request.
    ///
    /// Dropping the fake does the same, but cannot say where.
    ///
    /// # Panics
    ///
    /// When that is not so.
    #[track_caller]
    pub fn finish(mut self) {
        self.finished = true;
        self.inner.script.check();
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        if !self.finished && !thread::panicking() {
            self.inner.script.check();
        }
    }
}

/// A request, by its number.
impl Index<usize> for FakeProvider {
    type Output = Sent;

    #[track_caller]
    fn index(&self, number: usize) -> &Sent {
        self.inner.script.nth(number)
    }
}

/// Answers a request by the script.
async fn answer(inner: Arc<Inner>, request: Request<Bytes>) -> Result<Answer, Cut> {
    let presence = Presence { inner: Arc::clone(&inner), over: false };
    let sent = Arc::new(Sent::of(request));
    let number = inner.script.keep(&sent);
    send(plan(&inner, &sent, number), presence).await
}

fn plan(inner: &Inner, sent: &Sent, number: usize) -> Plan {
    let anthropic = sent.header("anthropic-version").is_some();
    if let Some(family) = Family::of(sent.path(), anthropic) {
        let models = inner.models.lock().unwrap_or_else(PoisonError::into_inner);
        return Plan::sending(200, Frames::json(&answer::models(&models, family)), &[]);
    }
    let Some(asked) = Asked::of(sent.path(), sent.body()) else {
        let complaint = format!("{sent}: no provider has this address");
        inner.script.complain(complaint.clone());
        return refusal(Protocol::OpenAiChat, ErrorKind::NotFound, complaint);
    };
    let invalid = |complaint| refusal(asked.api.protocol(), ErrorKind::InvalidRequest, complaint);
    let turn = match inner.script.take(asked.api, sent) {
        Ok(turn) => turn,
        Err(complaint) => return invalid(complaint),
    };
    Plan::of(&turn, &asked, number).unwrap_or_else(|error| {
        let complaint = format!("{sent}: {error}");
        inner.script.complain(complaint.clone());
        invalid(complaint)
    })
}

/// The error that a request without a turn gets.
fn refusal(protocol: Protocol, kind: ErrorKind, complaint: String) -> Plan {
    let (status, body) = protocol.error_to_json(&Error::new(kind, complaint));
    Plan::sending(status, Frames::json(&body), &[])
}

async fn send(plan: Plan, mut presence: Presence) -> Result<Answer, Cut> {
    match plan.begin {
        Begin::After(time) if time.is_zero() => {}
        Begin::After(time) => sleep(time).await,
        Begin::Never => future::pending().await,
        Begin::Cut(cut) => {
            presence.over = true;
            return Err(cut);
        }
    }
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_u16(plan.status).unwrap_or_default();
    *answer.headers_mut() = plan.headers.clone();
    Ok(answer.map(|()| body(plan, presence)))
}

/// The rest of an answer, while it is sent.
struct Body {
    chunks: vec::IntoIter<Bytes>,
    every: Duration,
    end: End,
    begun: bool,
    presence: Presence,
}

fn body(plan: Plan, mut presence: Presence) -> BoxStream<'static, Result<Bytes, Cut>> {
    let Plan { chunks, every, end, .. } = plan;
    // Nobody asks for the end of a body that is known to be empty.
    presence.over = end == End::Whole && chunks.is_empty();
    let body = Body { chunks: chunks.into_iter(), every, end, begun: false, presence };
    stream::unfold(body, |mut body| async { Some((body.next().await?, body)) }).boxed()
}

impl Body {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        if let Some(chunk) = self.chunks.next() {
            if mem::replace(&mut self.begun, true) && !self.every.is_zero() {
                sleep(self.every).await;
            }
            // Nor for the end of one whose length is known.
            self.presence.over = self.end == End::Whole && self.chunks.len() == 0;
            return Some(Ok(chunk));
        }
        match mem::replace(&mut self.end, End::Whole) {
            End::Whole => {
                self.presence.over = true;
                None
            }
            End::Never => future::pending().await,
            End::Cut(cut) => {
                self.presence.over = true;
                Some(Err(cut))
            }
        }
    }
}

/// Notices when a client leaves before its answer is over.
struct Presence {
    inner: Arc<Inner>,
    over: bool,
}

impl Drop for Presence {
    fn drop(&mut self) {
        if !self.over {
            self.inner.script.client_left();
        }
    }
}
