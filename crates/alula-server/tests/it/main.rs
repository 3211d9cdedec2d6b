//! Tests of the real binary `alula`, over real connections.
//!
//! Each test starts the processes that it needs on free ports of this machine, in a clean
//! environment, and ends them. Every wait has a bound.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

mod auth;
mod batches;
mod budgets;
mod canaries;
mod cancellation;
mod cli;
mod client;
mod collector;
mod compatible;
mod complaints;
mod conversations;
mod crowd;
mod database;
mod demo;
#[cfg(target_os = "linux")]
mod dev;
mod doctor;
mod documents;
mod failures;
mod file;
mod found;
mod https;
mod idempotency;
mod job_cli;
mod job_worker;
mod jobs;
mod keyed;
mod keys;
mod limits;
mod mcp;
mod mcp_use;
mod new;
mod observe;
#[path = "../support/postgres.rs"]
mod postgres;
mod probes;
mod process;
mod recorded;
mod recordings;
#[path = "../support/redis.rs"]
mod redis;
mod reference;
mod refusals;
mod reload;
mod replay;
mod sdk;
mod secrets;
mod shutdown;
mod streaming;
mod streams;
mod tenants;
mod upstream;
mod usage;
mod vector_stores;
mod webhooks;
#[cfg(target_os = "linux")]
mod workers;
