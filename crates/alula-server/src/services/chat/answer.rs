//! An answer as it is written.

use std::collections::VecDeque;

use alula::{Result, Scope};
use alula_llm::{Accumulator, ChatEvent, ChatRequest as LlmRequest, ChatStream};
use futures_util::StreamExt as _;

use super::{ChatRequest, Grounded, Piece, Prepared, Sources, Summary, ToolCall, kept, named};
use crate::{
    error::CallError,
    services::{
        admission::{Asking, Caller},
        conversations::Recording,
        tools::{Rounds, Wanted},
    },
};

/// An answer that has begun.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What has come, and was not asked for yet.
    ready: VecDeque<Piece>,
    /// `None` after the end or a failure, and while tools are called.
    events: Option<ChatStream>,
    so_far: Accumulator,
    recording: Option<Recording>,
    grounded: Option<Grounded>,
    tooling: Option<Box<Tooling>>,
}

/// What an answer with tools goes on with.
#[derive(Debug)]
struct Tooling {
    caller: Caller,
    rounds: Rounds,
    request: LlmRequest,
    next: Next,
}

/// What follows once everything is told that has come.
#[derive(Debug)]
enum Next {
    /// The model goes on.
    Read,
    /// These calls are made.
    Call(Vec<Wanted>),
    /// The model is asked again.
    Ask,
}

impl Answer {
    /// Asks a model and waits for the first content, so that a failure before it is a status and
    /// not a broken stream.
    ///
    /// What there is of an answer that breaks off is kept at the end of the request.
    pub(crate) async fn begin(
        caller: &Caller,
        sources: &Sources,
        request: ChatRequest,
        scope: &Scope,
    ) -> Result<Self, CallError> {
        let answer = Self::asked(caller, sources, request).await?;
        if let Some(recording) = answer.recording.clone() {
            scope.on_exit(move |_| async move { recording.keep_part().await });
        }
        Ok(answer)
    }

    /// The same where there is no request that could end: what there is of an answer that breaks
    /// off is not kept.
    pub(crate) async fn asked(
        caller: &Caller,
        sources: &Sources,
        request: ChatRequest,
    ) -> Result<Self, CallError> {
        let servers = request.mcp_servers.clone();
        let Prepared { mut request, recording, grounded } =
            Prepared::new(caller, sources, request).await?;
        let (ready, so_far) = (VecDeque::new(), Accumulator::new());
        let mut answer = Self { ready, events: None, so_far, recording, grounded, tooling: None };
        match answer.grounded.as_ref().and_then(Grounded::plain_no) {
            Some(no) => answer.end_with(no, named(caller, request.model)).await,
            None if servers.is_empty() => {
                let llm = caller.admit(Asking::Stream(&request)).await?;
                answer.events = Some(llm.stream(request).await?.ready().await?);
            }
            None => {
                let rounds = Rounds::begin(caller.tools()?, &servers, &mut request).await?;
                let caller = caller.clone();
                let mut tooling = Tooling { caller, rounds, request, next: Next::Read };
                answer.events = Some(tooling.ask().await?);
                answer.tooling = Some(Box::new(tooling));
            }
        }
        Ok(answer)
    }

