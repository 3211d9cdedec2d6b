//! Whether a prompt is all text, seen while a request is gone through.

use super::json::Cursor;
use crate::model::Protocol;

/// Fields of a request that bring nothing into the prompt but what they hold.
const HARMLESS: [&[u8]; 20] = [
    b"frequency_penalty",
    b"logit_bias",
    b"logprobs",
    b"metadata",
    b"parallel_tool_calls",
    b"presence_penalty",
    b"reasoning_effort",
    b"response_format",
    b"safety_identifier",
    b"seed",
    b"stop",
    b"stop_sequences",
    b"store",
    b"temperature",
    b"thinking",
    b"tool_choice",
    b"top_k",
    b"top_logprobs",
    b"top_p",
    b"user",
];

/// What is known of a prompt so far.
#[derive(Debug)]
pub(super) struct Prompt {
    protocol: Protocol,
    has_messages: bool,
    /// Messages, tools, calls of tools and their results.
    pieces: u64,
    /// All that was seen is text.
    is_text: bool,
}

impl Prompt {
    pub(super) fn new(protocol: Protocol) -> Self {
        let is_text = matches!(protocol, Protocol::OpenAiChat | Protocol::AnthropicMessages);
        Self { protocol, has_messages: false, pieces: 0, is_text }
    }

    /// How many pieces it has, if it is all text.
    pub(super) fn pieces(&self) -> Option<u64> {
        (self.is_text && self.has_messages).then_some(self.pieces)
    }

    /// Goes behind a field of the request.
    pub(super) fn field(&mut self, cursor: &mut Cursor<'_>, name: &[u8]) -> Option<()> {
        self.known_field(cursor, name)?;
        // What another provider gets is written anew.
        self.is_text &= !cursor.grows();
        Some(())
    }

    fn known_field(&mut self, cursor: &mut Cursor<'_>, name: &[u8]) -> Option<()> {
        match name {
            _ if !self.is_text => cursor.skip(),
            b"messages" => {
                self.has_messages = true;
                self.list(cursor, Self::message)
            }
            b"tools" => self.list(cursor, Self::tool),
            b"system" if self.protocol == Protocol::AnthropicMessages => {
                self.pieces += 1;
                self.content(cursor, true)
            }
            _ if HARMLESS.contains(&name) => cursor.skip(),
            _ => self.other(cursor),
        }
    }

    /// Something that is no text, or may be none.
    fn other(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.is_text = false;
        cursor.skip()
    }

    /// A list of objects.
    fn list(
        &mut self,
        cursor: &mut Cursor<'_>,
        item: fn(&mut Self, &mut Cursor<'_>) -> Option<()>,
    ) -> Option<()> {
        match cursor.peek()? {
            b'[' => cursor.array(|cursor| match cursor.peek()? {
                b'{' if self.is_text => item(self, cursor),
                _ => self.other(cursor),
            }),
            _ => self.other(cursor),
        }
    }

    fn message(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.pieces += 1;
        cursor.object(|cursor, name| match name {
            b"role" => {
                match word(cursor)? {
                    b"\"user\"" | b"\"assistant\"" | b"\"system\"" | b"\"developer\"" => {}
                    b"\"tool\"" => self.pieces += 1,
                    _ => self.is_text = false,
                }
                Some(())
            }
            b"content" => self.content(cursor, true),
            b"tool_calls" if cursor.peek()? != b'n' => self.list(cursor, Self::call),
            b"name" | b"tool_call_id" | b"tool_calls" | b"refusal" => self.text(cursor),
            _ => self.other(cursor),
        })
    }

    /// A text, or parts that are texts. What a part holds may be a list of others, once.
    fn content(&mut self, cursor: &mut Cursor<'_>, may_nest: bool) -> Option<()> {
        match cursor.peek()? {
            b'[' if may_nest => self.list(cursor, Self::part),
            b'[' => self.list(cursor, Self::inner_part),
            _ => self.text(cursor),
        }
    }

    fn part(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.part_with(cursor, |prompt, cursor| prompt.content(cursor, false))
    }

    fn inner_part(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.part_with(cursor, Self::other)
    }

    fn part_with(
        &mut self,
        cursor: &mut Cursor<'_>,
        content: fn(&mut Self, &mut Cursor<'_>) -> Option<()>,
    ) -> Option<()> {
        let mut is_known = false;
        cursor.object(|cursor, name| match name {
            b"type" => {
                is_known = match word(cursor)? {
                    b"\"text\"" => true,
                    _ if self.protocol != Protocol::AnthropicMessages => false,
                    b"\"thinking\"" | b"\"redacted_thinking\"" => true,
                    b"\"tool_use\"" | b"\"tool_result\"" => {
                        self.pieces += 1;
                        true
                    }
                    _ => false,
                };
                Some(())
            }
            b"content" => content(self, cursor),
            b"text" | b"thinking" | b"signature" | b"data" | b"id" | b"name" | b"tool_use_id" => {
                self.text(cursor)
            }
            b"input" | b"is_error" | b"cache_control" => cursor.skip(),
            _ => self.other(cursor),
        })?;
        self.is_text &= is_known;
        Some(())
    }

    fn call(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.pieces += 1;
        self.function(cursor, &[b"id", b"type", b"function", b"index"], true)
    }

    fn tool(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.pieces += 1;
        match self.protocol {
            Protocol::AnthropicMessages => {
                let fields: &[&[u8]] =
                    &[b"type", b"name", b"description", b"input_schema", b"cache_control"];
                self.function(cursor, fields, false)
            }
            _ => self.function(cursor, &[b"type", b"function"], true),
        }
    }

    /// A function, and not something that the provider runs.
    fn function(&mut self, cursor: &mut Cursor<'_>, fields: &[&[u8]], says_so: bool) -> Option<()> {
        let mut is_known = !says_so;
        cursor.object(|cursor, name| match name {
            b"type" => {
                let kind: &[u8] = if says_so { b"\"function\"" } else { b"\"custom\"" };
                is_known = word(cursor)? == kind;
                Some(())
            }
            _ if fields.contains(&name) => cursor.skip(),
            _ => self.other(cursor),
        })?;
        self.is_text &= is_known;
        Some(())
    }

    /// A text, or nothing.
    fn text(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        match cursor.peek()? {
            b'"' | b'n' => cursor.skip(),
            _ => self.other(cursor),
        }
    }
}

/// A value as it is written.
fn word<'j>(cursor: &mut Cursor<'j>) -> Option<&'j [u8]> {
    let at = cursor.value()?;
    Some(cursor.text(at))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::relay::scan::Head;

