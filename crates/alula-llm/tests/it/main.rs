//! Tests of the whole crate: against recordings of real providers, and over real connections.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "a test may panic and print, and its helpers take `json!` values as they are written"
)]

mod cache;
mod calls;
mod carried;
mod cassette;
mod cohere;
mod conformance;
mod counts;
mod embeddings;
mod fake;
mod family;
mod faults;
mod gemini;
mod judged;
mod media;
mod openai_responses;
mod over_http;
mod recordings;
mod relay;
mod requests;
mod resilience;
mod responses;
mod sdk;
mod server;
mod spawned;
mod streams;
mod structured;
mod translation;
mod waves;
mod writers;
