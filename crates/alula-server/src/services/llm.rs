//! The providers that the environment names.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alula_llm::{
    Anthropic, ApiKey, Cohere, Demo, Gemini, Llm, LlmBuilder, OpenAi,
    providers::ollama::{self, Found},
};

use super::metrics::LlmMetrics;
use crate::config::{Config, ConfigError, Located, Upstream, usual_prices, variable};

const DEMO_MODEL: &str = "demo/demo";

/// How long to look for a local Ollama.
const OLLAMA_TIMEOUT: Duration = Duration::from_millis(500);

/// A provider that is called with a key.
#[derive(Debug)]
pub(crate) struct Hosted {
    /// The beginning of its variables: `…_API_KEY` and `…_BASE_URL`.
    pub(crate) prefix: &'static str,
    /// Another name of the key.
    pub(crate) other_key: Option<&'static str>,
    /// Whether there is no address but the user's own.
    pub(crate) needs_url: bool,
    /// What is asked when nobody names a model; none where models are the user's own.
    model: Option<&'static str>,
    add: fn(LlmBuilder, ApiKey, Option<&str>) -> LlmBuilder,
}

/// How to add a provider, perhaps at another address.
macro_rules! adds {
    ($provider:expr) => {
        |llm, key, url| {
            let provider = $provider(key);
            llm.provider(match url {
                Some(url) => provider.base_url(url),
                None => provider,
            })
        }
    };
}

impl Hosted {
    const fn new(
        prefix: &'static str,
        model: &'static str,
        add: fn(LlmBuilder, ApiKey, Option<&str>) -> LlmBuilder,
    ) -> Self {
        Self { prefix, other_key: None, needs_url: false, model: Some(model), add }
    }
}

/// The providers with keys. The default model is that of the first there is.
pub(crate) const HOSTED: [Hosted; 12] = [
    Hosted::new("OPENAI", "openai/gpt-4o-mini", adds!(OpenAi::new)),
    Hosted::new("ANTHROPIC", "anthropic/claude-sonnet-4-5", adds!(Anthropic::new)),
    Hosted {
        // Google's own programs read either name of the key.
        other_key: Some("GOOGLE_API_KEY"),
        ..Hosted::new("GEMINI", "gemini/gemini-3.5-flash-lite", adds!(Gemini::new))
    },
    Hosted {
        // The address is the resource's: `https://NAME.openai.azure.com`.
        needs_url: true,
        model: None,
        ..Hosted::new("AZURE_OPENAI", "", |llm, key, url| {
            llm.provider(OpenAi::azure_v1(url.unwrap_or_default(), key))
        })
    },
    Hosted::new("MISTRAL", "mistral/mistral-small-latest", adds!(OpenAi::mistral)),
    Hosted {
        other_key: Some("CO_API_KEY"),
        ..Hosted::new("COHERE", "cohere/command-a-03-2025", adds!(Cohere::new))
    },
    Hosted::new("GROQ", "groq/llama-3.3-70b-versatile", adds!(OpenAi::groq)),
    Hosted::new("DEEPSEEK", "deepseek/deepseek-flash", adds!(OpenAi::deepseek)),
    Hosted::new("OPENROUTER", "openrouter/openai/gpt-4o-mini", adds!(OpenAi::openrouter)),
    Hosted::new("CEREBRAS", "cerebras/llama-3.3-70b", adds!(OpenAi::cerebras)),
    Hosted::new("XAI", "xai/grok-4", adds!(OpenAi::xai)),
    Hosted::new(
        "TOGETHER",
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        adds!(OpenAi::together),
    ),
];

/// What a process can call without a file, which stays the same as long as it runs.
#[derive(Debug)]
pub(crate) struct Environment {
    config: Arc<Config>,
    ollama: Option<Found>,
}

/// Where a provider comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// What it speaks, or whose it is.
    pub(crate) kind: String,
    /// Whether the file names it, or only the environment.
    pub(crate) is_of_file: bool,
    pub(crate) has_key: bool,
}

