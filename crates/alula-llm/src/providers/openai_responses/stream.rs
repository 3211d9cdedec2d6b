//! Events of a streamed answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    mem,
};

use serde_json::{Map, Value};

use super::{
    PROTOCOL, body_error,
    progress::{CHOICE, Kind, PARTS_MAX, Progress},
    response::{Waiting, usage_from_json},
};
use crate::{
    ChatEvent, Error, ErrorKind, StopReason,
    model::{Citation, Extra, fields::Fields},
    providers::wire::{Events, State, Wire},
    sse,
};

/// The state of a stream of items.
#[derive(Debug, Default)]
pub(in crate::providers) struct Items {
    /// The fields of the answer that have been passed on, once it has begun.
    started: Option<Extra>,
    /// Items that are being written, by their place in the answer.
    open: BTreeMap<u32, Progress>,
    done: BTreeSet<u32>,
    /// What those that are done are called.
    ended: HashSet<String>,
    calls: u32,
    waiting: Waiting,
    /// The number of the first text, whose probabilities are those of the answer.
    first_text: Option<u32>,
}

/// What an item is called.
fn id(item: &Value) -> Option<&str> {
    item.get("id").and_then(Value::as_str).filter(|id| !id.is_empty())
}

impl Items {
    /// The answer has begun; several events say so.
    fn start(&mut self, response: &Map<String, Value>, out: &mut Events) {
        if self.started.is_some() {
            return;
        }
        let text = |name: &str| response.get(name).and_then(Value::as_str).unwrap_or_default();
        // The rest may still change, and comes at the end.
        let mut extra = Extra::new();
        for name in ["object", "created_at"] {
            extra.put(name, response.get(name).cloned());
        }
        self.started = Some(extra.clone());
        out.push_back(Ok(ChatEvent::Start {
            id: text("id").to_owned(),
            model: text("model").to_owned(),
            origin: Some(PROTOCOL),
            extra,
        }));
    }

    /// The item of this number; `None` if it cannot be numbered, or is done.
    fn item(&mut self, number: u32) -> Option<&mut Progress> {
        let first = number.checked_mul(PARTS_MAX)?;
        if self.done.contains(&number) {
            return None;
        }
        Some(self.open.entry(number).or_insert_with(|| Progress::new(first, Map::new())))
    }

    fn item_added(
        &mut self,
        number: u32,
        item: Map<String, Value>,
        out: &mut Events,
    ) -> Option<()> {
        let first = number.checked_mul(PARTS_MAX)?;
        if self.done.contains(&number) || self.open.contains_key(&number) {
            return None;
        }
        let mut progress = Progress::new(first, item);
        progress.begin_call(&mut self.calls, out);
        self.open.insert(number, progress);
        Some(())
    }

    /// An item has ended. It is given back if it cannot be numbered, has ended before, or is
    /// another one than what has come of it.
    fn item_done(&mut self, number: u32, item: Value, out: &mut Events) -> Result<(), Value> {
        if self.item(number).is_none() {
            return Err(item);
        }
        self.done.insert(number);
        self.ended.extend(id(&item).map(str::to_owned));
        self.waiting.see(&item);
        let Some(mut progress) = self.open.remove(&number) else { return Ok(()) };
        progress.finish(item, &mut self.first_text, &mut self.calls, out)
    }

    /// A piece of a text, or its beginning.
    fn piece(
        &mut self,
        kind: Kind,
        begins: bool,
        event: &mut Map<String, Value>,
        out: &mut Events,
    ) -> Option<()> {
        let list = if kind == Kind::Summary { "summary_index" } else { "content_index" };
        let item = self.item(index(event, "output_index"))?;
        let slot = item.slot(kind, index(event, list), begins)?;
        item.text(kind, slot, event.take_string("delta").unwrap_or_default(), out);
        if kind == Kind::Text {
            item.logprobs(slot, event.take_array("logprobs").unwrap_or_default());
            let number = item.number(slot);
            self.first_text.get_or_insert(number);
        }
        Some(())
    }

    /// A piece of a message or a reasoning begins.
    fn piece_added(&mut self, event: &mut Map<String, Value>, out: &mut Events) -> Option<()> {
        let part = event.get("part").and_then(|part| part.get("type"));
        let kind = match part.and_then(Value::as_str)? {
            "output_text" => Kind::Text,
            "refusal" => Kind::Refusal,
            "summary_text" => Kind::Summary,
            "reasoning_text" => Kind::Reasoning,
            _ => return None,
        };
        self.piece(kind, true, event, out)
    }

    fn citation(&mut self, event: &mut Map<String, Value>, out: &mut Events) -> Option<()> {
        if !event.contains_key("annotation") {
            return None;
        }
        let item = self.item(index(event, "output_index"))?;
        let slot = item.slot(Kind::Text, index(event, "content_index"), false)?;
        item.citation(slot, Citation(event.shift_remove("annotation")?), out);
        let number = item.number(slot);
        self.first_text.get_or_insert(number);
        Some(())
    }

    fn arguments(&mut self, event: &mut Map<String, Value>, out: &mut Events) -> Option<()> {
        let item = self.open.get_mut(&index(event, "output_index"))?;
        let delta = event.get("delta").and_then(Value::as_str)?.to_owned();
        item.arguments(delta, out).then_some(())
    }

