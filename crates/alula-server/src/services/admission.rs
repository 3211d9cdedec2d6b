//! Who may make a call, and what it may take.

mod refusal;

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use alula::{HttpError, ResponseHead};
use alula_jobs::{JobContext, JobId};
use alula_llm::{
    CallRecord, CallSize, ChatRequest, EmbedRequest, Llm, RelayRequest, model::Protocol,
};

use self::refusal::Refusal;
use super::{
    budgets::{Budgets, Hold},
    exchange::Exchange,
    idempotency::Ticket,
    keys::{self, Key, Keys, Scope},
    limits::{KeyLimits, Turn, headers},
    models::Models,
    tools::Tools,
    usage::Ledger,
};

/// The code of a refusal for want of money, as clients of OpenAI know it.
pub(super) const INSUFFICIENT_QUOTA: &str = "insufficient_quota";
/// The same for a prompt that is too long.
pub(super) const CONTEXT_LENGTH_EXCEEDED: &str = "context_length_exceeded";

/// Who makes a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    models: Models,
    ledger: Ledger,
    /// Nothing where no key is needed.
    holder: Option<Holder>,
    exchange: Exchange,
    /// That of a request which is executed once.
    ticket: OnceLock<Ticket>,
    /// That of a job: whether its key had to wait.
    limited: Option<Arc<AtomicBool>>,
    /// What it is called, if the same may be asked again: the id of a job.
    origin: Option<String>,
    /// The MCP servers whose tools it may have called, if it may.
    tools: Option<Tools>,
}

/// Who has a key.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) key: Arc<Key>,
    /// What the key is held to.
    pub(crate) entry: Entry,
    /// Where to tell what is left; nothing for a job, whose client is not there.
    pub(crate) head: Option<ResponseHead>,
}

/// What callers make calls with. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    pub(crate) models: Models,
    pub(crate) ledger: Ledger,
    pub(crate) entry: Entry,
    pub(crate) tools: Tools,
}

/// What calls with a key are held to. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) limits: KeyLimits,
    pub(crate) budgets: Budgets,
}

