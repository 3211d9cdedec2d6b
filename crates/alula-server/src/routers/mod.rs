//! The endpoints, by what they are about.

pub(crate) mod admin;
pub(crate) mod anthropic;
pub(crate) mod batches;
pub(crate) mod chat;
pub(crate) mod conversations;
pub(crate) mod documents;
pub(crate) mod envelope;
pub(crate) mod files;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod mcp;
pub(crate) mod metrics;
pub(crate) mod openai;
pub(crate) mod search;
pub(crate) mod vector_stores;
