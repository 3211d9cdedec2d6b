//! The items of a streamed answer.

use std::{collections::BTreeMap, mem};

use serde_json::{Value, json};

use super::{item::Item, item::Kind, sink::Sink};
use crate::{
    Accumulator, ChatEvent, Message, Part, Role,
    model::Protocol,
    providers::{
        logprobs::to_openai,
        openai_responses::{
            exact,
            item::{Form, items_from_message},
            own,
            progress::PARTS_MAX,
            response::put_logprobs,
        },
    },
};

/// Writes items: one after the other, unless they come from this format and may be written at
/// once there.
#[derive(Debug)]
pub(super) struct Items {
    response: String,
    origin: Option<Protocol>,
    /// Which number the items have that the provider's numbers of parts tell apart.
    numbers: BTreeMap<(u32, Kind), u32>,
    /// The number of the next item.
    next: u32,
    open: BTreeMap<u32, Item>,
    done: BTreeMap<u32, Value>,
    /// Whether the first text is written; the probabilities are those of its tokens.
    has_text: bool,
    logprobs: Accumulator,
}

impl Items {
    /// The items of the answer with this id.
    pub(super) fn new(response: String) -> Self {
        Self {
            response,
            origin: None,
            numbers: BTreeMap::new(),
            next: 0,
            open: BTreeMap::new(),
            done: BTreeMap::new(),
            has_text: false,
            logprobs: Accumulator::new(),
        }
    }

    pub(super) fn start(&mut self, response: &str, origin: Option<Protocol>) {
        response.clone_into(&mut self.response);
        self.origin = origin;
    }

    /// The items that are written, in order.
    pub(super) fn take_done(&mut self) -> Vec<Value> {
        mem::take(&mut self.done).into_values().collect()
    }

    /// Writes a piece of the answer.
    pub(super) fn event(&mut self, event: &ChatEvent, sink: &mut Sink<'_>) {
        let exact = exact(self.origin);
        self.begin(event, sink);
        let (kind, part) = match event {
            ChatEvent::Text { part, .. }
            | ChatEvent::Refusal { part, .. }
            | ChatEvent::Citation { part, .. } => (Kind::Message, *part),
            ChatEvent::Reasoning { part, text, .. } => {
                // What says nothing is no reasoning, unless the provider says that it is.
                if text.is_empty() && !exact {
                    return;
                }
                (Kind::Reasoning, *part)
            }
            ChatEvent::ToolCallStart { part, .. } | ChatEvent::ToolCallArguments { part, .. } => {
                (Kind::Call, *part)
            }
            ChatEvent::Signature { part, .. } | ChatEvent::Extra { part: Some(part), .. } => {
                if own(self.origin)
                    && let Some(item) = self.holder(*part)
                {
                    item.add(*part, event);
                }
                return;
            }
            ChatEvent::Part { part, content, .. } => {
                return self.whole(*part, content, event, sink);
            }
            ChatEvent::Logprobs { .. } => return self.logprobs.push(event.clone()),
            _ => return,
        };
        let number = self.number(kind, part, sink);
        let (response, origin) = (&self.response, self.origin);
        let item =
            self.open.entry(number).or_insert_with(|| Item::new(kind, number, response, origin));
        item.event(part, event, sink);
        if !exact {
            item.begin(sink);
        }
    }

    /// Writes the rest of all items.
    pub(super) fn end(&mut self, sink: &mut Sink<'_>) {
        while let Some((_, item)) = self.open.pop_first() {
            self.close(item, sink);
        }
    }

    /// Writes the beginning of items that have waited for the event, which may say more of them.
    fn begin(&mut self, event: &ChatEvent, sink: &mut Sink<'_>) {
        let waits_for = |number: u32| match event {
            ChatEvent::Extra { part: Some(part), .. } => part / PARTS_MAX == number,
            _ => false,
        };
        for (number, item) in &mut self.open {
            if !waits_for(*number) {
                item.begin(sink);
            }
        }
    }

    /// The item that has this part.
    fn holder(&mut self, part: u32) -> Option<&mut Item> {
        self.open.values_mut().find(|item| item.has(part))
    }

    /// The number of the item that a part of this kind belongs to.
    fn number(&mut self, kind: Kind, part: u32, sink: &mut Sink<'_>) -> u32 {
        if exact(self.origin) {
            let told = part / PARTS_MAX;
            if let Some(number) = self.numbers.get(&(told, kind)) {
                return *number;
            }
            let number = self.take_number(told);
            self.numbers.insert((told, kind), number);
            return number;
        }
        if let Some((number, item)) = self.open.first_key_value()
            && item.goes_on(kind, part)
        {
            return *number;
        }
        self.end(sink);
        self.take_number(self.next)
    }

    /// Gives out a number: this one, unless it has been given out.
    fn take_number(&mut self, wanted: u32) -> u32 {
        let taken = self.open.contains_key(&wanted) || self.done.contains_key(&wanted);
        let number = if taken { self.next } else { wanted };
        self.next = self.next.max(number.saturating_add(1));
        number
    }

    /// Writes a part that is whole at once: an item, or a piece of one.
    fn whole(&mut self, part: u32, content: &Part, event: &ChatEvent, sink: &mut Sink<'_>) {
        let exact = exact(self.origin);
        let told = part / PARTS_MAX;
        if exact && let Some(item) = self.open.get_mut(&told) {
            return item.add_part(part, event);
        }
        if !exact {
            self.end(sink);
        }
        let mut message = Message::new(Role::Assistant, vec![content.clone()]);
        message.origin = self.origin;
        let list = items_from_message(&message, Form::Output(&self.response)).unwrap_or_default();
        for item in list {
            let number = self.take_number(if exact { told } else { self.next });
            for kind in ["response.output_item.added", "response.output_item.done"] {
                sink.send(kind, &json!({"output_index": number, "item": item}));
            }
            self.done.insert(number, item);
        }
    }

    fn close(&mut self, item: Item, sink: &mut Sink<'_>) {
        let (number, is_message) = (item.number, item.kind == Kind::Message);
        let Some(mut value) = item.finish(sink) else { return };
        let choice = self.logprobs.response().choices.first();
        let logprobs = choice.and_then(|it| to_openai(it.logprobs.as_ref()?));
        let list = logprobs.as_ref().and_then(|it| it.get("content"));
        if is_message
            && !mem::replace(&mut self.has_text, true)
            && let Some(list) = list
        {
            put_logprobs(std::slice::from_mut(&mut value), list);
        }
        sink.send("response.output_item.done", &json!({"output_index": number, "item": value}));
        self.done.insert(number, value);
    }
}
