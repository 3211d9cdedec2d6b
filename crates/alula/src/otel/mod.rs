//! Traces and metrics by OpenTelemetry, behind the feature `otel`.
//!
//! [`Telemetry`] sends what happens to a collector, by OTLP over HTTP. Given to an application, it
//! makes one span and a few measurements for every request, by OpenTelemetry's
//! [conventions for HTTP](https://opentelemetry.io/docs/specs/semconv/http/):
//!
//! - The span is called `{method} {route}`, such as `GET /items/{id}`. It goes on with the trace of
//!   the request's `traceparent`, and lasts until the response body ends, or the WebSocket. Its
//!   attribute `alula.request_id` is the `x-request-id`. A status from 500 makes it an error.
//! - What an endpoint logs, and the spans it makes with [`tracing`](https://docs.rs/tracing),
//!   belong to it. So do dependencies, which have spans of their own at level `debug`; background
//!   tasks and exits have one that follows it.
//! - An attempt at a [job](crate::jobs) has a span of its own, `process {job}`, which is linked to
//!   the span that has enqueued the job, however long ago. An attempt that fails is an error.
//! - The metrics are `http.server.request.duration`, `http.server.active_requests`,
//!   `http.server.request.body.size` and `http.server.response.body.size`.
//!
//! ```no_run
//! use alula::{otel::Telemetry, prelude::*};
//! use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let telemetry = Telemetry::builder("shop").build()?;
//!     tracing_subscriber::registry()
//!         .with(tracing_subscriber::fmt::layer())
//!         .with(telemetry.layer())
//!         .init();
//!     App::new("Shop", "1.0.0").telemetry(telemetry).serve("127.0.0.1:8000").await
//! }
//! ```
//!
//! # Settings
//!
//! OpenTelemetry's own environment variables are read by its libraries:
//!
//! | variable | |
//! |---|---|
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | the collector; `http://localhost:4318` by default |
//! | `OTEL_EXPORTER_OTLP_HEADERS` | headers for it, such as `authorization=Bearer%20…` |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | who sends; wins over the name in the program |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | which traces are kept; all by default |
//! | `OTEL_BSP_*` | queue and batches of spans; 2,048 and 512 by default |
//! | `OTEL_METRIC_EXPORT_INTERVAL` | in milliseconds; a minute by default |
//!
//! # What it costs
//!
//! A request never waits for the collector: spans go into a bounded queue, and are dropped where
//! it is full. A collector that is away is tried again with the next batch. At the end of
//! [`App::serve`](crate::App::serve) what is left is sent, for which there are five seconds, unless
//! [`Builder::flush`] says otherwise.
//! An application without [`Telemetry`] pays nothing.

mod body;
mod client;
#[cfg(feature = "jobs")]
mod job;
mod metrics;
mod propagation;
mod request;
mod telemetry;

pub(crate) use body::TracedBody;
#[cfg(feature = "jobs")]
pub use job::traced_attempt;
pub use propagation::trace_headers;
#[cfg(feature = "jobs")]
pub(crate) use propagation::traceparent;
pub(crate) use propagation::{after_response, dependency};
pub(crate) use request::{RequestTrace, note_route};
pub use telemetry::{Builder, Error, Telemetry};