/// What a call asks for, before it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asking<'a> {
    Chat(&'a ChatRequest),
    /// The same as a stream.
    Stream(&'a ChatRequest),
    Relay(&'a RelayRequest),
    Embed(&'a EmbedRequest),
    /// The same for documents, whose client has not asked for vectors.
    Documents(&'a EmbedRequest),
    /// The same for a query, as a part of a request that is let in by itself. It costs money, and
    /// counts as no request.
    Query(&'a EmbedRequest),
    /// How many tokens a request has, in the words of a protocol. It costs nothing.
    Count(&'a ChatRequest, Protocol),
}

impl Caller {
    pub(crate) fn new(
        models: Models,
        ledger: Ledger,
        holder: Option<Holder>,
        exchange: Exchange,
    ) -> Self {
        if let Some(Holder { key, .. }) = &holder {
            exchange.set_key(key.id.clone());
        }
        Self {
            models,
            ledger,
            holder,
            exchange,
            ticket: OnceLock::new(),
            limited: None,
            origin: None,
            tools: None,
        }
    }

    /// Lets it have tools of MCP servers called.
    pub(crate) fn with_tools(self, tools: Tools) -> Self {
        Self { tools: Some(tools), ..self }
    }

    /// The MCP servers whose tools it may have called.
    ///
    /// # Errors
    ///
    /// If it may not.
    pub(crate) fn tools(&self) -> Result<&Tools, HttpError> {
        self.tools
            .as_ref()
            .ok_or_else(|| HttpError::forbidden("`mcp_servers` takes a key with the scope `tools`"))
    }

    /// Who has asked for a job, with what the key entitles to by now.
    ///
    /// # Errors
    ///
    /// Why the key is not good any more.
    pub(crate) async fn of_job(
        calls: &Calls,
        keys: &Keys,
        key: Option<&str>,
        request_id: &str,
        job: &JobContext,
    ) -> Result<Self, keys::Refusal> {
        let Calls { models, ledger, entry, tools } = calls.clone();
        let holder = match key {
            None => None,
            Some(id) => {
                let key = keys.of_id(id).await?;
                if !key.scopes.contains(Scope::Models) {
                    return Err(keys::Refusal::Scope(Scope::Models.as_str().into()));
                }
                Some(Holder { key, entry, head: None })
            }
        };
        // Without a key, whoever has asked for it was allowed to then.
        let has_tools = holder.as_ref().is_none_or(|it| it.key.scopes.contains(Scope::Tools));
        let caller = Self::new(models, ledger, holder, Exchange::of_job(request_id, job.trace()));
        let caller = if has_tools { caller.with_tools(tools) } else { caller };
        Ok(Self { limited: Some(Arc::default()), origin: Some(job.id().to_string()), ..caller })
    }

    /// What it is called, if the same may be asked again.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Who asks one of several questions at once.
    pub(crate) fn of_question(&self, number: usize) -> Self {
        let origin = self.origin.as_ref().map(|origin| format!("{origin}.{number}"));
        Self { origin, ..self.clone() }
    }

    /// The name for a job of its request: always the same for one that is executed once.
    pub(crate) fn new_job_id(&self) -> JobId {
        self.ticket.get().and_then(Ticket::job_id).unwrap_or_else(JobId::new)
    }

    /// Whether a limit of the key of a job has stood in its way.
    pub(crate) fn was_limited(&self) -> bool {
        self.limited.as_ref().is_some_and(|limited| limited.load(Relaxed))
    }

    /// The id of the request that it makes.
    pub(crate) fn request_id(&self) -> &str {
        self.exchange.id()
    }

    /// The trace of its request, as a `traceparent`.
    pub(crate) fn trace(&self) -> Option<String> {
        self.exchange.trace()
    }

    /// Has it note in the ticket of its request when it asks a provider.
    pub(crate) fn note_in(&self, ticket: Ticket) {
        // A request has one.
        let _ = self.ticket.set(ticket);
    }

    /// The models, to look something up. Calls are made with those of [`admit`](Self::admit).
    pub(crate) fn models(&self) -> Llm {
        self.models.current()
    }

    /// Whom what it makes belongs to: its key, or everybody where none is needed.
    pub(crate) fn owner(&self) -> &str {
        self.key().map_or("", |key| &key.id)
    }

    /// Its key; nothing where none is needed.
    pub(crate) fn key(&self) -> Option<&Arc<Key>> {
        self.holder.as_ref().map(|holder| &holder.key)
    }

    /// Lets one call in. It is to be made with the models that this returns, which note what
    /// becomes of it: until then what it may take is set aside.
    ///
    /// # Errors
    ///
    /// What the client is to be told instead.
    pub(crate) async fn admit(&self, asking: Asking<'_>) -> Result<Llm, HttpError> {
        let protocol = asking.protocol();
        let (ledger, exchange) = (self.ledger.clone(), self.exchange.clone());
        let llm = self.models().with_headers({
            let exchange = exchange.clone();
            move || exchange.to_provider()
        });
        let llm = match asking {
            Asking::Count(..) => llm,
            _ => llm.observed(move |record| ledger.note(record, exchange.id(), protocol)),
        };
        let Some(Holder { key, entry, head }) = &self.holder else {
            self.begins_with(asking);
            return Ok(llm);
        };
        let llm = llm.scoped(key.id.clone());
        let taken = entry.take(key, &llm, asking).await;
        let Taken { turn, hold } = taken.map_err(|refusal| {
            if let (Refusal::Limit(_), Some(limited)) = (&refusal, &self.limited) {
                limited.store(true, Relaxed);
            }
            refusal.into_http(key, protocol)
        })?;
        self.begins_with(asking);
        if let Some((quota, head)) = turn.quota.as_ref().zip(head.as_ref()) {
            for (name, value) in headers(&quota.level(), protocol) {
                head.header(name, value);
            }
        }
        if turn.is_nothing() && hold.is_none() {
            return Ok(llm);
        }
        let (models, taken) = (llm.clone(), Mutex::new(Some(Taken { turn, hold })));
        Ok(llm.observed(move |record| {
            let taken = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
            taken.into_iter().for_each(|taken| taken.settle(record, &models));
        }))
    }
}

impl Caller {
    /// Lets a search in, which is a request of its key whether a model is asked or not.
    ///
    /// # Errors
    ///
    /// What the client is to be told instead.
    pub(crate) async fn admit_search(&self) -> Result<(), HttpError> {
        let Some(Holder { key, entry, head }) = &self.holder else { return Ok(()) };
        let turn = entry.limits.take(key, false, |_| 0).await;
        let turn = turn.map_err(|refused| Refusal::Limit(refused).into_http(key, None))?;
        if let Some((quota, head)) = turn.quota.as_ref().zip(head.as_ref()) {
            for (name, value) in headers(&quota.level(), None) {
                head.header(name, value);
            }
        }
        turn.without_tokens();
        Ok(())
    }

    /// The request is executed from now on, if it is one that is executed once. What is looked up
    /// for it may be looked up again.
    fn begins_with(&self, asking: Asking<'_>) {
        if let (Some(ticket), false) = (self.ticket.get(), matches!(asking, Asking::Query(_))) {
            ticket.begins();
        }
    }
}

impl Entry {
    async fn take(&self, key: &Key, llm: &Llm, asking: Asking<'_>) -> Result<Taken, Refusal> {
        let Self { limits, budgets } = self;
        let turn = match asking {
            Asking::Query(_) => Turn::nothing(),
            _ => {
                let tokens = |max| asking.tokens_to_take(max);
                limits.take(key, asking.is_stream(), tokens).await.map_err(Refusal::Limit)?
            }
        };
        let hold = match key.budget {
            Some(budget) if !matches!(asking, Asking::Count(..)) => {
                let call = (asking.model(), asking.size());
                budgets.reserve(&key.id, budget, llm, call).await.map_err(Refusal::Budget)?
            }
            _ => None,
        };
        Ok(Taken { turn, hold })
    }
}

impl Asking<'_> {
    /// In whose words the client is answered, unless in the server's own.
    fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Chat(_) | Self::Stream(_) | Self::Documents(_) | Self::Query(_) => None,
            Self::Relay(request) => Some(request.protocol()),
            Self::Embed(_) => Some(Protocol::OpenAiChat),
            Self::Count(_, protocol) => Some(protocol),
        }
    }

    fn is_stream(self) -> bool {
        match self {
            Self::Stream(_) => true,
            Self::Relay(request) => request.is_stream(),
            Self::Chat(_)
            | Self::Embed(_)
            | Self::Documents(_)
            | Self::Query(_)
            | Self::Count(..) => false,
        }
    }

    fn model(&self) -> &str {
        match self {
            Self::Chat(request) | Self::Stream(request) | Self::Count(request, _) => &request.model,
            Self::Relay(request) => request.model(),
            Self::Embed(request) | Self::Documents(request) | Self::Query(request) => {
                &request.model
            }
        }
    }

    fn tokens_to_take(self, minute: Option<u64>) -> u64 {
        match self {
            Self::Chat(request) | Self::Stream(request) => request.tokens_to_take(minute),
            Self::Relay(request) => request.tokens_to_take(minute),
            Self::Embed(request) | Self::Documents(request) => request.tokens_to_take(minute),
            Self::Query(_) | Self::Count(..) => 0,
        }
    }

    fn size(self) -> CallSize {
        match self {
            Self::Chat(request) | Self::Stream(request) | Self::Count(request, _) => request.size(),
            Self::Relay(request) => request.size(),
            Self::Embed(request) | Self::Documents(request) | Self::Query(request) => {
                request.size()
            }
        }
    }
}

/// What was set aside for a call. Dropping it says that the call was not made.
struct Taken {
    turn: Turn,
    hold: Option<Hold>,
}

impl Taken {
    fn settle(self, record: &CallRecord, llm: &Llm) {
        if let Some(hold) = self.hold {
            hold.settle(record, llm);
        }
        self.turn.settle(record);
    }
}