impl Environment {
    /// One without a local Ollama.
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self { config, ollama: None }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Looks for a local Ollama, beside what the configuration says.
    pub(crate) async fn find(config: Arc<Config>) -> Self {
        let host = config.ollama_host.as_ref().map(|host| host.expose().as_str());
        let found = ollama::find(host, OLLAMA_TIMEOUT).await;
        // The variable is meant for Ollama itself; the other providers work without.
        let ollama = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "Ollama is left out");
            None
        });
        Self { config, ollama }
    }

    /// Sets up every provider there is: those with a key, those of the file, a local Ollama, or
    /// else the demo. What is known of those that were there before stays known.
    pub(crate) fn connect(
        &self,
        file: Option<&Located>,
        before: Option<&Llm>,
    ) -> Result<Llm, ConfigError> {
        let config = &*self.config;
        let mut builder = Llm::builder()
            .deadlines(config.deadlines)
            .retry(config.retry)
            .breaker(config.breaker)
            .proxies(config.proxies.clone())
            .prices(usual_prices()?);
        if let Some(redis) = &config.redis {
            builder = builder.shared_state(redis.clone());
        }
        if let Some(before) = before {
            builder = builder.carry_over(before);
        }
        let mut default_model = None;
        for (hosted, upstream) in self.hosted() {
            let url = upstream.base_url.as_ref().map(|url| url.expose().as_str());
            builder = match (&upstream.key, url) {
                (Some(key), url) => (hosted.add)(builder, key.clone(), url),
                (None, url) => {
                    builder.provider(OpenAi::compatible("openai", url.unwrap_or_default()))
                }
            };
            default_model = default_model.or_else(|| hosted.model.map(str::to_owned));
        }
        if let Some(found) = &self.ollama {
            builder = builder.provider(found.provider.clone());
            if let Some(model) = found.models.first() {
                default_model.get_or_insert(format!("ollama/{model}"));
            }
        }
        if self.is_demo(file) {
            builder = builder.provider(Demo::new());
            default_model = Some(DEMO_MODEL.to_owned());
        }
        let mut named = None;
        if let Some(located) = file {
            builder = located.apply(builder, variable)?;
            named = located.file.default_model.clone();
        }
        let names = file.into_iter().flat_map(Located::model_names).cloned();
        builder = builder.on_call(LlmMetrics::listener(names.collect()));
        if config.has_collector {
            builder = builder.meter(&opentelemetry::global::meter("alula-llm"));
        }
        if let Some(model) = config.model.clone().or(named).or(default_model) {
            builder = builder.default_model(model);
        }
        Ok(builder.build()?)
    }

    /// Where each provider comes from, by its name.
    pub(crate) fn origins(&self, file: Option<&Located>) -> HashMap<String, Origin> {
        let origin =
            |kind: &str, is_of_file, has_key| Origin { kind: kind.to_owned(), is_of_file, has_key };
        let hosted = self.hosted().map(|(hosted, upstream)| {
            let name = hosted.prefix.to_ascii_lowercase();
            // Azure's variables are those of its own programs.
            let name = name.strip_suffix("_openai").unwrap_or(&name).to_owned();
            (name.clone(), origin(&name, false, upstream.key.is_some()))
        });
        let found =
            self.ollama.iter().map(|_| ("ollama".to_owned(), origin("ollama", false, false)));
        let demo = self.is_demo(file).then(|| ("demo".to_owned(), origin("demo", false, false)));
        let own = file.into_iter().flat_map(Located::providers);
        let own = own.map(|(name, kind, has_key)| (name.to_owned(), origin(kind, true, has_key)));
        hosted.chain(found).chain(demo).chain(own).collect()
    }

    /// The providers of the environment: those with a key, and a server that speaks OpenAI's
    /// protocol, which may need none.
    fn hosted(&self) -> impl Iterator<Item = (&'static Hosted, &Upstream)> {
        let hosted = self.config.hosted.iter().map(|(hosted, upstream)| (*hosted, upstream));
        hosted.filter(|(hosted, upstream)| {
            upstream.key.is_some() || hosted.prefix == "OPENAI" && upstream.base_url.is_some()
        })
    }

    /// Whether there is nobody else to answer.
    fn is_demo(&self, file: Option<&Located>) -> bool {
        self.hosted().next().is_none()
            && self.ollama.is_none()
            && !file.is_some_and(Located::has_providers)
    }
}

/// The demo alone.
pub(crate) fn demo() -> Result<Llm, alula_llm::Error> {
    Llm::builder().provider(Demo::new()).default_model(DEMO_MODEL).build()
}

#[cfg(test)]
mod tests {
    use alula_llm::Usage;

    use super::*;

    /// Whoever gives a key and no model can be told what a call costs.
    #[test]
    fn the_models_that_are_asked_by_default_have_a_price() {
        let (prices, usage) = (usual_prices().unwrap(), Usage::default());
        for model in HOSTED.iter().filter_map(|hosted| hosted.model).filter(|it| !it.is_empty()) {
            let (provider, model) = model.split_once('/').unwrap();
            // It says itself what it has charged.
            let is_told = provider == "openrouter";
            assert!(
                is_told || prices.cost(provider, model, &usage).is_some(),
                "{provider}/{model}"
            );
        }
    }
}
