//! An answer in several rounds: the model calls tools, reads what they give, and goes on.

use std::{future::Future, sync::Arc};

use alula::{HttpError, Result, mcp::client::ClientError};
use alula_llm::{
    ChatRequest, ChatResponse, Message, Part, Role, Usage,
    model::{ToolCall, ToolChoice, ToolResult},
};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use super::{ToolLimits, Tools, toolbox::Toolbox};
use crate::{
    error::CallError,
    services::admission::{Asking, Caller},
};

/// How many tools run at the same time.
const CONCURRENCY_MAX: usize = 8;

/// The tools of an answer, and how far it is.
#[derive(Debug)]
pub(crate) struct Rounds {
    toolbox: Toolbox,
    limits: ToolLimits,
    deadline: Instant,
    /// How often the model was asked.
    asked: usize,
    /// All that was called.
    made: Vec<Made>,
    /// What the rounds before the last one have used.
    used: Option<Usage>,
}

/// A call that the model wants to be made.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) call: ToolCall,
    /// Nothing if there is no such tool.
    pub(crate) server: Option<Arc<str>>,
    /// Its name there.
    pub(crate) tool: String,
}

/// A call that was made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) wanted: Wanted,
    /// What the model reads.
    pub(crate) result: String,
    pub(crate) is_error: bool,
}

impl Rounds {
    /// Offers the tools of these servers in a request; nothing if none is named.
    ///
    /// # Errors
    ///
    /// If there is no such server, or one cannot be reached in time.
    pub(crate) async fn begin(
        tools: &Tools,
        names: &[String],
        request: &mut ChatRequest,
    ) -> Result<Self> {
        let limits = tools.limits;
        let deadline = Instant::now() + limits.total;
        let servers = tools.named(names)?;
        let toolbox = within(deadline, &limits, Toolbox::open(&servers)).await??;
        request.tools.extend_from_slice(toolbox.offered());
        Ok(Self { toolbox, limits, deadline, asked: 0, made: Vec::new(), used: None })
    }

    /// Asks the model until it has answered.
    ///
    /// # Errors
    ///
    /// If a call of the model fails, or all of it takes too long. That a tool fails the model is told.
    pub(crate) async fn chat(
        mut self,
        caller: &Caller,
        mut request: ChatRequest,
    ) -> Result<(ChatResponse, Vec<Made>), CallError> {
        loop {
            self.ask(&mut request);
            let llm = caller.admit(Asking::Chat(&request)).await?;
            let mut response = self.within(llm.chat(request.clone())).await??;
            let Some(wanted) = self.wanted(&response) else {
                response.usage = self.total(response.usage.take());
                return Ok((response, self.made));
            };
            let made = self.run(wanted).await?;
            self.go_on(&mut request, &response, made);
        }
    }

    /// Prepares a request for the model: the last one lets it call nothing.
    pub(crate) fn ask(&mut self, request: &mut ChatRequest) {
        self.asked += 1;
        if self.asked >= self.limits.rounds_max && !request.tools.is_empty() {
            request.tool_choice = Some(ToolChoice::None);
        }
    }

