use serde_json::Value;

use super::{
    ChatRequest, Extra, Protocol,
    fields::{Fields, object},
};
use crate::{
    Error, ErrorKind, Result,
    providers::{anthropic, gemini, openai_responses, unsupported},
};

/// How many tokens a request has, before it is made.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, testing::FakeProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let fake = FakeProvider::start().await;
/// # fake.turn().counts(12);
/// # let llm = Llm::builder().provider(fake.anthropic()).build()?;
/// let request = ChatRequest::new("claude-sonnet-4-5").user("What is an alula?");
/// let count = llm.count_tokens(request).await?;
/// assert_eq!((count.tokens, count.exact), (12, true));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TokenCount {
    /// The tokens of the prompt, tools included.
    pub tokens: u64,
    /// Whether the provider counted them; else they are
    /// [estimated](ChatRequest::estimate_tokens).
    pub exact: bool,
    /// Whose wire format the extra fields follow; `None` for any.
    pub origin: Option<Protocol>,
    /// Other fields.
    pub extra: Extra,
}

/// What OpenAI calls a count.
const OBJECT: &str = "response.input_tokens";

impl TokenCount {
    /// A count by the provider.
    pub fn exact(tokens: u64) -> Self {
        Self { tokens, exact: true, ..Self::default() }
    }

    /// An estimate.
    pub fn estimate(tokens: u64) -> Self {
        Self { tokens, ..Self::default() }
    }
}

/// Counting the tokens of a request: Anthropic's `/v1/messages/count_tokens`, Gemini's
/// `countTokens` and OpenAI's `/v1/responses/input_tokens`. The other formats have no such call.
impl Protocol {
    /// Reads a request to count tokens.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the body is no such
    /// request, [`ErrorKind::Unsupported`] when the format has none.
    pub fn count_request_from_json(self, body: Value) -> Result<ChatRequest> {
        match self {
            Self::AnthropicMessages => anthropic::request_from_json(body),
            Self::OpenAiResponses => openai_responses::request_from_json(body),
            Self::GeminiGenerate => gemini::count_request_from_json(body),
            Self::OpenAiChat | Self::CohereChat => Err(self.counts_nothing()),
        }
    }

    /// Writes a request to count tokens, with everything that the request holds; what a count does
    /// not take is left out by the providers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the format cannot say
    /// what the request asks for, [`ErrorKind::Unsupported`] when it
    /// counts no tokens.
    pub fn count_request_to_json(self, request: &ChatRequest) -> Result<Value> {
        match self {
            Self::AnthropicMessages => anthropic::request_to_json(request, false),
            Self::OpenAiResponses => openai_responses::request_to_json(request, false),
            Self::GeminiGenerate => gemini::count_request_to_json(request),
            Self::OpenAiChat | Self::CohereChat => Err(self.counts_nothing()),
        }
    }

    /// Reads a count.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] when the body is none,
    /// [`ErrorKind::Unsupported`] when the format has none.
    pub fn count_from_json(self, body: Value) -> Result<TokenCount> {
        let name = self.count_name()?;
        let none = || Error::new(ErrorKind::Decode, format!("the answer has no {name}"));
        let Value::Object(mut extra) = body else { return Err(none()) };
        let tokens = extra.take_u64(name).ok_or_else(none)?;
        // What every count has says nothing of this one.
        if self == Self::OpenAiResponses && extra.get("object") == Some(&OBJECT.into()) {
            extra.shift_remove("object");
        }
        Ok(TokenCount { tokens, exact: true, origin: Some(self), extra })
    }

    /// Writes a count.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] when the format has none.
    pub fn count_to_json(self, count: &TokenCount) -> Result<Value> {
        let mut body = object([(self.count_name()?, count.tokens.into())]);
        if self.accepts(count.origin) {
            body.fill(&count.extra);
        }
        if self == Self::OpenAiResponses {
            body.fill(&object([("object", OBJECT.into())]));
        }
        Ok(Value::Object(body))
    }

    /// What a count is called.
    fn count_name(self) -> Result<&'static str> {
        match self {
            Self::AnthropicMessages | Self::OpenAiResponses => Ok("input_tokens"),
            Self::GeminiGenerate => Ok("totalTokens"),
            Self::OpenAiChat | Self::CohereChat => Err(self.counts_nothing()),
        }
    }

    fn counts_nothing(self) -> Error {
        unsupported(format!("{self} counts no tokens"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_lose_nothing_and_change_their_words() {
        let gemini = json!({"totalTokens": 5,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}]});
        let openai = json!({"object": "response.input_tokens", "input_tokens": 5});
        let anthropic = json!({"input_tokens": 5, "context_management": {"original": 9}});
        for (protocol, body) in [
            (Protocol::GeminiGenerate, &gemini),
            (Protocol::OpenAiResponses, &openai),
            (Protocol::AnthropicMessages, &anthropic),
        ] {
            let count = protocol.count_from_json(body.clone()).unwrap();
            assert_eq!((count.tokens, count.exact), (5, true));
            assert_eq!(&protocol.count_to_json(&count).unwrap(), body);
        }
        // What is written is what is read.
        for odd in [json!({"input_tokens": 7}), json!({"input_tokens": 7, "object": "x"})] {
            let count = Protocol::OpenAiResponses.count_from_json(odd).unwrap();
            let written = Protocol::OpenAiResponses.count_to_json(&count).unwrap();
            assert_eq!(Protocol::OpenAiResponses.count_from_json(written).unwrap(), count);
        }
        let count = Protocol::GeminiGenerate.count_from_json(gemini).unwrap();
        assert_eq!(Protocol::OpenAiResponses.count_to_json(&count).unwrap(), openai);
        let written = Protocol::AnthropicMessages.count_to_json(&count).unwrap();
        assert_eq!(written, json!({"input_tokens": 5}));
        let error = Protocol::AnthropicMessages.count_from_json(json!({})).unwrap_err();
        assert_eq!(error.message(), "the answer has no input_tokens");
        let error = Protocol::CohereChat.count_from_json(json!({})).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unsupported);
    }
}
