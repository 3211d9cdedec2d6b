//! Tests of the public API, in one binary.

// The attribute tells clippy that helper functions are tests, too.
#[cfg(test)]
mod about;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod api_errors;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod completion;
#[cfg(test)]
mod concurrency;
#[cfg(feature = "docs")]
#[cfg(test)]
mod docs_ui;
#[cfg(test)]
mod error_format_failures;
#[cfg(test)]
mod error_formats;
#[cfg(test)]
mod error_handlers;
#[cfg(test)]
mod error_log;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod files;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod generated;
#[cfg(feature = "jobs")]
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod kitchen;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod lifespan;
#[cfg(feature = "mcp")]
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod middleware;
#[cfg(test)]
mod models;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod order;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod security;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod start_up;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod tasks;
#[cfg(all(feature = "otel", feature = "ws"))]
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod timeouts;
#[cfg(test)]
mod tool;
#[cfg(test)]
mod ui;
#[cfg(feature = "ws")]
#[cfg(test)]
mod ws;
