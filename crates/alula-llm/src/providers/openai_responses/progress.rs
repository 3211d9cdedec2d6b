//! What has come of one item of a streamed answer.

use std::{collections::BTreeMap, mem};

use serde_json::{Map, Value};

use super::{ITEM, item::parts_from_item, response::logprobs_of};
use crate::{
    ChatEvent, Part,
    model::{Citation, Extra, Reasoning, Refusal, Text, ToolCall, fields::Fields},
    providers::wire::Events,
};

/// The one answer that the format has.
pub(super) const CHOICE: u32 = 0;
/// How many entries a list of an item may have. A reasoning has two lists, of which the second
/// is numbered from here on.
pub(super) const ENTRIES_MAX: u32 = 512;
/// How many parts an item may have: the parts of the item with the number `n` are numbered from
/// `n * 1024` on, so that parts of two items that are written at once keep their order.
pub(super) const PARTS_MAX: u32 = 2 * ENTRIES_MAX;

/// An item that is being written.
#[derive(Debug)]
pub(super) struct Progress {
    /// The number of its first part.
    first: u32,
    /// The item as it began.
    begun: Map<String, Value>,
    /// The number of the call, if it is one that has been passed on.
    call: Option<u32>,
    pieces: BTreeMap<u32, Piece>,
}

/// What has been passed on of a part.
#[derive(Debug, Default)]
struct Piece {
    kind: Option<Kind>,
    /// Bytes of its text, or of its arguments.
    text: usize,
    citations: usize,
    /// The probabilities of its tokens. Those of the whole item say more, so that these wait.
    logprobs: Vec<Value>,
    extra: Extra,
}

/// What a piece of text is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    Summary,
    Reasoning,
}

impl Progress {
    /// An item whose parts are numbered from `first` on.
    pub(super) fn new(first: u32, begun: Map<String, Value>) -> Self {
        Self { first, begun, call: None, pieces: BTreeMap::new() }
    }

    /// The item as it began, if nothing of it has been passed on.
    pub(super) fn unseen(&self) -> Option<&Map<String, Value>> {
        (self.pieces.is_empty() && !self.begun.is_empty()).then_some(&self.begun)
    }

    /// Begins a call, if the item is one and all there is to its beginning has come.
    pub(super) fn begin_call(&mut self, calls: &mut u32, out: &mut Events) {
        if !self.begun.says("type", "function_call") {
            return;
        }
        let mut item = self.begun.clone();
        // Arguments that are there already come again, in pieces or at the end.
        item.insert("arguments".to_owned(), "".into());
        let mut parts = parts_from_item(Value::Object(item));
        if let Some(Part::ToolCall(call)) = parts.pop() {
            self.start_call(call, calls, out);
        }
    }

    fn start_call(&mut self, call: ToolCall, calls: &mut u32, out: &mut Events) {
        let index = *calls;
        *calls += 1;
        self.call = Some(index);
        self.pieces.entry(0).or_default().extra = call.extra.clone();
        out.push_back(Ok(ChatEvent::ToolCallStart {
            choice: CHOICE,
            part: self.first,
            index,
            id: call.id,
            name: call.name,
            extra: call.extra,
        }));
    }

    /// More arguments of the call; whether there is one.
    pub(super) fn arguments(&mut self, arguments: String, out: &mut Events) -> bool {
        let Some(index) = self.call else { return false };
        if !arguments.is_empty() {
            self.pieces.entry(0).or_default().text += arguments.len();
            let (choice, part) = (CHOICE, self.first);
            out.push_back(Ok(ChatEvent::ToolCallArguments { choice, part, index, arguments }));
        }
        true
    }

    /// Where among the pieces the entry of this number is; `None` if there is no room for it.
    ///
    /// Only the beginning of an entry is trusted to know: some servers count the deltas instead.
    pub(super) fn slot(&self, kind: Kind, index: u32, begins: bool) -> Option<u32> {
        let first = if kind == Kind::Reasoning { ENTRIES_MAX } else { 0 };
        let given = (index < ENTRIES_MAX).then_some(first + index);
        let is_ours = |slot: &u32| self.pieces.get(slot).is_some_and(|it| it.kind == Some(kind));
        if begins || given.as_ref().is_some_and(is_ours) {
            return given;
        }
        let mut list = self.pieces.range(first..first + ENTRIES_MAX).map(|(slot, _)| *slot).rev();
        let next = list.clone().next().map_or(first, |last| last + 1);
        list.find(is_ours).or((next < first + ENTRIES_MAX).then_some(next))
    }

