mod embed;

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::time::sleep;

use super::{Provider, vector};
use crate::{
    ChatEvent, ChatRequest, ChatResponse, ChatStream, EmbedRequest, EmbedResponse, Message, Result,
    Role, StopReason, TokenCount, Usage, model::Extra,
};

/// A provider that needs no network and no key, and says that it is not a model.
///
/// The same request always gets the same answer. Usage is counted in words.
///
/// ```
/// use alula_llm::{ChatRequest, Demo, Llm};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let llm = Llm::builder().provider(Demo::new()).build()?;
/// let answer = llm.chat(ChatRequest::new("demo").user("Hello")).await?;
/// assert!(answer.text().contains("demo"));
/// # Ok::<(), alula_llm::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Demo {
    delay: Duration,
}

impl Demo {
    /// A demo that streams a word each 10 ms.
    pub fn new() -> Self {
        Self { delay: Duration::from_millis(10) }
    }

    /// Sets the time between two words of a stream.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn events(&self, request: &ChatRequest) -> ChatStream {
        let text = answer(request);
        let usage = usage(request, &text);
        let start = ChatEvent::Start {
            id: "demo".to_owned(),
            model: "demo".to_owned(),
            origin: None,
            extra: Extra::new(),
        };
        let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let delay = self.delay;
        let words = stream::iter(words).then(move |text| async move {
            // Even no time at all would be a whole tick of the timer.
            if !delay.is_zero() {
                sleep(delay).await;
            }
            ChatEvent::Text { choice: 0, part: 0, text }
        });
        let stop = ChatEvent::Stop {
            choice: 0,
            reason: StopReason::End,
            sequence: None,
            extra: Extra::new(),
        };
        let end = stream::iter([stop, ChatEvent::Usage(usage)]);
        ChatStream::new(stream::iter([start]).chain(words).chain(end).map(Ok))
    }
}

impl Default for Demo {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for Demo {
    fn name(&self) -> &str {
        "demo"
    }

    fn serves(&self, model: &str) -> bool {
        model == "demo"
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatResponse>> {
        self.clone().delay(Duration::ZERO).events(request).accumulate().boxed()
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatStream>> {
        async { Ok(self.events(request)) }.boxed()
    }

    fn count_tokens<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<TokenCount>> {
        async { Ok(TokenCount::exact(prompt_words(request))) }.boxed()
    }

    fn embed<'a>(&'a self, request: &'a EmbedRequest) -> BoxFuture<'a, Result<EmbedResponse>> {
        async { vector::check_inputs(request).and_then(|()| embed::embed(request)) }.boxed()
    }
}

fn answer(request: &ChatRequest) -> String {
    let last = request.messages.iter().rfind(|message| message.role == Role::User);
    let asked = last.map(Message::text).unwrap_or_default();
    let words = words(&asked);
    let quote: Vec<&str> = asked.split_whitespace().take(20).collect();
    let dots = if words > 20 { " …" } else { "" };
    let noun = if words == 1 { "word" } else { "words" };
    format!(
        "This is a demo answer: no model was asked. You wrote {words} {noun}: “{}{dots}”. To get \
         real answers, configure a provider: set OPENAI_API_KEY, ANTHROPIC_API_KEY or \
         GEMINI_API_KEY, or start Ollama, and restart.",
        quote.join(" ")
    )
}

fn usage(request: &ChatRequest, answer: &str) -> Usage {
    Usage { input: prompt_words(request), output: words(answer), ..Usage::default() }
}

fn prompt_words(request: &ChatRequest) -> u64 {
    request.messages.iter().map(|message| words(&message.text())).sum()
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_stream_and_the_answer_are_the_same() {
        let request = ChatRequest::new("demo").system("Be brief.").user("What is an alula?");
        let demo = Demo::new();
        let streamed = demo.stream(&request).await.unwrap().accumulate().await.unwrap();
        let whole = demo.chat(&request).await.unwrap();
        assert_eq!(streamed, whole);
        assert!(whole.text().contains("“What is an alula?”"));
        assert!(whole.text().contains("OPENAI_API_KEY"));
        assert_eq!(whole.usage.unwrap().input, 6);
    }
}
