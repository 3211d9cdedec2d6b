use std::{collections::HashMap, sync::Arc};

use super::{Llm, Route};
#[cfg(feature = "otel")]
use crate::observe::Instruments;
use crate::{
    BreakerPolicy, CachePolicy, CallRecord, Deadlines, HttpLimits, Prices, Provider, Proxies,
    RateLimit, RetryPolicy, observe::Observer, resilience::Sharing,
};

/// Sets up an [`Llm`].
///
/// ```
/// use std::time::Duration;
///
/// use alula_llm::{Deadlines, Llm, OpenAi, RateLimit, RetryPolicy};
///
/// # fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder()
///     .provider(OpenAi::new("sk-…"))
///     .default_model("openai/gpt-4o-mini")
///     .deadlines(Deadlines::default().total(Duration::from_secs(60)))
///     .retry(RetryPolicy::default().attempts(2))
///     .rate_limit("openai", RateLimit::default().requests(500))
///     .build()?;
/// assert_eq!(llm.default_model(), Some("openai/gpt-4o-mini"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct LlmBuilder {
    pub(super) providers: Vec<Box<dyn Provider>>,
    pub(super) routes: Vec<(String, Route)>,
    pub(super) rates: HashMap<String, RateLimit>,
    pub(super) at_once: HashMap<String, usize>,
    pub(super) default_model: Option<String>,
    pub(super) deadlines: Deadlines,
    pub(super) retry: RetryPolicy,
    pub(super) breaker: BreakerPolicy,
    pub(super) sharing: Option<Sharing>,
    pub(super) cache: Option<CachePolicy>,
    pub(super) limits: HttpLimits,
    pub(super) proxies: Proxies,
    pub(super) observer: Observer,
    pub(super) before: Option<Llm>,
}

