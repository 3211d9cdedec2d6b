//! Chats.

use alula::prelude::*;

/// A question.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
pub struct ChatRequest {
    #[schemars(length(min = 1, max = 10_000))]
    pub message: String,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChatResponse {
    pub response: String,
}

/// A piece of an answer.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    pub token: String,
}
