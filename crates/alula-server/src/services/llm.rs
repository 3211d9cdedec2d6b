//! The providers that the environment names.

use std::time::Duration;

use alula::Secret;
use alula_llm::{
    Anthropic, ApiKey, Cohere, Demo, Gemini, Llm, LlmBuilder, OpenAi, providers::ollama,
};

use super::metrics::LlmMetrics;
use crate::config::{Config, ConfigError, Located, variable};

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
        ..Hosted::new("GEMINI", "gemini/gemini-2.5-flash", adds!(Gemini::new))
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
    Hosted::new("DEEPSEEK", "deepseek/deepseek-chat", adds!(OpenAi::deepseek)),
    Hosted::new("OPENROUTER", "openrouter/openai/gpt-4o-mini", adds!(OpenAi::openrouter)),
    Hosted::new("CEREBRAS", "cerebras/llama-3.3-70b", adds!(OpenAi::cerebras)),
    Hosted::new("XAI", "xai/grok-4", adds!(OpenAi::xai)),
    Hosted::new(
        "TOGETHER",
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        adds!(OpenAi::together),
    ),
];

/// Sets up every provider there is: those with a key, those of the file, a local Ollama, or else
/// the demo.
pub(crate) async fn connect(config: &Config, file: Option<&Located>) -> Result<Llm, ConfigError> {
    let mut builder = Llm::builder()
        .deadlines(config.deadlines)
        .retry(config.retry)
        .breaker(config.breaker)
        .proxies(config.proxies.clone());
    let (mut default_model, mut is_demo) = (None, true);
    for (hosted, upstream) in &config.hosted {
        builder = match (&upstream.key, upstream.base_url.as_ref().map(Secret::expose)) {
            (Some(key), url) => (hosted.add)(builder, key.clone(), url.map(String::as_str)),
            // A server that speaks OpenAI's protocol may need no key.
            (None, Some(url)) if hosted.prefix == "OPENAI" => {
                builder.provider(OpenAi::compatible("openai", url))
            }
            _ => continue,
        };
        is_demo = false;
        default_model = default_model.or_else(|| hosted.model.map(str::to_owned));
    }
    match ollama::find(
        config.ollama_host.as_ref().map(|host| host.expose().as_str()),
        OLLAMA_TIMEOUT,
    )
    .await
    {
        Ok(Some(found)) => {
            is_demo = false;
            builder = builder.provider(found.provider);
            if let Some(model) = found.models.first() {
                default_model.get_or_insert(format!("ollama/{model}"));
            }
        }
        Ok(None) => {}
        // The variable is meant for Ollama itself; the other providers work without.
        Err(error) => tracing::warn!(%error, "Ollama is left out"),
    }
    if is_demo && !file.is_some_and(Located::has_providers) {
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

/// The demo alone.
pub(crate) fn demo() -> Result<Llm, alula_llm::Error> {
    Llm::builder().provider(Demo::new()).default_model(DEMO_MODEL).build()
}
