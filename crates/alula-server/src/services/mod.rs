//! What endpoints work with.

pub(crate) mod admission;
pub(crate) mod batch;
pub(crate) mod budgets;
pub(crate) mod chat;
pub(crate) mod conversations;
pub(crate) mod documents;
pub(crate) mod exchange;
pub(crate) mod idempotency;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod llm;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod readiness;
pub(crate) mod relay;
pub(crate) mod reload;
pub(crate) mod retrieval;
pub(crate) mod tools;
pub(crate) mod usage;
pub(crate) mod vector_stores;