    /// The answer has ended, and `response` is all of it.
    fn finish(&mut self, mut response: Map<String, Value>, out: &mut Events) {
        self.start(&response, out);
        let ended = mem::take(&mut self.ended);
        for (number, item) in
            response.take_array("output").unwrap_or_default().into_iter().enumerate()
        {
            // What has come as an item of its own is not repeated, though some servers have counted
            // otherwise.
            if id(&item).is_some_and(|id| ended.contains(id)) {
                continue;
            }
            if let Ok(number) = number.try_into() {
                drop(self.item_done(number, item, out));
            }
        }
        // Items that were begun and never heard of again.
        let begun =
            self.open.iter().filter_map(|(number, it)| Some((*number, it.unseen()?.clone())));
        for (number, item) in begun.collect::<Vec<_>>() {
            drop(self.item_done(number, Value::Object(item), out));
        }
        for item in mem::take(&mut self.open).into_values() {
            item.give_up(self.first_text, out);
        }
        let stop = self.waiting.stop(&response);
        for name in ["id", "model", "output"] {
            response.shift_remove(name);
        }
        let usage = response.take_object("usage");
        let known = self.started.take().unwrap_or_default();
        response.retain(|name, value| known.get(name) != Some(value));
        if !response.is_empty() {
            out.push_back(Ok(ChatEvent::Extra { choice: None, part: None, fields: response }));
        }
        if let Some(usage) = usage {
            out.push_back(Ok(ChatEvent::Usage(usage_from_json(usage))));
        }
        out.push_back(Ok(ChatEvent::Stop {
            choice: CHOICE,
            reason: stop.unwrap_or(StopReason::End),
            sequence: None,
            extra: Extra::new(),
        }));
    }

    /// Handles an event that adds to the answer; `None` if it does not, or cannot.
    fn content(
        &mut self,
        kind: &str,
        event: &mut Map<String, Value>,
        out: &mut Events,
    ) -> Option<()> {
        let number = index(event, "output_index");
        match kind {
            "response.output_item.added" => {
                let item = event.get("item")?.as_object()?.clone();
                self.item_added(number, item, out)
            }
            "response.output_item.done" => {
                let item = event.get_mut("item").filter(|it| it.is_object())?;
                match self.item_done(number, item.take(), out) {
                    Ok(()) => Some(()),
                    Err(back) => {
                        *item = back;
                        None
                    }
                }
            }
            "response.content_part.added"
            | "response.reasoning_summary_part.added"
            | "response.reasoning_part.added" => self.piece_added(event, out),
            "response.output_text.delta" => self.piece(Kind::Text, false, event, out),
            "response.refusal.delta" => self.piece(Kind::Refusal, false, event, out),
            "response.reasoning_summary_text.delta" => self.piece(Kind::Summary, false, event, out),
            "response.reasoning_text.delta" => self.piece(Kind::Reasoning, false, event, out),
            "response.output_text.annotation.added" => self.citation(event, out),
            "response.function_call_arguments.delta" => self.arguments(event, out),
            // The whole comes once more, with the item.
            "response.content_part.done"
            | "response.output_text.done"
            | "response.refusal.done"
            | "response.reasoning_summary_part.done"
            | "response.reasoning_summary_text.done"
            | "response.reasoning_text.done"
            | "response.reasoning_part.done"
            | "response.function_call_arguments.done" => Some(()),
            _ => None,
        }
    }
}

impl Wire for Items {
    fn is_delta(event: &sse::Event) -> bool {
        event.event.ends_with(".delta")
    }

    fn event(&mut self, event: sse::Event, out: &mut Events) -> State {
        if event.data.trim() == "[DONE]" {
            // The end is another event; some servers send both.
            return State::Open;
        }
        let mut fields = match serde_json::from_str(&event.data) {
            Ok(Value::Object(fields)) => fields,
            Ok(value) => {
                out.push_back(Ok(ChatEvent::Other(value)));
                return State::Open;
            }
            Err(error) => {
                let message = format!("an event of the stream is not JSON: {error}");
                let error = Error::new(ErrorKind::Decode, message).with_body(&event.data);
                out.push_back(Err(error));
                return State::Open;
            }
        };
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or(&event.event).to_owned();
        let before = out.len();
        match kind.as_str() {
            "response.created" | "response.queued" | "response.in_progress" => {
                if let Some(Value::Object(response)) = fields.get("response") {
                    self.start(response, out);
                }
            }
            "response.completed" | "response.incomplete" | "response.cancelled" => {
                self.finish(fields.take_object("response").unwrap_or_default(), out);
                return State::Done;
            }
            "response.failed" => {
                let mut response = fields.take_object("response").unwrap_or_default();
                if let Some(usage) = response.take_object("usage") {
                    out.push_back(Ok(ChatEvent::Usage(usage_from_json(usage))));
                }
                out.push_back(Err(body_error(&Value::Object(response))));
                return State::Failed;
            }
            "error" => {
                out.push_back(Err(body_error(&Value::Object(fields))));
                return State::Failed;
            }
            kind => {
                if self.content(kind, &mut fields, out).is_none() {
                    out.push_back(Ok(ChatEvent::Other(Value::Object(fields))));
                }
            }
        }
        if out.len() == before {
            out.push_back(Ok(ChatEvent::Ping));
        }
        State::Open
    }
}

/// A number of an event; 0 where it has none.
fn index(event: &Map<String, Value>, name: &str) -> u32 {
    let index = event.get(name).and_then(Value::as_u64).unwrap_or_default();
    index.try_into().unwrap_or(u32::MAX)
}
