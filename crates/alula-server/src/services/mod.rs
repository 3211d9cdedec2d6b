//! What the endpoints work with.

pub(crate) mod chat;
pub(crate) mod llm;
pub(crate) mod relay;
