//! The providers that the environment names.

use std::time::Duration;

use alula_llm::{Anthropic, Demo, Gemini, Llm, OpenAi, providers::ollama};

use crate::config::{Config, ConfigError, Upstream};

/// The models that are asked when nobody names one.
const OPENAI_MODEL: &str = "openai/gpt-4o-mini";
const ANTHROPIC_MODEL: &str = "anthropic/claude-sonnet-4-5";
const GEMINI_MODEL: &str = "gemini/gemini-2.5-flash";
const DEMO_MODEL: &str = "demo/demo";

/// How long to look for a local Ollama.
const OLLAMA_TIMEOUT: Duration = Duration::from_millis(500);

/// Sets up every provider there is: those with a key, a local Ollama, or else the demo.
pub(crate) async fn connect(config: &Config) -> Result<Llm, ConfigError> {
    let mut builder = Llm::builder()
        .deadlines(config.deadlines)
        .retry(config.retry)
        .breaker(config.breaker)
        .proxy(config.proxy.as_ref().map(|url| url.expose().as_str()));
    let mut default_model = None;
    if let Some(provider) = openai(&config.openai) {
        builder = builder.provider(provider);
        default_model.get_or_insert(OPENAI_MODEL.to_owned());
    }
    if let Some(key) = &config.anthropic.key {
        let mut provider = Anthropic::new(key.clone());
        if let Some(url) = &config.anthropic.base_url {
            provider = provider.base_url(url);
        }
        builder = builder.provider(provider);
        default_model.get_or_insert(ANTHROPIC_MODEL.to_owned());
    }
    if let Some(key) = &config.gemini.key {
        let mut provider = Gemini::new(key.clone());
        if let Some(url) = &config.gemini.base_url {
            provider = provider.base_url(url);
        }
        builder = builder.provider(provider);
        default_model.get_or_insert(GEMINI_MODEL.to_owned());
    }
    match ollama::find(config.ollama_host.as_deref(), OLLAMA_TIMEOUT).await {
        Ok(Some(found)) => {
            builder = builder.provider(found.provider);
            if let Some(model) = found.models.first() {
                default_model.get_or_insert(format!("ollama/{model}"));
            }
        }
        Ok(None) => {}
        // The variable is meant for Ollama itself; the other providers work without.
        Err(error) => tracing::warn!(%error, "Ollama is left out"),
    }
    let default_model = default_model.unwrap_or_else(|| {
        builder = std::mem::take(&mut builder).provider(Demo::new());
        DEMO_MODEL.to_owned()
    });
    Ok(builder.default_model(config.model.clone().unwrap_or(default_model)).build()?)
}

/// OpenAI with a key, or a server that speaks its protocol and may need none.
fn openai(upstream: &Upstream) -> Option<OpenAi> {
    match (&upstream.key, &upstream.base_url) {
        (Some(key), None) => Some(OpenAi::new(key.clone())),
        (Some(key), Some(url)) => Some(OpenAi::new(key.clone()).base_url(url)),
        (None, Some(url)) => Some(OpenAi::compatible("openai", url)),
        (None, None) => None,
    }
}

/// The demo alone.
pub(crate) fn demo() -> Result<Llm, alula_llm::Error> {
    Llm::builder().provider(Demo::new()).default_model(DEMO_MODEL).build()
}
