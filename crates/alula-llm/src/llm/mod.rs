//! All providers behind one handle.

pub(crate) mod along;
mod ask;
mod build;
mod builder;
mod call;
mod ceiling;
mod check;
mod embed;
mod healths;
mod route;
mod status;

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::{Map, Value};

pub use builder::LlmBuilder;
pub use ceiling::CostCeiling;
pub use route::Route;
pub use status::{ProviderStatus, RouteStatus, RouteTarget, TargetStatus};

use self::{
    along::Along,
    ask::{Counted, Relayed, RelayedStream, Streamed, Whole},
    healths::Healths,
    route::Target,
};
use crate::{
    BreakerState, CacheStats, CallRecord, ChatRequest, ChatResponse, ChatStream, Deadlines,
    EmbedRequest, EmbedResponse, Error, ErrorKind, Http, HttpLimits, Provider, Proxies,
    RelayRequest, RelayResponse, RelayStream, Result, RetryPolicy, TokenCount,
    cache::{Cache, kept},
    observe::{Listener, Observer, Server, Told},
    resilience::{Gate, SharedState, Sharing},
};

/// All providers behind one handle, which is cheap to clone.
///
/// A model's name selects where a call goes, in this order: a [`Route`] of this name, a provider's
/// prefix (`anthropic/claude-…`), the provider that knows the name as its own (`claude-…`), the
/// provider of the default model. An empty name stands for the default model.
///
/// A call that fails in a way that may pass is tried again, see [`RetryPolicy`], and then goes to
/// the next target of its route, if there is one. It ends at the total of its [`Deadlines`],
/// however many attempts that were.
///
/// ```
/// use alula_llm::{ChatRequest, Demo, Llm, testing::FakeModel};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let model = FakeModel::new();
/// # model.turn().says("A feather.");
/// let llm = Llm::builder().provider(model).provider(Demo::new()).default_model("fake/x").build()?;
/// let task = tokio::spawn({
///     let llm = llm.clone();
///     async move { llm.chat(ChatRequest::default().user("What is an alula?")).await }
/// });
/// assert_eq!(task.await.expect("no panic")?.text(), "A feather.");
/// assert_eq!(llm.providers().collect::<Vec<_>>(), ["fake", "demo"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Llm {
    inner: Arc<Inner>,
    /// Whose answers from the cache it gives.
    scope: Option<Arc<str>>,
    /// Who listens to these calls, besides those who listen to all.
    listener: Option<Listener>,
    /// What is sent along with these calls.
    along: Option<Along>,
}

#[derive(Debug)]
struct Inner {
    pool: Pool,
    providers: Vec<Connected>,
    routes: HashMap<String, Vec<Target>>,
    default_model: Option<String>,
    deadlines: Deadlines,
    retry: RetryPolicy,
    sharing: Option<Sharing>,
    cache: Option<Arc<Cache>>,
    observer: Arc<Observer>,
}

/// The connections that providers share, and how they are made.
#[derive(Debug, Clone)]
struct Pool {
    limits: HttpLimits,
    proxies: Proxies,
    http: Http,
}

/// A provider, and what its calls have in common.
#[derive(Debug)]
struct Connected {
    provider: Box<dyn Provider>,
    gate: Gate,
    healths: Arc<Healths>,
    server: Option<Server>,
}

impl Llm {
    /// Starts with no provider.
    pub fn builder() -> LlmBuilder {
        LlmBuilder::default()
    }

    /// Asks and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when no provider serves the model; else what the provider says, or
    /// the last of several.
    pub async fn chat(&self, request: ChatRequest) -> Result<ChatResponse> {
        let (answer, mut call) = call::run::<Whole>(self, request).await?;
        call.keep(|| kept::chat(&answer));
        call.answered(&answer);
        Ok(answer)
    }

