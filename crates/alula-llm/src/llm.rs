use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    ChatRequest, ChatResponse, ChatStream, Deadlines, Error, ErrorKind, Http, HttpLimits, Provider,
    Result,
};

/// All providers behind one handle, which is cheap to clone.
///
/// The model's name selects the provider, in this order: a prefix (`anthropic/claude-…`), the
/// provider that knows the name as its own (`claude-…`), the provider of the default model. An
/// empty name stands for the default model.
#[derive(Debug, Clone)]
pub struct Llm {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    providers: Vec<Box<dyn Provider>>,
    default_model: Option<String>,
    deadlines: Deadlines,
}

/// Sets up an [`Llm`].
#[derive(Debug, Default)]
pub struct LlmBuilder {
    providers: Vec<Box<dyn Provider>>,
    default_model: Option<String>,
    deadlines: Deadlines,
    limits: HttpLimits,
    proxy: Option<String>,
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
    /// [`ErrorKind::NotFound`] when no provider serves the model; else what the provider says.
    pub async fn chat(&self, mut request: ChatRequest) -> Result<ChatResponse> {
        let (provider, model) = self.route(&request.model)?;
        request.model = model;
        self.inner.deadlines.whole(provider.name(), provider.chat(&request)).await
    }

    /// Asks for a stream, and returns once the provider has begun to answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when no provider serves the model; else what the provider says.
    pub async fn stream(&self, mut request: ChatRequest) -> Result<ChatStream> {
        let (provider, model) = self.route(&request.model)?;
        request.model = model;
        self.inner.deadlines.stream(provider.name(), provider.stream(&request)).await
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
        let (provider, _) = self.route(model)?;
        fields.insert("model".to_owned(), model.into());
        fields.entry("messages").or_insert_with(|| Value::Array(Vec::new()));
        provider.protocol().request_from_json(fields.into())
    }

    /// The names of the providers, in the order they were added.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.inner.providers.iter().map(|provider| provider.name())
    }

    /// The model of requests that name none.
    pub fn default_model(&self) -> Option<&str> {
        self.inner.default_model.as_deref()
    }

    /// The provider for a model's name, and the name without the provider's prefix.
    fn route(&self, name: &str) -> Result<(&dyn Provider, String)> {
        let default = self.default_model().unwrap_or_default();
        let name = if name.is_empty() { default } else { name };
        let found = self
            .by_prefix(name)
            .or_else(|| Some((self.by_own_name(name)?, name)))
            .or_else(|| Some((self.by_prefix(default)?.0, name)))
            .or_else(|| Some((self.by_own_name(default)?, name)))
            .or_else(|| Some((self.only_provider()?, name)));
        match found {
            Some((_, "")) => {
                Err(not_found("no model is named, and there is no default".to_owned()))
            }
            Some((provider, model)) => Ok((provider, model.to_owned())),
            None => {
                let names: Vec<&str> = self.providers().collect();
                Err(not_found(format!(
                    "no provider serves the model {name:?}; write provider/model, where the \
                     provider is one of: {}",
                    names.join(", ")
                )))
            }
        }
    }

    fn by_prefix<'a>(&self, name: &'a str) -> Option<(&dyn Provider, &'a str)> {
        let (prefix, model) = name.split_once('/')?;
        let provider = self.inner.providers.iter().find(|it| it.name() == prefix)?;
        Some((&**provider, model))
    }

    fn by_own_name(&self, model: &str) -> Option<&dyn Provider> {
        self.inner.providers.iter().find(|it| it.serves(model)).map(|it| &**it)
    }

    fn only_provider(&self) -> Option<&dyn Provider> {
        match &*self.inner.providers {
            [provider] => Some(&**provider),
            _ => None,
        }
    }
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

    /// Connects through the proxy at this URL, except to this machine. `None` is the default:
    /// `HTTP_PROXY` and the like are not read.
    #[must_use]
    pub fn proxy(mut self, url: Option<&str>) -> Self {
        self.proxy = url.map(str::to_owned);
        self
    }

    /// Checks the set-up and shares one connection pool among the providers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no provider, two have the same name, one of them could
    /// never make a call, or the proxy's URL is none.
    pub fn build(mut self) -> Result<Llm> {
        let limits = HttpLimits { connect_timeout: self.deadlines.connect, ..self.limits };
        let http = match &self.proxy {
            Some(url) => Http::with_proxy(limits, url)?,
            None => Http::new(limits),
        };
        let mut names: Vec<String> = Vec::with_capacity(self.providers.len());
        for provider in &mut self.providers {
            let name = provider.name().to_owned();
            if name.is_empty() || name.contains('/') || names.contains(&name) {
                let message = format!(
                    "a provider cannot be named {name:?}: names are unique, not \
                                       empty and without a slash"
                );
                return Err(Error::new(ErrorKind::Config, message));
            }
            names.push(name);
            provider.prepare(&http)?;
        }
        if names.is_empty() {
            return Err(Error::new(ErrorKind::Config, "no provider was added"));
        }
        let Self { providers, default_model, deadlines, .. } = self;
        let default_model = default_model.filter(|model| !model.is_empty());
        let llm = Llm { inner: Arc::new(Inner { providers, default_model, deadlines }) };
        if let Some(model) = llm.default_model() {
            llm.route(model)?;
        }
        Ok(llm)
    }
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Anthropic, Demo, OpenAi};

    fn llm() -> Llm {
        let builder = Llm::builder()
            .provider(OpenAi::new("k"))
            .provider(Anthropic::new("k"))
            .provider(OpenAi::compatible("router", "http://localhost:1/v1"));
        builder.default_model("openai/gpt-4o").build().unwrap()
    }

    #[track_caller]
    fn check(name: &str, provider: &str, model: &str) {
        let llm = llm();
        let (found, rest) = llm.route(name).unwrap();
        assert_eq!((found.name(), &*rest), (provider, model), "{name}");
    }

    #[test]
    fn names_find_their_provider() {
        check("", "openai", "gpt-4o");
        check("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5");
        check("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5");
        check("router/meta-llama/llama-3", "router", "meta-llama/llama-3");
        check("meta-llama/llama-3", "openai", "meta-llama/llama-3");
        check("o3-mini", "openai", "o3-mini");
    }

    #[test]
    fn the_only_provider_gets_every_model() {
        let llm = Llm::builder().provider(OpenAi::compatible("vllm", "http://x")).build().unwrap();
        assert_eq!(llm.route("some/model").unwrap().1, "some/model");
        assert_eq!(llm.route("").err().unwrap().kind(), &ErrorKind::NotFound);
    }

    #[test]
    fn an_unknown_model_is_told_the_providers() {
        let builder = Llm::builder().provider(Demo::new()).provider(Anthropic::new("k"));
        let error = builder.build().unwrap().route("gpt-4o").err().unwrap();
        assert!(error.message().ends_with("one of: demo, anthropic"), "{error}");
    }

    #[test]
    fn a_set_up_that_cannot_work_is_refused() {
        for builder in [
            Llm::builder(),
            Llm::builder().provider(Demo::new()).provider(Demo::new()),
            Llm::builder().provider(OpenAi::new("k").name("a/b")),
            Llm::builder().provider(OpenAi::new("k").base_url("nonsense")),
            Llm::builder().provider(Demo::new()).proxy(Some("localhost:3128")),
        ] {
            assert_eq!(builder.build().unwrap_err().kind(), &ErrorKind::Config);
        }
        let two = Llm::builder().provider(Demo::new()).provider(Anthropic::new("k"));
        let error = two.default_model("gpt-4o").build().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NotFound);
    }
}
