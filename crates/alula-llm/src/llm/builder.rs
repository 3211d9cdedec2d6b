use std::{collections::HashMap, sync::Arc};

use super::{Connected, Inner, Llm, Route, healths::Healths, route::Target};
#[cfg(feature = "otel")]
use crate::observe::Instruments;
use crate::{
    BreakerPolicy, CachePolicy, CallRecord, Deadlines, Error, ErrorKind, Http, HttpLimits, Prices,
    Provider, Proxies, RateLimit, Result, RetryPolicy,
    cache::Cache,
    observe::{Observer, Server},
    resilience::{Gate, Sharing},
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
    providers: Vec<Box<dyn Provider>>,
    routes: Vec<(String, Route)>,
    rates: HashMap<String, RateLimit>,
    at_once: HashMap<String, usize>,
    default_model: Option<String>,
    deadlines: Deadlines,
    retry: RetryPolicy,
    breaker: BreakerPolicy,
    sharing: Option<Sharing>,
    cache: Option<CachePolicy>,
    limits: HttpLimits,
    proxies: Proxies,
    observer: Observer,
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

    /// Checks the set-up and shares one connection pool among the providers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no provider, two have the same name, one of them could
    /// never make a call, a limit is for a provider that is not there, a route has no targets, or
    /// the proxy's URL is none; [`ErrorKind::NotFound`] when a route or the default model leads to
    /// no provider.
    pub fn build(mut self) -> Result<Llm> {
        self.prepare()?;
        let Self { breaker, retry, deadlines, sharing, .. } = self;
        let shared = |what: &str, name: &str| Some(sharing.as_ref()?.of(&format!("{what}:{name}")));
        let connect = |provider: Box<dyn Provider>| {
            let name = provider.name();
            let (rate, at_once) = (self.rates.remove(name), self.at_once.remove(name));
            let gate = Gate::new(rate, at_once, shared("limit", name));
            let server = provider.base_url().and_then(Server::of);
            let healths = Healths::new(name, breaker, retry, sharing.clone());
            Connected { healths, gate, server, provider }
        };
        let providers = self.providers.into_iter().map(connect).collect();
        if let Some(name) = self.rates.keys().chain(self.at_once.keys()).next() {
            return Err(config(format!("there is a limit for {name:?}, which is no provider")));
        }
        let default_model = self.default_model.filter(|model| !model.is_empty());
        let routes = HashMap::new();
        let (sharing, cache) = (sharing.clone(), self.cache.map(|it| Arc::new(Cache::new(it))));
        let observer = Arc::new(self.observer);
        let mut inner =
            Inner { providers, routes, default_model, deadlines, retry, sharing, cache, observer };
        for (name, route) in self.routes {
            let targets = targets(&inner, &name, route)?;
            inner.routes.insert(name, targets);
        }
        if let Some(model) = &inner.default_model {
            inner.targets(model)?;
        }
        Ok(Llm { inner: Arc::new(inner), scope: None, listener: None })
    }

    /// Checks the providers, and gives them what they share.
    fn prepare(&mut self) -> Result<()> {
        let limits = HttpLimits { connect_timeout: self.deadlines.connect, ..self.limits };
        let http = Http::with_proxies(limits, &self.proxies)?;
        let mut names: Vec<String> = Vec::with_capacity(self.providers.len());
        for provider in &mut self.providers {
            let name = provider.name().to_owned();
            if name.is_empty() || name.contains('/') || names.contains(&name) {
                return Err(config(format!(
                    "a provider cannot be named {name:?}: names are unique, not empty and without \
                     a slash"
                )));
            }
            names.push(name);
            provider.prepare(&http)?;
        }
        match names.is_empty() {
            true => Err(config("no provider was added")),
            false => Ok(()),
        }
    }
}

/// Finds the providers of a route's models.
fn targets(inner: &Inner, name: &str, route: Route) -> Result<Vec<Target>> {
    if name.is_empty() || route.targets.is_empty() {
        return Err(config(format!("the route {name:?} needs a name and a target")));
    }
    let target = |(model, weight): (String, u32)| {
        let found = inner.target_of_route(&model).map_err(|error| {
            let message = format!("the route {name:?}: {}", error.message());
            Error::new(error.kind().clone(), message)
        })?;
        Ok(Target { weight, ..found })
    };
    route.targets.into_iter().map(target).collect()
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Anthropic, Demo, OpenAi};

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
        ] {
            assert_eq!(builder.build().unwrap_err().kind(), &ErrorKind::Config);
        }
        let two = Llm::builder().provider(Demo::new()).provider(Anthropic::new("k"));
        let error = two.default_model("gpt-4o").build().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NotFound);
    }
}
