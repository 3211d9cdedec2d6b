//! How large a call may become: unlike an estimate, never less than it will be.

use serde_json::Value;

use crate::{
    CallSize, ChatRequest, EmbedRequest, Message, Part, RelayRequest, Role,
    model::{
        EmbedContent, Extra, FunctionTool, Protocol, RedactedReasoning, Refusal, ResponseFormat,
        Source, Tool,
    },
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
        self.size_with(&self.prompt())
    }

    /// Counts the prompt.
    fn prompt(&self) -> Counter {
        let mut prompt = Counter::new();
        self.messages.iter().for_each(|message| prompt.message(message));
        self.tools.iter().for_each(|tool| prompt.tool(tool));
        match &self.response_format {
            Some(ResponseFormat::JsonSchema { name, schema, extra, .. }) => {
                name.iter().for_each(|name| prompt.text(name));
                prompt.json(schema);
                prompt.extra(extra);
            }
            Some(ResponseFormat::Other(format)) => prompt.json(format),
            Some(ResponseFormat::Text | ResponseFormat::JsonObject) | None => {}
        }
        let refers = |name: &str| REFERENCES.contains(&name);
        if self.extra.iter().any(|(name, value)| refers(name) && !value.is_null()) {
            prompt.text = None;
        }
        prompt.extra(&self.extra);
        prompt
    }

    fn size_with(&self, prompt: &Counter) -> CallSize {
        let runs_tools = self.tools.iter().any(|tool| matches!(tool, Tool::Other(_)))
            || self.extra.contains_key("web_search_options");
        let tier = ["service_tier", "serviceTier", "speed"];
        let tier = tier.iter().find_map(|name| self.extra.get(*name)?.as_str());
        CallSize {
            input: prompt.input(),
            images: prompt.images,
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
        self.size_of_text().unwrap_or_else(|| self.size_when_read())
    }

    /// The same of a request that is all text, which nobody need read for that.
    fn size_of_text(&self) -> Option<CallSize> {
        let overhead = OVERHEAD.saturating_add(EACH.saturating_mul(self.text_pieces()?));
        Some(CallSize {
            input: Some(len(self.body().len()).saturating_add(overhead)),
            output: self.max_tokens(),
            answers: self.answers(),
            ..CallSize::default()
        })
    }

    fn size_when_read(&self) -> CallSize {
        // What is passed on is the body, in which nothing is missing.
        let size = self.chat().map(|chat| {
            let mut prompt = chat.prompt();
            let body = len(self.body().len()).saturating_sub(prompt.pictures);
            prompt.text = prompt.text.map(|text| text.max(body));
            chat.size_with(&prompt)
        });
        let size = size.unwrap_or_default();
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
        let mut prompt = Counter::new();
        for input in &self.inputs {
            match &input.content {
                EmbedContent::Text(text) => prompt.text(text),
                EmbedContent::Tokens(tokens) => prompt.add(len(tokens.len())),
                EmbedContent::Parts(parts) => parts.iter().for_each(|part| prompt.part(part)),
                EmbedContent::Other(value) => prompt.json(value),
            }
            prompt.extra(&input.extra);
            prompt.overhead += EACH;
        }
        prompt.extra(&self.extra);
        let (input, images) = (prompt.input(), prompt.images);
        CallSize { input, images, output: Some(0), ..CallSize::default() }
    }
}

/// What was counted so far.
struct Counter {
    /// The bytes of all texts; `None` once something is among them of which nobody knows the
    /// length.
    text: Option<u64>,
    /// What providers add, in tokens.
    overhead: u64,
    images: u64,
    /// The bytes of the pictures that are sent along, in base64.
    pictures: u64,
}

impl Counter {
    fn new() -> Self {
        Self { text: Some(0), overhead: OVERHEAD, images: 0, pictures: 0 }
    }

    /// The most tokens, but for pictures.
    fn input(&self) -> Option<u64> {
        Some(self.text?.saturating_add(self.overhead))
    }

    fn add(&mut self, bytes: u64) {
        self.text = self.text.map(|sum| sum.saturating_add(bytes));
    }

    fn text(&mut self, text: &str) {
        self.add(len(text.len()));
    }

    fn json(&mut self, value: &Value) {
        self.text(&value.to_string());
    }

    fn extra(&mut self, extra: &Extra) {
        for (name, value) in extra {
            self.text(name);
            self.json(value);
        }
    }