    /// The next piece; nothing after the end or a failure.
    pub(crate) async fn next(&mut self) -> Option<Result<Piece, CallError>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            if let Err(error) = self.go_on().await? {
                self.events = None;
                self.tooling = None;
                return Some(Err(error));
            }
        }
    }

    /// Does what comes next; nothing after the end or a failure.
    async fn go_on(&mut self) -> Option<Result<(), CallError>> {
        if let Some(tooling) = self.tooling.as_mut().filter(|it| !matches!(it.next, Next::Read)) {
            return Some(match std::mem::replace(&mut tooling.next, Next::Read) {
                Next::Call(wanted) => {
                    let response = std::mem::take(&mut self.so_far).finish();
                    let called = tooling.call(wanted, response).await;
                    called.map(|told| self.ready.extend(told))
                }
                Next::Ask | Next::Read => tooling.ask().await.map(|it| self.events = Some(it)),
            });
        }
        let events = self.events.as_mut()?;
        let event = match &self.tooling {
            None => events.next().await,
            Some(tooling) => match tooling.rounds.within(events.next()).await {
                Ok(event) => event,
                Err(error) => return Some(Err(error.into())),
            },
        };
        match event {
            Some(Ok(event)) => self.take(event),
            Some(Err(error)) => return Some(Err(error.into())),
            None => {
                self.events = None;
                if !self.wants_tools() {
                    self.end_with_summary().await;
                }
            }
        }
        Some(Ok(()))
    }

    /// Whether the model has not answered yet, but wants tools to be called.
    fn wants_tools(&mut self) -> bool {
        let Some(tooling) = &mut self.tooling else { return false };
        let Some(wanted) = tooling.rounds.wanted(self.so_far.response()) else { return false };
        self.ready.extend(wanted.iter().map(|it| Piece::ToolCall(ToolCall::from(it))));
        tooling.next = Next::Call(wanted);
        true
    }

    /// The whole answer, which no model has given.
    async fn end_with(&mut self, text: &str, model: String) {
        if let Some(recording) = &self.recording {
            recording.push(text);
            recording.answered_by(&model);
        }
        self.ready.push_back(Piece::Token(text.to_owned()));
        self.end(Summary::without_call(model)).await;
    }

    async fn end_with_summary(&mut self) {
        let mut response = std::mem::take(&mut self.so_far).finish();
        let mut made = Vec::new();
        if let Some(tooling) = self.tooling.take() {
            response.usage = tooling.rounds.total(response.usage.take());
            made = tooling.rounds.into_made();
        }
        self.end(Summary::from(&response).after(&made)).await;
    }

    async fn end(&mut self, mut summary: Summary) {
        if let Some(grounded) = self.grounded.take() {
            let ended = grounded.finish();
            if let Some(recording) = &self.recording {
                recording.push(&ended.unmarked);
            }
            self.ready.extend(ended.rest.map(Piece::Token));
            summary.documents = Some(ended.documents);
        }
        if let Some(recording) = &self.recording {
            summary.conversation = Some(kept(recording).await);
        }
        self.ready.push_back(Piece::End(Box::new(summary)));
    }

    /// Notes an event, and what the client sees of it. Only the first answer is streamed.
    fn take(&mut self, event: ChatEvent) {
        if let (ChatEvent::Start { model, .. }, Some(recording)) = (&event, &self.recording) {
            recording.answered_by(model);
        }
        match &event {
            ChatEvent::Text { choice: 0, text, .. }
            | ChatEvent::Refusal { choice: 0, text, .. }
                if !text.is_empty() =>
            {
                let mut plain = None;
                match &mut self.grounded {
                    Some(grounded) => {
                        self.ready.extend(grounded.push(text).into_iter().map(Piece::from));
                        plain = Some(grounded.unmarked());
                    }
                    None => self.ready.push_back(Piece::Token(text.clone())),
                }
                if let Some(recording) = &self.recording {
                    recording.push(plain.as_deref().unwrap_or(text));
                }
            }
            ChatEvent::Reasoning { choice: 0, text, .. } if !text.is_empty() => {
                self.ready.push_back(Piece::Reasoning(text.clone()));
            }
            _ => {}
        }
        self.so_far.push(event);
    }
}

impl Tooling {
    /// Asks the model, and waits for the first content.
    async fn ask(&mut self) -> Result<ChatStream, CallError> {
        self.rounds.ask(&mut self.request);
        let llm = self.caller.admit(Asking::Stream(&self.request)).await?;
        let begun = async { llm.stream(self.request.clone()).await?.ready().await };
        Ok(self.rounds.within(Box::pin(begun)).await??)
    }

    /// Makes calls that the model wants, and gives their results to whoever listens. The model gets
    /// them when it is asked again.
    async fn call(
        &mut self,
        wanted: Vec<Wanted>,
        response: alula_llm::ChatResponse,
    ) -> Result<Vec<Piece>, CallError> {
        let made = self.rounds.run(wanted).await?;
        let told = made.iter().map(|it| Piece::ToolResult(ToolCall::from(it))).collect();
        self.rounds.go_on(&mut self.request, &response, made);
        self.next = Next::Ask;
        Ok(told)
    }
}
