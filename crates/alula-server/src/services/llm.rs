//! The providers that the environment names.

use std::time::Duration;

use alula_llm::{Anthropic, Demo, Llm, LlmBuilder, OpenAi, providers::ollama};

use crate::config::{Config, ConfigError};

/// The models that are asked when nobody names one.
const OPENAI_MODEL: &str = "openai/gpt-4o-mini";
const ANTHROPIC_MODEL: &str = "anthropic/claude-sonnet-4-5";
const DEMO_MODEL: &str = "demo/demo";

/// How long to look for a local Ollama.
const OLLAMA_TIMEOUT: Duration = Duration::from_millis(500);

/// Sets up every provider there is: those with a key, a local Ollama, or else the demo.
pub(crate) async fn connect(config: &Config) -> Result<Llm, ConfigError> {
    let mut builder = Llm::builder().deadlines(config.deadlines);
    let mut default_model = None;
    if let Some(key) = &config.openai.key {
        let mut provider = OpenAi::new(key.clone());
        if let Some(url) = &config.openai.base_url {
            provider = provider.base_url(url);
        }
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
    if let Some(found) = ollama::find(config.ollama_host.as_deref(), OLLAMA_TIMEOUT).await? {
        builder = builder.provider(found.provider);
        if let Some(model) = found.models.first() {
            default_model.get_or_insert(format!("ollama/{model}"));
        }
    }
    finish(builder, config.model.clone().or(default_model))
}

/// The demo alone.
pub(crate) fn demo() -> Result<Llm, alula_llm::Error> {
    Llm::builder().provider(Demo::new()).default_model(DEMO_MODEL).build()
}

fn finish(builder: LlmBuilder, default_model: Option<String>) -> Result<Llm, ConfigError> {
    match default_model {
        Some(model) => Ok(builder.default_model(model).build()?),
        None => Ok(demo()?),
    }
}
