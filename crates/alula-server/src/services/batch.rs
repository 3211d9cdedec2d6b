//! Many questions at once.

use alula::{ApiError as _, Validate};
use futures_util::{StreamExt as _, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    admission::Caller,
    chat::{ChatAnswer, ChatRequest, Sources, ask},
};
use crate::error::CallError;

/// The most questions in one batch.
const BATCH_MAX: usize = 100;
/// How many questions of a batch are asked at the same time.
const BATCH_CONCURRENCY: usize = 16;

/// Questions to be asked at the same time.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
pub(crate) struct Batch(#[schemars(length(min = 1, max = BATCH_MAX))] pub(crate) Vec<ChatRequest>);

/// What became of one question of a batch.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum BatchItem {
    /// It was answered.
    Answer(Box<ChatAnswer>),
    /// It failed.
    Error {
        /// Why.
        error: BatchError,
    },
}

/// Why a question of a batch failed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BatchError {
    /// The status that the question alone would have had.
    status: u16,
    /// What is wrong.
    detail: Value,
}

/// Asks all of them, a few at a time, and returns the answers in the order of the questions.
/// `answered` hears of each that has come.
pub(crate) async fn ask_all(
    caller: &Caller,
    sources: &Sources,
    requests: Vec<ChatRequest>,
    answered: impl Fn(),
) -> Vec<BatchItem> {
    let answered = &answered;
    let answer = async |(number, request)| {
        let caller = caller.of_question(number);
        let item = match ask(&caller, sources, request).await {
            Ok(answer) => BatchItem::Answer(Box::new(answer)),
            Err(error) => failed(error),
        };
        answered();
        item
    };
    stream::iter(requests).enumerate().map(answer).buffered(BATCH_CONCURRENCY).collect().await
}

fn failed(error: CallError) -> BatchItem {
    let http = error.into_http();
    if http.status().is_server_error() {
        tracing::warn!(status = http.status().as_u16(), "in a batch: {}", http.log_message());
    }
    let error = BatchError { status: http.status().as_u16(), detail: http.detail().clone() };
    BatchItem::Error { error }
}