    /// Waits for something, as long as the answer may take.
    pub(crate) async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        within(self.deadline, &self.limits, future).await
    }

    /// The calls that an answer wants to be made; nothing if it is the last one.
    pub(crate) fn wanted(&self, response: &ChatResponse) -> Option<Vec<Wanted>> {
        if self.asked >= self.limits.rounds_max {
            return None;
        }
        let wanted = response.tool_calls().map(|call| {
            let (server, tool) = self.toolbox.find(&call.name).unzip();
            let tool = tool.unwrap_or(&call.name).to_owned();
            Wanted { call: call.clone(), server: server.cloned(), tool }
        });
        let wanted: Vec<Wanted> = wanted.collect();
        (!wanted.is_empty()).then_some(wanted)
    }

    /// Makes calls, several at a time, and gives what came of them in their order.
    ///
    /// # Errors
    ///
    /// If the answer takes too long.
    pub(crate) async fn run(&self, wanted: Vec<Wanted>) -> Result<Vec<Made>> {
        let made = stream::iter(wanted.into_iter().enumerate())
            .map(|(number, wanted)| self.made(number, wanted))
            .buffered(CONCURRENCY_MAX)
            .collect();
        self.within(made).await
    }

    async fn made(&self, number: usize, wanted: Wanted) -> Made {
        let (result, is_error) = match self.result(number, &wanted).await {
            Ok((text, is_error)) => (text, is_error),
            Err(reason) => (reason, true),
        };
        let server = wanted.server.as_deref();
        tracing::debug!(server, tool = wanted.tool, is_error, "a tool was called");
        Made { wanted, result: shortened(result, self.limits.result_bytes_max), is_error }
    }

    /// What a tool gives, or why it gives nothing, as the model reads it.
    async fn result(&self, number: usize, wanted: &Wanted) -> Result<(String, bool), String> {
        if wanted.server.is_none() {
            return Err(format!("There is no tool {:?}.", wanted.call.name));
        }
        let max = self.limits.calls_max;
        if number >= max {
            return Err(format!("Not called: at most {max} tools may be called at a time."));
        }
        let arguments = wanted.call.arguments_json();
        let arguments = arguments.map_err(|error| format!("The arguments are no JSON: {error}"))?;
        let called = self.toolbox.call(&wanted.call.name, arguments).await;
        let called = called.map_err(|error| {
            let (server, tool) = (wanted.server.as_deref(), wanted.tool.as_str());
            tracing::warn!(server, tool, %error, "a tool could not be called");
            format!("The tool could not be called: {}", public(&error))
        })?;
        let text = called.text();
        let text = match (text.is_empty(), &called.structured_content) {
            (true, Some(value)) => value.to_string(),
            (true, None) if !called.content.is_empty() => {
                "The result is no text, and cannot be shown.".to_owned()
            }
            _ => text,
        };
        Ok((text, called.is_error))
    }

    /// Adds to a request what the model has said, and what came of its calls.
    pub(crate) fn go_on(
        &mut self,
        request: &mut ChatRequest,
        response: &ChatResponse,
        made: Vec<Made>,
    ) {
        request.messages.extend(response.message().cloned());
        for made in &made {
            let result = ToolResult {
                id: made.wanted.call.id.clone(),
                parts: vec![Part::text(&made.result)],
                plain: true,
                is_error: made.is_error.then_some(true),
                ..ToolResult::default()
            };
            request.messages.push(Message::new(Role::Tool, vec![Part::ToolResult(result)]));
        }
        self.used = self.total(response.usage.clone());
        self.made.extend(made);
    }

    /// What all rounds have used, with this last one; nothing if it was not always counted.
    pub(crate) fn total(&self, last: Option<Usage>) -> Option<Usage> {
        match (&self.used, last) {
            (Some(used), Some(last)) => Some(sum(used, &last)),
            (None, last) if self.made.is_empty() => last,
            _ => None,
        }
    }

    pub(crate) fn into_made(self) -> Vec<Made> {
        self.made
    }
}

async fn within<T>(
    deadline: Instant,
    limits: &ToolLimits,
    future: impl Future<Output = T>,
) -> Result<T> {
    timeout_at(deadline, future).await.map_err(|_| {
        let seconds = limits.total.as_secs();
        HttpError::new(504, format!("The answer and its tools took longer than {seconds} seconds"))
    })
}

fn sum(one: &Usage, other: &Usage) -> Usage {
    let add = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or_default().saturating_add(other.unwrap_or_default())),
    };
    Usage {
        input: one.input.saturating_add(other.input),
        output: one.output.saturating_add(other.output),
        total: Some(one.total().saturating_add(other.total())),
        cache_read: add(one.cache_read, other.cache_read),
        cache_write: add(one.cache_write, other.cache_write),
        reasoning: add(one.reasoning, other.reasoning),
        ..Usage::default()
    }
}

/// Why a server did not do what it was asked, for the model and for whoever has asked that. Where it
/// is, and what a program has written to its log before it ended, is for the operator alone.
fn public(error: &ClientError) -> String {
    match error {
        ClientError::Status { status, .. } => {
            format!("the MCP server answered with status {status}")
        }
        ClientError::Unreachable(_) => "the MCP server cannot be reached".to_owned(),
        ClientError::Closed(_) => "the MCP server is gone".to_owned(),
        ClientError::Protocol(_) => "the MCP server answered something else".to_owned(),
        error => error.to_string(),
    }
}

/// The beginning of a text, with a note that it is that.
fn shortened(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let bytes = text.len();
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push_str(&format!("\n[shortened: the first {bytes_max} of {bytes} bytes]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_result_is_shortened_between_letters() {
        assert_eq!(shortened("äöü".to_owned(), 6), "äöü");
        assert_eq!(shortened("äöü".to_owned(), 5), "äö\n[shortened: the first 5 of 6 bytes]");
    }

    #[test]
    fn what_is_the_operators_own_is_not_told() {
        let canary = || "canary".to_owned();
        for error in [
            ClientError::Status { status: 401, detail: canary() },
            ClientError::Unreachable(canary()),
            ClientError::Closed(canary()),
            ClientError::Protocol(canary()),
        ] {
            assert!(!public(&error).contains("canary"), "{error:?}");
        }
        // That is written for whoever calls.
        let refused = ClientError::Refused { code: -32602, message: canary(), data: None };
        assert!(public(&refused).contains("canary"));
    }

    #[test]
    fn rounds_add_up() {
        let used = |input, cache_read| Usage { input, output: 1, cache_read, ..Usage::default() };
        let sum = sum(&used(10, None), &used(20, Some(5)));
        assert_eq!((sum.input, sum.total(), sum.cache_read), (30, 32, Some(5)));
    }
}
