//! How large a call may become: unlike an estimate, never less than it will be.

use serde_json::Value;

use crate::{
    CallSize, ChatRequest, EmbedRequest, Media, Message, Part, RelayRequest,
    model::{EmbedContent, FunctionTool, Protocol, ResponseFormat, Source, Tool},
};

/// What providers add to a prompt on their own: the words around tools and turns.
const OVERHEAD: u64 = 1_000;
/// The same for each message and each tool.
const EACH: u64 = 16;
/// How many searches a provider may make for one call that lets it search.
const SEARCHES: u64 = 10;

/// Fields that bring more into the prompt than they hold, such as the turns before.
const REFERENCES: [&str; 10] = [
    "cachedContent",
    "cached_content",
    "container",
    "context_management",
    "conversation",
    "mcp_servers",
    "plugins",
    "previous_response_id",
    "prompt",
    "web_search_options",
];

impl ChatRequest {
    /// How large the call may become.
    ///
    /// No tokenizer makes more tokens of a text than it has bytes. What the request only refers to
    /// (a document at an address, the turns before, tools that the provider runs) is taken for as
    /// much as the model reads.
    ///
    /// ```
    /// use alula_llm::ChatRequest;
    ///
    /// let size = ChatRequest::new("gpt-4o").user("What is an alula?").size();
    /// assert!(size.input.is_some_and(|tokens| tokens >= 17));
    /// assert_eq!(size.output, None);
    /// ```
    pub fn size(&self) -> CallSize {
        let mut size = Counter { input: Some(OVERHEAD), images: 0 };
        self.messages.iter().for_each(|message| size.message(message));
        self.tools.iter().for_each(|tool| size.tool(tool));
        if let Some(ResponseFormat::JsonSchema { schema, .. }) = &self.response_format {
            size.json(schema);
        }
        for (name, value) in &self.extra {
            match REFERENCES.contains(&name.as_str()) && !value.is_null() {
                true => size.input = None,
                false => size.json(value),
            }
        }
        let runs_tools = self.tools.iter().any(|tool| matches!(tool, Tool::Other(_)))
            || self.extra.contains_key("web_search_options");
        let tier = ["service_tier", "serviceTier", "speed"];
        let tier = tier.iter().find_map(|name| self.extra.get(*name)?.as_str());
        CallSize {
            input: size.input,
            images: size.images,
            output: self.max_tokens,
            answers: self.n.unwrap_or(1).max(1),
            searches: if runs_tools { SEARCHES } else { 0 },
            tier: tier.map(str::to_owned),
        }
    }
}

impl RelayRequest {
    /// How large the call may become, as [`ChatRequest::size`] says. What cannot be read is taken
    /// for as much as the model reads.
    ///
    /// ```
    /// use alula_llm::{RelayRequest, model::Protocol};
    ///
    /// let body = r#"{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "n": 2}"#;
    /// let size = RelayRequest::new(Protocol::OpenAiChat, body)?.size();
    /// assert_eq!((size.output, size.answers), (Some(9), 2));
    /// # Ok::<(), alula_llm::Error>(())
    /// ```
    pub fn size(&self) -> CallSize {
        let size = self.chat().map(ChatRequest::size).unwrap_or_default();
        // What is passed on is the body, in which nothing is missing.
        let output = match self.protocol() {
            Protocol::GeminiGenerate => size.output,
            _ => self.max_tokens(),
        };
        CallSize { output, answers: size.answers.max(self.answers()), ..size }
    }
}

impl EmbedRequest {
    /// How large the call may become.
    ///
    /// ```
    /// use alula_llm::EmbedRequest;
    ///
    /// let size = EmbedRequest::new("text-embedding-3-small").texts(["What is an alula?"]).size();
    /// assert_eq!((size.input, size.output), (Some(1_033), Some(0)));
    /// ```
    pub fn size(&self) -> CallSize {
        let mut size = Counter { input: Some(OVERHEAD), images: 0 };
        for input in &self.inputs {
            match &input.content {
                EmbedContent::Text(text) => size.text(text),
                EmbedContent::Tokens(tokens) => size.add(len(tokens.len())),
                EmbedContent::Parts(parts) => parts.iter().for_each(|part| size.part(part)),
                EmbedContent::Other(value) => size.json(value),
            }
            size.add(EACH);
        }
        let Counter { input, images } = size;
        CallSize { input, images, output: Some(0), ..CallSize::default() }
    }
}

/// What was counted so far.
struct Counter {
    /// `None` once something is in it of which nobody knows the length.
    input: Option<u64>,
    images: u64,
}

impl Counter {
    fn add(&mut self, tokens: u64) {
        self.input = self.input.map(|sum| sum.saturating_add(tokens));
    }

    fn text(&mut self, text: &str) {
        self.add(len(text.len()));
    }

    fn json(&mut self, value: &Value) {
        self.text(&value.to_string());
    }

