//! How many tokens a call may need, before it is made.

use crate::{
    ChatRequest, Message, Part,
    model::{FunctionTool, Tool},
};

/// What a message costs beyond its text.
const MESSAGE: u64 = 4;
/// What a picture or a document costs, about: a high-resolution tile or two.
const MEDIA: u64 = 1_000;
/// What is set aside for an answer without a limit.
const ANSWER: u64 = 1_000;
/// Bytes of English to a token; other languages have fewer, and code has more.
const BYTES_PER_TOKEN: usize = 4;

/// About how many tokens a call uses, its answer included.
///
/// Four bytes of text are counted as a token, which is what the tokenizers of the large providers
/// come to with English prose; the truth is known after the call, see [`Usage`](crate::Usage).
pub(crate) fn tokens(request: &ChatRequest) -> u64 {
    let messages = request.messages.iter().map(message).fold(0, u64::saturating_add);
    let tools = request.tools.iter().map(tool).fold(0, u64::saturating_add);
    let answers = request.max_tokens.unwrap_or(ANSWER).saturating_mul(request.n.unwrap_or(1));
    messages.saturating_add(tools).saturating_add(answers)
}

fn message(message: &Message) -> u64 {
    message.parts.iter().map(part).fold(MESSAGE, u64::saturating_add)
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text(it) => text(&it.text),
        Part::Image(_) | Part::Audio(_) | Part::File(_) => MEDIA,
        Part::ToolCall(call) => text(&call.name) + text(&call.arguments),
        Part::ToolResult(result) => result.parts.iter().map(self::part).sum(),
        Part::Reasoning(reasoning) => text(&reasoning.text),
        Part::RedactedReasoning(reasoning) => text(&reasoning.data),
        Part::Refusal(refusal) => text(&refusal.text),
        Part::Other(value) => text(&value.to_string()),
    }
}

fn tool(tool: &Tool) -> u64 {
    match tool {
        Tool::Function(FunctionTool { name, description, parameters, .. }) => {
            let description = description.as_deref().unwrap_or_default();
            let parameters = parameters.as_ref().map(ToString::to_string).unwrap_or_default();
            text(name) + text(description) + text(&parameters)
        }
        Tool::Other(value) => text(&value.to_string()),
    }
}

fn text(text: &str) -> u64 {
    u64::try_from(text.len().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_media_and_the_answer_count() {
        let asked = ChatRequest::new("m").user("x".repeat(400)).max_tokens(50);
        assert_eq!(tokens(&asked), 100 + MESSAGE + 50);
        let open = ChatRequest::new("m").user("");
        assert_eq!(tokens(&open), MESSAGE + ANSWER);
        let many = ChatRequest { n: Some(3), ..ChatRequest::new("m").max_tokens(u64::MAX) };
        assert_eq!(tokens(&many), u64::MAX);
    }
}
