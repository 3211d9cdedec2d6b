//! Functions that models call.

use std::time::Duration;

use alula::{
    mcp::{Arguments, McpContext, ToolResult},
    prelude::*,
};
use tokio::time::{Instant, interval_at};

use crate::{
    dependencies::caller,
    error::CallError,
    services::chat::{ChatRequest, Sources, ask},
};

/// How often a client is told that its call goes on. Some give up after a minute without a word.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// What to ask a model.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// What to say to the model.
    #[schemars(length(min = 1, max = 1_000_000))]
    message: String,
    /// The model, perhaps as `provider/model`; the server's default if absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    model: Option<String>,
    /// Instructions for the model.
    #[serde(default)]
    #[schemars(length(max = 1_000_000))]
    system_prompt: Option<String>,
    /// Sampling temperature.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
    /// The longest answer, in tokens.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_tokens: Option<u64>,
}

/// Ask a language model, and get its whole answer.
///
/// Use it for a second opinion, or for a task that another model is better or cheaper at. The model
/// knows nothing of this conversation: the message has to say everything.
#[tool(title = "Ask a model", scope = "models", destructive = false, open_world = true)]
pub(super) async fn run_chat(
    Arguments(question): Arguments<Question>,
    caller: Depends<caller>,
    sources: State<Sources>,
    context: McpContext,
) -> Result<ToolResult, CallError> {
    let Question { message, model, system_prompt, temperature, max_tokens } = question;
    let mut request = ChatRequest::question(message);
    request.model = model;
    request.system_prompt = system_prompt;
    request.temperature = temperature;
    request.max_tokens = max_tokens;
    let asked = ask(&caller, &sources, request);
    let answer = while_telling(&context, asked).await?;
    Ok(ToolResult::text(answer.text()).structured(&answer)?)
}

/// Waits for something, and tells the client now and then that it goes on.
pub(super) async fn while_telling<T>(context: &McpContext, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let mut ticks = interval_at(began + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = ticks.tick() => {
                let seconds = began.elapsed().as_secs_f64().round();
                context.progress(seconds, None, "The model is answering").await;
            }
        }
    }
}
