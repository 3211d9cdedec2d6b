use serde_json::Value;

use super::{
    ChatEvent, ChatResponse, Choice, Extra, Message, Part, Protocol, Reasoning, Refusal, Role,
    Text, ToolCall,
};

/// Folds the events of a stream into the answer that the same call gives without streaming.
///
/// ```
/// use alula_llm::{Accumulator, ChatEvent};
///
/// let mut answer = Accumulator::new();
/// for text in ["Hel", "lo"] {
///     answer.push(ChatEvent::Text { choice: 0, part: 0, text: text.to_owned() });
/// }
/// assert_eq!(answer.finish().text(), "Hello");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    response: ChatResponse,
    /// For each choice, the numbers of the parts in its message, in the same order.
    parts: Vec<Vec<u32>>,
}

impl Accumulator {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event.
    pub fn push(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Start { id, model, origin, extra } => {
                self.response.id = id;
                self.response.model = model;
                self.response.origin = origin;
                self.response.extra = extra;
            }
            ChatEvent::Logprobs { choice, logprobs } => {
                if let Some(choice) = self.choice(choice) {
                    merge(choice.logprobs.get_or_insert(Value::Null), logprobs);
                }
            }
            ChatEvent::Extra { choice, part, fields } => self.extra(choice, part, fields),
            ChatEvent::ChoiceExtra { choice, fields } => {
                if let Some(choice) = self.choice(choice) {
                    merge_fields(&mut choice.extra, fields);
                }
            }
            ChatEvent::Usage(usage) => self.response.usage = Some(usage),
            ChatEvent::Stop { choice, reason, sequence, extra } => {
                if let Some(choice) = self.choice(choice) {
                    choice.stop = Some(reason);
                    choice.stop_sequence = sequence;
                    merge_fields(&mut choice.extra, extra);
                }
            }
            ChatEvent::Other(_) | ChatEvent::Ping => {}
            content => self.content(content),
        }
    }

    /// The answer as far as it has come; what is there may also be a part of one.
    pub fn response(&self) -> &ChatResponse {
        &self.response
    }

    /// The answer.
    pub fn finish(self) -> ChatResponse {
        self.response
    }

    fn content(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Text { choice, part, text } => {
                let slot = self.part(choice, part, || Part::Text(Text::default()));
                if let Some(Part::Text(known)) = slot {
                    known.text.push_str(&text);
                }
            }
            ChatEvent::Citation { choice, part, citation } => {
                let slot = self.part(choice, part, || Part::Text(Text::default()));
                if let Some(Part::Text(known)) = slot {
                    known.citations.push(citation);
                }
            }
            ChatEvent::Reasoning { choice, part, text, field } => {
                let new = || Part::Reasoning(Reasoning { field, ..Reasoning::default() });
                if let Some(Part::Reasoning(known)) = self.part(choice, part, new) {
                    known.text.push_str(&text);
                }
            }
            ChatEvent::Signature { choice, part, signature } => {
                let slot = self.part(choice, part, || Part::Reasoning(Reasoning::default()));
                if let Some(Part::Reasoning(known)) = slot {
                    known.signature.get_or_insert_default().push_str(&signature);
                }
            }
            ChatEvent::Refusal { choice, part, text } => {
                let slot = self.part(choice, part, || Part::Refusal(Refusal::default()));
                if let Some(Part::Refusal(known)) = slot {
                    known.text.push_str(&text);
                }
            }
            ChatEvent::ToolCallStart { choice, part, id, name, extra, .. } => {
                let call = ToolCall { id, name, arguments: String::new(), extra };
                self.part(choice, part, || Part::ToolCall(call));
            }
            ChatEvent::ToolCallArguments { choice, part, arguments, .. } => {
                let slot = self.part(choice, part, || Part::ToolCall(ToolCall::default()));
                if let Some(Part::ToolCall(known)) = slot {
                    known.arguments.push_str(&arguments);
                }
            }
            ChatEvent::Part { choice, part, content } => {
                self.part(choice, part, || content);
            }
            _ => {}
        }
    }

    fn extra(&mut self, choice: Option<u32>, part: Option<u32>, fields: Extra) {
        let Some(choice) = choice else {
            return merge_fields(&mut self.response.extra, fields);
        };
        let Some(part) = part else {
            if let Some(choice) = self.choice(choice) {
                merge_fields(&mut choice.message.extra, fields);
            }
            return;
        };
        match self.part(choice, part, || Part::Text(Text::default())) {
            Some(Part::Text(text)) => merge_fields(&mut text.extra, fields),
            Some(Part::Reasoning(reasoning)) => merge_fields(&mut reasoning.extra, fields),
            Some(Part::ToolCall(call)) => merge_fields(&mut call.extra, fields),
            Some(Part::Refusal(refusal)) => merge_fields(&mut refusal.extra, fields),
            _ => {}
        }
    }

    /// The answer with this number; they are kept in order.
    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        let position = self.choice_position(index);
        self.response.choices.get_mut(position)
    }

    fn choice_position(&mut self, index: u32) -> usize {
        let choices = &mut self.response.choices;
        let position = choices.partition_point(|choice| choice.index < index);
        if choices.get(position).is_none_or(|choice| choice.index != index) {
            let mut message = Message::new(Role::Assistant, Vec::new());
            message.origin = self.response.origin;
            // These write a text as a list of parts and name the role.
            message.plain = !matches!(
                message.origin,
                Some(Protocol::AnthropicMessages | Protocol::GeminiGenerate)
            );
            choices.insert(position, Choice::new(index, message));
            self.parts.insert(position, Vec::new());
        }
        position
    }

    /// The part with this number, made by `new` when it is not there yet.
    fn part(&mut self, choice: u32, part: u32, new: impl FnOnce() -> Part) -> Option<&mut Part> {
        let position = self.choice_position(choice);
        let numbers = self.parts.get_mut(position)?;
        let parts = &mut self.response.choices.get_mut(position)?.message.parts;
        let at = numbers.partition_point(|number| *number < part);
        if numbers.get(at) != Some(&part) {
            numbers.insert(at, part);
            parts.insert(at, new());
        }
        parts.get_mut(at)
    }
}

pub(crate) fn merge_fields(known: &mut Extra, fields: Extra) {
    for (name, value) in fields {
        merge(known.entry(name).or_insert(Value::Null), value);
    }
}

/// Arrays grow, objects are merged, anything else is replaced.
fn merge(known: &mut Value, value: Value) {
    match (known, value) {
        (Value::Array(known), Value::Array(values)) => known.extend(values),
        (Value::Object(known), Value::Object(fields)) => merge_fields(known, fields),
        (known, value) => *known = value,
    }
}
