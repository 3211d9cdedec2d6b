//! How many tokens a call may need, before it is made.

mod family;
mod media;
mod size;
mod text;
#[cfg(feature = "tiktoken")]
mod tokenizer;

use self::family::Family;
use crate::{
    ChatRequest, EmbedRequest, Message, Part, RelayRequest,
    model::{EmbedContent, EmbedInput, FunctionTool, ResponseFormat, Tool},
    resilience::Tokens,
};

/// What is set aside for an answer without a limit.
const ANSWER: u64 = 1_000;
/// What a call of a tool, and its result, cost beyond their texts.
const CALL: u64 = 5;

impl ChatRequest {
    /// About how many tokens the prompt has, with its tools and pictures.
    ///
    /// The truth is known after the call, see [`Usage`](crate::Usage). Text is read as words,
    /// numbers and signs, by script. With the feature `tiktoken` the first 32 KiB of a request to
    /// a model of OpenAI are counted by its tokenizer, and what follows by how that came out; its
    /// tables are read in the background when they are first needed (0.1 s), and until then the
    /// text is estimated. Neither takes more than some milliseconds, however long the text is.
    ///
    /// A picture counts by its size, if it is sent along as PNG, JPEG, GIF or WebP; one that the
    /// provider fetches counts as one of about a megapixel, and a document as a page.
    ///
    /// ```
    /// use alula_llm::ChatRequest;
    ///
    /// let request = ChatRequest::new("gpt-4o").user("What is an alula?");
    /// assert!((10..20).contains(&request.estimate_tokens()));
    /// ```
    pub fn estimate_tokens(&self) -> u64 {
        let mut counter = Counter::new(&self.model);
        let messages = self.messages.iter().map(|it| counter.message(it));
        let messages = messages.fold(0, u64::saturating_add);
        let tools = self.tools.iter().map(|it| counter.tool(it)).fold(0, u64::saturating_add);
        let format = match &self.response_format {
            Some(ResponseFormat::JsonSchema { schema, .. }) => counter.json(schema),
            _ => 0,
        };
        let overhead = counter.family.overhead(!self.tools.is_empty());
        [tools, format, overhead].into_iter().fold(messages, u64::saturating_add)
    }
}

/// About how many tokens a text has: its words, numbers and signs are counted, by script.
///
/// It never takes more than some hundred microseconds: of a text of more than 64 KiB only pieces
/// are looked at. A text has no more tokens than its pieces together.
///
/// ```
/// use alula_llm::estimate_tokens;
///
/// assert_eq!(estimate_tokens("What is an alula?"), 6);
/// ```
pub fn estimate_tokens(text: &str) -> u64 {
    text::tokens(text)
}

/// About how many tokens a call uses.
pub(crate) fn tokens(request: &ChatRequest) -> Tokens {
    let answer = request.max_tokens.unwrap_or(ANSWER).saturating_mul(request.n.unwrap_or(1));
    Tokens { prompt: request.estimate_tokens(), answer }
}

impl ChatRequest {
    /// About how many tokens to [take](crate::Quota::take) before the call: those of the prompt and
    /// of the longest answer. An answer that may be longer than a minute's worth does not matter.
    ///
    /// ```
    /// use alula_llm::ChatRequest;
    ///
    /// let request = ChatRequest::new("gpt-4o").user("Hi").max_tokens(500);
    /// assert!((500..520).contains(&request.tokens_to_take(None)));
    /// assert_eq!(request.tokens_to_take(Some(100)), 100);
    /// ```
    pub fn tokens_to_take(&self, minute: Option<u64>) -> u64 {
        tokens(self).within(minute)
    }
}

impl RelayRequest {
    /// About how many tokens to [take](crate::Quota::take) before the call, by its length alone: it
    /// is not read for that.
    ///
    /// ```
    /// use alula_llm::{RelayRequest, model::Protocol};
    ///
    /// let body = r#"{"model": "m", "messages": [], "max_tokens": 500}"#;
    /// let request = RelayRequest::new(Protocol::OpenAiChat, body)?;
    /// assert!((500..520).contains(&request.tokens_to_take(None)));
    /// # Ok::<(), alula_llm::Error>(())
    /// ```
    pub fn tokens_to_take(&self, minute: Option<u64>) -> u64 {
        let answer = self.max_tokens().unwrap_or(ANSWER).saturating_mul(self.answers());
        Tokens { prompt: rough(self.body()), answer }.within(minute)
    }
}

impl EmbedRequest {
    /// About how many tokens to [take](crate::Quota::take) before the call.
    ///
    /// ```
    /// use alula_llm::EmbedRequest;
    ///
    /// let request = EmbedRequest::new("text-embedding-3-small").texts(["What is an alula?"]);
    /// assert!((4..9).contains(&request.tokens_to_take(None)));
    /// ```
    pub fn tokens_to_take(&self, minute: Option<u64>) -> u64 {
        let prompt = self.inputs.iter().map(input).fold(0, u64::saturating_add);
        Tokens { prompt, answer: 0 }.within(minute)
    }
}