impl LlmBuilder {
    /// Adds a provider.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider + 'static) -> Self {
        self.providers.push(Box::new(provider));
        self
    }

    /// Sets the model of requests that name none, best as `provider/model`.
    #[must_use]
    pub fn default_model(mut self, model: impl Into<String>) -> Self {
        self.default_model = Some(model.into());
        self
    }

    /// Sets the deadlines of every call.
    #[must_use]
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// Sets the largest answer that is not a stream, in bytes.
    #[must_use]
    pub fn response_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.response_bytes_max = bytes;
        self
    }

    /// Sets the largest event of a stream, in bytes.
    #[must_use]
    pub fn event_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.event_bytes_max = bytes;
        self
    }

    /// Sets the largest streamed answer, in bytes on the wire.
    #[must_use]
    pub fn stream_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.stream_bytes_max = bytes;
        self
    }

    /// Connects through proxies, except to this machine. `HTTP_PROXY` and the like are not read.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Gives a name to models that stand in for each other.
    ///
    /// ```
    /// use alula_llm::{Anthropic, Llm, OpenAi, Route};
    ///
    /// # fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder()
    ///     .provider(OpenAi::new("sk-…"))
    ///     .provider(Anthropic::new("sk-ant-…"))
    ///     .route("fast", Route::to("openai/gpt-4o-mini").fallback("anthropic/claude-haiku-4-5"))
    ///     .default_model("fast")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn route(mut self, name: impl Into<String>, route: Route) -> Self {
        self.routes.push((name.into(), route));
        self
    }

    /// Sets how failed calls are tried again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets when targets that fail are left alone. Each model of a provider is a target, whichever
    /// names lead to it.
    #[must_use]
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.breaker = policy;
        self
    }

    /// Holds calls to a provider to a rate.
    #[must_use]
    pub fn rate_limit(mut self, provider: impl Into<String>, limit: RateLimit) -> Self {
        self.rates.insert(provider.into(), limit);
        self
    }

    /// Sets how many calls to a provider may be on their way at once, streams until their end.
    /// Others wait, as long as [`RateLimit::wait_max`] says.
    #[must_use]
    pub fn concurrency(mut self, provider: impl Into<String>, calls: usize) -> Self {
        self.at_once.insert(provider.into(), calls);
        self
    }

    /// Gives the answers of before to requests that are the same. Without it every request goes to
    /// a provider.
    #[must_use]
    pub fn cache(mut self, policy: CachePolicy) -> Self {
        self.cache = Some(policy);
        self
    }

    /// Shares limits and the state of breakers with all processes that have the same Redis, prefix
    /// and names of providers.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn shared_state(mut self, redis: crate::Redis) -> Self {
        self.sharing = Some(redis.open());
        self
    }

    /// Goes on where another one stands, whose place this one takes: after its configuration was
    /// read again, say.
    ///
    /// Of each provider that is the same, by its name, address and protocol, the breakers stay as
    /// they are if their policy does. The calls that were made count in the limits it has now, and
    /// so do those that are still on their way, which end as they have begun. Connections stay open
    /// unless proxies or limits differ. The state that processes share is that of before, unless
    /// another one is set; kept answers and all other settings are not taken over.
    ///
    /// ```
    /// use alula_llm::{Demo, Llm, RateLimit};
    ///
    /// # fn main() -> alula_llm::Result<()> {
    /// let limited = |requests| {
    ///     let limit = RateLimit::default().requests(requests);
    ///     Llm::builder().provider(Demo::new()).rate_limit("demo", limit)
    /// };
    /// let llm = limited(100).build()?;
    /// // Whoever has used up the 100 gets no more than 20 further ones in the same minute.
    /// let llm = limited(120).carry_over(&llm).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn carry_over(mut self, before: &Llm) -> Self {
        self.before = Some(before.clone());
        self
    }

    /// Sets what calls cost, instead of [`Prices::builtin`].
    #[must_use]
    pub fn prices(mut self, prices: Prices) -> Self {
        self.observer.prices = prices;
        self
    }

    /// Tells a function of every call, once, when it is over: it was answered, it failed, its
    /// stream was read to the end or dropped before, or its caller left before an answer. A call
    /// to [`Llm`] is one, with all its attempts.
    ///
    /// The function is called where the call ends, so it should not take long. All functions that
    /// are added are called.
    ///
    /// ```
    /// use alula_llm::{ChatRequest, Demo, Llm};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder()
    ///     .provider(Demo::new())
    ///     .on_call(|call| {
    ///         let cost = call.cost.map_or("?".to_owned(), |cost| cost.total().to_string());
    ///         println!("{} {:?} {cost}", call.asked, call.outcome);
    ///     })
    ///     .build()?;
    /// llm.chat(ChatRequest::new("demo").user("What is an alula?")).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn on_call(mut self, told: impl Fn(&CallRecord) + Send + Sync + 'static) -> Self {
        self.observer.hooks.push(Arc::new(told));
        self
    }

    /// Records prompts and answers in the spans of calls, which else hold nothing that anybody
    /// wrote. Of a stream that is relayed only the prompt is recorded.
    #[must_use]
    pub fn record_content(mut self, records: bool) -> Self {
        self.observer.records_content = records;
        self
    }

    /// Measures calls, such as by `opentelemetry::global::meter("alula-llm")`.
    #[cfg(feature = "otel")]
    #[must_use]
    pub fn meter(mut self, meter: &opentelemetry::metrics::Meter) -> Self {
        self.observer.instruments = Some(Instruments::new(meter));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Anthropic, Demo, ErrorKind, OpenAi};

    #[test]
    fn no_password_of_a_proxy_is_shown() {
        let proxies = Proxies::default().https("http://u:canary@a").all("http://u:canary@b");
        let builder = Llm::builder().provider(Demo::new()).proxies(proxies);
        let shown = format!("{builder:?}");
        assert!(shown.contains("http://a") && shown.contains("http://b"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_set_up_that_cannot_work_is_refused() {
        for builder in [
            Llm::builder(),
            Llm::builder().provider(Demo::new()).provider(Demo::new()),
            Llm::builder().provider(OpenAi::new("k").name("a/b")),
            Llm::builder().provider(OpenAi::new("k").base_url("nonsense")),
            Llm::builder().provider(Demo::new()).proxies(Proxies::default().all("localhost:3128")),
            Llm::builder().provider(Demo::new()).concurrency("nobody", 1),
            Llm::builder().provider(Demo::new()).route("a", Route::default()),
            Llm::builder()
                .provider(Demo::new())
                .route("a", Route::to("demo/a").concurrency("demo/b", 1)),
        ] {
            assert_eq!(builder.build().unwrap_err().kind(), &ErrorKind::Config);
        }
        let two = Llm::builder().provider(Demo::new()).provider(Anthropic::new("k"));
        let error = two.default_model("gpt-4o").build().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NotFound);
    }
}
