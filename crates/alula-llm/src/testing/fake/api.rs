//! What a request asks for, by its address.

use serde_json::Value;

use crate::model::{EmbedProtocol, Encoding, Protocol};

/// A call that a fake provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Chat(Protocol),
    Embeddings(EmbedProtocol),
    CountTokens(Protocol),
}

/// Who made the format of a list of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    OpenAi,
    Anthropic,
    Gemini,
    Ollama,
}

/// A request, as far as an answer depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) api: Api,
    pub(super) model: String,
    pub(super) stream: bool,
    /// Whether a stream of OpenAI's tells its usage.
    pub(super) include_usage: bool,
    /// How embeddings are to be written.
    pub(super) encoding: Encoding,
    /// Whether the one embedding is written without a list around it.
    pub(super) single: bool,
}

impl Api {
    /// The format in which errors of this call are written.
    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Chat(protocol) | Self::CountTokens(protocol) => protocol,
            Self::Embeddings(EmbedProtocol::Gemini | EmbedProtocol::Vertex) => {
                Protocol::GeminiGenerate
            }
            Self::Embeddings(EmbedProtocol::Cohere) => Protocol::CohereChat,
            Self::Embeddings(EmbedProtocol::OpenAi) => Protocol::OpenAiChat,
        }
    }
}

impl Asked {
    /// Finds the call by the end of the path, whatever stands before it: servers that are
    /// compatible have their own beginnings. `None` if there is no such call.
    pub(super) fn of(path: &str, body: &Value) -> Option<Self> {
        let text = |name| body.get(name).and_then(Value::as_str);
        let flag = |pointer| body.pointer(pointer).and_then(Value::as_bool).unwrap_or_default();
        let asked = |api| Self {
            api,
            model: text("model").unwrap_or_default().to_owned(),
            stream: flag("/stream"),
            include_usage: flag("/stream_options/include_usage"),
            encoding: match text("encoding_format") {
                Some("base64") => Encoding::Base64,
                _ => Encoding::Float,
            },
            single: false,
        };
        let path = path.trim_end_matches('/');
        if let Some((before, method)) = path.rsplit_once(':')
            && let Some((_, model)) = before.rsplit_once('/')
        {
            let (api, stream) = gemini(method)?;
            let single = method == "embedContent";
            return Some(Self { model: model.to_owned(), stream, single, ..asked(api) });
        }
        api(path).map(asked)
    }
}

/// What an address stands for that names no method.
fn api(path: &str) -> Option<Api> {
    const PATHS: [(&str, Api); 8] = [
        ("/chat/completions", Api::Chat(Protocol::OpenAiChat)),
        ("/responses", Api::Chat(Protocol::OpenAiResponses)),
        ("/messages", Api::Chat(Protocol::AnthropicMessages)),
        ("/responses/input_tokens", Api::CountTokens(Protocol::OpenAiResponses)),
        ("/messages/count_tokens", Api::CountTokens(Protocol::AnthropicMessages)),
        ("/v2/chat", Api::Chat(Protocol::CohereChat)),
        ("/v2/embed", Api::Embeddings(EmbedProtocol::Cohere)),
        ("/embeddings", Api::Embeddings(EmbedProtocol::OpenAi)),
    ];
    PATHS.iter().find(|(end, _)| path.ends_with(end)).map(|(_, api)| *api)
}

impl Family {
    /// Whose list of models is at this path.
    pub(super) fn of(path: &str, anthropic: bool) -> Option<Self> {
        let path = path.trim_end_matches('/');
        if path.ends_with("/api/tags") {
            return Some(Self::Ollama);
        }
        let before = path.strip_suffix("/models")?;
        Some(match (anthropic, before.ends_with("beta")) {
            (true, _) => Self::Anthropic,
            (_, true) => Self::Gemini,
            _ => Self::OpenAi,
        })
    }
}

/// The method at the end of a path of Gemini's, and whether it streams.
fn gemini(method: &str) -> Option<(Api, bool)> {
    match method {
        "generateContent" => Some((Api::Chat(Protocol::GeminiGenerate), false)),
        "streamGenerateContent" => Some((Api::Chat(Protocol::GeminiGenerate), true)),
        "countTokens" => Some((Api::CountTokens(Protocol::GeminiGenerate), false)),
        "embedContent" | "batchEmbedContents" => {
            Some((Api::Embeddings(EmbedProtocol::Gemini), false))
        }
        "predict" => Some((Api::Embeddings(EmbedProtocol::Vertex), false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_known_by_their_addresses() {
        let body = json!({"model": "m", "stream": true});
        for (path, api) in [
            ("/v1/chat/completions", Api::Chat(Protocol::OpenAiChat)),
            ("/openai/deployments/d/chat/completions", Api::Chat(Protocol::OpenAiChat)),
            ("/v1/responses", Api::Chat(Protocol::OpenAiResponses)),
            ("/v1/messages", Api::Chat(Protocol::AnthropicMessages)),
            ("/v1/responses/input_tokens", Api::CountTokens(Protocol::OpenAiResponses)),
            ("/v1/messages/count_tokens", Api::CountTokens(Protocol::AnthropicMessages)),
            ("/v2/chat", Api::Chat(Protocol::CohereChat)),
            ("/v2/embed", Api::Embeddings(EmbedProtocol::Cohere)),
            ("/v1/embeddings", Api::Embeddings(EmbedProtocol::OpenAi)),
        ] {
            let asked = Asked::of(path, &body).unwrap();
            assert_eq!((asked.api, asked.model.as_str(), asked.stream), (api, "m", true), "{path}");
        }
        assert_eq!(Asked::of("/v1/chat", &body), None);
        for (path, anthropic, family) in [
            ("/v1/models", false, Some(Family::OpenAi)),
            ("/v1/models", true, Some(Family::Anthropic)),
            ("/v1beta/models", false, Some(Family::Gemini)),
            ("/api/tags", false, Some(Family::Ollama)),
            ("/v1/chat", false, None),
        ] {
            assert_eq!(Family::of(path, anthropic), family, "{path}");
        }
    }

    #[test]
    fn gemini_names_the_model_and_the_method_in_the_address() {
        let asked = |path| Asked::of(path, &json!({}));
        let call = asked("/v1beta/models/gemini-x:streamGenerateContent").unwrap();
        assert_eq!(call.api, Api::Chat(Protocol::GeminiGenerate));
        assert_eq!((call.model.as_str(), call.stream), ("gemini-x", true));
        assert_eq!(asked("/v1beta/models/gemini-x:nonsense"), None);
    }
}