    /// Asks for a stream, and returns with its first content: what fails before is tried again,
    /// or fails here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when no provider serves the model; else what the provider says, or
    /// the last of several.
    pub async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        let (events, call) = call::run::<Streamed>(self, request).await?;
        Ok(events.watched(call))
    }

    /// Passes a request on as its client wrote it, and returns the answer in the same protocol.
    ///
    /// A provider that speaks the protocol gets the client's own bytes, with only the model's name
    /// put in, and `"stream": false` where the client had asked for a stream; its bytes are the
    /// answer. For others both are translated.
    ///
    /// ```
    /// use alula_llm::{Demo, Llm, RelayRequest, model::Protocol};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let llm = Llm::builder().provider(Demo::new()).build()?;
    /// let body = r#"{"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}"#;
    /// let answer = llm.relay(RelayRequest::new(Protocol::OpenAiChat, body)?).await?;
    /// assert!(answer.body.starts_with(b"{"));
    /// # Ok::<(), alula_llm::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`chat`](Self::chat), and [`ErrorKind::InvalidRequest`] when the request must be
    /// translated and cannot be.
    pub async fn relay(&self, request: RelayRequest) -> Result<RelayResponse> {
        let request = request.with_stream(false);
        let protocol = request.protocol();
        let (answer, mut call) = call::run::<Relayed>(self, request).await?;
        call.keep(|| kept::relay(protocol, &answer));
        call.answered(&answer);
        Ok(answer)
    }

    /// Passes a request for a stream on, as [`relay`](Self::relay) does, and returns with its
    /// first content.
    ///
    /// # Errors
    ///
    /// As [`relay`](Self::relay).
    pub async fn relay_stream(&self, request: RelayRequest) -> Result<RelayStream> {
        let protocol = request.protocol();
        let request = request.with_stream(true);
        let (stream, call) = call::run::<RelayedStream>(self, request).await?;
        Ok(stream.with_protocol(protocol).watched(call))
    }

    /// Counts the tokens of a request, without making it: by the provider if it can, else by an
    /// estimate, which says so.
    ///
    /// ```
    /// use alula_llm::{ChatRequest, Llm, OpenAi};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder().provider(OpenAi::ollama()).build()?;
    /// let request = ChatRequest::new("llama3.2").user("What is an alula?");
    /// let estimate = request.estimate_tokens();
    /// let count = llm.count_tokens(request).await?;
    /// assert_eq!((count.tokens, count.exact), (estimate, false));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`chat`](Self::chat).
    pub async fn count_tokens(&self, request: ChatRequest) -> Result<TokenCount> {
        let (count, call) = call::run::<Counted>(self, Counted(request)).await?;
        call.answered(&count);
        Ok(count)
    }

    /// Turns inputs into vectors, in their order.
    ///
    /// What is more than a provider takes at once goes there in several calls, a few at a time, of
    /// which each is tried again like any other; the first that fails for good ends the others. All
    /// vectors are from one target: another one is asked for all of them.
    ///
    /// Vectors of different models cannot be compared. The targets of a [`Route`] for them should be
    /// the same model at several providers.
    ///
    /// ```
    /// use alula_llm::{Demo, EmbedRequest, Llm};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder().provider(Demo::new()).build()?;
    /// let request = EmbedRequest::new("demo").texts(["What is an alula?", "A small feather."]);
    /// let answer = llm.embed(request).await?;
    /// assert_eq!((answer.vectors.len(), answer.vectors.dimensions()), (2, 256));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when there is nothing to turn into a vector,
    /// [`ErrorKind::Unsupported`] when the provider has no embeddings, [`ErrorKind::Decode`] when it
    /// answers with more or fewer vectors than inputs, or others than were asked for; else as
    /// [`chat`](Self::chat).
    pub async fn embed(&self, request: EmbedRequest) -> Result<EmbedResponse> {
        embed::run(self, request, Duration::MAX).await
    }

    /// As [`embed`](Self::embed), for somebody who waits only so long, or the total of the
    /// [`Deadlines`] if that is shorter.
    ///
    /// A model that has not answered by then has failed, as its breaker learns. A call that is
    /// dropped by its caller says nothing about the model.
    ///
    /// # Errors
    ///
    /// As [`embed`](Self::embed), and [`ErrorKind::Timeout`] when the time is over.
    pub async fn embed_within(
        &self,
        request: EmbedRequest,
        within: Duration,
    ) -> Result<EmbedResponse> {
        embed::run(self, request, within).await
    }

    /// Reads a request from the fields that the provider of this model knows it by.
    ///
    /// Only what differs from an empty conversation needs to be there. The request keeps the
    /// name of the model as it is given here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when no provider serves the model, and
    /// [`ErrorKind::InvalidRequest`] when the provider has no such request.
    pub fn request_from_json(
        &self,
        model: &str,
        mut fields: Map<String, Value>,
    ) -> Result<ChatRequest> {
        let protocol = self.inner.protocol(model)?;
        fields.insert("model".to_owned(), model.into());
        if let Some(name) = protocol.messages_field() {
            fields.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        }
        protocol.request_from_json(fields.into())
    }

    /// The names of the providers, in the order they were added.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.inner.providers.iter().map(|connected| connected.provider.name())
    }

    /// Asks a provider for something that costs nothing, to see whether it is there and takes the
    /// key. It is no call: it is neither tried again nor counted, and has no deadline of its own.
    ///
    /// ```
    /// use alula_llm::{Demo, Llm};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let llm = Llm::builder().provider(Demo::new()).build()?;
    /// assert!(llm.probe("demo").await.is_ok());
    /// assert!(llm.probe("other").await.is_err());
    /// # Ok::<(), alula_llm::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is no such provider; else what keeps it from answering.
    pub async fn probe(&self, provider: &str) -> Result<()> {
        let mut connected = self.inner.providers.iter().map(|connected| &connected.provider);
        match connected.find(|known| known.name() == provider) {
            Some(known) => known.probe().await,
            None => Err(not_found(format!("there is no provider {provider:?}"))),
        }
    }

    /// Whether calls get through, for each target: the models that routes name and those that
    /// were asked, as `provider/model`.
    pub fn breakers(&self) -> impl Iterator<Item = (String, BreakerState)> {
        self.inner.providers.iter().flat_map(|connected| connected.healths.states())
    }

    /// The models that have a name here, each with the provider that is asked first: those of
    /// routes, in alphabetical order, and the default one. Providers may serve others.
    pub fn models(&self) -> Vec<(&str, &str)> {
        let routes = self.inner.routes.keys().map(String::as_str);
        let mut names: Vec<&str> = routes.chain(self.default_model()).collect();
        names.sort_unstable();
        names.dedup();
        let provider = |name| {
            let target = self.inner.targets(name).ok()?.into_iter().next()?;
            let connected = self.inner.providers.get(target.provider)?;
            Some((name, connected.provider.name()))
        };
        names.into_iter().filter_map(provider).collect()
    }

    /// The same for the calls of one scope, such as a tenant, to whom alone their answers are given
    /// again; see [`CachePolicy`](crate::CachePolicy). The [records](crate::CallRecord) of its calls
    /// name it.
    #[must_use]
    pub fn scoped(&self, scope: impl Into<Arc<str>>) -> Self {
        Self { scope: Some(scope.into()), ..self.clone() }
    }

    /// The same, telling `listener` what becomes of its calls, as
    /// [`LlmBuilder::on_call`] does of all calls: each is told once, when it has ended. Who listened
    /// before still does.
    ///
    /// What the listener holds is dropped with the last of the calls and of the clones: a permit, say,
    /// for as long as a stream runs.
    ///
    /// ```
    /// use std::sync::{Arc, OnceLock};
    ///
    /// use alula_llm::{ChatRequest, Demo, Llm};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder().provider(Demo::new()).build()?;
    /// let bill = Arc::new(OnceLock::new());
    /// let told = bill.clone();
    /// let one_call = llm.observed(move |call| _ = told.set(call.usage.clone()));
    /// one_call.chat(ChatRequest::new("demo").user("What is an alula?")).await?;
    /// assert!(bill.get().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn observed(&self, listener: impl Fn(&CallRecord) + Send + Sync + 'static) -> Self {
        let listener = Some(Listener::new(listener, self.listener.clone()));
        Self { listener, ..self.clone() }
    }

    /// What the cache has done so far; nothing if there is none.
    pub fn cache_stats(&self) -> Option<CacheStats> {
        self.inner.cache.as_ref().map(|cache| cache.stats())
    }

    /// How it stands with the state of limits and breakers that processes have in common; nothing
    /// if each has its own.
    pub fn shared_state(&self) -> Option<SharedState> {
        self.inner.sharing.as_ref().map(Sharing::state)
    }

    /// The model of requests that name none.
    pub fn default_model(&self) -> Option<&str> {
        self.inner.default_model.as_deref()
    }
}

impl Llm {
    /// Who is told of its calls.
    fn told(&self) -> Told<'_> {
        Told {
            observer: &self.inner.observer,
            scope: self.scope.as_ref(),
            listener: self.listener.as_ref(),
        }
    }
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message)
}