    fn message(&mut self, message: &Message) {
        self.overhead += EACH;
        if let Role::Other(role) = &message.role {
            self.text(role);
        }
        message.parts.iter().for_each(|part| self.part(part));
        // What the model said before, of which only the id is here.
        if message.extra.get("audio").is_some_and(|audio| !audio.is_null()) {
            self.text = None;
        }
        self.extra(&message.extra);
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text(it) => {
                self.text(&it.text);
                it.citations.iter().for_each(|citation| self.json(&citation.0));
                self.extra(&it.extra);
            }
            Part::Image(media) | Part::Audio(media) | Part::File(media) => {
                match (part, &media.source) {
                    (Part::Image(_), Source::Base64(data)) => {
                        self.images += 1;
                        self.pictures = self.pictures.saturating_add(len(data.len()));
                    }
                    (Part::Image(_), Source::Url(_)) => self.images += 1,
                    // A second of sound has fewer tokens than bytes, however it is compressed.
                    (Part::Audio(_), Source::Base64(text))
                    | (Part::File(_), Source::Text(text)) => self.text(text),
                    // A page is a few bytes in a file that is compressed.
                    _ => self.text = None,
                }
                media.name.iter().for_each(|name| self.text(name));
                self.extra(&media.extra);
            }
            Part::ToolCall(call) => {
                self.overhead += EACH;
                for text in [&call.id, &call.name, &call.arguments] {
                    self.text(text);
                }
                self.extra(&call.extra);
            }
            Part::ToolResult(result) => {
                self.overhead += EACH;
                self.text(&result.id);
                result.parts.iter().for_each(|part| self.part(part));
                self.extra(&result.extra);
            }
            Part::Reasoning(reasoning) => {
                self.text(&reasoning.text);
                reasoning.signature.iter().for_each(|signature| self.text(signature));
                self.extra(&reasoning.extra);
            }
            Part::RedactedReasoning(RedactedReasoning { data: text, extra })
            | Part::Refusal(Refusal { text, extra }) => {
                self.text(text);
                self.extra(extra);
            }
            Part::Other(_) => self.text = None,
        }
    }

    fn tool(&mut self, tool: &Tool) {
        match tool {
            Tool::Function(FunctionTool { name, description, parameters, extra, .. }) => {
                self.overhead += EACH;
                self.text(name);
                description.iter().for_each(|text| self.text(text));
                parameters.iter().for_each(|schema| self.json(schema));
                self.extra(extra);
            }
            Tool::Other(_) => self.text = None,
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
        let text = "née 文字 \u{1f600}\n\"";
        let of_chat = |text: &str| ChatRequest::new("m").user(text).size().input.unwrap();
        assert_eq!(of_chat(text) - of_chat(""), text.len() as u64);
        let body = asked(&json!(text));
        assert!(input(&body).unwrap() <= OVERHEAD + EACH + body.to_string().len() as u64);
    }

    /// A long text anywhere in a request is counted, whether anything here reads it or not.
    #[test]
    fn nothing_that_is_sent_is_left_out() {
        let long = "x".repeat(5_000);
        let call =
            json!({"id": long, "type": "function", "function": {"name": "f", "arguments": ""}});
        let chat = |message: Value| json!({"model": "m", "messages": [message]});
        let format = json!({"type": "grammar", "grammar": long});
        let thought = json!({"type": "thinking", "thinking": "", "signature": long});
        let text = json!({"type": "text", "text": "", "new": long});
        for (protocol, body) in [
            (Protocol::OpenAiChat, chat(json!({"role": "user", "content": "", "new": long}))),
            (Protocol::OpenAiChat, chat(json!({"role": long, "content": ""}))),
            (Protocol::OpenAiChat, chat(json!({"role": "assistant", "tool_calls": [call]}))),
            (Protocol::OpenAiChat, chat(json!({"role": "assistant", "tool_calls": [{"x": long}]}))),
            (
                Protocol::OpenAiChat,
                chat(json!({"role": "tool", "tool_call_id": long, "content": ""})),
            ),
            (Protocol::OpenAiChat, chat(json!({"role": "user", "content": [text]}))),
            (
                Protocol::OpenAiChat,
                json!({"model": "m", "messages": [], "response_format": format}),
            ),
            (Protocol::AnthropicMessages, chat(json!({"role": "assistant", "content": [thought]}))),
        ] {
            let request = RelayRequest::new(protocol, body.to_string()).unwrap();
            let place = body.to_string().replace(&long, "…");
            assert!(request.size().input.is_none_or(|input| input > 6_000), "{place}");
            let size = request.chat().unwrap().size();
            assert!(size.input.is_none_or(|input| input > 6_000), "{place}");
        }
        // What was said before is only named.
        let said = chat(json!({"role": "assistant", "audio": {"id": "a"}}));
        assert_eq!(input(&said), None);
    }

    #[test]
    fn a_text_is_as_large_unread_as_read() {
        let call =
            json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"a": 1.5}}});
        let used = json!({"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}});
        let result = json!({"type": "tool_result", "tool_use_id": "1", "content": "2"});
        let turn = |role: &str, content: Value| json!({"role": role, "content": content});
        let answer = json!({"role": "tool", "tool_call_id": "1", "content": "2"});
        for (protocol, body) in [
            (Protocol::OpenAiChat, asked(&json!("é\n\"Hi\" "))),
            (
                Protocol::OpenAiChat,
                json!({
                    "model": "m",
                    "n": 2,
                    "max_completion_tokens": 9,
                    "stop": ["a"],
                    "tools": [tool],
                    "messages": [
                        turn("system", json!([{"type": "text", "text": "s"}])),
                        {"role": "assistant", "content": null, "tool_calls": [call]},
                        answer,
                    ],
                }),
            ),
            (
                Protocol::AnthropicMessages,
                json!({
                    "model": "m",
                    "max_tokens": 9,
                    "system": "s",
                    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
                    "messages": [
                        turn("user", json!("Hi")),
                        turn("assistant", json!([used])),
                        turn("user", json!([result])),
                    ],
                }),
            ),
        ] {
            let request = RelayRequest::new(protocol, body.to_string()).unwrap();
            assert_eq!(request.size_of_text(), Some(request.size_when_read()), "{body}");
        }
        let searching = json!({"model": "m", "messages": [], "web_search_options": {}});
        let request = RelayRequest::new(Protocol::OpenAiChat, searching.to_string()).unwrap();
        assert_eq!(request.size_of_text(), None);
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
