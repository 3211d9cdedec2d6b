//! The servers that are known by name.

use super::{
    OpenAi,
    dialect::{
        AZURE, CEREBRAS, DEEPSEEK, Dialect, GROQ, LLAMA_CPP, LM_STUDIO, MISTRAL, OLLAMA,
        OPENROUTER, TOGETHER, VLLM, XAI,
    },
};
use crate::ApiKey;

/// Servers that speak chat completions in their own way: what they would refuse is renamed,
/// translated or left out, and what is left out is logged.
///
/// ```
/// use alula_llm::{ChatRequest, OpenAi};
///
/// # fn main() -> alula_llm::Result<()> {
/// let request = ChatRequest::new("mistral-small-latest").user("Hi").max_tokens(9);
/// let body = OpenAi::mistral("…").request_json(&request, true)?;
/// assert_eq!(body["max_tokens"], 9);
/// assert_eq!(body.get("stream_options"), None);
/// # Ok(())
/// # }
/// ```
impl OpenAi {
    /// Azure OpenAI by its deployments, under the name `azure`: `endpoint` is
    /// `https://RESOURCE.openai.azure.com`. The deployment decides the model, whatever a request
    /// calls it.
    ///
    /// With a token of Entra instead of a key, give an empty key and set the header
    /// `Authorization`.
    ///
    /// ```
    /// use alula_llm::OpenAi;
    ///
    /// let endpoint = "https://me.openai.azure.com";
    /// let azure = OpenAi::azure(endpoint, "my-gpt-4o", "2024-10-21", "…");
    /// ```
    pub fn azure(
        endpoint: impl AsRef<str>,
        deployment: impl AsRef<str>,
        api_version: impl AsRef<str>,
        key: impl Into<ApiKey>,
    ) -> Self {
        let (endpoint, deployment) = (endpoint.as_ref().trim_end_matches('/'), deployment.as_ref());
        let version = api_version.as_ref();
        let url = format!("{endpoint}/openai/deployments/{deployment}?api-version={version}");
        Self::speaking(&AZURE).base_url(url).key(key)
    }

    /// Azure OpenAI by its newer API, under the name `azure`: `endpoint` is
    /// `https://RESOURCE.openai.azure.com`, and a request's model is the name of a deployment.
    pub fn azure_v1(endpoint: impl AsRef<str>, key: impl Into<ApiKey>) -> Self {
        let url = format!("{}/openai/v1", endpoint.as_ref().trim_end_matches('/'));
        Self::speaking(&AZURE).base_url(url).key(key)
    }

    /// Groq, under the name `groq`.
    pub fn groq(key: impl Into<ApiKey>) -> Self {
        Self::speaking(&GROQ).key(key)
    }

    /// Mistral, under the name `mistral`.
    ///
    /// Ids of tool calls that others made are replaced by ones of nine letters, and between the
    /// result of a tool and the next words of the user the model says `OK`, since Mistral refuses
    /// them otherwise.
    pub fn mistral(key: impl Into<ApiKey>) -> Self {
        Self::speaking(&MISTRAL).key(key)
    }

    /// `DeepSeek`, under the name `deepseek`.
    pub fn deepseek(key: impl Into<ApiKey>) -> Self {
        Self::speaking(&DEEPSEEK).key(key)
    }

    /// `OpenRouter`, under the name `openrouter`.
    pub fn openrouter(key: impl Into<ApiKey>) -> Self {
        Self::speaking(&OPENROUTER).key(key)
    }

    /// Cerebras, under the name `cerebras`.
    pub fn cerebras(key: impl Into<ApiKey>) -> Self {
        Self::speaking(&CEREBRAS).key(key)
    }

    /// xAI, under the name `xai`.
    pub fn xai(key: impl Into<ApiKey>) -> Self {
        Self::speaking(&XAI).key(key)
    }

    /// Together, under the name `together`.
    pub fn together(key: impl Into<ApiKey>) -> Self {
        Self::speaking(&TOGETHER).key(key)
    }

    /// An Ollama on this machine, under the name `ollama`;
    /// [`ollama::find`](crate::providers::ollama::find) looks for one.
    pub fn ollama() -> Self {
        Self::speaking(&OLLAMA)
    }

    /// A vLLM on this machine, under the name `vllm`.
    pub fn vllm() -> Self {
        Self::speaking(&VLLM)
    }

    /// A server of llama.cpp on this machine, under the name `llama-cpp`.
    pub fn llama_cpp() -> Self {
        Self::speaking(&LLAMA_CPP)
    }

    /// An LM Studio on this machine, under the name `lm-studio`.
    pub fn lm_studio() -> Self {
        Self::speaking(&LM_STUDIO)
    }

    fn speaking(dialect: &'static Dialect) -> Self {
        Self { dialect, ..Self::compatible(dialect.name, dialect.base_url) }
    }
}
