use std::{fmt, time::Duration};

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{Fault, script::Script};
use crate::{
    ChatEvent, ErrorKind, StopReason, Usage,
    model::{Extra, Part, Protocol},
};

/// One answer of a fake, written from the front to the back.
///
/// It answers in whatever protocol it is asked, streamed or whole. Turns are used in their order,
/// each once, by the first request that [may](Self::expects) have it.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, testing::FakeProvider};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let fake = FakeProvider::start().await;
/// fake.turn().thinks("Berne, so Celsius.").calls_tool("weather", json!({"city": "Berne"}));
/// fake.turn().says(["It is ", "sunny."]).usage(12, 4);
///
/// let llm = Llm::builder().provider(fake.gemini()).build()?;
/// let question = ChatRequest::new("gemini-x").user("How is the weather?");
/// let answer = llm.chat(question.clone()).await?;
/// assert_eq!(answer.tool_calls().next().unwrap().name, "weather");
/// assert_eq!(llm.stream(question).await?.accumulate().await?.text(), "It is sunny.");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Turn<'a> {
    script: &'a Script,
    place: Place,
}

/// Which turn of a script.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Nth(usize),
    Always,
}

/// What is written of a turn.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    /// What the body of a request must hold.
    pub(super) expects: Option<Value>,
    /// The pieces of the answer.
    pub(super) pieces: Vec<ChatEvent>,
    pub(super) parts: u32,
    pub(super) calls: u32,
    pub(super) stop: Option<(StopReason, Option<String>)>,
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<String>,
    pub(super) embeddings: Option<Vec<Vec<f32>>>,
    pub(super) tokens: Option<u64>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) every: Duration,
    pub(super) faults: Vec<Fault>,
    /// How often it is still to be used; more than once if `times` says so.
    pub(super) left: usize,
}

/// The text of a turn, in the pieces in which it is streamed: one text or a list of them.
///
/// ```
/// use alula_llm::testing::{FakeModel, Pieces};
///
/// let words = "An alula is a feather.".split_inclusive(' ').collect::<Vec<_>>();
/// let model = FakeModel::new();
/// model.always().says(Pieces::from(words)); // streamed word by word
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces(Vec<String>);

impl<'a> Turn<'a> {
    pub(super) fn new(script: &'a Script, place: Place) -> Self {
        Self { script, place }
    }

    fn write(self, write: impl FnOnce(&mut Written)) -> Self {
        self.script.write(self.place, write);
        self
    }

    /// Keeps the turn for a request whose body holds this, as
    /// [`assert_sent!`](crate::testing::assert_sent) compares it.
    ///
    /// Without it any request may have the turn.
    pub fn expects(self, body: Value) -> Self {
        self.write(|it| it.expects = Some(body))
    }

    /// Adds text, in the pieces in which it is streamed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let fake = alula_llm::testing::FakeProvider::start().await;
    /// fake.always().says("Hello");
    /// fake.always().says(["Hel", "lo"]);
    /// # }
    /// ```
    pub fn says(self, text: impl Into<Pieces>) -> Self {
        let text = text.into();
        self.write(|it| {
            let part = it.part();
            it.pieces.extend(text.0.into_iter().map(|text| ChatEvent::Text {
                choice: 0,
                part,
                text,
            }));
        })
    }

    /// Adds reasoning, in the pieces in which it is streamed.
    pub fn thinks(self, text: impl Into<Pieces>) -> Self {
        let text = text.into();
        self.write(|it| {
            let part = it.part();
            let piece = |text| ChatEvent::Reasoning { choice: 0, part, text, field: None };
            it.pieces.extend(text.0.into_iter().map(piece));
        })
    }

    /// Seals the reasoning before it, where the protocol has seals.
    pub fn seals(self, signature: impl Into<String>) -> Self {
        let signature = signature.into();
        self.write(|it| {
            let part = it.parts.saturating_sub(1);
            it.pieces.push(ChatEvent::Signature { choice: 0, part, signature });
        })
    }

    /// Adds a refusal; where the protocol has none for words, they are text.
    pub fn refuses(self, text: impl Into<Pieces>) -> Self {
        let text = text.into();
        self.write(|it| {
            let part = it.part();
            let piece = |text| ChatEvent::Refusal { choice: 0, part, text };
            it.pieces.extend(text.0.into_iter().map(piece));
        })
    }

    /// Adds the call of a tool, under the id `call_1` and so on. Several make parallel calls.
    #[expect(clippy::needless_pass_by_value, reason = "it takes what `json!` gives")]
    pub fn calls_tool(self, name: impl Into<String>, arguments: Value) -> Self {
        let name = name.into();
        self.write(|it| {
            let (part, index) = (it.part(), it.calls);
            it.calls += 1;
            let id = format!("call_{}", it.calls);
            let extra = Extra::new();
            it.pieces.push(ChatEvent::ToolCallStart { choice: 0, part, index, id, name, extra });
            let arguments = arguments.to_string();
            it.pieces.push(ChatEvent::ToolCallArguments { choice: 0, part, index, arguments });
        })
    }

    /// Adds a part that comes whole.
    pub fn shows(self, content: Part) -> Self {
        self.write(|it| {
            let part = it.part();
            it.pieces.push(ChatEvent::Part { choice: 0, part, content });
        })
    }

    /// Adds any event, for what has no method here.
    pub fn event(self, event: ChatEvent) -> Self {
        self.write(|it| it.pieces.push(event))
    }

    /// Says why the answer ends: else because of tool calls if there are any, of a refusal, or
    /// because all is said.
    pub fn stops(self, reason: StopReason) -> Self {
        self.write(|it| it.stop = Some((reason, None)))
    }