/// About how many tokens a body of JSON has. Long strings in base64 are pictures.
fn rough(body: &[u8]) -> u64 {
    const TEXT_MAX: usize = 4_096;
    const BYTES_PER_TOKEN: usize = 4;
    const PICTURE: usize = 1_000;
    if body.len() <= TEXT_MAX {
        return as_u64(body.len() / BYTES_PER_TOKEN);
    }
    let (mut tokens, mut text, mut start) = (0_usize, 0, 0);
    while let Some(rest) = body.get(start..).filter(|rest| !rest.is_empty()) {
        let near = rest.get(..=TEXT_MAX).unwrap_or(rest);
        // Up to the last quote, or to the end, there is no string that long.
        let quote = memchr::memrchr(b'"', near);
        if let Some(length) = quote.or((near.len() == rest.len()).then_some(near.len())) {
            text += length;
            start = start.saturating_add(length + 1);
            continue;
        }
        let length = memchr::memchr(b'"', rest).unwrap_or(rest.len());
        if rest.get(..length).is_some_and(is_base64) {
            tokens += PICTURE;
        } else {
            text += length;
        }
        start = start.saturating_add(length + 1);
    }
    as_u64(tokens.saturating_add(text / BYTES_PER_TOKEN))
}

/// Whether a string holds bytes in base64, perhaps as a `data:` URL. Prose of scripts without
/// spaces, and code without any, have other signs in them.
fn is_base64(string: &[u8]) -> bool {
    const HEAD_MAX: usize = 128;
    let data = match string.starts_with(b"data:") {
        true => string.iter().take(HEAD_MAX).position(|byte| *byte == b','),
        false => None,
    };
    let data = data.and_then(|comma| string.get(comma..)?.strip_prefix(b",")).unwrap_or(string);
    // `\/` is how some write a slash in JSON.
    let belongs = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\\')
    };
    data.iter().all(belongs)
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// About how many tokens there are to turn into a vector.
pub(crate) fn input(input: &EmbedInput) -> u64 {
    match &input.content {
        EmbedContent::Text(text) => text::tokens(text),
        EmbedContent::Tokens(tokens) => u64::try_from(tokens.len()).unwrap_or(u64::MAX),
        EmbedContent::Parts(parts) => {
            let mut counter = Counter::new("");
            parts.iter().map(|it| counter.part(it)).fold(0, u64::saturating_add)
        }
        EmbedContent::Other(value) => text::tokens(&value.to_string()),
    }
}

/// Counts the parts of one request.
struct Counter {
    family: Family,
    #[cfg(feature = "tiktoken")]
    exact: Option<tokenizer::Exact>,
}

impl Counter {
    fn new(model: &str) -> Self {
        let family = Family::of(model);
        Self {
            family,
            #[cfg(feature = "tiktoken")]
            exact: tokenizer::Exact::of(family),
        }
    }

    fn message(&mut self, message: &Message) -> u64 {
        let overhead = self.family.message();
        message.parts.iter().map(|it| self.part(it)).fold(overhead, u64::saturating_add)
    }

    fn part(&mut self, part: &Part) -> u64 {
        match part {
            Part::Text(it) => self.text(&it.text),
            Part::Image(image) => media::image(image, self.family),
            Part::Audio(audio) => media::audio(audio, self.family),
            Part::File(file) => match media::plain_text(file) {
                Some(text) => self.text(text),
                None => self.family.document(),
            },
            Part::ToolCall(call) => {
                let texts = [self.text(&call.name), self.text(&call.arguments)];
                texts.into_iter().fold(CALL, u64::saturating_add)
            }
            Part::ToolResult(result) => {
                let parts = result.parts.iter().map(|it| self.part(it));
                parts.fold(CALL, u64::saturating_add)
            }
            Part::Reasoning(reasoning) => self.text(&reasoning.text),
            Part::RedactedReasoning(reasoning) => self.text(&reasoning.data),
            Part::Refusal(refusal) => self.text(&refusal.text),
            Part::Other(value) => self.json(value),
        }
    }

    fn tool(&mut self, tool: &Tool) -> u64 {
        match tool {
            Tool::Function(FunctionTool { name, description, parameters, .. }) => {
                let description = description.as_deref().map_or(0, |it| self.text(it));
                let parameters = parameters.as_ref().map_or(0, |it| self.json(it));
                let parts = [self.text(name), description, parameters];
                parts.into_iter().fold(self.family.tool(), u64::saturating_add)
            }
            Tool::Other(value) => self.json(value),
        }
    }

    fn json(&mut self, value: &serde_json::Value) -> u64 {
        self.text(&value.to_string())
    }

    fn text(&mut self, text: &str) -> u64 {
        #[cfg(feature = "tiktoken")]
        if let Some(exact) = &mut self.exact {
            return exact.tokens(text);
        }
        text::tokens(text)
    }
}

#[cfg(test)]
mod tests;
