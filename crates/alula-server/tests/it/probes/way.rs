//! From an API to a protocol, and what both say.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    process::{Alula, alula},
    upstream::{STREAM_END, Upstream, token},
};

pub(super) const CHAT: &str = "/v1/chat/completions";
pub(super) const RESPONSES: &str = "/v1/responses";
pub(super) const MESSAGES: &str = "/v1/messages";

/// Which API is asked, and what the provider speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) path: &'static str,
    kind: &'static str,
}

/// In three of them requests are passed on, in nine they are translated.
pub(super) fn every_way() -> impl Iterator<Item = Way> {
    const KINDS: [&str; 4] = ["openai", "responses", "anthropic", "gemini"];
    let paths = [CHAT, RESPONSES, MESSAGES];
    paths.into_iter().flat_map(|path| KINDS.map(|kind| Way { path, kind }))
}

impl Way {
    pub(super) fn passes_on(self) -> bool {
        let ways = [(CHAT, "openai"), (RESPONSES, "responses"), (MESSAGES, "anthropic")];
        ways.contains(&(self.path, self.kind))
    }

    /// A server in front of the provider, which is asked once.
    pub(super) fn serve(self, upstream: &Upstream, settings: &[(&str, &str)]) -> Alula {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("alula.toml");
        let (kind, url) = (self.kind, upstream.url());
        let file = format!("[providers.it]\nkind = \"{kind}\"\nbase_url = \"{url}\"\n");
        fs::write(&path, file).unwrap();
        let start = alula(&["serve", "--port", "0", "--config", path.to_str().unwrap()]);
        let start = start.env("ALULA_ATTEMPTS", "1");
        settings.iter().fold(start, |start, (name, value)| start.env(name, value)).listen()
    }

    pub(super) fn body(self, stream: bool) -> Value {
        match self.path {
            RESPONSES => json!({"model": "it/m", "input": "a", "stream": stream}),
            _ => json!({"model": "it/m", "max_tokens": 9, "stream": stream,
                "messages": [{"role": "user", "content": "a"}]}),
        }
    }

    /// What a provider sends before the first token: it lives, and has nothing to show.
    pub(super) fn signs_of_life(self) -> String {
        let events = match self.kind {
            "openai" => vec![json!({"id": "1", "model": "m", "choices": [
                {"index": 0, "delta": {"role": "assistant", "content": ""}}]})],
            "responses" => ["response.created", "response.in_progress"]
                .map(|kind| json!({"type": kind, "response": response("in_progress")}))
                .into(),
            "anthropic" => vec![
                json!({"type": "message_start", "message": {"id": "1", "type": "message",
                    "role": "assistant", "model": "m", "content": [], "stop_reason": null,
                    "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}}}),
                json!({"type": "ping"}),
                json!({"type": "content_block_start", "index": 0,
                    "content_block": {"type": "text", "text": ""}}),
            ],
            _ => vec![json!({"candidates": [{"index": 0, "content": {"role": "model"}}],
                "modelVersion": "m", "responseId": "1"})],
        };
        format!(": alive\n\n{}", self.events(&events))
    }

    pub(super) fn token(self, text: &str) -> String {
        self.event(&match self.kind {
            "openai" => return token(text),
            "responses" => json!({"type": "response.output_text.delta", "item_id": "msg_1",
                "output_index": 0, "content_index": 0, "delta": text}),
            "anthropic" => json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": text}}),
            _ => json!({"candidates": [{"index": 0,
                "content": {"role": "model", "parts": [{"text": text}]}}]}),
        })
    }

    pub(super) fn end(self) -> String {
        self.events(&match self.kind {
            "openai" => return STREAM_END.to_owned(),
            "responses" => {
                vec![json!({"type": "response.completed", "response": response("completed")})]
            }
            "anthropic" => vec![
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn",
                    "stop_sequence": null}, "usage": {"output_tokens": 2}}),
                json!({"type": "message_stop"}),
            ],
            _ => vec![json!({"candidates": [{"index": 0, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}})],
        })
    }

    fn events(self, events: &[Value]) -> String {
        events.iter().map(|event| self.event(event)).collect()
    }

    pub(super) fn event(self, event: &Value) -> String {
        match (self.kind, event["type"].as_str()) {
            ("responses" | "anthropic", Some(name)) => format!("event: {name}\ndata: {event}\n\n"),
            _ => format!("data: {event}\n\n"),
        }
    }

    /// Whether a client takes this stream for one that has ended well.
    pub(super) fn is_done(self, stream: &str) -> bool {
        let end = match self.path {
            CHAT => "[DONE]",
            RESPONSES => "response.completed",
            _ => "message_stop",
        };
        stream.contains(end)
    }
}

fn response(status: &str) -> Value {
    json!({"id": "resp_1", "object": "response", "model": "m", "status": status, "output": []})
}