    /// More of a text, perhaps nothing but its beginning.
    pub(super) fn text(&mut self, kind: Kind, slot: u32, text: String, out: &mut Events) {
        let begins = !self.pieces.contains_key(&slot);
        if begins || !text.is_empty() {
            let piece = self.pieces.entry(slot).or_default();
            piece.kind = Some(kind);
            piece.text += text.len();
            let (choice, part) = (CHOICE, self.number(slot));
            out.push_back(Ok(match kind {
                Kind::Text => ChatEvent::Text { choice, part, text },
                Kind::Refusal => ChatEvent::Refusal { choice, part, text },
                Kind::Summary => ChatEvent::Reasoning { choice, part, text, field: None },
                Kind::Reasoning => {
                    let field = Some("content".to_owned());
                    ChatEvent::Reasoning { choice, part, text, field }
                }
            }));
        }
        if begins && slot == 0 && matches!(kind, Kind::Text | Kind::Refusal) {
            self.begin_message(out);
        }
    }

    /// What a message says about itself at its beginning, such as its phase.
    fn begin_message(&mut self, out: &mut Events) {
        let mut item = self.begun.clone();
        item.retain(|name, value| {
            name != "role" && !value.is_null() && !value.is_array() && !value.is_object()
        });
        // Without a mark it would go on with the message before it.
        item.entry("type").or_insert_with(|| "message".into());
        self.fields(0, Extra::from_iter([(ITEM.to_owned(), Value::Object(item))]), out);
    }

    pub(super) fn citation(&mut self, slot: u32, citation: Citation, out: &mut Events) {
        self.text(Kind::Text, slot, String::new(), out);
        self.pieces.entry(slot).or_default().citations += 1;
        let (choice, part) = (CHOICE, self.first.saturating_add(slot));
        out.push_back(Ok(ChatEvent::Citation { choice, part, citation }));
    }

    /// More probabilities of a text that has begun.
    pub(super) fn logprobs(&mut self, slot: u32, list: Vec<Value>) {
        self.pieces.entry(slot).or_default().logprobs.extend(list);
    }

    /// Passes on what waited for the end of the item, which did not come.
    pub(super) fn give_up(mut self, first_text: Option<u32>, out: &mut Events) {
        let pieces = mem::take(&mut self.pieces);
        for (slot, piece) in pieces.into_iter().filter(|(_, it)| !it.logprobs.is_empty()) {
            let first = first_text == Some(self.number(slot));
            self.probabilities(slot, first, piece.logprobs, out);
        }
    }

    /// Passes probabilities on: of the answer, if they are of its first text.
    fn probabilities(&mut self, slot: u32, first: bool, list: Vec<Value>, out: &mut Events) {
        if first {
            let logprobs = logprobs_of(list);
            out.push_back(Ok(ChatEvent::Logprobs { choice: CHOICE, logprobs }));
        } else {
            self.fields(slot, Extra::from_iter([("logprobs".to_owned(), list.into())]), out);
        }
    }

    /// The number of a part.
    pub(super) fn number(&self, slot: u32) -> u32 {
        self.first.saturating_add(slot)
    }

    /// Passes on what the whole item holds beyond what has come of it.
    ///
    /// `first_text` is the number of the answer's first text, once there is one.
    ///
    /// # Errors
    ///
    /// The item itself, if it is another one than its pieces told.
    pub(super) fn finish(
        &mut self,
        item: Value,
        first_text: &mut Option<u32>,
        calls: &mut u32,
        out: &mut Events,
    ) -> Result<(), Value> {
        let (mut slot, mut content) = (0, ENTRIES_MAX);
        for part in parts_from_item(item) {
            match part {
                Part::Reasoning(it) if it.field.is_some() => {
                    self.finish_reasoning(content, it, out);
                    content += 1;
                    continue;
                }
                Part::Reasoning(it) => self.finish_reasoning(slot, it, out),
                Part::Text(text) => {
                    let number = self.number(slot);
                    let first = *first_text.get_or_insert(number) == number;
                    self.finish_text(slot, first, text, out);
                }
                Part::Refusal(Refusal { text, extra }) => {
                    let rest = self.rest(slot, &text);
                    self.text(Kind::Refusal, slot, rest, out);
                    self.news(slot, extra, out);
                }
                Part::ToolCall(call) => self.finish_call(call, calls, out),
                Part::Other(item) if slot == 0 && !self.pieces.is_empty() => return Err(item),
                content => {
                    self.pieces.entry(slot).or_default();
                    let (choice, part) = (CHOICE, self.number(slot));
                    out.push_back(Ok(ChatEvent::Part { choice, part, content }));
                }
            }
            slot += 1;
        }
        Ok(())
    }

