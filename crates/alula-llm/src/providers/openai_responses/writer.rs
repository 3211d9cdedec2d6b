//! Writing a streamed answer.

mod item;
mod items;
mod sink;

use std::mem;

use serde_json::{Value, json};

use self::{items::Items, sink::Sink};
use super::{exact, response::response_to_json};
use crate::{
    Accumulator, ChatEvent, ChatResponse, Error, Message, Role, StreamOptions,
    model::{Choice, fields::Fields},
    providers::{
        openai,
        writer::{self, Order, choice_of, comment},
    },
};

/// The one answer that the format knows.
const CHOICE: u32 = 0;

/// Writes an answer item by item, and all of it at the end.
#[derive(Debug)]
pub(in crate::providers) struct Writer {
    order: Order,
    options: StreamOptions,
    /// The id of an answer that has none.
    id: String,
    /// What is said of the whole answer; its content is in the items.
    answer: Accumulator,
    begun: bool,
    items: Items,
    /// How many events have been written.
    events: u64,
}

impl Writer {
    pub(in crate::providers) fn new(options: StreamOptions) -> Self {
        let id = options.id_or_new("resp_");
        Self {
            order: Order::default(),
            options,
            items: Items::new(id.clone()),
            id,
            answer: Accumulator::new(),
            begun: false,
            events: 0,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if mem::replace(&mut self.begun, true) {
            return;
        }
        let known = self.answer.response();
        let known = ChatResponse {
            id: known.id.clone(),
            model: known.model.clone(),
            origin: known.origin,
            extra: known.extra.clone(),
            ..ChatResponse::default()
        };
        let response = self.response(known, Vec::new(), Some("in_progress"));
        for kind in ["response.created", "response.in_progress"] {
            self.send(kind, &response, out);
        }
    }

    /// Writes an event about the whole answer.
    fn send(&mut self, kind: &'static str, response: &Value, out: &mut Vec<u8>) {
        Sink { events: &mut self.events, out }.send(kind, &json!({"response": response}));
    }

    /// The JSON of an answer with these items.
    fn response(&self, mut known: ChatResponse, output: Vec<Value>, status: Option<&str>) -> Value {
        let exact = exact(known.origin);
        if !exact && known.id.is_empty() {
            known.id.clone_from(&self.id);
        }
        if !exact && known.model.is_empty() {
            known.model = self.options.model.clone().unwrap_or_default();
        }
        // Without its content there is nothing in it that the format could not say.
        let mut written = response_to_json(&known).unwrap_or_default();
        if let Some(body) = written.as_object_mut() {
            if !exact {
                body.entry("created_at").or_insert_with(|| self.options.created_or_now().into());
            }
            body.insert("output".to_owned(), Value::Array(output));
            body.put("status", status);
        }
        written
    }

    /// Notes what is said of the whole answer; whether the event does.
    fn note(&mut self, event: &ChatEvent) -> bool {
        match event {
            ChatEvent::Start { id, origin, .. } => {
                let id = if id.is_empty() { &self.id } else { id };
                self.items.start(id, *origin);
            }
            ChatEvent::Extra { part: None, .. } | ChatEvent::Usage(_) => {}
            ChatEvent::Stop { .. } | ChatEvent::ChoiceExtra { .. } => {}
            _ => return false,
        }
        if choice_of(event).is_none_or(|choice| choice == CHOICE) {
            self.answer.push(event.clone());
        }
        true
    }
}

impl writer::Writer for Writer {
    fn event(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        let is_content = choice_of(event) == Some(CHOICE);
        let noted = self.note(event);
        if is_content || matches!(event, ChatEvent::Start { .. }) {
            self.start(out);
        }
        let Self { items, events, answer, order, .. } = self;
        match event {
            _ if noted => {}
            ChatEvent::Ping => comment(out),
            event if is_content => {
                let mut sink = Sink { events, out };
                let mut write = |event: &ChatEvent| items.event(event, &mut sink);
                // The format can say items that are written at once.
                match exact(answer.response().origin) {
                    true => write(event),
                    false => order.push(event, &mut write),
                }
            }
            _ => {}
        }
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        let error = openai::error_to_json(error).1;
        let text = |name: &str| error.pointer(name).and_then(Value::as_str);
        let code = text("/error/code").unwrap_or("server_error");
        let message = text("/error/message").unwrap_or_default();
        let known = self.answer.response().clone();
        let output = self.items.take_done();
        let mut response = self.response(known, output, Some("failed"));
        if let Some(body) = response.as_object_mut() {
            body.insert("error".to_owned(), json!({"code": code, "message": message}));
        }
        self.send("response.failed", &response, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let Self { items, events, order, .. } = self;
        let mut sink = Sink { events, out };
        order.end(&mut |event| items.event(event, &mut sink));
        items.end(&mut sink);
        let mut known = mem::take(&mut self.answer).finish();
        if known.choices.is_empty() {
            known.choices.push(Choice::new(CHOICE, Message::new(Role::Assistant, Vec::new())));
        }
        let output = self.items.take_done();
        let response = self.response(known, output, None);
        let kind = match response.get("status").and_then(Value::as_str) {
            Some("incomplete") => "response.incomplete",
            Some("cancelled") => "response.cancelled",
            _ => "response.completed",
        };
        self.send(kind, &response, out);
    }

    fn number(&mut self, next: u64) {
        self.events = next;
    }
}
