//! What is measured.

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter, UpDownCounter},
};

/// The buckets of durations, in seconds, that the conventions advise.
const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The buckets of sizes, in bytes.
const BYTES: [f64; 9] =
    [0.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 16_777_216.0];

/// The metrics of an HTTP server.
pub(crate) struct Instruments {
    duration: Histogram<f64>,
    active_requests: UpDownCounter<i64>,
    request_body_size: Histogram<u64>,
    response_body_size: Histogram<u64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let size = |name: &'static str, description: &'static str| {
            meter
                .u64_histogram(name)
                .with_unit("By")
                .with_description(description)
                .with_boundaries(BYTES.to_vec())
                .build()
        };
        Self {
            duration: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description("Duration of HTTP server requests.")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            active_requests: meter
                .i64_up_down_counter("http.server.active_requests")
                .with_unit("{request}")
                .with_description("Number of active HTTP server requests.")
                .build(),
            request_body_size: size(
                "http.server.request.body.size",
                "Size of HTTP server request bodies.",
            ),
            response_body_size: size(
                "http.server.response.body.size",
                "Size of HTTP server response bodies.",
            ),
        }
    }

    pub(super) fn begin(&self, attributes: &[KeyValue]) {
        self.active_requests.add(1, attributes);
    }

    pub(super) fn end(&self, attributes: &[KeyValue]) {
        self.active_requests.add(-1, attributes);
    }

    pub(super) fn record(&self, measured: Measured, attributes: &[KeyValue]) {
        self.duration.record(measured.seconds, attributes);
        if let Some(bytes) = measured.request_bytes {
            self.request_body_size.record(bytes, attributes);
        }
        if let Some(bytes) = measured.response_bytes {
            self.response_body_size.record(bytes, attributes);
        }
    }
}

/// What a request came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) seconds: f64,
    /// If the request said so.
    pub(super) request_bytes: Option<u64>,
    /// If there was a response.
    pub(super) response_bytes: Option<u64>,
}