    /// Ends the answer at one of the stop texts of the request.
    pub fn stops_at(self, sequence: impl Into<String>) -> Self {
        let sequence = sequence.into();
        self.write(|it| it.stop = Some((StopReason::StopSequence, Some(sequence))))
    }

    /// Sets what the call cost, in tokens of the prompt and of the answer.
    pub fn usage(self, input: u64, output: u64) -> Self {
        self.usage_of(Usage { input, output, ..Usage::default() })
    }

    /// Sets what the call cost, in all detail.
    pub fn usage_of(self, usage: Usage) -> Self {
        self.write(|it| it.usage = Some(usage))
    }

    /// Sets the model that answers; else it is the one that was asked for.
    pub fn model(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.write(|it| it.model = Some(name))
    }

    /// Answers a request for embeddings with these.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let fake = alula_llm::testing::FakeProvider::start().await;
    /// fake.always().embeds([[0.0, 1.0], [0.5, 0.5]]).usage(7, 0);
    /// # }
    /// ```
    pub fn embeds<V: Into<Vec<f32>>>(self, vectors: impl IntoIterator<Item = V>) -> Self {
        let vectors = vectors.into_iter().map(Into::into).collect();
        self.write(|it| it.embeddings = Some(vectors))
    }

    /// Answers a request that counts tokens.
    pub fn counts(self, tokens: u64) -> Self {
        self.write(|it| it.tokens = Some(tokens))
    }

    /// Adds a header to the answer.
    ///
    /// # Panics
    ///
    /// When HTTP cannot send the name or the value.
    #[expect(clippy::expect_used, reason = "the script of a test is wrong")]
    pub fn header(self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("the name of a header");
        let value = HeaderValue::try_from(value).expect("the value of a header");
        self.write(|it| it.headers.push((name, value)))
    }

    /// Streams the pieces so long after each other.
    pub fn chunks_every(self, pause: Duration) -> Self {
        self.write(|it| it.every = pause)
    }

    /// Lets the answer fail in a way; several may be combined.
    ///
    /// ```
    /// use alula_llm::{ChatRequest, ErrorKind, Llm, testing::{Fault, FakeProvider}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> alula_llm::Result<()> {
    /// let fake = FakeProvider::start().await;
    /// fake.turn().says(["Hel", "lo"]).then(Fault::ResetAfter(1));
    ///
    /// let llm = Llm::builder().provider(fake.openai()).build()?;
    /// let stream = llm.stream(ChatRequest::new("gpt-x").user("Hi")).await?;
    /// let error = stream.accumulate().await.unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Stream { .. }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn then(self, fault: Fault) -> Self {
        self.write(|it| it.faults.push(fault))
    }

    /// Lets so many requests have this turn, instead of one.
    pub fn times(self, count: usize) -> Self {
        self.write(|it| it.left = count)
    }
}

impl Written {
    pub(super) fn new() -> Self {
        Self { left: 1, ..Self::default() }
    }

    /// The number of a new part.
    fn part(&mut self) -> u32 {
        self.parts += 1;
        self.parts - 1
    }

    /// Why the answer ends, as the protocol has it.
    pub(super) fn stop(&self, protocol: Protocol) -> (StopReason, Option<String>) {
        if let Some(stop) = &self.stop {
            return stop.clone();
        }
        // OpenAI's refusals are messages of their own, after which all is said.
        let has_refusals = matches!(protocol, Protocol::OpenAiChat | Protocol::OpenAiResponses);
        let refuses = self.pieces.iter().any(|it| matches!(it, ChatEvent::Refusal { .. }));
        let reason = match (self.calls, refuses && !has_refusals) {
            (1.., _) => StopReason::ToolCalls,
            (_, true) => StopReason::Refusal,
            _ => StopReason::End,
        };
        (reason, None)
    }

    /// The error that comes after so many pieces.
    pub(super) fn error_after(&self) -> Option<(usize, &ErrorKind)> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::ErrorAfter(pieces, kind) => Some((*pieces, kind)),
            _ => None,
        })
    }

    /// Whether it is an answer to a chat, and not only to something else.
    pub(super) fn is_chat(&self) -> bool {
        self.embeddings.is_none() && self.tokens.is_none() || !self.pieces.is_empty()
    }
}

/// What the turn is about, for who has forgotten which it was.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut what = Vec::new();
        for piece in &self.pieces {
            match piece {
                ChatEvent::Text { text: piece, .. } => text.push_str(piece),
                ChatEvent::ToolCallStart { name, .. } => what.push(format!("calls {name}")),
                _ => {}
            }
        }
        if !text.is_empty() {
            what.insert(0, format!("says {:?}", excerpt(&text)));
        }
        if let Some(vectors) = &self.embeddings {
            what.push(format!("embeds {} texts", vectors.len()));
        }
        if let Some(tokens) = self.tokens {
            what.push(format!("counts {tokens} tokens"));
        }
        what.extend(self.faults.iter().map(|fault| excerpt(&format!("{fault:?}")).to_owned()));
        if what.is_empty() {
            what.push("is empty".to_owned());
        }
        f.write_str(&what.join(", "))
    }
}

fn excerpt(text: &str) -> &str {
    const BYTES_MAX: usize = 60;
    text.get(..text.floor_char_boundary(BYTES_MAX)).unwrap_or(text)
}

impl From<&str> for Pieces {
    fn from(text: &str) -> Self {
        Self(vec![text.to_owned()])
    }
}

impl From<String> for Pieces {
    fn from(text: String) -> Self {
        Self(vec![text])
    }
}

impl<T: Into<String>> From<Vec<T>> for Pieces {
    fn from(texts: Vec<T>) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Pieces {
    fn from(texts: [T; N]) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }
}