    fn finish_text(&mut self, slot: u32, first: bool, mut text: Text, out: &mut Events) {
        let rest = self.rest(slot, &text.text);
        self.text(Kind::Text, slot, rest, out);
        let known = self.pieces.get(&slot).map(|it| it.citations).unwrap_or_default();
        for citation in text.citations.into_iter().skip(known) {
            self.citation(slot, citation, out);
        }
        let known = self.pieces.get_mut(&slot).map(|it| mem::take(&mut it.logprobs));
        let known = known.unwrap_or_default();
        let whole = text.extra.get("logprobs").and_then(Value::as_array);
        let has_more = whole.is_some_and(|whole| !whole.is_empty());
        if has_more && first {
            let list = text.extra.take_array("logprobs").unwrap_or_default();
            self.probabilities(slot, first, list, out);
        } else if !has_more && !known.is_empty() {
            text.extra.shift_remove("logprobs");
            self.probabilities(slot, first, known, out);
        }
        self.news(slot, text.extra, out);
    }

    fn finish_reasoning(&mut self, slot: u32, reasoning: Reasoning, out: &mut Events) {
        let kind = if reasoning.field.is_some() { Kind::Reasoning } else { Kind::Summary };
        let rest = self.rest(slot, &reasoning.text);
        self.text(kind, slot, rest, out);
        if let Some(signature) = reasoning.signature {
            let (choice, part) = (CHOICE, self.number(slot));
            out.push_back(Ok(ChatEvent::Signature { choice, part, signature }));
        }
        self.news(slot, reasoning.extra, out);
    }

    fn finish_call(&mut self, mut call: ToolCall, calls: &mut u32, out: &mut Events) {
        let (arguments, extra) = (mem::take(&mut call.arguments), call.extra.clone());
        if self.call.is_none() {
            self.start_call(call, calls, out);
        }
        let rest = self.rest(0, &arguments);
        self.arguments(rest, out);
        self.news(0, extra, out);
    }

    /// Passes on the fields of a part that are not known yet.
    fn news(&mut self, slot: u32, extra: Extra, out: &mut Events) {
        let fields = news(&self.pieces.entry(slot).or_default().extra, extra);
        if !fields.is_empty() {
            self.fields(slot, fields, out);
        }
    }

    /// What of the whole text has not come yet.
    fn rest(&self, slot: u32, whole: &str) -> String {
        let known = self.pieces.get(&slot).map(|it| it.text).unwrap_or_default();
        whole.get(known..).unwrap_or_default().to_owned()
    }

    fn fields(&mut self, slot: u32, fields: Extra, out: &mut Events) {
        merge(&mut self.pieces.entry(slot).or_default().extra, &fields);
        let (choice, part) = (Some(CHOICE), Some(self.number(slot)));
        out.push_back(Ok(ChatEvent::Extra { choice, part, fields }));
    }
}

/// Notes fields that have been passed on, as [`Accumulator`](crate::Accumulator) joins them.
fn merge(known: &mut Extra, fields: &Extra) {
    for (name, value) in fields {
        match (known.get_mut(name), value) {
            (Some(Value::Array(known)), Value::Array(values)) => {
                known.extend(values.iter().cloned());
            }
            (Some(Value::Object(known)), Value::Object(fields)) => merge(known, fields),
            (_, value) => drop(known.insert(name.clone(), value.clone())),
        }
    }
}

/// The fields that make `fields` of what is known, when they are joined.
fn news(known: &Extra, mut fields: Extra) -> Extra {
    fields.retain(|name, value| match (known.get(name), value) {
        (Some(Value::Object(known)), Value::Object(fields)) => {
            *fields = news(known, mem::take(fields));
            !fields.is_empty()
        }
        (Some(Value::Array(known)), Value::Array(values)) => {
            values.drain(..known.len().min(values.len()));
            !values.is_empty()
        }
        (Some(known), value) => known != value,
        (None, _) => true,
    });
    fields
}
