use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde_json::Value;

use crate::{
    ChatEvent, ChatResponse, Cost, EmbedResponse, ErrorKind, Prices, RelayResponse, StopReason,
    Terms, TokenCount, Usage, model::Extra, observe::Answered,
};

/// What became of one call, with all its attempts; see
/// [`LlmBuilder::on_call`](crate::LlmBuilder::on_call).
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// use alula_llm::{ChatRequest, Llm, testing::FakeProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().says("A feather.").usage(1_000, 100);
/// # let openai = fake.openai();
/// let spent = Arc::new(AtomicU64::new(0));
/// let bill = spent.clone();
/// let llm = Llm::builder()
///     .provider(openai)
///     .on_call(move |call| {
///         let picos = call.cost.map_or(0, |cost| cost.picos());
///         bill.fetch_add(picos, Ordering::Relaxed);
///     })
///     .build()?;
/// llm.chat(ChatRequest::new("gpt-4o-mini").user("What is an alula?")).await?;
/// assert_eq!(spent.load(Ordering::Relaxed), 210_000_000); // $0.00021
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallRecord {
    /// What was done, by OpenTelemetry's name for it: `chat` or `embeddings`; `count_tokens`, for
    /// which it has none.
    pub operation: &'static str,
    /// On whose behalf, see [`Llm::scoped`](crate::Llm::scoped).
    pub scope: Option<Arc<str>>,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// The model as the caller named it: a route, `provider/model`, or empty for the default one.
    pub asked: String,
    /// The provider that answered, or was asked last; `None` if nobody was.
    pub provider: Option<String>,
    /// The provider's own name of the model that it was asked for.
    pub model: Option<String>,
    /// The model that answered, in the provider's words.
    pub answered_by: Option<String>,
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// How often a provider was asked.
    pub attempts: u32,
    /// The targets, as `provider/model`, that were not asked because their breaker was open.
    pub passed_over: Vec<String>,
    /// How often it [turned the call away](crate::ErrorKind::is_refusal). Of other attempts it may
    /// charge for each.
    pub refusals: u32,
    /// Whether the answer was kept from an earlier call: it has used and cost nothing.
    pub is_cached: bool,
    /// What the call has used, as far as the provider has said: of an answer that broke off that
    /// may be less than it charges for.
    pub usage: Option<Usage>,
    /// What it cost; `None` if that is not known.
    pub cost: Option<Cost>,
    /// The service tier that answered, in the provider's words.
    pub service_tier: Option<String>,
    /// Why the answers ended, as far as that is known. Of an answer that was passed on in its own
    /// bytes it is not.
    pub stops: Vec<StopReason>,
    /// From the call to the first content of a stream.
    pub first_token: Option<Duration>,
    /// Between two pieces of a stream, on average.
    pub per_piece: Option<Duration>,
    /// From the call to its end: of a stream, to its last event.
    pub total: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a call ended.
///
/// ```
/// use std::sync::mpsc;
///
/// use alula_llm::{ChatRequest, Demo, Llm, Outcome};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let (told, outcomes) = mpsc::channel();
/// let llm = Llm::builder()
///     .provider(Demo::new())
///     .on_call(move |call| told.send(call.outcome.clone()).unwrap_or_default())
///     .build()?;
/// let stream = llm.stream(ChatRequest::new("demo").user("What is an alula?")).await?;
/// drop(stream); // after its first piece
/// assert_eq!(outcomes.try_recv(), Ok(Outcome::Abandoned));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// With a whole answer.
    Answered,
    /// With an error, before an answer or within one.
    Failed(ErrorKind),
    /// The caller left: it dropped the call before its answer, or the stream before its end.
    Abandoned,
}

impl CallRecord {
    pub(super) fn new(
        operation: &'static str,
        asked: &str,
        streamed: bool,
        scope: Option<Arc<str>>,
    ) -> Self {
        Self {
            operation,
            scope,
            streamed,
            asked: asked.to_owned(),
            provider: None,
            model: None,
            answered_by: None,
            id: None,
            attempts: 0,
            refusals: 0,
            passed_over: Vec::new(),
            is_cached: false,
            usage: None,
            cost: None,
            service_tier: None,
            stops: Vec::new(),
            first_token: None,
            per_piece: None,
            total: Duration::ZERO,
            outcome: Outcome::Abandoned,
        }
    }

    /// Notes what an event of a stream says of the call.
    pub(super) fn note(&mut self, event: &ChatEvent) {
        match event {
            ChatEvent::Start { id, model, extra, .. } => {
                self.note_names(id, model);
                self.note_tier(extra);
            }
            ChatEvent::Extra { choice: None, fields, .. } => self.note_tier(fields),
            ChatEvent::Usage(usage) => self.usage = Some(usage.clone()),
            ChatEvent::Stop { reason, .. } => self.stops.push(reason.clone()),
            _ => {}
        }
    }

    /// What the call cost, by the model that answered, or else by the one that was asked.
    pub(super) fn price(&self, prices: &Prices) -> Option<Cost> {
        let usage = self.usage.as_ref()?;
        let tier = self.service_tier.as_deref().or_else(|| usage.service_tier());
        let terms = Terms::now().tier(tier.unwrap_or_default());
        let (provider, model) = (self.provider.as_deref()?, self.model.as_deref());
        let mut models = [self.answered_by.as_deref(), model].into_iter().flatten();
        models.find_map(|model| prices.cost_on(terms, provider, model, usage))
    }

    fn note_names(&mut self, id: &str, model: &str) {
        let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.id = named(id).or(self.id.take());
        self.answered_by = named(model).or(self.answered_by.take());
    }

    fn note_tier(&mut self, fields: &Extra) {
        if let Some(tier) = fields.get("service_tier").and_then(Value::as_str) {
            self.service_tier = Some(tier.to_owned());
        }
    }

    /// The name of the error, as spans and metrics have it.
    pub(super) fn error_type(&self) -> Option<&'static str> {
        match &self.outcome {
            Outcome::Answered => None,
            Outcome::Failed(kind) => Some(kind.name()),
            Outcome::Abandoned => Some("client_disconnected"),
        }
    }
}

impl Answered for ChatResponse {
    fn note(&self, record: &mut CallRecord) {
        record.note_names(&self.id, &self.model);
        record.note_tier(&self.extra);
        record.usage.clone_from(&self.usage);
        record.stops = self.choices.iter().filter_map(|choice| choice.stop.clone()).collect();
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn chat(&self) -> Option<&ChatResponse> {
        Some(self)
    }
}

impl Answered for RelayResponse {
    fn note(&self, record: &mut CallRecord) {
        record.note_names(&self.id, &self.model);
        record.service_tier.clone_from(&self.service_tier);
        record.usage.clone_from(&self.usage);
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }
}

impl Answered for EmbedResponse {
    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn note(&self, record: &mut CallRecord) {
        record.note_names(self.id.as_deref().unwrap_or_default(), &self.model);
        record.usage.clone_from(&self.usage);
    }
}

/// Counting uses nothing.
impl Answered for TokenCount {
    fn usage(&self) -> Option<&Usage> {
        static NOTHING: LazyLock<Usage> = LazyLock::new(Usage::default);
        Some(&NOTHING)
    }

    fn note(&self, _: &mut CallRecord) {}
}