    fn message(&mut self, message: &Message) {
        self.add(EACH);
        message.parts.iter().for_each(|part| self.part(part));
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text(it) => self.text(&it.text),
            Part::Image(image) => self.image(image),
            // A second of sound has fewer tokens than bytes, however it is compressed.
            Part::Audio(Media { source: Source::Base64(data), .. }) => self.text(data),
            Part::File(Media { source: Source::Text(text), .. }) => self.text(text),
            Part::ToolCall(call) => {
                self.add(EACH);
                self.text(&call.name);
                self.text(&call.arguments);
            }
            Part::ToolResult(result) => {
                self.add(EACH);
                result.parts.iter().for_each(|part| self.part(part));
            }
            Part::Reasoning(reasoning) => self.text(&reasoning.text),
            Part::RedactedReasoning(reasoning) => self.text(&reasoning.data),
            Part::Refusal(refusal) => self.text(&refusal.text),
            // A page is a few bytes in a file that is compressed.
            Part::Audio(_) | Part::File(_) | Part::Other(_) => self.input = None,
        }
    }

    fn image(&mut self, image: &Media) {
        match &image.source {
            Source::Base64(_) | Source::Url(_) => self.images += 1,
            _ => self.input = None,
        }
    }

    fn tool(&mut self, tool: &Tool) {
        match tool {
            Tool::Function(FunctionTool { name, description, parameters, .. }) => {
                self.add(EACH);
                self.text(name);
                description.iter().for_each(|text| self.text(text));
                parameters.iter().for_each(|schema| self.json(schema));
            }
            Tool::Other(_) => self.input = None,
        }
    }
}

fn len(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(body: &Value) -> Option<u64> {
        RelayRequest::new(Protocol::OpenAiChat, body.to_string()).unwrap().size().input
    }

    fn asked(content: &Value) -> Value {
        json!({"model": "m", "messages": [{"role": "user", "content": content}]})
    }

    #[test]
    fn a_text_has_no_more_tokens_than_bytes() {
        let empty = input(&asked(&json!(""))).unwrap();
        let text = "née 文字 \u{1f600}\n\"";
        assert_eq!(input(&asked(&json!(text))).unwrap() - empty, text.len() as u64);
    }

    #[test]
    fn pictures_are_counted_and_not_measured() {
        let data = format!("data:image/png;base64,{}", "A".repeat(100_000));
        let body = asked(&json!([{"type": "image_url", "image_url": {"url": data}}]));
        let size = RelayRequest::new(Protocol::OpenAiChat, body.to_string()).unwrap().size();
        assert_eq!(size.images, 1);
        assert!(size.input.unwrap() < 2_000, "{size:?}");
        // The same as text is text.
        assert!(input(&asked(&json!(data))).unwrap() > 100_000);
    }

    #[test]
    fn what_is_only_named_is_as_long_as_the_model_reads() {
        let file = json!([{"type": "file", "file": {"file_id": "f"}}]);
        assert_eq!(input(&asked(&file)), None);
        let mut searching = asked(&json!("Hi"));
        searching["web_search_options"] = json!({});
        assert_eq!(input(&searching), None);
        let body = json!({"model": "m", "input": "Hi", "previous_response_id": "r"}).to_string();
        let request = RelayRequest::new(Protocol::OpenAiResponses, body).unwrap();
        assert_eq!(request.size().input, None);
        let body = json!({"model": "m", "input": "Hi", "tools": [{"type": "web_search"}]});
        let request = RelayRequest::new(Protocol::OpenAiResponses, body.to_string()).unwrap();
        assert_eq!((request.size().input, request.size().searches), (None, SEARCHES));
        // What nobody here can read.
        assert_eq!(input(&json!({"model": "m", "messages": 5})), None);
    }

    #[test]
    fn a_name_of_another_protocol_limits_nothing() {
        use Protocol::{
            AnthropicMessages, CohereChat, GeminiGenerate, OpenAiChat, OpenAiResponses,
        };
        let names = ["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens"];
        for (protocol, own) in [
            (OpenAiChat, &names[..2]),
            (AnthropicMessages, &names[..1]),
            (OpenAiResponses, &names[2..3]),
            (CohereChat, &names[..1]),
            (GeminiGenerate, &[]),
        ] {
            for foreign in names.iter().filter(|name| !own.contains(name)) {
                let mut body = json!({"model": "m", "messages": [], "input": "Hi", "contents": []});
                body[foreign] = json!(1);
                let request = RelayRequest::new(protocol, body.to_string()).unwrap();
                assert_eq!(request.size().output, None, "{protocol}: {foreign}");
                assert!(request.tokens_to_take(None) > 1_000, "{protocol}: {foreign}");
            }
        }
        let body = json!({"contents": [], "generationConfig": {"maxOutputTokens": 7}});
        let request = RelayRequest::new(GeminiGenerate, body.to_string()).unwrap();
        assert_eq!(request.size().output, Some(7));
    }

    #[test]
    fn the_longest_answer_is_known_by_any_of_its_names() {
        for (protocol, name) in [
            (Protocol::OpenAiChat, "max_tokens"),
            (Protocol::OpenAiChat, "max_completion_tokens"),
            (Protocol::OpenAiResponses, "max_output_tokens"),
            (Protocol::AnthropicMessages, "max_tokens"),
        ] {
            let body = json!({"model": "m", name: 77, "messages": [], "input": "Hi"});
            let request = RelayRequest::new(protocol, body.to_string()).unwrap();
            assert_eq!(request.size().output, Some(77), "{name}");
        }
        let body = r#"{"messages": [], "max_tokens": 5, "max_completion_tokens": 9}"#;
        let request = RelayRequest::new(Protocol::OpenAiChat, body).unwrap();
        assert_eq!(request.size().output, Some(9));
    }
}