    fn pieces(protocol: Protocol, body: &Value) -> Option<u64> {
        Head::of(body.to_string().as_bytes(), protocol).unwrap().pieces
    }

    #[test]
    fn texts_and_what_they_are_about_are_counted() {
        let openai = |body| pieces(Protocol::OpenAiChat, &body);
        let user = json!({"role": "user", "content": "Hi"});
        assert_eq!(openai(json!({"messages": [user], "temperature": 1, "model": "m"})), Some(1));
        let call = json!({"id": "1", "type": "function", "function": {"name": "f"}});
        let turns = [
            json!({"role": "system", "content": [{"type": "text", "text": "a"}]}),
            json!({"role": "assistant", "content": null, "tool_calls": [call, call]}),
            json!({"role": "tool", "tool_call_id": "1", "content": "2"}),
        ];
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
        assert_eq!(openai(json!({"messages": turns, "tools": [tool]})), Some(3 + 2 + 1 + 1));

        let anthropic = |body| pieces(Protocol::AnthropicMessages, &body);
        let used = json!({"type": "tool_use", "id": "1", "name": "f", "input": {"a": [1]}});
        let result = json!({"type": "tool_result", "tool_use_id": "1",
            "content": [{"type": "text", "text": "2"}]});
        let turns = [
            json!({"role": "user", "content": "Hi"}),
            json!({"role": "assistant", "content": [{"type": "thinking", "thinking": "",
                "signature": "s"}, used]}),
            json!({"role": "user", "content": [result]}),
        ];
        let tool = json!({"name": "f", "input_schema": {}, "cache_control": {}});
        let body = json!({"system": "s", "messages": turns, "tools": [tool], "max_tokens": 5});
        assert_eq!(anthropic(body), Some(1 + 3 + 2 + 1));
    }

    #[test]
    fn what_may_be_no_text_is_not() {
        let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
        let turn = |turn: Value| json!({"messages": [turn]});
        let with = |name: &str| json!({"messages": [], name: {}});
        for body in [
            json!({}),
            json!({"messages": 5}),
            json!({"messages": ["Hi"]}),
            turn(json!({"role": "other", "content": ""})),
            turn(json!({"role": "user", "content": {}})),
            turn(json!({"role": "assistant", "audio": {"id": "a"}})),
            turn(json!({"role": "assistant", "tool_calls": [{"x": 1}]})),
            part(json!({"type": "image_url", "image_url": {"url": "u"}})),
            part(json!({"text": "a"})),
            part(json!({"type": "text", "text": "a", "new": 1})),
            part(json!({"type": "document", "source": {"type": "url", "url": "u"}})),
            part(json!({"type": "tool_result", "content": [{"type": "image"}]})),
            part(json!({"type": "tool_result", "content": [{"type": "text", "content": [[]]}]})),
            json!({"messages": [], "tools": [{"type": "web_search"}]}),
            with("service_tier"),
            with("web_search_options"),
            with("previous_response_id"),
            with("prompt"),
            with("new"),
        ] {
            for protocol in [Protocol::OpenAiChat, Protocol::AnthropicMessages] {
                assert_eq!(pieces(protocol, &body), None, "{body}");
            }
        }
        let plain = turn(json!({"role": "user", "content": "Hi"}));
        assert_eq!(pieces(Protocol::CohereChat, &plain), None);
        let tool = json!({"messages": [], "tools": [{"name": "f", "input_schema": {}}]});
        assert_eq!(pieces(Protocol::OpenAiChat, &tool), None);
    }

    #[test]
    fn what_grows_where_it_is_written_anew_is_read() {
        let pieces = |number: &str| {
            let tool =
                format!(r#"{{"type":"function","function":{{"name":"f","enum":[{number}]}}}}"#);
            let body = format!(r#"{{"messages":[],"tools":[{tool}]}}"#);
            Head::of(body.as_bytes(), Protocol::OpenAiChat).unwrap().pieces
        };
        for number in ["1", "-15", "1.5", "0", "0.25", "1000000000000000000"] {
            assert_eq!(pieces(number), Some(1), "{number}");
        }
        for number in ["1e15", "1E+2", "-0", "20000000000000000000"] {
            assert_eq!(pieces(number), None, "{number}");
        }
    }

    #[test]
    fn a_deep_request_is_gone_through() {
        let deep = format!(
            r#"{{"messages":[{{"role":"user","content":{}{}}}]}}"#,
            r#"[{"type":"tool_result","content":"#.repeat(50_000),
            "}]".repeat(50_000)
        );
        let deep = deep.replace(":}", ":1}");
        assert_eq!(Head::of(deep.as_bytes(), Protocol::OpenAiChat).unwrap().pieces, None);
    }
}
